/* SPDX-License-Identifier: MIT */
/* flow_notes.c - what is kept beside each flow that is being watched */
#include "flow_notes.h"

#include <errno.h>
#include <stdlib.h>

struct note {
	bool begun, selected;
	uint32_t serial;
	struct owner_name owner;
	struct evidence_frame *frames;
	uint32_t n_frames, cap_frames;
};

struct flow_notes {
	struct flow_notes_config cfg;
	struct note *notes;
	size_t slots;
	uint32_t interface;
	const char *name;
	struct flow_totals *totals;
};

int flow_notes_create(const struct flow_notes_config *cfg, size_t slots, uint32_t interface,
		      const char *name, struct flow_totals *totals, struct flow_notes **out)
{
	struct flow_notes *n = malloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	*n = (struct flow_notes){*cfg, NULL, slots, interface, name, totals};
	n->notes = calloc(slots, sizeof(*n->notes));
	if (!n->notes) {
		free(n);
		return -ENOMEM;
	}
	*out = n;
	return 0;
}

void flow_notes_destroy(struct flow_notes *n)
{
	if (!n)
		return;
	for (size_t i = 0; n->cfg.keep_frames && i < n->slots; i++)
		free(n->notes[i].frames);
	free(n->notes);
	free(n);
}

static void keep_frame(struct note *note, const struct evidence_frame *f)
{
	struct evidence_frame *more;
	uint32_t cap = note->cap_frames ? note->cap_frames * 2 : 8;

	if (note->n_frames == FLOW_FRAMES_MAX)
		return;
	if (note->n_frames == note->cap_frames) {
		more = realloc(note->frames, cap * sizeof(*more));
		if (!more)
			return; /* its ladder is the shorter */
		note->frames = more;
		note->cap_frames = cap;
	}
	note->frames[note->n_frames++] = *f;
}

static void report(const struct flow_notes *n, const struct judge_report *rep,
		   const struct judged *j, const struct sockdiag_entry *listener,
		   const struct note *note, bool verdict)
{
	struct flow_about about = {.interface = n->name,
				   .owner = &note->owner,
				   .listener = listener,
				   .frames = note->frames,
				   .n_frames = note->n_frames};

	n->cfg.report(rep, j, &about, verdict, n->cfg.arg);
}

/* The flow is wanted from its first frame on that is. */
static void select_flow(struct flow_notes *n, const struct judge_report *rep,
			const struct ring_frame *raw, const struct flow *fl, struct note *note)
{
	struct judged j = {.c = {.key = fl->key, .flow = fl}, .case_index = -1};

	if (n->cfg.has_server && !addr_eq(&fl->key.server, &n->cfg.server))
		return;
	if (n->cfg.expr && !pcap_expr_match(n->cfg.expr, raw))
		return;
	note->selected = true;
	report(n, rep, &j, NULL, note, false);
}

bool flow_notes_frame(struct flow_notes *n, const struct judge_report *rep,
		      const struct evidence_frame *f, const struct ring_frame *raw,
		      const struct flow *fl, size_t slot)
{
	struct note *note;
	bool first;

	if (n->cfg.trace)
		trace_frame(n->cfg.trace, n->interface, f, raw, fl ? slot : SIZE_MAX);
	if (!fl)
		return false;
	note = &n->notes[slot];
	first = !note->begun;
	note->begun = true;
	if (n->cfg.keep_frames)
		keep_frame(note, f);
	if (!note->selected)
		select_flow(n, rep, raw, fl, note);
	return first;
}

void flow_notes_fetch(const struct flow_notes *n, size_t slot)
{
	if (slot < n->slots)
		__builtin_prefetch(&n->notes[slot]);
}

uint32_t flow_notes_serial(const struct flow_notes *n, size_t slot)
{
	return n->notes[slot].serial;
}

void flow_notes_set_owner(struct flow_notes *n, size_t slot, const struct owner_name *name)
{
	n->notes[slot].owner = *name;
}

const struct owner_name *flow_notes_owner(const struct flow_notes *n, size_t slot)
{
	return &n->notes[slot].owner;
}

void flow_notes_judged(struct flow_notes *n, const struct judge_report *rep, const struct judged *j,
		       const struct sockdiag_entry *listener, size_t slot)
{
	struct note *note = &n->notes[slot];

	if (n->cfg.trace)
		trace_judged(n->cfg.trace, n->interface, slot, j);
	if (note->selected) {
		n->totals->verdicts[j->j.verdict]++;
		report(n, rep, j, listener, note, true);
	}
	free(note->frames);
	*note = (struct note){.serial = note->serial + 1};
}
