/* SPDX-License-Identifier: MIT */
/* metrics.c - what a server counts, and how it is written down */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>

static const char *const kind_names[METRICS_KINDS] = {
	[METRICS_IPV4] = "ipv4",
	[METRICS_MAPPED] = "mapped",
	[METRICS_NATIVE] = "native",
	[METRICS_UNKNOWN] = "unknown",
};

static const char *const cause_names[METRICS_CAUSES] = {
	[METRICS_ORDERLY] = "orderly", [METRICS_IDLE] = "idle",	  [METRICS_RESET] = "reset",
	[METRICS_STOPPED] = "stopped", [METRICS_ERROR] = "error",
};

/* The engine's counters, by name. */
static const struct {
	const char *name, *help;
	size_t offset;
} counters[] = {
	{"accept_errors", "Connections that were gone when they were to be accepted.",
	 offsetof(struct metrics, engine.accept_errors)},
	{"accept_pauses", "Pauses of accepting for want of descriptors or memory.",
	 offsetof(struct metrics, engine.accept_pauses)},
	{"accept_arms", "Accept requests handed to the kernel.",
	 offsetof(struct metrics, engine.accept_arms)},
	{"refused_full", "Connections closed at once because the table was full.",
	 offsetof(struct metrics, engine.refused_full)},
	{"receive_starved", "Receives that found no free buffer (ENOBUFS).",
	 offsetof(struct metrics, engine.recv_starved)},
	{"completion_overflows", "Completions the kernel had to keep aside.",
	 offsetof(struct metrics, engine.overflows)},
	{"waits", "System calls that submitted or waited (enters, epoll_wait).",
	 offsetof(struct metrics, engine.waits)},
	{"completions", "Completions or readiness events taken.",
	 offsetof(struct metrics, engine.completions)},
	{"forged_datagrams", "Datagrams with a mapped source on a native destination.",
	 offsetof(struct metrics, forged)},
	{"received_bytes", "Payload received.", offsetof(struct metrics, bytes_in)},
	{"sent_bytes", "Payload sent.", offsetof(struct metrics, bytes_out)},
};

enum { N_COUNTERS = sizeof(counters) / sizeof(counters[0]) };

static uint64_t counter(const struct metrics *m, size_t i)
{
	uint64_t value;

	memcpy(&value, (const char *)m + counters[i].offset, sizeof(value));
	return value;
}

enum metrics_kind metrics_kind_of(int family, const struct addr *peer)
{
	if (family == AF_INET)
		return METRICS_IPV4;
	if (addr_is_any(peer))
		return METRICS_UNKNOWN;
	return addr_is_mapped(peer) ? METRICS_MAPPED : METRICS_NATIVE;
}

enum metrics_cause metrics_cause_of(int error)
{
	switch (error) {
	case 0:
		return METRICS_ORDERLY;
	case -ETIMEDOUT:
		return METRICS_IDLE;
	case -ECONNRESET:
	case -EPIPE:
		return METRICS_RESET;
	case -ECANCELED:
		return METRICS_STOPPED;
	default:
		return METRICS_ERROR;
	}
}

void metrics_add(struct metrics *sum, const struct metrics *m)
{
	/* It holds nothing but counters. */
	const unsigned char *from = (const unsigned char *)m;
	unsigned char *to = (unsigned char *)sum;

	_Static_assert(sizeof(*m) % sizeof(uint64_t) == 0, "counters only");
	for (size_t at = 0; at < sizeof(*m); at += sizeof(uint64_t)) {
		uint64_t a, b;

		memcpy(&a, to + at, sizeof(a));
		memcpy(&b, from + at, sizeof(b));
		a += b;
		memcpy(to + at, &a, sizeof(a));
	}
}

double metrics_waits_per_conn(const struct metrics *m)
{
	return m->engine.accepted ? (double)m->engine.waits / (double)m->engine.accepted : 0;
}

static void print_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP dualwire_%s %s\n# TYPE dualwire_%s %s\n", name, help, name, type);
}

static void print_labelled(FILE *f, const char *name, const char *help, const char *label,
			   const char *const *names, const uint64_t *values, size_t n)
{
	print_head(f, name, "counter", help);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "dualwire_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, names[i],
			values[i]);
}

static void prometheus_stack(FILE *f, const struct stackstats *s)
{
	struct stackstats_row row;

	for (size_t i = 0; s->engines > 0 && stackstats_row(s, i, &row); i++) {
		const char *type = row.now ? "gauge" : "counter", *end = row.now ? "" : "_total";

		fprintf(f, "# HELP dualwire_stack_%s%s Of the user-space stack: %s.\n", row.name,
			end, row.text);
		fprintf(f, "# TYPE dualwire_stack_%s%s %s\n", row.name, end, type);
		fprintf(f, "dualwire_stack_%s%s %" PRIu64 "\n", row.name, end, row.value);
	}
}

void metrics_print_prometheus(FILE *f, const struct metrics *m)
{
	print_labelled(f, "accepted_total", "Connections accepted.", "family", kind_names,
		       m->accepted, METRICS_KINDS);
	print_labelled(f, "closed_total", "Connections that ended.", "cause", cause_names,
		       m->closed, METRICS_CAUSES);
	print_labelled(f, "datagrams_total", "Datagrams received.", "family", kind_names,
		       m->datagrams, METRICS_KINDS);
	print_head(f, "open_connections", "gauge", "Connections open now.");
	fprintf(f, "dualwire_open_connections %" PRIu64 "\n", m->open);
	print_head(f, "waits_per_connection", "gauge",
		   "Submitting or waiting system calls per accepted connection.");
	fprintf(f, "dualwire_waits_per_connection %.6g\n", metrics_waits_per_conn(m));
	for (size_t i = 0; i < N_COUNTERS; i++) {
		fprintf(f, "# HELP dualwire_%s_total %s\n# TYPE dualwire_%s_total counter\n",
			counters[i].name, counters[i].help, counters[i].name);
		fprintf(f, "dualwire_%s_total %" PRIu64 "\n", counters[i].name, counter(m, i));
	}
	prometheus_stack(f, &m->stack);
}

static void json_labelled(FILE *f, const char *name, const char *const *names,
			  const uint64_t *values, size_t n)
{
	fprintf(f, ", \"%s\": {", name);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : "", names[i], values[i]);
	fputc('}', f);
}

static void json_stack(FILE *f, const struct stackstats *s)
{
	struct stackstats_row row;

	if (s->engines == 0)
		return;
	for (size_t i = 0; stackstats_row(s, i, &row); i++)
		fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : ", \"stack\": {", row.name, row.value);
	fputc('}', f);
}

void metrics_print_json(FILE *f, const struct metrics *m)
{
	fprintf(f, "{\"event\": \"metrics\", \"open\": %" PRIu64, m->open);
	json_labelled(f, "accepted", kind_names, m->accepted, METRICS_KINDS);
	json_labelled(f, "closed", cause_names, m->closed, METRICS_CAUSES);
	json_labelled(f, "datagrams", kind_names, m->datagrams, METRICS_KINDS);
	for (size_t i = 0; i < N_COUNTERS; i++)
		fprintf(f, ", \"%s\": %" PRIu64, counters[i].name, counter(m, i));
	json_stack(f, &m->stack);
	fprintf(f, ", \"waits_per_connection\": %.6g}\n", metrics_waits_per_conn(m));
}

static void text_labelled(FILE *f, const char *what, const char *const *names,
			  const uint64_t *values, size_t n)
{
	uint64_t sum = 0;
	const char *joint = " (";

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	fprintf(f, ", %s %" PRIu64, what, sum);
	for (size_t i = 0; i < n; i++) {
		if (values[i] == 0)
			continue;
		fprintf(f, "%s%s %" PRIu64, joint, names[i], values[i]);
		joint = ", ";
	}
	fputs(sum ? ")" : "", f);
}

/* What did not happen is left out. */
static void text_stack(FILE *f, const struct stackstats *s)
{
	struct stackstats_row row;
	const char *joint = ", stack (";
	bool any = false;

	for (size_t i = 0; s->engines > 0 && stackstats_row(s, i, &row); i++) {
		if (row.value == 0)
			continue;
		fprintf(f, "%s%s %" PRIu64, joint, row.name, row.value);
		joint = ", ";
		any = true;
	}
	fputs(any ? ")" : "", f);
}

void metrics_print_text(FILE *f, const struct metrics *m)
{
	fprintf(f, "open %" PRIu64, m->open);
	text_labelled(f, "accepted", kind_names, m->accepted, METRICS_KINDS);
	text_labelled(f, "closed", cause_names, m->closed, METRICS_CAUSES);
	text_labelled(f, "datagrams", kind_names, m->datagrams, METRICS_KINDS);
	for (size_t i = 0; i < N_COUNTERS; i++) {
		if (counter(m, i) > 0)
			fprintf(f, ", %s %" PRIu64, counters[i].name, counter(m, i));
	}
	text_stack(f, &m->stack);
	fprintf(f, ", waits_per_connection %.3g\n", metrics_waits_per_conn(m));
}
