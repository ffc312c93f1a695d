/* SPDX-License-Identifier: MIT */
/* watch.c - judges the connections of a running server one by one as they end, in bounded memory */
#include "watch.h"

#include "../rawstack/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

enum {
	CATCH_UP_MS = 100,
	READY_MS = 2000,
	JUDGE_MS = 50,	   /* at most so often are ended flows looked for */
	POLL_MS = 50,	   /* that poll() may wait */
	EARLY_MAX = 1024,  /* sockets that ended before their frames were read */
	EARLY_MS = 500,	   /* and how long they wait for them */
	RELIST_MS = 1000,  /* between two looks at the listeners */
	LISTENER_TAG = -1, /* an owner that was asked for a listener, not for a flow */
	ANSWERS_MS =
		2000,	  /* how long the owner's answers are waited for at the start and the end */
	LOOKUP_TRIES = 6, /* 0, 1, 4, 16, 64, 256 ms after the first frame */
};

/* A socket's end that was reported before its flow was seen. */
struct early {
	struct sockdiag_entry entry;
	uint64_t since_ns; /* monotonic */
};

/* A flow whose server socket the kernel is to be asked for. */
struct lookup {
	size_t slot;
	uint32_t serial, tries;
	uint64_t next_ns; /* monotonic */
};

struct watch {
	struct watch_config cfg;
	struct witness *witness;
	struct tracker *tracker;
	struct flow_notes *notes;
	struct owner *owner; /* NULL: no process can be named */
	struct early early[EARLY_MAX];
	size_t n_early;
	struct lookup lookups[WATCH_LOOKUPS_MAX];
	size_t n_lookups;
	struct sockdiag_entry listeners[WATCH_LISTENERS_MAX];
	struct owner_name listener_owner[WATCH_LISTENERS_MAX];
	size_t n_listeners, n_asked; /* n_asked: questions that the owner has not answered */
	const struct judge_report *rep;
	struct flow_totals totals;
	uint64_t judge_ns, relist_ns; /* when that was done last */
};

static void on_frame(const struct evidence_frame *f, const struct ring_frame *raw, void *arg)
{
	struct watch *w = arg;
	const struct flow *fl = tracker_frame(w->tracker, f);
	size_t slot = fl ? flow_table_index(w->rep->flows, fl) : SIZE_MAX;

	if (flow_notes_frame(w->notes, w->rep, f, raw, fl, slot) &&
	    w->n_lookups < WATCH_LOOKUPS_MAX)
		w->lookups[w->n_lookups++] =
			(struct lookup){.slot = slot, .serial = flow_notes_serial(w->notes, slot)};
}

/* An event may be here before the ring hands over the frames: it waits for them. */
static void on_kernel(uint32_t tap, const struct sockdiag_entry *e, void *arg)
{
	struct watch *w = arg;

	(void)tap;
	if (!tracker_socket(w->tracker, e) && w->n_early < EARLY_MAX)
		w->early[w->n_early++] = (struct early){*e, clock_ns(CLOCK_MONOTONIC)};
}

/* Those whose frames never come (a socket that sent none) are forgotten after a while. */
static void attach_early(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	size_t n = 0;

	for (size_t i = 0; i < w->n_early; i++)
		if (!tracker_socket(w->tracker, &w->early[i].entry) &&
		    now - w->early[i].since_ns < (uint64_t)EARLY_MS * NS_PER_MS)
			w->early[n++] = w->early[i];
	w->n_early = n;
}

static void ask_owner(struct watch *w, uint32_t serial, size_t slot, uint32_t inode)
{
	bool listener = serial == (uint32_t)LISTENER_TAG;
	uint64_t tag = (uint64_t)serial << 32 | (uint32_t)slot;

	if (w->owner && owner_ask(w->owner, tag, inode, listener) == 0)
		w->n_asked++;
}

static void on_listener(const struct sockdiag_entry *e, void *arg)
{
	struct watch *w = arg;

	for (size_t i = 0; i < w->n_listeners; i++)
		if (w->listeners[i].cookie == e->cookie)
			return;
	if (w->n_listeners == WATCH_LISTENERS_MAX)
		return;
	if (e->inode)
		ask_owner(w, (uint32_t)LISTENER_TAG, w->n_listeners, e->inode);
	w->listeners[w->n_listeners++] = *e;
}

static void list_listeners(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (w->relist_ns && now - w->relist_ns < (uint64_t)RELIST_MS * NS_PER_MS)
		return;
	w->relist_ns = now;
	witness_listeners(w->witness, 0, on_listener, w);
}

/* The listener that a flow's datagrams come to: the most specific one of its address and port. */
static size_t listener_of(const struct watch *w, const struct flow_key *key)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < w->n_listeners; i++) {
		const struct sockdiag_entry *e = &w->listeners[i];
		bool any = addr_is_any(&e->src.addr), v4 = addr_is_mapped(&key->server), dual;

		if (e->proto != key->proto || e->src.port != key->server_port)
			continue;
		if (!any && addr_eq(&e->src.addr, &key->server))
			return i;
		/* 0.0.0.0 goes before a dual-stack [::]. */
		dual = e->family == AF_INET6 && e->v6only != 1;
		if (any && (v4 == (e->family == AF_INET) || (dual && best == SIZE_MAX)))
			best = i;
	}
	return best;
}

static void on_judged(const struct judge_report *rep, const struct judged *j, void *arg)
{
	struct watch *w = arg;
	size_t slot = flow_table_index(w->rep->flows, j->c.flow), l = listener_of(w, &j->c.key);

	/* Too short to be found in the act: then the process that was listening is named. */
	if (flow_notes_owner(w->notes, slot)->pid == 0 && l != SIZE_MAX)
		flow_notes_set_owner(w->notes, slot, &w->listener_owner[l]);
	flow_notes_judged(w->notes, rep, j, l == SIZE_MAX ? NULL : &w->listeners[l], slot);
}

static int make_parts(struct watch *w)
{
	const struct evidence *ev = witness_evidence(w->witness);
	int rc = tracker_create(w->cfg.max_flows, ev, on_judged, w, &w->tracker);

	if (rc < 0)
		return rc;
	w->rep = tracker_report(w->tracker);
	return flow_notes_create(&w->cfg.notes, w->cfg.max_flows + 1, 0, NULL, &w->totals,
				 &w->notes);
}

static void take_answers(struct watch *w)
{
	struct owner_name name;
	uint64_t tag;
	int rc = 0;

	while (w->owner && (rc = owner_answer(w->owner, &tag, &name)) == 1) {
		uint32_t slot = (uint32_t)tag, serial = (uint32_t)(tag >> 32);

		w->n_asked--;
		if (serial == (uint32_t)LISTENER_TAG && slot < w->n_listeners)
			w->listener_owner[slot] = name;
		else if (slot <= w->cfg.max_flows && flow_notes_serial(w->notes, slot) == serial)
			flow_notes_set_owner(w->notes, slot, &name);
	}
	if (rc == -EPIPE) {
		owner_close(w->owner);
		w->owner = NULL;
	}
}

/*
 * At the start, so that the first connection finds its listener's process named; at the end there
 * is no later moment for an answer that is on its way.
 */
static void await_answers(struct watch *w)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ANSWERS_MS * NS_PER_MS, now;

	take_answers(w);
	while (w->owner && w->n_asked && (now = clock_ns(CLOCK_MONOTONIC)) < until) {
		struct pollfd p = {.fd = owner_fd(w->owner), .events = POLLIN};

		poll(&p, 1, (int)((until - now) / NS_PER_MS) + 1);
		take_answers(w);
	}
}

int watch_open(const struct watch_config *cfg, struct watch **out, const char **what)
{
	struct witness_config wc = {
		.posts = {{.side = SIDE_SERVER,
			   .netns_fd = cfg->netns_fd,
			   .ifindex = cfg->ifindex}},
		.n_posts = 1,
		.n_ports = cfg->n_ports,
		.ring = cfg->live ? RING_CONFIG_LIVE : RING_CONFIG_LARGE,
		.keep = cfg->evidence,
		.on_frame = on_frame,
		.on_kernel = on_kernel,
	};
	struct watch *w = calloc(1, sizeof(*w));
	int rc = -ENOMEM;

	*what = "allocate memory";
	if (!w)
		return rc;
	w->cfg = *cfg;
	memcpy(wc.ports, cfg->ports, sizeof(wc.ports));
	wc.arg = w;
	rc = witness_open(&wc, &w->witness, what);
	if (rc < 0)
		goto err;
	*what = "allocate memory";
	rc = make_parts(w);
	if (rc < 0)
		goto err;
	if (cfg->notes.trace)
		trace_add_tap(cfg->notes.trace, witness_where(w->witness, 0), wc.ring.snaplen,
			      "the watched ports, and whatever may hide them");
	*what = "see its own first frame";
	rc = witness_ready(w->witness, READY_MS);
	if (rc < 0)
		goto err;
	if (owner_open(&w->owner) < 0)
		w->owner = NULL;
	list_listeners(w);
	await_answers(w);
	*out = w;
	return 0;
err:
	watch_close(w);
	return rc;
}

size_t watch_fds(const struct watch *w, struct pollfd *fds)
{
	size_t n = witness_fds(w->witness, fds);

	if (w->owner)
		fds[n++] = (struct pollfd){.fd = owner_fd(w->owner), .events = POLLIN};
	return n;
}

int watch_patience_ms(const struct watch *w)
{
	return w->n_lookups ? 1 : POLL_MS;
}

/* Asks for the server's socket of one flow. Returns whether there is nothing more to ask. */
static bool look_up(struct watch *w, const struct lookup *l)
{
	const struct flow *fl = flow_table_at(w->rep->flows, l->slot);
	const struct sockdiag_entry *known;
	struct sockdiag_entry e;
	struct endpoint server, client;

	if (!fl || flow_notes_serial(w->notes, l->slot) != l->serial)
		return true;
	known = tracker_server(w->tracker, fl);
	if (known && known->destroyed)
		return true;
	server = (struct endpoint){.addr = fl->key.server, .port = fl->key.server_port};
	client = (struct endpoint){.addr = fl->key.client, .port = fl->key.client_port};
	if (witness_lookup(w->witness, 0, fl->key.proto, &server, &client, &e) < 0)
		return false;
	if (fl->key.proto == IPPROTO_UDP)
		tracker_looked_up(w->tracker, fl, &e);
	else if (e.dst.port == 0)
		return false; /* the listener: the handshake is still going on */
	/* Until accept() has taken it, a connection has no inode. */
	if (!e.inode)
		return false;
	ask_owner(w, l->serial, l->slot, e.inode);
	if (listener_of(w, &fl->key) == SIZE_MAX)
		list_listeners(w);
	return true;
}

static void run_lookups(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	size_t kept = 0, asked = 0;

	for (size_t i = 0; i < w->n_lookups; i++) {
		struct lookup l = w->lookups[i];

		if (l.next_ns <= now && asked < WATCH_LOOKUPS_STEP) {
			asked++;
			if (look_up(w, &l) || ++l.tries == LOOKUP_TRIES)
				continue;
			l.next_ns = now + ((uint64_t)NS_PER_MS << 2 * (l.tries - 1));
		}
		w->lookups[kept++] = l;
	}
	w->n_lookups = kept;
}

static int judge_due(struct watch *w)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	struct judge_run run;
	int rc;

	if (w->cfg.notes.trace)
		trace_step(w->cfg.notes.trace, now_ns);
	if (!tracker_is_due(w->tracker, now_ns))
		return 0;
	rc = witness_catch_up(w->witness, CATCH_UP_MS);
	if (rc < 0 && rc != -ETIMEDOUT)
		return rc;
	judge_live_gates(w->rep->ev, w->rep->flows, &run);
	tracker_set_run(w->tracker, &run);
	tracker_judge_due(w->tracker, now_ns);
	return 0;
}

int watch_step(struct watch *w)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int rc = witness_step(w->witness);

	if (rc < 0)
		return rc;
	w->totals.frames += (uint64_t)rc;
	attach_early(w);
	run_lookups(w);
	take_answers(w);
	if (now - w->judge_ns < (uint64_t)JUDGE_MS * NS_PER_MS)
		return 0;
	w->judge_ns = now;
	return judge_due(w);
}

int watch_stop(struct watch *w)
{
	const struct evidence_tap *tap = &w->rep->ev->taps[0];
	struct judge_run run;
	int rc;

	/* Sockets that are still open are asked for while they exist. */
	witness_step(w->witness);
	run_lookups(w);
	w->relist_ns = 0;
	list_listeners(w); /* one that began after the start may not have been asked for */
	witness_dump_sockets(w->witness);
	rc = witness_stop(w->witness);
	attach_early(w);
	await_answers(w);
	judge_run_gates(w->rep->ev, w->rep->flows, &run);
	/* The tracker knows which flows an unreadable frame may have belonged to. */
	run.reasons &= ~reason_bit(REASON_UNPARSED);
	tracker_set_run(w->tracker, &run);
	tracker_judge_rest(w->tracker);
	w->totals.frames = tap->consumed;
	w->totals.drops = tap->drops;
	return rc;
}

const struct flow_totals *watch_totals(const struct watch *w)
{
	return &w->totals;
}

size_t watch_listeners(const struct watch *w, const struct sockdiag_entry **list)
{
	*list = w->listeners;
	return w->n_listeners;
}

const struct evidence *watch_evidence(const struct watch *w)
{
	return w->rep->ev;
}

const struct tap_where *watch_where(const struct watch *w)
{
	return witness_where(w->witness, 0);
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	owner_close(w->owner);
	witness_close(w->witness);
	flow_notes_destroy(w->notes);
	tracker_destroy(w->tracker);
	free(w);
}
