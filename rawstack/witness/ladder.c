/* SPDX-License-Identifier: MIT */
/* ladder.c - from the frames of a connection to the rungs of its ladder */
#include "ladder_internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>

enum { PAIR_WINDOW = 64 }; /* frames under way at a time, in one direction */

/* A frame that one or both taps saw. */
struct sighting {
	const struct evidence_frame *left, *arrived;
	enum flow_way way;
	size_t order; /* in the input */
};

const char *ladder_voice_name(enum ladder_voice v)
{
	static const char *const names[LADDER_VOICES] = {
		[LADDER_CLIENT_PROGRAM] = "client program",
		[LADDER_CLIENT_KERNEL] = "client kernel",
		[LADDER_WIRE] = "wire",
		[LADDER_SERVER_KERNEL] = "server kernel",
		[LADDER_SERVER_STACK] = "server stack",
		[LADDER_SERVER_PROGRAM] = "server program",
	};

	assert((unsigned int)v < LADDER_VOICES);
	return names[v];
}

static bool same_frame(const struct frame_info *a, const struct frame_info *b)
{
	return a->carriage == b->carriage && a->ethertype == b->ethertype && a->proto == b->proto &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst) && a->sport == b->sport &&
	       a->dport == b->dport && a->seq == b->seq && a->ack == b->ack &&
	       a->tcp_flags == b->tcp_flags && a->payload_len == b->payload_len &&
	       a->frag_id == b->frag_id && a->frag_offset == b->frag_offset;
}

/* To the server or from it: by its destination, which a later fragment has as well. */
static enum flow_way way_of(const struct ladder_input *in, const struct frame_info *p)
{
	const struct flow *fl = in->judged->c.flow;
	const struct flow_key *k = fl ? &fl->key : &in->judged->c.key;

	if (p->has_ports && p->sport != p->dport)
		return p->dport == k->server_port ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
	return addr_eq(&p->dst, &k->server) ? FLOW_TO_SERVER : FLOW_TO_CLIENT;
}

static uint64_t sighting_ns(const struct sighting *s)
{
	return (s->left ? s->left : s->arrived)->ts_ns;
}

static int by_time(const void *a, const void *b)
{
	const struct sighting *x = a, *y = b;
	uint64_t tx = sighting_ns(x), ty = sighting_ns(y);

	if (tx != ty)
		return tx < ty ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/*
 * The frame that arrived as @f: of the same ones that left before, the latest that has not arrived
 * yet. A lost frame thus stays lost when its retransmission arrives.
 */
static struct sighting *departure(struct sighting *left, size_t n, const struct evidence_frame *f,
				  enum flow_way way)
{
	size_t i = 0, steps = 0;

	for (size_t hi = n; i < hi;) {
		size_t mid = i + (hi - i) / 2;

		if (left[mid].left->ts_ns <= f->ts_ns)
			i = mid + 1;
		else
			hi = mid;
	}
	for (; i-- > 0 && steps < PAIR_WINDOW; steps++)
		if (!left[i].arrived && left[i].way == way &&
		    same_frame(&left[i].left->info, &f->info))
			return &left[i];
	return NULL;
}

/* Frames to sightings, in the order of time. Returns how many. */
static size_t see(const struct ladder_input *in, struct sighting *list)
{
	size_t n_left, n = 0;

	for (size_t i = 0; i < in->n_frames; i++)
		if (in->frames[i]->outgoing)
			list[n++] = (struct sighting){.left = in->frames[i],
						      .way = way_of(in, &in->frames[i]->info),
						      .order = i};
	qsort(list, n, sizeof(*list), by_time);
	n_left = n;
	for (size_t i = 0; i < in->n_frames; i++) {
		const struct evidence_frame *f = in->frames[i];
		enum flow_way way = way_of(in, &f->info);
		struct sighting *s = f->outgoing ? NULL : departure(list, n_left, f, way);

		if (s)
			s->arrived = f;
		else if (!f->outgoing)
			list[n++] = (struct sighting){.arrived = f, .way = way, .order = i};
	}
	qsort(list, n, sizeof(*list), by_time);
	return n;
}

/* Text being put together in a field of fixed size, cut where it does not fit. */
struct words {
	char *buf;
	size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

static void say_tcp(struct words *t, const struct frame_info *p, uint32_t seq, uint32_t ack)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} flags[] = {
		{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
		{TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"},
	};

	say(t, " ");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (p->tcp_flags & flags[i].bit)
			say(t, " %s", flags[i].name);
	say(t, "  seq %u", p->seq - seq);
	if (p->tcp_flags & TCP_ACK)
		say(t, " ack %u", p->ack - ack);
	if (p->mss)
		say(t, " mss %u", p->mss);
	if (p->payload_len)
		say(t, " len %u", p->payload_len);
}

/* @seq, @ack: the numbers to count from. */
static void label(struct ladder_rung *r, const struct frame_info *p, uint32_t seq, uint32_t ack)
{
	struct words t = {.buf = r->label, .cap = sizeof(r->label)};

	say(&t, "0x%04x ", p->ethertype);
	if (p->carriage == CARRIAGE_MISMATCH)
		say(&t, "version %u", p->version);
	else
		say(&t, "%s", carriage_name(p->carriage));
	if (p->fragment && p->frag_offset)
		say(&t, "  fragment at %u len %u", p->frag_offset, p->payload_len);
	else if (p->proto == IPPROTO_TCP)
		say_tcp(&t, p, seq, ack);
	else if (p->proto == IPPROTO_UDP)
		say(&t, "  UDP len %u", p->payload_len);
	else
		say(&t, "  ICMP type %u code %u", p->icmp_type, p->icmp_code);
}

static void addresses(struct ladder_rung *r, const struct frame_info *p)
{
	enum addr_form form = p->version == 4 ? ADDR_FORM_INET : ADDR_FORM_INET6;
	struct endpoint src = {.addr = p->src, .port = p->sport};
	struct endpoint dst = {.addr = p->dst, .port = p->dport};
	char a[ENDPOINT_STRLEN], b[ENDPOINT_STRLEN];

	if (p->has_ports) {
		endpoint_print(&src, form, a);
		endpoint_print(&dst, form, b);
	} else {
		addr_print(&p->src, form, a);
		addr_print(&p->dst, form, b);
	}
	snprintf(r->addresses, sizeof(r->addresses), "%.*s > %.*s", ADDR_STRLEN, a, ADDR_STRLEN, b);
}

/* Sequence numbers count from the first one seen in each direction. */
struct numbering {
	bool known[FLOW_WAYS];
	uint32_t isn[FLOW_WAYS];
};

static void number(struct numbering *n, enum flow_way way, const struct frame_info *p)
{
	if (p->proto != IPPROTO_TCP)
		return;
	if (!n->known[way]) {
		n->known[way] = true;
		n->isn[way] = p->seq;
		/* Without a SYN the first byte is number 1, as it would be after one. */
		if (!(p->tcp_flags & TCP_SYN) && !(p->tcp_flags & TCP_RST))
			n->isn[way]--;
	}
	/* What is acknowledged before it was seen: a lone RST answers the SYN's number + 1. */
	if (p->tcp_flags & TCP_ACK && !n->known[!way]) {
		n->known[!way] = true;
		n->isn[!way] = p->ack - 1;
	}
}

static void fill_rung(struct ladder_work *w, size_t i, const struct sighting *s,
		      const struct numbering *n)
{
	const struct evidence_frame *f = s->left ? s->left : s->arrived;
	enum carriage claimed = w->in->judged->j.claimed;
	struct ladder_rung *r = &w->l->rungs[i];

	w->info[i] = &f->info;
	r->has_frame = true;
	r->way = s->way;
	r->at_ns = f->ts_ns - w->start_ns;
	r->left = s->left != NULL;
	r->arrived = s->arrived != NULL;
	if (s->left && s->arrived && s->arrived->ts_ns > s->left->ts_ns)
		r->travel_ns = s->arrived->ts_ns - s->left->ts_ns;
	r->problems = f->info.problems;
	r->against = claimed != CARRIAGE_NONE && f->info.carriage != claimed;
	label(r, &f->info, n->isn[s->way], n->isn[!s->way]);
	addresses(r, &f->info);
}

static bool same_ends(const struct frame_info *a, const struct frame_info *b)
{
	return a->version == b->version &&
	       ((addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst)) ||
		(addr_eq(&a->src, &b->dst) && addr_eq(&a->dst, &b->src)));
}

/* The sightings that are kept become rungs. */
static void fill_rungs(struct ladder_work *w, const struct sighting *list, size_t n)
{
	size_t skip = n > LADDER_HEAD + LADDER_TAIL ? n - LADDER_HEAD - LADDER_TAIL : 0;
	struct numbering num = {0};
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct evidence_frame *f = list[i].left ? list[i].left : list[i].arrived;

		number(&num, list[i].way, &f->info);
		if (i >= LADDER_HEAD && i < LADDER_HEAD + skip)
			continue;
		fill_rung(w, kept, &list[i], &num);
		if (i == LADDER_HEAD + skip)
			w->l->rungs[kept].omitted = skip;
		w->l->rungs[kept].addresses_shown =
			kept == 0 || !same_ends(w->info[kept - 1], w->info[kept]);
		kept++;
	}
	w->l->n_rungs = kept;
}

/* One rung for something that sent nothing: its notes need a place. */
static void rung_without_frame(struct ladder_work *w)
{
	const struct connection *c = &w->in->judged->c;

	w->l->n_rungs = 1;
	w->start_ns = UINT64_MAX;
	for (int s = 0; s < SIDE_NUM; s++)
		if (c->side[s].api && c->side[s].api->ts_ns < w->start_ns)
			w->start_ns = c->side[s].api->ts_ns;
}

static void name_ends(struct ladder_work *w)
{
	const struct connection *c = &w->in->judged->c;
	const struct evidence_api *a = c->side[SIDE_CLIENT].api;
	const struct frame_info *p = w->info[0];
	struct endpoint server = {.addr = c->key.server, .port = c->key.server_port};
	struct endpoint client = {.addr = c->key.client, .port = c->key.client_port};
	int family = a ? a->family : p && p->version == 6 ? AF_INET6 : AF_INET;
	enum addr_form form = evidence_form(family);

	endpoint_print(&server, form, w->l->server);
	endpoint_print(&client, form, w->l->client);
}

int ladder_make(const struct ladder_input *in, struct ladder *out)
{
	struct ladder_work w = {.in = in, .l = out};
	struct sighting *list = calloc(in->n_frames + 1, sizeof(*list));
	size_t n, max;
	int rc = -ENOMEM;

	*out = (struct ladder){.verdict = in->judged->j.verdict,
			       .reasons = in->judged->j.reasons,
			       .both_ends = in->run->n_taps > 1};
	if (!list)
		return -ENOMEM;
	snprintf(out->title, sizeof(out->title), "%s", in->title ? in->title : in->judged->result);
	n = see(in, list);
	max = n < LADDER_HEAD + LADDER_TAIL ? n : LADDER_HEAD + LADDER_TAIL;
	out->rungs = calloc(max + 1, sizeof(*out->rungs));
	w.info = calloc(max + 1, sizeof(struct frame_info *));
	if (!out->rungs || !w.info)
		goto out;
	if (n) {
		w.start_ns = sighting_ns(&list[0]);
		fill_rungs(&w, list, n);
	} else {
		rung_without_frame(&w);
	}
	name_ends(&w);
	ladder_annotate(&w);
	rc = 0;
out:
	if (rc < 0)
		ladder_free(out);
	free(w.info);
	free(list);
	return rc;
}

void ladder_free(struct ladder *l)
{
	free(l->rungs);
	*l = (struct ladder){0};
}

/* Would this socket take what is sent to @key? The better it fits the more. */
static int listens(const struct sockdiag_entry *e, const struct connection *c)
{
	const struct connection_side *s = &c->side[SIDE_SERVER];
	int family = s->kernel ? s->kernel->family : s->api ? s->api->family : 0;
	int fit = 1;

	if (e->proto != c->key.proto || e->src.port != c->key.server_port || e->destroyed ||
	    e->dst.port || e->state != (e->proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE))
		return 0;
	if (addr_eq(&e->src.addr, &c->key.server))
		fit++;
	else if (!addr_is_any(&e->src.addr))
		return 0;
	return fit + (e->family == family ? 2 : 0);
}

static const struct sockdiag_entry *find_listener(const struct judge_report *r,
						  const struct connection *c)
{
	const struct sockdiag_entry *best = NULL;
	int best_fit = 0;

	for (size_t i = 0; i < r->ev->n_kernel; i++) {
		const struct evidence_kernel *k = &r->ev->kernel[i];
		int fit = k->tap == r->run.tap[SIDE_SERVER] ? listens(&k->entry, c) : 0;

		if (fit > best_fit) {
			best_fit = fit;
			best = &k->entry;
		}
	}
	return best;
}

int ladder_of(const struct flow_index *idx, const struct judged *j, struct ladder *out)
{
	const struct judge_report *r = idx->report;
	struct ladder_input in = {.run = &r->run, .judged = j, .listener = find_listener(r, &j->c)};
	char title[LADDER_TITLE_MAX];

	if (j->c.flow)
		in.frames = flow_index_frames(idx, j->c.flow, &in.n_frames);
	if (j->case_index >= 0) {
		const struct evidence_case *c = &r->ev->cases[j->case_index];

		snprintf(title, sizeof(title), "%s: %s", c->name, c->title);
		in.title = title;
	}
	return ladder_make(&in, out);
}
