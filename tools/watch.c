/* SPDX-License-Identifier: MIT */
/* watch.c - judges the connections of a running server one by one as they end, in bounded memory */
#include "watch.h"

#include "../rawstack/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { CATCH_UP_MS = 100, READY_MS = 2000, SCAN_MS = 50, EARLY_MAX = 1024 };

/* What the kernel said about the two ends of a flow, beside the flow's slot. */
struct ends {
	struct sockdiag_entry kernel[SIDE_NUM];
	bool known[SIDE_NUM];
	bool announced;
};

/* A socket's end that was reported before its flow was seen. */
struct early {
	struct sockdiag_entry entry;
	uint64_t since_ns; /* monotonic */
};

struct watch {
	struct watch_config cfg;
	struct witness *witness;
	struct flow_table *flows;
	struct ends *ends; /* one per slot */
	struct early early[EARLY_MAX];
	size_t n_early;
	struct judge_report rep;
	struct watch_totals totals;
	uint64_t scan_ns; /* when ended flows were last looked for */
	bool fresh;	  /* a flow was seen that is not announced yet */
};

static void on_frame(const struct evidence_frame *f, const struct ring_frame *raw, void *arg)
{
	struct watch *w = arg;
	const struct flow *fl = flow_table_input(w->flows, f);

	(void)raw;
	if (fl && !w->ends[flow_table_index(w->flows, fl)].announced)
		w->fresh = true;
}

/* Gives @e to the oldest generation of its flow that has no socket on that side. False: no such. */
static bool attach(struct watch *w, const struct sockdiag_entry *e)
{
	struct ends *oldest = NULL;
	enum evidence_side side;
	struct flow_key key;
	enum flow_way way;

	if (!flow_table_orient(w->flows, e->proto, &e->src, &e->dst, &key, &way))
		return true; /* nobody's business here */
	side = way == FLOW_TO_SERVER ? SIDE_CLIENT : SIDE_SERVER;
	for (const struct flow *fl = flow_table_find(w->flows, &key); fl; fl = fl->older) {
		struct ends *ends = &w->ends[flow_table_index(w->flows, fl)];

		if (!ends->known[side] || ends->kernel[side].cookie == e->cookie)
			oldest = ends;
	}
	if (!oldest)
		return false;
	oldest->kernel[side] = *e;
	oldest->known[side] = true;
	return true;
}

/* An event may be here before the ring hands over the frames: it waits for them. */
static void on_kernel(uint32_t tap, const struct sockdiag_entry *e, void *arg)
{
	struct watch *w = arg;

	(void)tap;
	if (!attach(w, e) && w->n_early < EARLY_MAX)
		w->early[w->n_early++] = (struct early){*e, clock_ns(CLOCK_MONOTONIC)};
}

/* Those whose frames never come (a socket that sent none) are forgotten after a while. */
static void attach_early(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	size_t n = 0;

	for (size_t i = 0; i < w->n_early; i++)
		if (!attach(w, &w->early[i].entry) &&
		    now - w->early[i].since_ns < (uint64_t)WATCH_GRACE_MS * NS_PER_MS)
			w->early[n++] = w->early[i];
	w->n_early = n;
}

int watch_open(const struct watch_config *cfg, struct watch **out, const char **what)
{
	struct witness_config wc = {
		.posts = {{.side = SIDE_SERVER, .netns_fd = -1, .ifindex = cfg->ifindex}},
		.n_posts = 1,
		.n_ports = cfg->n_ports,
		.ring = cfg->live ? RING_CONFIG_LIVE : RING_CONFIG_LARGE,
		.keep = cfg->evidence,
		.on_frame = on_frame,
		.on_kernel = on_kernel,
	};
	struct watch *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	*what = "allocate memory";
	if (!w)
		return rc;
	w->cfg = *cfg;
	w->flows = flow_table_create(WATCH_FLOWS_MAX, cfg->ports, cfg->n_ports);
	w->ends = calloc(WATCH_FLOWS_MAX, sizeof(*w->ends));
	if (!w->flows || !w->ends)
		goto err;
	memcpy(wc.ports, cfg->ports, sizeof(wc.ports));
	wc.arg = w;
	rc = witness_open(&wc, &w->witness, what);
	if (rc < 0)
		goto err;
	*what = "see its own first frame";
	rc = witness_ready(w->witness, READY_MS);
	if (rc < 0)
		goto err;
	w->rep.ev = witness_evidence(w->witness);
	w->rep.flows = w->flows;
	*out = w;
	return 0;
err:
	watch_close(w);
	return rc;
}

size_t watch_fds(const struct watch *w, struct pollfd *fds)
{
	return witness_fds(w->witness, fds);
}

/* The gates as they stand now. The last canary has not been sent while the watch goes on. */
static void run_gates(struct watch *w, bool stopped)
{
	judge_run_gates(w->rep.ev, w->flows, &w->rep.run);
	if (!stopped) {
		const struct evidence_tap *t = &w->rep.ev->taps[0];

		w->rep.run.reasons &= ~reason_bit(REASON_NO_CANARY);
		/* More may have been captured since; what came before this moment has been read. */
		if (t->consumed >= t->packets - t->drops)
			w->rep.run.reasons &= ~reason_bit(REASON_IDENTITY_FAILED);
	}
}

static void connection_of(struct watch *w, const struct flow *fl, struct judged *j)
{
	struct ends *e = &w->ends[flow_table_index(w->flows, fl)];

	*j = (struct judged){.c = {.key = fl->key, .flow = fl}, .case_index = -1};
	for (int s = 0; s < SIDE_NUM; s++)
		j->c.side[s].kernel = e->known[s] ? &e->kernel[s] : NULL;
	judge_result(&j->c, j->result);
}

static void judge_flow(struct watch *w, struct flow *fl)
{
	struct ends *e = &w->ends[flow_table_index(w->flows, fl)];
	struct judged j;

	connection_of(w, fl, &j);
	judge_connection(&w->rep.run, &j.c, &j.j);
	w->totals.verdicts[j.j.verdict]++;
	w->cfg.report(&w->rep, &j, true, w->cfg.arg);
	*e = (struct ends){0};
	flow_table_forget(w->flows, fl);
}

/* Has this flow ended, and did the kernel have time to say so too? */
static bool has_ended(const struct watch *w, const struct flow *fl, uint64_t real_ns)
{
	const struct ends *e = &w->ends[flow_table_index(w->flows, fl)];
	uint64_t silent_ms = real_ns > fl->last_ns ? (real_ns - fl->last_ns) / NS_PER_MS : 0;
	bool kernel_done = (e->known[SIDE_SERVER] && e->kernel[SIDE_SERVER].destroyed) ||
			   (e->known[SIDE_CLIENT] && e->kernel[SIDE_CLIENT].destroyed);

	if (fl->key.proto == IPPROTO_UDP)
		return silent_ms >= WATCH_UDP_SILENCE_MS;
	return flow_closed(fl, 0) &&
	       (silent_ms >= WATCH_GRACE_MS || (kernel_done && silent_ms >= SCAN_MS));
}

static void announce(struct watch *w)
{
	for (size_t i = 0; w->fresh && i < flow_table_slots(w->flows); i++) {
		const struct flow *fl = flow_table_at(w->flows, i);
		struct judged j;

		if (!fl || w->ends[i].announced)
			continue;
		w->ends[i].announced = true;
		connection_of(w, fl, &j);
		w->cfg.report(&w->rep, &j, false, w->cfg.arg);
	}
	w->fresh = false;
}

static int judge_ended(struct watch *w)
{
	uint64_t real_ns = clock_ns(CLOCK_REALTIME);
	bool ready = false;
	int rc;

	for (size_t i = 0; i < flow_table_slots(w->flows); i++) {
		struct flow *fl = flow_table_at(w->flows, i);

		if (!fl || !has_ended(w, fl, real_ns))
			continue;
		if (!ready) {
			rc = witness_catch_up(w->witness, CATCH_UP_MS);
			if (rc < 0 && rc != -ETIMEDOUT)
				return rc;
			run_gates(w, false);
			ready = true;
		}
		judge_flow(w, fl);
	}
	return 0;
}

int watch_step(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int rc = witness_step(w->witness);

	if (rc < 0)
		return rc;
	w->totals.frames += (uint64_t)rc;
	attach_early(w);
	announce(w);
	if (now - w->scan_ns < (uint64_t)SCAN_MS * NS_PER_MS)
		return 0;
	w->scan_ns = now;
	return judge_ended(w);
}

int watch_stop(struct watch *w)
{
	int rc;

	/* Sockets that are still open are asked for while they exist. */
	witness_step(w->witness);
	witness_dump_sockets(w->witness);
	rc = witness_stop(w->witness);
	flow_table_settle(w->flows);
	attach_early(w);
	announce(w);
	run_gates(w, true);
	for (size_t i = 0; i < flow_table_slots(w->flows); i++) {
		struct flow *fl = flow_table_at(w->flows, i);

		if (fl)
			judge_flow(w, fl);
	}
	w->totals.frames = w->rep.ev->taps[0].consumed;
	w->totals.drops = w->rep.ev->taps[0].drops;
	return rc;
}

void watch_totals(const struct watch *w, struct watch_totals *out)
{
	*out = w->totals;
}

const struct evidence *watch_evidence(const struct watch *w)
{
	return w->cfg.evidence ? w->rep.ev : NULL;
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	witness_close(w->witness);
	flow_table_destroy(w->flows);
	free(w->ends);
	free(w);
}
