/* SPDX-License-Identifier: MIT */
/* build.c - whole Ethernet frames from a description */
#include "build.h"

#include "csum.h"
#include "eth.h"
#include "ipv4.h"
#include "ipv6.h"
#include "tcp.h"
#include "udp.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

enum {
	TTL_USUAL = 64,
	WINDOW_USUAL = 65535,
	MSS_OPTION_LEN = 4,
};

static size_t transport_len(const struct frame_spec *spec)
{
	if (spec->proto == IPPROTO_UDP)
		return UDP_HDR_LEN;
	return TCP_HDR_LEN + (spec->mss ? MSS_OPTION_LEN : 0);
}

static void build_eth(const struct frame_spec *spec, struct outbuf *out)
{
	struct eth_hdr eth = {
		.ethertype = spec->ipv6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4,
	};

	memcpy(eth.dst, spec->dst_mac, sizeof(eth.dst));
	memcpy(eth.src, spec->src_mac, sizeof(eth.src));
	if (spec->ethertype)
		eth.ethertype = spec->ethertype;
	eth_build(&eth, out);
}

/* The IP header of a segment of @len bytes. */
static void build_ip(const struct frame_spec *spec, size_t len, struct outbuf *out)
{
	uint8_t ttl = spec->ttl ? spec->ttl : TTL_USUAL;

	if (spec->ipv6)
		ipv6_build(&(struct ipv6_hdr){.traffic_class = spec->tos,
					      .payload_len = (uint16_t)len,
					      .next = spec->proto,
					      .hop_limit = ttl,
					      .src = spec->src,
					      .dst = spec->dst},
			   out);
	else
		ipv4_build(&(struct ipv4_hdr){.tos = spec->tos,
					      .tot_len = (uint16_t)(IPV4_HDR_LEN + len),
					      .id = spec->ip_id,
					      .df = true,
					      .ttl = ttl,
					      .proto = spec->proto,
					      .src = spec->src,
					      .dst = spec->dst},
			   out);
}

static void build_udp(const struct frame_spec *spec, size_t len, struct outbuf *out)
{
	udp_build(
		&(struct udp_hdr){.sport = spec->sport, .dport = spec->dport, .len = (uint16_t)len},
		out);
}

static void build_tcp(const struct frame_spec *spec, struct outbuf *out)
{
	tcp_build(&(struct tcp_hdr){.sport = spec->sport,
				    .dport = spec->dport,
				    .seq = spec->seq,
				    .ack = spec->ack,
				    .flags = spec->tcp_flags,
				    .window = spec->window ? spec->window : WINDOW_USUAL,
				    .mss = spec->mss,
				    .wscale = TCP_WSCALE_NONE},
		  out);
}

static void store_csum(const struct frame_spec *spec, uint8_t *segment, size_t len)
{
	uint16_t csum = csum_segment(&spec->src, &spec->dst, spec->ipv6, spec->proto, segment, len);
	bool udp = spec->proto == IPPROTO_UDP;

	if (udp && !csum)
		csum = 0xffff; /* 0 means none (RFC 768) */
	put_be16(segment + (udp ? UDP_CSUM_OFFSET : TCP_CSUM_OFFSET), csum);
}

int frame_build(const struct frame_spec *spec, const void *payload, size_t payload_len,
		struct outbuf *out)
{
	size_t ip_len = spec->ipv6 ? IPV6_HDR_LEN : IPV4_HDR_LEN;
	size_t begin = out->len, hdr_len = transport_len(spec);
	uint8_t *segment;

	if (spec->proto != IPPROTO_UDP && spec->proto != IPPROTO_TCP)
		return -EINVAL;
	if (!spec->ipv6 && !(addr_is_mapped(&spec->src) && addr_is_mapped(&spec->dst)))
		return -EINVAL;
	if (payload_len > UINT16_MAX || ip_len + hdr_len + payload_len > UINT16_MAX)
		return -EMSGSIZE;
	if (out->overflow || out->cap - out->len < ETH_HDR_LEN + ip_len + hdr_len + payload_len)
		return -ENOSPC;

	build_eth(spec, out);
	build_ip(spec, hdr_len + payload_len, out);
	segment = out->buf + out->len;
	if (spec->proto == IPPROTO_UDP)
		build_udp(spec, hdr_len + payload_len, out);
	else
		build_tcp(spec, out);
	outbuf_put(out, payload, payload_len);
	assert(!out->overflow && out->len == begin + ETH_HDR_LEN + ip_len + hdr_len + payload_len);
	store_csum(spec, segment, hdr_len + payload_len);
	return (int)(out->len - begin);
}
