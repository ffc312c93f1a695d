/* SPDX-License-Identifier: MIT */
/* play_name.c - steps that ask the resolver, and the one that changes a setting */
#include "play.h"

#include "../../rawstack/netlink/lab_extra.h"
#include "resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>

enum { ASK_MS = 4000 };

static int ask(struct play *p, const struct step *st, const struct resolver_question *q,
	       struct resolver_answer *answer, struct outcome *out)
{
	int rc = p->files ? resolver_ask(p->lab->host[st->side].netns_fd, p->files, q, ASK_MS,
					 answer)
			  : -ENOSYS;

	if (rc == 0 && answer->code != 0)
		snprintf(out->result, sizeof(out->result), "%s", resolver_error_name(answer->code));
	return rc;
}

int play_resolve(struct play *p, const struct step *st, struct outcome *out)
{
	struct resolver_question q = {
		.name = strcmp(st->word, "null") == 0 ? NULL : st->word,
		.family = st->family,
		.flags = st->msg_flags,
	};
	struct resolver_answer a = {0};
	int rc = ask(p, st, &q, &a, out);

	for (size_t i = 0; rc == 0 && i < a.n; i++) {
		struct case_value v = value_of_endpoint(&a.list[i].ep, a.list[i].family, false);

		outcome_add(out, "value", &v);
	}
	return rc;
}

int play_nameinfo(struct play *p, const struct step *st, struct outcome *out)
{
	struct resolver_question q = {
		.reverse = true,
		.addr = case_addr_endpoint(&st->addr, p->base, p->lab->host[st->side].ifindex),
		.addr_family = st->addr.form == ADDR_FORM_INET ? AF_INET : AF_INET6,
		.addr_len = st->length,
		.flags = st->flags & STEP_NOWAIT ? NI_NUMERICHOST : NI_NAMEREQD,
	};
	struct resolver_answer a = {0};
	int rc = ask(p, st, &q, &a, out);

	if (rc == 0 && a.code == 0)
		outcome_word(out, "value", a.name);
	return rc;
}

int play_sysctl(struct play *p, const struct step *st, struct outcome *out)
{
	struct lab_error err = {{0}, {0}};
	char value[VALUE_TEXT];

	(void)out;
	case_value_print(&st->value, p->base, value);
	return lab_sysctl(p->lab, st->side, st->word, value, &err);
}
