/* SPDX-License-Identifier: MIT */
/* trace.c - a capture file in which frames have their verdicts beside them */
#include "trace.h"

#include "../rawstack/capture/pcap_link.h"
#include "../rawstack/capture/pcapng_write.h"
#include "../rawstack/clock.h"
#include "cli.h"
#include "report.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/utsname.h>

/*
 * Frames wait in one queue, oldest first, and those of one flow are linked beside it. Only the
 * front of the queue is ever written, so that the oldest frame of a flow's chain is its first.
 *
 * Invariant: a frame whose flow is not judged yet is in that flow's chain, and its @chain says so.
 */
enum { COMMENT_MAX = 512 };

struct held {
	struct held *next; /* in the queue */
	struct held *next_in_flow;
	struct chain *chain; /* NULL: it waits for nothing */
	uint64_t ts_ns, id;
	struct frame_meta meta;
	uint32_t interface;
	enum carriage carriage;
	uint8_t tcp_flags;
	bool stream;
	char *comment; /* NULL: none */
	uint8_t bytes[];
};

/* What waits for the verdict on one flow. */
struct chain {
	struct held *first, *last;
	bool cut; /* its beginning had to be written before the verdict */
};

struct trace {
	const char *cmd;
	char *path;
	FILE *f;
	struct pcapng_writer *w;
	struct held *first, *last;
	size_t held_bytes;
	struct chain *chains[PCAP_INTERFACES_MAX];
	size_t slots;
	uint32_t n_interfaces;
	uint64_t next_id, start_ns, last_ns;
	struct pcapng_name names[TRACE_NAMES_MAX]; /* of our own addresses */
	size_t n_names;
	char host[sizeof(((struct utsname *)0)->nodename)];
	struct {
		bool given;
		struct evidence_tap tap;
		char comment[COMMENT_MAX];
	} counters[EVIDENCE_TAPS_MAX];
	int error; /* that was reported */
};

static void look(struct trace *t, int rc)
{
	if (rc >= 0 || t->error)
		return;
	t->error = rc;
	cli_fail(t->cmd,
		 "cannot go on writing '%s': %s; the file ends here, the verdicts are not affected",
		 t->path, strerrordesc_np(-rc));
}

static int begin(struct trace *t)
{
	struct pcapng_section section = {.application = "dualwire " DUALWIRE_VERSION};
	struct utsname u;
	char os[sizeof(u.sysname) + sizeof(u.release)];

	if (uname(&u) == 0) {
		snprintf(os, sizeof(os), "%s %s", u.sysname, u.release);
		snprintf(t->host, sizeof(t->host), "%s", u.nodename);
		section.os = os;
		section.hardware = u.machine;
	}
	return pcapng_writer_open(t->f, &section, &t->w);
}

static void release(struct trace *t)
{
	for (uint32_t i = 0; i < t->n_interfaces; i++)
		free(t->chains[i]);
	if (t->f && t->f != stdout)
		fclose(t->f);
	free(t->path);
	free(t);
}

int trace_open(const char *cmd, const char *path, size_t slots, struct trace **out)
{
	struct trace *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	if (!t)
		return cli_fail(cmd, "out of memory");
	*t = (struct trace){.cmd = cmd, .path = strdup(path), .slots = slots};
	if (!t->path)
		goto err;
	t->f = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	rc = t->f ? begin(t) : -errno;
	if (rc < 0)
		goto err;
	/* Seen now, not after an hour: a full disk, a closed pipe. */
	rc = fflush(t->f) == EOF ? -errno : 0;
	if (rc < 0)
		goto err;
	*out = t;
	return 0;
err:
	pcapng_writer_end(t->w);
	release(t);
	return cli_fail(cmd, "cannot write '%s': %s; choose a place that can be written to", path,
			strerrordesc_np(-rc));
}

static void add_interface(struct trace *t, const struct pcapng_interface *i)
{
	if (t->n_interfaces == PCAPNG_INTERFACES_MAX)
		return look(t, -ENOSPC);
	t->chains[t->n_interfaces] = calloc(t->slots, sizeof(struct chain));
	if (!t->chains[t->n_interfaces])
		return look(t, -ENOMEM);
	t->n_interfaces++;
	look(t, pcapng_add_interface(t->w, i));
}

void trace_add_tap(struct trace *t, const struct tap_where *where, uint32_t snaplen,
		   const char *filter)
{
	char description[96];

	snprintf(description, sizeof(description), "network namespace %llu, interface %u, MTU %u",
		 (unsigned long long)where->netns_inode, where->ifindex, where->mtu);
	add_interface(t, &(struct pcapng_interface){.name = where->ifname,
						    .description = description,
						    .filter = filter,
						    .mac = where->mac,
						    .snaplen = snaplen,
						    .linktype = PCAP_LINK_ETHERNET});
}

void trace_add_copy(struct trace *t, const struct pcap_interface *ifc)
{
	add_interface(t, &(struct pcapng_interface){
				 .name = ifc->name[0] ? ifc->name : NULL,
				 .description = ifc->description[0] ? ifc->description : NULL,
				 .snaplen = ifc->snaplen,
				 .linktype = ifc->linktype});
}

static struct chain *chain_of(struct trace *t, uint32_t interface, size_t slot)
{
	return slot < t->slots ? &t->chains[interface][slot] : NULL;
}

/* Writes the front of the queue, judged or not. */
static void write_first(struct trace *t)
{
	struct held *h = t->first;
	struct pcapng_packet p = {.interface = h->interface,
				  .ts_ns = h->ts_ns,
				  .bytes = h->bytes,
				  .meta = h->meta,
				  .id = h->id,
				  .comment = h->comment};

	look(t, pcapng_add_packet(t->w, &p));
	if (h->chain) {
		h->chain->cut = true;
		h->chain->first = h->next_in_flow;
		if (!h->chain->first)
			h->chain->last = NULL;
	}
	t->first = h->next;
	if (!t->first)
		t->last = NULL;
	t->held_bytes -= sizeof(*h) + h->meta.caplen;
	free(h->comment);
	free(h);
}

static void write_ready(struct trace *t)
{
	while (t->first && (!t->first->chain || t->held_bytes > TRACE_HOLD_BYTES))
		write_first(t);
}

void trace_step(struct trace *t, uint64_t now_ns)
{
	while (t->first &&
	       (!t->first->chain || now_ns > t->first->ts_ns + (uint64_t)TRACE_HOLD_MS * NS_PER_MS))
		write_first(t);
}

static void enqueue(struct trace *t, struct held *h, struct chain *chain)
{
	if (t->last)
		t->last->next = h;
	else
		t->first = h;
	t->last = h;
	t->held_bytes += sizeof(*h) + h->meta.caplen;
	h->chain = chain;
	if (!chain)
		return;
	if (chain->last)
		chain->last->next_in_flow = h;
	else
		chain->first = h;
	chain->last = h;
}

void trace_frame(struct trace *t, uint32_t interface, const struct evidence_frame *f,
		 const struct ring_frame *raw, size_t slot)
{
	struct held *h;

	if (t->error || interface >= t->n_interfaces)
		return;
	h = malloc(sizeof(*h) + raw->meta.caplen);
	if (!h)
		return look(t, -ENOMEM);
	*h = (struct held){.ts_ns = raw->ts_ns,
			   .id = ++t->next_id,
			   .meta = raw->meta,
			   .interface = interface,
			   .carriage = f->info.carriage,
			   .tcp_flags = f->info.tcp_flags,
			   .stream = f->info.proto == IPPROTO_TCP};
	memcpy(h->bytes, raw->bytes, raw->meta.caplen);
	t->start_ns = t->start_ns ? t->start_ns : raw->ts_ns;
	t->last_ns = raw->ts_ns;
	enqueue(t, h, chain_of(t, interface, slot));
	write_ready(t);
}

/* Of a stream the three frames of the handshake, of datagrams the first two. */
static bool begins_flow(const struct held *h, unsigned int nth)
{
	if (!h->stream)
		return nth < 2;
	return nth < 3 && (h->tcp_flags & TCP_SYN || nth == 2);
}

static bool speaks_against(const struct held *h, const struct judged *j)
{
	return j->j.verdict == VERDICT_CONTRADICTED && h->carriage != CARRIAGE_NONE &&
	       h->carriage != j->j.claimed;
}

static void set_comment(struct held *h, const char *a, const char *b)
{
	free(h->comment);
	if (asprintf(&h->comment, "%s%s", a, b) < 0)
		h->comment = NULL;
}

/* "confirmed; claimed IPv4; kernel: AF_INET6 ...", one line. */
static void describe(const struct judged *j, char text[COMMENT_MAX])
{
	char words[REPORT_TEXT], kernel[REPORT_TEXT];

	snprintf(text, COMMENT_MAX, "dualwire: %s; claimed: %s; kernel: %s",
		 report_verdict_text(j, words),
		 j->j.claimed == CARRIAGE_NONE ? "nothing" : carriage_name(j->j.claimed),
		 report_kernel_text(j, kernel));
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
}

/* Names for the addresses that are this host's own: those that servers were reached at. */
static void note_name(struct trace *t, const struct addr *a)
{
	for (size_t i = 0; i < t->n_names; i++)
		if (addr_eq(&t->names[i].addr, a))
			return;
	if (t->n_names < TRACE_NAMES_MAX)
		t->names[t->n_names++] = (struct pcapng_name){*a, t->host};
}

void trace_judged(struct trace *t, uint32_t interface, size_t slot, const struct judged *j)
{
	struct chain *chain = interface < t->n_interfaces ? chain_of(t, interface, slot) : NULL;
	struct held *h, *next, *last = NULL;
	char text[COMMENT_MAX];
	unsigned int nth = 0;
	bool placed = false;

	if (!chain)
		return;
	describe(j, text);
	for (h = chain->first; h; h = next) {
		next = h->next_in_flow;
		if (!chain->cut && begins_flow(h, nth++)) {
			set_comment(h, text, "");
			placed = true;
		}
		if (speaks_against(h, j))
			set_comment(h, "this frame speaks against the claim; ", text);
		last = h;
		h->chain = NULL;
		h->next_in_flow = NULL;
	}
	if (!placed && last)
		set_comment(last, text, "");
	*chain = (struct chain){0};
	if (t->host[0] && j->c.side[SIDE_SERVER].kernel)
		note_name(t, &j->c.key.server);
	write_ready(t);
}

void trace_counters(struct trace *t, uint32_t interface, const struct evidence_tap *counters,
		    const char *comment)
{
	if (interface >= EVIDENCE_TAPS_MAX)
		return;
	t->counters[interface].given = true;
	t->counters[interface].tap = *counters;
	snprintf(t->counters[interface].comment, COMMENT_MAX, "%s", comment);
}

static void write_counters(struct trace *t)
{
	for (uint32_t i = 0; i < EVIDENCE_TAPS_MAX; i++) {
		const struct evidence_tap *tap = &t->counters[i].tap;
		struct pcapng_statistics s = {.interface = i,
					      .start_ns = t->start_ns,
					      .end_ns = t->last_ns,
					      .received = tap->packets,
					      .dropped = tap->drops,
					      .delivered = tap->consumed,
					      .comment = t->counters[i].comment};

		if (t->counters[i].given)
			look(t, pcapng_add_statistics(t->w, &s));
	}
}

int trace_close(struct trace *t)
{
	int rc;

	if (!t)
		return 0;
	while (t->first)
		write_first(t);
	if (t->n_names)
		look(t, pcapng_add_names(t->w, t->names, t->n_names));
	write_counters(t);
	rc = pcapng_writer_end(t->w);
	look(t, rc);
	if (t->error && t->error != rc)
		rc = t->error;
	release(t);
	return rc;
}
