/* SPDX-License-Identifier: MIT */
/* frame_print.c - one line of text for a dissected frame */
#include "frame.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

/* Text being written: always ended by a NUL, cut where it does not fit. Invariant: len < cap. */
struct text {
	char *buf;
	size_t len;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *fmt, ...)
{
	size_t room = t->cap - t->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->buf + t->len, room, fmt, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n < room ? (size_t)n : room - 1;
}

const char *carriage_name(enum carriage c)
{
	static const char *const names[CARRIAGE_NUM] = {
		[CARRIAGE_NONE] = "none",	 [CARRIAGE_V4] = "IPv4",
		[CARRIAGE_V6] = "IPv6",		 [CARRIAGE_TUN_6IN4] = "6in4",
		[CARRIAGE_TUN_OTHER] = "tunnel", [CARRIAGE_MISMATCH] = "mismatch",
	};

	return (unsigned int)c < CARRIAGE_NUM ? names[c] : "invalid";
}

struct bit_name {
	uint32_t bit;
	const char *name;
};

/* The names of the bits set, @sep before each. */
static void add_bits(struct text *t, uint32_t bits, const struct bit_name *names, size_t n,
		     const char *sep)
{
	for (size_t i = 0; i < n; i++)
		if (bits & names[i].bit)
			text_add(t, "%s%s", sep, names[i].name);
}

static void add_problems(struct text *t, uint32_t problems)
{
	static const struct bit_name names[] = {
		{FRAME_TRUNCATED, "truncated"},
		{FRAME_MALFORMED, "malformed"},
		{FRAME_BAD_CHECKSUM, "bad-checksum"},
		{FRAME_EXTHDR_LIMIT, "exthdr-limit"},
		{FRAME_UNPARSED, "unparsed"},
		{FRAME_SUPERFRAME, "superframe"},
		{FRAME_CSUM_UNCHECKED, "csum-unchecked"},
		{FRAME_NO_CHECKSUM, "no-csum"},
	};

	if (!problems)
		return;
	text_add(t, " [");
	add_bits(t, problems & -problems, names, sizeof(names) / sizeof(names[0]), "");
	add_bits(t, problems & (problems - 1), names, sizeof(names) / sizeof(names[0]), " ");
	text_add(t, "]");
}

/* In the notation of the datagram: a mapped address is dotted only when IPv4 carried it. */
static void add_address(struct text *t, const struct frame_info *info, const struct addr *addr,
			uint16_t port)
{
	enum addr_form form = info->version == 4 ? ADDR_FORM_INET : ADDR_FORM_INET6;
	struct endpoint ep = {.addr = *addr, .port = port};
	char buf[ENDPOINT_STRLEN];

	text_add(t, "%s",
		 info->has_ports ? endpoint_print(&ep, form, buf) : addr_print(addr, form, buf));
}

static void add_tcp(struct text *t, const struct frame_info *info)
{
	static const struct bit_name names[] = {
		{TCP_SYN, "SYN"}, {TCP_FIN, "FIN"}, {TCP_RST, "RST"}, {TCP_PSH, "PSH"},
		{TCP_ACK, "ACK"}, {TCP_URG, "URG"}, {TCP_ECE, "ECE"}, {TCP_CWR, "CWR"},
	};

	add_bits(t, info->tcp_flags, names, sizeof(names) / sizeof(names[0]), " ");
	text_add(t, " seq %u", info->seq);
	if (info->tcp_flags & TCP_ACK)
		text_add(t, " ack %u", info->ack);
	text_add(t, " win %u", info->window);
	if (info->mss)
		text_add(t, " mss %u", info->mss);
	if (info->wscale != TCP_WSCALE_NONE)
		text_add(t, " wscale %u", info->wscale);
	if (info->sack_permitted)
		text_add(t, " sackok");
	if (info->timestamps)
		text_add(t, " ts");
}

static void add_transport(struct text *t, const struct frame_info *info)
{
	bool whole = info->payload_off, first = !info->frag_offset;
	uint8_t icmp = info->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (whole && first && info->proto == IPPROTO_TCP)
		add_tcp(t, info);
	else if (first && info->proto == IPPROTO_TCP)
		text_add(t, " TCP");
	else if (first && info->proto == IPPROTO_UDP)
		text_add(t, " UDP");
	else if (whole && first && info->proto == icmp)
		text_add(t, " ICMP type %u code %u", info->icmp_type, info->icmp_code);
	else
		text_add(t, " proto %u", info->proto);
	if (whole)
		text_add(t, " len %u", info->payload_len);
}

size_t frame_print(const struct frame_info *info, char *buf, size_t cap)
{
	struct text t = {.buf = buf, .cap = cap};

	if (!cap)
		return 0;
	buf[0] = '\0';
	if (info->carriage == CARRIAGE_NONE)
		text_add(&t, "EtherType 0x%04x", info->ethertype);
	else if (info->carriage == CARRIAGE_MISMATCH)
		text_add(&t, "mismatch (EtherType 0x%04x, version %u)", info->ethertype,
			 info->version);
	else
		text_add(&t, "%s", carriage_name(info->carriage));
	if (info->vlan_tags)
		text_add(&t, " vlan %u", info->vlan_id);
	if (info->carriage != CARRIAGE_NONE) {
		text_add(&t, " ");
		add_address(&t, info, &info->src, info->sport);
		text_add(&t, " > ");
		add_address(&t, info, &info->dst, info->dport);
		if (info->ip_options)
			text_add(&t, info->version == 4 ? " options %u" : " exthdrs %u",
				 info->ip_options);
		add_transport(&t, info);
	}
	if (info->fragment)
		text_add(&t, " fragment id 0x%x offset %u%s", info->frag_id, info->frag_offset,
			 info->more_fragments ? " more" : "");
	add_problems(&t, info->problems);
	return t.len;
}
