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

static double each(double us, const struct bench_sample *s, const struct bench_cell *c)
{
	uint64_t n = bench_work_counts_answers(c->work) ? s->answers : s->connections;

	return n > 0 ? us / (double)n : 0;
}

static double cpu_us_of(const struct bench_sample *s, const struct bench_cell *c, int which)
{
	double busy = 0;

	for (int kind = 0; kind < CPU_KINDS; kind++)
		if (which == kind || which == CPU_KINDS)
			busy += s->cpu_us[kind];
	return each(busy, s, c);
}

static double task_us_of(const struct bench_sample *s, const struct bench_cell *c, int which)
{
	(void)which;
	return each(s->task_us, s, c);
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

struct spread results_task_us(const struct bench_results *r, uint32_t cell)
{
	for (uint32_t i = 0; i < r->n_samples[cell]; i++)
		if (r->samples[cell][i].task_us <= 0)
			return (struct spread){0};
	return spread(r, cell, task_us_of, 0);
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

uint32_t results_repeated(const struct bench_results *r, uint32_t *all)
{
	uint32_t repeated = 0;

	*all = 0;
	for (uint32_t c = 0; c < r->plan->n_cells; c++)
		for (uint32_t i = 0; i < r->n_samples[c]; i++) {
			repeated += r->samples[c][i].attempts > 1;
			(*all)++;
		}
	return repeated;
}

enum bench_verdict bench_verdict_of(const struct spread *s)
{
	static const double SAME = 0.03;

	if (!spread_has_interval(s))
		return VERDICT_OPEN;
	if (s->low > 1 - SAME && s->high < 1 + SAME)
		return VERDICT_SAME;
	if (s->low > 1)
		return VERDICT_BETTER;
	return s->high < 1 ? VERDICT_WORSE : VERDICT_OPEN;
}

const char *bench_verdict_name(enum bench_verdict v)
{
	static const char *const names[] = {"open", "better", "worse", "same"};

	return names[v];
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

/* Ratios of rounds, of one pair of cells or of several that shall be looked at together. */
struct pool {
	double rate[FIGURES_MAX], time[FIGURES_MAX];
	size_t n_rate, n_time, pairs;
};

static size_t collect(const struct bench_results *r, uint32_t a, uint32_t b, value_fn fn,
		      double *out, size_t n)
{
	double va[PLAN_ROUNDS_MAX], vb[PLAN_ROUNDS_MAX];
	size_t na = values(r, a, fn, 0, va), nb = values(r, b, fn, 0, vb);

	for (size_t i = 0; i < na && i < nb && n < FIGURES_MAX; i++)
		if (va[i] > 0 && vb[i] > 0)
			out[n++] = va[i] / vb[i];
	return n;
}

/* A cell that is not there (-1) adds nothing. */
static void pool_add(struct pool *pool, const struct bench_results *r, int a, int b)
{
	if (a < 0 || b < 0)
		return;
	pool->n_rate = collect(r, (uint32_t)a, (uint32_t)b, rate_of, pool->rate, pool->n_rate);
	/* The other way round: less time is better. */
	pool->n_time = collect(r, (uint32_t)b, (uint32_t)a, task_us_of, pool->time, pool->n_time);
	pool->pairs++;
}

static void publish(struct list *l, const struct pool *pool, const char *name)
{
	struct bench_ratio *out = &l->out[l->n];

	if (pool->n_rate == 0 || l->n == l->max)
		return;
	snprintf(out->name, RATIO_NAME, "%s", name);
	out->spread = spread_of(pool->rate, pool->n_rate);
	out->time = spread_of(pool->time, pool->n_time);
	out->pairs = pool->pairs;
	l->n++;
}

static void add(struct list *l, int a, int b, const char *name)
{
	struct pool pool = {.pairs = 0};

	pool_add(&pool, l->r, a, b);
	publish(l, &pool, name);
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

static bool is_kernels(const struct bench_subject *s)
{
	return s->command == NULL && strncmp(s->name, "bypass", strlen("bypass")) != 0;
}

/* Two servers in all families. */
static void pool_servers(struct list *l, int a, int b, uint32_t load, uint32_t work)
{
	const struct bench_plan *p = l->r->plan;
	struct pool pool = {.pairs = 0};
	char name[RATIO_NAME];

	if (a < 0 || b < 0)
		return;
	for (int f = 0; f < BENCH_FAMILIES; f++)
		pool_add(&pool, l->r,
			 find(p, a, (int)load, (enum bench_family)f, (enum bench_work)work),
			 find(p, b, (int)load, (enum bench_family)f, (enum bench_work)work));
	snprintf(name, sizeof(name), "%s / %s, %s, all families, %s", p->subjects[a].name,
		 p->subjects[b].name, bench_work_name((enum bench_work)work), p->loads[load].name);
	if (pool.pairs > 1)
		publish(l, &pool, name);
}

/* A family against IPv4 on all engines over the kernel's TCP, or else on those without it. */
static void pool_families(struct list *l, enum bench_family f, uint32_t load, bool kernels)
{
	const struct bench_plan *p = l->r->plan;
	struct pool pool = {.pairs = 0};
	char name[RATIO_NAME];

	for (uint32_t i = 0; i < p->n_cells; i++) {
		const struct bench_cell *c = &p->cells[i];
		const struct bench_subject *s = &p->subjects[c->subject];

		if (c->family == f && c->load == load && !s->command && is_kernels(s) == kernels)
			pool_add(&pool, l->r, (int)i,
				 find(p, (int)c->subject, (int)load, BENCH_IPV4, c->work));
	}
	snprintf(name, sizeof(name), "%s / ipv4, all %s, %s", bench_family_name(f),
		 kernels ? "engines on the kernel's TCP" : "bypass engines", p->loads[load].name);
	if (pool.pairs > 1)
		publish(l, &pool, name);
}

/* What several pairs of cells say together. */
static void compare_pooled(struct list *l)
{
	const struct bench_plan *p = l->r->plan;

	for (uint32_t load = 0; load < p->n_loads; load++) {
		for (size_t k = 0; k < N_PAIRS; k++)
			for (uint32_t w = 0; w < BENCH_WORKS; w++)
				pool_servers(l, subject_named(p, PAIRS[k].a),
					     subject_named(p, PAIRS[k].b), load, w);
		for (int f = BENCH_IPV4 + 1; f < BENCH_FAMILIES; f++) {
			pool_families(l, (enum bench_family)f, load, true);
			pool_families(l, (enum bench_family)f, load, false);
		}
	}
}

size_t results_ratios(const struct bench_results *r, struct bench_ratio *out, size_t max)
{
	const struct bench_plan *p = r->plan;
	struct list l = {.r = r, .out = out, .max = max};

	compare_pooled(&l);
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
