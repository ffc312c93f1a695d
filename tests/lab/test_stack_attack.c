/* SPDX-License-Identifier: MIT */
/* test_stack_attack.c - the attackers that people use, against the user-space stack over a veth */
#include "../../rawstack/netlink/netns.h"
#include "t_real.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * After, and where it says so during, each attack the server must serve both families, and its
 * memory must stay within GROWTH_KB of what it was. The attacker is on the link, on the client's
 * host, as whoever attacks neighbours has to be.
 */
enum { GROWTH_KB = 16 * 1024, PORTS = 5, FLOOD_MS = 1500 };

static struct real r;
static long memory_kb;

static void serve_some(void)
{
	static const struct {
		int family;
		const char *addr;
	} ways[] = {{AF_INET, "198.51.100.2"}, {AF_INET6, "2001:db8:1::2"}};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = real_connect(&r, ways[i].family, ways[i].addr, REAL_PORT);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char reply[5];

		cr_assert(send(fd, "alive", 5, MSG_NOSIGNAL) == 5);
		cr_assert(poll(&p, 1, REAL_WAIT_MS) == 1, "%s does not answer", ways[i].addr);
		cr_assert(recv(fd, reply, 5, MSG_WAITALL) == 5 && memcmp(reply, "alive", 5) == 0);
		close(fd);
	}
}

static void prepare(void)
{
	real_make(&r);
	real_serve(&r, "echo", NULL);
	serve_some();
	memory_kb = program_memory_kb(r.server.pid);
}

static void clean_up(void)
{
	long now = program_memory_kb(r.server.pid);

	serve_some();
	fprintf(stderr, "stack_attack: memory %ld kB before, %ld kB after\n", memory_kb, now);
#ifndef __SANITIZE_ADDRESS__ /* its quarantine is memory too */
	cr_assert(now < memory_kb + GROWTH_KB, "%ld kB grew to %ld kB", memory_kb, now);
#endif
	real_free(&r);
}

TestSuite(stack_attack, .init = prepare, .fini = clean_up, .timeout = 60);

/* --- nmap --- */

enum { OPEN, CLOSED, SILENT, UNFILTERED };

static const char *const state_names[] = {"open", "closed", "filtered", "unfiltered"};

/* What a scan must find on the port that was declared, and on those around it. */
static const struct scan {
	const char *how, *more;
	int listening, others;
	bool v4_only;
} scans[] = {
	{.how = "-sS", .listening = OPEN, .others = CLOSED},
	{.how = "-sA", .listening = UNFILTERED, .others = UNFILTERED},
	{.how = "-sW", .listening = CLOSED, .others = CLOSED},
	{.how = "-sF", .listening = SILENT, .others = CLOSED},
	{.how = "-sN", .listening = SILENT, .others = CLOSED},
	{.how = "-sX", .listening = SILENT, .others = CLOSED},
	/* Over IPv6 nmap's own question for the neighbour has the bad checksum, too. */
	{.how = "-sS", .more = "--badsum", .listening = SILENT, .others = SILENT, .v4_only = true},
	/* A first fragment of eight bytes has no TCP header in it (RFC 3128, RFC 7112). */
	{.how = "-sS", .more = "-f", .listening = SILENT, .others = SILENT, .v4_only = true},
};
enum { SCANS = sizeof(scans) / sizeof(scans[0]) };

static void start_scan(const struct scan *s, bool v6, struct program *p)
{
	const char *args[16] = {real_need("nmap", "nmap"),
				"-n",
				"-Pn",
				"--max-retries",
				"1",
				"-p",
				"6998-7002",
				"-oG",
				"-",
				s->how};
	size_t n = 10;

	if (s->more)
		args[n++] = s->more;
	if (v6)
		args[n++] = "-6";
	args[n++] = v6 ? "2001:db8:1::2" : "198.51.100.2";
	real_start(&r, p, args);
}

static void expect_state(const char *out, const struct scan *s, int port)
{
	const char *state = state_names[port == REAL_PORT ? s->listening : s->others];
	char plain[32], or_open[32];

	snprintf(plain, sizeof(plain), "%d/%s/", port, state);
	snprintf(or_open, sizeof(or_open), "%d/open|%s/", port, state);
	cr_assert(strstr(out, plain) || strstr(out, or_open), "%s %s: port %d is not %s: %s",
		  s->how, s->more ? s->more : "", port, state, out);
}

/* Before it scans, nmap wants the target's MAC address, and has little patience on a busy machine:
 * then it says that no host is up, and is asked again. */
static void finish_scan(const struct scan *s, bool v6, struct program *p,
			struct program_result *out)
{
	enum { ATTEMPTS = 4 };

	program_finish(p, out);
	for (int i = 1; i < ATTEMPTS && strstr(out->out, "(0 hosts up)"); i++) {
		program_result_free(out);
		start_scan(s, v6, p);
		program_finish(p, out);
	}
	cr_assert(out->exit_code == 0, "%s: %s", s->how, out->err);
}

/* They mostly wait, so they do it side by side. */
Test(stack_attack, nmap_finds_what_was_declared_and_nothing_else)
{
	struct program p[SCANS][2];
	struct program_result out;

	for (size_t i = 0; i < SCANS; i++)
		for (int v6 = 0; v6 < 2 - scans[i].v4_only; v6++)
			start_scan(&scans[i], v6, &p[i][v6]);
	for (size_t i = 0; i < SCANS; i++) {
		for (int v6 = 0; v6 < 2 - scans[i].v4_only; v6++) {
			finish_scan(&scans[i], v6, &p[i][v6], &out);
			for (int k = 0; k < PORTS; k++)
				expect_state(out.out, &scans[i], 6998 + k);
			program_result_free(&out);
		}
	}
}

Test(stack_attack, nmap_cannot_foretell_sequence_numbers)
{
	const char *const args[] = {real_need("nmap", "nmap"),
				    "-n",
				    "-Pn",
				    "-O",
				    "-v",
				    "--max-os-tries",
				    "1",
				    "-p",
				    "7000,7001",
				    "198.51.100.2",
				    NULL};
	struct program_result out;
	const char *at;

	real_run(&r, &out, args, NULL, NULL);
	at = strstr(out.out, "Difficulty=");
	cr_assert(at, "%s%s", out.out, out.err);
	/* 256 and above are "good luck" (nmap's scale ends at 273). */
	cr_assert_geq(atoi(at + strlen("Difficulty=")), 240, "%s", at);
	program_result_free(&out);
}

/* Of the ipv6toolkit, whose programs become nobody before they send. */
static const char *toolkit(const char *program)
{
	if (!real_may_change_groups())
		program_skip("the ipv6toolkit needs root, and more ids than one");
	return real_need(program, "ipv6toolkit");
}

/* --- floods --- */

/* A thousand a second, each with an exchange, and every one must succeed. */
static void load_during(const char *addr)
{
	const char *const args[] = {"load",	  "-q", "--workload", "echo", "--rate", "1000",
				    "--duration", "1",	addr,	      "7000", NULL};
	struct program_how how = {.netns_fd = r.lab.host[LAB_CLIENT].netns_fd};
	struct program_result out;

	program_run(&out, &how, args);
	cr_assert(out.exit_code == 0, "%s: exit %d: %s%s", addr, out.exit_code, out.out, out.err);
	fprintf(stderr, "stack_attack: %.*s\n", (int)strcspn(strstr(out.out, "connections"), "\n"),
		strstr(out.out, "connections"));
	program_result_free(&out);
}

/* One that a send error has ended on the way has proved nothing: once more. */
static void flood(const char *const *args)
{
	enum { ATTEMPTS = 3 };
	bool lasted = false;

	for (int i = 0; i < ATTEMPTS && !lasted; i++) {
		struct program p;

		real_start(&r, &p, args);
		poll(NULL, 0, 200); /* so that it is under way; nothing depends on it */
		load_during("198.51.100.2");
		load_during("2001:db8:1::2");
		lasted = real_is_running(&p);
		real_kill(&p);
	}
	cr_assert(lasted, "%s: it ends by itself", program_line(args));
}

Test(stack_attack, syns_from_forged_sources_keep_nobody_out)
{
	const char *const random[] = {real_need("hping3", "hping3"),
				      "-q",
				      "-S",
				      "-p",
				      "7000",
				      "--flood",
				      "--rand-source",
				      "198.51.100.2",
				      NULL};
	const char *const neighbour[] = {real_need("hping3", "hping3"),
					 "-q",
					 "-S",
					 "-p",
					 "7000",
					 "--flood",
					 "-a",
					 "198.51.100.77",
					 "198.51.100.2",
					 NULL};

	flood(random);
	flood(neighbour);
}

#define ON_LINK "-i", "va", "-S", "02:00:00:00:00:01", "-D", "02:00:00:00:00:02"

Test(stack_attack, syns_over_ipv6_from_forged_neighbours_keep_nobody_out)
{
	const char *const args[] = {toolkit("tcp6"),
				    ON_LINK,
				    "-s",
				    "2001:db8:1::/64",
				    "-d",
				    "2001:db8:1::2",
				    "-a",
				    "7000",
				    "-X",
				    "S",
				    "-F",
				    "500",
				    "-l",
				    "-z",
				    "1",
				    NULL};

	flood(args);
}

/* --- forged frames, after which no frame may go where the forger wants it --- */

static int watch_for_forger(void)
{
	const struct lab_host *host = &r.lab.host[LAB_CLIENT];
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)host->ifindex};
	int fd = netns_socket(host->netns_fd, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	cr_assert(fd >= 0);
	cr_assert(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) == 0);
	cr_assert(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	return fd;
}

static bool carries_tcp(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;

	if (len < ETH_HLEN + 20)
		return false;
	return frame[12] == 0x08 ? frame[13] == 0 && ip[9] == IPPROTO_TCP
				 : frame[12] == 0x86 && ip[6] == IPPROTO_TCP;
}

/* Who asks is told where we are, so that much may go there; what is meant for others may not. */
static void expect_nothing_for_forger(int fd)
{
	static const uint8_t forger[] = {2, 0x66, 0x66, 0x66, 0x66, 0x66};
	uint8_t frame[2048];
	int seen = 0;
	ssize_t n;

	while ((n = recv(fd, frame, sizeof(frame), MSG_DONTWAIT)) >= ETH_HLEN) {
		if (!carries_tcp(frame, (size_t)n))
			continue;
		cr_assert(memcmp(frame, forger, sizeof(forger)) != 0,
			  "a segment went to the forger");
		seen++;
	}
	cr_assert_gt(seen, 0, "no segment was seen at all");
	close(fd);
}

static void run_once(const char *const *args)
{
	struct program_result out;

	real_run(&r, &out, args, NULL, NULL);
	cr_assert(out.exit_code == 0, "%s: %s%s", program_line(args), out.out, out.err);
	program_result_free(&out);
}

#define FORGER "-E", "02:66:66:66:66:66"
#define TO_US  "-d", "2001:db8:1::2"

Test(stack_attack, nobody_becomes_a_neighbour_or_a_router_by_saying_so)
{
	const char *const na[] = {
		toolkit("na6"), ON_LINK,	 TO_US, FORGER, "-s", "2001:db8:1::1",
		"-t",		"2001:db8:1::1", "-o",	"-c",	NULL};
	const char *const ns[] = {toolkit("ns6"),  ON_LINK, TO_US,	     FORGER, "-s",
				  "2001:db8:1::1", "-t",    "2001:db8:1::2", NULL};
	const char *const ra[] = {
		toolkit("ra6"),	      ON_LINK, TO_US, FORGER, "-s", "fe80::66", "-t", "1000", "-P",
		"2001:db8:1::/64#LA", NULL};
	const char *const rd[] = {toolkit("rd6"), ON_LINK,    TO_US, FORGER,
				  "-s",		  "fe80::66", "-r",  "2001:db8:1::1",
				  "-t",		  "fe80::66", "-x",  "2001:db8:1::2",
				  "-a",		  "7000",     NULL};
	const char *const arp[] = {real_need("nping", "nmap"),
				   "--arp",
				   "--arp-type",
				   "ARP-reply",
				   "--arp-sender-mac",
				   "02:66:66:66:66:66",
				   "--arp-sender-ip",
				   "198.51.100.1",
				   "--dest-mac",
				   "02:00:00:00:00:02",
				   "-c",
				   "1",
				   "--delay",
				   "1ms",
				   "-e",
				   "va",
				   "198.51.100.2",
				   NULL};
	const char *const *const all[] = {na, ns, ra, rd, arp};
	int fd = watch_for_forger();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		run_once(all[i]);
		serve_some();
	}
	expect_nothing_for_forger(fd);
}

Test(stack_attack, floods_of_claims_leave_the_true_neighbour_in_place)
{
	const char *const na[] = {toolkit("na6"), ON_LINK, TO_US, FORGER, "-s", "2001:db8:1::/64",
				  "-F",		  "50",	   "-T",  "50",	  "-o", "-l",
				  "-z",		  "1",	   NULL};
	const char *const ra[] = {toolkit("ra6"), ON_LINK, TO_US, FORGER, "-s", "fe80::/64", "-F",
				  "50",		  "-f",	   "20",  "-l",	  "-z", "1",	     NULL};
	int fd = watch_for_forger();
	struct program p[2];

	real_start(&r, &p[0], na);
	real_start(&r, &p[1], ra);
	for (uint64_t end = program_now_ms() + FLOOD_MS; program_now_ms() < end;)
		serve_some();
	for (int i = 0; i < 2; i++) {
		cr_assert(real_is_running(&p[i]), "attacker %d ended by itself", i);
		real_kill(&p[i]);
	}
	expect_nothing_for_forger(fd);
}

/* --- odd packets --- */

Test(stack_attack, what_seems_to_come_from_ourselves_gets_no_answer)
{
	const char *const v4[] = {real_need("hping3", "hping3"),
				  "-q",
				  "-c",
				  "5",
				  "-i",
				  "u1000",
				  "-S",
				  "-p",
				  "7000",
				  "-s",
				  "7000",
				  "-k",
				  "-a",
				  "198.51.100.2",
				  "198.51.100.2",
				  NULL};
	const char *const v6[] = {toolkit("tcp6"), ON_LINK, TO_US,  "-s",
				  "2001:db8:1::2", "-o",    "7000", "-a",
				  "7000",	   "-X",    "S",    NULL};
	struct program_result out;
	int fd = watch_for_forger();
	uint8_t frame[2048];

	real_run(&r, &out, v4, NULL, NULL);
	program_result_free(&out);
	run_once(v6);
	while (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) >= ETH_HLEN + 40) {
		const uint8_t *ip = frame + ETH_HLEN;

		cr_assert(frame[12] != 0x08 || memcmp(ip + 12, ip + 16, 4) != 0, "an answer");
		cr_assert(frame[12] != 0x86 || memcmp(ip + 8, ip + 24, 16) != 0, "an answer");
	}
	close(fd);
}

Test(stack_attack, fragments_that_never_end_are_forgotten)
{
	const char *const pod[] = {toolkit("frag6"), ON_LINK, TO_US, "-s",
				   "2001:db8:1::1",  "-X",    NULL};
	const char *const many[] = {toolkit("frag6"),
				    ON_LINK,
				    TO_US,
				    "-s",
				    "2001:db8:1::1",
				    "-F",
				    "500",
				    "-l",
				    "-z",
				    "1",
				    NULL};
	const char *const v4[] = {real_need("hping3", "hping3"),
				  "-q",
				  "--flood",
				  "-x",
				  "-g",
				  "64",
				  "-d",
				  "512",
				  "-p",
				  "7000",
				  "--rand-source",
				  "198.51.100.2",
				  NULL};
	struct program p[3];

	real_start(&r, &p[0], pod);
	real_start(&r, &p[1], many);
	real_start(&r, &p[2], v4);
	for (uint64_t end = program_now_ms() + FLOOD_MS; program_now_ms() < end;)
		serve_some();
	for (int i = 0; i < 3; i++) {
		cr_assert(real_is_running(&p[i]), "attacker %d ended by itself", i);
		real_kill(&p[i]);
	}
}

Test(stack_attack, a_forged_too_big_makes_no_segment_small)
{
	const char *const args[] = {toolkit("icmp6"),
				    ON_LINK,
				    TO_US,
				    "-s",
				    "2001:db8:1::1",
				    "-E",
				    "-m",
				    "600",
				    "-p",
				    "TCP",
				    "-x",
				    "2001:db8:1::1",
				    "-r",
				    "2001:db8:1::2",
				    "-o",
				    "7000",
				    "-a",
				    "5000",
				    NULL};
	static char big[8 * 1024];
	size_t longest = 0;
	uint8_t frame[2048];
	int watch, fd;
	ssize_t n;

	run_once(args);
	watch = watch_for_forger();
	fd = real_connect(&r, AF_INET6, "2001:db8:1::2", REAL_PORT);
	cr_assert(send(fd, big, sizeof(big), MSG_NOSIGNAL) == sizeof(big));
	cr_assert(recv(fd, big, sizeof(big), MSG_WAITALL) == sizeof(big));
	while ((n = recv(watch, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		longest = (size_t)n > longest ? (size_t)n : longest;
	cr_assert_eq(longest, LAB_MTU + ETH_HLEN, "the longest frame has %zu bytes", longest);
	close(watch);
	close(fd);
}
