/* SPDX-License-Identifier: MIT */
/* test_neigh.c - the neighbour machine in virtual time, each rule for ARP and for ND */
#include "../../rawstack/stack/neigh_internal.h"
#include "../../rawstack/wire/arp.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/eth.h"
#include "../../rawstack/wire/icmp.h"
#include "../../rawstack/wire/ipv6.h"
#include "../../rawstack/wire/nd.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

static const uint64_t ms = NS_PER_MS;
static const uint64_t s1 = UINT64_C(1000) * NS_PER_MS;
static const uint8_t my_mac[6] = {2, 0, 0, 0, 0, 0xaa};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x01};
static const uint8_t thief_mac[6] = {2, 0, 0, 0, 0, 0x66};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Everything the machine sent, read back. */
struct sent {
	struct neigh_msg m;
	bool arp, held; /* held: a frame that had waited */
};
static struct {
	struct neigh *n;
	struct sent log[256];
	int sent, failed;
	struct addr me, peer;
	bool v6;
} t;

static struct addr address(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

/* An independent reading of what leaves: lengths, checksums and hop limit are checked here too. */
static void read_sent(const uint8_t *frame, size_t len, struct sent *out)
{
	struct span s = span_of(frame, len);
	struct eth_hdr eth;
	struct ipv6_hdr ip;

	*out = (struct sent){0};
	cr_assert(eth_parse(&s, &eth) == 0 && memcmp(eth.src, my_mac, 6) == 0);
	if (eth.ethertype == ETHTYPE_ARP) {
		struct arp_packet a;

		cr_assert(arp_parse(&s, &a) == 0 && span_len(&s) == 0);
		cr_assert(memcmp(a.sender_mac, my_mac, 6) == 0);
		out->arp = true;
		out->m.verb = a.op == ARP_REQUEST && !addr_eq(&a.sender, &a.target)
				      ? NEIGH_SOLICIT
				      : NEIGH_ADVERTISE;
		out->m.source = a.sender;
		out->m.target = out->m.verb == NEIGH_SOLICIT ? a.target : a.sender;
		out->m.solicited = a.op == ARP_REPLY;
		out->m.to = a.target;
	} else if (eth.ethertype == ETHTYPE_IPV6 && ipv6_parse(&s, &ip) == 0 &&
		   ip.next == IPPROTO_ICMPV6) {
		struct nd_carrier c = {.src = ip.src, .dst = ip.dst, .hop_limit = ip.hop_limit};
		struct nd_msg nd;

		cr_assert(span_len(&s) == ip.payload_len);
		cr_assert(csum_segment(&ip.src, &ip.dst, true, IPPROTO_ICMPV6, s.p, span_len(&s)) ==
			  0);
		cr_assert(nd_parse(s, &c, &nd) == 0, "we send what we would not accept");
		cr_assert(!nd.has_lladdr || memcmp(nd.lladdr, my_mac, 6) == 0);
		out->m.verb = nd.type == ND_SOLICIT ? NEIGH_SOLICIT : NEIGH_ADVERTISE;
		out->m.source = ip.src;
		out->m.target = nd.target;
		out->m.solicited = nd.solicited;
		out->m.override = nd.override;
		out->m.to = ip.dst;
		out->m.has_nonce = nd.has_nonce;
		memcpy(out->m.nonce, nd.nonce, 6);
	} else {
		out->held = true;
	}
	memcpy(out->m.to_mac, eth.dst, 6);
}

static void on_send(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg;
	cr_assert(t.sent < 256);
	read_sent(frame, len, &t.log[t.sent++]);
}

static void on_failed(void *arg, uint64_t now, const uint8_t *frame, size_t len)
{
	(void)arg;
	(void)frame;
	cr_assert(now == 4 * s1 && len == 60);
	t.failed++;
}

static void start_with(bool v6, bool skip_dad, uint32_t entries_max, uint32_t incomplete_max)
{
	struct neigh_config cfg = {.io = {on_send, on_failed, NULL},
				   .n_own = 2,
				   .skip_dad = skip_dad,
				   .entries_max = entries_max,
				   .incomplete_max = incomplete_max,
				   .key = {3, 4}};

	memcpy(cfg.mac, my_mac, 6);
	cfg.own[0] = (struct neigh_own){address("198.51.100.2"), 24};
	cfg.own[1] = (struct neigh_own){address("2001:db8:1::2"), 64};
	memset(&t, 0, sizeof(t));
	t.v6 = v6;
	t.me = cfg.own[v6].addr;
	t.peer = address(v6 ? "2001:db8:1::1" : "198.51.100.1");
	cr_assert(neigh_new(&cfg, s1, &t.n) == 0);
}

static void start(bool v6)
{
	start_with(v6, true, 0, 0);
}

/* What a station on the link says, as a frame of its family. */
static int hear(uint64_t now, const uint8_t *from, enum neigh_verb verb, const struct addr *source,
		const struct addr *target, bool solicited, bool override)
{
	struct outbuf out;
	uint8_t buf[128];

	out = outbuf_of(buf, sizeof(buf));
	if (!t.v6) {
		struct arp_packet a = {.op = verb == NEIGH_SOLICIT || !solicited ? ARP_REQUEST
										 : ARP_REPLY,
				       .sender = verb == NEIGH_SOLICIT ? *source : *target,
				       .target = solicited ? t.me : *target};

		memcpy(a.sender_mac, from, 6);
		if (solicited)
			memcpy(a.target_mac, my_mac, 6);
		cr_assert(arp_build(&a, &out) == ARP_LEN);
		return neigh_input_arp(t.n, now, from, solicited ? my_mac : broadcast_mac,
				       span_of(buf, out.len));
	}
	struct nd_msg nd = {.type = verb == NEIGH_SOLICIT ? ND_SOLICIT : ND_ADVERT,
			    .target = *target,
			    .solicited = solicited,
			    .override = override,
			    .has_lladdr = verb == NEIGH_ADVERTISE || !addr_is_any(source)};
	struct addr dst = verb == NEIGH_SOLICIT ? nd_solicited_node(target)
			  : solicited		? t.me
						: address("ff02::1");

	memcpy(nd.lladdr, from, 6);
	cr_assert(nd_build(&nd, verb == NEIGH_SOLICIT ? source : target, &dst, &out) > 0);
	return neigh_input_nd(t.n, now, from, verb == NEIGH_SOLICIT ? source : target, &dst, 255,
			      span_of(buf, out.len));
}

static int answer_from(uint64_t now, const uint8_t *mac, bool solicited)
{
	return hear(now, mac, NEIGH_ADVERTISE, NULL, &t.peer, solicited, true);
}

static int ask_from(uint64_t now, const uint8_t *mac, const struct addr *source)
{
	return hear(now, mac, NEIGH_SOLICIT, source, &t.me, false, false);
}

/* Lets time pass, waking up exactly when the machine asked for it. */
static void run_until(uint64_t until)
{
	int steps = 0;

	while (neigh_deadline(t.n) <= until) {
		neigh_timers(t.n, neigh_deadline(t.n));
		cr_assert(++steps < 1000, "the machine spins");
	}
}

static struct sent *last(void)
{
	cr_assert(t.sent > 0, "nothing was sent");
	return &t.log[t.sent - 1];
}

static bool resolves_to(uint64_t now, const uint8_t *mac)
{
	uint8_t got[6];

	return neigh_resolve(t.n, now, &t.peer, got) == 0 && memcmp(got, mac, 6) == 0;
}

static enum neigh_state peer_state(void)
{
	for (uint32_t i = 0; i < t.n->cfg.entries_max; i++)
		if (t.n->entries[i].state != NEIGH_FREE && addr_eq(&t.n->entries[i].addr, &t.peer))
			return t.n->entries[i].state;
	return NEIGH_FREE;
}

static void hold_frame(void)
{
	uint8_t frame[60] = {0};

	memcpy(frame + 6, my_mac, 6);
	frame[12] = 0x08;
	cr_assert(neigh_hold(t.n, &t.peer, frame, sizeof(frame)) == 0);
}

/* Each test runs for ARP and for neighbour discovery. */
#define BOTH(name)                                                                                 \
	static void name(bool v6);                                                                 \
	Test(neigh, name##_arp, .fini = finish)                                                    \
	{                                                                                          \
		name(false);                                                                       \
	}                                                                                          \
	Test(neigh, name##_nd, .fini = finish)                                                     \
	{                                                                                          \
		name(true);                                                                        \
	}                                                                                          \
	static void name(bool v6)

static void finish(void)
{
	neigh_free(t.n);
}

BOTH(a_neighbour_is_asked_for_and_its_frame_follows)
{
	uint8_t mac[6];

	start(v6);
	cr_assert(neigh_resolve(t.n, s1, &t.peer, mac) == -EINPROGRESS);
	cr_assert(t.sent == 1 && last()->m.verb == NEIGH_SOLICIT);
	cr_assert(addr_eq(&last()->m.target, &t.peer) && addr_eq(&last()->m.source, &t.me));
	cr_assert(last()->m.to_mac[0] == (v6 ? 0x33 : 0xff), "asked of everybody");
	hold_frame();
	hold_frame(); /* the later one takes its place */
	cr_assert(neigh_resolve(t.n, s1 + ms, &t.peer, mac) == -EINPROGRESS && t.sent == 1);
	cr_assert(answer_from(s1 + 2 * ms, peer_mac, true) == 0);
	cr_assert(t.sent == 2 && last()->held && memcmp(last()->m.to_mac, peer_mac, 6) == 0);
	cr_assert(resolves_to(s1 + 3 * ms, peer_mac) && peer_state() == NEIGH_REACHABLE);
}

BOTH(who_does_not_answer_is_given_up_after_three_questions)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	hold_frame();
	run_until(s1 + 2900 * ms);
	cr_assert(t.sent == 3 && t.failed == 0);
	run_until(s1 + 3000 * ms);
	cr_assert(t.sent == 3 && t.failed == 1 && peer_state() == NEIGH_FREE);
	cr_assert(neigh_deadline(t.n) == UINT64_MAX);
}

BOTH(an_answer_nobody_asked_for_is_not_believed)
{
	start(v6);
	answer_from(s1, thief_mac, true);
	answer_from(s1, thief_mac, false);
	cr_assert(peer_state() == NEIGH_FREE && t.sent == 0);
}

BOTH(reachability_ages_and_is_probed_only_when_used)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	t.sent = 0;
	run_until(29 * s1);
	cr_assert(resolves_to(29 * s1, peer_mac) && peer_state() == NEIGH_REACHABLE);
	cr_assert(resolves_to(31 * s1, peer_mac) && peer_state() == NEIGH_DELAY);
	run_until(36 * s1 - 1);
	cr_assert(t.sent == 0);
	run_until(36 * s1);
	cr_assert(t.sent == 1 && peer_state() == NEIGH_PROBE);
	cr_assert(memcmp(last()->m.to_mac, peer_mac, 6) == 0, "probes go to the station itself");
	answer_from(36 * s1, peer_mac, true);
	cr_assert(peer_state() == NEIGH_REACHABLE);
	run_until(1000 * s1);
	cr_assert(t.sent == 1, "nobody sends, nobody probes");
}

BOTH(progress_above_confirms_below)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	t.sent = 0;
	for (uint64_t now = 2 * s1; now < 300 * s1; now += s1) {
		run_until(now);
		cr_assert(resolves_to(now, peer_mac));
		neigh_confirm(t.n, now, &t.peer);
	}
	cr_assert(t.sent == 0, "%d probes in spite of acknowledgements", t.sent);
}

/* RFC 7048: still used, asked for with growing intervals, then forgotten. */
BOTH(a_silent_neighbour_is_kept_for_a_while)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	t.sent = 0;
	cr_assert(resolves_to(32 * s1, peer_mac));
	run_until(37 * s1 + 2900 * ms);
	cr_assert(t.sent == 3 && peer_state() == NEIGH_PROBE);
	run_until(40 * s1);
	cr_assert(peer_state() == NEIGH_UNREACHABLE && t.sent == 4);
	cr_assert(memcmp(last()->m.to_mac, peer_mac, 6) != 0, "asked of everybody");
	cr_assert(resolves_to(40 * s1, peer_mac));
	run_until(43 * s1 - 1);
	cr_assert(t.sent == 4);
	run_until(43 * s1);
	cr_assert(t.sent == 5);
	run_until(52 * s1);
	cr_assert(t.sent == 6);
	run_until(400 * s1);
	cr_assert(t.sent == 8 && peer_state() == NEIGH_FREE);
}

BOTH(a_moved_neighbour_is_found_again)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	answer_from(2 * s1, thief_mac, false); /* its new card */
	cr_assert(peer_state() == NEIGH_PROBE && resolves_to(2 * s1, peer_mac));
	run_until(3 * s1);
	cr_assert(resolves_to(3 * s1, thief_mac), "believed after a second of silence");
	answer_from(3 * s1 + ms, thief_mac, true);
	cr_assert(peer_state() == NEIGH_REACHABLE);
}

/* na6, arpspoof: for an hour, ten times a second, every kind of claim. */
BOTH(a_thief_is_not_believed_while_the_owner_answers)
{
	struct neigh_stats st;
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	for (uint64_t now = 2 * s1; now < 3600 * s1; now += 100 * ms) {
		t.sent = 0;
		run_until(now);
		answer_from(now, thief_mac, now / ms % 200 == 0);
		ask_from(now, thief_mac, &t.peer);
		cr_assert(t.sent <= 3);
		if (t.sent && t.log[0].m.verb == NEIGH_SOLICIT)
			answer_from(now + ms, peer_mac, true);
		cr_assert(resolves_to(now + 2 * ms, peer_mac), "poisoned at %lu ms",
			  (unsigned long)(now / ms));
	}
	neigh_stats(t.n, &st);
	cr_assert(st.suspects > 30000 && st.entries == 1);
}

/* The owner is asked once, however often the claim is repeated, and the first claim is the one. */
BOTH(a_repeated_claim_is_checked_once)
{
	static const uint8_t another[6] = {2, 0, 0, 0, 0, 0x67};
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	t.sent = 0;
	for (uint64_t i = 0; i < 9; i++)
		answer_from(2 * s1 + i * 100 * ms, i ? another : thief_mac, false);
	cr_assert(t.sent == 1, "asked %d times", t.sent);
	run_until(3 * s1);
	cr_assert(resolves_to(3 * s1, thief_mac));
}

Test(neigh, a_frame_from_a_group_is_refused_whatever_it_says, .fini = finish)
{
	struct arp_packet a = {.op = ARP_REQUEST};
	uint8_t buf[ARP_LEN];
	struct outbuf out = outbuf_of(buf, sizeof(buf));

	start(false);
	a.sender = t.peer;
	a.target = t.me;
	memcpy(a.sender_mac, peer_mac, 6);
	cr_assert(arp_build(&a, &out) == ARP_LEN);
	cr_assert(neigh_input_arp(t.n, s1, broadcast_mac, broadcast_mac, span_of(buf, ARP_LEN)) ==
		  -EBADMSG);
	cr_assert(t.sent == 0 && peer_state() == NEIGH_FREE);
}

BOTH(who_asks_us_is_answered_and_learned)
{
	start(v6);
	cr_assert(ask_from(s1, peer_mac, &t.peer) == 0);
	cr_assert(t.sent == 1 && last()->m.verb == NEIGH_ADVERTISE && last()->m.solicited);
	cr_assert(addr_eq(&last()->m.target, &t.me) && addr_eq(&last()->m.to, &t.peer));
	cr_assert(memcmp(last()->m.to_mac, peer_mac, 6) == 0 && (!v6 || last()->m.override));
	cr_assert(peer_state() == NEIGH_STALE && resolves_to(s1, peer_mac) && t.sent == 1);
}

BOTH(questions_for_others_are_none_of_our_business)
{
	struct addr other = address(v6 ? "2001:db8:1::9" : "198.51.100.9");

	start(v6);
	hear(s1, peer_mac, NEIGH_SOLICIT, &t.peer, &other, false, false);
	cr_assert(t.sent == 0 && peer_state() == NEIGH_FREE);
}

BOTH(nothing_is_learned_from_groups_or_from_outside)
{
	static const uint8_t group[6] = {0x01, 0, 0x5e, 0, 0, 1};
	struct addr outside = address(v6 ? "2001:db8:2::1" : "198.51.101.1");
	struct neigh_stats st;

	start(v6);
	cr_assert(ask_from(s1, broadcast_mac, &t.peer) == -EBADMSG);
	cr_assert(ask_from(s1, group, &t.peer) == -EBADMSG);
	cr_assert(t.sent == 0);
	ask_from(s1, peer_mac, &outside);
	neigh_stats(t.n, &st);
	cr_assert(st.entries == 0 && st.bad == 2 && t.sent == 1, "answered, not learned");
}

/* An incomplete entry must not be completed by a group address inside the packet either. */
BOTH(a_group_address_inside_the_packet_is_refused)
{
	uint8_t mac[6];

	start(v6);
	neigh_resolve(t.n, s1, &t.peer, mac);
	if (!v6) {
		struct arp_packet a = {.op = ARP_REPLY, .sender = t.peer, .target = t.me};
		uint8_t buf[ARP_LEN];
		struct outbuf out = outbuf_of(buf, sizeof(buf));

		memcpy(a.sender_mac, broadcast_mac, 6);
		arp_build(&a, &out);
		cr_assert(neigh_input_arp(t.n, s1, peer_mac, my_mac, span_of(buf, ARP_LEN)) ==
			  -EBADMSG);
	} else {
		struct nd_msg nd = {.type = ND_ADVERT, .target = t.peer, .has_lladdr = true};
		uint8_t buf[64];
		struct outbuf out = outbuf_of(buf, sizeof(buf));

		memcpy(nd.lladdr, broadcast_mac, 6);
		nd_build(&nd, &t.peer, &t.me, &out);
		cr_assert(neigh_input_nd(t.n, s1, peer_mac, &t.peer, &t.me, 255,
					 span_of(buf, out.len)) == -EBADMSG);
	}
	cr_assert(peer_state() == NEIGH_INCOMPLETE);
}

BOTH(an_address_is_probed_before_use_and_then_announced)
{
	int probes = 0, announcements = 0;

	start_with(v6, false, 0, 0);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_TENTATIVE);
	ask_from(s1, peer_mac, &t.peer);
	cr_assert(t.sent == 0, "nothing is answered for it yet");
	run_until(20 * s1);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_READY);
	for (int i = 0; i < t.sent; i++) {
		const struct sent *x = &t.log[i];

		if (x->arp == v6)
			continue;
		cr_assert(addr_eq(&x->m.target, &t.me));
		probes += x->m.verb == NEIGH_SOLICIT && addr_is_any(&x->m.source);
		announcements += x->m.verb == NEIGH_ADVERTISE && !x->m.solicited;
	}
	cr_assert(probes == (v6 ? 1 : 3), "%d probes", probes);
	cr_assert(announcements == (v6 ? 1 : 2), "%d announcements", announcements);
	cr_assert(neigh_deadline(t.n) == UINT64_MAX);
}

/* Time to ready: RFC 5227 2.1.1, RFC 4862 5.4. */
BOTH(probing_takes_as_long_as_the_rfc_says)
{
	start_with(v6, false, 0, 0);
	run_until(s1 + (v6 ? 999 : 3999) * ms);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_TENTATIVE);
	run_until(s1 + (v6 ? 2000 : 7000) * ms);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_READY);
}

static void check_duplicate(bool v6, bool by_probe)
{
	uint8_t rival[6];
	struct addr nobody = v6 ? ADDR_ANY6 : ADDR_ANY4;

	start_with(v6, false, 0, 0);
	run_until(s1 + 500 * ms);
	if (by_probe)
		ask_from(s1 + 500 * ms, thief_mac, &nobody);
	else
		hear(s1 + 500 * ms, thief_mac, NEIGH_ADVERTISE, NULL, &t.me, false, true);
	cr_assert(neigh_own_state(t.n, v6, rival) == NEIGH_OWN_DUPLICATE);
	cr_assert(memcmp(rival, thief_mac, 6) == 0);
	run_until(30 * s1);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_DUPLICATE);
	cr_assert(neigh_own_state(t.n, !v6, NULL) == NEIGH_OWN_READY, "the other family goes on");
	t.sent = 0;
	ask_from(31 * s1, peer_mac, &t.peer);
	cr_assert(t.sent == 0, "never answered for");
}

BOTH(an_address_somebody_has_is_not_used)
{
	check_duplicate(v6, false);
}

BOTH(two_who_probe_at_the_same_time_both_give_way)
{
	check_duplicate(v6, true);
}

BOTH(ones_own_probe_coming_back_is_no_rival)
{
	struct addr nobody = v6 ? ADDR_ANY6 : ADDR_ANY4;

	start_with(v6, false, 0, 0);
	run_until(2 * s1);
	ask_from(2 * s1, my_mac, &nobody);
	hear(2 * s1, my_mac, NEIGH_ADVERTISE, NULL, &t.me, false, true);
	run_until(20 * s1);
	cr_assert(neigh_own_state(t.n, v6, NULL) == NEIGH_OWN_READY);
}

BOTH(an_address_is_defended_once_in_ten_seconds)
{
	struct neigh_stats st;

	start(v6);
	for (uint64_t now = s1; now < 61 * s1; now += 50 * ms)
		hear(now, thief_mac, NEIGH_ADVERTISE, NULL, &t.me, false, true);
	neigh_stats(t.n, &st);
	cr_assert(st.conflicts == 1200);
	cr_assert(t.sent == 6, "%d defences in a minute", t.sent);
	cr_assert(last()->m.verb == NEIGH_ADVERTISE && addr_eq(&last()->m.target, &t.me));
	cr_assert(st.entries == 0);
}

BOTH(who_probes_for_our_address_is_told)
{
	struct addr nobody = v6 ? ADDR_ANY6 : ADDR_ANY4;

	start(v6);
	ask_from(s1, thief_mac, &nobody);
	cr_assert(t.sent == 1 && last()->m.verb == NEIGH_ADVERTISE);
	cr_assert(addr_eq(&last()->m.target, &t.me));
	cr_assert(v6 ? last()->m.to_mac[0] == 0x33 && !last()->m.solicited
		     : memcmp(last()->m.to_mac, thief_mac, 6) == 0);
}

static struct addr nth(bool v6, unsigned int i)
{
	struct addr a = address(v6 ? "2001:db8:1::1:0" : "198.51.100.0");

	a.b[15] = (uint8_t)(i % 200 + 10);
	if (v6)
		a.b[12] = (uint8_t)(i / 200);
	return a;
}

/* RFC 6583: a scan of the prefix, from inside or outside. */
BOTH(a_flood_of_unknown_addresses_stays_within_limits)
{
	struct neigh_stats st;
	uint8_t mac[6];

	start_with(v6, true, 64, 16);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	for (unsigned int i = 0; i < 20000; i++) {
		struct addr a = nth(v6, i);

		t.sent = 0;
		neigh_resolve(t.n, s1 + i * ms / 10, &a, mac);
		neigh_stats(t.n, &st);
		cr_assert(st.entries <= 64 && st.incomplete <= 16);
	}
	cr_assert(st.refused > 10000 && st.evicted <= 300 && st.evicted > 250,
		  "refused %lu evicted %lu", (unsigned long)st.refused, (unsigned long)st.evicted);
	cr_assert(resolves_to(4 * s1, peer_mac), "the one in use was given up");
}

BOTH(a_flood_of_questions_does_not_displace_who_is_in_use)
{
	struct neigh_stats st;
	uint8_t mac[6];

	start_with(v6, true, 64, 16);
	neigh_resolve(t.n, s1, &t.peer, mac);
	answer_from(s1, peer_mac, true);
	for (unsigned int i = 0; i < 20000; i++) {
		struct addr a = nth(v6, i);

		t.sent = 0;
		ask_from(s1 + i * ms / 10, thief_mac, &a);
		cr_assert(t.sent == 1, "answered all the same");
	}
	neigh_stats(t.n, &st);
	cr_assert(st.entries == 64);
	cr_assert(resolves_to(4 * s1, peer_mac));
}

BOTH(a_permanent_neighbour_stays_as_it_is)
{
	start(v6);
	cr_assert(neigh_set_permanent(t.n, &t.peer, peer_mac) == 0);
	answer_from(s1, thief_mac, true);
	ask_from(s1, thief_mac, &t.peer);
	t.sent = 0;
	run_until(1000 * s1);
	cr_assert(resolves_to(1000 * s1, peer_mac) && t.sent == 0);
	cr_assert(neigh_deadline(t.n) == UINT64_MAX);
}

/* The last octet alone says where an address is looked for first. */
BOTH(neighbours_whose_addresses_end_alike_are_told_apart)
{
	struct addr twin = address(v6 ? "198.51.100.9" : "2001:db8::9");
	uint8_t mac[6];

	start(v6);
	twin.b[15] = t.peer.b[15];
	cr_assert(neigh_set_permanent(t.n, &t.peer, peer_mac) == 0);
	cr_assert(neigh_set_permanent(t.n, &twin, thief_mac) == 0);
	for (int turn = 0; turn < 2; turn++) {
		cr_assert(resolves_to(s1, peer_mac));
		cr_assert(neigh_resolve(t.n, s1, &twin, mac) == 0 &&
			  memcmp(mac, thief_mac, 6) == 0);
	}
}

Test(neigh, router_messages_have_no_effect, .fini = finish)
{
	struct addr router = address("fe80::1"), all = address("ff02::1");
	uint8_t buf[64] = {ND_ROUTER_ADVERT};
	struct neigh_stats st;

	start(true);
	for (uint8_t type = ND_ROUTER_SOLICIT; type <= ND_REDIRECT; type++) {
		if (type == ND_SOLICIT || type == ND_ADVERT)
			continue;
		buf[0] = type;
		cr_assert(neigh_input_nd(t.n, s1, thief_mac, &router, &all, 255,
					 span_of(buf, 40)) == 0);
	}
	neigh_stats(t.n, &st);
	cr_assert(st.entries == 0 && t.sent == 0 && st.bad == 0);
	cr_assert(neigh_input_nd(t.n, s1, thief_mac, &router, &all, 64, span_of(buf, 40)) ==
		  -EBADMSG);
}

Test(neigh, refuses_senseless_configurations)
{
	struct neigh_config cfg = {.io = {on_send, NULL, NULL}, .n_own = 1};
	struct neigh *n;

	cfg.own[0] = (struct neigh_own){address("198.51.100.2"), 33};
	cr_assert(neigh_new(&cfg, 0, &n) == -EINVAL);
	cfg.own[0] = (struct neigh_own){ADDR_ANY4, 24};
	cr_assert(neigh_new(&cfg, 0, &n) == -EINVAL);
	cfg.own[0] = (struct neigh_own){address("198.51.100.2"), 24};
	cfg.mac[0] = 1;
	cr_assert(neigh_new(&cfg, 0, &n) == -EINVAL);
}
