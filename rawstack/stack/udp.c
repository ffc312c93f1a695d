/* SPDX-License-Identifier: MIT */
/* udp.c - UDP with the same dual-stack rules as TCP (RFC 768, RFC 3493 3.7) */
#include "stack_internal.h"

#include "../siphash.h"
#include "../wire/csum.h"
#include "../wire/udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * A socket is a binding and a queue of datagrams. What comes over IPv4 and is for an AF_INET6
 * socket has mapped addresses already, and what is sent to a mapped address leaves as IPv4.
 *
 * Limits: a socket holds up to recv_buffer bytes, bookkeeping included, and what comes then is
 * lost; a datagram is at most 65535 bytes with its headers.
 */
enum { TTL = 64 };

struct datagram {
	struct datagram *next;
	struct endpoint peer, local;
	bool v6;
	uint8_t ttl, tos;
	size_t len;
	uint8_t data[];
};

struct udp_socket {
	struct datagram *first, **last;
	size_t held;	   /* bytes */
	int error;	   /* pending, -errno */
	struct addr bound; /* as bound; binding.local follows a connect */
};

struct udp {
	struct siphash_key key;
};

int udp_open(struct stack *s)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return -ENOMEM;
	u->key = siphash_key_from(s->cfg.secret + SECRET_HASH);
	s->udp = u;
	return 0;
}

void udp_close_all(struct stack *s)
{
	for (int i = 0; i < STACK_BINDINGS_MAX; i++)
		if (s->udp_bindings.b[i].used)
			stack_udp_close(s, i);
	free(s->udp);
}

static struct udp_socket *socket_of(struct stack *s, int id)
{
	struct binding *b = binding_at(&s->udp_bindings, id);

	return b == NULL ? NULL : b->owner;
}

int stack_udp_bind(struct stack *s, struct stack_bind *spec)
{
	struct udp_socket *u;
	int id;

	u = calloc(1, sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	id = bind_open(s, true, spec);
	if (id < 0) {
		free(u);
		return id;
	}
	u->last = &u->first;
	u->bound = spec->local.addr;
	s->udp_bindings.b[id].owner = u;
	return id;
}

void stack_udp_close(struct stack *s, int id)
{
	struct udp_socket *u = socket_of(s, id);
	struct datagram *next;

	if (u == NULL)
		return;
	for (struct datagram *d = u->first; d; d = next) {
		next = d->next;
		free(d);
	}
	free(u);
	binding_event_cancel(s, true, id);
	binding_del(&s->udp_bindings, id);
}

/*
 * Whether a socket that is bound as @b may speak to @to at all; what Linux answers otherwise. The
 * family on the wire is that of the address, the socket's only says whether it may be used.
 */
static int may_speak(const struct binding *b, const struct addr *to)
{
	bool mapped = addr_is_mapped(to);

	if (b->family == AF_INET)
		return mapped ? 0 : -EAFNOSUPPORT;
	if (mapped)
		return b->v6only ? -ENETUNREACH : 0;
	return addr_is_mapped(&b->local.addr) ? -EAFNOSUPPORT : 0;
}

int stack_udp_connect(struct stack *s, int id, const struct endpoint *peer)
{
	struct binding *b = binding_at(&s->udp_bindings, id);
	struct udp_socket *u = socket_of(s, id);
	struct route r;
	int rc;

	if (b == NULL)
		return -EINVAL;
	if (peer == NULL) {
		b->connected = false;
		b->local.addr = u->bound;
		return 0;
	}
	rc = may_speak(b, &peer->addr);
	if (rc == 0)
		rc = route_find(s, &peer->addr, &r);
	if (rc < 0)
		return rc;
	if (addr_is_any(&b->local.addr))
		b->local.addr = s->own[r.own].addr;
	b->peer = *peer;
	b->connected = true;
	return 0;
}

/* Our address to send from: as asked, as bound, or as routed. */
static int choose_source(const struct stack *s, const struct binding *b, const struct addr *to,
			 const struct addr *from, uint8_t *own)
{
	struct route r;
	int rc = route_find(s, to, &r);

	if (rc < 0)
		return rc;
	*own = r.own;
	if (from == NULL && !addr_is_any(&b->local.addr) &&
	    addr_is_mapped(&b->local.addr) == addr_is_mapped(to))
		from = &b->local.addr;
	if (from == NULL || addr_is_any(from))
		return 0;
	if (addr_is_mapped(from) != addr_is_mapped(to))
		return -EINVAL;
	*own = own_find(s, from);
	return *own == OWN_NONE ? -ENETUNREACH : 0;
}

static ssize_t send_to(struct stack *s, uint64_t now, const struct binding *b,
		       const struct endpoint *to, uint8_t own, const void *data, size_t len)
{
	bool v6 = !addr_is_mapped(&to->addr);
	struct outbuf out = outbuf_of(s->datagram, STACK_DATAGRAM_MAX);
	size_t total = UDP_HDR_LEN + len;
	uint16_t csum;
	int rc;

	udp_build(&(struct udp_hdr){.sport = b->local.port,
				    .dport = to->port,
				    .len = (uint16_t)total},
		  &out);
	outbuf_put(&out, data, len);
	assert(!out.overflow);
	csum = csum_segment(&s->own[own].addr, &to->addr, v6, IPPROTO_UDP, out.buf, total);
	put_be16(out.buf + UDP_CSUM_OFFSET, csum ? csum : 0xffff); /* 0 means none (RFC 768) */
	rc = out_datagram(s, now, own, &to->addr, IPPROTO_UDP, TTL, 0, out.buf, total);
	/* As on any wire, one that finds no room is lost, not refused. */
	if (rc < 0 && rc != -ENOBUFS)
		return rc;
	s->stats.udp_out++;
	return (ssize_t)len;
}

static int take_error(struct udp_socket *u)
{
	int error = u->error;

	u->error = 0;
	return error;
}

ssize_t stack_udp_send(struct stack *s, uint64_t now, int id, const struct endpoint *to,
		       const struct addr *from, const void *data, size_t len)
{
	enum { PAYLOAD_MAX = STACK_DATAGRAM_MAX - 20 - UDP_HDR_LEN };
	struct binding *b = binding_at(&s->udp_bindings, id);
	struct udp_socket *u = socket_of(s, id);
	uint8_t own = OWN_NONE;
	int rc;

	if (b == NULL)
		return -EINVAL;
	rc = take_error(u);
	if (rc < 0)
		return rc;
	if (len > PAYLOAD_MAX)
		return -EMSGSIZE;
	if (to == NULL && !b->connected)
		return -EDESTADDRREQ;
	if (to == NULL)
		to = &b->peer;
	if (to->port == 0)
		return -EINVAL;
	rc = may_speak(b, &to->addr);
	if (rc == 0)
		rc = choose_source(s, b, &to->addr, from, &own);
	return rc < 0 ? rc : send_to(s, now, b, to, own, data, len);
}

static void lend(struct datagram *d, struct stack_dgram *out)
{
	*out = (struct stack_dgram){.peer = d->peer,
				    .local = d->local,
				    .wire_v6 = d->v6,
				    .ttl = d->ttl,
				    .tos = d->tos,
				    .data = d->data,
				    .len = d->len,
				    .ref = d};
}

int stack_udp_recv(struct stack *s, int id, struct stack_dgram *out)
{
	struct udp_socket *u = socket_of(s, id);
	struct datagram *d;
	int rc;

	if (u == NULL)
		return -EINVAL;
	rc = take_error(u);
	if (rc < 0)
		return rc;
	d = u->first;
	if (d == NULL)
		return -EAGAIN;
	u->first = d->next;
	if (u->first == NULL)
		u->last = &u->first;
	u->held -= sizeof(*d) + d->len;
	lend(d, out);
	return 0;
}

static const struct udp_socket *peek_socket(const struct stack *s, int id)
{
	bool known = id >= 0 && id < STACK_BINDINGS_MAX && s->udp_bindings.b[id].used;

	return known ? s->udp_bindings.b[id].owner : NULL;
}

int stack_udp_peek(const struct stack *s, int id, struct stack_dgram *out)
{
	const struct udp_socket *u = peek_socket(s, id);

	if (u == NULL)
		return -EINVAL;
	if (u->first == NULL)
		return -EAGAIN;
	lend(u->first, out);
	return 0;
}

int stack_udp_error(const struct stack *s, int id)
{
	const struct udp_socket *u = peek_socket(s, id);

	return u == NULL ? -EINVAL : u->error;
}

int stack_udp_local(const struct stack *s, int id, struct endpoint *local)
{
	if (peek_socket(s, id) == NULL)
		return -EINVAL;
	*local = s->udp_bindings.b[id].local;
	return 0;
}

void stack_udp_release(struct stack *s, struct stack_dgram *d)
{
	(void)s;
	free(d->ref);
	d->ref = NULL;
}

static void deliver(struct stack *s, int id, const struct packet *p, const struct udp_hdr *h,
		    const struct endpoint *src, const struct endpoint *dst)
{
	struct udp_socket *u = socket_of(s, id);
	size_t len = h->len - (size_t)UDP_HDR_LEN;
	struct datagram *d = NULL;

	if (u->held + sizeof(*d) + len <= s->cfg.recv_buffer)
		d = malloc(sizeof(*d) + len);
	if (d == NULL) {
		s->stats.udp_full++;
		return;
	}
	*d = (struct datagram){
		.peer = *src, .local = *dst, .v6 = p->v6, .ttl = p->ttl, .tos = p->tos, .len = len};
	memcpy(d->data, p->l4 + UDP_HDR_LEN, len);
	u->held += sizeof(*d) + len;
	*u->last = d;
	u->last = &d->next;
	s->stats.udp_in++;
	binding_event(s, true, id);
}

/* A copy to every socket that the group's datagrams reach: those on any. */
static bool deliver_group(struct stack *s, const struct packet *p, const struct udp_hdr *h,
			  const struct endpoint *src, const struct endpoint *dst)
{
	bool any = false;

	for (int i = 0; i < STACK_BINDINGS_MAX; i++) {
		const struct binding *b = &s->udp_bindings.b[i];

		if (!b->used || b->local.port != dst->port || !addr_is_any(&b->local.addr) ||
		    !binding_serves(b, p->v6) || (b->connected && !endpoint_eq(&b->peer, src)))
			continue;
		deliver(s, i, p, h, src, dst);
		any = true;
	}
	return any;
}

/* RFC 768; RFC 8200 8.1: over IPv6 there is always a checksum. What follows the length is padding.
 */
static bool is_sound(const struct packet *p, const struct udp_hdr *h)
{
	if (h->len > p->l4_len)
		return false;
	if (h->csum == 0)
		return !p->v6;
	return p->csum_trusted ||
	       csum_segment(&p->src, &p->dst, p->v6, IPPROTO_UDP, p->l4, h->len) == 0;
}

static uint32_t hash_of(const struct stack *s, const struct endpoint *src,
			const struct endpoint *dst)
{
	uint64_t words[5];

	memcpy(words, src->addr.b, 16);
	memcpy(words + 2, dst->addr.b, 16);
	words[4] = (uint64_t)src->port << 16 | dst->port;
	return (uint32_t)siphash_words(&s->udp->key, words, 5);
}

void udp_input(struct stack *s, const struct packet *p)
{
	struct span sp = span_of(p->l4, p->l4_len);
	struct endpoint src = {.addr = p->src}, dst = {.addr = p->dst};
	struct udp_hdr h;
	int id;

	if (udp_parse(&sp, &h) < 0 || !is_sound(p, &h)) {
		s->stats.udp_bad++;
		return;
	}
	src.port = h.sport;
	dst.port = h.dport;
	if (p->to_group) {
		if (!deliver_group(s, p, &h, &src, &dst))
			s->stats.udp_no_port++;
		return;
	}
	id = binding_find(&s->udp_bindings, p->v6, &src, &dst, hash_of(s, &src, &dst));
	if (id >= 0) {
		deliver(s, id, p, &h, &src, &dst);
		return;
	}
	s->stats.udp_no_port++;
	icmp_complain(s, p, ICMP_KIND_PORT_UNREACHABLE, 0);
}

/* Only a connected socket is told, and of what is not to be repaired (udp(7)). */
void udp_icmp_error(struct stack *s, const struct icmp_error *e)
{
	struct endpoint peer = {.addr = e->dst, .port = e->dport};
	struct endpoint local = {.addr = s->own[e->own].addr, .port = e->sport};
	int id = binding_find(&s->udp_bindings, e->v6, &peer, &local, hash_of(s, &peer, &local));
	struct binding *b = binding_at(&s->udp_bindings, id);
	struct udp_socket *u;

	if (b == NULL || !b->connected || !endpoint_eq(&b->peer, &peer) || e->verdict != ICMP_HARD)
		return;
	u = b->owner;
	u->error = e->error;
	binding_event(s, true, id);
}
