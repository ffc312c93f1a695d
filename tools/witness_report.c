/* SPDX-License-Identifier: MIT */
/* witness_report.c - what `dualwire witness` prints about connections */
#include "witness_report.h"

#include "../rawstack/witness/ladder.h"
#include "cli.h"
#include "report.h"
#include "show_ladder.h"

#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

void witness_printer_init(struct witness_printer *p, const struct witness_options *o)
{
	*p = (struct witness_printer){.o = o, .color = cli_color(stdout)};
	p->begin_lines =
		!o->json && !o->file && (o->verbose || (isatty(STDOUT_FILENO) && !o->quiet));
	p->silent = o->trace && strcmp(o->trace, "-") == 0;
	p->width = o->ladder ? show_ladder_width() : 0;
}

static void flatten(char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			*text = ' ';
}

static void print_who(const struct judged *j)
{
	struct endpoint client = {.addr = j->c.key.client, .port = j->c.key.client_port};
	struct endpoint server = {.addr = j->c.key.server, .port = j->c.key.server_port};
	char from[ENDPOINT_STRLEN], to[ENDPOINT_STRLEN], clock[16] = "";
	time_t seconds = (time_t)(j->c.flow->first_ns / 1000000000U);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	endpoint_print(&client, ADDR_FORM_INET, from);
	endpoint_print(&server, ADDR_FORM_INET, to);
	printf("%s %s %s > %s", clock, j->c.key.proto == IPPROTO_TCP ? "TCP" : "UDP", from, to);
}

static void print_people(const struct witness_printer *p, const struct judge_report *rep,
			 const struct judged *j, const struct flow_about *about)
{
	char kernel[REPORT_TEXT], wire[REPORT_TEXT], words[REPORT_TEXT];

	report_kernel_text(j, kernel);
	report_wire_text(rep, j, wire);
	report_verdict_text(j, words);
	flatten(kernel);
	flatten(wire);
	flatten(words);
	print_who(j);
	printf("  %s", j->result);
	if (about->owner->pid)
		printf("  %s[%d]", about->owner->name, about->owner->pid);
	if (!rep->run.wire_only)
		printf("  kernel: %s", kernel);
	printf("  wire: %s", wire);
	if (about->interface)
		printf(" on %s", about->interface);
	printf("  %s%s%s\n", report_color(j->j.verdict, p->color), words,
	       report_color_off(p->color));
}

static void print_ladder(const struct witness_printer *p, const struct judge_report *rep,
			 const struct judged *j, const struct flow_about *about)
{
	const struct evidence_frame *frames[FLOW_FRAMES_MAX];
	struct ladder_input in = {.run = &rep->run,
				  .judged = j,
				  .frames = frames,
				  .n_frames = about->n_frames,
				  .listener = about->listener};
	struct ladder l;

	for (size_t i = 0; i < about->n_frames; i++)
		frames[i] = &about->frames[i];
	if (ladder_make(&in, &l) < 0) {
		cli_fail("witness", "no ladder: out of memory");
		return;
	}
	ladder_print(&l, p->width, stdout);
	if (about->n_frames == FLOW_FRAMES_MAX)
		printf("(the first %d frames)\n", FLOW_FRAMES_MAX);
	putchar('\n');
	ladder_free(&l);
}

static json_t *owner_json(const struct owner_name *owner)
{
	return owner->pid ? json_pack("{s:i,s:s}", "pid", (int)owner->pid, "name", owner->name)
			  : json_null();
}

static void print_json(const struct judge_report *rep, const struct judged *j,
		       const struct flow_about *about)
{
	json_t *o = report_connection_json(rep, j);
	struct endpoint client = {.addr = j->c.key.client, .port = j->c.key.client_port};
	struct endpoint server = {.addr = j->c.key.server, .port = j->c.key.server_port};
	char text[ENDPOINT_STRLEN];

	json_object_set_new(o, "from", json_string(endpoint_print(&client, ADDR_FORM_INET, text)));
	json_object_set_new(o, "to", json_string(endpoint_print(&server, ADDR_FORM_INET, text)));
	json_object_set_new(o, "first_ns", json_integer((json_int_t)j->c.flow->first_ns));
	json_object_set_new(o, "last_ns", json_integer((json_int_t)j->c.flow->last_ns));
	json_object_set_new(o, "process", owner_json(about->owner));
	json_object_set_new(o, "views",
			    json_string(rep->run.wire_only ? "wire" : "kernel and wire"));
	if (about->interface)
		json_object_set_new(o, "interface", json_string(about->interface));
	cli_print_json_line(o);
}

void witness_print(const struct judge_report *rep, const struct judged *j,
		   const struct flow_about *about, bool verdict, void *arg)
{
	struct witness_printer *p = arg;

	p->judged += verdict;
	if (p->silent || (!verdict && !p->begin_lines))
		return;
	if (p->o->json) {
		print_json(rep, j, about);
		return;
	}
	if (verdict) {
		print_people(p, rep, j, about);
		if (p->o->ladder)
			print_ladder(p, rep, j, about);
	} else {
		print_who(j);
		printf("  begins\n");
	}
}

int witness_exit_code(const struct flow_totals *t)
{
	if (t->verdicts[VERDICT_CONTRADICTED])
		return EXIT_CONTRADICTED;
	if (t->verdicts[VERDICT_INCONCLUSIVE] || !t->verdicts[VERDICT_CONFIRMED])
		return EXIT_INCONCLUSIVE;
	return EXIT_CONFIRMED;
}

void witness_totals_text(const struct flow_totals *t, char *text, size_t size)
{
	snprintf(text, size, "%llu confirmed, %llu contradicted, %llu inconclusive",
		 (unsigned long long)t->verdicts[VERDICT_CONFIRMED],
		 (unsigned long long)t->verdicts[VERDICT_CONTRADICTED],
		 (unsigned long long)t->verdicts[VERDICT_INCONCLUSIVE]);
}
