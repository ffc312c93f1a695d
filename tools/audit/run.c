/* SPDX-License-Identifier: MIT */
/* run.c - one audit from the empty lab to the last check */
#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "audit.h"
#include "checks.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Checks run in the order of enum audit_check: listeners starts the server again, which is only
 * undisturbed before the first client comes; restart leaves connections behind, so it is the last.
 *
 * No wait without a deadline: for the first listener cfg->wait_ms, for the last one cfg->settle_ms
 * without a new one, for answers cfg->answer_ms.
 */
enum { POLL_MS = 3, WITNESS_WAIT_MS = 1000, BANNER_MS = 60, TRY_MS = 200, QUIET_MS = 80 };
enum { AGAIN_MS = 200, AGAIN_MAX = 8, DEATH_MS = 10, SNAP_HEADERS = 36 };
enum { CHECK_TRIES = 3 }; /* with a fresh server each, where the server lost something */

static int fail(struct audit_error *err, int rc, const char *remedy, const char *what)
{
	snprintf(err->what, sizeof(err->what), "%s: %s", what, strerrordesc_np(-rc));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

static unsigned int ms_since(uint64_t start_ns)
{
	return (unsigned int)((clock_ns(CLOCK_MONOTONIC) - start_ns) / NS_PER_MS);
}

struct addr audit_client(bool ipv6, int k)
{
	const uint8_t v4[4] = {198, 51, 100, (uint8_t)(11 + k)};
	const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = (uint8_t)(0x11 + k)};

	return ipv6 ? addr_from_v6(v6) : addr_from_v4(v4);
}

/* Each address once, and none that the client's host has already. */
static void add_client(const struct addr *a, struct addr *list, size_t *n)
{
	static const struct addr own6 = {{0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 1}};
	static const uint8_t own4[4] = {198, 51, 100, 1};
	struct addr own = addr_is_mapped(a) ? addr_from_v4(own4) : own6;

	if (addr_eq(a, &own) || *n == LAB_FURTHER_MAX)
		return;
	for (size_t i = 0; i < *n; i++)
		if (addr_eq(&list[i], a))
			return;
	list[(*n)++] = *a;
}

static int make_lab(struct audit *a, struct audit_error *err)
{
	struct addr clients[LAB_FURTHER_MAX], edge[RULE_CLIENTS];
	struct lab_options opt = {
		.link_local = true,
		.low_ports = true,
		.auto_port_first = AUTO_PORT_FIRST,
		.auto_port_last = AUTO_PORT_LAST,
		.clients = clients,
	};
	struct lab_error why;
	int ret;

	for (int k = 0; k < 2 * AUDIT_CLIENTS; k++) {
		struct addr c = audit_client(k % 2, k / 2);

		add_client(&c, clients, &opt.n_clients);
	}
	for (size_t i = 0; i < a->cfg->n_rules; i++) {
		size_t n = rule_clients(&a->cfg->rules[i], edge);

		for (size_t k = 0; k < n; k++)
			add_client(&edge[k], clients, &opt.n_clients);
	}
	ret = lab_create_with(&opt, &a->lab, &why);
	if (ret < 0)
		snprintf(err->what, sizeof(err->what), "cannot %s: %s", why.step, why.detail);
	return ret;
}

static int prepare(struct audit *a, struct audit_error *err)
{
	int ret;

	a->uid = geteuid();
	a->gid = getegid();
	ret = netns_become_capable();
	if (ret < 0)
		return fail(
			err, ret,
			"run as root, or allow user namespaces (sysctl user.max_user_namespaces, "
			"kernel.unprivileged_userns_clone)",
			"cannot make network namespaces");
	a->moved = ret == 1;
	ret = make_lab(a, err);
	if (ret < 0)
		return ret;
	ret = sockdiag_open(a->lab.host[LAB_SERVER].netns_fd, &a->server_diag);
	return ret < 0 ? fail(err, ret, "", "cannot ask the kernel for sockets") : 0;
}

static void describe_status(int status, char *how, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(how, size, "ended by signal %d (SIG%s)", WTERMSIG(status),
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(how, size, "ended with exit code %d", WEXITSTATUS(status));
}

bool audit_server_ended(struct audit *a, char *how, size_t size)
{
	const struct guest_state *s = guest_step(a->guest);

	if (s->main_ended)
		describe_status(s->main_status, how, size);
	else
		snprintf(how, size, "ended");
	return s->all_ended || (s->main_ended && WIFSIGNALED(s->main_status));
}

/* Only what --port names, if it names any. */
static bool is_chosen(const struct audit_config *cfg, uint16_t port)
{
	for (size_t i = 0; i < cfg->n_ports; i++)
		if (cfg->ports[i] == port)
			return true;
	return cfg->n_ports == 0;
}

static void drop_unchosen(const struct audit_config *cfg, struct listeners *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (is_chosen(cfg, l->list[i].src.port))
			l->list[kept++] = l->list[i];
	l->n = kept;
}

static bool named_ports_are_there(const struct audit_config *cfg, const struct listeners *l)
{
	for (size_t i = 0; i < cfg->n_ports; i++) {
		bool found = false;

		for (size_t k = 0; k < l->n && !found; k++)
			found = l->list[k].src.port == cfg->ports[i];
		if (!found)
			return false;
	}
	return l->n > 0;
}

/* Says why there is nothing to check. */
static int never_listened(struct audit *a, const struct listeners *l, struct audit_error *err)
{
	const struct guest_state *s = guest_step(a->guest);
	char how[64] = "";

	if (s->exec_error) {
		snprintf(err->what, sizeof(err->what), "cannot run '%.128s': %s", a->cfg->argv[0],
			 strerrordesc_np(-s->exec_error));
		snprintf(err->remedy, sizeof(err->remedy),
			 "give the server's command as in a shell, after '--'");
		return s->exec_error;
	}
	if (s->all_ended) {
		describe_status(s->main_status, how, sizeof(how));
		snprintf(err->what, sizeof(err->what), "the server %s and did not listen", how);
		snprintf(err->remedy, sizeof(err->remedy), "%s",
			 guest_output_mark(a->guest) ? "its output is above"
						     : "it printed nothing");
		return -ECHILD;
	}
	snprintf(err->what, sizeof(err->what), "the server %s within %u ms",
		 l->n ? "did not listen on all the ports of --port" : "did not listen on any port",
		 a->cfg->wait_ms);
	snprintf(err->remedy, sizeof(err->remedy),
		 "give it more time with --wait, or see that it listens on a TCP or UDP port "
		 "(UDP ports %d to %d are taken for clients' unless --port names them)",
		 AUTO_PORT_FIRST, AUTO_PORT_LAST);
	return -ETIMEDOUT;
}

/* Sleeps until the guest says something, at most POLL_MS: listening cannot be waited for. */
static void poll_guest(struct audit *a)
{
	struct pollfd fds[GUEST_FDS];

	poll(fds, guest_fds(a->guest, fds), POLL_MS);
}

static int read_listeners(struct audit *a, struct listeners *l)
{
	bool by_name = a->cfg->n_ports > 0;
	int ret = listeners_read(a->server_diag, by_name ? 0 : AUTO_PORT_FIRST,
				 by_name ? 0 : AUTO_PORT_LAST, l);

	drop_unchosen(a->cfg, l);
	return ret;
}

/* Until the listeners are there and no other has come for a while. */
static int wait_listening(struct audit *a, const struct listeners *expected, struct listeners *out,
			  struct audit_error *err)
{
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	struct listeners *now = malloc(sizeof(*now));
	unsigned int changed_ms = 0;
	int ret = now ? 0 : -ENOMEM;

	*out = (struct listeners){0};
	while (ret == 0) {
		bool over = guest_step(a->guest)->all_ended;

		ret = read_listeners(a, now);
		if (ret < 0)
			break;
		if (!listeners_equal(now, out)) {
			*out = *now;
			changed_ms = ms_since(start);
		}
		if (!over && named_ports_are_there(a->cfg, out) &&
		    (ms_since(start) - changed_ms >= a->cfg->settle_ms ||
		     (expected && listeners_equal(out, expected))))
			break;
		if (over ||
		    (ms_since(start) > a->cfg->wait_ms && !named_ports_are_there(a->cfg, out))) {
			free(now);
			return never_listened(a, out, err);
		}
		poll_guest(a);
	}
	free(now);
	a->start_ms = changed_ms;
	return ret < 0 ? fail(err, ret, "", "cannot ask the kernel for sockets") : 0;
}

bool audit_stop_server(struct audit *a)
{
	if (guest_stop(a->guest, a->ignores_term ? 0 : a->cfg->grace_ms) == 0)
		return true;
	a->ignores_term = true;
	return false;
}

/* The server's run is over; its words are kept, the first ones first. */
static void end_run(struct audit *a)
{
	const char *text;
	size_t len;

	if (!a->guest)
		return;
	guest_stop(a->guest, 0);
	if (!a->past)
		a->past = malloc(GUEST_OUTPUT_MAX);
	text = guest_output(a->guest, &len);
	if (len > GUEST_OUTPUT_MAX - a->past_len)
		len = GUEST_OUTPUT_MAX - a->past_len;
	if (a->past) {
		memcpy(a->past + a->past_len, text, len);
		a->past_len += len;
	}
	guest_free(a->guest);
	a->guest = NULL;
}

const char *audit_output(struct audit *a, size_t *len)
{
	end_run(a);
	*len = a->past_len;
	return a->past ? a->past : "";
}

int audit_start_server(struct audit *a, const struct listeners *expected, struct listeners *out,
		       struct audit_error *err)
{
	struct guest_config cfg = {
		.argv = a->cfg->argv,
		.netns_fd = a->lab.host[LAB_SERVER].netns_fd,
		.map_ids = a->moved && a->uid != 0,
		.uid = a->uid,
		.gid = a->gid,
	};
	int ret;

	end_run(a);
	ret = guest_start(&cfg, &a->guest);
	if (ret < 0)
		return fail(err, ret, "", "cannot start a process namespace for the server");
	return wait_listening(a, expected, out, err);
}

static bool others_were_answered(const struct probe *list, size_t n, const struct probe *p)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].proto == p->proto && list[i].to.port == p->to.port &&
		    list[i].result == PROBE_ANSWERED)
			return true;
	return false;
}

/* A client that got nothing, though it said something or could not even connect. */
static bool got_nothing(const struct probe *p)
{
	return p->result == PROBE_SILENT || (p->result == PROBE_OPEN && p->say_len);
}

/*
 * Some servers hear one client and miss the others meanwhile, some have a short queue: each client
 * gets a second try, alone.
 */
static int ask_again(struct audit *a, struct probe *list, size_t n)
{
	unsigned int tries = 0;
	int ret = 0;

	for (size_t i = 0; i < n && tries < AGAIN_MAX && ret == 0; i++) {
		if (!got_nothing(&list[i]) || list[i].hold ||
		    !others_were_answered(list, n, &list[i]))
			continue;
		list[i].wait_ms = AGAIN_MS;
		ret = probes_run(a->lab.host[LAB_CLIENT].netns_fd, a->guest, &list[i], 1);
		tries++;
	}
	return ret;
}

/* A client may see its connection end before we see the process end. */
static bool server_died(struct audit *a, const struct probe *list, size_t n)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)DEATH_MS * NS_PER_MS;
	struct pollfd fds[GUEST_FDS];
	bool suspect = false;
	char how[64];

	for (size_t i = 0; i < n && !suspect; i++)
		suspect = list[i].result != PROBE_ANSWERED && list[i].result != PROBE_OPEN;
	while (suspect && !audit_server_ended(a, how, sizeof(how)) &&
	       clock_ns(CLOCK_MONOTONIC) < end)
		poll(fds, guest_fds(a->guest, fds), 1);
	return audit_server_ended(a, how, sizeof(how));
}

/* What our clients' sockets said: the program's view of each connection. */
static void note_clients(struct audit *a, const struct probe *list, size_t n)
{
	if (!a->witness)
		return;
	witness_step(a->witness);
	for (size_t i = 0; i < n; i++) {
		const struct probe *p = &list[i];
		bool failed = p->result == PROBE_REFUSED || p->result == PROBE_FAILED ||
			      (p->proto == IPPROTO_TCP && !p->connected);
		struct evidence_api api = {
			.side = SIDE_CLIENT,
			.call = CALL_CONNECT,
			.proto = p->proto,
			.family = p->family,
			.error = failed ? p->error : 0,
			.local = {p->from.addr, p->from.scope, p->local.port},
			.peer = p->to,
			.cookie = p->cookie,
			.ts_ns = p->ts_ns,
			.bytes_in = p->answer_len,
		};

		if (p->local.port)
			evidence_add_api(witness_evidence(a->witness), &api);
	}
}

int audit_probe(struct audit *a, struct probe *list, size_t n)
{
	int ret = probes_run(a->lab.host[LAB_CLIENT].netns_fd, a->guest, list, n);

	if (ret == 0)
		ret = ask_again(a, list, n);
	if (ret == 0 && server_died(a, list, n))
		ret = -ECHILD;
	note_clients(a, list, n);
	return ret;
}

const struct sockdiag_entry *audit_listener(const struct audit *a, size_t service,
					    const struct addr *to)
{
	return service_listener(&a->listeners, &a->services[service], to,
				a->lab.host[LAB_SERVER].ifindex);
}

/* --expect speaks of what was given to say; where nothing was, of all answers. */
static const char *expected_text(const struct audit_config *cfg, uint8_t proto)
{
	bool tcp = cfg->tcp_say.name[0] != '\0', udp = cfg->udp_say.name[0] != '\0';

	return tcp == udp || (proto == IPPROTO_TCP ? tcp : udp) ? cfg->expect : NULL;
}

struct probe audit_new_probe(const struct audit *a, size_t service)
{
	const struct service *s = &a->services[service];
	const struct speech *say = &a->speech[service];

	return (struct probe){
		.proto = s->proto,
		.to = {.port = s->port},
		.say = say->bytes,
		.say_len = say->len,
		.expect = expected_text(a->cfg, s->proto),
		.wait_ms = say->answers ? a->cfg->answer_ms : QUIET_MS,
		.fd = -1,
	};
}

/* The state of learning: how well the best try of each service was understood. */
struct lesson {
	int best[SERVICES_MAX];
	struct probe *probes;	     /* room for two a service */
	size_t of[2 * SERVICES_MAX]; /* probe -> service */
	const struct speech *said[2 * SERVICES_MAX];
};

static size_t plan_try(const struct audit *a, struct lesson *l, size_t service,
		       const struct speech *s, size_t n)
{
	const struct lab_host *to = &a->lab.host[LAB_SERVER], *from = &a->lab.host[LAB_CLIENT];

	/* By both families: a server that is deaf to one of them has something to say to the other.
	 */
	for (int v6 = 0; v6 < 2; v6++) {
		struct probe *p = &l->probes[n];

		if (!audit_listener(a, service, v6 ? &to->v6[0] : &to->v4[0]))
			continue;
		*p = (struct probe){
			.proto = a->services[service].proto,
			.family = v6 ? AF_INET6 : AF_INET,
			.from.addr = v6 ? from->v6[0] : from->v4[0],
			.to = {.addr = v6 ? to->v6[0] : to->v4[0],
			       .port = a->services[service].port},
			.say = s->bytes,
			.say_len = s->len,
			.wait_ms = s->len ? TRY_MS : BANNER_MS,
		};
		l->said[n] = s;
		l->of[n++] = service;
	}
	return n;
}

static size_t plan_round(const struct audit *a, struct lesson *l, size_t round)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_services; i++) {
		const struct speech *s = speech_try(&a->services[i], round);

		if (l->best[i] < 2 && s)
			n = plan_try(a, l, i, s, n);
	}
	return n;
}

static void learn_round(struct audit *a, struct lesson *l, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		const struct probe *p = &l->probes[k];
		size_t i = l->of[k];
		int how = speech_understood(l->said[k], p->answer, p->answer_len);

		if (how <= l->best[i])
			continue;
		l->best[i] = how;
		a->speech[i] = *l->said[k];
		a->speech[i].answers = true;
	}
}

/* Finds out what makes each service answer; all services at once, one try after the other. */
static int learn_speech(struct audit *a)
{
	struct lesson *l = calloc(1, sizeof(*l));
	int ret = l ? 0 : -ENOMEM;

	if (l)
		l->probes = calloc(2 * a->n_services + 1, sizeof(*l->probes));
	if (l && !l->probes)
		ret = -ENOMEM;
	for (size_t i = 0; i < a->n_services && ret == 0; i++) {
		bool tcp = a->services[i].proto == IPPROTO_TCP;
		const struct speech *given = tcp ? &a->cfg->tcp_say : &a->cfg->udp_say;

		a->speech[i] = given->name[0] ? *given : *speech_try(&a->services[i], 0);
		a->speech[i].answers = given->name[0] != '\0';
		l->best[i] = given->name[0] ? 2 : 0;
	}
	for (size_t round = 0, n = 1; n > 0 && ret == 0; round++) {
		n = plan_round(a, l, round);
		if (n > 0)
			ret = audit_probe(a, l->probes, n);
		learn_round(a, l, n);
	}
	if (l)
		free(l->probes);
	free(l);
	return ret;
}

/* With more ports than ranges the last range becomes as wide as it must. */
static void watch_port(struct witness_config *cfg, uint16_t port)
{
	struct port_range *last = &cfg->ports[FILTER_RANGES_MAX - 1];

	for (size_t i = 0; i < cfg->n_ports; i++)
		if (port >= cfg->ports[i].lo && port <= cfg->ports[i].hi)
			return;
	if (cfg->n_ports < FILTER_RANGES_MAX)
		cfg->ports[cfg->n_ports++] = (struct port_range){.lo = port, .hi = port};
	else if (port < last->lo)
		last->lo = port;
	else
		last->hi = port;
}

/* The wire is watched on the ports of the services. */
static int start_witness(struct audit *a, struct audit_error *err)
{
	struct witness_config cfg = {
		.ring = RING_CONFIG_SMALL,
		.keep = true,
		.n_posts = LAB_SIDES,
		.on_frame = a->cfg->on_frame,
		.arg = a->cfg->frame_arg,
	};
	const char *what;
	int ret;

	for (int side = 0; side < LAB_SIDES; side++)
		cfg.posts[side] = (struct witness_post){.side = side == LAB_CLIENT ? SIDE_CLIENT
										   : SIDE_SERVER,
							.netns_fd = a->lab.host[side].netns_fd,
							.ifindex = a->lab.host[side].ifindex};
	for (size_t i = 0; i < a->n_services; i++)
		watch_port(&cfg, a->services[i].port);
	cfg.ring.snaplen =
		LAB_MTU + SNAP_HEADERS; /* whole frames, for whoever wants to read them */
	ret = witness_open(&cfg, &a->witness, &what);
	if (ret < 0)
		return fail(err, ret, "the witness needs CAP_NET_RAW in the lab's namespaces",
			    what);
	for (uint32_t i = 0; i < LAB_SIDES && a->cfg->on_tap; i++)
		a->cfg->on_tap(witness_where(a->witness, i), cfg.ring.snaplen, a->cfg->frame_arg);
	ret = witness_ready(a->witness, WITNESS_WAIT_MS);
	return ret < 0 ? fail(err, ret, "", "the witness's first frame did not cross the lab") : 0;
}

static void sort_services(struct audit *a)
{
	const struct service *last = &a->services[SERVICES_MAX - 1];

	a->n_services = services_of(&a->listeners, a->services, SERVICES_MAX);
	a->n_unchecked = a->listeners.unlisted;
	if (a->n_services == SERVICES_MAX)
		a->n_unchecked += a->listeners.n - last->first - last->n;
}

/*
 * A server that died is a finding of the check that was going on. What follows is checked on a new
 * one, if it starts.
 */
static void revive(struct audit *a, struct audit_result *r)
{
	struct listeners *ignored;
	struct audit_error err = {0};
	char how[64];

	if (!audit_server_ended(a, how, sizeof(how)))
		return;
	if (!r->n || strcmp(r->list[r->n - 1].where, "server") != 0)
		result_find(r, SEVERITY_BUG, "server",
			    "find what it does with such a client in its log or a debugger",
			    "the server %s while clients talked to it", how);
	ignored = malloc(sizeof(*ignored));
	if (ignored)
		audit_start_server(a, &a->listeners, ignored, &err);
	free(ignored);
}

/*
 * Some servers get stuck by a few datagrams at once: what could not be carried out for that is
 * carried out anew with a fresh server, CHECK_TRIES times in all, and the summary says so.
 */
static void run_until_clear(struct audit *a, enum audit_check c, struct audit_result *r)
{
	struct listeners *ignored = malloc(sizeof(*ignored));
	struct audit_error err = {0};
	int tries = 1;
	size_t len;

	audit_checks[c].run(a, r);
	while (ignored && r->status == AUDIT_FAILED && r->try_again && tries < CHECK_TRIES &&
	       audit_start_server(a, &a->listeners, ignored, &err) == 0) {
		*r = (struct audit_result){0};
		audit_checks[c].run(a, r);
		tries++;
	}
	free(ignored);
	len = strlen(r->summary);
	if (tries > 1)
		snprintf(r->summary + len, sizeof(r->summary) - len,
			 " (tried %d times, each with a fresh server)", tries);
}

static void run_check(struct audit *a, enum audit_check c, audit_progress_fn progress)
{
	struct audit_result *r = &a->results[c];
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	char text[64];

	if (!a->cfg->wanted[c]) {
		result_set(r, AUDIT_NOT_ASKED, "left out");
		return;
	}
	if (guest_step(a->guest)->all_ended) {
		result_set(r, AUDIT_FAILED, "the server did not start again");
		return;
	}
	snprintf(text, sizeof(text), "checking %s", audit_check_name(c));
	progress(text);
	run_until_clear(a, c, r);
	if (c != CHECK_RESTART)
		revive(a, r);
	r->ms = ms_since(began);
}

/* What the checks with clients need: the wire watched, and words that the server answers to. */
static int meet_server(struct audit *a, struct audit_error *err, audit_progress_fn progress)
{
	int ret = a->cfg->keep_evidence ? start_witness(a, err) : 0;

	if (ret < 0)
		return ret;
	if (a->witness)
		witness_dump_sockets(a->witness); /* who will take the datagrams */
	progress("learning what makes it answer");
	ret = learn_speech(a);
	if (ret < 0 && ret != -ECHILD)
		return fail(err, ret, "", "cannot probe the server");
	revive(a, &a->results[CHECK_REACH]); /* these first clients may have been too much for it */
	return 0;
}

static int run_all(struct audit *a, struct audit_error *err, audit_progress_fn progress)
{
	int ret;

	progress("waiting for the server to listen");
	ret = audit_start_server(a, NULL, &a->listeners, err);
	if (ret < 0)
		return ret;
	sort_services(a);
	run_check(a, CHECK_LISTENERS, progress);
	ret = meet_server(a, err, progress);
	if (ret < 0)
		return ret;
	for (int c = CHECK_LISTENERS + 1; c < CHECK_NUM; c++)
		run_check(a, (enum audit_check)c, progress);
	return 0;
}

/* What is missing of a capture is in the evidence, as a gate that fails. */
static int conclude(struct audit *a, struct audit_error *err)
{
	int ret;

	witness_step(a->witness);
	witness_stop(a->witness);
	ret = judge(witness_evidence(a->witness), &a->report);
	return ret < 0 ? fail(err, ret, "", "cannot judge what was seen on the wire") : 0;
}

int audit_run(const struct audit_config *cfg, struct audit *a, struct audit_error *err,
	      audit_progress_fn progress)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	int ret;

	*a = (struct audit){.cfg = cfg};
	*err = (struct audit_error){0};
	a->lab.host[LAB_CLIENT].netns_fd = a->lab.host[LAB_SERVER].netns_fd = -1;
	ret = prepare(a, err);
	if (ret == 0)
		ret = run_all(a, err, progress);
	if (ret == 0)
		audit_stop_server(a);
	if (ret == 0 && a->witness)
		ret = conclude(a, err);
	progress(NULL);
	a->total_ms = ms_since(began);
	return ret;
}

void audit_free(struct audit *a)
{
	judge_report_free(&a->report);
	witness_close(a->witness);
	guest_free(a->guest);
	free(a->past);
	sockdiag_close(a->server_diag);
	lab_destroy(&a->lab);
}
