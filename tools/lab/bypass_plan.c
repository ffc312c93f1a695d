/* SPDX-License-Identifier: MIT */
/* bypass_plan.c - which cases can be played against our own stack, who serves them, and why not */
#include "bypass_plan.h"

#include "../../rawstack/stack/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>

struct bypass_plan {
	struct rawstack_host *probe; /* without a link: it is asked what sockets can do */
};

static void drop_packet(void *arg, const void *packet, size_t len)
{
	(void)arg;
	(void)packet;
	(void)len;
}

static uint64_t no_time(void *arg)
{
	(void)arg;
	return 0;
}

int bypass_plan_open(const char *engine, struct bypass_plan **out)
{
	static const struct rawstack_host_config cfg = {.addrs = {{"198.51.100.2", 24}},
							.n_addrs = 1,
							.output = drop_packet,
							.clock = no_time};
	struct bypass_plan *p;

	*out = NULL;
	if (strcmp(engine, "bypass") != 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->probe = rawstack_host_new(&cfg);
	if (!p->probe) {
		free(p);
		return -errno;
	}
	*out = p;
	return 0;
}

void bypass_plan_close(struct bypass_plan *p)
{
	if (!p)
		return;
	rawstack_host_free(p->probe);
	free(p);
}

static bool no(char why[PLAN_WHY], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool no(char why[PLAN_WHY], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, PLAN_WHY, fmt, ap);
	va_end(ap);
	return false;
}

static bool setting_applies(const struct case_setting *s, char why[PLAN_WHY])
{
	if (s->kind == SETTING_DNS)
		return no(why, "its name server needs the server's kernel");
	if (s->side != LAB_SERVER)
		return true;
	switch (s->kind) {
	case SETTING_SYSCTL:
		return no(why, "it sets %s of the server's kernel", s->text);
	case SETTING_ROUTE:
		return no(why, "it routes in the server's kernel");
	case SETTING_NFT:
		return no(why, "it filters in the server's kernel");
	case SETTING_ADDRESS:
		if (s->gone)
			return no(why, "it takes an address from the server's kernel");
		if (s->on_lo)
			return no(why, "the stack has no loopback interface");
		if (s->addr.form == ADDR_FORM_INET6 && addr_is_mapped(&s->addr.addr))
			return no(why, "the stack takes no ::ffff: address for an IPv6 one");
		return true;
	default:
		return true;
	}
}

/* --- what is done on the server's host --- */

static bool has_option(const struct bypass_plan *p, const struct socket_type *t,
		       const struct step *st)
{
	/* An IPv6 option of an AF_INET socket is none at all, and may be what the case is about. */
	int family = st->level == IPPROTO_IPV6 ? AF_INET6 : t->family;
	int fd = rawstack_socket(p->probe, family, t->type, 0), rc;
	char value[256];
	socklen_t len = sizeof(value);

	if (fd < 0)
		return false;
	rc = rawstack_getsockopt(p->probe, fd, st->level, st->option->number, value, &len);
	if (rc < 0)
		rc = -errno;
	rawstack_close(p->probe, fd);
	return rc != -ENOPROTOOPT && rc != -EOPNOTSUPP;
}

/* Sockets by index: what the steps so far have made of them. */
struct seen {
	const struct socket_type *type[CASE_SOCKETS_MAX]; /* NULL: not on the server's host */
	bool any;					  /* there was one there */
	bool reached; /* something was sent towards the server's host */
};

static bool messages_apply(const struct step *st, char why[PLAN_WHY])
{
	for (size_t i = 0; i < st->n_items; i++) {
		enum message_kind kind = st->items[i].item->kind;

		if (kind != MESSAGE_PKTINFO4 && kind != MESSAGE_PKTINFO6)
			return no(why, "the stack sends no %s", st->items[i].item->name);
	}
	if (st->msg_flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_WAITALL | MSG_NOSIGNAL))
		return no(why, "the stack has not all the flags of '%.80s'", st->text);
	return true;
}

/* A step on a socket of the server's host. */
static bool socket_step_applies(const struct bypass_plan *p, const struct socket_type *t,
				const struct step *st, char why[PLAN_WHY])
{
	switch (st->verb) {
	case VERB_SET:
	case VERB_GET:
		if (has_option(p, t, st))
			return true;
		return no(why, "the stack's sockets have no %s%s", st->option->name,
			  st->level == st->option->level ? "" : " at another level");
	case VERB_SEND:
	case VERB_RECV:
		return messages_apply(st, why);
	case VERB_TALK:
	case VERB_FINISH:
		return no(why, "'%s' on a socket of the stack's needs a peer that echoes",
			  step_verb_name(st->verb));
	default:
		return true;
	}
}

static bool makes_socket(struct seen *seen, const struct step *st, char why[PLAN_WHY])
{
	bool server = st->side == LAB_SERVER;

	seen->type[st->sock] = server ? st->type : NULL;
	seen->any |= server;
	if (!server)
		return true;
	if (st->type->type == SOCK_STREAM
		    ? st->type->protocol == IPPROTO_TCP
		    : st->type->protocol == IPPROTO_UDP && st->type->type == SOCK_DGRAM)
		return true;
	return no(why, "the stack has no %s sockets", st->type->name);
}

static bool step_applies(const struct bypass_plan *p, struct seen *seen, const struct step *st,
			 char why[PLAN_WHY])
{
	const struct socket_type *t = st->sock >= 0 ? seen->type[st->sock] : NULL;

	if (st->verb == VERB_SOCKET)
		return makes_socket(seen, st, why);
	if (st->verb == VERB_ACCEPT)
		seen->type[st->other] = t;
	if (st->sock >= 0) {
		seen->reached |= !t && (st->verb == VERB_CONNECT || st->verb == VERB_SEND);
		return !t || socket_step_applies(p, t, st, why);
	}
	if (st->verb == VERB_INJECT)
		seen->reached |= st->side == LAB_CLIENT;
	if (st->side != LAB_SERVER)
		return true;
	if (st->verb == VERB_SYSCTL)
		return no(why, "it sets %s of the server's kernel", st->word);
	if (st->verb == VERB_RESOLVE || st->verb == VERB_NAMEINFO)
		return no(why, "it asks the resolver on the server's host");
	return true;
}

/* Its own expectation says that the cable stays silent. */
static bool is_silent(const struct lab_case *c)
{
	for (size_t i = 0; i < c->n_expects; i++) {
		const struct expect *e = &c->expects[i];

		if (e->kind == EXPECT_WIRE && e->frames == FRAMES_ANY && e->count == 0 &&
		    e->from < 0 && e->sock < 0 && !e->has_to && !e->has_src && !e->has_dst)
			return true;
	}
	return false;
}

static bool applies(const struct bypass_plan *p, const struct lab_case *c, char why[PLAN_WHY])
{
	struct seen seen = {.any = false};

	for (size_t i = 0; i < c->n_settings; i++)
		if (!setting_applies(&c->settings[i], why))
			return false;
	for (size_t i = 0; i < c->n_steps; i++)
		if (!step_applies(p, &seen, &c->steps[i], why))
			return false;
	if (seen.any && c->n_listeners)
		return no(why, "our server and further sockets would be two stacks on one link");
	return seen.any || (seen.reached && !is_silent(c)) ||
	       no(why, "nothing in it reaches the server");
}

const struct lab_case *bypass_plan_case(const struct bypass_plan *p, const struct lab_case *c,
					char why[PLAN_WHY])
{
	if (!p)
		return c;
	if (c->bypass)
		c = c->bypass;
	if (c->bypass_never) {
		no(why, "%s", c->differs);
		return NULL;
	}
	return applies(p, c, why) ? c : NULL;
}

enum serving bypass_plan_serving(const struct bypass_plan *p, const struct lab_case *c)
{
	if (!p)
		return SERVING_KERNEL;
	return c->n_listeners ? SERVING_ENGINE : SERVING_SOCKETS;
}
