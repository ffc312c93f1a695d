/* SPDX-License-Identifier: MIT */
/* replay.c - judges the connections of a capture file, on the wire view alone */
#include "replay.h"

#include "../rawstack/witness/tracker.h"

#include <errno.h>
#include <stdlib.h>

/* Frames between two looks at what has ended, and between two words of progress. */
enum { JUDGE_EVERY = 1024, PROGRESS_EVERY = 1 << 19 };

/* Frames worked on together, so that one's flow comes from memory while others are read. */
enum { BATCH = 16 };

/* What a first reading found out about an interface. */
struct proof {
	uint64_t frames;
	bool first_is_canary, last_is_canary;
};

/* One interface. */
struct strand {
	struct evidence ev;
	struct tracker *tracker;
	struct flow_notes *notes;
	char name[PCAP_NAME_MAX + 16];
};

/* A frame that was read but not entered. */
struct pending {
	struct strand *strand;
	struct evidence_frame f;
	struct ring_frame raw; /* its bytes are gone where several wait */
	uint64_t hash;
};

struct replay {
	const struct replay_config *cfg;
	struct replay_result *out;
	struct proof *proofs; /* NULL: the file could be read only once */
	struct pcap_interface counted[PCAP_INTERFACES_MAX]; /* as they were at the file's end */
	struct strand *strands[PCAP_INTERFACES_MAX];
	uint64_t now_ns, frames;
	struct pending batch[BATCH];
	uint32_t waiting, batch_size; /* 1 where somebody wants to see the bytes */
};

static void on_judged(const struct judge_report *rep, const struct judged *j, void *arg)
{
	struct strand *s = arg;

	flow_notes_judged(s->notes, rep, j, NULL, flow_table_index(rep->flows, j->c.flow));
}

/* What the file proves about interface @i, as gates of the run. */
static struct judge_run run_of(const struct replay *r, uint32_t i)
{
	const struct pcap_interface *c = &r->counted[i];
	struct judge_run run = {.n_taps = 1, .wire_only = true, .no_programs = true};
	bool proven;

	if (c->has_dropped && c->dropped)
		run.reasons |= reason_bit(REASON_RING_DROPS);
	proven = r->proofs && r->proofs[i].first_is_canary && r->proofs[i].last_is_canary &&
		 c->has_received && c->has_dropped && c->has_delivered &&
		 c->received - c->dropped == c->delivered && c->delivered == r->proofs[i].frames;
	if (!proven)
		run.reasons |= reason_bit(REASON_CAPTURE_UNPROVEN);
	return run;
}

static void strand_free(struct strand *s)
{
	if (!s)
		return;
	flow_notes_destroy(s->notes);
	tracker_destroy(s->tracker);
	evidence_free(&s->ev);
	free(s);
}

static void describe(struct strand *s, const struct pcap_interface *ifc, uint32_t i)
{
	struct evidence_tap *tap = &s->ev.taps[0];

	tap->side = SIDE_SERVER;
	s->ev.n_taps = 1;
	if (ifc->name[0])
		snprintf(s->name, sizeof(s->name), "%s", ifc->name);
	else
		snprintf(s->name, sizeof(s->name), "interface %u", i);
	snprintf(tap->ifname, sizeof(tap->ifname), "%.15s", s->name);
}

static int strand_open(struct replay *r, struct pcap_reader *reader, uint32_t i)
{
	const struct replay_config *cfg = r->cfg;
	struct strand *s = calloc(1, sizeof(*s));
	struct judge_run run = run_of(r, i);
	int rc;

	if (!s)
		return -ENOMEM;
	describe(s, pcap_reader_interface(reader, i), i);
	memcpy(s->ev.ports, cfg->ports, sizeof(s->ev.ports));
	s->ev.n_ports = cfg->n_ports;
	rc = tracker_create(cfg->max_flows, &s->ev, on_judged, s, &s->tracker);
	if (rc == 0)
		rc = flow_notes_create(&cfg->notes, cfg->max_flows + 1, i, s->name, &r->out->totals,
				       &s->notes);
	if (rc < 0) {
		strand_free(s);
		return rc;
	}
	tracker_set_run(s->tracker, &run);
	r->strands[i] = s;
	r->out->interfaces++;
	r->out->unproven += (run.reasons & reason_bit(REASON_CAPTURE_UNPROVEN)) != 0;
	return 0;
}

static void enter_frame(struct replay *r, struct pending *p)
{
	struct strand *s = p->strand;
	const struct judge_report *rep = tracker_report(s->tracker);
	const struct flow *fl = tracker_frame_hashed(s->tracker, &p->f, p->hash);

	flow_notes_frame(s->notes, rep, &p->f, &p->raw, fl,
			 fl ? flow_table_index(rep->flows, fl) : SIZE_MAX);
	r->out->totals.frames++;
	if (p->f.ts_ns > r->now_ns)
		r->now_ns = p->f.ts_ns;
	if (++r->frames % JUDGE_EVERY == 0)
		tracker_judge_due(s->tracker, r->now_ns);
	if (r->cfg->progress && r->frames % PROGRESS_EVERY == 0)
		r->cfg->progress(r->frames);
}

static void enter_all(struct replay *r)
{
	for (uint32_t i = 0; i < r->waiting; i++) {
		struct strand *s = r->batch[i].strand;

		flow_notes_fetch(s->notes, tracker_fetch(s->tracker, r->batch[i].hash));
	}
	for (uint32_t i = 0; i < r->waiting; i++)
		enter_frame(r, &r->batch[i]);
	r->waiting = 0;
}

static void take_frame(struct replay *r, struct strand *s, const struct ring_frame *rf)
{
	struct pending *p = &r->batch[r->waiting++];

	p->strand = s;
	p->raw = *rf;
	p->f = (struct evidence_frame){
		.ts_ns = rf->ts_ns,
		.wirelen = rf->meta.wirelen,
		.outgoing = (rf->meta.flags & FRAME_META_OUTGOING) != 0,
	};
	p->f.canary = rf->meta.link == LINK_ETHERNET && tap_is_canary(rf, &p->f.nonce);
	if (!p->f.canary)
		frame_dissect(rf->bytes, &rf->meta, &p->f.info);
	p->hash = tracker_expect(s->tracker, &p->f);
	if (r->batch_size > 1)
		p->raw.bytes = NULL;
	if (r->waiting == r->batch_size)
		enter_all(r);
}

/* A copy has the same interfaces as the file, also those that no frame came from. */
static void describe_to_trace(struct trace *t, const struct pcap_reader *reader, uint32_t *known)
{
	const struct pcap_interface *ifc;

	while (t && (ifc = pcap_reader_interface(reader, *known))) {
		trace_add_copy(t, ifc);
		++*known;
	}
}

static int read_frames(struct replay *r, struct pcap_reader *reader)
{
	struct ring_frame rf;
	uint32_t described = 0;
	int rc;

	while ((rc = pcap_reader_next(reader, &rf)) == 1) {
		describe_to_trace(r->cfg->notes.trace, reader, &described);
		if (!r->strands[rf.ifindex]) {
			rc = strand_open(r, reader, rf.ifindex);
			if (rc < 0)
				break;
		}
		take_frame(r, r->strands[rf.ifindex], &rf);
	}
	enter_all(r);
	if (rc < 0)
		snprintf(r->out->why, sizeof(r->out->why), "%s",
			 rc == -ENOMEM ? "out of memory" : pcap_reader_why(reader));
	return rc;
}

static void copy_counters(struct replay *r, uint32_t i, const struct pcap_interface *ifc)
{
	struct evidence_tap tap = {
		.packets = ifc->received, .drops = ifc->dropped, .consumed = ifc->delivered};

	if (r->cfg->notes.trace && ifc->has_received && ifc->has_dropped && ifc->has_delivered)
		trace_counters(r->cfg->notes.trace, i, &tap, "copied from the original file");
}

static void finish(struct replay *r, const struct pcap_reader *reader)
{
	const struct pcap_interface *ifc;

	for (uint32_t i = 0; (ifc = pcap_reader_interface(reader, i)); i++) {
		r->out->skipped += ifc->skipped;
		copy_counters(r, i, ifc);
		if (r->strands[i])
			tracker_judge_rest(r->strands[i]->tracker);
	}
}

/* Reads the file once for what it proves; a file that cannot be read twice proves nothing. */
static void find_proof(struct replay *r, FILE *in)
{
	char why[PCAP_WHY_MAX];
	struct pcap_reader *reader;
	struct ring_frame rf;
	uint64_t nonce;

	if (fseeko(in, 0, SEEK_CUR) < 0 || pcap_reader_open(in, &reader, why) < 0)
		goto rewind;
	if (pcap_reader_is_pcapng(reader))
		r->proofs = calloc(PCAP_INTERFACES_MAX, sizeof(*r->proofs));
	while (r->proofs && pcap_reader_next(reader, &rf) == 1) {
		struct proof *p = &r->proofs[rf.ifindex];

		p->last_is_canary = rf.meta.link == LINK_ETHERNET && tap_is_canary(&rf, &nonce);
		if (p->frames++ == 0)
			p->first_is_canary = p->last_is_canary;
	}
	for (uint32_t i = 0; r->proofs && pcap_reader_interface(reader, i); i++)
		r->counted[i] = *pcap_reader_interface(reader, i);
	pcap_reader_close(reader);
rewind:
	clearerr(in);
	if (fseeko(in, 0, SEEK_SET) < 0)
		clearerr(in); /* a pipe: nothing of it has been read */
}

int replay_file(FILE *in, const struct replay_config *cfg, struct replay_result *out)
{
	struct replay *r = calloc(1, sizeof(*r));
	struct pcap_reader *reader;
	int rc;

	*out = (struct replay_result){.why = "out of memory"};
	if (!r)
		return -ENOMEM;
	r->cfg = cfg;
	r->out = out;
	r->batch_size = cfg->notes.trace || cfg->notes.expr ? 1 : BATCH;
	find_proof(r, in);
	rc = pcap_reader_open(in, &reader, out->why);
	if (rc == 0) {
		rc = read_frames(r, reader);
		finish(r, reader);
		pcap_reader_close(reader);
	}
	for (uint32_t i = 0; i < PCAP_INTERFACES_MAX; i++)
		strand_free(r->strands[i]);
	free(r->proofs);
	free(r);
	return rc;
}
