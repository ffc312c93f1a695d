/* SPDX-License-Identifier: MIT */
/* fuzz_pcap.c - libFuzzer target for the reader of capture files */
#include "../../rawstack/capture/pcap_read.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number that two readings of the same file must agree on, and how they end. */
struct digest {
	int rc;
	uint64_t sum, frames;
};

static void digest_frame(struct digest *d, const struct ring_frame *f)
{
	struct frame_info info;

	assert(f->meta.caplen <= PCAP_FRAME_MAX);
	frame_dissect(f->bytes, &f->meta, &info);
	assert(info.payload_off <= f->meta.caplen);
	assert((unsigned int)info.carriage < CARRIAGE_NUM);
	d->frames++;
	d->sum = d->sum * 31 + f->ts_ns + f->meta.caplen + f->meta.flags + f->ifindex;
	for (uint32_t i = 0; i < f->meta.caplen; i++)
		d->sum = d->sum * 31 + f->bytes[i];
}

static struct digest read_all(struct pcap_reader *r)
{
	struct digest d = {0};
	struct ring_frame f;
	uint64_t listed = 0;

	while ((d.rc = pcap_reader_next(r, &f)) == 1)
		digest_frame(&d, &f);
	assert(d.rc <= 0 && pcap_reader_next(r, &f) == d.rc);
	assert(d.rc == 0 || strstr(pcap_reader_why(r), "at byte"));
	for (uint32_t i = 0; pcap_reader_interface(r, i); i++) {
		const struct pcap_interface *ifc = pcap_reader_interface(r, i);

		assert(memchr(ifc->name, 0, sizeof(ifc->name)));
		listed += ifc->frames;
	}
	assert(listed == d.frames);
	pcap_reader_close(r);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[PCAP_WHY_MAX];
	struct pcap_reader *r;
	struct digest a, b;
	uint8_t *exact = malloc(size ? size : 1);
	FILE *f;
	int rc;

	assert(exact);
	if (size)
		memcpy(exact, data, size);
	rc = pcap_reader_open_bytes(exact, size, &r, why);
	if (rc == 0) {
		a = read_all(r);
		f = fmemopen(exact, size, "rb");
		assert(f && pcap_reader_open(f, &r, why) == 0);
		b = read_all(r);
		fclose(f);
		assert(a.rc == b.rc && a.frames == b.frames && a.sum == b.sum);
	} else {
		assert(why[0] && memchr(why, 0, sizeof(why)));
	}
	free(exact);
	return 0;
}
