/* SPDX-License-Identifier: MIT */
/* t_capture.c - capture files for tests */
#include "t_capture.h"

#include <assert.h>

void capture_bytes(struct capture *c, const void *bytes, size_t len)
{
	assert(len <= CAPTURE_MAX - c->len);
	if (len)
		memcpy(c->b + c->len, bytes, len);
	c->len += len;
}

static void store(const struct capture *c, uint8_t *to, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> 8 * (c->big ? n - 1 - i : i));
}

void capture_u16(struct capture *c, uint16_t v)
{
	uint8_t b[2];

	store(c, b, v, 2);
	capture_bytes(c, b, 2);
}

void capture_u32(struct capture *c, uint32_t v)
{
	uint8_t b[4];

	store(c, b, v, 4);
	capture_bytes(c, b, 4);
}

static void pad(struct capture *c)
{
	while ((c->len - c->block) % 4)
		capture_bytes(c, "", 1);
}

void capture_pcap(struct capture *c, bool nanoseconds, uint32_t snaplen, uint32_t linktype)
{
	capture_u32(c, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4);
	capture_u16(c, 2);
	capture_u16(c, 4);
	capture_u32(c, 0);
	capture_u32(c, 0);
	capture_u32(c, snaplen);
	capture_u32(c, linktype);
}

void capture_packet(struct capture *c, uint32_t s, uint32_t fraction, const void *bytes,
		    uint32_t caplen, uint32_t wirelen)
{
	capture_u32(c, s);
	capture_u32(c, fraction);
	capture_u32(c, caplen);
	capture_u32(c, wirelen);
	capture_bytes(c, bytes, caplen);
}

void capture_begin(struct capture *c, uint32_t type)
{
	c->block = c->len;
	capture_u32(c, type);
	capture_u32(c, 0);
}

void capture_option(struct capture *c, uint16_t code, const void *value, uint16_t len)
{
	capture_u16(c, code);
	capture_u16(c, len);
	capture_bytes(c, value, len);
	pad(c);
}

void capture_end(struct capture *c)
{
	uint32_t total;

	pad(c);
	total = (uint32_t)(c->len - c->block) + 4;
	capture_u32(c, total);
	store(c, c->b + c->block + 4, total, 4);
}

void capture_section(struct capture *c)
{
	capture_begin(c, 0x0a0d0d0a);
	capture_u32(c, 0x1a2b3c4d);
	capture_u16(c, 1);
	capture_u16(c, 0);
	capture_u32(c, UINT32_MAX);
	capture_u32(c, UINT32_MAX);
	capture_end(c);
}

void capture_interface(struct capture *c, uint16_t linktype, uint32_t snaplen)
{
	capture_begin(c, 1);
	capture_u16(c, linktype);
	capture_u16(c, 0);
	capture_u32(c, snaplen);
	capture_end(c);
}

void capture_enhanced(struct capture *c, uint32_t interface, uint64_t units, const void *bytes,
		      uint32_t caplen, uint32_t wirelen)
{
	capture_begin(c, 6);
	capture_u32(c, interface);
	capture_u32(c, (uint32_t)(units >> 32));
	capture_u32(c, (uint32_t)units);
	capture_u32(c, caplen);
	capture_u32(c, wirelen);
	capture_bytes(c, bytes, caplen);
	capture_end(c);
}
