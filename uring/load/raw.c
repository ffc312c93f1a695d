/* SPDX-License-Identifier: MIT */
/* raw.c - the load generator that speaks in frames: its loop */
#include "raw.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"
#include "exchange.h"
#include "neighbour.h"
#include "rawio.h"
#include "usage.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/random.h>

/*
 * The loop takes what has come, at most a batch, queues an answer to each frame, starts what is
 * due, and sends all of it with one system call. When nothing comes it spins for SPIN_NS and then
 * sleeps.
 *
 * Retransmission timers: a sweep over the places, a slice of at most SLICE_MAX each millisecond,
 * goes round once in SWEEP_MS, over millions of places more slowly.
 *
 * Invariant: run.in_flight is the number of places that are not EXCHANGE_FREE, opening of those
 * that are EXCHANGE_SYN_SENT, open of those that are EXCHANGE_OPEN.
 *
 * Connections that are only to be held tell nothing of whether the server has accepted them: the
 * kernel answers their SYNs until its queue overflows, and the lost ones take a second and more. So
 * one in PILOT_EVERY is asked at once; it is answered when all before it have been accepted, and
 * with PILOTS_MAX unanswered no further connection is begun.
 */
enum {
	SPIN_NS = 50000,
	SWEEP_MS = 50,
	SLICE_MAX = 8192,
	RETRANSMIT_MS = 1000, /* RFC 6298 2.1 */
	/*
	 * Closed loop: connections that wait for their SYN-ACK at a time. The kernel queues at most
	 * netdev_max_backlog frames (1000) for a processor; thousands of SYNs at once are lost.
	 */
	OPENING_MAX = 256,
	PILOT_EVERY = 16,
	PILOTS_MAX = 16,
};

/* Connections that are opened, held, asked, let go: see load_plan.hold_ns. */
enum hold_stage { HOLD_NONE, HOLD_OPENING, HOLD_SILENT, HOLD_ASKING, HOLD_LETTING_GO };

struct hold {
	enum hold_stage stage;
	uint32_t place;	      /* the next to be asked or let go */
	uint64_t until_ns;    /* of the silence */
	uint32_t since_pilot; /* connections held since the last pilot */
};

struct raw {
	struct raw_config cfg;
	struct hold hold;
	struct rawio *io;
	struct run run;
	struct exchange_rules rules;
	struct template_set templates;
	struct exchange *places;
	uint32_t n_places;
	uint32_t opening, open;
	uint32_t cursor;   /* where to look for a free place */
	uint32_t sweep;	   /* place the timers are at */
	uint64_t sweep_ns; /* when the next slice is due */
	uint64_t tick_ns;
	uint64_t dropped_before; /* by the ring, before measuring */
	uint32_t told;		 /* answers to our own questions */
	struct siphash_key key;	 /* of sequence numbers */
	uint8_t mac[6];
	uint8_t server_mac[6];
	bool resolved;
	bool ready; /* the templates are filled */
	struct usage usage;
	uint64_t now; /* CLOCK_MONOTONIC, read once a turn */
};

/* Room for a frame, NULL when it must be given up: the far end takes nothing. */
static uint8_t *room(struct raw *raw, int *error)
{
	uint8_t *p = rawio_room(raw->io);

	if (p)
		return p;
	*error = rawio_flush(raw->io);
	return *error < 0 ? NULL : rawio_room(raw->io);
}

static int send_segment(struct raw *raw, uint32_t place, enum segment_kind kind, uint32_t seq,
			uint32_t ack)
{
	struct template_fields f = {.seq = seq, .ack = ack};
	uint32_t n;
	int rc = 0;
	uint8_t *p = room(raw, &rc);

	if (!p)
		return rc;
	sources_place(&raw->cfg.sources, place, &n, &f.sport);
	f.low = sources_low(&raw->cfg.sources, n);
	rawio_commit(raw->io, template_write(&raw->templates.kind[kind], &f, p));
	raw->run.res.frames.tx++;
	return 0;
}

/* Sends and counts what a segment or a timer led to. */
static int perform(struct raw *raw, uint32_t place, const struct exchange_step *step)
{
	if (step->dislike >= 0)
		run_dislike(&raw->run, (enum load_dislike)step->dislike);
	if (step->answered)
		run_answer(&raw->run, raw->now, step->since_ns);
	if (step->completed)
		run_complete(&raw->run);
	if (step->error >= 0)
		run_fail(&raw->run, (enum load_error)step->error);
	raw->run.res.frames.retransmits += step->again;
	if (step->send == SEGMENT_NONE)
		return 0;
	return send_segment(raw, place, step->send, step->seq, step->ack);
}

/* As perform(), after a step of a place that was in state @before. */
static int perform_moved(struct raw *raw, uint32_t place, uint8_t before,
			 const struct exchange_step *step)
{
	uint8_t after = raw->places[place].state;

	raw->opening += (after == EXCHANGE_SYN_SENT) - (before == EXCHANGE_SYN_SENT);
	raw->open += (after == EXCHANGE_OPEN) - (before == EXCHANGE_OPEN);
	return perform(raw, place, step);
}

static int speak(struct raw *raw, uint32_t place)
{
	struct exchange_step step = exchange_speak(&raw->places[place], &raw->rules, raw->now);

	return perform_moved(raw, place, EXCHANGE_HELD, &step);
}

/* Of an echo the answer is known; of anything else its length. */
static bool content_ok(const struct raw *raw, const struct exchange *x, const struct ring_frame *f,
		       const struct frame_info *info)
{
	const uint8_t *want = raw->cfg.payload;

	if (raw->cfg.plan.workload != LOAD_ECHO || raw->cfg.plan.expect != raw->cfg.plan.payload ||
	    info->payload_len == 0)
		return true;
	if (info->payload_off + info->payload_len > f->meta.caplen ||
	    info->payload_len > raw->cfg.plan.payload - x->got)
		return false;
	return memcmp(f->bytes + info->payload_off, want + x->got, info->payload_len) == 0;
}

static int take_segment(struct raw *raw, const struct ring_frame *f, const struct frame_info *info)
{
	const struct endpoint *target = &raw->cfg.target;
	int64_t place = sources_index(&raw->cfg.sources, &info->dst, info->dport);
	struct exchange_segment seg = {.seq = info->seq,
				       .ack = info->ack,
				       .len = info->payload_len,
				       .flags = info->tcp_flags};
	struct exchange_step step;
	struct exchange *x;
	uint8_t before;
	int rc;

	/* A segment of an earlier run, while the server is looked for: there is nothing to send
	 * yet. */
	if (!raw->ready)
		return 0;
	if (place < 0 || info->sport != target->port || !addr_eq(&info->src, &target->addr)) {
		run_dislike(&raw->run, LOAD_WRONG_HOST);
		return 0;
	}
	x = &raw->places[place];
	seg.content_ok = content_ok(raw, x, f, info);
	before = x->state;
	step = exchange_input(x, &raw->rules, &seg, raw->now);
	rc = perform_moved(raw, (uint32_t)place, before, &step);
	if (rc < 0 || before != EXCHANGE_SYN_SENT || x->state != EXCHANGE_HELD ||
	    ++raw->hold.since_pilot < PILOT_EVERY)
		return rc;
	raw->hold.since_pilot = 0;
	return speak(raw, (uint32_t)place);
}

/* A question for one of our addresses is answered, an answer to ours is kept. */
static int take_neighbour(struct raw *raw, const struct ring_frame *f)
{
	struct neighbour_msg msg, answer;
	int rc = neighbour_parse(f->bytes, f->meta.caplen, &msg);
	uint8_t *p;

	if (rc == -EBADMSG)
		run_dislike(&raw->run, LOAD_BAD_FRAME);
	if (rc < 0)
		return 0;
	/* No host has a group's MAC address; to such a one nothing is sent, whoever tells us to. */
	if (msg.op == NEIGHBOUR_TELLS && addr_eq(&msg.target, &raw->cfg.target.addr) &&
	    !(msg.sender_mac[0] & 1)) {
		memcpy(raw->server_mac, msg.sender_mac, sizeof(raw->server_mac));
		raw->resolved = true;
		raw->told++;
	}
	if (!neighbour_answer(&msg, &raw->cfg.sources, raw->mac, &answer))
		return 0;
	rc = 0;
	p = room(raw, &rc);
	if (p)
		rawio_commit(raw->io, (size_t)neighbour_build(&answer, p, RAWIO_FRAME_MAX));
	return rc;
}

static int take_frame(struct raw *raw, const struct ring_frame *f)
{
	struct frame_info info;

	frame_dissect(f->bytes, &f->meta, &info);
	if (info.ethertype == ETHTYPE_ARP || info.proto == IPPROTO_ICMPV6)
		return take_neighbour(raw, f);
	raw->run.res.frames.rx++;
	if (info.problems & FRAME_BAD) {
		run_dislike(&raw->run, info.problems & FRAME_BAD_CHECKSUM ? LOAD_BAD_CHECKSUM
									  : LOAD_BAD_FRAME);
		return 0;
	}
	if (info.proto != IPPROTO_TCP || !info.has_ports || info.fragment) {
		run_dislike(&raw->run, LOAD_BAD_FRAME);
		return 0;
	}
	return take_segment(raw, f, &info);
}

/* Returns the number of frames taken, at most a batch, or -errno. */
static int take_frames(struct raw *raw)
{
	struct ring_frame f;
	int n = 0, rc;

	while (n < RAWIO_BATCH && rawio_next(raw->io, &f) > 0) {
		rc = take_frame(raw, &f);
		if (rc < 0)
			return rc;
		n++;
	}
	return n;
}

/* A free place, -1: all that were looked at are busy. */
static int64_t free_place(struct raw *raw)
{
	if (raw->run.in_flight >= raw->n_places)
		return -1;
	for (int i = 0; i < 4 * RAWIO_BATCH; i++) {
		uint32_t place = raw->cursor;

		raw->cursor = place + 1 == raw->n_places ? 0 : place + 1;
		if (raw->places[place].state == EXCHANGE_FREE)
			return place;
	}
	return -1;
}

/* Starts what is due, at most a batch. Returns the number, or -errno. */
static int start_due(struct raw *raw)
{
	struct exchange_step step;
	struct exchange *x;
	uint64_t since;
	int64_t place;
	int n, rc;

	if (raw->hold.stage == HOLD_OPENING && raw->open >= PILOTS_MAX)
		return 0;
	for (n = 0; n < RAWIO_BATCH; n++) {
		if (raw->opening >= OPENING_MAX && raw->cfg.plan.rate == 0)
			break;
		place = free_place(raw);
		if (place < 0 || !run_start(&raw->run, raw->now, &since))
			break;
		x = &raw->places[place];
		exchange_choose_isn(x, &raw->rules, &raw->key, (uint32_t)place);
		step = exchange_begin(x, &raw->rules, raw->now, since);
		rc = perform_moved(raw, (uint32_t)place, EXCHANGE_FREE, &step);
		if (rc < 0)
			return rc;
	}
	return n;
}

/* Every second of the held is asked, few at a time. Returns the number, or -errno. */
static int ask_held(struct raw *raw)
{
	int n = 0, rc = 0;

	for (; n < RAWIO_BATCH && raw->hold.place < raw->n_places; raw->hold.place += 2) {
		if (raw->places[raw->hold.place].state != EXCHANGE_HELD)
			continue;
		if (raw->open >= OPENING_MAX)
			return n;
		rc = speak(raw, raw->hold.place);
		if (rc < 0)
			return rc;
		n++;
	}
	return n;
}

static int let_go_held(struct raw *raw)
{
	int n = 0, rc = 0;

	for (; n < RAWIO_BATCH && raw->hold.place < raw->n_places; raw->hold.place++) {
		struct exchange *x = &raw->places[raw->hold.place];
		struct exchange_step step;

		if (x->state != EXCHANGE_HELD)
			continue;
		step = exchange_let_go(x, &raw->rules, raw->now);
		rc = perform_moved(raw, raw->hold.place, EXCHANGE_HELD, &step);
		if (rc < 0)
			return rc;
		n++;
	}
	return n;
}

static void hold_begin_silence(struct raw *raw)
{
	raw->hold.stage = HOLD_SILENT;
	raw->hold.until_ns = raw->now + raw->cfg.plan.hold_ns;
	raw->run.res.held = raw->run.in_flight;
	raw->run.res.pilots = raw->run.res.requests;
	raw->run.res.opening_ns = raw->now - raw->run.measure_ns;
	if (raw->cfg.held)
		raw->cfg.held(&raw->run, raw->cfg.arg);
}

/* Moves held connections on. Returns the number of segments that caused, or -errno. */
static int hold_step(struct raw *raw)
{
	struct hold *h = &raw->hold;
	int n = 0;

	if (h->stage == HOLD_NONE)
		return 0;
	if (raw->run.phase >= RUN_DRAIN && h->stage < HOLD_LETTING_GO) {
		h->stage = HOLD_LETTING_GO;
		h->place = 0;
	}
	if (h->stage == HOLD_OPENING && raw->run.res.started >= raw->cfg.plan.count &&
	    raw->opening == 0 && raw->open == 0)
		hold_begin_silence(raw);
	if (h->stage == HOLD_SILENT && raw->now >= h->until_ns) {
		h->stage = HOLD_ASKING;
		raw->rules.stopping = true; /* who is asked now is let go when it has answered */
	}
	if (h->stage == HOLD_ASKING) {
		n = ask_held(raw);
		if (h->place < raw->n_places)
			return n;
		h->stage = HOLD_LETTING_GO;
		h->place = 0;
	}
	return h->stage == HOLD_LETTING_GO ? let_go_held(raw) : n;
}

/* The next slice of places; those whose time is over send again or give up. */
static int sweep_timers(struct raw *raw)
{
	uint32_t slice = raw->n_places / SWEEP_MS + 1;
	struct exchange_step step;
	struct exchange *x;
	uint8_t before;
	int rc;

	if (slice > SLICE_MAX)
		slice = SLICE_MAX;
	if (raw->now < raw->sweep_ns)
		return 0;
	raw->sweep_ns = raw->now + NS_PER_MS;
	for (uint32_t i = 0; i < slice; i++) {
		raw->sweep = raw->sweep + 1 >= raw->n_places ? 0 : raw->sweep + 1;
		x = &raw->places[raw->sweep];
		if (x->state == EXCHANGE_FREE || raw->now < x->due_ns)
			continue;
		before = x->state;
		step = exchange_timer(x, &raw->rules, raw->now);
		rc = perform_moved(raw, raw->sweep, before, &step);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Until something may have to be done: at most a slice of the sweep. */
static int idle(struct raw *raw)
{
	uint64_t wait = run_wait_ns(&raw->run, raw->now);
	int rc = rawio_wait(raw->io, wait < NS_PER_MS ? wait : NS_PER_MS);

	return rc == -EINTR ? 0 : rc;
}

static void advance(struct raw *raw)
{
	enum run_phase before = raw->run.phase;
	enum run_phase phase = run_advance(&raw->run, raw->now);

	if (phase == before)
		return;
	raw->rules.stopping = run_stopping(&raw->run);
	if (phase == RUN_MEASURE) {
		usage_begin(&raw->usage);
		raw->dropped_before = rawio_dropped(raw->io);
	}
	if (before == RUN_MEASURE)
		usage_end(&raw->usage, &raw->run.res.user_us, &raw->run.res.sys_us);
}

static void tick(struct raw *raw)
{
	int stop;

	if (!raw->cfg.tick || raw->now < raw->tick_ns)
		return;
	raw->tick_ns = raw->now + (uint64_t)RAW_TICK_MS * NS_PER_MS;
	stop = raw->cfg.tick(&raw->run, raw->cfg.arg);
	if (stop == 0)
		return;
	if (stop > 1)
		run_abandon(&raw->run, raw->now);
	else
		run_stop(&raw->run, raw->now);
	raw->rules.stopping = true;
}

/* One turn of the loop. Returns whether there was something to do, or -errno. */
static int turn(struct raw *raw)
{
	int taken, started, held, rc;

	raw->now = clock_ns(CLOCK_MONOTONIC);
	taken = take_frames(raw);
	if (taken < 0)
		return taken;
	started = start_due(raw);
	if (started < 0)
		return started;
	held = hold_step(raw);
	if (held < 0)
		return held;
	rc = sweep_timers(raw);
	if (rc == 0)
		rc = rawio_flush(raw->io);
	return rc < 0 ? rc : taken + started + held > 0;
}

int raw_run(struct raw *raw)
{
	uint64_t busy_ns;
	int rc = 0;

	raw->now = busy_ns = clock_ns(CLOCK_MONOTONIC);
	run_begin(&raw->run, &raw->cfg.plan, raw->now);
	raw->dropped_before = rawio_dropped(raw->io);
	usage_begin(&raw->usage);
	while (raw->run.phase != RUN_OVER) {
		rc = turn(raw);
		if (rc < 0)
			break;
		if (rc > 0)
			busy_ns = raw->now;
		else if (raw->now - busy_ns > SPIN_NS)
			rc = idle(raw);
		if (rc < 0)
			break;
		advance(raw);
		tick(raw);
	}
	if (rc < 0)
		run_abandon(&raw->run, raw->now);
	raw->run.res.frames.dropped = rawio_dropped(raw->io) - raw->dropped_before;
	return rc < 0 ? rc : 0;
}

const struct load_result *raw_result(const struct raw *raw)
{
	return &raw->run.res;
}

/* Asks for the target from source number @n. */
static int ask(struct raw *raw, uint32_t n)
{
	struct neighbour_msg msg = {.op = NEIGHBOUR_ASKS,
				    .sender = sources_addr(&raw->cfg.sources, n),
				    .target = raw->cfg.target.addr};
	int rc = 0;
	uint8_t *p = room(raw, &rc);

	memcpy(msg.sender_mac, raw->mac, sizeof(msg.sender_mac));
	if (p)
		rawio_commit(raw->io, (size_t)neighbour_build(&msg, p, RAWIO_FRAME_MAX));
	return rc;
}

static int fill_templates(struct raw *raw)
{
	int rc;
	struct frame_spec spec = {.ipv6 = !addr_is_mapped(&raw->cfg.target.addr),
				  .src = raw->cfg.sources.first,
				  .dst = raw->cfg.target.addr,
				  .dport = raw->cfg.target.port};

	memcpy(spec.dst_mac, raw->server_mac, sizeof(spec.dst_mac));
	memcpy(spec.src_mac, raw->mac, sizeof(spec.src_mac));
	rc = template_fill(&raw->templates, &spec, raw->cfg.payload, raw->cfg.plan.payload);
	raw->ready = rc == 0;
	return rc;
}

/* Takes frames for as long as any come and not all questions are answered. */
static int listen_for_answers(struct raw *raw, uint32_t asked, uint64_t deadline)
{
	int rc = rawio_flush(raw->io);

	while (rc == 0 && raw->told < asked && raw->now < deadline) {
		rc = take_frames(raw);
		if (rc == 0)
			rc = rawio_wait(raw->io, (uint64_t)10 * NS_PER_MS);
		if (rc > 0 || rc == -EINTR)
			rc = 0;
		if (rc == 0)
			rc = rawio_flush(raw->io);
		raw->now = clock_ns(CLOCK_MONOTONIC);
	}
	return rc;
}

enum { ASK_AGAIN_MS = 200 };

int raw_resolve(struct raw *raw)
{
	uint64_t deadline;
	uint32_t asked = raw->cfg.sources.n_addrs;
	int rc = 0;

	raw->now = clock_ns(CLOCK_MONOTONIC);
	deadline = raw->now + (uint64_t)RAW_RESOLVE_MS * NS_PER_MS;
	while (rc == 0 && !raw->resolved && raw->now < deadline) {
		for (uint32_t n = 0; rc == 0 && n < asked; n++) {
			rc = ask(raw, n);
			if (rc == 0 && n % RAWIO_BATCH == RAWIO_BATCH - 1)
				rc = take_frames(raw);
			rc = rc > 0 ? 0 : rc;
		}
		if (rc == 0)
			rc = listen_for_answers(raw, asked,
						raw->now + (uint64_t)ASK_AGAIN_MS * NS_PER_MS);
	}
	if (rc < 0)
		return rc;
	return raw->resolved ? fill_templates(raw) : -EHOSTUNREACH;
}

static int check_config(const struct raw_config *cfg, const char **what)
{
	int rc = sources_check(&cfg->sources);

	*what = "the range of sources";
	if (rc == 0 && addr_is_mapped(&cfg->sources.first) != addr_is_mapped(&cfg->target.addr))
		rc = -EAFNOSUPPORT;
	if (rc == 0 && cfg->plan.payload > TEMPLATE_PAYLOAD_MAX) {
		*what = "the request";
		rc = -EMSGSIZE;
	}
	return rc;
}

/* A MAC of our own: locally administered, so that it is nobody else's. */
static void choose_mac(uint8_t *mac)
{
	static const uint8_t prefix[3] = {0x02, 'd', 'w'};

	memcpy(mac, prefix, sizeof(prefix));
	if (getrandom(mac + 3, 3, 0) != 3)
		memset(mac + 3, 1, 3);
}

int raw_open(const struct raw_config *cfg, struct raw **out, const char **what)
{
	struct rawio_filter filter = {.from = true, .port = cfg->target.port};
	struct raw *raw;
	int rc = check_config(cfg, what);

	if (rc < 0)
		return rc;
	*what = "the table of connections";
	raw = calloc(1, sizeof(*raw));
	if (!raw)
		return -ENOMEM;
	raw->cfg = *cfg;
	raw->rules = (struct exchange_rules){
		.requests = cfg->plan.workload != LOAD_ACCEPT,
		.endless = cfg->plan.requests == 0,
		.payload = cfg->plan.payload,
		.expect = cfg->plan.expect,
		.count = cfg->plan.requests,
		.close = cfg->plan.close,
		.hold = cfg->plan.hold_ns > 0,
		.timeout_ns = cfg->plan.timeout_ns,
		.retransmit_ns = (uint64_t)RETRANSMIT_MS * NS_PER_MS,
	};
	raw->hold.stage = raw->rules.hold ? HOLD_OPENING : HOLD_NONE;
	raw->n_places = sources_count(&cfg->sources);
	rc = -ENOMEM;
	raw->places = calloc(raw->n_places, sizeof(*raw->places));
	if (!raw->places)
		goto err_free;
	*what = "the packet sockets";
	rc = rawio_open(cfg->netns_fd, cfg->ifindex, &filter, &raw->io);
	if (rc < 0)
		goto err_places;
	choose_mac(raw->mac);
	if (getrandom(&raw->key, sizeof(raw->key), 0) != sizeof(raw->key))
		raw->key.k0 = clock_ns(CLOCK_REALTIME);
	/* Not where the last run began: the server may still remember that one. */
	raw->cursor = (uint32_t)(raw->key.k0 % raw->n_places);
	*out = raw;
	return 0;

err_places:
	free(raw->places);
err_free:
	free(raw);
	return rc;
}

void raw_close(struct raw *raw)
{
	if (!raw)
		return;
	rawio_close(raw->io);
	free(raw->places);
	free(raw);
}
