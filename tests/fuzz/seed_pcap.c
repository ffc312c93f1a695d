/* SPDX-License-Identifier: MIT */
/* seed_pcap.c - writes seeds for fuzz_pcap: seed_pcap DIR */
#include "../../rawstack/capture/pcap_link.h"
#include "../unit/frame_vectors.h"
#include "../unit/t_capture.h"

#include <stdio.h>

static void save(const char *dir, const char *name, const struct capture *c)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	if (!f || fwrite(c->b, 1, c->len, f) != c->len || fclose(f))
		perror(path);
}

/* One packet of each family behind a header that the link does not have: only the reader counts. */
static void save_pcap(const char *dir, const char *name, bool big, bool nano, uint32_t linktype)
{
	struct capture c = {.big = big};
	struct packet p = packet_empty();

	capture_pcap(&c, nano, 192, linktype);
	v4_syn(&p);
	capture_packet(&c, 1, 2, packet_bytes(&p), (uint32_t)packet_len(&p), 1500);
	p = packet_empty();
	v6_syn(&p);
	capture_packet(&c, 3, 4, packet_bytes(&p), (uint32_t)packet_len(&p), 90);
	save(dir, name, &c);
}

static void save_pcapng(const char *dir, const char *name, bool big, uint16_t linktype)
{
	struct capture c = {.big = big};
	struct packet p = packet_empty();

	v6_syn(&p);
	capture_section(&c);
	capture_begin(&c, PCAPNG_INTERFACE);
	capture_u16(&c, linktype);
	capture_u16(&c, 0);
	capture_u32(&c, 64);
	capture_option(&c, PCAPNG_IF_NAME, "va", 2);
	capture_option(&c, PCAPNG_IF_TSRESOL, "\x09", 1);
	capture_option(&c, PCAPNG_IF_TSOFFSET, "\x01\0\0\0\0\0\0\0", 8);
	capture_option(&c, PCAPNG_OPT_END, NULL, 0);
	capture_end(&c);
	capture_enhanced(&c, 0, 77, packet_bytes(&p), (uint32_t)packet_len(&p), 90);
	capture_begin(&c, PCAPNG_PACKET_SIMPLE);
	capture_u32(&c, 8);
	capture_bytes(&c, "\1\2\3\4\5\6\7", 8);
	capture_end(&c);
	capture_begin(&c, PCAPNG_STATISTICS);
	capture_u32(&c, 0);
	capture_u32(&c, 0);
	capture_u32(&c, 0);
	capture_option(&c, PCAPNG_ISB_OS_DROPPED, "\1\0\0\0\0\0\0\0", 8);
	capture_end(&c);
	c.big = !big;
	capture_section(&c);
	capture_interface(&c, PCAP_LINK_RAW, 0);
	capture_enhanced(&c, 0, 1, packet_bytes(&p) + 14, (uint32_t)packet_len(&p) - 14, 76);
	save(dir, name, &c);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_pcap DIR\n");
		return 64;
	}
	save_pcap(argv[1], "little-micro", false, false, PCAP_LINK_ETHERNET);
	save_pcap(argv[1], "big-nano-sll", true, true, PCAP_LINK_LINUX_SLL);
	save_pcap(argv[1], "little-nano-sll2", false, true, PCAP_LINK_LINUX_SLL2);
	save_pcap(argv[1], "big-micro-null", true, false, PCAP_LINK_NULL);
	save_pcap(argv[1], "little-raw", false, false, PCAP_LINK_RAW);
	save_pcapng(argv[1], "ng-little", false, PCAP_LINK_ETHERNET);
	save_pcapng(argv[1], "ng-big", true, PCAP_LINK_LOOP);
	return 0;
}
