/* SPDX-License-Identifier: MIT */
/* verify.c - holds what a case expects at its end against what was seen */
#include "verify.h"

#include "../../rawstack/clock.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>

enum { MIB_WAIT_MS = 300 };

/* The line without its view, which stands beside it, and without what follows the colon. */
static void subject(const struct expect *e, char buf[CHECK_TEXT])
{
	const char *text = e->text;

	if (e->kind != EXPECT_SERVED)
		text += strcspn(text, " ");
	text += strspn(text, " ");
	snprintf(buf, CHECK_TEXT, "%.*s", (int)strcspn(text, ":"), text);
}

bool verify_wants_mib(const struct lab_case *c)
{
	for (size_t i = 0; i < c->n_expects; i++)
		if (c->expects[i].kind == EXPECT_MIB)
			return true;
	return false;
}

static void check_counter(const struct lab *lab, const struct expect *e, const struct mib_pair *m,
			  struct case_result *res)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)MIB_WAIT_MS * NS_PER_MS;
	char what[CHECK_TEXT], want[VALUE_TEXT], got[VALUE_TEXT];
	struct case_value delta;
	struct mib now;
	int64_t a, b;
	bool ok;

	snprintf(what, sizeof(what), "%s %s", e->side == LAB_SERVER ? "server" : "client",
		 e->counter);
	if (lab->host[e->side].bare) {
		case_result_leave_out(res, CHECK_MIB, what, case_value_print(&e->delta, 0, want),
				      "not asked: no packet of it was the server's kernel's");
		return;
	}
	if (mib_get(&m->before[e->side], e->counter, &a) < 0) {
		case_result_check(res, CHECK_MIB, false, what, case_value_print(&e->delta, 0, want),
				  "no such counter");
		return;
	}
	do {
		if (mib_read(lab->host[e->side].netns_fd, &now) < 0 ||
		    mib_get(&now, e->counter, &b) < 0)
			b = a;
		delta = value_of_number(b - a);
		ok = case_value_meets(&e->delta, &delta, 0);
	} while (!ok && clock_ns(CLOCK_MONOTONIC) < end && poll(NULL, 0, 1) == 0);
	case_result_check(res, CHECK_MIB, ok, what, case_value_print(&e->delta, 0, want),
			  case_value_print(&delta, 0, got));
}

void verify_mib(const struct lab *lab, const struct lab_case *c, const struct mib_pair *m,
		struct case_result *res)
{
	for (size_t i = 0; i < c->n_expects; i++)
		if (c->expects[i].kind == EXPECT_MIB)
			check_counter(lab, &c->expects[i], m, res);
}

static bool in_range(const struct port_range *r, uint16_t port)
{
	return port >= r->lo && port <= r->hi;
}

static bool is_housekeeping(const struct frame_info *f)
{
	return f->proto == IPPROTO_ICMPV6 &&
	       ((f->icmp_type >= MLD_LISTENER_QUERY && f->icmp_type <= ND_REDIRECT) ||
		f->icmp_type == 143); /* MLDv2 report, RFC 9777 */
}

bool verify_is_frame_of(const struct evidence *ev, const struct case_result *res,
			const struct evidence_frame *f)
{
	const struct port_range *own = &ev->cases[res->case_index].ports;

	if (f->canary || !f->outgoing || is_housekeeping(&f->info))
		return false;
	if (f->info.has_ports && (in_range(own, f->info.sport) || in_range(own, f->info.dport)))
		return true;
	if (f->ts_ns < res->begin_ns || f->ts_ns > res->end_ns)
		return false;
	for (size_t i = 0; f->info.has_ports && i < ev->n_cases; i++)
		if (in_range(&ev->cases[i].ports, f->info.sport) ||
		    in_range(&ev->cases[i].ports, f->info.dport))
			return false;
	return true;
}

static bool is_of_kind(const struct frame_info *f, enum frame_kind kind)
{
	bool tcp = f->proto == IPPROTO_TCP && f->has_ports;
	uint8_t flags = f->tcp_flags;

	switch (kind) {
	case FRAMES_TCP:
		return tcp;
	case FRAMES_UDP:
		return f->proto == IPPROTO_UDP;
	case FRAMES_ICMP:
		return f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6;
	case FRAMES_SYN:
		return tcp && (flags & TCP_SYN) && !(flags & TCP_ACK);
	case FRAMES_SYNACK:
		return tcp && (flags & TCP_SYN) && (flags & TCP_ACK);
	case FRAMES_RST:
		return tcp && (flags & TCP_RST);
	case FRAMES_FIN:
		return tcp && (flags & TCP_FIN);
	case FRAMES_DATA:
		return tcp && f->payload_len > 0;
	default:
		return true;
	}
}

static struct case_value address_of(const struct frame_info *f, const struct addr *a)
{
	struct endpoint ep = {.addr = *a};

	return value_of_endpoint(&ep, f->version == 4 ? AF_INET : AF_INET6, false);
}

/* Has another client's socket of the case the same port? To another address that is allowed. */
static bool shares_port(const struct play *p, int sock)
{
	const struct play_socket *s = &p->socks[sock];

	for (int i = 0; i < CASE_SOCKETS_MAX; i++)
		if (i != sock && p->socks[i].port == s->port && p->socks[i].side == s->side)
			return true;
	return false;
}

/*
 * What is between addresses @a and @b on the port of a client's socket: is it that socket's? Only
 * where its port does not tell do its addresses count: a socket may be at fault in them.
 */
static bool is_between(const struct play *p, int sock, const struct addr *a, const struct addr *b)
{
	const struct play_socket *s = &p->socks[sock];
	const struct addr *local = &s->rec.local.addr, *peer = &s->rec.peer.addr;

	if (s->side != LAB_CLIENT || !s->rec.peer.port || !shares_port(p, sock))
		return true;
	return (addr_eq(a, local) && addr_eq(b, peer)) || (addr_eq(a, peer) && addr_eq(b, local));
}

static bool is_chosen(const struct play *p, const struct evidence *ev, const struct expect *e,
		      const struct evidence_frame *f)
{
	const struct frame_info *i = &f->info;
	enum evidence_side side = ev->taps[f->tap].side;
	uint16_t port = play_port(p, e->sock), to = case_port_number(&e->to, p->base);
	struct case_value src = address_of(i, &i->src), dst = address_of(i, &i->dst);
	struct case_value want = {.kind = VALUE_ADDR, .addr = e->src};

	if (!is_of_kind(i, e->frames))
		return false;
	if (e->from >= 0 && side != (e->from == LAB_CLIENT ? SIDE_CLIENT : SIDE_SERVER))
		return false;
	if (e->sock >= 0 && !(i->has_ports && (i->sport == port || i->dport == port) &&
			      is_between(p, e->sock, &i->src, &i->dst)))
		return false;
	if (e->has_to && !(i->has_ports && i->dport == to))
		return false;
	if (e->has_src && !case_value_meets(&want, &src, p->base))
		return false;
	want.addr = e->dst;
	return !e->has_dst || case_value_meets(&want, &dst, p->base);
}

static struct case_value field_of(const struct frame_info *f, enum frame_field field)
{
	switch (field) {
	case FIELD_ETHERTYPE:
		return value_of_number(f->ethertype);
	case FIELD_VERSION:
		return value_of_number(f->version);
	case FIELD_TTL:
		return value_of_number(f->ttl);
	case FIELD_TOS:
		return value_of_number(f->tos);
	case FIELD_DF:
		return value_of_number(f->df);
	case FIELD_FLOWLABEL:
		return value_of_number(f->flow_label);
	case FIELD_MSS:
		return value_of_number(f->mss);
	case FIELD_OPTIONS:
		return value_of_number(f->ip_options);
	case FIELD_FRAGMENT:
		return value_of_number(f->fragment);
	case FIELD_LENGTH:
		return value_of_number(f->payload_len);
	case FIELD_CHECKSUM:
		return value_of_word(f->problems & FRAME_BAD_CHECKSUM  ? "bad"
				     : f->problems & FRAME_NO_CHECKSUM ? "none"
								       : "good");
	case FIELD_ICMP_TYPE:
		return value_of_number(f->icmp_type);
	case FIELD_ICMP_CODE:
		return value_of_number(f->icmp_code);
	case FIELD_SRC:
		return address_of(f, &f->src);
	default:
		return address_of(f, &f->dst);
	}
}

/* EtherTypes are known by their hexadecimal names. */
static void print_field(enum frame_field field, const struct case_value *v, char *buf)
{
	if (field == FIELD_ETHERTYPE && v->kind == VALUE_NUMBER && v->relation == VALUE_EQUAL)
		snprintf(buf, VALUE_TEXT, "0x%04x", (unsigned int)v->number);
	else
		case_value_print(v, 0, buf);
}

/* Every chosen frame must show the value; the first that does not is the one reported. */
static void check_field(const struct play *p, const struct expect *e, const struct expect_field *f,
			struct case_result *res)
{
	const struct evidence *ev = res->report->ev;
	char line[CHECK_TEXT], what[CHECK_TEXT], want[VALUE_TEXT], got[VALUE_TEXT] = "no frame";
	bool ok = true, any = false;

	for (size_t i = 0; i < ev->n_frames && ok; i++) {
		const struct evidence_frame *frame = &ev->frames[i];
		struct case_value v;

		if (!verify_is_frame_of(ev, res, frame) || !is_chosen(p, ev, e, frame))
			continue;
		v = field_of(&frame->info, f->field);
		ok = case_value_meets(&f->value, &v, p->base);
		print_field(f->field, &v, got);
		any = true;
	}
	subject(e, line);
	snprintf(what, sizeof(what), "%.110s: %s", line, frame_field_name(f->field));
	print_field(f->field, &f->value, want);
	case_result_check(res, CHECK_WIRE, ok && any, what, want, got);
}

static void check_wire(const struct play *p, const struct expect *e, struct case_result *res)
{
	const struct evidence *ev = res->report->ev;
	char what[CHECK_TEXT], want[24], got[24];
	int n = 0;

	for (size_t i = 0; i < ev->n_frames; i++)
		n += verify_is_frame_of(ev, res, &ev->frames[i]) &&
		     is_chosen(p, ev, e, &ev->frames[i]);
	subject(e, what);
	snprintf(got, sizeof(got), "%d", n);
	if (e->count < 0)
		snprintf(want, sizeof(want), "at least 1");
	else
		snprintf(want, sizeof(want), "%d", e->count);
	/* That there is one shows in its fields. */
	if (e->count >= 0 || !e->n_fields || n == 0)
		case_result_check(res, CHECK_WIRE, e->count < 0 ? n > 0 : n == e->count, what, want,
				  got);
	for (size_t i = 0; i < e->n_fields && n; i++)
		check_field(p, e, &e->fields[i], res);
}

/* One wanted pair against one value. */
static void check_pair(const struct play *p, const struct expect *e, enum check_view view,
		       const struct step_want *w, const struct case_value *got,
		       struct case_result *res)
{
	char line[CHECK_TEXT], what[CHECK_TEXT], want[VALUE_TEXT], is[VALUE_TEXT];
	struct case_value shown = *got;

	/* A port that nobody asked for is a different one each time. */
	if (w->value.kind == VALUE_ADDR && !w->value.addr.has_port)
		shown.addr.has_port = false;
	subject(e, line);
	snprintf(what, sizeof(what), "%.110s: %s", line, w->key);
	case_result_check(res, view, case_value_meets(&w->value, got, p->base), what,
			  case_value_print(&w->value, p->base, want),
			  case_value_print(&shown, p->base, is));
}

static struct case_value family_value(int family)
{
	return value_of_word(family == AF_INET ? "AF_INET" : "AF_INET6");
}

/* What our server was shown of the connection that a client's socket made. */
static void check_served(const struct play *p, const struct expect *e, struct case_result *res)
{
	const struct evidence *ev = res->report->ev;
	const struct port_range *own = &ev->cases[res->case_index].ports;
	const struct evidence_api *a = NULL;

	for (size_t i = 0; i < ev->n_api && !a; i++)
		if (ev->api[i].side == SIDE_SERVER && in_range(own, ev->api[i].local.port) &&
		    ev->api[i].peer.port == play_port(p, e->sock) &&
		    is_between(p, e->sock, &ev->api[i].peer.addr, &ev->api[i].local.addr))
			a = &ev->api[i];
	if (!a || e->n_wants == 0)
		case_result_check(res, CHECK_API, !a && e->n_wants == 0, e->text,
				  e->n_wants ? "somebody" : "nobody", a ? "somebody" : "nobody");
	for (size_t i = 0; a && i < e->n_wants; i++) {
		const struct step_want *w = &e->wants[i];
		struct case_value v = family_value(a->family);

		if (strcmp(w->key, "from") == 0)
			v = value_of_endpoint(&a->peer, a->family, true);
		else if (strcmp(w->key, "local") == 0)
			v = value_of_endpoint(&a->local, a->family, true);
		check_pair(p, e, CHECK_API, w, &v, res);
	}
}

/* The socket that one end's kernel had for the connection. */
static const struct sockdiag_entry *kernel_entry(const struct play *p, const struct expect *e,
						 const struct case_result *res)
{
	const struct evidence *ev = res->report->ev;
	const struct port_range *own = &ev->cases[res->case_index].ports;
	uint16_t port = play_port(p, e->sock);
	enum evidence_side side = e->side == LAB_CLIENT ? SIDE_CLIENT : SIDE_SERVER;

	for (size_t i = 0; i < ev->n_kernel; i++) {
		const struct sockdiag_entry *k = &ev->kernel[i].entry;
		bool client = side == SIDE_CLIENT;

		if (ev->taps[ev->kernel[i].tap].side == side &&
		    (client ? k->src.port : k->dst.port) == port &&
		    in_range(own, client ? k->dst.port : k->src.port) &&
		    is_between(p, e->sock, &k->src.addr, &k->dst.addr))
			return k;
	}
	return NULL;
}

static void check_kernel(const struct play *p, const struct expect *e, struct case_result *res)
{
	const struct sockdiag_entry *k = kernel_entry(p, e, res);

	if (p->lab->host[e->side].bare) {
		case_result_check(res, CHECK_KERNEL, !k, e->text, PLAY_NO_KERNEL_SOCKET,
				  k ? "a socket" : PLAY_NO_KERNEL_SOCKET);
		return;
	}
	if (!k)
		case_result_check(res, CHECK_KERNEL, false, e->text, "a socket", "none");
	for (size_t i = 0; k && i < e->n_wants; i++) {
		const struct step_want *w = &e->wants[i];
		struct case_value v = family_value(k->family);

		if (strcmp(w->key, "local") == 0)
			v = value_of_endpoint(&k->src, k->family, true);
		else if (strcmp(w->key, "peer") == 0)
			v = value_of_endpoint(&k->dst, k->family, true);
		check_pair(p, e, CHECK_KERNEL, w, &v, res);
	}
}

static void check_verdict(const struct play *p, const struct expect *e, struct case_result *res)
{
	const struct judged *j = NULL;

	for (size_t i = 0; i < res->report->n && !j; i++)
		if (res->report->list[i].case_index == res->case_index &&
		    res->report->list[i].c.key.client_port == play_port(p, e->sock) &&
		    is_between(p, e->sock, &res->report->list[i].c.key.client,
			       &res->report->list[i].c.key.server))
			j = &res->report->list[i];
	if (!j)
		case_result_check(res, CHECK_VERDICT, false, e->text, "a connection", "none");
	for (size_t i = 0; j && i < e->n_wants; i++) {
		const struct step_want *w = &e->wants[i];
		struct case_value v = value_of_word(verdict_name(j->j.verdict));

		for (int r = 0; strcmp(w->key, "reason") == 0 && r < REASON_NUM; r++)
			if (strcmp(w->value.word, reason_name((enum reason)r)) == 0)
				v = value_of_word(j->j.reasons & reason_bit((enum reason)r)
							  ? w->value.word
							  : "not this reason");
		check_pair(p, e, CHECK_VERDICT, w, &v, res);
	}
}

void verify_case(const struct play *p, struct case_result *res)
{
	const struct lab_case *c = res->c;

	for (size_t i = 0; i < c->n_expects; i++) {
		const struct expect *e = &c->expects[i];

		if (e->kind == EXPECT_WIRE)
			check_wire(p, e, res);
		else if (e->kind == EXPECT_SERVED)
			check_served(p, e, res);
		else if (e->kind == EXPECT_KERNEL)
			check_kernel(p, e, res);
		else if (e->kind == EXPECT_VERDICT)
			check_verdict(p, e, res);
	}
	res->verdict = judge_case(res->report, res->case_index);
	res->judged = c->judged;
	res->expected = c->judged ? c->expected : res->verdict;
	if (c->judged)
		case_result_check(res, CHECK_VERDICT, res->verdict == c->expected, "the case",
				  verdict_name(c->expected), verdict_name(res->verdict));
}
