/* SPDX-License-Identifier: MIT */
/* template.c - frames of one conversation from templates */
#include "template.h"

#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"

#include <errno.h>
#include <netinet/in.h>

/* Where things are in a TCP header (RFC 9293 3.1). */
enum { SPORT_OFF = 0, SEQ_OFF = 4, ACK_OFF = 8 };

/* Where things are in a frame of either family. */
static const struct {
	uint16_t low_off, tcp_off, ip_csum_off, mss;
} LAYOUT[2] = {
	{ETH_HDR_LEN + 12, ETH_HDR_LEN + IPV4_HDR_LEN, ETH_HDR_LEN + 10, TEMPLATE_MSS_V4},
	{ETH_HDR_LEN + 20, ETH_HDR_LEN + IPV6_HDR_LEN, 0, TEMPLATE_MSS_V6},
};

static const uint8_t KIND_FLAGS[SEGMENT_KINDS] = {
	[SEGMENT_SYN] = TCP_SYN,
	[SEGMENT_ACK] = TCP_ACK,
	[SEGMENT_DATA] = TCP_ACK | TCP_PSH,
	[SEGMENT_FIN] = TCP_ACK | TCP_FIN,
	[SEGMENT_RST] = TCP_ACK | TCP_RST,
};

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The sum behind a stored checksum. */
static uint32_t sum_of(const uint8_t *csum)
{
	return (uint16_t)~get_be16(csum);
}

static int fill(struct template *t, const struct frame_spec *spec, const void *payload, size_t len)
{
	struct outbuf out = outbuf_of(t->bytes, sizeof(t->bytes));
	int rc = frame_build(spec, payload, len, &out);

	if (rc < 0)
		return rc;
	t->len = (uint16_t)rc;
	t->low_off = LAYOUT[spec->ipv6].low_off;
	t->tcp_off = LAYOUT[spec->ipv6].tcp_off;
	t->ip_csum_off = LAYOUT[spec->ipv6].ip_csum_off;
	t->tcp_sum = sum_of(t->bytes + t->tcp_off + TCP_CSUM_OFFSET);
	if (t->ip_csum_off)
		t->ip_sum = sum_of(t->bytes + t->ip_csum_off);
	return 0;
}

int template_fill(struct template_set *set, const struct frame_spec *spec, const void *payload,
		  size_t payload_len)
{
	struct frame_spec s = *spec;
	int rc;

	if (payload_len > TEMPLATE_PAYLOAD_MAX)
		return -EMSGSIZE;
	s.proto = IPPROTO_TCP;
	s.sport = 0;
	s.seq = s.ack = 0;
	put_be32(s.src.b + 12, 0);
	set->kind[SEGMENT_NONE].len = 0;
	for (enum segment_kind k = SEGMENT_SYN; k < SEGMENT_KINDS; k++) {
		s.tcp_flags = KIND_FLAGS[k];
		s.mss = k == SEGMENT_SYN ? LAYOUT[s.ipv6].mss : 0;
		rc = fill(&set->kind[k], &s, payload, k == SEGMENT_DATA ? payload_len : 0);
		if (rc < 0)
			return rc;
	}
	return 0;
}

size_t template_write(const struct template *t, const struct template_fields *f, uint8_t *out)
{
	uint32_t addr = (f->low >> 16) + (f->low & 0xffff);
	uint32_t sum = t->tcp_sum + addr + f->sport + (f->seq >> 16) + (f->seq & 0xffff) +
		       (f->ack >> 16) + (f->ack & 0xffff);
	uint8_t *tcp = out + t->tcp_off;

	memcpy(out, t->bytes, t->len);
	put_be32(out + t->low_off, f->low);
	put_be16(tcp + SPORT_OFF, f->sport);
	put_be32(tcp + SEQ_OFF, f->seq);
	put_be32(tcp + ACK_OFF, f->ack);
	put_be16(tcp + TCP_CSUM_OFFSET, (uint16_t)~fold(sum));
	if (t->ip_csum_off)
		put_be16(out + t->ip_csum_off, (uint16_t)~fold(t->ip_sum + addr));
	return t->len;
}
