/* SPDX-License-Identifier: MIT */
/* plot.c - the picture of a benchmark */
#include "plot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { PANEL_WIDTH = 560, PANEL_HEIGHT = 420, NOT_FOUND = 127 };

/* Colours that stay apart in print and for those who see fewer of them (after Okabe and Ito). */
static const char *const COLORS[] = {"#999999", "#e69f00", "#0072b2", "#009e73",
				     "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"};
enum { N_COLORS = sizeof(COLORS) / sizeof(COLORS[0]) };

/* A workload under a load, of which at least one cell was measured. */
static bool panel_is(const struct bench_results *r, uint32_t load, uint32_t work)
{
	for (uint32_t i = 0; i < r->plan->n_cells; i++) {
		const struct bench_cell *c = &r->plan->cells[i];

		if (c->load == load && c->work == (enum bench_work)work && r->n_samples[i])
			return true;
	}
	return false;
}

static uint32_t panels(const struct bench_results *r)
{
	uint32_t n = 0;

	for (uint32_t load = 0; load < r->plan->n_loads; load++)
		for (uint32_t work = 0; work < BENCH_WORKS; work++)
			n += panel_is(r, load, work);
	return n;
}

/* Text inside gnuplot's single quotes. */
static void quote(const char *text, FILE *out)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

/* One block a server: a line for each family, "name median min max". */
static void data(const struct bench_results *r, uint32_t load, uint32_t work, FILE *out)
{
	const struct bench_plan *p = r->plan;

	for (uint32_t s = 0; s < p->n_subjects; s++) {
		fprintf(out, "$P%u_%u_%u << EOD\n", load, work, s);
		for (uint32_t i = 0; i < p->n_cells; i++) {
			const struct bench_cell *c = &p->cells[i];
			struct spread rate = results_rate(r, i);

			if (c->load == load && c->work == (enum bench_work)work &&
			    c->subject == s && rate.n)
				fprintf(out, "%s %.1f %.1f %.1f\n", bench_family_name(c->family),
					rate.median, rate.min, rate.max);
		}
		fputs("EOD\n", out);
	}
}

static void panel(const struct bench_results *r, uint32_t load, uint32_t work, FILE *out)
{
	const struct bench_plan *p = r->plan;

	fprintf(out, "set title '%s: %s per second (load: %s)' noenhanced\nplot ",
		bench_work_name((enum bench_work)work),
		bench_work_counts_answers((enum bench_work)work) ? "answers" : "connections",
		p->loads[load].name);
	for (uint32_t s = 0; s < p->n_subjects; s++) {
		fprintf(out, "%s$P%u_%u_%u using 2:3:4:xtic(1) title ", s ? ", " : "", load, work,
			s);
		quote(p->subjects[s].name, out);
		fprintf(out, " noenhanced lc rgb '%s'", COLORS[s % N_COLORS]);
	}
	fputc('\n', out);
}

void plot_script(const struct bench_results *r, const char *svg, FILE *out)
{
	uint32_t n = panels(r);
	uint32_t columns = n > 1 ? 2 : 1, rows = (n + columns - 1) / columns;

	fprintf(out, "set terminal svg size %u,%u background 'white' font 'sans-serif,13'\n",
		columns * PANEL_WIDTH, rows * PANEL_HEIGHT);
	fputs("set output ", out);
	quote(svg, out);
	fprintf(out,
		"\nset style data histograms\nset style histogram errorbars gap 1 lw 1\n"
		"set style fill solid 0.9 noborder\nset yrange [0:*]\nset format y '%%.0s%%c'\n"
		"set grid ytics lc rgb '#dddddd'\nset key outside bottom center horizontal\n"
		"set errorbars 1.0 front lc rgb '#333333'\nset border 3\nset tics nomirror\nset "
		"multiplot layout %u,%u\n",
		rows, columns);
	for (uint32_t load = 0; load < r->plan->n_loads; load++)
		for (uint32_t work = 0; work < BENCH_WORKS; work++)
			if (panel_is(r, load, work)) {
				data(r, load, work, out);
				panel(r, load, work, out);
			}
	fputs("unset multiplot\n", out);
}

int plot_draw(const struct bench_results *r, const char *svg)
{
	FILE *gnuplot = popen("exec gnuplot 2>/dev/null", "we");
	int status;

	if (!gnuplot)
		return -errno;
	plot_script(r, svg, gnuplot);
	status = pclose(gnuplot);
	if (status < 0)
		return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		return -ENOENT;
	return status == 0 ? 0 : -EPROTO;
}
