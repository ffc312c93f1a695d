/* SPDX-License-Identifier: MIT */
/* test_load.c - both load generators against real servers: every connection is accounted for */
#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/load/neighbour.h"
#include "../../uring/load/raw.h"
#include "../../uring/load/responder.h"
#include "../../uring/load/sockets.h"
#include "../../uring/load/template.h"
#include "../../uring/server.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

enum { PORT = 7000, COUNT = 200, PAYLOAD = 64, SOURCES = 4, STALL_MS = 300 };

/* A server on a thread of its own, in the lab's server namespace. */
struct host {
	struct lab lab;
	const char *workload;
	struct server *server;
	struct responder *responder;
	pthread_t thread;
	sem_t ready;
	uint64_t accepted, closed, resets; /* by the server's thread, read after it has ended */
	volatile bool stop;		   /* the responder */
	uint64_t stall_at;		   /* when so many are accepted, no more for STALL_MS */
};

static void observe(const struct server_record *rec, void *arg)
{
	struct host *h = arg;

	h->accepted += rec->event == SERVER_ACCEPTED;
	if (rec->event == SERVER_ACCEPTED && h->accepted == h->stall_at)
		poll(NULL, 0, STALL_MS);
	h->closed += rec->event == SERVER_CLOSED;
	h->resets += rec->event == SERVER_CLOSED && rec->error == -ECONNRESET;
}

static void *serve(void *arg)
{
	struct host *h = arg;
	const struct listen_spec spec = {.proto = IPPROTO_TCP,
					 .family = AF_INET6,
					 .bind = {.addr = ADDR_ANY6, .port = PORT},
					 .backlog = 1024};
	struct server_config cfg = {.engine = "auto",
				    .workload = h->workload,
				    .listeners = &spec,
				    .n_listeners = 1,
				    .drain_ms = 100,
				    .observe = observe,
				    .observe_arg = h};
	struct server_error err;
	int back, rc;

	cr_assert(netns_enter(h->lab.host[LAB_SERVER].netns_fd, &back) == 0);
	rc = server_create(&cfg, &h->server, &err);
	cr_assert(rc == 0, "%s: %s", err.what, strerror(-rc));
	sem_post(&h->ready);
	server_run(h->server);
	server_destroy(h->server);
	netns_leave(back);
	return NULL;
}

static void host_start(struct host *h, const char *workload)
{
	struct lab_error err;

	*h = (struct host){.workload = workload};
	cr_assert(lab_create(&h->lab, &err) == 0, "%s: %s", err.step, err.detail);
	if (!workload)
		return;
	sem_init(&h->ready, 0, 0);
	cr_assert(pthread_create(&h->thread, NULL, serve, h) == 0);
	while (sem_wait(&h->ready) < 0)
		continue;
}

/* Ends the server; its counts are final then. */
static void host_stop(struct host *h)
{
	if (h->workload) {
		server_stop(h->server);
		pthread_join(h->thread, NULL);
	}
	lab_destroy(&h->lab);
}

static struct load_plan plan_of(enum load_workload w, uint32_t requests, enum load_close how)
{
	return (struct load_plan){.workload = w,
				  .close = how,
				  .payload = w == LOAD_ACCEPT ? 0 : PAYLOAD,
				  .expect = w == LOAD_ACCEPT ? 0 : PAYLOAD,
				  .requests = requests,
				  .in_flight = 32,
				  .count = COUNT,
				  .timeout_ns = 5000000000};
}

static const char *request(void)
{
	static char text[TEMPLATE_PAYLOAD_MAX];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('A' + i % 57);
	return text;
}

static struct raw_config raw_config_of(const struct host *h, bool v6, const struct load_plan *plan)
{
	const struct lab_host *c = &h->lab.host[LAB_CLIENT], *s = &h->lab.host[LAB_SERVER];
	struct raw_config cfg = {.netns_fd = c->netns_fd,
				 .ifindex = c->ifindex,
				 .sources = {.n_addrs = SOURCES, .port_lo = 2000, .port_hi = 2099},
				 .target = {.addr = v6 ? s->v6[0] : s->v4[0], .port = PORT},
				 .plan = *plan,
				 .payload = request()};

	cr_assert(addr_parse(v6 ? "2001:db8:1::100" : "198.51.100.100", &cfg.sources.first, NULL) ==
		  0);
	return cfg;
}

static void print_result(const struct load_result *r)
{
	fprintf(stderr, "started %lu completed %lu requests %lu tx %lu rx %lu again %lu\n",
		r->started, r->completed, r->requests, r->frames.tx, r->frames.rx,
		r->frames.retransmits);
	for (int e = 0; e < LOAD_ERRORS; e++)
		if (r->errors[e])
			fprintf(stderr, "  error %s %lu\n", load_error_name(e), r->errors[e]);
	for (int d = 0; d < LOAD_DISLIKES; d++)
		if (r->disliked[d])
			fprintf(stderr, "  disliked %s %lu\n", load_dislike_name(d),
				r->disliked[d]);
}

/* Runs it and copies the result. */
static struct load_result *raw_load(const struct raw_config *cfg)
{
	struct load_result *copy = malloc(sizeof(*copy));
	const char *what;
	struct raw *raw;
	int rc = raw_open(cfg, &raw, &what);

	cr_assert(copy);
	cr_assert(rc == 0, "%s: %s", what, strerror(-rc));
	rc = raw_resolve(raw);
	cr_assert(rc == 0, "resolve: %s", strerror(-rc));
	rc = raw_run(raw);
	cr_assert(rc == 0, "run: %s", strerror(-rc));
	*copy = *raw_result(raw);
	raw_close(raw);
	print_result(copy);
	return copy;
}

static uint64_t sum(const uint64_t *counts, int n)
{
	uint64_t total = 0;

	while (n-- > 0)
		total += counts[n];
	return total;
}

static void expect_perfect(const struct load_result *r, uint64_t requests)
{
	cr_assert(r->started == COUNT && r->completed == COUNT, "started %lu completed %lu",
		  r->started, r->completed);
	cr_assert(sum(r->errors, LOAD_ERRORS) == 0);
	cr_assert(r->disliked[LOAD_BAD_CHECKSUM] == 0 && r->disliked[LOAD_BAD_FRAME] == 0 &&
		  r->disliked[LOAD_BAD_ACK] == 0 && r->disliked[LOAD_BAD_FLAGS] == 0 &&
		  r->disliked[LOAD_WRONG_HOST] == 0);
	cr_assert(r->requests == requests && r->latency.count == requests, "requests %lu, not %lu",
		  r->requests, requests);
	cr_assert(r->frames.dropped == 0 && r->latency.min > 0);
}

/* How connections ended, as the server was told. One that closes itself is told nothing. */
static void expect_resets(const struct host *h, enum load_workload w, enum load_close how)
{
	uint64_t want = w != LOAD_ACCEPT && how == LOAD_CLOSE_RST ? COUNT : 0;

	cr_assert(h->resets == want, "close %d: %lu resets, not %lu", how, h->resets, want);
}

/* One way of loading a server, and what it must have seen. */
static void raw_against_server(const char *workload, enum load_workload w, uint32_t requests)
{
	for (int v6 = 0; v6 < 2; v6++) {
		for (enum load_close how = LOAD_CLOSE_RST; how <= LOAD_CLOSE_FIN; how++) {
			struct load_plan plan = plan_of(w, requests, how);
			struct load_result *r;
			struct raw_config cfg;
			struct host h;

			host_start(&h, workload);
			cfg = raw_config_of(&h, v6, &plan);
			r = raw_load(&cfg);
			host_stop(&h);
			expect_perfect(r, (uint64_t)COUNT * requests);
			cr_assert(h.accepted == COUNT && h.closed == COUNT,
				  "v6 %d close %d: accepted %lu closed %lu", v6, how, h.accepted,
				  h.closed);
			expect_resets(&h, w, how);
			free(r);
		}
	}
}

Test(load, raw_accept)
{
	raw_against_server("accept", LOAD_ACCEPT, 1);
}

Test(load, raw_one_request)
{
	raw_against_server("echo", LOAD_ECHO, 1);
}

Test(load, raw_kept_connections)
{
	raw_against_server("echo", LOAD_ECHO, 7);
}

static struct load_result *sockets_load(const struct host *h, int family, bool v6,
					const struct load_plan *plan, bool bound)
{
	const struct lab_host *c = &h->lab.host[LAB_CLIENT], *s = &h->lab.host[LAB_SERVER];
	struct sockets_config cfg = {.family = family,
				     .target = {.addr = v6 ? s->v6[0] : s->v4[0], .port = PORT},
				     .bind = bound,
				     .sources = {.first = v6 ? c->v6[0] : c->v4[0],
						 .n_addrs = 1,
						 .port_lo = 20000,
						 .port_hi = 29999},
				     .plan = *plan,
				     .payload = request()};
	struct load_result *copy = malloc(sizeof(*copy));
	struct sockets *sockets;
	const char *what;
	int back, rc;

	cr_assert(copy && netns_enter(c->netns_fd, &back) == 0);
	rc = sockets_open(&cfg, &sockets, &what);
	cr_assert(rc == 0, "%s: %s", what, strerror(-rc));
	rc = sockets_run(sockets);
	cr_assert(rc == 0, "run: %s", strerror(-rc));
	*copy = *sockets_result(sockets);
	rc = sockets_last_error(sockets, &what);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", what, strerror(-rc));
	sockets_close(sockets);
	netns_leave(back);
	print_result(copy);
	return copy;
}

static void sockets_against_server(const char *workload, enum load_workload w, uint32_t requests)
{
	static const struct {
		int family;
		bool v6;
	} families[] = {{AF_INET, false}, {AF_INET6, false}, {AF_INET6, true}};

	for (size_t f = 0; f < 3; f++) {
		for (enum load_close how = LOAD_CLOSE_RST; how <= LOAD_CLOSE_FIN; how++) {
			struct load_plan plan = plan_of(w, requests, how);
			struct load_result *r;
			struct host h;

			host_start(&h, workload);
			r = sockets_load(&h, families[f].family, families[f].v6, &plan, f % 2);
			host_stop(&h);
			expect_perfect(r, (uint64_t)COUNT * requests);
			cr_assert(h.accepted == COUNT && h.closed == COUNT,
				  "family %zu close %d: accepted %lu closed %lu", f, how,
				  h.accepted, h.closed);
			expect_resets(&h, w, how);
			free(r);
		}
	}
}

Test(load, sockets_accept)
{
	sockets_against_server("accept", LOAD_ACCEPT, 1);
}

Test(load, sockets_one_request)
{
	sockets_against_server("echo", LOAD_ECHO, 1);
}

Test(load, sockets_kept_connections)
{
	sockets_against_server("echo", LOAD_ECHO, 7);
}

/* Nobody listens: each connection is refused, counted once, and the loop goes on. */
Test(load, refused_by_a_closed_port)
{
	struct load_plan plan = plan_of(LOAD_ACCEPT, 1, LOAD_CLOSE_RST);

	for (int v6 = 0; v6 < 2; v6++) {
		struct load_result *r;
		struct raw_config cfg;
		struct host h;

		host_start(&h, NULL);
		cfg = raw_config_of(&h, v6, &plan);
		r = raw_load(&cfg);
		cr_assert(r->errors[LOAD_ERR_REFUSED] == COUNT && r->completed == 0);
		free(r);
		r = sockets_load(&h, v6 ? AF_INET6 : AF_INET, v6, &plan, false);
		cr_assert(r->errors[LOAD_ERR_REFUSED] == COUNT && r->completed == 0);
		free(r);
		host_stop(&h);
	}
}

/* A server that takes and says nothing: every connection runs into its timeout, none is forgotten,
 * and others take their places. */
Test(load, silent_server)
{
	struct load_plan plan = plan_of(LOAD_ECHO, 1, LOAD_CLOSE_RST);
	struct load_result *r;
	struct raw_config cfg;
	struct host h;

	plan.timeout_ns = 150000000;
	plan.count = 3 * plan.in_flight;
	host_start(&h, "discard");
	cfg = raw_config_of(&h, false, &plan);
	r = raw_load(&cfg);
	cr_assert(r->started == plan.count && r->errors[LOAD_ERR_TIMEOUT] == plan.count);
	free(r);
	r = sockets_load(&h, AF_INET, false, &plan, false);
	cr_assert(r->started == plan.count && r->errors[LOAD_ERR_TIMEOUT] == plan.count);
	free(r);
	host_stop(&h);
}

/* Fewer places than connections wanted: the loop waits for one, and stays within its range. */
Test(load, more_in_flight_than_places)
{
	struct load_plan plan = plan_of(LOAD_ECHO, 3, LOAD_CLOSE_FIN);
	struct load_result *r;
	struct raw_config cfg;
	struct host h;

	host_start(&h, "echo");
	cfg = raw_config_of(&h, false, &plan);
	cfg.sources.port_hi = cfg.sources.port_lo + 1;
	r = raw_load(&cfg);
	host_stop(&h);
	expect_perfect(r, 3 * COUNT);
	free(r);
}

/* Places are used again and again, while the server has them in TIME-WAIT. */
/*
 * A server that accepts nobody for a while has a queue of 1024: opening 4000 connections must not
 * overflow it, though the kernel goes on answering SYNs until then.
 */
Test(load, held_connections_are_opened_as_fast_as_the_server_accepts)
{
	enum { HELD = 4000 };
	struct host h;
	struct load_plan plan = plan_of(LOAD_ECHO, 1, LOAD_CLOSE_RST);
	struct raw_config cfg;
	struct load_result *r;

	host_start(&h, "echo");
	h.stall_at = 100;
	plan.count = plan.in_flight = HELD;
	plan.hold_ns = 1000000;
	cfg = raw_config_of(&h, false, &plan);
	cfg.sources.port_hi = 2999;
	r = raw_load(&cfg);
	host_stop(&h);
	cr_assert(r->held == HELD && r->completed == HELD && sum(r->errors, LOAD_ERRORS) == 0);
	cr_assert(r->opening_ns >= STALL_MS * UINT64_C(1000000), "it did not stall");
	cr_assert(r->frames.retransmits == 0, "%lu segments were lost", r->frames.retransmits);
	cr_assert(r->pilots >= HELD / 32 && r->requests - r->pilots == HELD / 2, "%lu, %lu before",
		  r->requests, r->pilots);
	free(r);
}

Test(load, places_are_used_again)
{
	struct load_plan plan = plan_of(LOAD_ACCEPT, 1, LOAD_CLOSE_FIN);
	struct load_result *r;
	struct raw_config cfg;
	struct host h;

	host_start(&h, "accept");
	cfg = raw_config_of(&h, true, &plan);
	cfg.sources.port_hi = cfg.sources.port_lo + 9;
	r = raw_load(&cfg);
	host_stop(&h);
	expect_perfect(r, COUNT);
	cr_assert(r->latency.max < 900000000, "no SYN had to be sent again: %lu ns",
		  r->latency.max);
	free(r);
}

Test(load, nobody_has_the_target)
{
	struct load_plan plan = plan_of(LOAD_ACCEPT, 1, LOAD_CLOSE_RST);

	for (int v6 = 0; v6 < 2; v6++) {
		struct raw_config cfg;
		const char *what;
		struct raw *raw;
		struct host h;

		host_start(&h, NULL);
		cfg = raw_config_of(&h, v6, &plan);
		cr_assert(addr_parse(v6 ? "2001:db8:1::99" : "198.51.100.99", &cfg.target.addr,
				     NULL) == 0);
		cr_assert(raw_open(&cfg, &raw, &what) == 0);
		cr_assert(raw_resolve(raw) == -EHOSTUNREACH);
		raw_close(raw);
		host_stop(&h);
	}
}

/* A FIN of a server's old connection, to the first of the sources. */
static void send_old_segment(const struct host *h, const struct raw_config *cfg)
{
	struct frame_spec spec = {.ipv6 = !addr_is_mapped(&cfg->target.addr),
				  .src = cfg->target.addr,
				  .dst = cfg->sources.first,
				  .dport = cfg->sources.port_lo,
				  .dst_mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	struct template_fields f = {.sport = cfg->target.port, .seq = 1, .ack = 1};
	static struct template_set set;
	uint8_t frame[TEMPLATE_FRAME_MAX];
	size_t len;
	int fd;

	memcpy(spec.src_mac, h->lab.host[LAB_SERVER].mac, sizeof(spec.src_mac));
	cr_assert(template_fill(&set, &spec, "", 0) == 0);
	f.low = get_be32(cfg->target.addr.b + 12);
	len = template_write(&set.kind[SEGMENT_FIN], &f, frame);
	fd = netns_socket(h->lab.host[LAB_SERVER].netns_fd, AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)h->lab.host[LAB_SERVER].ifindex;
	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	cr_assert(send(fd, frame, len, 0) == (ssize_t)len, "send: %m");
	close(fd);
}

/* What an earlier run left open is told again by the server, before it has been found. */
Test(load, segments_that_come_before_the_server_is_found_are_passed_over)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct load_plan plan = plan_of(LOAD_ACCEPT, 1, LOAD_CLOSE_RST);
		struct raw_config cfg;
		const char *what;
		struct raw *raw;
		struct host h;

		host_start(&h, "accept");
		cfg = raw_config_of(&h, v6, &plan);
		cr_assert(raw_open(&cfg, &raw, &what) == 0);
		send_old_segment(&h, &cfg);
		cr_assert(raw_resolve(raw) == 0);
		cr_assert(raw_run(raw) == 0);
		expect_perfect(raw_result(raw), COUNT);
		raw_close(raw);
		host_stop(&h);
	}
}

/* Asks from the server's end, while a load runs, for the last of the sources. */
struct asker {
	const struct host *h;
	struct neighbour_msg ask;
	int fd;
	bool told;
};

static int asker_tick(const struct run *run, void *arg)
{
	struct asker *a = arg;
	uint8_t frame[2048];
	struct neighbour_msg msg;
	ssize_t len;

	(void)run;
	while ((len = recv(a->fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		if (neighbour_parse(frame, (size_t)len, &msg) == 0 && msg.op == NEIGHBOUR_TELLS &&
		    addr_eq(&msg.target, &a->ask.target))
			a->told = true;
	len = neighbour_build(&a->ask, frame, sizeof(frame));
	cr_assert(len > 0 && send(a->fd, frame, (size_t)len, 0) == len, "send: %m");
	return a->told;
}

Test(load, answers_for_its_addresses)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct load_plan plan = plan_of(LOAD_ACCEPT, 1, LOAD_CLOSE_RST);
		struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
		struct asker a = {.ask = {.op = NEIGHBOUR_ASKS}};
		struct load_result *r;
		struct raw_config cfg;
		struct host h;

		host_start(&h, "accept");
		/* Slow enough not to be over before the first answer; bounded all the same. */
		plan.rate = 100;
		plan.count = 0;
		plan.duration_ns = 10000000000;
		cfg = raw_config_of(&h, v6, &plan);
		cfg.tick = asker_tick;
		cfg.arg = &a;
		a.ask.sender = cfg.target.addr;
		a.ask.target = sources_addr(&cfg.sources, SOURCES - 1);
		memcpy(a.ask.sender_mac, h.lab.host[LAB_SERVER].mac, 6);
		a.fd = netns_socket(h.lab.host[LAB_SERVER].netns_fd, AF_PACKET, SOCK_RAW, 0);
		to.sll_ifindex = (int)h.lab.host[LAB_SERVER].ifindex;
		cr_assert(a.fd >= 0 && bind(a.fd, (struct sockaddr *)&to, sizeof(to)) == 0);
		r = raw_load(&cfg);
		cr_assert(a.told, "no answer (v6: %d)", v6);
		cr_assert(r->started == r->completed && r->completed > 0);
		free(r);
		close(a.fd);
		host_stop(&h);
	}
}

/* The open loop starts what is due, no more and no less. */
Test(load, open_loop_keeps_its_rate)
{
	struct load_plan plan = plan_of(LOAD_ECHO, 1, LOAD_CLOSE_RST);
	struct load_result *r;
	struct raw_config cfg;
	struct host h;

	plan.rate = 500;
	plan.count = 0;
	plan.duration_ns = 600000000;
	host_start(&h, "echo");
	for (int sockets = 0; sockets < 2; sockets++) {
		cfg = raw_config_of(&h, false, &plan);
		r = sockets ? sockets_load(&h, AF_INET, false, &plan, false) : raw_load(&cfg);
		/* Due at 0, 2, 4 ... 598 ms, however late the loop wakes up. */
		cr_assert(r->started == 300, "%lu", r->started);
		cr_assert(r->completed == r->started && r->requests == r->started);
		free(r);
	}
	host_stop(&h);
}

static int responder_tick(void *arg)
{
	const struct host *h = arg;

	return h->stop;
}

static void *respond(void *arg)
{
	struct host *h = arg;

	cr_assert(responder_run(h->responder) == 0);
	return NULL;
}

/* The responder that keeps nothing serves both workloads in both families. */
Test(load, raw_against_the_responder)
{
	for (int v6 = 0; v6 < 2; v6++) {
		for (int echo = 0; echo < 2; echo++) {
			struct load_plan plan = plan_of(echo ? LOAD_ECHO : LOAD_ACCEPT,
							echo ? 3 : 1, LOAD_CLOSE_FIN);
			struct responder_config rc = {.port = PORT, .echo = echo};
			struct load_result *r;
			struct raw_config cfg;
			struct host h;

			host_start(&h, NULL);
			cfg = raw_config_of(&h, v6, &plan);
			cr_assert(addr_parse(v6 ? "2001:db8:1::77" : "198.51.100.77",
					     &cfg.target.addr, NULL) == 0);
			rc.netns_fd = h.lab.host[LAB_SERVER].netns_fd;
			rc.ifindex = h.lab.host[LAB_SERVER].ifindex;
			rc.addrs = (struct sources){
				.first = cfg.target.addr, .n_addrs = 1, .port_lo = 1, .port_hi = 1};
			rc.tick = responder_tick;
			rc.arg = &h;
			cr_assert(responder_open(&rc, &h.responder) == 0);
			cr_assert(pthread_create(&h.thread, NULL, respond, &h) == 0);
			r = raw_load(&cfg);
			h.stop = true;
			pthread_join(h.thread, NULL);
			expect_perfect(r, (uint64_t)COUNT * plan.requests);
			cr_assert(responder_stats(h.responder)->syn == COUNT &&
				  responder_stats(h.responder)->bad == 0);
			responder_close(h.responder);
			free(r);
			host_stop(&h);
		}
	}
}
