/* SPDX-License-Identifier: MIT */
/* report_table.c - a benchmark's results for people */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <string.h>

enum { CELL_TEXT = 96 };

enum {
	COL_WORK,
	COL_SERVER,
	COL_FAMILY,
	COL_LOAD,
	COL_RATE,
	COL_RANGE,
	COL_TASK,
	COL_CPU,
	COL_SPLIT,
	COL_LATENCY,
	COLS
};

static const struct {
	const char *name;
	int flags;
} COLUMNS[COLS] = {
	[COL_WORK] = {"WORKLOAD", 0},
	[COL_SERVER] = {"SERVER", 0},
	[COL_FAMILY] = {"FAMILY", 0},
	[COL_LOAD] = {"LOAD", 0},
	[COL_RATE] = {"PER SECOND", SCOLS_FL_RIGHT},
	[COL_RANGE] = {"MIN - MAX", SCOLS_FL_RIGHT},
	[COL_TASK] = {"OWN us EACH", SCOLS_FL_RIGHT},
	[COL_CPU] = {"CPU us EACH", SCOLS_FL_RIGHT},
	[COL_SPLIT] = {"USER/SYS/SOFTIRQ", SCOLS_FL_RIGHT},
	[COL_LATENCY] = {"p50/p99/p99.9 us", SCOLS_FL_RIGHT},
};

static struct libscols_table *new_table(FILE *out)
{
	struct libscols_table *tb;

	scols_init_debug(0);
	tb = scols_new_table();
	if (!tb)
		return NULL;
	for (int i = 0; i < COLS; i++)
		if (!scols_table_new_column(tb, COLUMNS[i].name, 0, COLUMNS[i].flags)) {
			scols_unref_table(tb);
			return NULL;
		}
	scols_table_set_stream(tb, out);
	return tb;
}

static void latency_text(const struct bench_results *r, uint32_t cell, char *buf)
{
	struct spread p50 = results_latency_us(r, cell, LAT_P50);
	struct spread p99 = results_latency_us(r, cell, LAT_P99);
	struct spread p999 = results_latency_us(r, cell, LAT_P999);

	buf[0] = '\0';
	if (p50.n)
		snprintf(buf, CELL_TEXT, "%.0f/%.0f/%.0f", p50.median, p99.median, p999.median);
}

static void cpu_text(const struct bench_results *r, uint32_t cell, char *all, char *split)
{
	struct spread total = results_cpu_us(r, cell, CPU_KINDS);
	struct spread user = results_cpu_us(r, cell, CPU_USER);
	struct spread sys = results_cpu_us(r, cell, CPU_SYS);
	struct spread softirq = results_cpu_us(r, cell, CPU_SOFTIRQ);

	snprintf(all, CELL_TEXT, "%.2f", total.median);
	snprintf(split, CELL_TEXT, "%.1f/%.1f/%.1f", user.median, sys.median, softirq.median);
}

static int add_row(struct libscols_table *tb, const struct bench_results *r, uint32_t cell)
{
	const struct bench_cell *c = &r->plan->cells[cell];
	const struct bench_load *load = &r->plan->loads[c->load];
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	struct spread rate = results_rate(r, cell), task = results_task_us(r, cell);
	char text[COLS][CELL_TEXT];
	int rc = line ? 0 : -ENOMEM;

	snprintf(text[COL_WORK], CELL_TEXT, "%s", bench_work_name(c->work));
	snprintf(text[COL_SERVER], CELL_TEXT, "%s", r->plan->subjects[c->subject].name);
	snprintf(text[COL_FAMILY], CELL_TEXT, "%s", bench_family_name(c->family));
	if (load->rate > 0)
		snprintf(text[COL_LOAD], CELL_TEXT, "%s, %.0f/s", load->name, load->rate);
	else
		snprintf(text[COL_LOAD], CELL_TEXT, "%s", load->name);
	snprintf(text[COL_RATE], CELL_TEXT, "%.0f", rate.median);
	snprintf(text[COL_RANGE], CELL_TEXT, "%.0f - %.0f", rate.min, rate.max);
	if (task.n)
		snprintf(text[COL_TASK], CELL_TEXT, "%.2f", task.median);
	else
		text[COL_TASK][0] = '\0';
	cpu_text(r, cell, text[COL_CPU], text[COL_SPLIT]);
	latency_text(r, cell, text[COL_LATENCY]);
	for (size_t i = 0; i < COLS && rc == 0; i++)
		rc = scols_line_set_data(line, i, text[i]);
	return rc;
}

static void print_spoilers(const struct bench_results *r, FILE *out)
{
	bool any = false;

	for (uint32_t cell = 0; cell < r->plan->n_cells; cell++) {
		const struct bench_cell *c = &r->plan->cells[cell];
		struct bench_spoilers s = results_spoilers(r, cell);
		const char *text;
		uint64_t value;

		for (size_t n = 0; (text = bench_spoiler(&s, n, &value)) != NULL; n++) {
			if (!value)
				continue;
			if (!any)
				fputs("\nWhat spoils a row (sums over all rounds):\n", out);
			any = true;
			fprintf(out, "  %s, %s, %s, %s: %" PRIu64 " %s\n", bench_work_name(c->work),
				r->plan->subjects[c->subject].name, bench_family_name(c->family),
				r->plan->loads[c->load].name, value, text);
		}
	}
	if (!any)
		fputs("\nNothing spoiled any row.\n", out);
}

static void print_ratio(const struct spread *s, FILE *out)
{
	bool interval = spread_has_interval(s);

	if (s->n)
		fprintf(out, "%5.2f (%.2f - %.2f)", s->median, interval ? s->low : s->min,
			interval ? s->high : s->max);
	else
		fprintf(out, "%19s", "");
}

/* Only what the interval tells. */
static const char *verdict_text(const struct spread *s)
{
	enum bench_verdict v = bench_verdict_of(s);

	return v == VERDICT_OPEN ? "" : bench_verdict_name(v);
}

static void print_ratios(const struct bench_results *r, FILE *out)
{
	struct bench_ratio ratios[RATIOS_MAX];
	size_t n = results_ratios(r, ratios, RATIOS_MAX);

	if (n)
		fputs("\nRatios within a round, above 1 the first is better: median and where it "
		      "lies "
		      "with 95 % confidence\n"
		      "(of less than six rounds: minimum and maximum)                "
		      "of rates           of own time\n",
		      out);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "  %-52s ", ratios[i].name);
		print_ratio(&ratios[i].spread, out);
		fputs("  ", out);
		print_ratio(&ratios[i].time, out);
		fprintf(out, "  %s\n", verdict_text(&ratios[i].time));
	}
}

static const char *known(const json_t *environment, const char *key)
{
	const char *text = json_string_value(json_object_get(environment, key));

	return text ? text : "?";
}

int bench_report_print(const struct bench_results *r, const json_t *environment, FILE *out)
{
	struct libscols_table *tb = new_table(out);
	uint32_t all, repeated = results_repeated(r, &all);
	int rc = tb ? 0 : -ENOMEM;

	for (uint32_t cell = 0; cell < r->plan->n_cells && rc == 0; cell++)
		if (r->n_samples[cell])
			rc = add_row(tb, r, cell);
	if (rc == 0)
		rc = scols_print_table(tb);
	scols_unref_table(tb);
	if (rc)
		return -ENOMEM;
	print_spoilers(r, out);
	print_ratios(r, out);
	fprintf(out,
		"\nLinux %s, %s, %d processors; receive work: %s; congestion control %s.\n"
		"Per second: connections, of 'kept' answers; median of %u rounds. OWN: the time "
		"the "
		"server's threads ran; CPU: all\n"
		"that its processor did, for others too. %u of %u measurements were made once more "
		"because others used over 30 %%\n"
		"of it. Verdicts are about own time; 'same' is within 3 %%.\n",
		known(environment, "kernel"), known(environment, "cpu"),
		(int)json_integer_value(json_object_get(environment, "cpus")),
		known(environment, "rps"), known(environment, "congestion_control"),
		r->plan->rounds, repeated, all);
	return 0;
}
