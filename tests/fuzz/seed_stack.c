/* SPDX-License-Identifier: MIT */
/* seed_stack.c - writes what a kernel really sent to a stack as seeds for fuzz_stack: seed_stack
 * DIR */
#include "stack_input.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/stack/link.h"
#include "../../rawstack/stack/stack.h"

#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A conversation of the kernel's client with a stack on the lab's other end, recorded as records.
 */
struct recorder {
	struct link *link;
	struct stack *s;
	struct stack_course course;
	uint8_t *reserved;
	uint8_t out[STACK_INPUT_MAX];
	size_t len;
	int listener;
};

static void record(struct recorder *r, uint8_t op, const void *bytes, size_t len)
{
	if (r->len + STACK_RECORD_HDR + len > sizeof(r->out))
		return;
	r->out[r->len] = op;
	put_be16(r->out + r->len + 1, (uint16_t)len);
	memcpy(r->out + r->len + STACK_RECORD_HDR, bytes, len);
	r->len += STACK_RECORD_HDR + len;
}

static void user(struct recorder *r, uint8_t what)
{
	record(r, STACK_OP_USER, &what, 1);
}

static uint8_t *reserve(void *arg, size_t len)
{
	struct recorder *r = arg;

	return r->reserved = link_reserve(r->link, len);
}

static void commit(void *arg, size_t len)
{
	struct recorder *r = arg;

	stack_follow(&r->course, r->reserved, len);
	link_commit(r->link, len);
}

static void take_frame(struct recorder *r, const struct link_frame *f, uint64_t now)
{
	uint8_t copy[2048], *tcp;

	if (f->meta.caplen > sizeof(copy))
		return;
	memcpy(copy, f->bytes, f->meta.caplen);
	tcp = stack_find_tcp(copy, f->meta.caplen);
	if (tcp) {
		put_be32(tcp + 4, get_be32(tcp + 4) - r->course.peer_next);
		if (tcp[13] & 16)
			put_be32(tcp + 8, get_be32(tcp + 8) - r->course.stack_next);
	}
	record(r, tcp ? STACK_OP_RELATIVE : STACK_OP_SOUND, copy, f->meta.caplen);
	stack_input(r->s, now, f->bytes, f->meta.caplen, &f->meta);
}

/* Lets both talk for a while; the stack's program echoes and closes after its peer. */
static void run(struct recorder *r, int ms)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * NS_PER_MS, now;
	struct pollfd p = {.fd = r->link->fd, .events = POLLIN};
	struct stack_event ev;
	struct link_frame f;
	stack_conn conn;
	char buf[4096];
	ssize_t n;

	while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
		while (link_rx(r->link, &f))
			take_frame(r, &f, now);
		stack_timers(r->s, now);
		while (stack_event(r->s, &ev)) {
			if (ev.type == STACK_EV_ACCEPT &&
			    stack_accept(r->s, r->listener, &conn, NULL) == 0)
				user(r, STACK_USER_ACCEPT);
			if (ev.type != STACK_EV_READABLE)
				continue;
			n = stack_read(r->s, ev.conn, buf, sizeof(buf), false);
			user(r, STACK_USER_READ);
			if (n > 0) {
				(void)stack_send(r->s, ev.conn, buf, (size_t)n);
				user(r, STACK_USER_SEND);
			} else {
				stack_close(r->s, now, ev.conn);
				user(r, STACK_USER_CLOSE);
			}
		}
		stack_flush(r->s, now);
		link_flush(r->link);
		poll(&p, 1, 1);
	}
}

static void talk(struct recorder *r, const struct lab *lab, bool v6, bool reset)
{
	struct endpoint ep = {
		.addr = v6 ? lab->host[LAB_SERVER].v6[0] : lab->host[LAB_SERVER].v4[0], .port = 80};
	struct linger l = {.l_onoff = 1};
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&ep, AF_INET6, &ss);
	int fd = netns_socket(lab->host[LAB_CLIENT].netns_fd, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK,
			      0);
	int udp = netns_socket(lab->host[LAB_CLIENT].netns_fd, AF_INET6, SOCK_DGRAM, 0);
	char buf[64];

	assert(fd >= 0 && udp >= 0);
	(void)connect(fd, (struct sockaddr *)&ss, (socklen_t)len);
	run(r, 20);
	(void)!write(fd, "a few words", 11);
	run(r, 20);
	(void)!read(fd, buf, sizeof(buf));
	(void)sendto(udp, "datagram", 8, 0, (struct sockaddr *)&ss, (socklen_t)len);
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	else
		shutdown(fd, SHUT_WR);
	run(r, 60);
	close(fd);
	close(udp);
	run(r, 20);
}

static void write_seed(const char *dir, const char *name, const struct recorder *r)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert(f && fwrite(r->out, 1, r->len, f) == r->len);
	fclose(f);
}

int main(int argc, char *argv[])
{
	static const char *const names[] = {"v4-close", "v6-close", "v4-reset", "v6-reset"};
	struct lab_options opt = {.bare_server = true};
	struct lab lab;

	if (argc != 2 || netns_become_capable() < 0 || lab_create_with(&opt, &lab, NULL) != 0) {
		fprintf(stderr, "usage: seed_stack DIRECTORY (and the right to make namespaces)\n");
		return 1;
	}
	for (int i = 0; i < 4; i++) {
		struct recorder *r = calloc(1, sizeof(*r));
		struct link_config lc = {.netns_fd = lab.host[LAB_SERVER].netns_fd,
					 .ifindex = lab.host[LAB_SERVER].ifindex};
		struct stack_config cfg = {.link = {reserve, commit, r},
					   .n_addrs = 2,
					   .addrs = {{lab.host[LAB_SERVER].v4[0], 24},
						     {lab.host[LAB_SERVER].v6[0], 64}},
					   .skip_dad = true};
		struct stack_bind b = {.family = AF_INET6, .local = {.port = 80}};
		int rc = link_ring_open(&lc, &r->link);

		assert(rc == 0);
		memcpy(cfg.mac, r->link->mac, 6);
		rc = stack_create(&cfg, clock_ns(CLOCK_MONOTONIC), &r->s);
		assert(rc == 0);
		r->listener = stack_tcp_bind(r->s, &b);
		rc = stack_tcp_listen(r->s, r->listener, 4);
		assert(rc == 0);
		talk(r, &lab, i & 1, i >= 2);
		write_seed(argv[1], names[i], r);
		stack_destroy(r->s);
		link_close(r->link);
		free(r);
	}
	lab_destroy(&lab);
	return 0;
}
