/* SPDX-License-Identifier: MIT */
/* report_json.c - a benchmark's results as JSON */
#include "report.h"

/* Of the interval that holds the median with 95 percent confidence. */
static json_t *bound_json(const struct spread *s, double value)
{
	return spread_has_interval(s) ? json_real(value) : json_null();
}

static json_t *spread_json(const struct spread *s)
{
	if (s->n == 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:o, s:o, s:I}", "median", s->median, "min", s->min,
			 "max", s->max, "low", bound_json(s, s->low), "high",
			 bound_json(s, s->high), "n", (json_int_t)s->n);
}

static json_t *spoiled_json(const struct bench_results *r, uint32_t cell)
{
	struct bench_spoilers s = results_spoilers(r, cell);
	json_t *list = json_array();
	const char *text;
	uint64_t value;

	for (size_t n = 0; (text = bench_spoiler(&s, n, &value)) != NULL; n++)
		if (value)
			json_array_append_new(list, json_pack("{s:s, s:I}", "what", text, "count",
							      (json_int_t)value));
	return list;
}

static json_t *latency_json(const struct bench_results *r, uint32_t cell)
{
	static const char *const keys[LAT_KINDS] = {"p50", "p90", "p99", "p999", "max"};
	json_t *lat = json_object();

	for (int i = 0; i < LAT_KINDS; i++) {
		struct spread s = results_latency_us(r, cell, (enum bench_percentile)i);

		json_object_set_new(lat, keys[i], spread_json(&s));
	}
	return lat;
}

static json_t *cpu_json(const struct bench_results *r, uint32_t cell)
{
	static const char *const keys[] = {"user", "sys", "softirq", "all"};
	json_t *cpu = json_object();

	for (int i = 0; i <= CPU_KINDS; i++) {
		struct spread s = results_cpu_us(r, cell, (enum bench_cpu)i);

		json_object_set_new(cpu, keys[i], spread_json(&s));
	}
	return cpu;
}

static json_t *row_json(const struct bench_results *r, uint32_t cell)
{
	const struct bench_cell *c = &r->plan->cells[cell];
	const struct bench_load *load = &r->plan->loads[c->load];
	bool answers = bench_work_counts_answers(c->work);
	struct spread rate = results_rate(r, cell), own = results_task_us(r, cell);
	const struct bench_sample *last = &r->samples[cell][r->n_samples[cell] - 1];
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:f, s:s}", "engine",
				r->plan->subjects[c->subject].name, "family",
				bench_family_name(c->family), "workload", bench_work_name(c->work),
				"load", load->name, "rate", load->rate, "path", last->engine_text);

	json_object_set_new(row, answers ? "answers_per_s" : "conn_per_s", spread_json(&rate));
	json_object_set_new(row, answers ? "server_cpu_us_per_answer" : "server_cpu_us_per_conn",
			    cpu_json(r, cell));
	json_object_set_new(row, answers ? "server_own_us_per_answer" : "server_own_us_per_conn",
			    spread_json(&own));
	json_object_set_new(row, "latency_us",
			    last->has_latency ? latency_json(r, cell) : json_null());
	json_object_set_new(row, "client_cpu", json_real(last->client_cpu));
	json_object_set_new(row, "frames_in_per_conn", json_real(last->frames_in));
	json_object_set_new(row, "frames_out_per_conn", json_real(last->frames_out));
	if (load->watched)
		json_object_set_new(row, "frames_watched", json_integer((json_int_t)last->watched));
	json_object_set_new(row, "spoiled", spoiled_json(r, cell));
	return row;
}

/* Of rates; that of the time the servers ran beside it. */
static json_t *ratio_json(const struct bench_ratio *ratio)
{
	json_t *json = spread_json(&ratio->spread);

	json_object_set_new(json, "name", json_string(ratio->name));
	json_object_set_new(json, "pairs", json_integer((json_int_t)ratio->pairs));
	json_object_set_new(json, "own_time", spread_json(&ratio->time));
	json_object_set_new(json, "verdict",
			    json_string(bench_verdict_name(bench_verdict_of(&ratio->time))));
	return json;
}

json_t *bench_report_json(const struct bench_results *r, json_t *environment)
{
	struct bench_ratio ratios[RATIOS_MAX];
	size_t n = results_ratios(r, ratios, RATIOS_MAX);
	json_t *rows = json_array(), *list = json_array();

	for (uint32_t cell = 0; cell < r->plan->n_cells; cell++)
		if (r->n_samples[cell])
			json_array_append_new(rows, row_json(r, cell));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, ratio_json(&ratios[i]));
	return json_pack("{s:o, s:o, s:o}", "environment", environment, "rows", rows, "ratios",
			 list);
}
