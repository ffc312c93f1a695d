/* SPDX-License-Identifier: MIT */
/* play_option.c - steps that set and get socket options */
#include "play.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { LO_INDEX = 1, OPTION_ROOM = 256 };

/* The key of TCP_MD5SIG is the same everywhere: what is at issue is the address. */
static const char MD5_KEY[] = "dualwire";

struct option_value {
	union {
		int number;
		uint8_t bytes[OPTION_ROOM];
		struct ip_mreqn mreq4;
		struct ipv6_mreq mreq6;
		struct group_req group;
		struct tcp_md5sig md5;
		struct sock_fprog filter;
		char text[VALUE_TEXT];
	} u;
	socklen_t len;
};

static uint32_t index_of(const struct play *p, const struct step *st)
{
	const struct lab_host *h = &p->lab->host[p->socks[st->sock].side];

	return strcmp(st->word, "lo") == 0 ? LO_INDEX : h->ifindex;
}

static void put_index(const struct play *p, const struct step *st, struct option_value *v)
{
	uint32_t index = index_of(p, st);

	/* The two UNICAST_IF options want it in network order, see ip(7). */
	v->u.number =
		(int)(st->option->number == IPV6_MULTICAST_IF && st->option->level == IPPROTO_IPV6
			      ? index
			      : htonl(index));
	v->len = sizeof(v->u.number);
}

static void put_text(const struct play *p, const struct step *st, struct option_value *v)
{
	const struct lab_host *h = &p->lab->host[p->socks[st->sock].side];
	const char *text = strcmp(st->word, "link") == 0 ? h->ifname : st->word;

	v->len = (socklen_t)strlen(text);
	memcpy(v->u.text, text, v->len);
}

static int digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static void put_bytes(const struct step *st, struct option_value *v)
{
	for (const char *t = st->word; *t; t += 2)
		v->u.bytes[v->len++] = (uint8_t)(digit(t[0]) << 4 | digit(t[1]));
}

static void put_group4(const struct play *p, const struct step *st, struct option_value *v)
{
	const uint8_t *v4 = addr_v4(&st->value.addr.addr);

	if (st->option->number == IP_MULTICAST_IF) {
		memcpy(&v->u.mreq4.imr_address, v4, 4);
	} else {
		memcpy(&v->u.mreq4.imr_multiaddr, v4, 4);
		v->u.mreq4.imr_ifindex = (int)p->lab->host[p->socks[st->sock].side].ifindex;
	}
	v->len = sizeof(v->u.mreq4);
}

/* A group or a peer, in the sockaddr of the family it is written in. */
static void put_sockaddr(const struct play *p, const struct step *st, struct sockaddr_storage *ss)
{
	struct endpoint ep = case_addr_endpoint(&st->value.addr, p->base, 0);

	endpoint_to_sockaddr(&ep, st->value.addr.form == ADDR_FORM_INET ? AF_INET : AF_INET6, ss);
}

/* Only datagrams of one EtherType get in: SKF_AD_PROTOCOL is how they came, not what they claim. */
static void put_filter(const struct step *st, struct sock_filter *program, struct option_value *v)
{
	uint32_t wanted = strcmp(st->word, "ipv4") == 0 ? 0x0800 : 0x86dd;
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	memcpy(program, code, sizeof(code));
	v->u.filter = (struct sock_fprog){.len = 4, .filter = program};
	v->len = sizeof(v->u.filter);
}

static void put_value(const struct play *p, const struct step *st, struct sock_filter *program,
		      struct option_value *v)
{
	switch (st->option->kind) {
	case OPTION_INT:
	case OPTION_SYN:
		v->u.number = (int)st->value.number;
		v->len = sizeof(v->u.number);
		break;
	case OPTION_INDEX:
		put_index(p, st, v);
		break;
	case OPTION_ADDR4:
		put_group4(p, st, v);
		break;
	case OPTION_MREQ6:
		memcpy(&v->u.mreq6.ipv6mr_multiaddr, st->value.addr.addr.b, 16);
		v->u.mreq6.ipv6mr_interface = p->lab->host[p->socks[st->sock].side].ifindex;
		v->len = sizeof(v->u.mreq6);
		break;
	case OPTION_GROUP:
		v->u.group.gr_interface = p->lab->host[p->socks[st->sock].side].ifindex;
		put_sockaddr(p, st, &v->u.group.gr_group);
		v->len = sizeof(v->u.group);
		break;
	case OPTION_TEXT:
		put_text(p, st, v);
		break;
	case OPTION_BYTES:
		put_bytes(st, v);
		break;
	case OPTION_FILTER:
		put_filter(st, program, v);
		break;
	case OPTION_MD5:
		put_sockaddr(p, st, (struct sockaddr_storage *)&v->u.md5.tcpm_addr);
		v->u.md5.tcpm_keylen = sizeof(MD5_KEY) - 1;
		memcpy(v->u.md5.tcpm_key, MD5_KEY, sizeof(MD5_KEY) - 1);
		v->len = sizeof(v->u.md5);
		break;
	}
}

int play_set(struct play *p, const struct step *st, struct outcome *out)
{
	const struct play_socket *s = &p->socks[st->sock];
	struct option_value v = {.len = 0};
	struct sock_filter program[4];

	(void)out;
	put_value(p, st, program, &v);
	if (st->length >= 0)
		v.len = (socklen_t)st->length;
	return s->on->calls->setsockopt(s->on, s->fd, st->level, st->option->number, &v.u, v.len);
}

int play_get(struct play *p, const struct step *st, struct outcome *out)
{
	const struct play_socket *s = &p->socks[st->sock];
	struct option_value v = {.len = sizeof(int)};
	struct case_value got;
	int rc;

	if (st->option->kind != OPTION_INT && st->option->kind != OPTION_INDEX)
		v.len = OPTION_ROOM - 1;
	rc = s->on->calls->getsockopt(s->on, s->fd, st->level, st->option->number, &v.u, &v.len);
	if (rc < 0)
		return rc;
	if (st->option->kind == OPTION_TEXT) {
		outcome_word(out, "value", v.len ? v.u.text : "none");
		return 0;
	}
	if (st->option->kind == OPTION_SYN)
		got = value_of_number(v.len ? v.u.bytes[0] >> 4 : 0);
	else
		got = value_of_number(v.u.number);
	outcome_add(out, "value", &got);
	return 0;
}
