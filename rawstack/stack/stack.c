/* SPDX-License-Identifier: MIT */
/* stack.c - a host: its configuration, the link layer's side of input, time, statistics */
#include "stack_internal.h"

#include "../wire/eth.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	CONNS_DEFAULT = 16384,
	CONNS_MAX = 1 << 26,
	HALF_OPEN_DEFAULT = 4096,
	TIME_WAIT_DEFAULT = 65536,
	BUFFER_DEFAULT = 262144,
	BUFFER_MIN = 4096,
	BUFFER_MAX = 1 << 30, /* a window may not exceed 2^30 (RFC 7323 2.3) */
	MIN_RTO_DEFAULT_MS = 200,
	DELACK_DEFAULT_MS = 40,
	TIME_WAIT_DEFAULT_MS = 60000,
	FIN_WAIT_2_DEFAULT_MS = 60000,
	MTU_DEFAULT = 1500,
	IPV6_MTU_MIN = 1280,
};
#define MEMORY_DEFAULT ((uint64_t)256 << 20)

static void default_u32(uint32_t *value, uint32_t usual)
{
	if (*value == 0)
		*value = usual;
}

static int config_fill(struct stack_config *c)
{
	if (c->mtu == 0)
		c->mtu = MTU_DEFAULT;
	default_u32(&c->max_conns, CONNS_DEFAULT);
	default_u32(&c->max_half_open, HALF_OPEN_DEFAULT);
	default_u32(&c->max_time_wait, TIME_WAIT_DEFAULT);
	default_u32(&c->recv_buffer, BUFFER_DEFAULT);
	default_u32(&c->send_buffer, BUFFER_DEFAULT);
	default_u32(&c->min_rto_ms, MIN_RTO_DEFAULT_MS);
	default_u32(&c->delack_ms, DELACK_DEFAULT_MS);
	default_u32(&c->time_wait_ms, TIME_WAIT_DEFAULT_MS);
	default_u32(&c->fin_wait_2_ms, FIN_WAIT_2_DEFAULT_MS);
	if (c->max_buffers == 0)
		c->max_buffers = MEMORY_DEFAULT;
	if (c->mtu < STACK_MTU_MIN || c->max_conns > CONNS_MAX || c->max_half_open > CONNS_MAX ||
	    c->max_time_wait > CONNS_MAX || c->recv_buffer < BUFFER_MIN ||
	    c->recv_buffer > BUFFER_MAX || c->send_buffer < BUFFER_MIN ||
	    c->send_buffer > BUFFER_MAX || c->delack_ms >= 500 /* MUST-40 */)
		return -EINVAL;
	return c->link.reserve == NULL || c->link.commit == NULL ? -EINVAL : 0;
}

static bool may_own(const struct stack_addr *a)
{
	const uint8_t *v4 = addr_v4(&a->addr);

	if (addr_is_any(&a->addr))
		return false;
	if (v4 != NULL)
		return a->prefix_len <= 32 && v4[0] != 127 && v4[0] != 0 && v4[0] < 224;
	return a->prefix_len <= 128 && a->addr.b[0] != 0xff;
}

static int addrs_fill(struct stack *s)
{
	const struct stack_config *c = &s->cfg;

	if (c->n_addrs < 1 || c->n_addrs > STACK_ADDRS_MAX)
		return -EINVAL;
	for (int i = 0; i < c->n_addrs; i++) {
		struct own_addr *o = &s->own[i];
		bool v6 = !addr_is_mapped(&c->addrs[i].addr);

		if (!may_own(&c->addrs[i]))
			return -EINVAL;
		*o = (struct own_addr){
			.addr = c->addrs[i].addr,
			.prefix_len = (uint8_t)(c->addrs[i].prefix_len + (v6 ? 0 : 96)),
			.v6 = v6,
			.state = c->skip_dad || c->l3 ? STACK_ADDR_READY : STACK_ADDR_TENTATIVE,
		};
	}
	s->n_own = c->n_addrs;
	return 0;
}

/* Enough for all the buffers, and never fewer than a few. */
static uint32_t segs_max(const struct stack_config *c)
{
	uint64_t n = c->max_buffers / SEG_SIZE;

	return n < 64 ? 64 : n > CONNS_MAX ? CONNS_MAX : (uint32_t)n;
}

static int modules_open(struct stack *s, uint64_t now)
{
	int rc = slab_init(&s->segs, sizeof(struct seg), segs_max(&s->cfg));

	if (rc < 0)
		return rc;
	rc = fragment_open(s);
	if (rc < 0)
		goto err_segs;
	rc = neighbours_open(s, now);
	if (rc < 0)
		goto err_fragment;
	rc = icmp_open(s);
	if (rc < 0)
		goto err_neighbours;
	rc = udp_open(s);
	if (rc < 0)
		goto err_icmp;
	rc = tcp_open(s, now);
	if (rc < 0)
		goto err_udp;
	return 0;

err_udp:
	udp_close_all(s);
err_icmp:
	icmp_close(s);
err_neighbours:
	neighbours_close(s);
err_fragment:
	fragment_close(s);
err_segs:
	slab_fini(&s->segs);
	return rc;
}

int stack_create(const struct stack_config *cfg, uint64_t now, struct stack **out)
{
	struct stack *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->cfg = *cfg;
	s->link_hdr = cfg->l3 ? 0 : ETH_HDR_LEN;
	rc = config_fill(&s->cfg);
	if (rc == 0)
		rc = addrs_fill(s);
	if (rc < 0)
		goto err_config;
	s->ipv6 = s->cfg.mtu >= IPV6_MTU_MIN;
	binding_init(&s->tcp_bindings, false);
	binding_init(&s->udp_bindings, true);
	s->tcp_events = s->tcp_events_last = BINDING_NONE;
	s->udp_events = s->udp_events_last = BINDING_NONE;
	rc = -ENOMEM;
	s->scratch = malloc(s->link_hdr + s->cfg.mtu);
	if (s->scratch == NULL)
		goto err_config;
	s->datagram = malloc(STACK_DATAGRAM_MAX);
	if (s->datagram == NULL)
		goto err_scratch;
	rc = modules_open(s, now);
	if (rc < 0)
		goto err_modules;
	*out = s;
	return 0;

err_modules:
	free(s->datagram);
err_scratch:
	free(s->scratch);
err_config:
	free(s);
	return rc;
}

void stack_destroy(struct stack *s)
{
	if (s == NULL)
		return;
	tcp_close_all(s);
	udp_close_all(s);
	icmp_close(s);
	neighbours_close(s);
	fragment_close(s);
	slab_fini(&s->segs);
	free(s->datagram);
	free(s->scratch);
	free(s);
}

/* A VLAN tag in band or in the ring's metadata. Priority tags (id 0) are no VLAN. */
static bool other_vlan(const struct eth_hdr *eth, const struct frame_meta *meta)
{
	uint16_t id = 0;

	if (meta != NULL && (meta->flags & FRAME_META_VLAN))
		id = meta->vlan_tci & 0xfff;
	for (int i = 0; i < eth->tags; i++)
		id |= eth->tag[i].tci & 0xfff;
	return id != 0;
}

/* RFC 894, RFC 2464: what a frame carries is said by its EtherType alone. */
static void eth_input(struct stack *s, uint64_t now, const uint8_t *frame, size_t len,
		      const struct frame_meta *meta, bool trusted)
{
	struct span sp = span_of(frame, len);
	struct eth_hdr eth;

	if (eth_parse(&sp, &eth) < 0) {
		s->stats.drop_short++;
		return;
	}
	if (other_vlan(&eth, meta)) {
		s->stats.drop_vlan++;
		return;
	}
	if (!(eth.dst[0] & 1) && memcmp(eth.dst, s->cfg.mac, 6) != 0) {
		s->stats.drop_other_mac++;
		return;
	}
	switch (eth.ethertype) {
	case ETHTYPE_IPV4:
	case ETHTYPE_IPV6:
		/* The version in the header must be the one the EtherType promises. */
		if (span_len(&sp) == 0 || sp.p[0] >> 4 != (eth.ethertype == ETHTYPE_IPV4 ? 4 : 6)) {
			s->stats.drop_ip_header++;
			return;
		}
		ip_input(s, now, sp.p, span_len(&sp), frame + 6, eth.dst[0] & 1, trusted);
		return;
	case ETHTYPE_ARP:
		neighbours_arp(s, now, frame, sp);
		return;
	default:
		s->stats.drop_ethertype++;
	}
}

void stack_input(struct stack *s, uint64_t now, const uint8_t *frame, size_t len,
		 const struct frame_meta *meta)
{
	bool trusted = meta != NULL &&
		       (meta->flags & (FRAME_META_CSUM_NOT_READY | FRAME_META_CSUM_VALID)) != 0;

	s->stats.frames_in++;
	s->stats.bytes_in += len;
	if (meta != NULL && (meta->caplen < meta->wirelen || meta->caplen > len)) {
		s->stats.drop_short++;
		return;
	}
	if (s->cfg.l3)
		ip_input(s, now, frame, len, NULL, false, trusted);
	else
		eth_input(s, now, frame, len, meta, trusted);
}

void stack_timers(struct stack *s, uint64_t now)
{
	neighbours_timers(s, now);
	fragment_timers(s, now);
	tcp_timers(s, now);
}

uint64_t stack_deadline(const struct stack *s)
{
	uint64_t fragments = fragment_deadline(s), neighbours = neighbours_deadline(s);
	uint64_t first = tcp_deadline(s);

	if (fragments < first)
		first = fragments;
	return neighbours < first ? neighbours : first;
}

void stack_flush(struct stack *s, uint64_t now)
{
	tcp_flush(s, now);
}

enum stack_addr_state stack_addr_state(const struct stack *s, int i, uint8_t mac[6])
{
	assert(i >= 0 && i < s->n_own);
	if (mac != NULL && s->own[i].state == STACK_ADDR_DUPLICATE)
		memcpy(mac, s->own[i].duplicate_mac, 6);
	return s->own[i].state;
}

void stack_stats(const struct stack *s, struct stack_stats *out)
{
	*out = s->stats;
	tcp_stats(s, out);
	neighbours_stats(s, out);
	out->segments_held = s->segs.used;
	out->memory += slab_bytes(&s->segs) + sizeof(*s) + reasm_bytes(s->reasm);
}

bool stack_stat_name(const struct stack_stats *st, size_t n, const char **name, const char **text,
		     uint64_t *value)
{
	static const struct {
		const char *name, *text;
		size_t offset;
	} rows[] = {
#define ROW(field, text) {#field, text, offsetof(struct stack_stats, field)},
		STACK_STATS(ROW)
#undef ROW
	};

	if (n >= sizeof(rows) / sizeof(rows[0]))
		return false;
	*name = rows[n].name;
	*text = rows[n].text;
	if (value != NULL)
		memcpy(value, (const uint8_t *)st + rows[n].offset, sizeof(*value));
	return true;
}

/* --- events about bindings --- */

void binding_event(struct stack *s, bool udp, int id)
{
	struct binding_table *t = udp ? &s->udp_bindings : &s->tcp_bindings;
	uint16_t *first = udp ? &s->udp_events : &s->tcp_events;
	uint16_t *last = udp ? &s->udp_events_last : &s->tcp_events_last;
	struct binding *b = &t->b[id];

	if (b->event)
		return;
	b->event = true;
	b->event_next = BINDING_NONE;
	if (*first == BINDING_NONE)
		*first = (uint16_t)id;
	else
		t->b[*last].event_next = (uint16_t)id;
	*last = (uint16_t)id;
}

void binding_event_cancel(struct stack *s, bool udp, int id)
{
	struct binding_table *t = udp ? &s->udp_bindings : &s->tcp_bindings;
	uint16_t *first = udp ? &s->udp_events : &s->tcp_events;
	uint16_t *last = udp ? &s->udp_events_last : &s->tcp_events_last;
	uint16_t before = BINDING_NONE;

	for (uint16_t *link = first; *link != BINDING_NONE;
	     before = *link, link = &t->b[*link].event_next) {
		if (*link != id)
			continue;
		if (*last == id)
			*last = before;
		*link = t->b[id].event_next;
		break;
	}
	t->b[id].event = false;
}

/* Takes the oldest one off the list; it may be put there again at once. */
static bool binding_event_take(struct stack *s, bool udp, struct stack_event *ev)
{
	struct binding_table *t = udp ? &s->udp_bindings : &s->tcp_bindings;
	uint16_t *first = udp ? &s->udp_events : &s->tcp_events;
	int id = *first;

	if (id == BINDING_NONE)
		return false;
	*first = t->b[id].event_next;
	t->b[id].event = false;
	*ev = (struct stack_event){.type = udp ? STACK_EV_DGRAM : STACK_EV_ACCEPT, .id = id};
	return true;
}

bool stack_event(struct stack *s, struct stack_event *ev)
{
	return binding_event_take(s, false, ev) || binding_event_take(s, true, ev) ||
	       tcp_event(s, ev);
}
