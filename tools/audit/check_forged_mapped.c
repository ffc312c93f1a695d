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
 * After a forged datagram that is not answered soon an honest one is sent. When that is answered, a
 * server that works in order is done with both; one that works side by side is given as long again,
 * several times over. One that does not answer the honest one has lost some, and is asked again.
 */
enum {
	LINGER_MIN_MS = 30,
	LINGER_MAX_MS = 400,
	LINGER_FACTOR = 8,
	SHORT_WAIT_MS = 120,
	SOURCES = 2,
	TRIES = 3
};

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
	return p;
}

/* Until it is answered, or @ms are over. Returns whether it is. */
static bool linger(struct audit *a, const struct forged *f, uint64_t ms)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + ms * NS_PER_MS, now;
	struct pollfd fds[1 + GUEST_FDS] = {{.fd = f->fd, .events = POLLIN}};

	for (now = 0; !fds[0].revents && now < end; now = clock_ns(CLOCK_MONOTONIC)) {
		poll(fds, 1 + guest_fds(a->guest, fds + 1), LINGER_MIN_MS);
		guest_step(a->guest);
	}
	return fds[0].revents & POLLIN;
}

/* @took_ms: what the honest one took. */
static uint64_t linger_for(uint64_t took_ms)
{
	uint64_t ms = LINGER_MIN_MS + LINGER_FACTOR * took_ms;

	return ms < LINGER_MAX_MS ? ms : LINGER_MAX_MS;
}

/* One forged datagram and an honest one. Returns 1 when it is clear what became of the first. */
static int try_source(struct audit *a, size_t service, struct forged *f, unsigned int wait_ms)
{
	struct probe honest = honest_probe(a, service);
	uint64_t began, took_ms;
	bool honest_answered = false;
	int ret = forge_send(a, f, a->speech[service].bytes, a->speech[service].len);

	if (ret < 0)
		return ret;
	if (!linger(a, f, LINGER_MIN_MS)) {
		honest.wait_ms = wait_ms;
		began = clock_ns(CLOCK_MONOTONIC);
		ret = audit_probe(a, &honest, 1);
		took_ms = (clock_ns(CLOCK_MONOTONIC) - began) / NS_PER_MS;
		honest_answered = ret == 0 && honest.result == PROBE_ANSWERED;
		if (honest_answered)
			linger(a, f, linger_for(took_ms));
	}
	forge_finish(f);
	if (ret < 0)
		return ret;
	return f->answered || honest_answered;
}

static void show(const struct forged *f, struct audit_result *r)
{
	struct flow_key flow = {
		.server = f->to,
		.client = f->source,
		.server_port = f->port,
		.client_port = f->sport,
		.proto = IPPROTO_UDP,
	};

	result_show_flow(r, &flow);
}

/* Returns how many of the sources could be checked with this service, or -errno. */
static int check_service(struct audit *a, size_t i, struct audit_result *r)
{
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	const struct addr sources[SOURCES] = {audit_client(false, 0), addr_from_v4(loopback)};
	char where[SERVICE_TEXT];
	int clear = 0, ret = 0;

	service_text(&a->services[i], where);
	for (int k = 0; k < SOURCES && ret >= 0; k++) {
		struct forged f = {
			.source = sources[k],
			.to = a->lab.host[LAB_SERVER].v6[0],
			.port = a->services[i].port,
			.fd = -1,
		};

		ret = 0;
		for (int t = 0; t < TRIES && ret == 0; t++)
			ret = try_source(a, i, &f,
					 t + 1 < TRIES ? SHORT_WAIT_MS : a->cfg->answer_ms);
		if (ret > 0)
			forged_judge(where, &f.source,
				     !f.answered ? FORGED_NONE
				     : k == 0	 ? FORGED_TO_CLIENT
						 : FORGED_TO_SELF,
				     r);
		if (ret > 0 && f.answered)
			show(&f, r);
		clear += ret > 0;
	}
	return ret < 0 ? ret : clear;
}

void check_forged_mapped_run(struct audit *a, struct audit_result *r)
{
	int services = 0, answering = 0, clear = 0, ret = 0;

	for (size_t i = 0; i < a->n_services && ret >= 0; i++) {
		if (a->services[i].proto != IPPROTO_UDP ||
		    !audit_listener(a, i, &a->lab.host[LAB_SERVER].v6[0]))
			continue;
		services++;
		if (!a->speech[i].answers)
			continue;
		answering++;
		ret = check_service(a, i, r);
		clear += ret;
	}
	if (ret < 0)
		result_set(r, AUDIT_FAILED, "the clients could not be run to their end");
	else if (!services)
		result_set(r, AUDIT_NOT_ASKED, "it has no UDP port for IPv6");
	else if (!answering)
		result_set(r, a->cfg->chosen ? AUDIT_FAILED : AUDIT_NOT_ASKED,
			   "no UDP answer: --send TEXT says what it answers to");
	else if (r->n)
		result_set(r, AUDIT_FOUND, "of %d forged datagrams %zu were answered",
			   SOURCES * answering, r->n + r->unlisted);
	else if (clear < SOURCES * answering) {
		result_set(
			r, AUDIT_FAILED,
			"it does not answer every honest IPv6 datagram, so silence proves nothing");
		r->try_again = true;
	} else
		result_set(
			r, AUDIT_CLEAN,
			"native IPv6 datagrams from ::ffff:198.51.100.11 and ::ffff:127.0.0.1 are "
			"not answered");
}
