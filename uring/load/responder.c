/* SPDX-License-Identifier: MIT */
/* responder.c - answers segments without keeping connections */
#include "responder.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"
#include "neighbour.h"
#include "rawio.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { SPIN_NS = 50000, IDLE_NS = 10 * NS_PER_MS };

/* Our initial sequence number: the client's, changed. Nothing to remember, nothing to guess. */
static const uint32_t isn_mask = 0x5bd1e995;

struct responder {
	struct responder_config cfg;
	struct rawio *io;
	struct responder_stats stats;
	uint8_t mac[6];
	uint64_t tick_ns;
};

int responder_open(const struct responder_config *cfg, struct responder **out)
{
	struct rawio_filter filter = {.from = false, .port = cfg->port};
	struct responder *r;
	int rc = sources_check(&cfg->addrs);

	if (rc < 0)
		return rc;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->cfg = *cfg;
	rc = rawio_open(cfg->netns_fd, cfg->ifindex, &filter, &r->io);
	if (rc < 0) {
		free(r);
		return rc;
	}
	memcpy(r->mac, (const uint8_t[]){0x02, 'd', 'w', 'r', 's', 'p'}, sizeof(r->mac));
	*out = r;
	return 0;
}

static uint8_t *room(struct responder *r)
{
	uint8_t *p = rawio_room(r->io);

	if (!p && rawio_flush(r->io) == 0)
		p = rawio_room(r->io);
	return p;
}

static void answer_neighbour(struct responder *r, const struct ring_frame *f)
{
	struct neighbour_msg ask, answer;
	uint8_t *p;

	if (neighbour_parse(f->bytes, f->meta.caplen, &ask) < 0 ||
	    !neighbour_answer(&ask, &r->cfg.addrs, r->mac, &answer))
		return;
	p = room(r);
	if (p)
		rawio_commit(r->io, (size_t)neighbour_build(&answer, p, RAWIO_FRAME_MAX));
}

/* What to say to a segment: flags and numbers into @h. Returns the payload to send, -1: nothing. */
static int reply_to(const struct responder *r, const struct frame_info *in, struct tcp_hdr *h)
{
	uint8_t flags = in->tcp_flags;

	*h = (struct tcp_hdr){.sport = in->dport,
			      .dport = in->sport,
			      .seq = in->ack,
			      .ack = in->seq + in->payload_len,
			      .window = UINT16_MAX,
			      .flags = TCP_ACK,
			      .wscale = TCP_WSCALE_NONE};
	if (flags & TCP_RST)
		return -1;
	if (flags & TCP_SYN) {
		h->flags = TCP_SYN | TCP_ACK;
		h->seq = in->seq ^ isn_mask;
		h->ack = in->seq + 1;
		h->mss = in->mss;
		return 0;
	}
	if (flags & TCP_FIN) {
		/* Whoever echoes has not closed yet. */
		h->flags |= r->cfg.echo ? TCP_FIN : 0;
		h->ack++;
		return 0;
	}
	if (in->payload_len > 0)
		return r->cfg.echo ? (int)in->payload_len : 0;
	/* The end of the handshake is known by the numbers; other acknowledgements need no answer.
	 */
	if (r->cfg.echo || in->ack != ((in->seq - 1) ^ isn_mask) + 1)
		return -1;
	h->flags |= TCP_FIN;
	return 0;
}

static void build_ip(const struct frame_info *in, size_t segment, struct outbuf *out)
{
	if (addr_is_mapped(&in->src))
		ipv4_build(&(struct ipv4_hdr){.tot_len = (uint16_t)(IPV4_HDR_LEN + segment),
					      .df = true,
					      .ttl = 64,
					      .proto = IPPROTO_TCP,
					      .src = in->dst,
					      .dst = in->src},
			   out);
	else
		ipv6_build(&(struct ipv6_hdr){.payload_len = (uint16_t)segment,
					      .next = IPPROTO_TCP,
					      .hop_limit = 64,
					      .src = in->dst,
					      .dst = in->src},
			   out);
}

static void answer_segment(struct responder *r, const struct ring_frame *f,
			   const struct frame_info *in)
{
	struct tcp_hdr tcp;
	struct eth_hdr eth = {.ethertype = in->ethertype};
	int payload = reply_to(r, in, &tcp);
	struct outbuf out;
	uint8_t *segment, *p;
	size_t len;

	if (payload < 0)
		return;
	p = room(r);
	if (!p)
		return;
	out = outbuf_of(p, RAWIO_FRAME_MAX);
	len = TCP_HDR_LEN + (tcp.mss ? 4 : 0) + (size_t)payload;
	memcpy(eth.dst, f->bytes + 6, 6);
	memcpy(eth.src, r->mac, 6);
	eth_build(&eth, &out);
	build_ip(in, len, &out);
	segment = out.buf + out.len;
	tcp_build(&tcp, &out);
	outbuf_put(&out, f->bytes + in->payload_off, (size_t)payload);
	if (out.overflow)
		return;
	put_be16(segment + TCP_CSUM_OFFSET,
		 csum_segment(&in->dst, &in->src, !addr_is_mapped(&in->src), IPPROTO_TCP, segment,
			      len));
	rawio_commit(r->io, out.len);
	r->stats.tx++;
}

static void take_frame(struct responder *r, const struct ring_frame *f)
{
	struct frame_info info;

	frame_dissect(f->bytes, &f->meta, &info);
	if (info.ethertype == ETHTYPE_ARP || info.proto == IPPROTO_ICMPV6) {
		answer_neighbour(r, f);
		return;
	}
	if (!sources_contain(&r->cfg.addrs, &info.dst))
		return;
	r->stats.rx++;
	if (info.problems & FRAME_BAD || info.fragment || info.proto != IPPROTO_TCP ||
	    !info.has_ports || info.payload_off + info.payload_len > f->meta.caplen) {
		r->stats.bad++;
		return;
	}
	r->stats.syn += !!(info.tcp_flags & TCP_SYN);
	answer_segment(r, f, &info);
}

static int take_frames(struct responder *r)
{
	struct ring_frame f;
	int n = 0, rc;

	while (n < RAWIO_BATCH && rawio_next(r->io, &f) > 0) {
		take_frame(r, &f);
		n++;
	}
	rc = rawio_flush(r->io);
	return rc < 0 ? rc : n;
}

int responder_run(struct responder *r)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), busy_ns = now;
	int rc;

	for (;;) {
		rc = take_frames(r);
		now = clock_ns(CLOCK_MONOTONIC);
		if (rc > 0)
			busy_ns = now;
		else if (rc == 0 && now - busy_ns > SPIN_NS)
			rc = rawio_wait(r->io, IDLE_NS);
		if (rc < 0 && rc != -EINTR)
			return rc;
		if (now < r->tick_ns)
			continue;
		r->tick_ns = now + (uint64_t)RESPONDER_TICK_MS * NS_PER_MS;
		if (r->cfg.tick && r->cfg.tick(r->cfg.arg) != 0)
			return 0;
	}
}

const struct responder_stats *responder_stats(const struct responder *r)
{
	return &r->stats;
}

void responder_close(struct responder *r)
{
	if (!r)
		return;
	rawio_close(r->io);
	free(r);
}
