/* SPDX-License-Identifier: MIT */
/* results.c - samples to medians and ratios */
#include "results.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ours against ours: the first is to beat the second. */
static const struct {
	const char *a, *b;
} PAIRS[] = {
	{"epoll", "epoll-textbook"}, {"uring", "epoll-textbook"}, {"uring", "epoll"},
	{"bypass", "uring"},	     {"bypass-xdp", "uring"},	  {"bypass-xdp", "bypass"},
};
enum { N_PAIRS = sizeof(PAIRS) / sizeof(PAIRS[0]) };

int results_init(struct bench_results *r, const struct bench_plan *plan)
{
	*r = (struct bench_results){.plan = plan};
	r->samples = calloc(plan->n_cells, sizeof(*r->samples));
	return r->samples ? 0 : -ENOMEM;
}

void results_free(struct bench_results *r)
{
	free(r->samples);
}

void results_add(struct bench_results *r, uint32_t cell, const struct bench_sample *s)
{
	assert(cell < r->plan->n_cells && r->n_samples[cell] < PLAN_ROUNDS_MAX);
	r->samples[cell][r->n_samples[cell]++] = *s;
}

/* What one sample says under one heading. */
typedef double (*value_fn)(const struct bench_sample *s, const struct bench_cell *c, int which);

static double rate_of(const struct bench_sample *s, const struct bench_cell *c, int which)
{
	(void)which;
	return bench_work_counts_answers(c->work) ? s->answers_per_s : s->conn_per_s;
}

static double cpu_us_of(const struct bench_sample *s, const struct bench_cell *c, int which)
{
	double rate = rate_of(s, c, 0), busy = 0;

	for (int kind = 0; kind < CPU_KINDS; kind++)
		if (which == kind || which == CPU_KINDS)
			busy += s->cpu_s[kind];
	return rate > 0 ? busy * 1e6 / rate : 0;
}

static double latency_of(const struct bench_sample *s, const struct bench_cell *c, int which)
{
	(void)c;
	return s->latency_us[which];
}

static size_t values(const struct bench_results *r, uint32_t cell, value_fn fn, int which,
		     double *out)
{
	for (uint32_t i = 0; i < r->n_samples[cell]; i++)
		out[i] = fn(&r->samples[cell][i], &r->plan->cells[cell], which);
	return r->n_samples[cell];
}

static struct spread spread(const struct bench_results *r, uint32_t cell, value_fn fn, int which)
{
	double v[FIGURES_MAX];

	return spread_of(v, values(r, cell, fn, which, v));
}

struct spread results_rate(const struct bench_results *r, uint32_t cell)
{
	return spread(r, cell, rate_of, 0);
}

struct spread results_cpu_us(const struct bench_results *r, uint32_t cell, enum bench_cpu kind)
{
	return spread(r, cell, cpu_us_of, (int)kind);
}

struct spread results_latency_us(const struct bench_results *r, uint32_t cell,
				 enum bench_percentile p)
{
	for (uint32_t i = 0; i < r->n_samples[cell]; i++)
		if (!r->samples[cell][i].has_latency)
			return (struct spread){0};
	return spread(r, cell, latency_of, (int)p);
}

struct bench_spoilers results_spoilers(const struct bench_results *r, uint32_t cell)
{
	struct bench_spoilers sum = {0};

	for (uint32_t i = 0; i < r->n_samples[cell]; i++) {
		const struct bench_spoilers *s = &r->samples[cell][i].spoilers;
#define BENCH_SPOILER_SUM(name, text) sum.name += s->name;
		BENCH_SPOILERS(BENCH_SPOILER_SUM)
#undef BENCH_SPOILER_SUM
	}
	return sum;
}

bool results_spoiled(const struct bench_results *r)
{
	uint64_t value;

	for (uint32_t c = 0; c < r->plan->n_cells; c++) {
		struct bench_spoilers s = results_spoilers(r, c);

		for (size_t n = 0; bench_spoiler(&s, n, &value); n++)
			if (value)
				return true;
	}
	return false;
}

/* The cell with these coordinates, or -1. */
static int find(const struct bench_plan *p, int subject, int load, enum bench_family f,
		enum bench_work w)
{
	for (uint32_t i = 0; i < p->n_cells; i++) {
		const struct bench_cell *c = &p->cells[i];

		if ((int)c->subject == subject && (int)c->load == load && c->family == f &&
		    c->work == w)
			return (int)i;
	}
	return -1;
}

static int subject_named(const struct bench_plan *p, const char *name)
{
	for (uint32_t i = 0; i < p->n_subjects; i++)
		if (!p->subjects[i].command && strcmp(p->subjects[i].name, name) == 0)
			return (int)i;
	return -1;
}

struct list {
	const struct bench_results *r;
	struct bench_ratio *out;
	size_t n, max;
};

static void add(struct list *l, int a, int b, const char *name)
{
	double va[FIGURES_MAX], vb[FIGURES_MAX];
	size_t na, nb;

	if (a < 0 || b < 0 || l->n == l->max)
		return;
	na = values(l->r, (uint32_t)a, rate_of, 0, va);
	nb = values(l->r, (uint32_t)b, rate_of, 0, vb);
	snprintf(l->out[l->n].name, RATIO_NAME, "%s", name);
	l->out[l->n].spread = spread_of_ratios(va, vb, na < nb ? na : nb);
	if (l->out[l->n].spread.n)
		l->n++;
}

/* One server against another, under the load, family and work of cell @i, which is the first's. */
static void compare_servers(struct list *l, uint32_t i, int other)
{
	const struct bench_plan *p = l->r->plan;
	const struct bench_cell *c = &p->cells[i];
	char name[RATIO_NAME];

	if (other < 0 || (int)c->subject == other)
		return;
	snprintf(name, sizeof(name), "%s / %s, %s, %s, %s", p->subjects[c->subject].name,
		 p->subjects[other].name, bench_work_name(c->work), bench_family_name(c->family),
		 p->loads[c->load].name);
	add(l, (int)i, find(p, other, (int)c->load, c->family, c->work), name);
}

static void compare_families(struct list *l, uint32_t i)
{
	const struct bench_plan *p = l->r->plan;
	const struct bench_cell *c = &p->cells[i];
	char name[RATIO_NAME];

	if (c->family == BENCH_IPV4)
		return;
	snprintf(name, sizeof(name), "%s / ipv4, %s, %s, %s", bench_family_name(c->family),
		 p->subjects[c->subject].name, bench_work_name(c->work), p->loads[c->load].name);
	add(l, (int)i, find(p, (int)c->subject, (int)c->load, BENCH_IPV4, c->work), name);
}

static void compare_loads(struct list *l, uint32_t i)
{
	const struct bench_plan *p = l->r->plan;
	const struct bench_cell *c = &p->cells[i];
	char name[RATIO_NAME];

	for (uint32_t other = 0; c->load == 0 && other < p->n_loads; other++) {
		if (other == c->load)
			continue;
		snprintf(name, sizeof(name), "load %s / %s, %s, %s, %s", p->loads[c->load].name,
			 p->loads[other].name, p->subjects[c->subject].name,
			 bench_work_name(c->work), bench_family_name(c->family));
		add(l, (int)i, find(p, (int)c->subject, (int)other, c->family, c->work), name);
	}
}

size_t results_ratios(const struct bench_results *r, struct bench_ratio *out, size_t max)
{
	const struct bench_plan *p = r->plan;
	struct list l = {.r = r, .out = out, .max = max};

	for (size_t k = 0; k < N_PAIRS; k++)
		for (uint32_t i = 0; i < p->n_cells; i++)
			if ((int)p->cells[i].subject == subject_named(p, PAIRS[k].a))
				compare_servers(&l, i, subject_named(p, PAIRS[k].b));
	for (uint32_t s = 0; s < p->n_subjects; s++)
		for (uint32_t i = 0; i < p->n_cells; i++)
			if (p->subjects[s].command && !p->subjects[p->cells[i].subject].command)
				compare_servers(&l, i, (int)s);
	for (uint32_t i = 0; i < p->n_cells; i++)
		compare_families(&l, i);
	for (uint32_t i = 0; i < p->n_cells; i++)
		compare_loads(&l, i);
	return l.n;
}
