/* SPDX-License-Identifier: MIT */
/* make_frames.c - writes a pcap file of 64-byte frames: make_frames FILE FRAMES FLOWS */
#include "../../rawstack/wire/build.h"
#include "../../rawstack/wire/tcp.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * As a wire carries them 64 bytes are 60 without the frame check sequence. FLOWS streams of IPv4
 * with 6 bytes in each segment (60 bytes), begun, kept busy in turn, and ended; every eighth frame
 * is an empty IPv6 datagram (62 bytes) of as many UDP flows. All to port 7000, all sound.
 */
enum { SERVER_PORT = 7000, PAYLOAD = 6, FRAME_MIN = 60, UDP_EVERY = 8, GAP_NS = 200 };

struct stream {
	uint32_t seq;
	bool begun;
};

struct output {
	FILE *f;
	uint64_t ns, frames;
};

static void put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void put_header(FILE *f)
{
	uint8_t h[24] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, [16] = 0, 0, 1, 0, [20] = 1};

	fwrite(h, 1, sizeof(h), f);
}

static void put_frame(struct output *o, const struct outbuf *frame)
{
	uint8_t h[16];

	o->ns += GAP_NS;
	o->frames++;
	put_le32(h, (uint32_t)(1700000000 + o->ns / 1000000000));
	put_le32(h + 4, (uint32_t)(o->ns % 1000000000));
	put_le32(h + 8, (uint32_t)frame->len);
	put_le32(h + 12, (uint32_t)frame->len);
	fwrite(h, 1, sizeof(h), o->f);
	fwrite(frame->buf, 1, frame->len, o->f);
}

static struct addr v4_host(uint32_t n)
{
	const uint8_t b[4] = {198, 51, 100, (uint8_t)n};

	return addr_from_v4(b);
}

static struct addr v6_host(uint32_t n)
{
	uint8_t b[16] = {0x20, 0x01, 0x0d, 0xb8};

	put_be32(b + 12, n);
	return addr_from_v6(b);
}

static void put(struct output *o, struct frame_spec *spec, size_t payload)
{
	static const char bytes[PAYLOAD] = "xxxxx\n";
	uint8_t frame[128] = {0};
	struct outbuf b = outbuf_of(frame, sizeof(frame));

	memcpy(spec->dst_mac, (const uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
	memcpy(spec->src_mac, (const uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	if (frame_build(spec, bytes, payload, &b) < 0)
		abort();
	b.len = b.len < FRAME_MIN ? FRAME_MIN : b.len; /* padding */
	put_frame(o, &b);
}

static void put_datagram(struct output *o, uint32_t n)
{
	struct frame_spec spec = {.ipv6 = true,
				  .src = v6_host(0x10000 + n),
				  .dst = v6_host(2),
				  .proto = IPPROTO_UDP,
				  .sport = 40000,
				  .dport = SERVER_PORT};

	put(o, &spec, 0);
}

/* Stream @i is of one of 200 hosts. */
static void put_segment(struct output *o, uint32_t i, bool to_server, uint8_t flags, uint32_t seq,
			uint32_t ack, size_t payload)
{
	struct addr client = v4_host(20 + i % 200), server = v4_host(2);
	uint16_t port = (uint16_t)(1024 + i / 200);
	struct frame_spec spec = {.src = to_server ? client : server,
				  .dst = to_server ? server : client,
				  .proto = IPPROTO_TCP,
				  .sport = to_server ? port : SERVER_PORT,
				  .dport = to_server ? SERVER_PORT : port,
				  .seq = seq,
				  .ack = ack,
				  .tcp_flags = flags};

	put(o, &spec, payload);
}

/* One step of a stream: its handshake, a segment of data, or its end. */
static void step(struct output *o, struct stream *s, uint32_t i, bool end)
{
	if (!s->begun) {
		s->begun = true;
		s->seq = 1000;
		put_segment(o, i, true, TCP_SYN, 999, 0, 0);
		put_segment(o, i, false, TCP_SYN | TCP_ACK, 499, 1000, 0);
	}
	if (!end) {
		put_segment(o, i, true, TCP_ACK, s->seq, 500, PAYLOAD);
		s->seq += PAYLOAD;
		return;
	}
	put_segment(o, i, false, TCP_FIN | TCP_ACK, 500, s->seq, 0);
	put_segment(o, i, true, TCP_FIN | TCP_ACK, s->seq, 501, 0);
	put_segment(o, i, false, TCP_ACK, 501, s->seq + 1, 0);
}

int main(int argc, char **argv)
{
	uint64_t frames = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	uint32_t flows = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	struct output o = {.f = argc == 4 ? fopen(argv[1], "wb") : NULL};
	struct stream *streams = calloc(flows ? flows : 1, sizeof(*streams));

	if (!o.f || !flows || flows > 200 * 60000 || !streams) {
		fprintf(stderr, "usage: make_frames FILE FRAMES FLOWS\n");
		return 64;
	}
	put_header(o.f);
	for (uint32_t i = 0; o.frames + 3 * (uint64_t)flows < frames; i = (i + 1) % flows) {
		step(&o, &streams[i], i, false);
		if (i % UDP_EVERY == 0)
			put_datagram(&o, i);
	}
	for (uint32_t i = 0; i < flows; i++)
		step(&o, &streams[i], i, true);
	free(streams);
	printf("%llu\n", (unsigned long long)o.frames);
	return fclose(o.f) ? 1 : 0;
}
