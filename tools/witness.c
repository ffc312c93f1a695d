/* SPDX-License-Identifier: MIT */
/* witness.c - `dualwire witness`: judge the connections of any server, as they happen or from a
 * capture file */
#include "../rawstack/clock.h"
#include "cli.h"
#include "evidence_file.h"
#include "replay.h"
#include "report.h"
#include "watch.h"
#include "witness_report.h"
#include "witness_target.h"

#include <cap-ng.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is open while a command runs; each may be NULL. */
struct files {
	struct evidence_file *evidence;
	struct trace *trace;
	struct pcap_expr *expr;
};

static size_t max_flows(const struct witness_options *o)
{
	return o->max_flows ? o->max_flows : WATCH_FLOWS;
}

/*
 * Everything is open: from here on the network needs no right. Root without any could not put the
 * finished evidence beside other people's files, so that one is kept where it will be wanted.
 */
static void give_up_privileges(bool keep_files)
{
	bool file_right = keep_files && capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (file_right)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_OVERRIDE);
	capng_apply(CAPNG_SELECT_BOTH);
}

static int open_failed(const struct witness_options *o, int rc, const char *what)
{
	if (rc == -EPERM || rc == -EACCES)
		return cli_fail(
			"witness",
			"cannot watch %s: no permission to %s; run it as root or with CAP_NET_RAW",
			o->interface, what);
	if (rc == -ETIMEDOUT || rc == -ENETDOWN)
		return cli_fail(
			"witness",
			"cannot watch %s: it carries no frame; is it up? (ip link set %s up)",
			o->interface, o->interface);
	return cli_fail("witness", "cannot watch %s: failed to %s: %s", o->interface, what,
			strerrordesc_np(-rc));
}

/* Until a signal, the count or the time. */
static int watch_on(const struct witness_options *o, struct watch *w,
		    const struct witness_printer *p, int sigfd)
{
	uint64_t end_ns = o->seconds > 0 ? clock_ns(CLOCK_MONOTONIC) + (uint64_t)(o->seconds * 1e9)
					 : UINT64_MAX;
	struct pollfd fds[WATCH_FDS_MAX + 1];

	while (clock_ns(CLOCK_MONOTONIC) < end_ns && (!o->count || p->judged < o->count)) {
		size_t n = watch_fds(w, fds);
		int rc;

		fds[n] = (struct pollfd){.fd = sigfd, .events = POLLIN};
		if (poll(fds, n + 1, watch_patience_ms(w)) < 0 && errno != EINTR)
			return -errno;
		rc = watch_step(w);
		if (rc < 0)
			return rc;
		/* All that one step told at once: a system call for each would cost as much again.
		 */
		fflush(stdout);
		if (fds[n].revents)
			break;
	}
	return 0;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void say_ready(const struct witness_options *o, const struct watch *w)
{
	const struct sockdiag_entry *list;
	size_t n = watch_listeners(w, &list);

	if (o->ready_fd > 0 && write(o->ready_fd, "\n", 1) == 1)
		close(o->ready_fd);
	if (o->quiet)
		return;
	fprintf(stderr, "watching %s; Ctrl-C ends it\n", o->interface);
	for (size_t i = 0; i < n; i++) {
		char at[ENDPOINT_STRLEN];

		endpoint_print(&list[i].src, evidence_form(list[i].family), at);
		fprintf(stderr, "  %s listener %s, %s\n",
			list[i].proto == IPPROTO_TCP ? "TCP" : "UDP", at, witness_serves(&list[i]));
	}
	if (!n)
		fprintf(stderr, "  nobody listens there yet\n");
}

static int finish(const struct witness_options *o, const struct watch *w, int rc)
{
	const struct flow_totals *t = watch_totals(w);
	char text[128];

	witness_totals_text(t, text, sizeof(text));
	if (!o->quiet)
		fprintf(stderr, "%llu frames, %llu dropped; connections: %s\n",
			(unsigned long long)t->frames, (unsigned long long)t->drops, text);
	if (rc < 0)
		return cli_fail("witness", "the watch broke off: %s", strerrordesc_np(-rc));
	return witness_exit_code(t);
}

static void close_trace(struct files *f, const struct watch *w)
{
	char text[160] = "connections: ";
	size_t n = strlen(text);

	if (!f->trace)
		return;
	witness_totals_text(watch_totals(w), text + n, sizeof(text) - n);
	trace_counters(f->trace, 0, &watch_evidence(w)->taps[0], text);
	trace_close(f->trace);
	f->trace = NULL;
}

static struct flow_notes_config notes_config(const struct witness_options *o, const struct files *f,
					     struct witness_printer *p)
{
	struct flow_notes_config cfg = {.expr = f->expr,
					.keep_frames = o->ladder,
					.trace = f->trace,
					.report = witness_print,
					.arg = p};

	witness_printer_init(p, o);
	if (o->listener && !o->listener_any && !addr_is_any(&o->listener_at.addr)) {
		cfg.has_server = true;
		cfg.server = o->listener_at.addr;
	}
	return cfg;
}

static int run_live(const struct witness_options *o, unsigned int ifindex, struct files *f)
{
	struct witness_printer p;
	struct watch_config cfg = {.ifindex = ifindex,
				   .netns_fd = -1,
				   .n_ports = o->n_ports,
				   .max_flows = max_flows(o),
				   .live = isatty(STDOUT_FILENO) != 0,
				   .evidence = f->evidence != NULL,
				   .notes = notes_config(o, f, &p)};
	const char *what;
	struct watch *w;
	int rc, exit_code, sigfd;

	memcpy(cfg.ports, o->ports, sizeof(cfg.ports));
	sigfd = block_signals();
	rc = watch_open(&cfg, &w, &what);
	if (rc < 0)
		return open_failed(o, rc, what);
	give_up_privileges(f->evidence != NULL);
	say_ready(o, w);
	rc = watch_on(o, w, &p, sigfd);
	watch_stop(w);
	fflush(stdout);
	close_trace(f, w);
	exit_code = finish(o, w, rc);
	if (f->evidence) {
		int saved = evidence_file_save("witness", f->evidence, watch_evidence(w));

		f->evidence = NULL;
		exit_code = saved ? saved : exit_code;
	}
	watch_close(w);
	close(sigfd);
	return exit_code;
}

static FILE *open_capture(const char *path)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *in = standard ? stdin : fopen(path, "re");
	struct stat st;

	if (in && fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)) {
		fclose(in);
		errno = EISDIR;
		return NULL;
	}
	return in;
}

static void say_result(const struct witness_options *o, const struct replay_result *r)
{
	char text[128];

	witness_totals_text(&r->totals, text, sizeof(text));
	fprintf(stderr, "%llu frames; connections: %s; wire view only\n",
		(unsigned long long)r->totals.frames, text);
	if (r->skipped)
		fprintf(stderr, "%llu frames of links that are not known here were passed over\n",
			(unsigned long long)r->skipped);
	if (r->unproven)
		fprintf(stderr,
			"%s does not prove that no frame was missed, so nothing in it is "
			"confirmed; "
			"a file of 'dualwire witness -w' does\n",
			o->file);
}

/* On a terminal somebody waits; the line is written over by what comes next. */
static void say_progress(uint64_t frames)
{
	fprintf(stderr, "%.1f million frames\r", (double)frames / 1e6);
}

static int run_file(const struct witness_options *o, struct files *f)
{
	struct witness_printer p;
	struct replay_config cfg = {
		.n_ports = o->n_ports, .max_flows = max_flows(o), .notes = notes_config(o, f, &p)};
	struct replay_result r;
	FILE *in = open_capture(o->file);
	int rc;

	if (!in)
		return cli_fail("witness", "cannot read '%s': %s; name a pcap or pcapng file",
				o->file, strerrordesc_np(errno));
	memcpy(cfg.ports, o->ports, sizeof(cfg.ports));
	if (!o->quiet && isatty(STDERR_FILENO))
		cfg.progress = say_progress;
	rc = replay_file(in, &cfg, &r);
	if (in != stdin)
		fclose(in);
	trace_close(f->trace);
	f->trace = NULL;
	fflush(stdout);
	if (!o->quiet && (rc == 0 || r.totals.frames))
		say_result(o, &r);
	if (rc == -ENODATA && r.totals.frames)
		fprintf(stderr, "%s: %s; what came before was judged\n", o->file, r.why);
	else if (rc < 0)
		return cli_fail("witness", "cannot read '%s': %s; is it a pcap or pcapng file?",
				o->file, r.why);
	return witness_exit_code(&r.totals);
}

static int open_files(const struct witness_options *o, struct files *f)
{
	char why[PCAP_EXPR_WHY_MAX];
	int rc = o->expr ? pcap_expr_compile(o->expr, &f->expr, why) : 0;

	if (rc == -EINVAL)
		return cli_usage_error("witness", "'%.64s' is no expression for libpcap: %s",
				       o->expr, why);
	if (rc < 0)
		return cli_fail("witness",
				"-f needs libpcap: %s (apt install libpcap0.8); or "
				"leave -f out and name ports with -p",
				why);
	if (o->evidence)
		rc = evidence_file_open("witness", o->evidence, &f->evidence);
	if (rc == 0 && o->trace)
		rc = trace_open("witness", o->trace, max_flows(o) + 1, &f->trace);
	return rc;
}

int cmd_witness(int argc, char **argv)
{
	struct witness_options o = {0};
	struct files f = {0};
	unsigned int ifindex = 0;
	int rc = witness_options_read(argc, argv, &o);

	if (rc)
		return rc == CLI_DONE ? 0 : rc;
	if (!o.file)
		rc = witness_target_find(&o, &ifindex);
	if (rc == 0)
		rc = open_files(&o, &f);
	if (rc == 0)
		rc = o.file ? run_file(&o, &f) : run_live(&o, ifindex, &f);
	evidence_file_abandon(f.evidence);
	trace_close(f.trace);
	pcap_expr_free(f.expr);
	return rc;
}
