/* SPDX-License-Identifier: MIT */
/* diff_host.c - the two hosts of the differential test: the kernel in a lab, the stack beside it */
#include "diff.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab.h"
#include "../../rawstack/netlink/netns.h"
#include "../../rawstack/stack/link.h"
#include "../../rawstack/stack/stack.h"
#include "../../rawstack/wire/csum.h"
#include "../../rawstack/wire/icmp_msg.h"
#include "../../rawstack/wire/ipv4.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * The kernel's half is not told when it is done: after each step an echo request goes the same way,
 * and what came before its reply is what the step was answered with. The program's half of each
 * host is the same: accept, and then as the mode says.
 */
enum {
	PORTS = DIFF_PORTS * DIFF_MODES,
	CONNS_MAX = 16,
	KEPT_MAX = 64,
	BARRIER_ID = 0xbeef,
	BARRIER_MS = 5000,
};

static const struct {
	int family;
	const char *address; /* NULL: nobody */
	bool v6only;
} listeners[DIFF_PORTS] = {
	{AF_INET, "0.0.0.0", false},
	{AF_INET, "198.51.100.1", false},
	{AF_INET6, "::", false},
	{AF_INET6, "::", true},
	{AF_INET6, "2001:db8:1::1", false},
	{AF_INET6, "::ffff:198.51.100.1", false},
	{AF_INET6, "::ffff:0.0.0.0", false},
	{0, NULL, false},
};

struct diff_host {
	bool kernel;
	struct diff_view view;

	struct lab lab;
	struct link *link;
	uint16_t barriers;
	int tcp[PORTS], udp[PORTS]; /* descriptors, or bindings of the stack; -1: none */
	int fds[CONNS_MAX];

	struct stack *s;
	uint64_t now;
	stack_conn conns[CONNS_MAX];
	struct {
		size_t len;
		uint8_t bytes[2048];
	} kept[KEPT_MAX];
	int n_kept;

	int n_conns;
};

static void say_peer(char *text, const char *what, int family, const struct endpoint *ep)
{
	char buf[ENDPOINT_STRLEN];

	diff_say(text, " (%s %d %s)", what, family,
		 endpoint_print(ep, family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6, buf));
}

static int port_index(const struct diff_exchange *x)
{
	return diff_port(x) - DIFF_PORT_FIRST;
}

/* --- the kernel --- */

static void write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert(fd >= 0 && write(fd, value, strlen(value)) > 0, "%s: %s", path, strerror(errno));
	close(fd);
}

static int kernel_socket(struct diff_host *h, int kind, int type, uint16_t port)
{
	struct endpoint ep = {.port = port};
	struct sockaddr_storage ss;
	int on = listeners[kind].v6only, fd, len;

	if (!listeners[kind].address)
		return -1;
	fd = netns_socket(h->lab.host[LAB_CLIENT].netns_fd, listeners[kind].family,
			  type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert(fd >= 0);
	if (listeners[kind].family == AF_INET6)
		cr_assert(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0);
	cr_assert(addr_parse(listeners[kind].address, &ep.addr, NULL) == 0);
	len = endpoint_to_sockaddr(&ep, listeners[kind].family, &ss);
	cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)len) == 0, "%s", strerror(errno));
	cr_assert(type == SOCK_DGRAM || listen(fd, 64) == 0);
	return fd;
}

struct diff_host *diff_kernel_open(void)
{
	struct lab_options opt = {.bare_server = true};
	struct link_config cfg = {0};
	struct diff_host *h = calloc(1, sizeof(*h));
	struct lab_error err;
	int back;

	h->kernel = true;
	cr_assert(lab_create_with(&opt, &h->lab, &err) == 0, "%s: %s", err.step, err.detail);
	cr_assert(netns_enter(h->lab.host[LAB_CLIENT].netns_fd, &back) == 0);
	/* Per connection and half second: it would make answers depend on how fast the test is. */
	write_setting("/proc/sys/net/ipv4/tcp_invalid_ratelimit", "0");
	/* After the third, acknowledgements of segments out of order would wait for a timer. */
	write_setting("/proc/sys/net/ipv4/tcp_comp_sack_nr", "0");
	netns_leave(back);
	cfg.netns_fd = h->lab.host[LAB_SERVER].netns_fd;
	cfg.ifindex = h->lab.host[LAB_SERVER].ifindex;
	cr_assert(link_ring_open(&cfg, &h->link) == 0);
	for (int i = 0; i < PORTS; i++) {
		uint16_t port = (uint16_t)(DIFF_PORT_FIRST + i);

		h->tcp[i] = kernel_socket(h, i % DIFF_PORTS, SOCK_STREAM, port);
		h->udp[i] = kernel_socket(h, i % DIFF_PORTS, SOCK_DGRAM, port);
	}
	return h;
}

static void kernel_close(struct diff_host *h)
{
	for (int i = 0; i < PORTS; i++) {
		if (h->tcp[i] >= 0)
			close(h->tcp[i]);
		if (h->udp[i] >= 0)
			close(h->udp[i]);
	}
	link_close(h->link);
	lab_destroy(&h->lab);
}

static void kernel_put(struct diff_host *h, const uint8_t *packet, size_t len, bool group)
{
	static const uint8_t all_hosts[6] = {0x01, 0, 0x5e, 0, 0, 1};
	static const uint8_t all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
	bool v6 = packet[0] >> 4 == 6;
	uint8_t *p = link_reserve(h->link, ETH_HDR_LEN + len);

	cr_assert(p);
	memcpy(p, group ? (v6 ? all_nodes : all_hosts) : h->lab.host[LAB_CLIENT].mac, 6);
	memcpy(p + 6, h->link->mac, 6);
	put_be16(p + 12, v6 ? ETHTYPE_IPV6 : ETHTYPE_IPV4);
	memcpy(p + ETH_HDR_LEN, packet, len);
	link_commit(h->link, ETH_HDR_LEN + len);
}

static void put_barrier(struct diff_host *h)
{
	struct addr us = diff_our_addr(false, 0), host = diff_host_addr(false);
	uint8_t packet[64];
	struct outbuf o = outbuf_of(packet, sizeof(packet));

	h->barriers++;
	ipv4_build(&(struct ipv4_hdr){.tot_len = 28,
				      .df = true,
				      .ttl = 64,
				      .proto = IPPROTO_ICMP,
				      .src = us,
				      .dst = host},
		   &o);
	icmp_echo_build(ICMP_KIND_ECHO_REQUEST, (uint32_t)BARRIER_ID << 16 | h->barriers,
			(struct span){0}, false, &us, &host, &o);
	kernel_put(h, packet, o.len, false);
	cr_assert(link_flush(h->link) == 0);
}

static bool is_barrier(const struct diff_host *h, const uint8_t *ip, size_t len)
{
	return len >= 28 && ip[0] == 0x45 && ip[9] == IPPROTO_ICMP && ip[20] == 0 &&
	       get_be32(ip + 24) == ((uint32_t)BARRIER_ID << 16 | h->barriers);
}

/* All that came before the reply to an echo request that is sent now. */
static void kernel_collect(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + BARRIER_MS * (uint64_t)NS_PER_MS;
	struct pollfd p = {.fd = h->link->fd, .events = POLLIN};
	struct link_frame f;

	put_barrier(h);
	for (;;) {
		if (!link_rx(h->link, &f)) {
			cr_assert(clock_ns(CLOCK_MONOTONIC) < deadline,
				  "the kernel does not answer");
			poll(&p, 1, 10);
			continue;
		}
		if (f.meta.caplen <= ETH_HDR_LEN)
			continue;
		if (is_barrier(h, f.bytes + ETH_HDR_LEN, f.meta.caplen - ETH_HDR_LEN))
			return;
		if (text && get_be16(f.bytes + 12) != ETHTYPE_ARP)
			diff_describe(x, &h->view, f.bytes + ETH_HDR_LEN,
				      f.meta.caplen - ETH_HDR_LEN, text);
	}
}

static void kernel_drop(struct diff_host *h, int i, bool reset)
{
	struct linger l = {.l_onoff = 1};

	if (reset)
		setsockopt(h->fds[i], SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(h->fds[i]);
	h->fds[i] = h->fds[--h->n_conns];
}

/* Returns whether anything was done. */
static bool kernel_accept(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	int lfd = h->tcp[port_index(x)], fd;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;

	if (lfd < 0 || h->n_conns == CONNS_MAX)
		return false;
	fd = accept4(lfd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	cr_assert(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &ep) >= 0);
	say_peer(text, "accept", ss.ss_family, &ep);
	h->fds[h->n_conns++] = fd;
	if (x->mode == DIFF_CLOSE)
		kernel_drop(h, h->n_conns - 1, false);
	return true;
}

static bool kernel_read(struct diff_host *h, int i, char *text)
{
	char buf[4096];
	ssize_t n = recv(h->fds[i], buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0)
		diff_say(text, " (read %zd)", n);
	else
		diff_say(text, " (%s)", n == 0 ? "end" : strerrorname_np(errno));
	if (n <= 0)
		kernel_drop(h, i, false);
	return true;
}

static void kernel_act(struct diff_host *h, const struct diff_step *st, char *text)
{
	static const char data[DIFF_PAYLOAD_MAX];
	ssize_t rc;

	for (int i = h->n_conns - 1; i >= 0; i--) {
		switch (st->act) {
		case DIFF_SEND:
			rc = send(h->fds[i], data, st->len, MSG_NOSIGNAL);
			if (rc < 0)
				diff_say(text, " (send %s)", strerrorname_np(errno));
			else
				diff_say(text, " (sent %zd)", rc);
			break;
		case DIFF_SHUTDOWN:
			if (shutdown(h->fds[i], SHUT_WR) < 0)
				diff_say(text, " (shutdown %s)", strerrorname_np(errno));
			break;
		case DIFF_TAKE:
			kernel_read(h, i, text);
			break;
		default:
			kernel_drop(h, i, st->act == DIFF_ABORT);
		}
	}
}

static bool kernel_datagram(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	int fd = h->udp[port_index(x)];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return false;
	n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);
	if (n < 0)
		return false;
	cr_assert(endpoint_from_sockaddr((struct sockaddr *)&ss, len, &ep) >= 0);
	diff_say(text, " (datagram %zd)", n);
	say_peer(text, "from", ss.ss_family, &ep);
	return true;
}

static bool kernel_program(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	bool any = false;

	while (kernel_accept(h, x, text) || kernel_datagram(h, x, text))
		any = true;
	for (int i = h->n_conns - 1; i >= 0 && x->mode == DIFF_READ; i--)
		while (i < h->n_conns && kernel_read(h, i, text))
			any = true;
	return any;
}

/* --- the stack --- */

static uint8_t *stack_reserve(void *arg, size_t len)
{
	struct diff_host *h = arg;

	cr_assert(len <= sizeof(h->kept[0].bytes));
	return h->n_kept < KEPT_MAX ? h->kept[h->n_kept].bytes : NULL;
}

static void stack_commit(void *arg, size_t len)
{
	struct diff_host *h = arg;

	h->kept[h->n_kept++].len = len;
}

static void stack_listeners(struct diff_host *h)
{
	for (int i = 0; i < PORTS; i++) {
		int kind = i % DIFF_PORTS;
		struct stack_bind b = {.family = listeners[kind].family,
				       .v6only = listeners[kind].v6only,
				       .local = {.port = (uint16_t)(DIFF_PORT_FIRST + i)}};

		h->tcp[i] = h->udp[i] = -1;
		if (!listeners[kind].address)
			continue;
		addr_parse(listeners[kind].address, &b.local.addr, NULL);
		h->tcp[i] = stack_tcp_bind(h->s, &b);
		h->udp[i] = stack_udp_bind(h->s, &b);
		cr_assert(h->tcp[i] >= 0 && h->udp[i] >= 0);
		cr_assert(stack_tcp_listen(h->s, h->tcp[i], 64) == 0);
	}
}

struct diff_host *diff_stack_open(void)
{
	struct diff_host *h = calloc(1, sizeof(*h));
	struct stack_config cfg = {
		.link = {stack_reserve, stack_commit, h},
		.l3 = true,
		.n_addrs = 2,
		.addrs = {{diff_host_addr(false), 24}, {diff_host_addr(true), 64}},
		.delack_ms = 1,
		.recv_buffer = 65536, /* as the kernel's at first */
		.secret = "the differential test's secret"};

	h->now = 1000 * (uint64_t)NS_PER_MS;
	cr_assert(stack_create(&cfg, h->now, &h->s) == 0);
	stack_listeners(h);
	return h;
}

/* Acknowledgements that wait for company leave too: the kernel's do at the start of a connection.
 */
static void stack_collect(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	for (int i = 0; i < 2; i++) {
		stack_flush(h->s, h->now);
		h->now += 2 * (uint64_t)NS_PER_MS;
		stack_timers(h->s, h->now);
	}
	stack_flush(h->s, h->now);
	for (int i = 0; i < h->n_kept; i++)
		if (text)
			diff_describe(x, &h->view, h->kept[i].bytes, h->kept[i].len, text);
	h->n_kept = 0;
}

static bool stack_accept_one(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	int id = h->tcp[port_index(x)];
	struct stack_conn_info info;
	stack_conn conn;

	if (id < 0 || h->n_conns == CONNS_MAX || stack_accept(h->s, id, &conn, &info) < 0)
		return false;
	say_peer(text, "accept", info.family, &info.peer);
	if (x->mode == DIFF_CLOSE)
		stack_close(h->s, h->now, conn);
	else
		h->conns[h->n_conns++] = conn;
	return true;
}

static bool stack_read_one(struct diff_host *h, int i, char *text)
{
	char buf[4096];
	ssize_t n = stack_read(h->s, h->conns[i], buf, sizeof(buf), false);

	if (n == -EAGAIN)
		return false;
	if (n > 0)
		diff_say(text, " (read %zd)", n);
	else
		diff_say(text, " (%s)", n == 0 ? "end" : strerrorname_np((int)-n));
	if (n <= 0) {
		stack_close(h->s, h->now, h->conns[i]);
		h->conns[i] = h->conns[--h->n_conns];
	}
	return true;
}

static void stack_act(struct diff_host *h, const struct diff_step *st, char *text)
{
	static const char data[DIFF_PAYLOAD_MAX];
	ssize_t rc;

	for (int i = h->n_conns - 1; i >= 0; i--) {
		switch (st->act) {
		case DIFF_SEND:
			rc = stack_send(h->s, h->conns[i], data, st->len);
			if (rc < 0)
				diff_say(text, " (send %s)", strerrorname_np((int)-rc));
			else
				diff_say(text, " (sent %zd)", rc);
			break;
		case DIFF_SHUTDOWN:
			rc = stack_shutdown_send(h->s, h->conns[i]);
			if (rc < 0)
				diff_say(text, " (shutdown %s)", strerrorname_np((int)-rc));
			break;
		case DIFF_TAKE:
			stack_read_one(h, i, text);
			break;
		default:
			if (st->act == DIFF_ABORT)
				stack_abort(h->s, h->now, h->conns[i]);
			else
				stack_close(h->s, h->now, h->conns[i]);
			h->conns[i] = h->conns[--h->n_conns];
		}
	}
}

static bool stack_datagram(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	int id = h->udp[port_index(x)];
	struct stack_dgram d;

	if (id < 0 || stack_udp_recv(h->s, id, &d) != 0)
		return false;
	diff_say(text, " (datagram %zu)", d.len);
	say_peer(text, "from", listeners[port_index(x) % DIFF_PORTS].family, &d.peer);
	stack_udp_release(h->s, &d);
	return true;
}

static bool stack_program(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	struct stack_event ev;
	bool any = false;

	while (stack_event(h->s, &ev))
		;
	while (stack_accept_one(h, x, text) || stack_datagram(h, x, text))
		any = true;
	for (int i = h->n_conns - 1; i >= 0 && x->mode == DIFF_READ; i--)
		while (i < h->n_conns && stack_read_one(h, i, text))
			any = true;
	return any;
}

/* --- both --- */

static void collect(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	if (h->kernel)
		kernel_collect(h, x, text);
	else
		stack_collect(h, x, text);
}

static bool program(struct diff_host *h, const struct diff_exchange *x, char *text)
{
	return h->kernel ? kernel_program(h, x, text) : stack_program(h, x, text);
}

static void put(struct diff_host *h, const struct diff_exchange *x, const struct diff_step *st)
{
	static struct diff_packets packets;

	diff_build(x, st, h->view.iss, &packets);
	for (int i = 0; i < packets.n; i++) {
		if (h->kernel)
			kernel_put(h, packets.bytes[i], packets.len[i], st->to_group);
		else
			stack_input(h->s, h->now, packets.bytes[i], packets.len[i], NULL);
	}
}

void diff_begin(struct diff_host *h, const struct diff_exchange *x)
{
	(void)x;
	h->view = (struct diff_view){0};
}

void diff_step(struct diff_host *h, const struct diff_exchange *x, const struct diff_step *st,
	       char text[DIFF_TEXT_MAX])
{
	text[0] = '\0';
	if (st->kind != DIFF_ACT)
		put(h, x, st);
	else if (h->kernel)
		kernel_act(h, st, text);
	else
		stack_act(h, st, text);
	collect(h, x, text);
	while (program(h, x, text))
		collect(h, x, text);
}

int32_t diff_acked(const struct diff_host *h)
{
	return h->view.acked;
}

int32_t diff_sent(const struct diff_host *h)
{
	return h->view.sent;
}

void diff_end(struct diff_host *h, const struct diff_exchange *x)
{
	struct diff_step reset = {.kind = DIFF_TCP, .flags = TCP_RST, .seq = h->view.acked};
	char ignored[DIFF_TEXT_MAX] = "";

	put(h, x, &reset);
	while (h->n_conns) {
		if (h->kernel)
			kernel_drop(h, h->n_conns - 1, true);
		else
			stack_abort(h->s, h->now, h->conns[--h->n_conns]);
	}
	collect(h, x, NULL);
	while (program(h, x, ignored))
		ignored[0] = '\0';
	while (h->n_conns) {
		if (h->kernel)
			kernel_drop(h, h->n_conns - 1, true);
		else
			stack_abort(h->s, h->now, h->conns[--h->n_conns]);
	}
	collect(h, x, NULL);
}

void diff_host_close(struct diff_host *h)
{
	if (h->kernel)
		kernel_close(h);
	else
		stack_destroy(h->s);
	free(h);
}
