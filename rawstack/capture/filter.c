/* SPDX-License-Identifier: MIT */
/* filter.c - a small assembler for classic BPF, and the capture program written with it */
#include "filter.h"

#include "../wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>

/*
 * Every load past the end of a frame ends a program with "reject", uncounted, so each one stands
 * behind a comparison with the frame's length that accepts.
 *
 * While instructions are emitted, jt and jf of a conditional jump hold a label; resolve() turns
 * labels into offsets. All jumps lead forward, and FILTER_INSNS_MAX < 256, so every offset fits
 * into the 8 bits that classic BPF has for it.
 *
 * From the transport on both families share one code path: X holds the length of the IP header.
 */
static_assert(FILTER_INSNS_MAX <= UINT8_MAX, "jump offsets are 8 bit");

/* Frame offsets, from the Ethernet header on. */
enum {
	OFF_ETHERTYPE = 12,
	OFF_L3 = 14,
	OFF_V4_FRAG = OFF_L3 + 6,
	OFF_V4_PROTO = OFF_L3 + 9,
	OFF_V6_NEXTHDR = OFF_L3 + 6,
	V4_HDR_MIN = 20,
	V6_HDR = 40,
	V4_FRAG_OFFSET_MASK = 0x1fff,
};

/* First byte of an IP header: version nibble, and for IPv4 an IHL of at least 5. */
enum { V4_FIRST_MIN = 0x45, V4_FIRST_MAX = 0x4f, V6_FIRST_MIN = 0x60, V6_FIRST_MAX = 0x6f };

enum label {
	NEXT, /* the following instruction */
	SKIP, /* the one after it */
	ACCEPT,
	REJECT,
	CANARY,
	IPV4,
	IPV6,
	PORTS_V4,
	PORTS,
	ICMP_V4,
	ICMP_V6,
	LABEL_NUM
};

struct program {
	struct sock_filter *out;
	size_t cap;
	size_t len; /* goes on counting past cap: then it did not fit */
	size_t at[LABEL_NUM];
};

static const uint16_t vlan_types[] = {ETHTYPE_8021Q, ETHTYPE_8021AD, ETHTYPE_QINQ_OLD};
/* IPv4 protocols behind which ports may hide: 4in4, 6in4, GRE. */
static const uint16_t opaque_v4[] = {IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_GRE};
/* The same for IPv6, with its extension headers: 135 mobility, 139 HIP, 140 shim6. */
static const uint16_t opaque_v6[] = {
	IPPROTO_HOPOPTS,
	IPPROTO_ROUTING,
	IPPROTO_FRAGMENT,
	IPPROTO_DSTOPTS,
	IPPROTO_AH,
	135,
	139,
	140,
	IPPROTO_IPIP,
	IPPROTO_IPV6,
	IPPROTO_GRE,
};
/* Destination unreachable, time exceeded, parameter problem (RFC 792). */
static const uint16_t icmp_errors_v4[] = {3, 11, 12};
/* The same and packet too big (RFC 4443, section 3). */
static const uint16_t icmp_errors_v6[] = {1, 2, 3, 4};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void emit_jump(struct program *p, uint16_t code, uint32_t k, enum label jt, enum label jf)
{
	if (p->len < p->cap)
		p->out[p->len] = (struct sock_filter){
			.code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k};
	p->len++;
}

static void emit(struct program *p, uint16_t code, uint32_t k)
{
	emit_jump(p, code, k, NEXT, NEXT);
}

static void place(struct program *p, enum label label)
{
	p->at[label] = p->len;
}

static size_t target_of(const struct program *p, size_t from, enum label label)
{
	switch (label) {
	case NEXT:
		return from + 1;
	case SKIP:
		return from + 2;
	default:
		return p->at[label];
	}
}

static uint8_t offset_to(const struct program *p, size_t from, uint8_t label)
{
	size_t target = target_of(p, from, (enum label)label);

	assert(target > from && target < p->len);
	return (uint8_t)(target - from - 1);
}

static void resolve(struct program *p)
{
	for (size_t i = 0; i < p->len; i++) {
		if (BPF_CLASS(p->out[i].code) != BPF_JMP)
			continue;
		p->out[i].jt = offset_to(p, i, p->out[i].jt);
		p->out[i].jf = offset_to(p, i, p->out[i].jf);
	}
}

/* A frame shorter than @len bytes is accepted here and now. */
static void emit_need(struct program *p, uint32_t len)
{
	emit(p, BPF_LD | BPF_W | BPF_LEN, 0);
	emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, len, NEXT, ACCEPT);
}

/* The same for @len bytes behind the Ethernet header and X; wants OFF_L3 + @len checked before. */
static void emit_need_behind_x(struct program *p, uint32_t len)
{
	emit(p, BPF_LD | BPF_W | BPF_LEN, 0);
	emit(p, BPF_ALU | BPF_SUB | BPF_K, OFF_L3 + len);
	emit_jump(p, BPF_JMP | BPF_JGE | BPF_X, 0, NEXT, ACCEPT);
}

static void emit_match_any(struct program *p, const uint16_t *values, size_t n, enum label hit)
{
	for (size_t i = 0; i < n; i++)
		emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, values[i], hit, NEXT);
}

/* Loads the first byte of the IP header and accepts unless it is within min..max. */
static void emit_first_byte(struct program *p, uint32_t min, uint32_t max)
{
	emit(p, BPF_LD | BPF_B | BPF_ABS, OFF_L3);
	emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, min, NEXT, ACCEPT);
	emit_jump(p, BPF_JMP | BPF_JGT | BPF_K, max, ACCEPT, NEXT);
}

static void emit_ethernet(struct program *p, const struct filter_spec *spec)
{
	emit_need(p, OFF_L3);
	emit(p, BPF_LD | BPF_H | BPF_ABS, OFF_ETHERTYPE);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_IPV4, IPV4, NEXT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_IPV6, IPV6, NEXT);
	emit_match_any(p, vlan_types, COUNT_OF(vlan_types), ACCEPT);
	if (spec->accept_canary)
		emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, ETHTYPE_LOCAL1, CANARY, NEXT);
	emit(p, BPF_RET | BPF_K, 0);
}

static void emit_canary(struct program *p, uint32_t magic)
{
	place(p, CANARY);
	emit_need(p, OFF_L3 + sizeof(magic));
	emit(p, BPF_LD | BPF_W | BPF_ABS, OFF_L3);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, magic, ACCEPT, REJECT);
}

/* @ports: where TCP and UDP go on. */
static void emit_ipv4(struct program *p, enum label ports)
{
	place(p, IPV4);
	emit_need(p, OFF_L3 + V4_HDR_MIN);
	emit_first_byte(p, V4_FIRST_MIN, V4_FIRST_MAX);
	emit(p, BPF_LDX | BPF_B | BPF_MSH, OFF_L3);
	emit(p, BPF_LD | BPF_B | BPF_ABS, OFF_V4_PROTO);
	emit_match_any(p, opaque_v4, COUNT_OF(opaque_v4), ACCEPT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, ports, NEXT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, ports, NEXT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMP, ICMP_V4, REJECT);
}

static void emit_ipv6(struct program *p, enum label ports)
{
	place(p, IPV6);
	emit_need(p, OFF_L3 + V6_HDR);
	emit_first_byte(p, V6_FIRST_MIN, V6_FIRST_MAX);
	emit(p, BPF_LDX | BPF_IMM, V6_HDR);
	emit(p, BPF_LD | BPF_B | BPF_ABS, OFF_V6_NEXTHDR);
	emit_match_any(p, opaque_v6, COUNT_OF(opaque_v6), ACCEPT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, ports, NEXT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, ports, NEXT);
	emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, ICMP_V6, REJECT);
}

/* A later fragment has neither ports nor an ICMP type in front. */
static void emit_later_fragment(struct program *p, enum label then)
{
	emit(p, BPF_LD | BPF_H | BPF_ABS, OFF_V4_FRAG);
	emit_jump(p, BPF_JMP | BPF_JSET | BPF_K, V4_FRAG_OFFSET_MASK, then, NEXT);
}

static void emit_icmp(struct program *p, const uint16_t *errors, size_t n)
{
	emit_need_behind_x(p, 1);
	emit(p, BPF_LD | BPF_B | BPF_IND, OFF_L3);
	emit_match_any(p, errors, n, ACCEPT);
	emit(p, BPF_RET | BPF_K, 0);
}

static void emit_ranges(struct program *p, const struct filter_spec *spec)
{
	for (size_t i = 0; i < spec->n_ranges; i++) {
		const struct port_range *r = &spec->ranges[i];

		if (r->lo == r->hi) {
			emit_jump(p, BPF_JMP | BPF_JEQ | BPF_K, r->lo, ACCEPT, NEXT);
			continue;
		}
		emit_jump(p, BPF_JMP | BPF_JGE | BPF_K, r->lo, NEXT, SKIP);
		emit_jump(p, BPF_JMP | BPF_JGT | BPF_K, r->hi, NEXT, ACCEPT);
	}
}

static void emit_ports(struct program *p, const struct filter_spec *spec)
{
	place(p, PORTS_V4);
	emit_later_fragment(p, ACCEPT);
	place(p, PORTS);
	emit_need_behind_x(p, 4);
	emit(p, BPF_LD | BPF_H | BPF_IND, OFF_L3);
	emit_ranges(p, spec);
	emit(p, BPF_LD | BPF_H | BPF_IND, OFF_L3 + 2);
	emit_ranges(p, spec);
	emit(p, BPF_RET | BPF_K, 0);
}

int filter_generate(const struct filter_spec *spec, struct sock_filter *out, size_t cap)
{
	struct program p = {.out = out, .cap = cap};
	bool any_port = spec->n_ranges == 0;

	if (spec->n_ranges > FILTER_RANGES_MAX)
		return -EINVAL;
	for (size_t i = 0; i < spec->n_ranges; i++)
		if (spec->ranges[i].lo > spec->ranges[i].hi)
			return -EINVAL;

	emit_ethernet(&p, spec);
	if (spec->accept_canary)
		emit_canary(&p, spec->canary_magic);
	emit_ipv4(&p, any_port ? ACCEPT : PORTS_V4);
	emit_ipv6(&p, any_port ? ACCEPT : PORTS);
	if (!any_port)
		emit_ports(&p, spec);
	place(&p, ICMP_V4);
	emit_later_fragment(&p, REJECT);
	emit_icmp(&p, icmp_errors_v4, COUNT_OF(icmp_errors_v4));
	place(&p, ICMP_V6);
	emit_icmp(&p, icmp_errors_v6, COUNT_OF(icmp_errors_v6));
	place(&p, REJECT);
	emit(&p, BPF_RET | BPF_K, 0);
	place(&p, ACCEPT);
	emit(&p, BPF_RET | BPF_K, spec->snaplen ? spec->snaplen : FILTER_SNAPLEN);

	if (p.len > cap)
		return -ENOSPC;
	assert(p.len <= FILTER_INSNS_MAX);
	resolve(&p);
	return (int)p.len;
}
