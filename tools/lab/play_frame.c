/* SPDX-License-Identifier: MIT */
/* play_frame.c - steps that put a hand-made frame on the wire, below everybody's IP layer */
#include "play.h"

#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/build.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/tcp.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_ROOM = 4608, MSS = 1440, CSUM_OF_UDP = 6, CSUM_OF_TCP = 16 };

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

static int build(const struct play *p, const struct step *st, uint8_t *bytes, size_t *len)
{
	const struct step_frame *f = &st->frame;
	const struct lab_host *me = &p->lab->host[st->side], *other = &p->lab->host[!st->side];
	char payload[STEP_PAYLOAD_MAX];
	struct outbuf out = outbuf_of(bytes, FRAME_ROOM - IPV6_EXTHDR_MIN);
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
	size_t csum_at;
	int rc;

	memcpy(spec.src_mac, me->mac, sizeof(spec.src_mac));
	memcpy(spec.dst_mac, other->mac, sizeof(spec.dst_mac));
	memset(payload, 'x', sizeof(payload));
	if (st->word[0])
		memcpy(payload, st->word, st->size);
	rc = frame_build(&spec, payload, f->syn ? 0 : st->size, &out);
	if (rc < 0)
		return rc;
	*len = out.len;
	csum_at =
		ETH_HDR_LEN + (f->ipv6 ? IPV6_HDR_LEN : 20U) + (f->syn ? CSUM_OF_TCP : CSUM_OF_UDP);
	if (f->bad_checksum)
		bytes[csum_at] ^= 0x55;
	if (f->exthdr >= 0)
		insert_exthdr(bytes, len, f->exthdr);
	return 0;
}

int play_inject(struct play *p, const struct step *st, struct outcome *out)
{
	const struct lab_host *h = &p->lab->host[st->side];
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_ifindex = (int)h->ifindex};
	uint8_t bytes[FRAME_ROOM];
	size_t len;
	int fd, rc = build(p, st, bytes, &len);

	(void)out;
	if (rc < 0)
		return rc;
	fd = netns_socket(h->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	sll.sll_protocol = htons(get_be16(bytes + 12));
	if (sendto(fd, bytes, len, 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
