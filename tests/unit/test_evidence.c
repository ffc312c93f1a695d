/* SPDX-License-Identifier: MIT */
/* test_evidence.c - evidence documents: written, read again, refused */
#include "../../rawstack/witness/evidence.h"
#include "../../rawstack/witness/judge.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *text_of(const struct evidence *ev)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	cr_assert(f);
	cr_assert(evidence_write(ev, f) == 0);
	fclose(f);
	return text;
}

static int read_text(const char *text, size_t len, struct evidence *ev, char *why, size_t why_len)
{
	/* A stream over nothing cannot be opened everywhere; a space is as little JSON. */
	FILE *f = len ? fmemopen((void *)(uintptr_t)text, len, "r") : fmemopen(" ", 1, "r");
	int rc;

	cr_assert(f);
	why[0] = '\0';
	rc = evidence_read(f, ev, why, why_len);
	fclose(f);
	return rc;
}

/* Good evidence, and one of everything else that has a place in the saved form. */
static void make_rich(struct evidence *ev)
{
	static const enum carriage carriages[] = {CARRIAGE_NONE, CARRIAGE_TUN_6IN4,
						  CARRIAGE_TUN_OTHER, CARRIAGE_MISMATCH};
	const struct evidence_case c = {.name = "a-case",
					.title = "tab \t, quote \" and \xc3\xa9",
					.client = "IPv6 socket",
					.server = "TCP [::]",
					.expected = VERDICT_CONTRADICTED,
					.ports = {7000, 7003}};
	const struct t_conn conn = {
		.kind = T_NATIVE, .server_port = T_PORT_FREE, .client_port = 41000, .cookie = 900};
	struct evidence_frame f;

	t_evidence_good(ev);
	cr_assert(evidence_add_case(ev, &c) == 0);
	ev->clock_step_ns = -17;
	ev->kernel_events_lost = 3;
	ev->overflow = true;
	ev->taps[0].went_down = true;
	ev->taps[0].own_stack = true;
	ev->taps[1].block_gaps = 2;
	ev->taps[1].unlisted = 1;
	ev->ports[ev->n_ports++] = (struct port_range){0, 65535};
	for (size_t i = 0; i < COUNT(carriages); i++) {
		f = t_frame(&conn, 0, true, 0xff, 0xffffffff, 0xfffffffe, 0xffff);
		f.info.carriage = carriages[i];
		f.info.problems = 0x7f;
		f.info.vlan_tags = 2;
		f.info.vlan_id = 4095;
		f.info.flow_label = 0xfffff;
		f.info.tcp_flags = TCP_SYN | TCP_URG;
		t_add_frame(ev, &f);
	}
	f = t_frame(&conn, 0, true, 0, 0, 0, 8);
	f.info.proto = IPPROTO_ICMPV6;
	f.info.has_ports = false;
	f.info.sport = f.info.dport = 0;
	f.info.icmp_type = 1;
	f.info.icmp_code = 4;
	f.info.fragment = f.info.more_fragments = f.info.df = true;
	f.info.frag_id = 0xffffffff;
	f.info.frag_offset = 65528;
	t_add_frame(ev, &f);
	f = (struct evidence_frame){.info = {.ethertype = 0x1234, .problems = FRAME_MALFORMED}};
	t_add_frame(ev, &f);
	t_add_api(ev, &conn, SIDE_CLIENT, -ETIMEDOUT);
	ev->api[ev->n_api - 1].local.scope = 7;
	t_add_kernel(ev, &conn, SIDE_CLIENT);
	ev->kernel[ev->n_kernel - 1].entry.v6only = 1;
	ev->kernel[ev->n_kernel - 1].entry.inode = 99;
}

Test(evidence, what_was_written_is_read_and_written_the_same)
{
	struct evidence ev, again;
	char why[160], *first, *second;

	make_rich(&ev);
	first = text_of(&ev);
	cr_assert(read_text(first, strlen(first), &again, why, sizeof(why)) == 0, "%s", why);
	second = text_of(&again);
	cr_assert_str_eq(first, second);
	cr_assert(again.n_frames == ev.n_frames && again.n_api == ev.n_api &&
		  again.n_kernel == ev.n_kernel && again.n_canaries == ev.n_canaries &&
		  again.n_cases == ev.n_cases && again.n_taps == ev.n_taps &&
		  again.n_ports == ev.n_ports);
	cr_assert(again.overflow && again.clock_step_ns == -17 && again.kernel_events_lost == 3);
	free(first);
	free(second);
	evidence_free(&ev);
	evidence_free(&again);
}

Test(evidence, each_field_that_is_kept_survives)
{
	struct evidence ev, again;
	char why[160], *text;

	make_rich(&ev);
	text = text_of(&ev);
	cr_assert(read_text(text, strlen(text), &again, why, sizeof(why)) == 0, "%s", why);
	for (size_t i = 0; i < ev.n_frames; i++) {
		const struct evidence_frame *a = &ev.frames[i], *b = &again.frames[i];
		const struct frame_info *p = &a->info, *q = &b->info;

		cr_assert(a->ts_ns == b->ts_ns && a->tap == b->tap && a->outgoing == b->outgoing);
		cr_assert(a->canary == b->canary && a->nonce == b->nonce);
		cr_assert(p->carriage == q->carriage && p->ethertype == q->ethertype);
		cr_assert(addr_eq(&p->src, &q->src) && addr_eq(&p->dst, &q->dst));
		cr_assert(p->sport == q->sport && p->dport == q->dport && p->proto == q->proto);
		cr_assert(p->seq == q->seq && p->ack == q->ack && p->tcp_flags == q->tcp_flags);
		cr_assert(p->payload_len == q->payload_len && p->mss == q->mss);
		cr_assert(p->problems == q->problems && p->df == q->df && p->ttl == q->ttl);
		cr_assert(p->vlan_tags == q->vlan_tags && p->vlan_id == q->vlan_id);
		cr_assert(p->fragment == q->fragment && p->frag_id == q->frag_id);
		cr_assert(p->frag_offset == q->frag_offset && p->flow_label == q->flow_label);
		cr_assert(p->more_fragments == q->more_fragments && p->has_ports == q->has_ports);
		cr_assert(p->icmp_type == q->icmp_type && p->icmp_code == q->icmp_code);
	}
	for (size_t i = 0; i < ev.n_api; i++)
		cr_assert(ev.api[i].local.scope == again.api[i].local.scope);
	for (size_t i = 0; i < ev.n_kernel; i++)
		cr_assert(ev.kernel[i].entry.inode == again.kernel[i].entry.inode);
	free(text);
	evidence_free(&ev);
	evidence_free(&again);
}

static void check_same_verdicts(const struct evidence *ev)
{
	struct evidence again;
	struct judge_report a, b;
	char why[160], *text = text_of(ev);

	cr_assert(read_text(text, strlen(text), &again, why, sizeof(why)) == 0, "%s", why);
	cr_assert(judge(ev, &a) == 0 && judge(&again, &b) == 0);
	cr_assert(a.n == b.n && judge_overall(&a) == judge_overall(&b));
	for (size_t i = 0; i < a.n; i++) {
		cr_assert(a.list[i].j.verdict == b.list[i].j.verdict);
		cr_assert(a.list[i].j.reasons == b.list[i].j.reasons);
		cr_assert(a.list[i].c.key.server_port == b.list[i].c.key.server_port);
		cr_assert_str_eq(a.list[i].result, b.list[i].result);
	}
	judge_report_free(&a);
	judge_report_free(&b);
	evidence_free(&again);
	free(text);
}

Test(evidence, a_document_that_was_read_is_judged_as_the_one_that_was_written)
{
	struct evidence ev;

	t_evidence_good(&ev);
	check_same_verdicts(&ev);
	ev.frames[20].info.problems = FRAME_TRUNCATED;
	check_same_verdicts(&ev);
	evidence_free(&ev);
	make_rich(&ev);
	check_same_verdicts(&ev);
	evidence_free(&ev);
}

/* Refusal. */

static void check_empty(const struct evidence *ev, const char *what)
{
	static const struct evidence empty;

	cr_assert(memcmp(ev, &empty, sizeof(empty)) == 0, "%s: something is left", what);
}

/* @text with the first @from replaced by @to. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out;

	cr_assert(at, "'%s' is not in the document", from);
	cr_assert(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	return out;
}

Test(evidence, a_wrong_document_is_refused_and_the_reason_names_the_place)
{
	static const struct {
		const char *from, *to, *why;
	} rows[] = {
		{"{", "[", "not JSON: line "},
		{"\"dualwire-evidence\"", "\"tcpdump\"", "format: not an evidence document"},
		{"\"dualwire-evidence\"", "7", "format: not an evidence document"},
		{"\"version\": 1", "\"version\": 2", "version: made by another version"},
		{"\"version\": 1", "\"version\": \"1\"", "version: not a whole number"},
		{"\"version\": 1", "\"version\": 1, \"version\": 1", "not JSON: line "},
		{"\"clock_step_ns\": -17", "\"clock_step_ns\": 0.5", "clock_step_ns: not a whole"},
		{"\"clock_step_ns\": -17,", "", "clock_step_ns: missing"},
		{"\"overflow\": true", "\"overflow\": 1", "overflow: not true or false"},
		{"\"kernel_events_lost\": 3", "\"kernel_events_lost\": -1",
		 "kernel_events_lost: out of range"},
		{"\"kernel_events_lost\": 3", "\"kernel_events_lost\": 9223372036854775808",
		 "not JSON: line "},
		{"7099", "70990", "ports: not a port range"},
		{"7099", "6999", "ports: not a port range"},
		{"7099", "7099, 1", "ports: not a port range"},
		{"7099", "\"7099\"", "ports: not a port range"},
		{"\"ports\": [", "\"ports\": [7, ", "ports: not a port range"},
		{"\"taps\": [", "\"taps\": [1, ", "taps[0]: not an object"},
		{"\"taps\": [", "\"taps\": 1, \"t\": [", "taps: not a list"},
		{"\"side\": \"client\"", "\"side\": \"cleint\"", "taps[0].side: unknown word"},
		{"\"side\": \"client\"", "\"side\": \"server\"", "taps[1].side: there is a tap"},
		{"\"va\"", "\"a-name-of-sixteen\"", "taps[0].ifname: too long"},
		{"\"va\"", "null", "taps[0].ifname: not a text"},
		{"\"ifindex\": 2", "\"ifindex\": 4294967296", "taps[0].ifindex: out of range"},
		{"\"went_down\": true", "\"went_down\": null", "taps[0].went_down: not true"},
		{"\"expected\": \"contradicted\"", "\"expected\": \"maybe\"",
		 "cases[0].expected: unknown word"},
		{"\"a-case\"", "\"0123456789012345678901234567890123456789012345678\"",
		 "cases[0].name: too long"},
		{"\"nonce\": \"", "\"nonce\": \"-", "canaries[0].nonce: not a hexadecimal"},
		{"\"nonce\": \"", "\"nonce\": \"f", "canaries[0].nonce: not a hexadecimal"},
		{"\"nonce\": \"00000000c0ffee00\"", "\"nonce\": \"\"",
		 "canaries[0].nonce: not a hexadecimal"},
		{"\"phase\": \"start\"", "\"phase\": \"middle\"",
		 "canaries[0].phase: neither start nor end"},
		{"\"tap\": 0", "\"tap\": 2", "canaries[0].tap: there is no such tap"},
		{"\"call\": \"connect\"", "\"call\": \"bind\"", "api[0].call: unknown word"},
		{"\"family\": \"AF_INET6\"", "\"family\": \"AF_UNIX\"", "api[0].family: unknown"},
		{"\"proto\": \"tcp\"", "\"proto\": \"sctp\"", "api[0].proto: unknown word"},
		{"\"errno\": 0", "\"errno\": 4096", "api[0].errno: out of range"},
		{"\"local\": \"::ffff:198.51.100.1\"", "\"local\": \"198.51.100\"",
		 "api[0].local: not an address"},
		{"\"local_port\": 40000", "\"local_port\": 65536", "api[0].local_port: out of"},
		{"\"cookie\": 100", "\"cookie\": true", "api[0].cookie: not a whole number"},
		{"\"destroyed\": true", "\"destroyed\": \"true\"", "kernel[0].destroyed: not true"},
		{"\"state\": 7", "\"state\": 256", "kernel[0].state: out of range"},
		{"\"segs_out\": 6,", "", "kernel[0].segs_out: missing"},
		{"\"v6only\": 1", "\"v6only\": 2", "v6only: out of range"},
		{"\"dir\": \"out\"", "\"dir\": \"up\"", "frames[0].dir: neither in nor out"},
		{"\"0x88b5\"", "\"0x188b5\"", "frames[0].ethertype: not a hexadecimal"},
		{"\"0x88b5\"", "\"ip\"", "frames[0].ethertype: not a hexadecimal"},
		{"\"canary\": \"", "\"canary\": \" ", "frames[0].canary: not a hexadecimal"},
		{"\"carriage\": \"IPv4\"", "\"carriage\": \"IPv5\"", "frames[4].carriage: unknown"},
		{"\"carriage\": \"IPv4\"", "\"carriage\": \"IPv6\"",
		 "frames[4].carriage: not what"},
		{"\"0x0800\"", "\"0x86dd\"", "frames[4].carriage: not what EtherType"},
		{"\"version\": 4", "\"version\": 6", "frames[4].carriage: not what EtherType"},
		{"\"version\": 4", "\"version\": 16", "frames[4].version: out of range"},
		{"\"src\": \"198.51.100.1\"", "\"src\": \"198.51.100.256\"",
		 "kernel[2].src: not an address"},
		{"\"SYN\"", "\"NYS\"", "frames[4].flags: unknown word"},
		{"\"SYN\"", "1", "frames[4].flags: unknown word"},
		{"\"seq\": 1000", "\"seq\": 4294967296", "frames[4].seq: out of range"},
		{"\"seq\": 1000", "\"seq\": -1", "frames[4].seq: out of range"},
		{"\"truncated\"", "\"cut\"", "problems: unknown word"},
		{"\"vlan\": 4095", "\"vlan\": 4096", "vlan: out of range"},
		{"\"frag_more\": true", "\"frag_more\": 1", "frag_more: not true or false"},
	};
	struct evidence ev;
	char *text;

	make_rich(&ev);
	text = text_of(&ev);
	evidence_free(&ev);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *bad = replaced(text, rows[i].from, rows[i].to), why[160];
		int rc;

		memset(&ev, 0xa5, sizeof(ev));
		rc = read_text(bad, strlen(bad), &ev, why, sizeof(why));
		cr_assert(rc == -EINVAL, "%s -> %s: %d", rows[i].from, rows[i].to, rc);
		cr_assert(strstr(why, rows[i].why), "%s -> %s: %s", rows[i].from, rows[i].to, why);
		cr_assert(!strchr(why, '\n'), "one line");
		check_empty(&ev, rows[i].to);
		free(bad);
	}
	free(text);
}

Test(evidence, a_truncated_document_is_refused_wherever_it_ends)
{
	struct evidence ev;
	char *text, why[160];

	make_rich(&ev);
	text = text_of(&ev);
	evidence_free(&ev);
	for (size_t len = 0; len < strlen(text) - 2; len += 200) {
		int rc = read_text(text, len, &ev, why, sizeof(why));

		cr_assert(rc == -EINVAL && strncmp(why, "not JSON: line ", 15) == 0, "%zu: %s", len,
			  why);
		check_empty(&ev, "truncated");
	}
	free(text);
}

Test(evidence, a_reason_is_cut_to_the_room_there_is)
{
	struct evidence ev;
	char why[8];

	cr_assert(read_text("[]", 2, &ev, why, sizeof(why)) == -EINVAL);
	cr_assert_str_eq(why, "format:");
}

/* The document with @n times @item before what the list @name holds. */
static char *with_many(const char *name, const char *item, size_t n)
{
	struct evidence ev;
	char *text, *many = NULL, *out, *from;
	size_t len;
	FILE *f = open_memstream(&many, &len);

	cr_assert(f);
	t_evidence_good(&ev);
	text = text_of(&ev);
	evidence_free(&ev);
	cr_assert(asprintf(&from, "\"%s\": [", name) > 0);
	fputs(from, f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s", item, i + 1 < n || strcmp(name, "cases") ? "," : "");
	fclose(f);
	out = replaced(text, from, many);
	free(text);
	free(many);
	free(from);
	return out;
}

Test(evidence, lists_are_bounded)
{
	static const struct {
		const char *name, *item;
		size_t n; /* that still fit */
		int rc;
		const char *why;
	} rows[] = {
		{"ports", "[1,2]", FILTER_RANGES_MAX - 1, -EINVAL, "ports: too many ranges"},
		{"canaries", "{\"nonce\":\"1\",\"tap\":0,\"phase\":\"end\"}",
		 EVIDENCE_CANARIES_MAX - 4, -EFBIG, "canaries[64]: too many"},
		{"cases",
		 "{\"expected\":\"confirmed\",\"name\":\"\",\"title\":\"\",\"client\":\"\","
		 "\"server\":\"\",\"ports\":[1,1]}",
		 EVIDENCE_CASES_MAX, -EFBIG, "cases[1024]: too many"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t over = 0; over < 2; over++) {
			char *text = with_many(rows[i].name, rows[i].item, rows[i].n + over),
			     why[160];
			struct evidence ev;
			int rc = read_text(text, strlen(text), &ev, why, sizeof(why));

			cr_assert(rc == (over ? rows[i].rc : 0), "%s: %d %s", rows[i].name, rc,
				  why);
			if (over)
				check_empty(&ev, rows[i].name);
			cr_assert(!over || strcmp(why, rows[i].why) == 0, "%s", why);
			evidence_free(&ev);
			free(text);
		}
	}
}

Test(evidence, an_add_beyond_the_limit_fails_and_is_remembered)
{
	const struct evidence_canary canary = {.nonce = 1};
	const struct evidence_case c = {.name = "x"};
	const struct evidence_kernel k = {.tap = 0};
	struct evidence ev;

	evidence_init(&ev);
	for (size_t i = 0; i < EVIDENCE_CANARIES_MAX; i++)
		cr_assert(evidence_add_canary(&ev, &canary) == 0);
	cr_assert(!ev.overflow);
	cr_assert(evidence_add_canary(&ev, &canary) == -ENOSPC);
	cr_assert(ev.overflow && ev.n_canaries == EVIDENCE_CANARIES_MAX);

	ev.overflow = false;
	for (size_t i = 0; i < EVIDENCE_CASES_MAX; i++)
		cr_assert(evidence_add_case(&ev, &c) == 0);
	cr_assert(evidence_add_case(&ev, &c) == -ENOSPC && ev.overflow);

	ev.overflow = false;
	for (size_t i = 0; i < EVIDENCE_RECORDS_MAX; i++)
		if (evidence_add_kernel(&ev, &k) < 0)
			cr_assert_fail("add %zu", i);
	cr_assert(!ev.overflow);
	cr_assert(evidence_add_kernel(&ev, &k) == -ENOSPC && ev.overflow);
	evidence_free(&ev);
}

Test(evidence, ports_are_watched_by_range_and_all_of_them_without_one)
{
	struct evidence ev;

	evidence_init(&ev);
	cr_assert(evidence_watches(&ev, 1) && evidence_watches(&ev, 65535));
	ev.ports[0] = (struct port_range){10, 20};
	ev.ports[1] = (struct port_range){30, 30};
	ev.n_ports = 2;
	cr_assert(evidence_watches(&ev, 10) && evidence_watches(&ev, 20));
	cr_assert(evidence_watches(&ev, 30));
	cr_assert(!evidence_watches(&ev, 9) && !evidence_watches(&ev, 21));
	cr_assert(!evidence_watches(&ev, 31));
}
