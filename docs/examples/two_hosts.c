/* SPDX-License-Identifier: MIT */
/* two_hosts.c - an IPv4 and an IPv6 client of one dual-stack server, all in this process
 *
 * cc two_hosts.c $(pkg-config --cflags --libs rawstack) && ./a.out
 */
#include <rawstack/stack/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The wire: what one host sends lies here until somebody waits. */
static struct packet {
	struct packet *next;
	int to;
	size_t len;
	unsigned char bytes[1500];
} * first, **last = &first;

static struct rawstack_host *hosts[2];
static uint64_t now = 1;

static void output(void *arg, const void *bytes, size_t len)
{
	struct packet *p = calloc(1, sizeof(*p));

	if (!p || len > sizeof(p->bytes))
		exit(1);
	p->to = arg == &hosts[0];
	p->len = len;
	memcpy(p->bytes, bytes, len);
	*last = p;
	last = &p->next;
}

static uint64_t clock_of(void *arg)
{
	(void)arg;
	return now;
}

/* Time passes only here: a packet arrives, or, when none is on its way, the other host's timer. */
static int wait_for(void *arg, uint64_t until)
{
	struct packet *p = first;
	int other = arg == &hosts[0];

	(void)until;
	now += 1000000;
	if (!p) {
		now += 1000000000;
		rawstack_host_run(hosts[other]);
		return 0;
	}
	first = p->next;
	if (!first)
		last = &first;
	rawstack_host_input(hosts[p->to], p->bytes, p->len);
	free(p);
	return 0;
}

static struct rawstack_host *host(int i, const char *v4, const char *v6)
{
	struct rawstack_host_config cfg = {.addrs = {{v4, 24}, {v6, 64}},
					   .n_addrs = 2,
					   .secret = {(unsigned char)i},
					   .output = output,
					   .clock = clock_of,
					   .wait = wait_for,
					   .arg = &hosts[i]};
	struct rawstack_host *h = rawstack_host_new(&cfg);

	if (!h) {
		perror("rawstack_host_new");
		exit(1);
	}
	return h;
}

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

int main(void)
{
	static const char *const servers[] = {"::ffff:198.51.100.2", "2001:db8:1::2"};
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	int listener;

	hosts[0] = host(0, "198.51.100.1", "2001:db8:1::1");
	hosts[1] = host(1, "198.51.100.2", "2001:db8:1::2");
	listener = rawstack_socket(hosts[1], AF_INET6, SOCK_STREAM, 0);
	check(rawstack_bind(hosts[1], listener, (struct sockaddr *)&any, sizeof(any)), "bind");
	check(rawstack_listen(hosts[1], listener, 8), "listen");

	for (int i = 0; i < 2; i++) {
		struct sockaddr_in6 to = any, peer;
		socklen_t len = sizeof(peer);
		char text[INET6_ADDRSTRLEN], buf[32];
		int client = rawstack_socket(hosts[0], AF_INET6, SOCK_STREAM, 0), server;
		ssize_t n;

		inet_pton(AF_INET6, servers[i], &to.sin6_addr);
		check(rawstack_connect(hosts[0], client, (struct sockaddr *)&to, sizeof(to)),
		      "connect");
		server = rawstack_accept(hosts[1], listener, (struct sockaddr *)&peer, &len, 0);
		check(server, "accept");
		check((int)rawstack_send(hosts[0], client, "hello", 5, 0), "send");
		n = rawstack_recv(hosts[1], server, buf, sizeof(buf), 0);
		check((int)n, "recv");
		printf("from %s: %.*s\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof(text)),
		       (int)n, buf);
		rawstack_close(hosts[0], client);
		rawstack_close(hosts[1], server);
	}
	rawstack_host_free(hosts[0]);
	rawstack_host_free(hosts[1]);
	return 0;
}
