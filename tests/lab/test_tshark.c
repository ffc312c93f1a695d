/* SPDX-License-Identifier: MIT */
/* test_tshark.c - another dissector's word on every frame of the captures we write */
#include "t_bench.h"
#include "t_witness.h"

#include "../../rawstack/capture/pcap_link.h"
#include "../../rawstack/capture/pcap_read.h"
#include "../../rawstack/capture/pcapng_write.h"
#include "../unit/frame_vectors.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * tshark gets no help: reassembly and what it makes of ports is turned off, and so is looking into
 * what our dissector does not look into. Of several headers it names all, outer ones first.
 */
enum { LINE_SIZE = 4096, PATH_SIZE = 512 };

enum column {
	C_ETH_TYPE,
	C_VLAN_TYPE,
	C_IP_SRC,
	C_IP_DST,
	C_IPV6_SRC,
	C_IPV6_DST,
	C_TCP_SPORT,
	C_TCP_DPORT,
	C_UDP_SPORT,
	C_UDP_DPORT,
	C_FLAGS,
	C_MSS,
	COLUMNS
};

static const char FIELDS[] =
	"-e eth.type -e vlan.etype -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e tcp.srcport "
	"-e tcp.dstport -e udp.srcport -e udp.dstport -e tcp.flags -e tcp.options.mss_val";

static const char QUIETLY[] =
	"-n -o ip.defragment:FALSE -o ipv6.defragment:FALSE -o tcp.desegment_tcp_streams:FALSE "
	"-o tcp.analyze_sequence_numbers:FALSE --disable-protocol icmp --disable-protocol icmpv6 "
	"--disable-protocol gre --disable-protocol vxlan --disable-protocol geneve";

static void need_tshark(void)
{
	if (system("command -v tshark >/dev/null") != 0)
		program_skip("tshark is not installed");
}

static FILE *tshark(const char *file, const char *options)
{
	char command[LINE_SIZE];
	FILE *f;

	snprintf(command, sizeof(command), "tshark -r '%s' %s 2>/dev/null", file, options);
	f = popen(command, "r");
	cr_assert(f != NULL);
	return f;
}

/* The last of several values, which is the innermost header's; "" when there is none. */
static const char *innermost(const char *value)
{
	const char *comma = strrchr(value, ',');

	return comma ? comma + 1 : value;
}

struct count {
	size_t frames, sound, ports, syns;
	bool stops_early; /* tshark is known not to reach the transport header of this frame */
};

static void expect_address(const char *text, const struct addr *want, bool v6, const char *where)
{
	struct addr got = {0};

	cr_expect(addr_parse(innermost(text), &got, NULL) == 0 && addr_eq(&got, want) &&
			  addr_is_mapped(&got) == (!v6 || addr_is_mapped(want)),
		  "%s: tshark has the address '%s'", where, text);
}

static void expect_number(const char *text, unsigned long want, const char *what, const char *where)
{
	char *end;
	unsigned long got = strtoul(innermost(text), &end, 0);

	cr_expect(*innermost(text) && got == want, "%s: %s: tshark has '%s', we have %lu", where,
		  what, text, want);
}

static void compare_transport(char *const col[COLUMNS], const struct frame_info *info,
			      struct count *n, const char *where)
{
	bool tcp = info->proto == IPPROTO_TCP;

	if (!info->has_ports || n->stops_early) {
		cr_expect(!*col[C_TCP_SPORT] && !*col[C_UDP_SPORT], "%s: tshark has ports", where);
		return;
	}
	n->ports++;
	expect_number(col[tcp ? C_TCP_SPORT : C_UDP_SPORT], info->sport, "source port", where);
	expect_number(col[tcp ? C_TCP_DPORT : C_UDP_DPORT], info->dport, "destination port", where);
	if (!tcp)
		return;
	cr_expect_eq(strtoul(innermost(col[C_FLAGS]), NULL, 0) & 0xff, info->tcp_flags,
		     "%s: flags %s, %x", where, col[C_FLAGS], info->tcp_flags);
	if (!(info->tcp_flags & TCP_SYN))
		return;
	n->syns++;
	if (info->mss)
		expect_number(col[C_MSS], info->mss, "MSS", where);
	else
		cr_expect_str_empty(col[C_MSS], "%s: MSS", where);
}

/* A frame that is no evidence for us may be read further, or less far, by others. */
static void compare(char *const col[COLUMNS], const struct frame_info *info, struct count *n,
		    const char *where)
{
	bool v6 = info->version == 6;

	n->frames++;
	/* A third tag ends our reading. */
	if (info->ethertype >= ETHTYPE_MIN && !eth_is_tag(info->ethertype))
		expect_number(*col[C_VLAN_TYPE] ? col[C_VLAN_TYPE] : col[C_ETH_TYPE],
			      info->ethertype, "EtherType", where);
	if (info->problems & FRAME_BAD & ~FRAME_BAD_CHECKSUM || info->carriage == CARRIAGE_MISMATCH)
		return;
	n->sound++;
	if (info->carriage == CARRIAGE_NONE) {
		cr_expect(!*col[C_IP_SRC] && !*col[C_IPV6_SRC], "%s: tshark has IP", where);
		return;
	}
	expect_address(col[v6 ? C_IPV6_SRC : C_IP_SRC], &info->src, v6, where);
	expect_address(col[v6 ? C_IPV6_DST : C_IP_DST], &info->dst, v6, where);
	compare_transport(col, info, n, where);
}

/*
 * Of the odd frames those that tshark reads less of: it takes a payload length of 0 at its word,
 * and goes no further where a routing header has segments left.
 */
static bool tshark_stops_early(size_t i)
{
	return strcmp(frame_vectors[i].name, "IPv6 length 0 of an offloaded frame") == 0 ||
	       strcmp(frame_vectors[i].name, "IPv6 routing header, segments left") == 0;
}

/* Every frame of @file, ours and theirs. @odd: they are the test vectors. */
static struct count agree_on(const char *file, bool odd)
{
	char options[LINE_SIZE], line[LINE_SIZE], where[PATH_SIZE + 32], why[PCAP_WHY_MAX];
	struct pcap_reader *r;
	struct frame_info info;
	struct ring_frame f;
	struct count n = {0};
	FILE *in = fopen(file, "re"), *theirs;
	int rc;

	cr_assert(in && pcap_reader_open(in, &r, why) == 0, "%s: %s", file, why);
	snprintf(options, sizeof(options), "%s -T fields -E separator=';' %s", QUIETLY, FIELDS);
	theirs = tshark(file, options);
	while ((rc = pcap_reader_next(r, &f)) == 1) {
		char *col[COLUMNS], *rest = line;

		cr_assert(fgets(line, sizeof(line), theirs) != NULL, "%s: tshark has fewer frames",
			  file);
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < COLUMNS; i++) {
			col[i] = strsep(&rest, ";");
			cr_assert(col[i] != NULL, "%s: '%s'", file, line);
		}
		frame_dissect(f.bytes, &f.meta, &info);
		snprintf(where, sizeof(where), "%s, frame %zu", file, n.frames + 1);
		n.stops_early = odd && tshark_stops_early(n.frames);
		compare(col, &info, &n, where);
	}
	cr_expect_eq(rc, 0, "%s: %s", file, pcap_reader_why(r));
	cr_expect(fgets(line, sizeof(line), theirs) == NULL, "%s: tshark has more frames", file);
	cr_expect_eq(pclose(theirs), 0, "tshark does not like %s", file);
	pcap_reader_close(r);
	fclose(in);
	return n;
}

/* The dissector's own test vectors: tags, options, extension headers, tunnels, faults. */
Test(tshark, agrees_on_every_odd_frame, .timeout = 60)
{
	static const struct pcapng_section section = {.os = "Linux"};
	static const struct pcapng_interface eth = {.linktype = PCAP_LINK_ETHERNET};
	char dir[128], path[PATH_SIZE];
	struct pcapng_writer *w;
	struct count n;
	FILE *f;

	need_tshark();
	program_dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/odd.pcapng", dir);
	f = fopen(path, "we");
	cr_assert(f && pcapng_writer_open(f, &section, &w) == 0);
	cr_assert(pcapng_add_interface(w, &eth) == 0);
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		struct packet p = packet_empty();
		struct pcapng_packet out = {.ts_ns = i, .comment = frame_vectors[i].name};

		frame_vectors[i].make(&p);
		out.bytes = packet_bytes(&p);
		out.meta = vector_meta(&frame_vectors[i], packet_len(&p));
		cr_assert_eq(pcapng_add_packet(w, &out), 0);
	}
	cr_assert_eq(pcapng_writer_end(w), 0);
	fclose(f);
	n = agree_on(path, true);
	cr_expect_eq(n.frames, FRAME_VECTORS);
	cr_expect_gt(n.sound, FRAME_VECTORS / 3);
	program_dir_remove(dir);
}

static void expect_output(const char *file, const char *options, const char *want)
{
	char line[LINE_SIZE] = "";
	FILE *f = tshark(file, options);

	while (!strstr(line, want) && fgets(line, sizeof(line), f))
		;
	cr_expect(strstr(line, want), "tshark %s does not say '%s'", options, want);
	pclose(f);
}

/* A real watch: the frames, and what stands beside them. */
Test(tshark, reads_frames_comments_and_counters_of_a_watch, .timeout = 60)
{
	struct bench *b = bench_new();
	struct program_result r;
	char dir[128], path[PATH_SIZE], want[64];
	struct program p;
	struct count n;
	const char *at;
	unsigned long frames;

	need_tshark();
	program_dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/watch.pcapng", dir);
	witness_program_start(b->lab.host[LAB_SERVER].netns_fd,
			      (const char *const[]){"witness", "-i", "vb", "-p", "7000", "-J", "-c",
						    "3", "--ready-fd", "3", "-w", path, NULL},
			      &p);
	for (int way = 0; way < BENCH_WAYS; way++) {
		struct bench_client c = bench_open(b, IPPROTO_TCP, (enum bench_way)way);

		bench_connect(b, &c);
		bench_exchange(&c, 3000);
		bench_hang_up(b, &c);
	}
	program_finish(&p, &r);
	cr_assert_eq(r.exit_code, 0, "%s%s", r.out, r.err);
	n = agree_on(path, false);
	cr_expect_gt(n.ports, 30);
	cr_expect_eq(n.syns, 6);
	/* "45 frames, 0 dropped; …": the same numbers as in the statistics block. */
	at = strstr(r.err, " frames, ");
	cr_assert(at != NULL, "%s", r.err);
	while (at > r.err && at[-1] >= '0' && at[-1] <= '9')
		at--;
	frames = strtoul(at, NULL, 10);
	cr_expect_eq(frames, n.frames);
	snprintf(want, sizeof(want), "0\t%lu\t%lu", frames, frames);
	expect_output(path,
		      "-X 'read_format:MIME Files Format' -T fields "
		      "-e pcapng.options.option.data.interface.dropped_by_os "
		      "-e pcapng.options.option.data.interface.delivered_to_user "
		      "-e pcapng.options.option.data.interface.received",
		      want);
	expect_output(path, "-Y 'tcp.flags.syn == 1' -T fields -e frame.comment",
		      "confirmed; claimed: IPv4; kernel: AF_INET6 ::ffff:198.51.100.2");
	expect_output(path, "-Y frame.packet_flags_direction==2 -T fields -e tcp.srcport", "7000");
	program_result_free(&r);
	program_dir_remove(dir);
	bench_free(b);
}

/* One file of many: each is a section of its own. */
static size_t join_files(const char *pattern, const char *to)
{
	glob_t g;
	FILE *out = fopen(to, "we");
	char buf[LINE_SIZE];
	size_t n;

	cr_assert(out && glob(pattern, 0, NULL, &g) == 0, "%s", pattern);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *in = fopen(g.gl_pathv[i], "re");

		cr_assert(in != NULL);
		while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
			cr_assert(fwrite(buf, 1, n, out) == n);
		fclose(in);
	}
	n = g.gl_pathc;
	globfree(&g);
	cr_assert(fclose(out) == 0);
	return n;
}

/* Every capture of the built-in cases. */
Test(tshark, agrees_on_every_frame_of_the_lab, .timeout = 120)
{
	struct program_result r;
	struct count n;
	size_t files;
	char dir[128], evidence[PATH_SIZE - 64], path[PATH_SIZE], all[PATH_SIZE];

	need_tshark();
	program_dir_make(dir, sizeof(dir));
	snprintf(evidence, sizeof(evidence), "%s/evidence", dir);
	snprintf(path, sizeof(path), "%s/*/*.pcapng", evidence);
	snprintf(all, sizeof(all), "%s/all.pcapng", dir);
	program_run(&r, NULL, (const char *const[]){"lab", "--evidence-dir", evidence, NULL});
	cr_assert_eq(r.exit_code, 0, "exit %d: %s%s", r.exit_code, r.out, r.err);
	files = join_files(path, all);
	n = agree_on(all, false);
	cr_expect_gt(files, 5);
	cr_expect_gt(n.ports, 100);
	printf("tshark agrees on %zu frames of %zu captures, %zu with ports\n", n.frames, files,
	       n.ports);
	program_result_free(&r);
	program_dir_remove(dir);
}
