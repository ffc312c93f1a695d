/* SPDX-License-Identifier: MIT */
/* test_judge_damage.c - good evidence with anything taken away or changed is not confirmed */
#include "../../rawstack/witness/judge.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Of processor time for MANY records: quadratic code takes minutes, this one less than a second. */
static const double SECONDS_MAX = 5;

static struct judge_report judged(const struct evidence *ev)
{
	struct judge_report r;

	cr_assert(judge(ev, &r) == 0);
	return r;
}

static enum verdict overall(const struct evidence *ev)
{
	struct judge_report r = judged(ev);
	enum verdict v = judge_overall(&r);

	judge_report_free(&r);
	return v;
}

/* Every single frame, canary, socket. */

Test(judge_damage, any_deleted_frame_takes_confirmed_away_from_everything)
{
	struct evidence ev;
	size_t n;

	t_evidence_good(&ev);
	n = ev.n_frames;
	evidence_free(&ev);
	for (size_t i = 0; i < n; i++) {
		struct judge_report r;

		t_evidence_good(&ev);
		t_delete_frame(&ev, i);
		r = judged(&ev);
		for (size_t k = 0; k < r.n; k++)
			cr_assert(r.list[k].j.verdict != VERDICT_CONFIRMED, "frame %zu", i);
		judge_report_free(&r);
		evidence_free(&ev);
	}
}

/* What happens where a frame is lost and no counter knows of it: the counters are made to agree. */
static void delete_and_recount(size_t i, bool both)
{
	struct evidence ev;
	uint16_t port = 0;

	t_evidence_good(&ev);
	for (uint16_t p = T_PORT_FIRST; p < T_PORT_FREE; p++)
		if (t_frame_is_of(&ev.frames[i], p))
			port = p;
	t_delete_frame(&ev, i);
	if (both)
		t_delete_frame(&ev, i & ~(size_t)1); /* its neighbour, see t_add_frame() */
	t_evidence_recount(&ev);
	if (port) {
		struct judge_report r = judged(&ev);

		for (size_t k = 0; k < r.n; k++)
			cr_assert((r.list[k].j.verdict == VERDICT_CONFIRMED) ==
					  (r.list[k].c.key.server_port != port),
				  "frame %zu, both %d, port %u", i, both,
				  r.list[k].c.key.server_port);
		judge_report_free(&r);
	} else {
		cr_assert(overall(&ev) == VERDICT_INCONCLUSIVE, "canary %zu", i);
	}
	evidence_free(&ev);
}

Test(judge_damage, a_frame_that_vanished_uncounted_takes_confirmed_away_from_its_connection)
{
	struct evidence ev;
	size_t n;

	t_evidence_good(&ev);
	n = ev.n_frames;
	evidence_free(&ev);
	for (size_t i = 0; i < n; i++) {
		delete_and_recount(i, false);
		delete_and_recount(i, true);
	}
}

Test(judge_damage, any_deleted_socket_or_canary_takes_confirmed_away)
{
	struct evidence ev;
	size_t n_kernel, n_canaries;

	t_evidence_good(&ev);
	n_kernel = ev.n_kernel;
	n_canaries = ev.n_canaries;
	evidence_free(&ev);
	for (size_t i = 0; i < n_kernel; i++) {
		t_evidence_good(&ev);
		t_delete_kernel(&ev, i);
		cr_assert(overall(&ev) == VERDICT_INCONCLUSIVE, "socket %zu", i);
		evidence_free(&ev);
	}
	for (size_t i = 0; i < n_canaries; i++) {
		t_evidence_good(&ev);
		ev.canaries[i] = ev.canaries[--ev.n_canaries];
		cr_assert(overall(&ev) == VERDICT_INCONCLUSIVE, "canary %zu", i);
		evidence_free(&ev);
	}
}

/*
 * Random damage. Each kind changes one thing somewhere and says whether that matters:
 *
 * HURTS: at least one connection must no longer be confirmed.
 * HARMLESS: all must still be. Nothing here is a claim about how a frame travelled, or it is what
 * an honest loss after the tap looks like: the kernel having counted less than the wire showed, a
 * segment that both taps saw twice. A missing record of a program leaves two views that agree.
 * NONE: nothing to damage was found.
 */
enum effect { NONE, HURTS, HARMLESS };

static unsigned int pick(unsigned int *seed, size_t n)
{
	return (unsigned int)((size_t)rand_r(seed) % n);
}

/* A frame that is not a canary. */
static struct evidence_frame *any_frame(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f;

	do {
		f = &ev->frames[pick(seed, ev->n_frames)];
	} while (f->canary);
	return f;
}

static struct evidence_frame *any_tcp_frame(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f;

	do {
		f = any_frame(ev, seed);
	} while (f->info.proto != IPPROTO_TCP);
	return f;
}

static struct evidence_frame *any_stream_data(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f;

	do {
		f = any_tcp_frame(ev, seed);
	} while (f->info.payload_len == 0);
	return f;
}

static struct evidence_api *any_api(struct evidence *ev, unsigned int *seed)
{
	return &ev->api[pick(seed, ev->n_api)];
}

static struct sockdiag_entry *any_socket(struct evidence *ev, unsigned int *seed)
{
	return &ev->kernel[pick(seed, ev->n_kernel)].entry;
}

static struct sockdiag_entry *any_connected_socket(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e;

	do {
		e = any_socket(ev, seed);
	} while (e->dst.port == 0);
	return e;
}

static struct sockdiag_entry *any_stream_socket(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e;

	do {
		e = any_socket(ev, seed);
	} while (!e->has_info || e->bytes_received == 0);
	return e;
}

static enum effect frame_deleted(struct evidence *ev, unsigned int *seed)
{
	t_delete_frame(ev, pick(seed, ev->n_frames));
	if (pick(seed, 2))
		t_evidence_recount(ev);
	return HURTS;
}

static enum effect frame_deleted_on_both_taps(struct evidence *ev, unsigned int *seed)
{
	size_t i = pick(seed, ev->n_frames) & ~1U;

	t_delete_frame(ev, i);
	t_delete_frame(ev, i);
	t_evidence_recount(ev);
	return HURTS;
}

static enum effect frame_twice_on_one_tap(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame f = *any_frame(ev, seed);

	cr_assert(evidence_add_frame(ev, &f) == 0);
	if (pick(seed, 2))
		t_evidence_recount(ev);
	return HURTS;
}

static enum effect frame_twice_on_both_taps(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame f;

	do {
		f = *any_tcp_frame(ev, seed);
	} while (f.info.tcp_flags & (TCP_SYN | TCP_RST));
	t_add_frame(ev, &f);
	t_evidence_recount(ev);
	return HARMLESS;
}

static enum effect frame_of_the_other_tap(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f = &ev->frames[pick(seed, ev->n_frames)];

	f->tap = !f->tap;
	if (pick(seed, 2))
		t_evidence_recount(ev);
	return HURTS;
}

static enum effect carriage_changed(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f = any_frame(ev, seed);
	size_t i = (size_t)(f - ev->frames);
	enum carriage c = (enum carriage)pick(seed, CARRIAGE_NUM);

	if (c == f->info.carriage)
		return NONE;
	f->info.carriage = c;
	if (pick(seed, 2))
		ev->frames[i ^ 1].info.carriage = c;
	return HURTS;
}

static enum effect frame_made_bad(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f = any_frame(ev, seed);
	size_t i = (size_t)(f - ev->frames);
	uint32_t problem = 1U << pick(seed, 5);

	cr_assert(problem & FRAME_BAD);
	f->info.problems |= problem;
	if (pick(seed, 2))
		ev->frames[i ^ 1].info.problems |= problem;
	return HURTS;
}

static enum effect frame_of_other_endpoints(struct evidence *ev, unsigned int *seed)
{
	struct frame_info *p = &any_frame(ev, seed)->info;
	uint8_t bit = (uint8_t)(1U << pick(seed, 8));

	switch (pick(seed, 4)) {
	case 0:
		p->sport ^= bit;
		break;
	case 1:
		p->dport ^= bit;
		break;
	case 2:
		p->src.b[pick(seed, 16)] ^= bit;
		break;
	default:
		p->dst.b[pick(seed, 16)] ^= bit;
	}
	return HURTS;
}

static enum effect handshake_or_end_flag_flipped(struct evidence *ev, unsigned int *seed)
{
	static const uint8_t flags[] = {TCP_SYN, TCP_FIN, TCP_RST};

	any_tcp_frame(ev, seed)->info.tcp_flags ^= flags[pick(seed, COUNT(flags))];
	return HURTS;
}

static enum effect sequence_number_shifted(struct evidence *ev, unsigned int *seed)
{
	any_stream_data(ev, seed)->info.seq += 1 + pick(seed, 100000);
	return HURTS;
}

static enum effect payload_shortened(struct evidence *ev, unsigned int *seed)
{
	struct frame_info *p = &any_stream_data(ev, seed)->info;

	p->payload_len -= 1 + pick(seed, p->payload_len);
	return HURTS;
}

static enum effect header_field_changed(struct evidence *ev, unsigned int *seed)
{
	struct evidence_frame *f = any_frame(ev, seed);

	f->info.ttl ^= 1;
	f->info.tos ^= 1;
	f->info.df ^= true;
	f->info.window ^= 1;
	f->info.mss ^= 1;
	f->info.tcp_flags ^= TCP_PSH;
	f->wirelen ^= 1;
	f->ts_ns += pick(seed, 1000000);
	return HARMLESS;
}

static enum effect api_endpoint_changed(struct evidence *ev, unsigned int *seed)
{
	struct evidence_api *a = any_api(ev, seed);
	struct endpoint *ep = pick(seed, 2) ? &a->local : &a->peer;

	if (pick(seed, 2))
		ep->port ^= (uint16_t)(1U << pick(seed, 16));
	else
		ep->addr.b[pick(seed, 16)] ^= (uint8_t)(1U << pick(seed, 8));
	return HURTS;
}

static enum effect api_family_flipped(struct evidence *ev, unsigned int *seed)
{
	struct evidence_api *a = any_api(ev, seed);

	a->family = a->family == AF_INET ? AF_INET6 : AF_INET;
	return HURTS;
}

static enum effect api_cookie_changed(struct evidence *ev, unsigned int *seed)
{
	uint64_t *cookie = &any_api(ev, seed)->cookie;

	*cookie =
		pick(seed, 2) ? *cookie + 1000 : ev->kernel[pick(seed, ev->n_kernel)].entry.cookie;
	for (size_t i = 0; i < ev->n_api; i++)
		if (ev->api[i].cookie == *cookie && &ev->api[i].cookie != cookie)
			return HURTS;
	return *cookie >= 1000 ? HURTS : NONE;
}

static enum effect api_outcome_changed(struct evidence *ev, unsigned int *seed)
{
	struct evidence_api *a = any_api(ev, seed);

	if (a->proto != IPPROTO_TCP || a->side != SIDE_CLIENT)
		return NONE;
	a->error = a->error ? 0 : -ECONNREFUSED;
	return HURTS;
}

static enum effect record_twice(struct evidence *ev, unsigned int *seed)
{
	struct evidence_api a = *any_api(ev, seed);

	cr_assert(evidence_add_api(ev, &a) == 0);
	return HURTS;
}

static enum effect datagram_longer_than_seen(struct evidence *ev, unsigned int *seed)
{
	struct evidence_api *a = any_api(ev, seed);

	if (a->proto != IPPROTO_UDP)
		return NONE;
	a->bytes_in += 1 + pick(seed, 1000);
	return HURTS;
}

static enum effect record_missing(struct evidence *ev, unsigned int *seed)
{
	size_t i = pick(seed, ev->n_api);
	bool refused = ev->api[i].error != 0;

	t_delete_api(ev, i);
	return refused ? HURTS : HARMLESS;
}

static enum effect socket_family_flipped(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e = any_socket(ev, seed);

	e->family = e->family == AF_INET ? AF_INET6 : AF_INET;
	return HURTS;
}

static enum effect socket_cookie_changed(struct evidence *ev, unsigned int *seed)
{
	any_socket(ev, seed)->cookie += 1000;
	return HURTS;
}

static enum effect socket_endpoint_changed(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e = any_connected_socket(ev, seed);
	struct endpoint *ep = pick(seed, 2) ? &e->src : &e->dst;

	if (pick(seed, 2))
		ep->port ^= (uint16_t)(1U << pick(seed, 16));
	else
		ep->addr.b[pick(seed, 16)] ^= (uint8_t)(1U << pick(seed, 8));
	return e->dst.port ? HURTS : NONE;
}

static enum effect socket_of_the_other_tap(struct evidence *ev, unsigned int *seed)
{
	struct evidence_kernel *k = &ev->kernel[pick(seed, ev->n_kernel)];

	k->tap = !k->tap;
	return HURTS;
}

static enum effect socket_missing(struct evidence *ev, unsigned int *seed)
{
	t_delete_kernel(ev, pick(seed, ev->n_kernel));
	return HURTS;
}

static enum effect kernel_counted_more(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e = any_stream_socket(ev, seed);

	switch (pick(seed, 3)) {
	case 0:
		e->segs_in++;
		break;
	case 1:
		e->bytes_received++;
		break;
	default:
		e->bytes_acked++;
	}
	return HURTS;
}

static enum effect kernel_counted_less(struct evidence *ev, unsigned int *seed)
{
	struct sockdiag_entry *e = any_stream_socket(ev, seed);

	e->segs_in--;
	e->segs_out--;
	e->bytes_acked--;
	e->inode++;
	e->uid++;
	return HARMLESS;
}

static enum effect tap_account_off_by_one(struct evidence *ev, unsigned int *seed)
{
	struct evidence_tap *t = &ev->taps[pick(seed, T_TAPS)];
	uint64_t *counters[] = {&t->packets, &t->drops, &t->consumed, &t->unlisted};
	uint64_t *c = counters[pick(seed, COUNT(counters))];

	*c += pick(seed, 2) ? 1 : UINT64_MAX;
	return HURTS;
}

static enum effect drops_counted(struct evidence *ev, unsigned int *seed)
{
	struct evidence_tap *t = &ev->taps[pick(seed, T_TAPS)];
	unsigned int n = 1 + pick(seed, 9);

	t->drops += n;
	t->packets += n;
	return HURTS;
}

static enum effect run_disturbed(struct evidence *ev, unsigned int *seed)
{
	struct evidence_tap *t = &ev->taps[pick(seed, T_TAPS)];

	switch (pick(seed, 5)) {
	case 0:
		t->block_gaps = 1;
		break;
	case 1:
		t->went_down = true;
		break;
	case 2:
		ev->clock_step_ns = pick(seed, 2) ? 200000000 : -200000000;
		break;
	case 3:
		ev->kernel_events_lost = 1;
		break;
	default:
		ev->overflow = true;
	}
	return HURTS;
}

static enum effect canary_damaged(struct evidence *ev, unsigned int *seed)
{
	struct evidence_canary *c = &ev->canaries[pick(seed, ev->n_canaries)];

	switch (pick(seed, 4)) {
	case 0:
		*c = ev->canaries[--ev->n_canaries];
		break;
	case 1:
		c->nonce = ~c->nonce;
		break;
	case 2:
		c->end = !c->end;
		break;
	default:
		c->tap = !c->tap;
	}
	return HURTS;
}

typedef enum effect (*damage_fn)(struct evidence *, unsigned int *);

static const damage_fn DAMAGES[] = {
	frame_deleted,
	frame_deleted_on_both_taps,
	frame_twice_on_one_tap,
	frame_twice_on_both_taps,
	frame_of_the_other_tap,
	carriage_changed,
	frame_made_bad,
	frame_of_other_endpoints,
	handshake_or_end_flag_flipped,
	sequence_number_shifted,
	payload_shortened,
	header_field_changed,
	api_endpoint_changed,
	api_family_flipped,
	api_cookie_changed,
	api_outcome_changed,
	record_twice,
	datagram_longer_than_seen,
	record_missing,
	socket_family_flipped,
	socket_cookie_changed,
	socket_endpoint_changed,
	socket_of_the_other_tap,
	socket_missing,
	kernel_counted_more,
	kernel_counted_less,
	tap_account_off_by_one,
	drops_counted,
	run_disturbed,
	canary_damaged,
};

enum { ROUNDS = 2000 };

Test(judge_damage, no_random_damage_that_matters_leaves_everything_confirmed, .timeout = 60)
{
	for (unsigned int i = 0; i < COUNT(DAMAGES) * ROUNDS; i++) {
		unsigned int kind = i % COUNT(DAMAGES), seed = i;
		struct evidence ev;
		enum effect effect;

		t_evidence_good(&ev);
		effect = DAMAGES[kind](&ev, &seed);
		if (effect != NONE)
			cr_assert((overall(&ev) == VERDICT_CONFIRMED) == (effect == HARMLESS),
				  "damage %u, seed %u", kind, i);
		evidence_free(&ev);
	}
}

/* Hostile evidence cannot make judging slow. */

enum { MANY = 20000 };

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* A SYN, a record and a socket, of which only what @same leaves out is distinct. */
enum {
	SAME_KEY = 1,
	SAME_COOKIE = 2,
	NO_FRAME = 4,
	OTHER_FRAME = 8,
	ONE_TAP = 16,
	SAME_PORTS = 32
};

static void add_many(struct evidence *ev, unsigned int same)
{
	for (uint32_t i = 0; i < MANY; i++) {
		struct t_conn c = {.kind = T_PLAIN,
				   .server_port = T_PORT_FIRST,
				   .client_port = (uint16_t)(same & SAME_KEY ? 1 : i + 1),
				   .client_isn = i,
				   .cookie = same & SAME_COOKIE ? 8 : 2 * i + 2};
		struct evidence_frame f;

		t_add_api(ev, &c, SIDE_CLIENT, -ETIMEDOUT);
		t_add_kernel(ev, &c, SIDE_CLIENT);
		if (same & SAME_PORTS) {
			uint8_t *to = ev->api[ev->n_api - 1].peer.addr.b;

			to[14] = (uint8_t)(i >> 8);
			to[15] = (uint8_t)i;
			ev->kernel[ev->n_kernel - 1].entry.dst = ev->api[ev->n_api - 1].peer;
		}
		if (same & NO_FRAME)
			continue;
		f = t_frame(&c, T_TAP_CLIENT, true, TCP_SYN, c.client_isn, 0, 0);
		if (same & OTHER_FRAME) {
			f.info.dst.b[13] ^= 1;
			f.info.dst.b[14] = (uint8_t)(i >> 8);
			f.info.dst.b[15] = (uint8_t)i;
		}
		cr_assert(evidence_add_frame(ev, &f) == 0);
		if (same & ONE_TAP) {
			f.tap = T_TAP_SERVER;
			f.info.tcp_flags = TCP_ACK;
			cr_assert(evidence_add_frame(ev, &f) == 0);
		}
	}
}

Test(judge_damage, judging_takes_no_quadratic_time, .timeout = 120)
{
	static const struct {
		const char *name;
		unsigned int same;
	} rows[] = {
		{"distinct flows", 0},
		{"one key", SAME_KEY},
		{"one key, frames of the other tap", SAME_KEY | ONE_TAP},
		{"one key, no frames", SAME_KEY | NO_FRAME},
		{"one cookie", SAME_COOKIE},
		{"one cookie, no frames", SAME_COOKIE | NO_FRAME},
		{"one cookie and key", SAME_KEY | SAME_COOKIE},
		{"orphans on other ports", SAME_KEY | OTHER_FRAME},
		{"orphans to adopt", SAME_KEY | SAME_PORTS | OTHER_FRAME},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct evidence ev;
		struct judge_report r;
		double start;

		t_evidence_begin(&ev);
		add_many(&ev, rows[i].same);
		t_evidence_end(&ev);
		start = seconds();
		cr_assert(judge(&ev, &r) == 0);
		start = seconds() - start;
		cr_assert(start < SECONDS_MAX, "%s: %.2f s", rows[i].name, start);
		cr_assert(judge_overall(&r) == VERDICT_INCONCLUSIVE, "%s", rows[i].name);
		judge_report_free(&r);
		evidence_free(&ev);
	}
}
