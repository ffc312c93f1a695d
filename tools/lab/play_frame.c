/* SPDX-License-Identifier: MIT */
/* play_frame.c - steps that put a hand-made frame on the wire, below everybody's IP layer */
#include "play.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/build.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/icmp_msg.h"
#include "../../rawstack/wire/ipv4.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"
#include "../../rawstack/wire/udp.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_ROOM = 4608, QUOTED_ROOM = 128, MSS = 1440, TTL = 64 };

/* Puts an extension header of the smallest size before the transport header. */
static void insert_exthdr(uint8_t *bytes, size_t *len, int type)
{
	uint8_t *ip = bytes + ETH_HDR_LEN, *after = ip + IPV6_HDR_LEN;
	uint8_t *next = ip + 6;
	static const uint8_t padding[6] = {1, 4}; /* PadN over the rest, RFC 8200 4.2 */

	memmove(after + IPV6_EXTHDR_MIN, after, *len - ETH_HDR_LEN - IPV6_HDR_LEN);
	memset(after, 0, IPV6_EXTHDR_MIN);
	after[0] = *next;
	if (type == IPPROTO_HOPOPTS || type == IPPROTO_DSTOPTS)
		memcpy(after + 2, padding, sizeof(padding));
	*next = (uint8_t)type;
	put_be16(ip + 4, (uint16_t)(get_be16(ip + 4) + IPV6_EXTHDR_MIN));
	*len += IPV6_EXTHDR_MIN;
}

static struct frame_spec spec_of(const struct play *p, const struct step *st)
{
	const struct step_frame *f = &st->frame;
	struct frame_spec spec = {
		.ipv6 = f->ipv6,
		.ethertype = f->ethertype,
		.src = f->src.addr,
		.dst = f->dst.addr,
		.proto = f->proto,
		.ttl = f->ttl,
		.tos = f->tos,
		.sport = case_port_number(&f->src.port, p->base),
		.dport = case_port_number(&f->dst.port, p->base),
		.seq = 1000,
		.tcp_flags = f->syn ? TCP_SYN : 0,
		.mss = f->syn ? MSS : 0,
	};

	memcpy(spec.src_mac, p->lab->host[st->side].mac, sizeof(spec.src_mac));
	memcpy(spec.dst_mac, p->lab->host[!st->side].mac, sizeof(spec.dst_mac));
	return spec;
}

static int build(const struct play *p, const struct step *st, struct outbuf *out)
{
	const struct step_frame *f = &st->frame;
	struct frame_spec spec = spec_of(p, st);
	char payload[STEP_PAYLOAD_MAX];
	size_t csum_at;
	int rc;

	memset(payload, 'x', sizeof(payload));
	if (st->word[0])
		memcpy(payload, st->word, st->size);
	rc = frame_build(&spec, payload, f->syn ? 0 : st->size, out);
	if (rc < 0)
		return rc;
	csum_at = ETH_HDR_LEN + (f->ipv6 ? IPV6_HDR_LEN : IPV4_HDR_LEN) +
		  (f->syn ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
	if (f->bad_checksum)
		out->buf[csum_at] ^= 0x55;
	if (f->exthdr >= 0)
		insert_exthdr(out->buf, &out->len, f->exthdr);
	return 0;
}

/* What a router says who cannot pass on a datagram that went the other way. */
static int build_too_big(const struct play *p, const struct step *st, struct outbuf *out)
{
	const struct step_frame *f = &st->frame;
	struct frame_spec spec = spec_of(p, st), other = spec;
	uint8_t quoted[QUOTED_ROOM], message[FRAME_ROOM];
	struct outbuf quote = outbuf_of(quoted, sizeof(quoted));
	struct outbuf icmp = outbuf_of(message, sizeof(message));
	struct icmp_report report = {.kind = ICMP_KIND_TOO_BIG, .info = (uint32_t)f->mtu};
	struct eth_hdr eth = {.ethertype = f->ipv6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4};
	int rc;

	other.src = spec.dst;
	other.dst = spec.src;
	other.sport = spec.dport;
	other.dport = spec.sport;
	rc = frame_build(&other, "", 0, &quote);
	if (rc < 0)
		return rc;
	report.quoted = span_of(quoted + ETH_HDR_LEN, quote.len - ETH_HDR_LEN);
	rc = icmp_error_build(&report, f->ipv6, &spec.src, &spec.dst, &icmp);
	if (rc < 0)
		return rc;
	memcpy(eth.src, spec.src_mac, sizeof(eth.src));
	memcpy(eth.dst, spec.dst_mac, sizeof(eth.dst));
	eth_build(&eth, out);
	if (f->ipv6)
		rc = ipv6_build(&(struct ipv6_hdr){.payload_len = (uint16_t)icmp.len,
						   .next = IPPROTO_ICMPV6,
						   .hop_limit = TTL,
						   .src = spec.src,
						   .dst = spec.dst},
				out);
	else
		rc = ipv4_build(&(struct ipv4_hdr){.tot_len = (uint16_t)(IPV4_HDR_LEN + icmp.len),
						   .ttl = TTL,
						   .proto = IPPROTO_ICMP,
						   .src = spec.src,
						   .dst = spec.dst},
				out);
	outbuf_put(out, message, icmp.len);
	return rc < 0 ? rc : 0;
}

int play_inject(struct play *p, const struct step *st, struct outcome *out)
{
	const struct lab_host *h = &p->lab->host[st->side];
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_ifindex = (int)h->ifindex};
	uint8_t bytes[FRAME_ROOM];
	struct outbuf frame = outbuf_of(bytes, sizeof(bytes) - IPV6_EXTHDR_MIN);
	int fd, rc = st->frame.mtu ? build_too_big(p, st, &frame) : build(p, st, &frame);

	(void)out;
	if (rc < 0)
		return rc;
	fd = netns_socket(h->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	sll.sll_protocol = htons(get_be16(bytes + 12));
	if (sendto(fd, bytes, frame.len, 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
