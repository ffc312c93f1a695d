/* SPDX-License-Identifier: MIT */
/* scene.c - one pair of hosts, one server, one capture, and the cases that share them */
#include "scene.h"

#include "../../rawstack/clock.h"
#include "lab_server.h"
#include "stage.h"
#include "verify.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The caller's thread plays the cases and drives the witness; our server, where a case asks for
 * one, has a thread of its own (lab_server.h).
 *
 * Limits: every wait has a deadline of at most WAIT_MS.
 */
enum { WAIT_MS = 1000, SETTLE_MS = 500, DNS_PORT = 53 };

struct scene {
	const struct scene_config *cfg;
	struct stage stage;
	struct witness *witness;
	struct lab_server *server; /* NULL: no case asks for one */
	struct play *plays;	   /* one for each case */
};

static int fail(struct lab_run_error *err, int rc, const char *remedy, const char *what)
{
	snprintf(err->what, sizeof(err->what), "%s: %s", what, strerrordesc_np(-rc));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

static uint16_t port_of(size_t i)
{
	return (uint16_t)(CASE_PORT_BASE + CASE_PORTS * i);
}

static size_t collect_listeners(const struct scene *s, struct listen_spec *list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->cfg->n; i++) {
		const struct lab_case *c = s->cfg->results[i]->c;

		for (size_t k = 0; k < c->n_listeners; k++) {
			const struct case_listener *l = &c->listeners[k];

			assert(n < SERVER_LISTENERS_MAX);
			list[n++] = (struct listen_spec){
				.proto = l->proto,
				.family = l->family,
				.bind = case_addr_endpoint(&l->bind, port_of(i),
							   s->stage.lab.host[LAB_SERVER].ifindex),
				.v6only = l->v6only,
				.backlog = 16,
			};
		}
	}
	return n;
}

static int start_server(struct scene *s, struct lab_run_error *err)
{
	struct listen_spec list[SERVER_LISTENERS_MAX];
	size_t n = collect_listeners(s, list);
	struct server_error why;
	int rc;

	if (n == 0)
		return 0;
	rc = lab_server_start(&s->stage.lab.host[LAB_SERVER], &s->stage.more, s->cfg->engine, list,
			      n, &s->server, &why);
	if (rc == 0)
		return 0;
	fail(err, rc, why.remedy, "cannot start the server");
	if (why.what[0])
		snprintf(err->what, sizeof(err->what), "%s", why.what);
	return rc;
}

static int start_witness(struct scene *s, struct lab_scene *scene, struct lab_run_error *err)
{
	struct witness_config cfg = {.ring = RING_CONFIG_SMALL, .keep = true, .n_posts = 2};
	const struct lab_host *host = s->stage.lab.host;
	const char *what;
	int rc;

	cfg.posts[0] = (struct witness_post){.side = SIDE_CLIENT,
					     .netns_fd = host[LAB_CLIENT].netns_fd,
					     .ifindex = host[LAB_CLIENT].ifindex};
	cfg.posts[1] = (struct witness_post){.side = SIDE_SERVER,
					     .netns_fd = host[LAB_SERVER].netns_fd,
					     .ifindex = host[LAB_SERVER].ifindex,
					     .own_stack = s->cfg->serving != SERVING_KERNEL};
	cfg.ports[cfg.n_ports++] =
		(struct port_range){.lo = port_of(0), .hi = (uint16_t)(port_of(s->cfg->n) - 1)};
	if (s->stage.dns > 0)
		cfg.ports[cfg.n_ports++] = (struct port_range){DNS_PORT, DNS_PORT};
	if (s->cfg->keep_bytes) {
		cfg.on_frame = raw_frames_take;
		cfg.arg = &scene->frames;
	}
	rc = witness_open(&cfg, &s->witness, &what);
	if (rc < 0)
		return fail(err, rc, "the witness needs CAP_NET_RAW in the lab's namespaces", what);
	rc = witness_ready(s->witness, WAIT_MS);
	if (rc < 0)
		return fail(err, rc, "", "the witness's first frame did not cross the lab");
	return 0;
}

static void add_case(struct evidence *ev, const struct lab_case *c, size_t i)
{
	struct evidence_case e = {
		.expected = c->expected,
		.ports = {.lo = port_of(i), .hi = (uint16_t)(port_of(i + 1) - 1)},
	};

	snprintf(e.name, sizeof(e.name), "%s", c->name);
	snprintf(e.title, sizeof(e.title), "%s", c->title);
	snprintf(e.client, sizeof(e.client), "%s", c->client);
	snprintf(e.server, sizeof(e.server), "%s", c->server);
	evidence_add_case(ev, &e);
}

/* Files for a case that asks the resolver. Returns whether it can be played. */
static bool lay_files(struct scene *s, struct play *p, struct resolver_files *files)
{
	char why[CASE_WHY];
	int rc;

	if (!case_asks_resolver(p->c))
		return true;
	p->files = files;
	rc = stage_files(&s->stage, p->c, files, why, sizeof(why));
	if (rc != STAGE_READY)
		case_result_end(p->res, rc == STAGE_SKIP ? CASE_SKIPPED : CASE_FAILED, why);
	return rc == STAGE_READY;
}

/* Counters before, the case, counters after. */
static void play_counted(struct scene *s, struct play *p)
{
	struct mib_pair *mib = verify_wants_mib(p->c) ? malloc(sizeof(*mib)) : NULL;
	const struct lab *lab = &s->stage.lab;

	for (int side = 0; mib && side < LAB_SIDES; side++)
		if (mib_read(lab->host[side].netns_fd, &mib->before[side]) < 0)
			case_result_end(p->res, CASE_FAILED,
					"the kernel's counters cannot be read");
	play_case(p);
	if (mib)
		verify_mib(lab, p->c, mib, p->res);
	else if (verify_wants_mib(p->c))
		case_result_end(p->res, CASE_FAILED, "out of memory");
	free(mib);
}

static void run_case(struct scene *s, size_t i)
{
	struct case_result *res = s->cfg->results[i];
	struct resolver_files files;
	struct play *p = &s->plays[i];

	*p = (struct play){
		.c = res->c,
		.base = port_of(i),
		.lab = &s->stage.lab,
		.hosts = s->stage.hosts,
		.witness = s->witness,
		.res = res,
	};
	res->begin_ns = clock_ns(CLOCK_REALTIME);
	if (lay_files(s, p, &files))
		play_counted(s, p);
	p->files = NULL;
	res->end_ns = clock_ns(CLOCK_REALTIME);
}

static void run_cases(struct scene *s)
{
	struct evidence *ev = witness_evidence(s->witness);

	for (size_t i = 0; i < s->cfg->n; i++) {
		const struct lab_case *c = s->cfg->results[i]->c;

		if (s->cfg->progress)
			s->cfg->progress(s->cfg->done + i, s->cfg->all, c->name,
					 s->cfg->progress_arg);
		add_case(ev, c, i);
		run_case(s, i);
	}
}

static bool destroyed(const struct evidence *ev, uint64_t cookie)
{
	for (size_t i = ev->n_kernel; i-- > 0;)
		if (ev->kernel[i].entry.destroyed && ev->kernel[i].entry.cookie == cookie)
			return true;
	return false;
}

/* The kernel reports the end of a socket from a work queue: waits for those of all sockets we know.
 */
static void settle(struct scene *s)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)SETTLE_MS * NS_PER_MS;
	const struct evidence *ev = witness_evidence(s->witness);
	struct pollfd fds[WITNESS_FDS_MAX];
	size_t i = 0;

	while (clock_ns(CLOCK_MONOTONIC) < deadline) {
		witness_step(s->witness);
		while (i < ev->n_api && (!ev->api[i].cookie || destroyed(ev, ev->api[i].cookie)))
			i++;
		if (i == ev->n_api)
			return;
		poll(fds, witness_fds(s->witness, fds), 1);
	}
}

static void take_server_log(struct scene *s, struct evidence *ev)
{
	const struct evidence_api *log;
	bool overflow;
	size_t n;

	if (!s->server)
		return;
	lab_server_stop(s->server);
	n = lab_server_log(s->server, &log, &overflow);
	for (size_t i = 0; i < n; i++) {
		struct evidence_api a = log[i];

		/* The kernel knows no socket of the bypass engine's by any name. */
		if (s->cfg->serving == SERVING_ENGINE)
			a.cookie = 0;
		evidence_add_api(ev, &a);
	}
	ev->overflow |= overflow;
}

/* The server's records join the evidence, the witness stops, and the judge speaks. */
static int conclude(struct scene *s, struct lab_scene *scene, struct lab_run_error *err)
{
	struct evidence *ev = witness_evidence(s->witness);
	int rc;

	witness_dump_sockets(s->witness);
	take_server_log(s, ev);
	settle(s);
	for (uint32_t i = 0; i < EVIDENCE_TAPS_MAX && s->cfg->keep_bytes; i++)
		scene->frames.where[i] = *witness_where(s->witness, i);
	/* What is missing is in the evidence, as a gate that fails; stopping has no other failure.
	 */
	witness_stop(s->witness);
	scene->evidence = *ev;
	evidence_init(ev);
	rc = judge(&scene->evidence, &scene->report);
	if (rc < 0)
		return fail(err, rc, "", "cannot judge");
	for (size_t i = 0; i < s->cfg->n; i++) {
		struct case_result *res = s->cfg->results[i];

		res->report = &scene->report;
		res->case_index = (int)i;
		if (res->status == CASE_SKIPPED)
			res->verdict = res->expected = judge_case(res->report, (int)i);
		else
			verify_case(&s->plays[i], res);
		/* Where no verdict is asked for, judging again must at least find the same one. */
		scene->evidence.cases[i].expected = res->expected;
	}
	return 0;
}

static int run_on_stage(struct scene *s, struct lab_scene *scene, struct lab_run *run,
			struct lab_run_error *err)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int rc = start_server(s, err);

	if (rc == 0)
		rc = start_witness(s, scene, err);
	if (s->server && !run->engine_text[0])
		snprintf(run->engine_text, sizeof(run->engine_text), "%s",
			 lab_server_engine_text(s->server));
	else if (s->stage.stack && !run->engine_text[0])
		snprintf(run->engine_text, sizeof(run->engine_text),
			 "bypass: sockets of the user-space stack");
	if (!run->setup_ns) {
		run->setup_ns = s->stage.lab.setup_ns;
		run->ready_ns = run->setup_ns + clock_ns(CLOCK_MONOTONIC) - start;
	}
	if (rc == 0) {
		run_cases(s);
		rc = conclude(s, scene, err);
	}
	witness_close(s->witness);
	lab_server_free(s->server);
	return rc;
}

/* The hosts of a case of its own kind could not be made: that is the case's affair. */
static int end_own(const struct scene *s, int rc, const char *why)
{
	struct case_result *res = s->cfg->results[0];

	case_result_end(res, rc == STAGE_SKIP ? CASE_SKIPPED : CASE_FAILED, why);
	res->verdict = res->expected = VERDICT_INCONCLUSIVE;
	return 1;
}

int scene_run(const struct scene_config *cfg, struct lab_scene *scene, struct lab_run *run,
	      struct lab_run_error *err)
{
	struct scene s = {.cfg = cfg};
	char why[CASE_WHY];
	int rc;

	evidence_init(&scene->evidence);
	s.plays = calloc(cfg->n, sizeof(*s.plays));
	if (!s.plays)
		return fail(err, -ENOMEM, "", "cannot start");
	rc = stage_open(cfg->own ? cfg->results[0]->c : NULL, cfg->serving, &s.stage, why,
			sizeof(why));
	if (rc == STAGE_READY) {
		rc = run_on_stage(&s, scene, run, err);
		stage_close(&s.stage);
	} else if (cfg->own) {
		rc = end_own(&s, rc, why);
	} else {
		snprintf(err->what, sizeof(err->what), "%s", why);
	}
	free(s.plays);
	return rc;
}
