/* SPDX-License-Identifier: MIT */
/* test_capture_file.c - what the live witness writes, read again: whole, copied, damaged, piped */
#include "t_bench.h"
#include "t_witness.h"

#include "../../rawstack/capture/pcap_read.h"
#include "../../rawstack/capture/pcapng_write.h"
#include "../../rawstack/capture/pcap_link.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 256, CONNECTIONS = BENCH_WAYS };

/* A lab, and a directory with the file of a watch in it. */
struct stand {
	struct bench *b;
	char dir[PATH_SIZE - 32], file[PATH_SIZE], other[PATH_SIZE];
};

#define WATCH(...)                                                                                 \
	((const char *const[]){"witness", "-i", "vb", "-J", "--ready-fd", "3", "-t", "15",         \
			       __VA_ARGS__, NULL})
#define RUN(r, ...) program_run(r, NULL, (const char *const[]){"witness", __VA_ARGS__, NULL})

static void talk(struct stand *s, enum bench_way way)
{
	struct bench_client c = bench_open(s->b, IPPROTO_TCP, way);

	bench_connect(s->b, &c);
	bench_exchange(&c, 100);
	bench_hang_up(s->b, &c);
}

/* One connection of each way, watched at the server's end and written to a file. */
static void stand_make(struct stand *s)
{
	struct program_result r;
	struct program p;

	s->b = bench_new();
	program_dir_make(s->dir, sizeof(s->dir));
	snprintf(s->file, sizeof(s->file), "%s/watch.pcapng", s->dir);
	snprintf(s->other, sizeof(s->other), "%s/other.pcapng", s->dir);
	witness_program_start(s->b->lab.host[LAB_SERVER].netns_fd,
			      WATCH("-p", "7000", "-c", "3", "-w", s->file), &p);
	for (int way = 0; way < BENCH_WAYS; way++)
		talk(s, (enum bench_way)way);
	program_finish(&p, &r);
	cr_assert_eq(r.exit_code, 0, "%d: %s%s", r.exit_code, r.out, r.err);
	cr_assert_eq(witness_count(r.out, "confirmed", NULL), CONNECTIONS, "%s", r.out);
	program_result_free(&r);
}

static void stand_free(struct stand *s)
{
	program_dir_remove(s->dir);
	bench_free(s->b);
}

Test(capture_file, a_watch_that_was_written_is_confirmed_again, .timeout = 60)
{
	struct program_result r;
	struct stand s;

	stand_make(&s);
	RUN(&r, "-r", s.file, "-J");
	cr_expect_eq(r.exit_code, 0, "%s%s", r.out, r.err);
	cr_expect_eq(witness_count(r.out, "confirmed", "wire_only"), CONNECTIONS, "%s", r.out);
	cr_expect(strstr(r.err, "wire view only") != NULL, "%s", r.err);
	cr_expect(strstr(r.out, "\"views\":\"wire\"") != NULL, "%s", r.out);
	program_result_free(&r);
	/* A port that nobody used. */
	RUN(&r, "-r", s.file, "-p", "7001", "-J");
	cr_expect_eq(r.exit_code, 2);
	cr_expect_eq(r.out_len, 0);
	program_result_free(&r);
	stand_free(&s);
}

/* A child that writes the file into the pipe, which can be read only once. */
static pid_t feed_pipe(const struct stand *s)
{
	size_t len;
	char *bytes = program_read_file(s->dir, "watch.pcapng", &len);
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(s->other, O_WRONLY);

		_exit(write(fd, bytes, len) != (ssize_t)len);
	}
	cr_assert(pid > 0);
	free(bytes);
	return pid;
}

Test(capture_file, a_copy_proves_as_much_and_a_pipe_nothing, .timeout = 60)
{
	struct program_how how = {0};
	struct program_result r;
	struct stand s;
	pid_t feeder;
	int status;

	stand_make(&s);
	RUN(&r, "-r", s.file, "-w", s.other, "-q");
	cr_expect_eq(r.exit_code, 0, "%s", r.err);
	program_result_free(&r);
	RUN(&r, "-r", s.other, "-J");
	cr_expect_eq(r.exit_code, 0, "%s%s", r.out, r.err);
	cr_expect_eq(witness_count(r.out, "confirmed", "wire_only"), CONNECTIONS);
	program_result_free(&r);
	/* Standard input is a file here, and can be read twice. */
	how.input = s.file;
	program_run(&r, &how, (const char *const[]){"witness", "-r", "-", "-J", NULL});
	cr_expect_eq(r.exit_code, 0, "%s%s", r.out, r.err);
	program_result_free(&r);
	snprintf(s.other, sizeof(s.other), "%s/pipe", s.dir);
	cr_assert(mkfifo(s.other, 0600) == 0);
	feeder = feed_pipe(&s);
	RUN(&r, "-r", s.other, "-J");
	cr_expect_eq(r.exit_code, 2, "%s%s", r.out, r.err);
	cr_expect_eq(witness_count(r.out, "inconclusive", "capture_unproven"), CONNECTIONS);
	program_result_free(&r);
	cr_assert(waitpid(feeder, &status, 0) == feeder && status == 0);
	stand_free(&s);
}

/* Copies a file without its @skip-th frame, and with counters that are changed by @more_drops. */
static size_t rewrite(const char *from, const char *to, size_t skip, uint64_t more_drops)
{
	static const struct pcapng_section section = {.os = "Linux"};
	FILE *in = fopen(from, "re"), *out = fopen(to, "we");
	struct pcapng_statistics st = {0};
	struct pcapng_interface ifc = {.linktype = PCAP_LINK_ETHERNET};
	const struct pcap_interface *i;
	struct pcapng_writer *w;
	struct pcap_reader *r;
	struct ring_frame f;
	char why[PCAP_WHY_MAX];
	size_t n = 0;

	cr_assert(in && out && pcap_reader_open(in, &r, why) == 0);
	cr_assert(pcapng_writer_open(out, &section, &w) == 0);
	cr_assert_eq(pcapng_add_interface(w, &ifc), 0);
	while (pcap_reader_next(r, &f) == 1) {
		struct pcapng_packet p = {.ts_ns = f.ts_ns, .bytes = f.bytes, .meta = f.meta};

		if (n++ != skip)
			cr_assert_eq(pcapng_add_packet(w, &p), 0);
	}
	i = pcap_reader_interface(r, 0);
	cr_assert(i && i->has_received && i->has_dropped && i->has_delivered);
	st.received = i->received + more_drops;
	st.dropped = i->dropped + more_drops;
	st.delivered = i->delivered;
	cr_assert_eq(pcapng_add_statistics(w, &st), 0);
	cr_assert_eq(pcapng_writer_end(w), 0);
	pcap_reader_close(r);
	fclose(in);
	fclose(out);
	return n;
}

Test(capture_file, any_missing_frame_takes_confirmed_away, .timeout = 120)
{
	struct program_result r;
	struct stand s;
	size_t n;

	stand_make(&s);
	n = rewrite(s.file, s.other, SIZE_MAX, 0);
	cr_assert_gt(n, 30);
	RUN(&r, "-r", s.other, "-J");
	cr_expect_eq(r.exit_code, 0, "nothing is missing: %s%s", r.out, r.err);
	program_result_free(&r);
	for (size_t i = 0; i < n; i++) {
		rewrite(s.file, s.other, i, 0);
		RUN(&r, "-r", s.other, "-J", "-q");
		cr_expect_eq(r.exit_code, 2, "without frame %zu: %s", i, r.out);
		cr_expect_eq(witness_count(r.out, "confirmed", NULL), 0, "frame %zu", i);
		program_result_free(&r);
	}
	stand_free(&s);
}

Test(capture_file, a_counted_drop_takes_confirmed_away, .timeout = 60)
{
	struct program_result r;
	struct stand s;

	stand_make(&s);
	rewrite(s.file, s.other, SIZE_MAX, 1);
	RUN(&r, "-r", s.other, "-J");
	cr_expect_eq(r.exit_code, 2);
	cr_expect_eq(witness_count(r.out, "inconclusive", "ring_drops"), CONNECTIONS, "%s", r.out);
	program_result_free(&r);
	stand_free(&s);
}

Test(capture_file, a_cut_file_is_judged_as_far_as_it_goes, .timeout = 60)
{
	struct program_result r;
	struct stand s;
	char *bytes;
	size_t len;

	stand_make(&s);
	bytes = program_read_file(s.dir, "watch.pcapng", &len);
	program_write_file(s.dir, "other.pcapng", bytes, len - 10);
	RUN(&r, "-r", s.other, "-J");
	cr_expect_eq(r.exit_code, 2);
	cr_expect(strstr(r.err, "cut off") && strstr(r.err, "at byte"), "%s", r.err);
	cr_expect_eq(witness_count(r.out, "inconclusive", "capture_unproven"), CONNECTIONS, "%s",
		     r.out);
	program_result_free(&r);
	program_write_file(s.dir, "other.pcapng", "no capture at all", 17);
	RUN(&r, "-r", s.other);
	cr_expect_eq(r.exit_code, 3);
	cr_expect(strstr(r.err, "neither pcap nor pcapng") != NULL, "%s", r.err);
	program_result_free(&r);
	free(bytes);
	stand_free(&s);
}

/* Each of more connections than there is room for is judged once, and says why it was cut short. */
Test(capture_file, more_flows_than_room, .timeout = 60)
{
	enum { MANY = 12 };
	struct bench_client c[MANY];
	struct program_result r;
	struct program p;
	struct stand s;

	stand_make(&s);
	witness_program_start(s.b->lab.host[LAB_SERVER].netns_fd,
			      WATCH("-p", "7000", "-c", "12", "--max-flows", "4"), &p);
	for (int i = 0; i < MANY; i++) {
		c[i] = bench_open(s.b, IPPROTO_TCP, (enum bench_way)(i % BENCH_WAYS));
		bench_connect(s.b, &c[i]);
	}
	for (int i = 0; i < MANY; i++)
		bench_hang_up(s.b, &c[i]);
	program_finish(&p, &r);
	cr_expect_eq(r.exit_code, 2, "%s%s", r.out, r.err);
	cr_expect_geq(witness_count(r.out, "inconclusive", "table_full"), MANY - 4, "%s", r.out);
	program_result_free(&r);
	stand_free(&s);
}

/* An expression chooses connections, not frames: what it leaves out is watched all the same. */
Test(capture_file, an_expression_selects_connections, .timeout = 60)
{
	struct program_result r;
	struct stand s;

	stand_make(&s);
	RUN(&r, "-r", s.file, "-J", "-f", "ip6 and tcp[tcpflags] & tcp-syn != 0 or (ip6 and tcp)");
	if (r.exit_code == 3 && strstr(r.err, "libpcap is not installed"))
		program_skip("libpcap is not installed");
	cr_expect_eq(r.exit_code, 0, "%s%s", r.out, r.err);
	cr_expect_eq(witness_count(r.out, "confirmed", "wire_only"), 1, "%s", r.out);
	program_result_free(&r);
	RUN(&r, "-r", s.file, "-J", "-f", "ip and tcp[13] & 2 != 0");
	cr_expect_eq(witness_count(r.out, "confirmed", "wire_only"), 2, "%s", r.out);
	program_result_free(&r);
	RUN(&r, "-r", s.file, "-f", "host and port");
	cr_expect_eq(r.exit_code, 64);
	cr_expect(strstr(r.err, "no expression"), "%s", r.err);
	program_result_free(&r);
	stand_free(&s);
}

Test(capture_file, what_cannot_be_written_is_said_at_once)
{
	struct program_result r;

	RUN(&r, "-i", "lo", "-p", "7000", "-w", "/dev/full");
	cr_expect_eq(r.exit_code, 3);
	cr_expect(strstr(r.err, "No space left"), "%s", r.err);
	program_result_free(&r);
}

static void expect_ladder(const struct program_result *r, size_t ladders)
{
	size_t n = 0;

	for (const char *at = r->out; (at = strstr(at, "SYN ACK")); at++)
		n++;
	cr_expect_eq(n, ladders, "%s", r->out);
}

Test(capture_file, ladders_of_a_file, .timeout = 60)
{
	struct program_result r;
	struct stand s;

	stand_make(&s);
	RUN(&r, "-r", s.file, "--ladder", "-q");
	cr_expect_eq(r.exit_code, 0);
	expect_ladder(&r, CONNECTIONS);
	program_result_free(&r);
	stand_free(&s);
}
