/* SPDX-License-Identifier: MIT */
/* step_other.c - reads the steps of a case that are not on a socket */
#include "step_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

enum { DEFAULT_SIZE = 20 };

static int parse_exthdr(struct words *ws, struct step_frame *f)
{
	static const struct named_number known[] = {
		{"hopopts", IPPROTO_HOPOPTS},
		{"dstopts", IPPROTO_DSTOPTS},
		{"routing", IPPROTO_ROUTING},
		{"fragment", IPPROTO_FRAGMENT},
	};
	const char *w = words_take(ws);

	for (size_t i = 0; w && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(w, known[i].name) == 0) {
			f->exthdr = (int)known[i].number;
			return 0;
		}
	return words_complain(ws,
			      "'%.40s' is no extension header; there are hopopts, dstopts, routing "
			      "and fragment",
			      w ? w : "");
}

static int parse_frame_field(struct words *ws, struct step *st)
{
	struct step_frame *f = &st->frame;
	int64_t n;

	if (words_accept(ws, "ttl")) {
		if (words_number(ws, "TTL", 1, 255, &n) < 0)
			return -EINVAL;
		f->ttl = (uint8_t)n;
	} else if (words_accept(ws, "tos")) {
		if (words_number(ws, "TOS", 0, 255, &n) < 0)
			return -EINVAL;
		f->tos = (uint8_t)n;
	} else if (words_accept(ws, "ethertype")) {
		if (words_number(ws, "EtherType", 0x600, 0xffff, &n) < 0)
			return -EINVAL;
		f->ethertype = (uint16_t)n;
	} else if (words_accept(ws, "header")) {
		return parse_exthdr(ws, f);
	} else if (words_accept(ws, "badsum")) {
		f->bad_checksum = 1;
	} else {
		return step_take_payload(ws, st);
	}
	return 0;
}

/* from ADDRESS:PORT to ADDRESS:PORT */
static int take_ends(struct words *ws, struct step_frame *f)
{
	if (!words_accept(ws, "from") || words_addr(ws, "address", &f->src) < 0 ||
	    !words_accept(ws, "to") || words_addr(ws, "address", &f->dst) < 0)
		return words_complain(ws, "write: from ADDRESS:PORT to ADDRESS:PORT");
	if (!f->src.has_port || !f->dst.has_port)
		return words_complain(ws, "both addresses of a frame need a port");
	if (!f->ipv6 && !(addr_is_mapped(&f->src.addr) && addr_is_mapped(&f->dst.addr)))
		return words_complain(ws, "an ipv4 header holds IPv4 addresses only");
	return 0;
}

int step_args_inject(struct words *ws, struct socket_names *names, struct step *st)
{
	struct step_frame *f = &st->frame;
	int64_t mtu;

	(void)names;
	st->size = DEFAULT_SIZE;
	f->exthdr = -1;
	step_take_side(ws, st);
	f->ipv6 = words_accept(ws, "ipv6");
	if (!f->ipv6 && !words_accept(ws, "ipv4"))
		return words_complain(ws, "which IP header? write ipv4 or ipv6");
	f->proto = IPPROTO_UDP;
	if (words_accept(ws, "toobig")) {
		if (words_number(ws, "MTU", 68, UINT16_MAX, &mtu) < 0)
			return -EINVAL;
		f->mtu = (int)mtu;
		return take_ends(ws, f);
	}
	f->syn = words_accept(ws, "syn");
	if (f->syn)
		f->proto = IPPROTO_TCP;
	else if (!words_accept(ws, "udp"))
		return words_complain(ws, "what is in it? write udp, syn or toobig MTU");
	if (take_ends(ws, f) < 0)
		return -EINVAL;
	while (words_peek(ws))
		if (parse_frame_field(ws, st) < 0)
			return -EINVAL;
	if (f->exthdr >= 0 && !f->ipv6)
		return words_complain(ws, "only ipv6 has extension headers");
	return 0;
}

static int take_word(struct words *ws, struct step *st, const char *what)
{
	const char *w = words_take(ws);

	if (!w || strlen(w) >= sizeof(st->word))
		return words_complain(ws,
				      "there is no %s, or it is too long; at most %zu characters",
				      what, sizeof(st->word) - 1);
	memcpy(st->word, w, strlen(w) + 1);
	return 0;
}

/* sysctl SIDE net.ipv4.x VALUE */
int step_args_sysctl(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	step_take_side(ws, st);
	if (take_word(ws, st, "setting") < 0)
		return -EINVAL;
	if (strncmp(st->word, "net.", 4) != 0 || strstr(st->word, "..") || strchr(st->word, '/'))
		return words_complain(ws,
				      "'%.60s' is no setting of a network namespace; they begin "
				      "with net. and have dots, no slashes",
				      st->word);
	return words_value(ws, "value for the setting", &st->value);
}

static int parse_family_word(struct words *ws, struct step *st)
{
	if (words_accept(ws, "inet6"))
		st->family = AF_INET6;
	else if (words_accept(ws, "inet"))
		st->family = AF_INET;
	else if (words_accept(ws, "unspec"))
		st->family = AF_UNSPEC;
	else
		return words_complain(ws, "which family? write inet, inet6 or unspec");
	return 0;
}

/* resolve [SIDE] NAME FAMILY [FLAG...] */
int step_args_resolve(struct words *ws, struct socket_names *names, struct step *st)
{
	const struct named_number *f;

	(void)names;
	step_take_side(ws, st);
	if (take_word(ws, st, "name") < 0 || parse_family_word(ws, st) < 0)
		return -EINVAL;
	for (const char *w; (w = words_peek(ws));) {
		f = resolver_flag_find(w);
		if (!f)
			return words_complain(
				ws,
				"'%.40s' is no flag; there are V4MAPPED, ALL, ADDRCONFIG, "
				"PASSIVE, NUMERICHOST and CANONNAME",
				w);
		st->msg_flags |= (int)f->number;
		words_take(ws);
	}
	return 0;
}

/* nameinfo [SIDE] ADDRESS [numeric] */
int step_args_nameinfo(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	step_take_side(ws, st);
	if (words_addr(ws, "address", &st->addr) < 0)
		return -EINVAL;
	if (words_accept(ws, "numeric"))
		st->flags |= STEP_NOWAIT;
	return step_take_manner(ws, st);
}

int step_args_address(struct words *ws, struct socket_names *names, struct step *st)
{
	int64_t n;

	(void)names;
	if (words_addr(ws, "address", &st->addr) < 0)
		return -EINVAL;
	if (st->verb != VERB_NTOP || !words_accept(ws, "size"))
		return 0;
	if (words_number(ws, "size", 0, ADDR_STRLEN, &n) < 0)
		return -EINVAL;
	st->length = (int)n;
	return 0;
}

int step_args_pton(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	if (parse_family_word(ws, st) < 0)
		return -EINVAL;
	return take_word(ws, st, "text");
}

/* checksum ipv4|ipv6 ADDRESS ADDRESS like ipv4|ipv6 ADDRESS ADDRESS */
int step_args_checksum(struct words *ws, struct socket_names *names, struct step *st)
{
	struct case_addr *a[4] = {&st->addr, &st->pair[0], &st->pair[1], &st->pair[2]};

	(void)names;
	for (size_t i = 0; i < 2; i++) {
		st->v6[i] = words_accept(ws, "ipv6");
		if ((!st->v6[i] && !words_accept(ws, "ipv4")) ||
		    words_addr(ws, "address", a[2 * i]) < 0 ||
		    words_addr(ws, "address", a[2 * i + 1]) < 0 ||
		    (i == 0 && !words_accept(ws, "like")))
			return words_complain(
				ws,
				"write: checksum ipv4 ADDRESS ADDRESS like ipv6 ADDRESS ADDRESS");
	}
	return 0;
}
