/* SPDX-License-Identifier: MIT */
/* run.c - one lab run: namespaces, server thread, witness, clients, verdicts */
#include "run.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/wire/build.h"
#include "../../rawstack/witness/witness.h"
#include "../../uring/client.h"
#include "lab_server.h"
#include "records.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * The caller's thread drives clients and witness; the server has one of its own (lab_server.h).
 *
 * Limits: every wait has a deadline of at most WAIT_MS.
 */
enum { WAIT_MS = 1000, SETTLE_MS = 500 };

static const char MESSAGE[] = "dualwire: which way did this travel?\n";

struct runner {
	const struct lab_run_config *cfg;
	const struct lab_case *cases;
	struct lab lab;
	struct lab_run *run;
	struct witness *witness;
	struct lab_server *server;
	struct listen_spec listeners[SERVER_LISTENERS_MAX];
	size_t n_listeners;
};

static int fail(struct lab_run_error *err, int rc, const char *remedy, const char *what)
{
	snprintf(err->what, sizeof(err->what), "%s: %s", what, strerrordesc_np(-rc));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

static void add_listeners(struct runner *r, size_t k)
{
	const struct lab_case *c = &r->cases[k];

	for (uint16_t i = 0; i < c->listen_ports; i++) {
		assert(r->n_listeners < SERVER_LISTENERS_MAX);
		r->listeners[r->n_listeners++] = (struct listen_spec){
			.proto = c->proto,
			.family = c->listen_family,
			.bind = {.addr = c->listen_family == AF_INET ? ADDR_ANY4 : ADDR_ANY6,
				 .port = (uint16_t)(lab_case_port(k) + i)},
			.v6only = c->v6only,
			.backlog = 16,
		};
	}
}

static int start_server(struct runner *r, struct lab_run_error *err)
{
	struct server_error why;
	int rc;

	for (size_t i = 0; i < r->cfg->n_selected; i++)
		add_listeners(r, r->cfg->selected[i]);
	rc = lab_server_start(r->lab.host[LAB_SERVER].netns_fd, r->cfg->engine, r->listeners,
			      r->n_listeners, &r->server, &why);
	if (rc == 0)
		return 0;
	fail(err, rc, why.remedy, "cannot start the server");
	if (why.what[0])
		snprintf(err->what, sizeof(err->what), "%s", why.what);
	return rc;
}

static int start_witness(struct runner *r, struct lab_run_error *err)
{
	struct witness_config cfg = {.ring = RING_CONFIG_SMALL, .keep = true, .n_posts = 2};
	const char *what;
	int rc;

	cfg.posts[0] = (struct witness_post){.side = SIDE_CLIENT,
					     .netns_fd = r->lab.host[LAB_CLIENT].netns_fd,
					     .ifindex = r->lab.host[LAB_CLIENT].ifindex};
	cfg.posts[1] = (struct witness_post){.side = SIDE_SERVER,
					     .netns_fd = r->lab.host[LAB_SERVER].netns_fd,
					     .ifindex = r->lab.host[LAB_SERVER].ifindex};
	cfg.ports[0] = (struct port_range){
		.lo = lab_case_port(r->cfg->selected[0]),
		.hi = (uint16_t)(lab_case_port(r->cfg->selected[r->cfg->n_selected - 1]) +
				 CASE_PORTS - 1)};
	cfg.n_ports = 1;
	rc = witness_open(&cfg, &r->witness, &what);
	if (rc < 0)
		return fail(err, rc, "the witness needs CAP_NET_RAW in the lab's namespaces", what);
	rc = witness_ready(r->witness, WAIT_MS);
	if (rc < 0)
		return fail(err, rc, "", "the witness's first frame did not cross the lab");
	return 0;
}

static struct addr server_address(const struct runner *r, enum lab_address a)
{
	const struct lab_host *h = &r->lab.host[LAB_SERVER];

	return a == LAB_NATIVE ? h->v6[0] : h->v4[0];
}

static void note_client(struct runner *r, const struct client_record *rec)
{
	struct evidence_api a = record_of_client(rec);

	evidence_add_api(witness_evidence(r->witness), &a);
}

/*
 * Ends a connection in order and makes the socket ready for another one. While the first lasts, the
 * kernel is asked about it: afterwards it knows only what the socket became.
 */
static int recycle(struct runner *r, int fd)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char rest[64];
	ssize_t n = 1;

	witness_dump_sockets(r->witness);
	if (shutdown(fd, SHUT_WR) < 0)
		return -errno;
	while (n > 0 && poll(&pfd, 1, WAIT_MS) == 1)
		n = recv(fd, rest, sizeof(rest), 0);
	if (n != 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	return connect(fd, &nobody, sizeof(nobody)) < 0 ? -errno : 0;
}

/* The client's socket of a case, from step to step. */
struct client_socket {
	int fd; /* -1: none */
	bool connected;
};

/* Connects and, where that worked, talks. */
static int talk(struct runner *r, struct client_socket *s, const struct lab_step *st,
		const struct endpoint *peer)
{
	unsigned int ms = st->timeout_ms ? st->timeout_ms : WAIT_MS;
	struct client_record rec = {0};
	char reply[sizeof(MESSAGE)];
	int rc = client_connect(s->fd, peer, ms, &rec);

	if (rc == 0)
		rc = client_exchange(s->fd, MESSAGE, sizeof(MESSAGE) - 1, reply, ms, &rec);
	note_client(r, &rec);
	s->connected = rec.error == 0;
	return rec.error == 0 && rc < 0 ? rc : 0;
}

static int open_client(struct runner *r, size_t k, size_t step)
{
	const struct lab_case *c = &r->cases[k];
	const struct lab_step *st = &c->steps[step];
	struct client_config cfg = {
		.netns_fd = r->lab.host[LAB_CLIENT].netns_fd,
		.proto = c->proto,
		.family = st->family,
		.v6only = st->family == AF_INET6 ? 0 : -1,
		.bind = true,
		.source = {.addr = st->family == AF_INET ? ADDR_ANY4 : ADDR_ANY6,
			   .port = (uint16_t)(CASE_CLIENT_PORT_BASE + CASE_STEPS_MAX * k + step)},
	};

	return client_open(&cfg);
}

/* Puts a frame on the wire as the client's host, below its IP layer. */
static int inject(struct runner *r, const void *frame, size_t len)
{
	const struct lab_host *h = &r->lab.host[LAB_CLIENT];
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_ifindex = (int)h->ifindex};
	int fd = netns_socket(h->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return fd;
	if (sendto(fd, frame, len, 0, (struct sockaddr *)&sll, sizeof(sll)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int forge(struct runner *r, size_t k, const struct lab_step *st)
{
	const struct lab_host *c = &r->lab.host[LAB_CLIENT], *s = &r->lab.host[LAB_SERVER];
	struct frame_spec spec = {
		.ipv6 = true,
		.src = c->v4[0], /* sixteen bytes: ::ffff:198.51.100.1 in an IPv6 header */
		.dst = server_address(r, st->to),
		.proto = IPPROTO_UDP,
		.sport = (uint16_t)(CASE_CLIENT_PORT_BASE + CASE_STEPS_MAX * k),
		.dport = (uint16_t)(lab_case_port(k) + st->port),
	};
	uint8_t bytes[256];
	struct outbuf out = outbuf_of(bytes, sizeof(bytes));
	int rc;

	memcpy(spec.src_mac, c->mac, sizeof(spec.src_mac));
	memcpy(spec.dst_mac, s->mac, sizeof(spec.dst_mac));
	rc = frame_build(&spec, MESSAGE, sizeof(MESSAGE) - 1, &out);
	if (rc < 0)
		return rc;
	rc = inject(r, bytes, out.len);
	return rc < 0 ? rc : lab_server_wait(r->server, spec.dport, 1, WAIT_MS);
}

/* One step on the socket @s, which is opened or, after the step, recycled for the next one. */
static int run_step(struct runner *r, size_t k, size_t i, struct client_socket *s)
{
	const struct lab_case *c = &r->cases[k];
	const struct lab_step *st = &c->steps[i];
	struct endpoint peer = {.addr = server_address(r, st->to),
				.port = (uint16_t)(lab_case_port(k) + st->port)};
	int rc;

	if (st->kind == STEP_FORGE)
		return forge(r, k, st);
	if (st->kind == STEP_CONNECT)
		s->fd = open_client(r, k, i);
	if (s->fd < 0)
		return s->fd;
	rc = talk(r, s, st, &peer);
	if (rc == 0 && i + 1 < CASE_STEPS_MAX && c->steps[i + 1].kind == STEP_REUSE)
		rc = recycle(r, s->fd);
	return rc;
}

static int run_case(struct runner *r, size_t k)
{
	const struct lab_case *c = &r->cases[k];
	struct client_socket s = {.fd = -1};
	int rc = 0;

	for (size_t i = 0; i < CASE_STEPS_MAX && c->steps[i].kind != STEP_NONE && rc == 0; i++)
		rc = run_step(r, k, i, &s);
	if (s.fd < 0)
		return rc;
	/* A socket that is still trying is known to the kernel now and not after its close. */
	if (c->steps[CASE_STEPS_MAX - 1].kind == STEP_REUSE)
		witness_dump_sockets(r->witness);
	if (c->proto == IPPROTO_TCP && s.connected)
		client_finish(s.fd, WAIT_MS);
	else
		close(s.fd);
	return rc;
}

static void add_case(struct evidence *ev, const struct lab_case *c, size_t k)
{
	struct evidence_case e = {
		.expected = lab_case_expected(c),
		.ports = {.lo = lab_case_port(k),
			  .hi = (uint16_t)(lab_case_port(k) + CASE_PORTS - 1)},
	};

	snprintf(e.name, sizeof(e.name), "%s", c->name);
	snprintf(e.title, sizeof(e.title), "%s", c->title);
	snprintf(e.client, sizeof(e.client), "%s", c->client);
	snprintf(e.server, sizeof(e.server), "%s", c->server);
	evidence_add_case(ev, &e);
}

static int run_cases(struct runner *r, struct lab_run_error *err)
{
	struct evidence *ev = witness_evidence(r->witness);

	for (size_t i = 0; i < r->cfg->n_selected; i++) {
		size_t k = r->cfg->selected[i];
		int rc;

		add_case(ev, &r->cases[k], k);
		r->run->results[i].begin_ns = clock_ns(CLOCK_REALTIME);
		rc = run_case(r, k);
		r->run->results[i].end_ns = clock_ns(CLOCK_REALTIME);
		if (rc < 0) {
			char what[128];

			snprintf(what, sizeof(what), "case %s", r->cases[k].name);
			return fail(err, rc, "", what);
		}
		witness_step(r->witness);
	}
	return 0;
}

static bool destroyed(const struct evidence *ev, uint64_t cookie)
{
	for (size_t i = 0; i < ev->n_kernel; i++)
		if (ev->kernel[i].entry.destroyed && ev->kernel[i].entry.cookie == cookie)
			return true;
	return false;
}

/* The kernel reports the end of a socket from a work queue: waits for those of all sockets we know.
 */
static void settle(struct runner *r)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)SETTLE_MS * NS_PER_MS;
	const struct evidence *ev = witness_evidence(r->witness);
	struct pollfd fds[WITNESS_FDS_MAX];
	bool all = false;

	while (!all && clock_ns(CLOCK_MONOTONIC) < deadline) {
		witness_step(r->witness);
		all = true;
		for (size_t i = 0; i < ev->n_api && all; i++)
			all = !ev->api[i].cookie || destroyed(ev, ev->api[i].cookie);
		if (!all)
			poll(fds, witness_fds(r->witness, fds), 1);
	}
}

/* After the server's end: its records join the evidence, the witness stops, and the judge speaks.
 */
static int conclude(struct runner *r, struct lab_scene *scene, struct lab_run_error *err)
{
	struct evidence *ev = witness_evidence(r->witness);
	const struct evidence_api *log;
	bool overflow;
	size_t n = lab_server_log(r->server, &log, &overflow);
	int rc;

	for (size_t i = 0; i < n; i++)
		evidence_add_api(ev, &log[i]);
	ev->overflow |= overflow;
	settle(r);
	/* What is missing is in the evidence, as a gate that fails; stopping has no other failure.
	 */
	witness_stop(r->witness);
	scene->evidence = *ev;
	evidence_init(ev);
	rc = judge(&scene->evidence, &scene->report);
	return rc < 0 ? fail(err, rc, "", "cannot judge") : 0;
}

static void check_connections(struct case_result *res);

static int run_in_lab(struct runner *r, struct lab_run *run, struct lab_run_error *err)
{
	int rc = start_server(r, err);

	if (rc < 0)
		return rc;
	snprintf(run->engine_text, sizeof(run->engine_text), "%s",
		 lab_server_engine_text(r->server));
	rc = start_witness(r, err);
	run->ready_ns = clock_ns(CLOCK_MONOTONIC);
	if (rc == 0)
		rc = run_cases(r, err);
	if (rc == 0)
		witness_dump_sockets(r->witness);
	lab_server_stop(r->server);
	if (rc == 0)
		rc = conclude(r, run->scenes[0], err);
	for (size_t i = 0; rc == 0 && i < run->n_results; i++)
		check_connections(&run->results[i]);
	witness_close(r->witness);
	lab_server_free(r->server);
	return rc;
}

static int allocate(struct lab_run *run, const struct lab_run_config *cfg)
{
	size_t n;
	const struct lab_case *cases = lab_cases(&n);

	run->results = calloc(cfg->n_selected + 1, sizeof(*run->results));
	run->scenes = calloc(1, sizeof(struct lab_scene *));
	if (!run->results || !run->scenes)
		return -ENOMEM;
	run->scenes[0] = calloc(1, sizeof(struct lab_scene));
	if (!run->scenes[0])
		return -ENOMEM;
	run->n_scenes = 1;
	run->n_results = cfg->n_selected;
	for (size_t i = 0; i < cfg->n_selected; i++)
		run->results[i] = (struct case_result){.c = &cases[cfg->selected[i]],
						       .report = &run->scenes[0]->report,
						       .case_index = (int)i,
						       .judged = true};
	return 0;
}

int lab_run(const struct lab_run_config *cfg, struct lab_run *run, struct lab_run_error *err)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct runner r = {.cfg = cfg};
	struct lab_error lab_err;
	size_t n;
	int rc;

	*run = (struct lab_run){0};
	*err = (struct lab_run_error){0};
	r.cases = lab_cases(&n);
	r.run = run;
	rc = allocate(run, cfg);
	if (rc < 0)
		return fail(err, rc, "", "cannot start");
	rc = netns_become_capable();
	if (rc < 0)
		return fail(
			err, rc,
			"run as root, or allow user namespaces (sysctl user.max_user_namespaces, "
			"kernel.unprivileged_userns_clone)",
			"cannot make network namespaces");
	rc = lab_create(&r.lab, &lab_err);
	if (rc < 0) {
		snprintf(err->what, sizeof(err->what), "cannot %s: %s", lab_err.step,
			 lab_err.detail);
		return rc;
	}
	run->setup_ns = r.lab.setup_ns;
	rc = run_in_lab(&r, run, err);
	lab_destroy(&r.lab);
	run->ready_ns = run->ready_ns > start ? run->ready_ns - start : 0;
	run->total_ns = clock_ns(CLOCK_MONOTONIC) - start;
	if (rc < 0)
		lab_run_free(run);
	return rc;
}

void lab_run_free(struct lab_run *run)
{
	for (size_t i = 0; i < run->n_results; i++)
		case_result_free(&run->results[i]);
	free(run->results);
	for (size_t i = 0; i < run->n_scenes; i++) {
		judge_report_free(&run->scenes[i]->report);
		evidence_free(&run->scenes[i]->evidence);
		free(run->scenes[i]);
	}
	free(run->scenes);
	*run = (struct lab_run){0};
}

static const char *shown_name(enum lab_address a)
{
	static const char *const names[] = {
		[LAB_NOWHERE] = "nobody",
		[LAB_V4] = "a plain IPv4 address",
		[LAB_MAPPED] = "an IPv4-mapped address",
		[LAB_NATIVE] = "a native IPv6 address",
	};

	return names[a];
}

static enum lab_address shown_to(const struct evidence_api *a)
{
	if (!a)
		return LAB_NOWHERE;
	if (a->family == AF_INET)
		return LAB_V4;
	return addr_is_mapped(&a->peer.addr) ? LAB_MAPPED : LAB_NATIVE;
}

static void check_wire(struct case_result *res, const struct judged *j, const struct lab_step *st)
{
	uint32_t tap = judge_shown_tap(&res->report->run, &j->c);
	const struct flow *fl = j->c.flow;
	char want[16], got[16];
	bool only = fl != NULL;

	for (int k = 0; only && k < CARRIAGE_NUM; k++)
		only = (enum carriage)k == st->carriage ||
		       !(fl->view[tap][FLOW_TO_SERVER].frames[k] ||
			 fl->view[tap][FLOW_TO_CLIENT].frames[k]);
	case_result_check(res, CHECK_WIRE, only, "every frame", carriage_name(st->carriage),
			  only ? carriage_name(st->carriage)
			  : fl ? "something else too"
			       : "no frame");
	snprintf(want, sizeof(want), "%u", st->syn_mss);
	snprintf(got, sizeof(got), "%u", fl ? fl->view[tap][FLOW_TO_SERVER].mss : 0U);
	case_result_check(res, CHECK_WIRE, strcmp(want, got) == 0, "MSS of the SYN", want, got);
}

static void check_connection(struct case_result *res, const struct judged *j,
			     const struct lab_step *st)
{
	enum lab_address shown = shown_to(j->c.side[SIDE_SERVER].api);

	case_result_check(res, CHECK_API, strcmp(j->result, st->result) == 0, "the attempt",
			  st->result, j->result);
	case_result_check(res, CHECK_API, shown == st->shown, "the server is shown",
			  shown_name(st->shown), shown_name(shown));
	check_wire(res, j, st);
	case_result_check(res, CHECK_VERDICT, j->j.verdict == st->verdict, "the connection",
			  verdict_name(st->verdict), verdict_name(j->j.verdict));
}

static void check_connections(struct case_result *res)
{
	const struct lab_case *c = res->c;
	size_t step = 0, n_steps = 0, seen = 0;
	char want[16], got[16];

	while (n_steps < CASE_STEPS_MAX && c->steps[n_steps].kind != STEP_NONE)
		n_steps++;
	for (size_t i = 0; i < res->report->n; i++) {
		const struct judged *j = &res->report->list[i];

		if (j->case_index != res->case_index)
			continue;
		seen++;
		if (step < n_steps)
			check_connection(res, j, &c->steps[step++]);
	}
	snprintf(want, sizeof(want), "%zu", n_steps);
	snprintf(got, sizeof(got), "%zu", seen);
	case_result_check(res, CHECK_WIRE, seen == n_steps, "number of connections", want, got);
	res->verdict = judge_case(res->report, res->case_index);
	res->expected = lab_case_expected(c);
}
