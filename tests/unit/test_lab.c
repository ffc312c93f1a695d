/* SPDX-License-Identifier: MIT */
/* test_lab.c - what a lab may have beside the usual: link-local and further addresses, ports */
#include "../../rawstack/netlink/lab_extra.h"
#include "../../rawstack/netlink/netns.h"
#include "t_lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7000, WAIT_MS = 1000 };

TestSuite(lab_options, .init = t_lab_rights, .timeout = 30);

static struct addr addr(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0);
	return a;
}

static void make(struct lab *lab, const struct lab_options *opt)
{
	struct lab_error err = {0};
	int ret = lab_create_with(opt, lab, &err);

	cr_assert(ret == 0, "%s: %s", err.step, err.detail);
}

/* A datagram from @from to @to arrives, with @from as its source. */
static void expect_datagram(const struct lab *lab, const struct endpoint *from,
			    const struct endpoint *to)
{
	int server = t_lab_socket(lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, to->port);
	int client = netns_socket(lab->host[LAB_CLIENT].netns_fd, AF_INET6, SOCK_DGRAM, 0);
	struct pollfd p = {.fd = server, .events = POLLIN};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint seen;
	char byte;
	int n;

	n = endpoint_to_sockaddr(from, AF_INET6, &ss);
	cr_assert(bind(client, (struct sockaddr *)&ss, (socklen_t)n) == 0, "bind: %m");
	n = endpoint_to_sockaddr(to, AF_INET6, &ss);
	cr_assert(sendto(client, "x", 1, 0, (struct sockaddr *)&ss, (socklen_t)n) == 1, "%m");
	cr_assert(poll(&p, 1, WAIT_MS) == 1, "nothing arrived");
	cr_assert(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&ss, &len) == 1);
	endpoint_from_sockaddr((struct sockaddr *)&ss, len, &seen);
	cr_assert(addr_eq(&seen.addr, &from->addr));
	/* And the server has a way back. */
	cr_assert(sendto(server, "y", 1, 0, (struct sockaddr *)&ss, len) == 1, "%m");
	p.fd = client;
	cr_assert(poll(&p, 1, WAIT_MS) == 1, "no answer arrived");
	close(server);
	close(client);
}

/* Neighbours are known: nobody asks for them (ICMPv6). Returns a socket that hears all frames. */
static int open_ear(const struct lab *lab)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)lab->host[LAB_CLIENT].ifindex};
	int fd = netns_socket(lab->host[LAB_CLIENT].netns_fd, AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK,
			      0);

	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "%m");
	return fd;
}

static void expect_only_datagrams(int ear)
{
	uint8_t frame[256];
	int heard = 0;

	while (recv(ear, frame, sizeof(frame), 0) > 6) {
		cr_assert(frame[6] == IPPROTO_UDP, "next header %u", frame[6]);
		heard++;
	}
	cr_assert(heard == 2, "%d frames", heard);
	close(ear);
}

Test(lab_options, link_local_hosts_reach_each_other)
{
	struct lab lab;
	int ear;
	struct endpoint from, to;

	make(&lab, &(struct lab_options){.link_local = true});
	from = (struct endpoint){.addr = lab.host[LAB_CLIENT].link_local,
				 .scope = lab.host[LAB_CLIENT].ifindex};
	to = (struct endpoint){
		.addr = lab.host[LAB_SERVER].link_local, .scope = from.scope, .port = PORT};
	ear = open_ear(&lab);
	expect_datagram(&lab, &from, &to);
	expect_only_datagrams(ear);
	lab_destroy(&lab);
}

/* The kernel takes the interface from its routes; only connect insists on a scope. */
Test(lab_options, a_datagram_to_a_link_local_address_needs_no_scope)
{
	struct endpoint to = {.port = PORT};
	struct sockaddr_storage ss;
	struct pollfd p = {.events = POLLIN};
	struct lab lab;
	int client, n;

	make(&lab, &(struct lab_options){.link_local = true});
	to.addr = lab.host[LAB_SERVER].link_local;
	p.fd = t_lab_socket(&lab, LAB_SERVER, AF_INET6, SOCK_DGRAM, PORT);
	client = netns_socket(lab.host[LAB_CLIENT].netns_fd, AF_INET6, SOCK_DGRAM, 0);
	n = endpoint_to_sockaddr(&to, AF_INET6, &ss);
	cr_assert(connect(client, (struct sockaddr *)&ss, (socklen_t)n) < 0 && errno == EINVAL);
	cr_assert(sendto(client, "x", 1, 0, (struct sockaddr *)&ss, (socklen_t)n) == 1, "%m");
	cr_assert(poll(&p, 1, WAIT_MS) == 1, "nothing arrived");
	close(p.fd);
	close(client);
	lab_destroy(&lab);
}

Test(lab_options, further_clients_of_any_network_reach_the_server)
{
	struct addr clients[LAB_FURTHER_MAX] = {
		addr("198.51.100.200"),
		addr("10.1.2.3"),
		addr("2001:db8:1::200"),
		addr("2001:db8:77::200") /* the same multicast group as the one before */,
	};
	size_t n = 4;
	struct lab lab;

	/* And as many as there may be: in several batches. */
	for (; n < LAB_FURTHER_MAX; n++) {
		uint8_t v4[4] = {198, 51, 100, (uint8_t)(20 + n)};

		clients[n] = addr_from_v4(v4);
	}
	make(&lab, &(struct lab_options){.clients = clients, .n_clients = n});
	for (size_t i = 0; i < n; i++) {
		const struct lab_host *s = &lab.host[LAB_SERVER];
		struct endpoint from = {.addr = clients[i]};
		struct endpoint to = {.addr = addr_is_mapped(&clients[i]) ? s->v4[0] : s->v6[0],
				      .port = PORT};

		expect_datagram(&lab, &from, &to);
	}
	lab_destroy(&lab);
}

Test(lab_options, more_clients_than_there_is_room_for_are_refused)
{
	static struct addr clients[LAB_FURTHER_MAX + 1];
	struct lab_error err = {0};
	int fds = t_lab_count_fds();
	struct lab lab;

	cr_assert(lab_create_with(&(struct lab_options){.clients = clients,
							.n_clients = LAB_FURTHER_MAX + 1},
				  &lab, &err) == -E2BIG);
	cr_assert(*err.step && t_lab_count_fds() == fds);
}

Test(lab_options, automatic_ports_keep_to_their_range)
{
	struct endpoint any = {.addr = ADDR_ANY6}, local;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct lab lab;
	int fd, n;

	make(&lab, &(struct lab_options){
			   .low_ports = true, .auto_port_first = 60000, .auto_port_last = 60009});
	fd = netns_socket(lab.host[LAB_SERVER].netns_fd, AF_INET6, SOCK_DGRAM, 0);
	n = endpoint_to_sockaddr(&any, AF_INET6, &ss);
	cr_assert(bind(fd, (struct sockaddr *)&ss, (socklen_t)n) == 0);
	cr_assert(getsockname(fd, (struct sockaddr *)&ss, &len) == 0);
	endpoint_from_sockaddr((struct sockaddr *)&ss, len, &local);
	cr_assert(local.port >= 60000 && local.port <= 60009, "%u", local.port);
	close(fd);
	lab_destroy(&lab);
}

/* In @lab's namespace of that side: is it a member of the address's solicited-node group? */
static bool is_member(const struct lab *lab, enum lab_side side, const struct addr *a)
{
	char line[256], group[40];
	bool found = false;
	int back, rc = netns_enter(lab->host[side].netns_fd, &back);
	FILE *f;

	cr_assert(rc == 0);
	f = fopen("/proc/thread-self/net/igmp6", "r");
	cr_assert(f, "%m");
	snprintf(group, sizeof(group), "ff0200000000000000000001ff%02x%02x%02x", a->b[13], a->b[14],
		 a->b[15]);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, group) != NULL;
	fclose(f);
	netns_leave(back);
	return found;
}

/* Not a moment later: who asks in between would wait for a second. */
Test(lab_options, an_address_added_later_can_be_found_at_once)
{
	struct lab_error err;
	struct lab lab;

	make(&lab, &(struct lab_options){0});
	for (int i = 1; i <= 50; i++) {
		struct addr a = addr("2001:db8:1::7:0");

		a.b[15] = (uint8_t)i;
		cr_assert(!is_member(&lab, LAB_CLIENT, &a));
		cr_assert(lab_add_address(&lab, LAB_CLIENT, &a, true, 64, LAB_DEVICE_LINK, &err) ==
				  0,
			  "%s: %s", err.step, err.detail);
		cr_assert(is_member(&lab, LAB_CLIENT, &a), "address %d", i);
	}
	lab_destroy(&lab);
}
