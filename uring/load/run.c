/* SPDX-License-Identifier: MIT */
/* run.c - phases, pace and counts of a load run */
#include "run.h"

#include <assert.h>
#include <string.h>

static const double ns_per_s = 1e9;
static const uint64_t wait_max_ns = 1000000000;

const char *load_workload_name(enum load_workload w)
{
	static const char *const names[] = {"accept", "echo", "http"};

	return names[w];
}

const char *load_error_name(enum load_error e)
{
	static const char *const names[] = {"timeout", "refused", "reset",
					    "early",   "answer",  "socket"};

	return names[e];
}

const char *load_dislike_name(enum load_dislike d)
{
	static const char *const names[] = {"checksum", "frame",    "flags", "ack",
					    "seq",	"repeated", "stale", "host"};

	return names[d];
}

void run_begin(struct run *r, const struct load_plan *plan, uint64_t now)
{
	memset(r, 0, sizeof(*r));
	r->plan = *plan;
	r->begin_ns = r->measure_ns = now;
	r->phase = plan->warmup_ns ? RUN_WARMUP : RUN_MEASURE;
}

/* What was counted so far is forgotten, but for connections under way. */
static void begin_measuring(struct run *r, uint64_t now)
{
	memset(&r->res, 0, sizeof(r->res));
	r->res.started = r->in_flight;
	r->measure_ns = now;
	r->phase = RUN_MEASURE;
}

static void end_measuring(struct run *r, uint64_t now)
{
	r->res.window_ns = now - r->measure_ns;
	r->res.window_completed = r->res.completed;
	r->res.window_requests = r->res.requests;
}

static bool counted_out(const struct run *r)
{
	return r->plan.count && r->res.started >= r->plan.count;
}

void run_stop(struct run *r, uint64_t now)
{
	if (r->phase >= RUN_DRAIN)
		return;
	if (r->phase == RUN_WARMUP)
		begin_measuring(r, now);
	end_measuring(r, now);
	r->drain_ns = now;
	r->phase = r->in_flight ? RUN_DRAIN : RUN_OVER;
}

void run_abandon(struct run *r, uint64_t now)
{
	run_stop(r, now);
	r->res.errors[LOAD_ERR_TIMEOUT] += r->in_flight;
	r->in_flight = 0;
	r->phase = RUN_OVER;
}

/* When connection @k of the open loop is due. */
static uint64_t due_ns(const struct run *r, uint64_t k)
{
	return r->begin_ns + (uint64_t)((double)k / r->plan.rate * ns_per_s);
}

/*
 * Is the time over? Not as long as something is still to begin that was due before: a loop that
 * woke up late makes up for it, unless it finds no place to begin for longer than a timeout.
 */
static bool timed_out(const struct run *r, uint64_t now)
{
	uint64_t end = r->measure_ns + r->plan.duration_ns;

	if (!r->plan.duration_ns || now < end)
		return false;
	return r->plan.rate == 0 || counted_out(r) || due_ns(r, r->scheduled) >= end ||
	       now - end >= r->plan.timeout_ns;
}

enum run_phase run_advance(struct run *r, uint64_t now)
{
	const struct load_plan *p = &r->plan;

	if (r->phase == RUN_WARMUP && now - r->begin_ns >= p->warmup_ns)
		begin_measuring(r, now);
	if (r->phase == RUN_MEASURE &&
	    (timed_out(r, now) || (counted_out(r) && (r->in_flight == 0 || p->requests == 0))))
		run_stop(r, now);
	if (r->phase == RUN_DRAIN && r->in_flight == 0)
		r->phase = RUN_OVER;
	/* Every connection has a timeout of its own; this is for a generator that broke. */
	if (r->phase == RUN_DRAIN && now - r->drain_ns > 3 * p->timeout_ns)
		run_abandon(r, now);
	return r->phase;
}

bool run_start(struct run *r, uint64_t now, uint64_t *since)
{
	if (r->phase >= RUN_DRAIN || (r->phase == RUN_MEASURE && counted_out(r)))
		return false;
	if (r->plan.rate > 0) {
		*since = due_ns(r, r->scheduled);
		/* Late as we may be, what is due after the end is not of this run. */
		if (*since > now ||
		    (r->phase == RUN_MEASURE && r->plan.duration_ns &&
		     *since - r->measure_ns >= r->plan.duration_ns && *since >= r->measure_ns))
			return false;
		r->scheduled++;
	} else {
		if (r->in_flight >= r->plan.in_flight)
			return false;
		*since = now;
	}
	r->in_flight++;
	r->res.started++;
	return true;
}

void run_answer(struct run *r, uint64_t now, uint64_t since)
{
	r->res.requests++;
	histogram_record(&r->res.latency, now > since ? now - since : 0);
}

void run_complete(struct run *r)
{
	assert(r->in_flight > 0);
	r->in_flight--;
	r->res.completed++;
}

void run_fail(struct run *r, enum load_error why)
{
	assert(r->in_flight > 0);
	r->in_flight--;
	r->res.errors[why]++;
}

static uint64_t until(uint64_t when, uint64_t now)
{
	return when > now ? when - now : 0;
}

uint64_t run_wait_ns(const struct run *r, uint64_t now)
{
	uint64_t wait = wait_max_ns, next;

	if (r->phase == RUN_WARMUP)
		wait = until(r->begin_ns + r->plan.warmup_ns, now);
	else if (r->phase == RUN_MEASURE && r->plan.duration_ns)
		wait = until(r->measure_ns + r->plan.duration_ns, now);
	if (r->phase < RUN_DRAIN && r->plan.rate > 0 && !counted_out(r)) {
		next = until(due_ns(r, r->scheduled), now);
		wait = next < wait ? next : wait;
	}
	return wait < wait_max_ns ? wait : wait_max_ns;
}
