/* SPDX-License-Identifier: MIT */
/* case_evidence.c - of a scene's evidence and frames, what belongs to one case */
#include "case_evidence.h"

#include "../../rawstack/capture/pcap_link.h"
#include "../../rawstack/capture/pcapng_write.h"
#include "../../rawstack/witness/flow_index.h"
#include "cases.h"

#include <errno.h>
#include <stdlib.h>

static bool own_port(const struct port_range *p, uint16_t port)
{
	return port >= p->lo && port <= p->hi;
}

static bool own_frame(const struct case_result *r, const struct evidence_frame *f)
{
	const struct evidence *ev = r->report->ev;
	const struct port_range *p = &ev->cases[r->case_index].ports;

	if (ev->n_cases == 1)
		return true;
	if (f->info.has_ports)
		return own_port(p, f->info.sport) || own_port(p, f->info.dport);
	return f->ts_ns >= r->begin_ns && f->ts_ns <= r->end_ns;
}

static int copy_frames(const struct case_result *r, struct evidence *out)
{
	const struct evidence *ev = r->report->ev;
	int rc = 0;

	for (size_t i = 0; i < ev->n_frames && rc == 0; i++) {
		const struct evidence_frame *f = &ev->frames[i];

		if (f->canary || own_frame(r, f))
			rc = evidence_add_frame(out, f);
		else
			out->taps[f->tap].unlisted++;
	}
	return rc;
}

static int copy_records(const struct case_result *r, struct evidence *out)
{
	const struct evidence *ev = r->report->ev;
	const struct port_range *p = &ev->cases[r->case_index].ports;
	bool all = ev->n_cases == 1;
	int rc = 0;

	for (size_t i = 0; i < ev->n_canaries && rc == 0; i++)
		rc = evidence_add_canary(out, &ev->canaries[i]);
	for (size_t i = 0; i < ev->n_api && rc == 0; i++)
		if (all || own_port(p, ev->api[i].local.port) || own_port(p, ev->api[i].peer.port))
			rc = evidence_add_api(out, &ev->api[i]);
	for (size_t i = 0; i < ev->n_kernel && rc == 0; i++)
		if (all || own_port(p, ev->kernel[i].entry.src.port) ||
		    own_port(p, ev->kernel[i].entry.dst.port))
			rc = evidence_add_kernel(out, &ev->kernel[i]);
	return rc ? rc : evidence_add_case(out, &ev->cases[r->case_index]);
}

int case_evidence(const struct case_result *r, struct evidence *out)
{
	const struct evidence *ev = r->report->ev;
	int rc;

	evidence_init(out);
	memcpy(out->ports, ev->ports, sizeof(out->ports));
	out->n_ports = ev->n_ports;
	memcpy(out->taps, ev->taps, sizeof(out->taps));
	out->n_taps = ev->n_taps;
	out->clock_step_ns = ev->clock_step_ns;
	out->kernel_events_lost = ev->kernel_events_lost;
	out->overflow = ev->overflow;
	rc = copy_records(r, out);
	if (rc == 0)
		rc = copy_frames(r, out);
	if (rc < 0)
		evidence_free(out);
	return rc;
}

enum { COMMENTED = 3, COMMENT = 256 };

/* The verdict on the flow whose frame it is, where it is one of the first on its tap. */
static const char *comment_on(const struct case_result *r, const struct flow_index *idx,
			      const struct evidence_frame *f, char *buf)
{
	for (size_t i = 0; i < r->report->n; i++) {
		const struct judged *j = &r->report->list[i];
		const struct evidence_frame *const *frames;
		size_t n, seen = 0, at = 0;

		if (j->case_index != r->case_index || !j->c.flow)
			continue;
		frames = flow_index_frames(idx, j->c.flow, &n);
		while (at < n && frames[at] != f)
			seen += frames[at++]->tap == f->tap;
		if (at == n)
			continue;
		if (seen >= COMMENTED)
			return NULL;
		snprintf(buf, COMMENT, "%s: %s, %s", r->c->name, j->result,
			 verdict_name(j->j.verdict));
		for (int k = 0; k < REASON_NUM; k++)
			if (j->j.reasons & reason_bit((enum reason)k))
				snprintf(buf + strlen(buf), COMMENT - strlen(buf), ", %s",
					 reason_text((enum reason)k));
		return buf;
	}
	return NULL;
}

static void describe(struct pcapng_writer *w, const struct evidence *ev,
		     const struct raw_frames *raw)
{
	for (uint32_t i = 0; i < ev->n_taps; i++) {
		const struct evidence_tap *t = &ev->taps[i];
		char text[96];

		snprintf(text, sizeof(text), "the %s's end of the cable, netns %llu, ifindex %u",
			 evidence_side_name(t->side), (unsigned long long)t->netns_inode,
			 t->ifindex);
		pcapng_add_interface(w, &(struct pcapng_interface){.name = t->ifname,
								   .description = text,
								   .mac = raw->where[i].mac,
								   .linktype = PCAP_LINK_ETHERNET});
	}
}

static void finish(struct pcapng_writer *w, const struct case_result *r)
{
	const struct evidence *ev = r->report->ev;

	for (uint32_t i = 0; i < ev->n_taps; i++)
		pcapng_add_statistics(
			w, &(struct pcapng_statistics){
				   .interface = i,
				   .start_ns = r->begin_ns,
				   .end_ns = r->end_ns,
				   .received = ev->taps[i].packets,
				   .dropped = ev->taps[i].drops,
				   .delivered = ev->taps[i].consumed,
				   .comment = "counted over all cases that shared this capture"});
}

/* In the order of time: taps are read one after the other. */
struct order {
	uint64_t ts_ns;
	size_t i;
};

static int by_time(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

static size_t choose(const struct case_result *r, const struct raw_frames *raw, struct order *list)
{
	const struct evidence *ev = r->report->ev;
	size_t n = 0;

	for (size_t i = 0; i < ev->n_frames && i < raw->n; i++)
		if (!ev->frames[i].canary && own_frame(r, &ev->frames[i]))
			list[n++] = (struct order){.ts_ns = ev->frames[i].ts_ns, .i = i};
	if (n)
		qsort(list, n, sizeof(*list), by_time);
	return n;
}

int case_capture(const struct case_result *r, const struct raw_frames *raw, FILE *out)
{
	const struct evidence *ev = r->report->ev;
	struct order *list = calloc(ev->n_frames + 1, sizeof(*list));
	struct pcapng_writer *w = NULL;
	struct flow_index idx = {0};
	char comment[COMMENT];
	size_t n;
	int rc = list ? flow_index_init(&idx, r->report) : -ENOMEM;

	if (rc == 0 && raw->failed)
		rc = -ENOMEM;
	if (rc == 0)
		rc = pcapng_writer_open(
			out,
			&(struct pcapng_section){.application = "dualwire " DUALWIRE_VERSION,
						 .comment = r->c->title},
			&w);
	if (rc < 0)
		goto out;
	describe(w, ev, raw);
	n = choose(r, raw, list);
	for (size_t k = 0; k < n; k++) {
		const struct evidence_frame *f = &ev->frames[list[k].i];
		const struct raw_frame *rf = &raw->list[list[k].i];

		pcapng_add_packet(
			w, &(struct pcapng_packet){.interface = f->tap,
						   .ts_ns = f->ts_ns,
						   .bytes = raw->bytes + rf->at,
						   .meta = rf->meta,
						   .comment = comment_on(r, &idx, f, comment)});
	}
	finish(w, r);
	rc = pcapng_writer_end(w);
out:
	flow_index_free(&idx);
	free(list);
	return rc;
}
