/* SPDX-License-Identifier: MIT */
/* sample.h - one measurement of one cell: what was counted, and what spoils it */
#ifndef TOOLS_BENCH_SAMPLE_H
#define TOOLS_BENCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the server's processor spent its time. */
enum bench_cpu { CPU_USER, CPU_SYS, CPU_SOFTIRQ, CPU_KINDS };

enum bench_percentile { LAT_P50, LAT_P90, LAT_P99, LAT_P999, LAT_MAX, LAT_KINDS };

/*
 * What happened during a run that should not: each makes its figures doubtful. Kernel counters are
 * those of the server's namespace; an engine without the kernel's TCP leaves them at 0.
 */
#define BENCH_SPOILERS(X)                                                                          \
	X(errors, "failed connections")                                                            \
	X(disliked, "frames the generator did not like")                                           \
	X(dropped, "frames the generator's ring dropped")                                          \
	X(retransmits, "segments the generator sent again")                                        \
	X(listen_overflows, "ListenOverflows")                                                     \
	X(listen_drops, "ListenDrops")                                                             \
	X(syn_retransmits, "TCPSynRetrans")                                                        \
	X(cookies, "SyncookiesSent")                                                               \
	X(watch_drops, "frames the witness dropped")                                               \
	X(unaccounted, "PassiveOpens that no client knows of, or the reverse")                     \
	X(idle, "times the server's processor had nothing to do, for over 10 % of the time")       \
	X(foreign, "times the server's processor worked for others, for over 30 % of the time")    \
	X(stolen, "times over 2 % of its time was taken from the server's processor")

struct bench_spoilers {
#define BENCH_SPOILER_FIELD(name, text) uint64_t name;
	BENCH_SPOILERS(BENCH_SPOILER_FIELD)
#undef BENCH_SPOILER_FIELD
};

/* The n-th spoiler's words and number; NULL past the last. */
const char *bench_spoiler(const struct bench_spoilers *s, size_t n, uint64_t *value);

struct bench_sample {
	uint64_t connections, answers; /* completed */
	double seconds;		       /* between the two readings of all counters */
	double loading_s;	       /* of them, while the generator measured */
	double conn_per_s, answers_per_s;
	double cpu_us[CPU_KINDS];     /* of the server's processor, in all */
	double task_us;		      /* the server's threads and its softirqd have run */
	double foreign;		      /* of the server's processor, the part that others used */
	double client_cpu;	      /* of the generator's processor, the part that was busy */
	double frames_in, frames_out; /* of the generator per connection, 0: not known */
	uint64_t watched;	      /* frames the witness saw */
	bool has_latency;
	double latency_us[LAT_KINDS];
	struct bench_spoilers spoilers;
	uint32_t attempts;     /* of which this is the one that others disturbed least */
	char engine_text[128]; /* the path the engine took */
};

#endif
