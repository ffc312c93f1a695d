/* SPDX-License-Identifier: MIT */
/* tracker.c - judges flows one by one as they end */
#include "tracker.h"

#include "../clock.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * Each flow is in one list, that of its stage, in the order in which it was last looked at. Frames
 * do not move it: a flow that comes to the front too early because it spoke since goes to the back
 * again, so a frame costs nothing and nothing is ever searched.
 *
 * Invariant: a slot is in a list exactly while its flow is in use. stamp_ns is never later than the
 * flow's last frame, but for lasting streams, which are given a later one to be left in peace.
 */
enum stage { STAGE_GONE, STAGE_ENDED, STAGE_DATAGRAMS, STAGE_STREAM, STAGES };

static const uint32_t PATIENCE_MS[STAGES] = {
	[STAGE_GONE] = TRACKER_GONE_MS,
	[STAGE_ENDED] = TRACKER_GRACE_MS,
	[STAGE_DATAGRAMS] = TRACKER_SILENCE_MS,
	[STAGE_STREAM] = TRACKER_UNANSWERED_MS,
};

static const uint32_t NONE = UINT32_MAX;

/* Beside each slot of the flow table. */
struct place {
	struct sockdiag_entry kernel[SIDE_NUM];
	bool known[SIDE_NUM], by_lookup;
	bool listed;
	uint8_t stage;
	uint32_t before, behind; /* in the list */
	uint64_t stamp_ns;
};

struct list {
	uint32_t first, last;
};

struct tracker {
	struct flow_table *flows;
	struct place *places;
	struct list lists[STAGES];
	struct judge_report rep;
	tracker_fn judged;
	void *arg;
};

int tracker_create(size_t max_flows, const struct evidence *ev, tracker_fn judged, void *arg,
		   struct tracker **out)
{
	struct tracker *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	assert(max_flows > 0 && max_flows <= TRACKER_FLOWS_MAX);
	*t = (struct tracker){.judged = judged, .arg = arg};
	/* One more than may stay: a frame may open a flow before another is judged. */
	t->flows = flow_table_create(max_flows + 1, ev->ports, ev->n_ports);
	t->places = calloc(max_flows + 1, sizeof(*t->places));
	for (int s = 0; s < STAGES; s++)
		t->lists[s] = (struct list){NONE, NONE};
	t->rep = (struct judge_report){.ev = ev, .flows = t->flows, .run = {.n_taps = 1}};
	if (!t->flows || !t->places) {
		tracker_destroy(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

void tracker_destroy(struct tracker *t)
{
	if (!t)
		return;
	flow_table_destroy(t->flows);
	free(t->places);
	free(t);
}

const struct judge_report *tracker_report(const struct tracker *t)
{
	return &t->rep;
}

void tracker_set_run(struct tracker *t, const struct judge_run *run)
{
	t->rep.run = *run;
}

static struct place *place_of(const struct tracker *t, const struct flow *fl)
{
	return &t->places[flow_table_index(t->flows, fl)];
}

static struct flow *flow_of(const struct tracker *t, uint32_t i)
{
	struct flow *fl = flow_table_at(t->flows, i);

	assert(fl && t->places[i].listed);
	return fl;
}

static void list_remove(struct tracker *t, uint32_t i)
{
	struct place *p = &t->places[i];
	struct list *l = &t->lists[p->stage];

	if (p->before != NONE)
		t->places[p->before].behind = p->behind;
	else
		l->first = p->behind;
	if (p->behind != NONE)
		t->places[p->behind].before = p->before;
	else
		l->last = p->before;
	p->listed = false;
}

static void list_append(struct tracker *t, uint32_t i, enum stage stage, uint64_t stamp_ns)
{
	struct place *p = &t->places[i];
	struct list *l = &t->lists[stage];

	assert(!p->listed);
	p->listed = true;
	p->stage = (uint8_t)stage;
	p->stamp_ns = stamp_ns;
	p->before = l->last;
	p->behind = NONE;
	if (l->last != NONE)
		t->places[l->last].behind = i;
	else
		l->first = i;
	l->last = i;
}

static void move_to(struct tracker *t, uint32_t i, enum stage stage, uint64_t stamp_ns)
{
	list_remove(t, i);
	list_append(t, i, stage, stamp_ns);
}

static void judge_flow(struct tracker *t, uint32_t i, uint64_t more_reasons)
{
	struct flow *fl = flow_of(t, i);
	struct place *p = &t->places[i];
	struct judged j = {.c = {.key = fl->key, .flow = fl}, .case_index = -1};
	uint64_t reasons = t->rep.run.reasons;

	flow_table_settle_one(t->flows, fl);
	if (flow_table_unread_near(t->flows, fl))
		more_reasons |= reason_bit(REASON_UNPARSED);
	for (int s = 0; s < SIDE_NUM; s++)
		j.c.side[s].kernel = p->known[s] ? &p->kernel[s] : NULL;
	j.c.side[SIDE_SERVER].by_lookup = p->by_lookup;
	t->rep.run.reasons |= more_reasons;
	judge_connection(&t->rep.run, &j.c, &j.j);
	judge_result(&j.c, j.result);
	t->judged(&t->rep, &j, t->arg);
	t->rep.run.reasons = reasons;
	list_remove(t, i);
	*p = (struct place){0};
	flow_table_forget(t->flows, fl);
}

static void make_room(struct tracker *t)
{
	for (int s = 0; s < STAGES; s++) {
		if (t->lists[s].first == NONE)
			continue;
		judge_flow(t, t->lists[s].first, reason_bit(REASON_TABLE_FULL));
		return;
	}
}

static bool socket_is_gone(const struct place *p)
{
	for (int s = 0; s < SIDE_NUM; s++)
		if (p->known[s] && p->kernel[s].destroyed)
			return true;
	return false;
}

static void update_stage(struct tracker *t, uint32_t i, const struct flow *fl)
{
	struct place *p = &t->places[i];

	if (p->stage == STAGE_STREAM && flow_closed(fl, 0))
		move_to(t, i, STAGE_ENDED, fl->last_ns);
	if (p->stage == STAGE_ENDED && socket_is_gone(p))
		move_to(t, i, STAGE_GONE, fl->last_ns);
}

uint64_t tracker_expect(const struct tracker *t, const struct evidence_frame *f)
{
	uint64_t hash = flow_table_hash(t->flows, f);

	flow_table_fetch_bucket(t->flows, hash);
	return hash;
}

size_t tracker_fetch(const struct tracker *t, uint64_t hash)
{
	const struct flow *fl = flow_table_fetch_flow(t->flows, hash);

	if (!fl)
		return SIZE_MAX;
	__builtin_prefetch(&place_of(t, fl)->listed);
	return flow_table_index(t->flows, fl);
}

const struct flow *tracker_frame(struct tracker *t, const struct evidence_frame *f)
{
	return tracker_frame_hashed(t, f, flow_table_hash(t->flows, f));
}

const struct flow *tracker_frame_hashed(struct tracker *t, const struct evidence_frame *f,
					uint64_t hash)
{
	const struct flow *fl;
	uint32_t i;

	assert(f->tap == 0);
	if (!flow_table_room(t->flows))
		make_room(t);
	fl = flow_table_input_hashed(t->flows, f, hash);
	if (!fl)
		return NULL;
	i = (uint32_t)flow_table_index(t->flows, fl);
	if (!t->places[i].listed)
		list_append(t, i, fl->key.proto == IPPROTO_TCP ? STAGE_STREAM : STAGE_DATAGRAMS,
			    f->ts_ns);
	update_stage(t, i, fl);
	return fl;
}

bool tracker_socket(struct tracker *t, const struct sockdiag_entry *e)
{
	const struct flow *oldest = NULL;
	enum evidence_side side;
	struct flow_key key;
	enum flow_way way;
	struct place *p;

	if (!flow_table_orient(t->flows, e->proto, &e->src, &e->dst, &key, &way))
		return true; /* nobody's business here */
	side = way == FLOW_TO_SERVER ? SIDE_CLIENT : SIDE_SERVER;
	for (const struct flow *fl = flow_table_find(t->flows, &key); fl; fl = fl->older) {
		p = place_of(t, fl);
		if (!p->known[side] || p->kernel[side].cookie == e->cookie)
			oldest = fl;
	}
	if (!oldest)
		return false;
	p = place_of(t, oldest);
	p->kernel[side] = *e;
	p->known[side] = true;
	update_stage(t, (uint32_t)flow_table_index(t->flows, oldest), oldest);
	return true;
}

void tracker_looked_up(struct tracker *t, const struct flow *fl, const struct sockdiag_entry *e)
{
	struct place *p = place_of(t, fl);

	if (p->known[SIDE_SERVER] && p->kernel[SIDE_SERVER].destroyed)
		return; /* the last word has been said */
	p->kernel[SIDE_SERVER] = *e;
	p->known[SIDE_SERVER] = true;
	p->by_lookup = true;
}

const struct sockdiag_entry *tracker_server(const struct tracker *t, const struct flow *fl)
{
	const struct place *p = place_of(t, fl);

	return p->known[SIDE_SERVER] ? &p->kernel[SIDE_SERVER] : NULL;
}

static bool is_over(const struct place *p, uint64_t now_ns)
{
	return now_ns > p->stamp_ns &&
	       now_ns - p->stamp_ns >= (uint64_t)PATIENCE_MS[p->stage] * NS_PER_MS;
}

/* The first flow of a stage that is due, after those that are not were sent to the back. */
static uint32_t due_in(struct tracker *t, enum stage stage, uint64_t now_ns)
{
	uint32_t i;

	while ((i = t->lists[stage].first) != NONE && is_over(&t->places[i], now_ns)) {
		const struct flow *fl = flow_of(t, i);

		if (fl->last_ns > t->places[i].stamp_ns)
			move_to(t, i, stage, fl->last_ns);
		else if (stage == STAGE_STREAM && flow_established(fl, 0))
			move_to(t, i, stage, now_ns);
		else
			return i;
	}
	return NONE;
}

bool tracker_is_due(struct tracker *t, uint64_t now_ns)
{
	for (int s = 0; s < STAGES; s++)
		if (due_in(t, (enum stage)s, now_ns) != NONE)
			return true;
	return false;
}

void tracker_judge_due(struct tracker *t, uint64_t now_ns)
{
	uint32_t i;

	for (int s = 0; s < STAGES; s++)
		while ((i = due_in(t, (enum stage)s, now_ns)) != NONE)
			judge_flow(t, i, 0);
}

void tracker_judge_rest(struct tracker *t)
{
	for (size_t i = 0; i < flow_table_slots(t->flows); i++)
		if (flow_table_at(t->flows, i))
			judge_flow(t, (uint32_t)i, 0);
}
