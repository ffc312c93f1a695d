/* SPDX-License-Identifier: MIT */
/* check_forged_mapped.c - is a native IPv6 datagram from a ::ffff: address taken for an IPv4
 * client's? */
#include "../../rawstack/clock.h"
#include "checks.h"
#include "forge.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>

/*
 * After the forged datagrams an honest one is sent and answered: what a server works through in
 * order is then done. One with several workers has LINGER_MS more.
 */
enum { LINGER_MS = 30, SOURCES = 2 };

void forged_judge(const char *where, const struct addr *source, enum forged_answer answer,
		  struct audit_result *r)
{
	static const char remedy[] =
		"drop datagrams whose source is ::ffff:0:0/96 while IPV6_PKTINFO gives a native "
		"destination, use separate sockets with IPV6_V6ONLY, or let the firewall do it: "
		"nft add rule ... ip6 saddr ::ffff:0:0/96 drop";
	char text[ADDR_STRLEN];

	addr_print(source, ADDR_FORM_INET6, text);
	if (answer == FORGED_TO_CLIENT)
		result_find(
			r, SEVERITY_BUG, where, remedy,
			"a native IPv6 datagram from %s is answered over IPv4: any IPv6 host can "
			"pass for this IPv4 client, and have it sent what it did not ask for",
			text);
	else if (answer == FORGED_TO_SELF)
		result_find(
			r, SEVERITY_BUG, where, remedy,
			"a native IPv6 datagram from %s is answered to the server's own lo: any "
			"IPv6 host can pass for the server's own",
			text);
}

static struct probe honest_probe(const struct audit *a, size_t service)
{
	struct probe p = audit_new_probe(a, service);

	p.family = AF_INET6;
	p.to.addr = a->lab.host[LAB_SERVER].v6[0];
	p.from.addr = a->lab.host[LAB_CLIENT].v6[0];
	p.wait_ms = a->cfg->answer_ms;
	return p;
}

/* Until both are answered or LINGER_MS are over. */
static void linger(struct audit *a, const struct forged *f)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)LINGER_MS * NS_PER_MS;
	struct pollfd fds[SOURCES + GUEST_FDS];
	bool done = false;

	while (!done && clock_ns(CLOCK_MONOTONIC) < end) {
		for (int k = 0; k < SOURCES; k++)
			fds[k] = (struct pollfd){.fd = f[k].fd, .events = POLLIN};
		poll(fds, SOURCES + guest_fds(a->guest, fds + SOURCES), LINGER_MS);
		done = fds[0].revents && fds[1].revents;
		guest_step(a->guest);
	}
}

/* Returns whether the check could be carried out for this service. */
static bool check_service(struct audit *a, size_t i, struct audit_result *r)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	struct forged f[SOURCES] = {
		{.source = audit_client(false, 0), .fd = -1},
		{.source = addr_from_v4(loopback), .fd = -1},
	};
	struct probe before = honest_probe(a, i), after = before;
	char where[SERVICE_TEXT];
	int ret;

	ret = audit_probe(a, &before, 1);
	if (ret < 0 || before.result != PROBE_ANSWERED)
		return false;
	for (int k = 0; k < SOURCES && ret == 0; k++) {
		f[k].to = before.to.addr;
		f[k].port = before.to.port;
		ret = forge_send(a, &f[k], a->speech[i].bytes, a->speech[i].len);
	}
	if (ret == 0)
		ret = audit_probe(a, &after, 1);
	if (ret == 0)
		linger(a, f);
	service_text(&a->services[i], where);
	for (int k = 0; k < SOURCES; k++) {
		forge_finish(&f[k]);
		forged_judge(where, &f[k].source,
			     !f[k].answered ? FORGED_NONE
			     : k == 0	    ? FORGED_TO_CLIENT
					    : FORGED_TO_SELF,
			     r);
	}
	return ret == 0;
}

void check_forged_mapped_run(struct audit *a, struct audit_result *r)
{
	unsigned int services = 0, checked = 0;

	for (size_t i = 0; i < a->n_services; i++) {
		if (a->services[i].proto != IPPROTO_UDP ||
		    !audit_listener(a, i, &a->lab.host[LAB_SERVER].v6[0]))
			continue;
		services++;
		checked += a->speech[i].answers && check_service(a, i, r);
	}
	if (!services)
		result_set(r, AUDIT_NOT_ASKED, "it has no UDP port for IPv6");
	else if (!checked)
		result_set(r, a->cfg->chosen ? AUDIT_FAILED : AUDIT_NOT_ASKED,
			   "no UDP answer over IPv6: --send TEXT says what it answers to");
	else
		result_set(
			r, AUDIT_CLEAN,
			"datagrams from ::ffff:198.51.100.11 and ::ffff:127.0.0.1 in native IPv6 "
			"were not answered");
}
