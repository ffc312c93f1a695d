/* SPDX-License-Identifier: MIT */
/* flow_index.c - the frames of each flow */
#include "flow_index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const size_t NO_FLOW = SIZE_MAX;

/*
 * Which slot each frame went to. The report's own table says it of flows, not of frames; a table of
 * the same size that is fed the same frames hands out the same slots.
 */
static int find_slots(const struct judge_report *r, size_t *slot)
{
	const struct evidence *ev = r->ev;
	struct flow_table *ft = flow_table_create(ev->n_frames + 1, ev->ports, ev->n_ports);

	if (!ft)
		return -ENOMEM;
	for (size_t i = 0; i < ev->n_frames; i++) {
		const struct flow *fl = flow_table_input(ft, &ev->frames[i]);

		slot[i] = fl ? flow_table_index(ft, fl) : NO_FLOW;
	}
	assert(flow_table_slots(ft) == flow_table_slots(r->flows));
	flow_table_destroy(ft);
	return 0;
}

/* A counting sort: it keeps the order within a slot. */
static void sort_frames(struct flow_index *idx, const size_t *slot, size_t n_slots)
{
	const struct evidence *ev = idx->report->ev;
	size_t total;

	for (size_t i = 0; i < ev->n_frames; i++)
		if (slot[i] != NO_FLOW)
			idx->start[slot[i] + 1]++;
	for (size_t s = 0; s < n_slots; s++)
		idx->start[s + 1] += idx->start[s];
	total = idx->start[n_slots];
	for (size_t i = ev->n_frames; i-- > 0;)
		if (slot[i] != NO_FLOW)
			idx->frames[--idx->start[slot[i] + 1]] = &ev->frames[i];
	/* start[s + 1] has moved from the end of slot s to its beginning. */
	for (size_t s = 0; s < n_slots; s++)
		idx->start[s] = idx->start[s + 1];
	idx->start[n_slots] = total;
}

int flow_index_init(struct flow_index *idx, const struct judge_report *r)
{
	size_t n_slots = flow_table_slots(r->flows);
	size_t *slot = calloc(r->ev->n_frames + 1, sizeof(*slot));
	int rc = -ENOMEM;

	*idx = (struct flow_index){.report = r};
	idx->frames = calloc(r->ev->n_frames + 1, sizeof(*idx->frames));
	idx->start = calloc(n_slots + 1, sizeof(*idx->start));
	if (slot && idx->frames && idx->start)
		rc = find_slots(r, slot);
	if (rc == 0)
		sort_frames(idx, slot, n_slots);
	else
		flow_index_free(idx);
	free(slot);
	return rc;
}

void flow_index_free(struct flow_index *idx)
{
	free(idx->frames);
	free(idx->start);
	*idx = (struct flow_index){0};
}

const struct evidence_frame *const *flow_index_frames(const struct flow_index *idx,
						      const struct flow *fl, size_t *n)
{
	size_t s = flow_table_index(idx->report->flows, fl);

	*n = idx->start[s + 1] - idx->start[s];
	return (const struct evidence_frame *const *)(idx->frames + idx->start[s]);
}
