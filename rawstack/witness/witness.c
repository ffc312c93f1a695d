/* SPDX-License-Identifier: MIT */
/* witness.c - taps and sock_diag run together, from a proven start to a proven stop */
#include "witness.h"

#include "../clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	WAIT_SLICE_MS = 1,
	CANARY_END_MS = 500,
	DRAIN_SLACK_MS = 50,
};

struct post {
	struct tap *tap;
	struct sockdiag *diag;
	struct sockdiag_events *events;
	uint64_t canaries; /* bit i: canary i of the document was seen here */
};

struct witness {
	struct witness_config cfg;
	struct post posts[EVIDENCE_TAPS_MAX];
	struct evidence ev;
	int64_t clock_offset_ns; /* REALTIME - MONOTONIC at the start */
	size_t frames_max;
	bool stopped;
};

static int64_t clock_offset_ns(void)
{
	return (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

static int open_post(struct witness *w, uint32_t i, const char **what)
{
	const struct witness_post *p = &w->cfg.posts[i];
	struct post *post = &w->posts[i];
	struct tap_config tc = {
		.netns_fd = p->netns_fd,
		.ifindex = p->ifindex,
		.filter = {.ranges = w->cfg.ports,
			   .n_ranges = w->cfg.n_ports,
			   .snaplen = w->cfg.ring.snaplen,
			   .accept_canary = true,
			   .canary_magic = TAP_CANARY_MAGIC},
		.ring = w->cfg.ring,
		.lock_filter = true,
	};
	struct evidence_tap *t = &w->ev.taps[i];
	int rc;

	*what = "open the packet socket and its ring";
	rc = tap_open(&tc, &post->tap);
	if (rc < 0)
		return rc;
	*what = "open sock_diag";
	rc = sockdiag_open(p->netns_fd, &post->diag);
	if (rc < 0)
		return rc;
	*what = "subscribe to destroyed sockets";
	rc = sockdiag_events_open(p->netns_fd, 0, &post->events);
	if (rc < 0)
		return rc;
	t->side = p->side;
	t->own_stack = p->own_stack;
	t->ifindex = p->ifindex;
	t->netns_inode = tap_where(post->tap)->netns_inode;
	memcpy(t->ifname, tap_where(post->tap)->ifname, sizeof(t->ifname));
	w->ev.n_taps = i + 1;
	return 0;
}

int witness_open(const struct witness_config *cfg, struct witness **out, const char **what)
{
	struct witness *w = calloc(1, sizeof(*w));
	int rc;

	*what = "allocate memory";
	if (!w)
		return -ENOMEM;
	if (cfg->n_posts == 0 || cfg->n_posts > EVIDENCE_TAPS_MAX ||
	    cfg->n_ports > FILTER_RANGES_MAX) {
		rc = -EINVAL;
		goto err;
	}
	w->cfg = *cfg;
	evidence_init(&w->ev);
	memcpy(w->ev.ports, cfg->ports, sizeof(w->ev.ports));
	w->ev.n_ports = cfg->n_ports;
	w->frames_max = cfg->frames_max ? cfg->frames_max : EVIDENCE_RECORDS_MAX;
	w->clock_offset_ns = clock_offset_ns();
	for (uint32_t i = 0; i < cfg->n_posts; i++) {
		rc = open_post(w, i, what);
		if (rc < 0)
			goto err;
	}
	*out = w;
	return 0;
err:
	witness_close(w);
	return rc;
}

/* A known canary is noted at this post; one of somebody else's is an ordinary frame. */
static bool note_canary(struct witness *w, uint32_t tap, uint64_t nonce)
{
	for (size_t i = 0; i < w->ev.n_canaries && i < 64; i++) {
		if (w->ev.canaries[i].nonce != nonce)
			continue;
		w->posts[tap].canaries |= 1ULL << i;
		return true;
	}
	return false;
}

static void take_frame(struct witness *w, uint32_t tap, const struct ring_frame *rf)
{
	struct evidence_frame f = {
		.ts_ns = rf->ts_ns,
		.tap = tap,
		.wirelen = rf->meta.wirelen,
		.outgoing = (rf->meta.flags & FRAME_META_OUTGOING) != 0,
	};
	bool keep = w->cfg.keep;

	if (tap_is_canary(rf, &f.nonce) && note_canary(w, tap, f.nonce)) {
		f.canary = true;
		f.info.ethertype = ETHTYPE_LOCAL1;
		keep = true;
	} else {
		f.nonce = 0;
		frame_dissect(rf->bytes, &rf->meta, &f.info);
	}
	if (w->cfg.on_frame)
		w->cfg.on_frame(&f, rf, w->cfg.arg);
	if (keep && w->ev.n_frames >= w->frames_max)
		w->ev.overflow = true;
	else if (keep && evidence_add_frame(&w->ev, &f) == 0)
		return;
	w->ev.taps[tap].unlisted++;
}

struct kernel_sink {
	struct witness *w;
	uint32_t tap;
};

static void take_socket(const struct sockdiag_entry *e, void *arg)
{
	struct kernel_sink *sink = arg;
	struct witness *w = sink->w;
	struct evidence_kernel k = {.tap = sink->tap, .entry = *e};

	if (w->cfg.on_kernel)
		w->cfg.on_kernel(sink->tap, e, w->cfg.arg);
	if (w->cfg.keep)
		evidence_add_kernel(&w->ev, &k);
}

/* Sockets of other ports are nobody's business here. */
static void take_watched(const struct sockdiag_entry *e, void *arg)
{
	struct kernel_sink *sink = arg;

	if (evidence_watches(&sink->w->ev, e->src.port) ||
	    evidence_watches(&sink->w->ev, e->dst.port))
		take_socket(e, arg);
}

static int read_stats(struct witness *w, uint32_t tap)
{
	struct evidence_tap *t = &w->ev.taps[tap];
	struct ring_stats st;
	int rc = tap_stats(w->posts[tap].tap, &st);

	if (rc < 0)
		return rc;
	t->packets = st.packets;
	t->drops = st.drops;
	t->consumed = st.consumed;
	t->block_gaps = st.block_gaps;
	return 0;
}

static int read_ring(struct witness *w, uint32_t tap)
{
	struct ring_frame rf;
	int n = 0;

	while (tap_next(w->posts[tap].tap, &rf) == 1) {
		take_frame(w, tap, &rf);
		w->ev.taps[tap].consumed++;
		n++;
	}
	return n;
}

static int read_events(struct witness *w)
{
	w->ev.kernel_events_lost = 0;
	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		struct kernel_sink sink = {w, i};
		int rc = sockdiag_events_read(w->posts[i].events, take_watched, &sink);

		if (rc < 0)
			return rc;
		w->ev.kernel_events_lost += sockdiag_events_lost(w->posts[i].events);
	}
	return 0;
}

int witness_step(struct witness *w)
{
	int frames = 0, rc;

	for (uint32_t i = 0; i < w->ev.n_taps; i++)
		frames += read_ring(w, i);
	rc = read_events(w);
	return rc < 0 ? rc : frames;
}

size_t witness_fds(const struct witness *w, struct pollfd *fds)
{
	size_t n = 0;

	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		fds[n++] = (struct pollfd){.fd = tap_fd(w->posts[i].tap), .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = sockdiag_events_fd(w->posts[i].events),
					   .events = POLLIN};
	}
	return n;
}

/* Waits for something to read, at most until @deadline_ns. Returns 0 or -ETIMEDOUT. */
static int wait_readable(struct witness *w, uint64_t deadline_ns)
{
	struct pollfd fds[WITNESS_FDS_MAX];
	size_t n = witness_fds(w, fds);

	if (clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
		return -ETIMEDOUT;
	/* A ring may become readable between the read and here without poll() noticing: hence
	 * slices. */
	poll(fds, n, WAIT_SLICE_MS);
	return 0;
}

static uint64_t deadline_in(unsigned int ms)
{
	return clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * NS_PER_MS;
}

static bool all_canaries_seen(const struct witness *w)
{
	uint64_t all = w->ev.n_canaries >= 64 ? UINT64_MAX : (1ULL << w->ev.n_canaries) - 1;

	for (uint32_t i = 0; i < w->ev.n_taps; i++)
		if (w->posts[i].canaries != all)
			return false;
	return true;
}

/* Sends one canary from each post and waits until every post has seen all of them. */
static int exchange_canaries(struct witness *w, bool end, unsigned int timeout_ms)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint64_t deadline = deadline_in(timeout_ms);
	int rc = 0;

	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		struct evidence_canary c = {.tap = i, .end = end};

		if (getrandom(&c.nonce, sizeof(c.nonce), 0) != sizeof(c.nonce))
			return -EIO;
		rc = evidence_add_canary(&w->ev, &c);
		if (rc == 0)
			/* With one post the link may be a real one: then no other host shall take
			 * it. */
			rc = tap_send_canary(w->posts[i].tap, c.nonce,
					     w->ev.n_taps > 1 ? broadcast : NULL);
		if (rc < 0)
			return rc;
	}
	while (rc == 0) {
		rc = witness_step(w);
		if (rc < 0 || all_canaries_seen(w))
			break;
		rc = wait_readable(w, deadline);
	}
	return rc < 0 ? rc : 0;
}

int witness_ready(struct witness *w, unsigned int timeout_ms)
{
	return exchange_canaries(w, false, timeout_ms);
}

static bool identity_holds(const struct evidence_tap *t)
{
	return t->consumed == t->packets - t->drops;
}

/* Reads until each ring has handed over all that the last look at its counters included. */
static int drain(struct witness *w, unsigned int timeout_ms)
{
	uint64_t deadline = deadline_in(timeout_ms);
	int rc;

	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		rc = read_stats(w, i);
		while (rc == 0 &&
		       w->ev.taps[i].consumed < w->ev.taps[i].packets - w->ev.taps[i].drops) {
			if (read_ring(w, i) == 0)
				rc = wait_readable(w, deadline);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

int witness_catch_up(struct witness *w, unsigned int timeout_ms)
{
	int rc = drain(w, timeout_ms);

	return rc < 0 ? rc : read_events(w);
}

static int dump_all(struct witness *w, uint32_t tap, sockdiag_fn fn, void *arg)
{
	static const int families[] = {AF_INET, AF_INET6}, protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (int k = 0; k < 4; k++) {
		int rc = sockdiag_dump(w->posts[tap].diag, protos[k & 1], families[k >> 1], 0, fn,
				       arg);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int witness_dump_sockets(struct witness *w)
{
	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		struct kernel_sink sink = {w, i};
		int rc = dump_all(w, i, take_watched, &sink);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int witness_lookup(struct witness *w, uint32_t tap, int proto, const struct endpoint *local,
		   const struct endpoint *peer, struct sockdiag_entry *out)
{
	/* With IPv4 addresses this is the look-up of an IPv4 datagram, whose socket may be either.
	 */
	bool v4 = addr_is_mapped(&local->addr) && addr_is_mapped(&peer->addr);
	struct evidence_kernel k = {
		.tap = tap, .asked = true, .asked_local = *local, .asked_peer = *peer};
	int rc = sockdiag_get(w->posts[tap].diag, proto, v4 ? AF_INET : AF_INET6, local, peer, out);

	if (rc < 0 || !w->cfg.keep)
		return rc;
	k.entry = *out;
	if (out->dst.port == 0 && proto == IPPROTO_UDP)
		evidence_add_kernel(&w->ev, &k);
	return 0;
}

struct listener_sink {
	const struct evidence *ev;
	sockdiag_fn fn;
	void *arg;
};

static void take_listener(const struct sockdiag_entry *e, void *arg)
{
	const struct listener_sink *sink = arg;

	if (e->dst.port == 0 && evidence_watches(sink->ev, e->src.port) &&
	    (e->proto == IPPROTO_UDP || e->state == TCP_LISTEN))
		sink->fn(e, sink->arg);
}

int witness_listeners(struct witness *w, uint32_t tap, sockdiag_fn fn, void *arg)
{
	struct listener_sink sink = {&w->ev, fn, arg};

	return dump_all(w, tap, take_listener, &sink);
}

int witness_stop(struct witness *w)
{
	unsigned int drain_ms = w->cfg.ring.retire_ms + DRAIN_SLACK_MS;
	int rc, first = 0;

	if (w->stopped)
		return 0;
	w->stopped = true;
	first = exchange_canaries(w, true, CANARY_END_MS);
	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		rc = tap_stop(w->posts[i].tap);
		first = first ? first : rc;
	}
	rc = drain(w, drain_ms);
	first = first ? first : rc;
	for (uint32_t i = 0; i < w->ev.n_taps; i++) {
		rc = read_stats(w, i);
		if (rc == 0 && !identity_holds(&w->ev.taps[i]))
			rc = -EIO;
		first = first ? first : rc;
		w->ev.taps[i].went_down = tap_went_down(w->posts[i].tap) == 1;
	}
	rc = read_events(w);
	first = first ? first : rc;
	w->ev.clock_step_ns = clock_offset_ns() - w->clock_offset_ns;
	return first;
}

struct evidence *witness_evidence(struct witness *w)
{
	return &w->ev;
}

const struct tap_where *witness_where(const struct witness *w, uint32_t tap)
{
	return tap < w->ev.n_taps ? tap_where(w->posts[tap].tap) : NULL;
}

void witness_close(struct witness *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < EVIDENCE_TAPS_MAX; i++) {
		tap_close(w->posts[i].tap);
		sockdiag_close(w->posts[i].diag);
		sockdiag_events_close(w->posts[i].events);
	}
	evidence_free(&w->ev);
	free(w);
}
