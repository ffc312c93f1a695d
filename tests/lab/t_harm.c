/* SPDX-License-Identifier: MIT */
/* t_harm.c - a cable that does harm: a relay between two labs */
#include "t_harm.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab_extra.h"
#include "../../rawstack/netlink/netns.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAYS = 2, FRAME_MAX = 2048, OVERTAKEN_MAX = 4, HELD_MS = 2, BUFFER = 8 << 20, BATCH = 64 };

/* One direction. */
struct way {
	int from, to;
	uint64_t luck;
	struct harm_stats st;
	uint8_t held[FRAME_MAX]; /* one that others overtake */
	size_t held_len;	 /* 0: none */
	unsigned int overtake;	 /* by so many more */
	uint64_t held_until;
};

struct harm {
	struct harm_config cfg;
	struct lab far;
	struct way ways[WAYS];
	int stop_fd;
	pthread_t thread;
};

/* xorshift64*, by Sebastiano Vigna. */
static uint64_t draw(struct way *w)
{
	w->luck ^= w->luck >> 12;
	w->luck ^= w->luck << 25;
	w->luck ^= w->luck >> 27;
	return w->luck * 0x2545f4914f6cdd1d >> 16;
}

static bool happens(struct way *w, uint32_t ppm)
{
	return draw(w) % 1000000 < ppm;
}

static void pass_on(const struct way *w, const uint8_t *frame, size_t len)
{
	ssize_t n = send(w->to, frame, len, 0);

	(void)n; /* what does not fit is lost as on any wire */
}

static void let_go(struct way *w)
{
	if (w->held_len)
		pass_on(w, w->held, w->held_len);
	w->held_len = 0;
}

/* Behind the Ethernet header, so that it arrives and a checksum has to find it. */
static void break_one_bit(struct way *w, uint8_t *frame, size_t len)
{
	uint64_t bit = ETH_HLEN * 8 + draw(w) % ((len - ETH_HLEN) * 8);

	frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	w->st.corrupted++;
}

static void relay(const struct harm_config *c, struct way *w, uint8_t *frame, size_t len)
{
	w->st.frames++;
	if (happens(w, c->loss_ppm)) {
		w->st.lost++;
		return;
	}
	if (len > ETH_HLEN && happens(w, c->corrupt_ppm))
		break_one_bit(w, frame, len);
	if (w->held_len == 0 && happens(w, c->reorder_ppm)) {
		memcpy(w->held, frame, len);
		w->held_len = len;
		w->overtake = 1 + (unsigned int)(draw(w) % OVERTAKEN_MAX);
		w->held_until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)HELD_MS * NS_PER_MS;
		w->st.reordered++;
		return;
	}
	pass_on(w, frame, len);
	if (happens(w, c->dup_ppm)) {
		pass_on(w, frame, len);
		w->st.duplicated++;
	}
	if (w->held_len && --w->overtake == 0)
		let_go(w);
}

static void relay_some(const struct harm_config *c, struct way *w)
{
	uint8_t frame[FRAME_MAX];

	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv(w->from, frame, sizeof(frame), MSG_DONTWAIT);

		if (n <= 0)
			break;
		relay(c, w, frame, (size_t)n);
	}
	if (w->held_len && clock_ns(CLOCK_MONOTONIC) >= w->held_until)
		let_go(w);
}

static void *run(void *arg)
{
	struct harm *h = arg;
	struct pollfd fds[WAYS + 1] = {{.fd = h->ways[0].from, .events = POLLIN},
				       {.fd = h->ways[1].from, .events = POLLIN},
				       {.fd = h->stop_fd, .events = POLLIN}};

	while (fds[WAYS].revents == 0) {
		bool held = h->ways[0].held_len || h->ways[1].held_len;

		poll(fds, WAYS + 1, held ? 1 : -1);
		for (int i = 0; i < WAYS; i++)
			relay_some(&h->cfg, &h->ways[i]);
	}
	return NULL;
}

static int packet_socket(const struct lab_host *host)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)host->ifindex};
	int fd = netns_socket(host->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;
	int size = BUFFER;

	cr_assert(fd >= 0, "%s", strerror(-fd));
	/* An ordinary user's may not be as large. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	cr_assert(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "%s", strerror(errno));
	return fd;
}

struct harm *harm_new(const struct harm_config *cfg, const struct lab *near)
{
	struct lab_options opt = {.bare_server = !cfg->kernel, .bare_client = true};
	struct harm *h = calloc(1, sizeof(*h));
	struct lab_error err;
	int rc, ends[2];

	cr_assert(h);
	h->cfg = *cfg;
	rc = lab_create_with(&opt, &h->far, &err);
	cr_assert(rc == 0, "%s: %s", err.step, err.detail);
	/* A lab's hosts give up what a closed socket has left to send after one repetition: a
	 * stream's end would be lost with two frames in a row. */
	rc = lab_sysctl(&h->far, LAB_SERVER, "net.ipv4.tcp_orphan_retries", "8", &err);
	cr_assert(rc == 0, "%s: %s", err.step, err.detail);
	ends[0] = packet_socket(&near->host[LAB_SERVER]);
	ends[1] = packet_socket(&h->far.host[LAB_CLIENT]);
	for (int i = 0; i < WAYS; i++)
		h->ways[i] = (struct way){
			.from = ends[i],
			.to = ends[!i],
			.luck = (cfg->seed * 2 + (uint64_t)i) * 0x9e3779b97f4a7c15 | 1};
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert(h->stop_fd >= 0 && pthread_create(&h->thread, NULL, run, h) == 0);
	return h;
}

int harm_netns(const struct harm *h)
{
	return h->far.host[LAB_SERVER].netns_fd;
}

void harm_free(struct harm *h, struct harm_stats *out)
{
	uint64_t one = 1;

	cr_assert(write(h->stop_fd, &one, sizeof(one)) == sizeof(one));
	pthread_join(h->thread, NULL);
	*out = h->ways[0].st;
	out->frames += h->ways[1].st.frames;
	out->lost += h->ways[1].st.lost;
	out->duplicated += h->ways[1].st.duplicated;
	out->reordered += h->ways[1].st.reordered;
	out->corrupted += h->ways[1].st.corrupted;
	for (int i = 0; i < WAYS; i++)
		close(h->ways[i].from);
	close(h->stop_fd);
	lab_destroy(&h->far);
	free(h);
}
