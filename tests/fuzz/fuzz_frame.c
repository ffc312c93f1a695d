/* SPDX-License-Identifier: MIT */
/* fuzz_frame.c - libFuzzer target for the frame dissector and its printer */
#include "frame_input.h"

#include "../../rawstack/wire/frame.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_meta read_meta(const uint8_t *p, uint32_t len)
{
	struct frame_meta meta = {
		.flags = p[INPUT_FLAGS],
		.protocol = get_be16(p + INPUT_PROTOCOL),
		.vlan_tci = get_be16(p + INPUT_TCI),
		.vlan_tpid = get_be16(p + INPUT_TPID),
		.caplen = len,
	};
	uint16_t more = get_be16(p + INPUT_MORE);

	/* Also frames over 65535 bytes, and, absurdly, shorter than what was captured of them. */
	meta.wirelen = more == UINT16_MAX ? 0 : len + (uint32_t)more * 4;
	return meta;
}

static void check_info(const struct frame_info *info, const struct frame_meta *meta)
{
	uint32_t wirelen = meta->wirelen > meta->caplen ? meta->wirelen : meta->caplen;
	bool truncated = info->problems & FRAME_TRUNCATED;

	assert((unsigned int)info->carriage < CARRIAGE_NUM);
	assert(truncated == (info->need > meta->caplen));
	assert(info->need <= wirelen);
	assert(info->payload_off <= meta->caplen);
	assert((uint64_t)info->payload_off + info->payload_len <= wirelen);
	assert(!info->has_ports || info->proto == 6 || info->proto == 17);
	assert(!info->has_ports || !info->frag_offset);
	assert(!info->frag_offset || info->fragment);
	assert(info->vlan_tags <= 3);
	if (info->carriage == CARRIAGE_V4)
		assert(info->ethertype == ETHTYPE_IPV4 && info->version == 4);
	if (info->carriage == CARRIAGE_V6)
		assert(info->ethertype == ETHTYPE_IPV6 && info->version == 6);
	if (info->carriage == CARRIAGE_NONE)
		assert(!info->has_ports && addr_is_any(&info->src));
}

static void check_print(const struct frame_info *info, size_t cap)
{
	char *buf = malloc(cap);
	size_t len;

	assert(buf);
	len = frame_print(info, buf, cap);
	assert(len < cap && strlen(buf) == len);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_info info, again;
	struct frame_meta meta;
	uint8_t *exact;

	if (size < INPUT_FRAME || size > INPUT_MAX)
		return 0;
	meta = read_meta(data, (uint32_t)(size - INPUT_FRAME));
	exact = malloc(meta.caplen ? meta.caplen : 1);
	assert(exact);
	memcpy(exact, data + INPUT_FRAME, meta.caplen);
	memset(&info, 0, sizeof(info));
	memset(&again, 0xff, sizeof(again));
	frame_dissect(exact, &meta, &info);
	frame_dissect(exact, &meta, &again);
	/* Up to the last member: every field is filled, whatever was there before. */
	assert(memcmp(&info, &again, offsetof(struct frame_info, payload_off)) == 0);
	check_info(&info, &meta);
	check_print(&info, 1 + data[INPUT_FLAGS]);
	check_print(&info, 512);
	free(exact);
	return 0;
}
