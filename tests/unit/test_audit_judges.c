/* SPDX-License-Identifier: MIT */
/* test_audit_judges.c - the pure halves of the audit: rules, traces, speech, services, judges */
#include "../../tools/audit/checks.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

static struct addr addr(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a, NULL) == 0, "%s", text);
	return a;
}

static struct audit_rule rule(const char *text, bool forbid)
{
	struct audit_rule r;
	int ret = rule_parse(text, forbid, &r);

	cr_assert(ret == 0, "%s: %d", text, ret);
	return r;
}

Test(audit_rules, every_form_of_an_address_is_the_same_rule)
{
	static const char *const forms[] = {"198.51.100.9", "198.51.100.9/32",
					    "::ffff:198.51.100.9", "::ffff:c633:6409/128",
					    "0:0:0:0:0:ffff:198.51.100.9"};
	struct addr client = addr("198.51.100.9"), next = addr("198.51.100.8");
	char text[RULE_TEXT];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct audit_rule r = rule(forms[i], true);

		cr_assert(rule_covers(&r, &client) && !rule_covers(&r, &next), "%s", forms[i]);
		cr_assert_str_eq(rule_text(&r, text), "198.51.100.9");
	}
}

Test(audit_rules, what_is_no_rule_is_refused)
{
	struct audit_rule r = {.len = 77};

	cr_assert(rule_parse("", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100.0/33", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100.0/", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100.0/-1", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100.0/24x", true, &r) == -EINVAL);
	cr_assert(rule_parse("::ffff:0:0/95", true, &r) == -EINVAL);
	cr_assert(rule_parse("198.51.100.1/24", true, &r) == -EDOM);
	cr_assert(rule_parse("2001:db8::1/64", true, &r) == -EDOM);
	cr_assert(rule_parse("127.0.0.1", true, &r) == -EADDRNOTAVAIL);
	cr_assert(rule_parse("198.51.100.2", true, &r) == -EADDRNOTAVAIL);
	cr_assert(rule_parse("::1", true, &r) == -EADDRNOTAVAIL);
	cr_assert(rule_parse("ff02::1", true, &r) == -EADDRNOTAVAIL);
	cr_assert(r.len == 77, "it was touched");
}

Test(audit_rules, all_of_ipv6_is_not_all_of_ipv4)
{
	struct audit_rule v6 = rule("::/0", true), v4 = rule("0.0.0.0/0", true);
	struct addr a4 = addr("198.51.100.9"), a6 = addr("2001:db8::9");

	cr_assert(rule_covers(&v6, &a6) && !rule_covers(&v6, &a4));
	cr_assert(rule_covers(&v4, &a4) && !rule_covers(&v4, &a6));
}

Test(audit_rules, the_longest_prefix_has_the_last_word)
{
	struct audit_rule list[] = {rule("198.51.100.0/24", true), rule("198.51.100.9", false)};
	struct addr inside = addr("198.51.100.9"), beside = addr("198.51.100.8");
	struct addr outside = addr("198.51.101.1");

	cr_assert(!rules_find(list, 2, &inside)->forbid);
	cr_assert(rules_find(list, 2, &beside)->forbid);
	cr_assert(rules_find(list, 2, &outside) == NULL);
}

/* A prefix, and the clients that show its edges, in the order inside, outside. */
struct edges {
	const char *rule, *clients[RULE_CLIENTS];
};

Test(audit_rules, clients_stand_at_the_edges)
{
	static const struct edges list[] = {
		{"198.51.100.16/28",
		 {"198.51.100.16", "198.51.100.31", "198.51.100.15", "198.51.100.32"}},
		{"198.51.100.9", {"198.51.100.9", "198.51.100.8", "198.51.100.10"}},
		{"198.51.100.0/24",
		 {"198.51.100.1", "198.51.100.254", "198.51.99.255", "198.51.101.0"}},
		{"2001:db8:1:8000::/49",
		 {"2001:db8:1:8000::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff",
		  "2001:db8:1:7fff:ffff:ffff:ffff:ffff", "2001:db8:2::"}},
		{"0.0.0.0/0", {NULL}},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct audit_rule r = rule(list[i].rule, true);
		struct addr out[RULE_CLIENTS];
		size_t n = rule_clients(&r, out), wanted = 0;

		while (wanted < RULE_CLIENTS && list[i].clients[wanted])
			wanted++;
		cr_assert(n == wanted, "%s: %zu", list[i].rule, n);
		for (size_t k = 0; k < n; k++) {
			char text[ADDR_STRLEN];

			cr_assert_str_eq(addr_print(&out[k], ADDR_FORM_INET, text),
					 list[i].clients[k]);
		}
	}
}

/* A line of somebody's log, and the forms of 198.51.100.9 in it. */
struct line {
	const char *text;
	struct trace_forms forms;
};

Test(audit_traces, each_form_of_an_address_is_found)
{
	static const struct line list[] = {
		{"", {0}},
		{"198.51.100.9", {.plain = 1}},
		{"198.51.100.9 - - [25/Nov/2026:02:00:00] \"GET / HTTP/1.1\"", {.plain = 1}},
		{"client 198.51.100.9:40000 (198.51.100.9)", {.plain = 2}},
		{"client:198.51.100.9, port 1", {.plain = 1}},
		{"from 198.51.100.9.", {.plain = 1}},
		{"::ffff:198.51.100.9 - -", {.mapped_dotted = 1}},
		{"[::FFFF:198.51.100.9]:40000", {.mapped_dotted = 1}},
		{"::ffff:198.51.100.9:40000", {.mapped_dotted = 1}},
		{"0:0:0:0:0:ffff:198.51.100.9", {.mapped_dotted = 1}},
		{"::ffff:c633:6409", {.mapped_hex = 1}},
		{"0000:0000:0000:0000:0000:ffff:c633:6409", {.mapped_hex = 1}},
		{"{\"peer\":\"::ffff:198.51.100.9\",\"a\":\"198.51.100.9\"}",
		 {.plain = 1, .mapped_dotted = 1}},
		{"198.51.100.90 198.51.100.99 1198.51.100.9 198.51.100.9x", {0}},
		{"version 1.198.51.100.9 ::ffff:198.51.100.91 2001:db8::9", {0}},
	};
	struct addr a = addr("198.51.100.9");

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct trace_forms f = traces_count(list[i].text, strlen(list[i].text), &a);

		cr_assert(memcmp(&f, &list[i].forms, sizeof(f)) == 0,
			  "'%s': %u plain, %u dotted, %u hex, %u scoped", list[i].text, f.plain,
			  f.mapped_dotted, f.mapped_hex, f.scoped);
	}
}

Test(audit_traces, a_zone_is_seen)
{
	static const char text[] = "fe80::a:1%vb [fe80::a:1%102]:40000 fe80::a:1, fe80::a:12";
	struct addr a = addr("fe80::a:1");
	struct trace_forms f = traces_count(text, sizeof(text) - 1, &a);

	cr_assert(f.scoped == 2 && f.plain == 1 && !traces_mapped(&f), "%u %u", f.scoped, f.plain);
}

Test(audit_traces, text_that_ends_anywhere_is_read_to_its_end_only)
{
	static const char text[] = "198.51.100.9";
	struct addr a = addr("198.51.100.9"), shorter = addr("198.51.100.1");
	char copy[sizeof(text)];

	for (size_t len = 0; len < sizeof(text); len++) {
		char *exact = malloc(len + 1);
		struct trace_forms f;

		memcpy(exact, text, len);
		f = traces_count(exact, len, &a);
		cr_assert(f.plain == (len == sizeof(text) - 1), "%zu", len);
		free(exact);
	}
	memcpy(copy, "198.51.100.1", sizeof(copy));
	cr_assert(traces_count(copy, sizeof(copy) - 1, &shorter).plain == 1);
}

Test(audit_speech, escapes_and_hex_are_read)
{
	struct speech s = {.len = 77};

	cr_assert(speech_parse("a\\r\\n\\x00\\0\\\\", &s) == 0 && s.len == 6);
	cr_assert(memcmp(s.bytes, "a\r\n\0\0\\", 6) == 0);
	cr_assert(speech_parse("hex:00Ff10", &s) == 0 && s.len == 3);
	cr_assert(memcmp(s.bytes, "\x00\xff\x10", 3) == 0);
	cr_assert(speech_parse("\\", &s) == -EINVAL && speech_parse("\\q", &s) == -EINVAL);
	cr_assert(speech_parse("\\x1", &s) == -EINVAL && speech_parse("hex:1", &s) == -EINVAL);
	cr_assert(speech_parse("hex:0g", &s) == -EINVAL && s.len == 3, "it was touched");
}

Test(audit_speech, too_long_is_said)
{
	char text[2 * SPEECH_MAX];
	struct speech s;

	memset(text, 'a', sizeof(text));
	text[SPEECH_MAX] = '\0';
	cr_assert(speech_parse(text, &s) == 0 && s.len == SPEECH_MAX);
	text[SPEECH_MAX] = 'a';
	text[SPEECH_MAX + 1] = '\0';
	cr_assert(speech_parse(text, &s) == -E2BIG);
	text[0] = '/';
	cr_assert(speech_http(text, &s) == -E2BIG);
}

Test(audit_speech, no_is_heard_in_known_protocols)
{
	static const char refused[12] = "\x64\x77\x81\x05", answered[12] = "\x64\x77\x81\x80";

	cr_assert(speech_granted("HTTP/1.1 200 OK", 15) && speech_granted("HTTP/1.1 301 X", 14));
	cr_assert(!speech_granted("HTTP/1.1 403 Forbidden", 22));
	cr_assert(!speech_granted("HTTP/1.0 502 Bad", 16));
	cr_assert(!speech_granted(refused, 12) && speech_granted(answered, 12));
	cr_assert(!speech_granted("-DENIED Redis", 13) && speech_granted("+PONG\r\n", 7));
	cr_assert(speech_granted("hello", 5));
}

static struct sockdiag_entry listener(int proto, int family, const char *at, int v6only)
{
	return (struct sockdiag_entry){
		.family = family,
		.proto = (uint8_t)proto,
		.state = proto == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE,
		.src = {.addr = addr(at), .port = 80},
		.v6only = v6only,
	};
}

/* Who of two listeners on one port gets a family, as "first", "second" or "nobody". */
static const char *winner(struct sockdiag_entry first, struct sockdiag_entry second, const char *to)
{
	static struct listeners l;
	struct addr a = addr(to);
	const struct sockdiag_entry *e;
	struct service s;

	l.list[0] = first;
	l.list[1] = second;
	l.n = 2;
	cr_assert(services_of(&l, &s, 1) == 1 && s.n == 2);
	e = service_listener(&l, &s, &a, 1);
	return !e ? "nobody" : e == &l.list[0] ? "first" : "second";
}

Test(audit_services, a_client_meets_the_listener_that_the_kernel_would_choose)
{
	struct sockdiag_entry any4 = listener(IPPROTO_TCP, AF_INET, "0.0.0.0", -1);
	struct sockdiag_entry only = listener(IPPROTO_TCP, AF_INET6, "::", 1);
	struct sockdiag_entry dual = listener(IPPROTO_TCP, AF_INET6, "::", 0);
	struct sockdiag_entry mapped = listener(IPPROTO_TCP, AF_INET6, "::ffff:198.51.100.2", 0);

	cr_assert_str_eq(winner(any4, only, "198.51.100.2"), "first");
	cr_assert_str_eq(winner(any4, only, "2001:db8:1::2"), "second");
	cr_assert_str_eq(winner(any4, dual, "198.51.100.2"), "first");
	cr_assert_str_eq(winner(mapped, dual, "198.51.100.2"), "first");
	cr_assert_str_eq(winner(mapped, dual, "198.51.100.3"), "second");
	cr_assert_str_eq(winner(mapped, only, "198.51.100.3"), "nobody");
}

Test(audit_services, loopback_serves_nobody_else)
{
	static struct listeners l;
	struct service s;

	l.list[0] = listener(IPPROTO_TCP, AF_INET, "127.0.0.1", -1);
	l.list[1] = listener(IPPROTO_TCP, AF_INET6, "::1", 1);
	l.n = 2;
	cr_assert(services_of(&l, &s, 1) == 1 && s.n == 2 && !s.v4 && !s.v6);
}

Test(audit_listeners, what_bindv6only_takes_away_is_found)
{
	static struct listeners first, second;
	struct audit_result r = {0}, clean = {0};

	first.list[0] = second.list[0] = listener(IPPROTO_TCP, AF_INET6, "::", 0);
	first.n = second.n = 1;
	listeners_judge(&first, &second, false, &clean);
	cr_assert(clean.n == 0);
	second.list[0].v6only = 1;
	listeners_judge(&first, &second, false, &r);
	cr_assert(r.n == 1 && r.status == AUDIT_FOUND && r.list[0].severity == SEVERITY_RISK);
	listeners_judge(&first, &second, true, &r);
	cr_assert(r.n == 2, "not listening at all was not found");
}

static struct probe probe(const char *from, const char *to, int family, enum probe_result result)
{
	return (struct probe){
		.proto = IPPROTO_TCP,
		.family = family,
		.from = {.addr = addr(from)},
		.to = {.addr = addr(to), .port = 80},
		.result = result,
		.connected =
			result == PROBE_ANSWERED || result == PROBE_OPEN || result == PROBE_CLOSED,
		.say_len = 1,
		.fd = -1,
	};
}

/* One result for each kind of client. */
static void reach(struct audit_result *r, enum probe_result v4, enum probe_result mapped,
		  enum probe_result v6)
{
	struct probe list[] = {
		probe("198.51.100.1", "198.51.100.2", AF_INET, v4),
		probe("198.51.100.1", "198.51.100.2", AF_INET6, mapped),
		probe("2001:db8:1::1", "2001:db8:1::2", AF_INET6, v6),
	};

	*r = (struct audit_result){0};
	reach_judge("TCP 80", list, 3, r);
}

Test(audit_reach, only_differences_between_clients_are_found)
{
	struct audit_result r;

	reach(&r, PROBE_ANSWERED, PROBE_ANSWERED, PROBE_ANSWERED);
	cr_assert(r.n == 0);
	reach(&r, PROBE_OPEN, PROBE_OPEN, PROBE_OPEN);
	cr_assert(r.n == 0);
	reach(&r, PROBE_REFUSED, PROBE_REFUSED, PROBE_ANSWERED);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_RISK);
	reach(&r, PROBE_CLOSED, PROBE_CLOSED, PROBE_ANSWERED);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_BUG);
	reach(&r, PROBE_CLOSED, PROBE_CLOSED, PROBE_OPEN);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_BUG);
	reach(&r, PROBE_ANSWERED, PROBE_REFUSED, PROBE_ANSWERED);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_RISK);
	reach(&r, PROBE_REFUSED, PROBE_REFUSED, PROBE_REFUSED);
	cr_assert(r.n == 1 && r.status != AUDIT_FOUND, "loopback alone is no fault");
}

Test(audit_acl, a_rule_is_held_against_what_was_served)
{
	struct sockdiag_entry dual = listener(IPPROTO_TCP, AF_INET6, "::", 0);
	struct audit_rule forbid = rule("198.51.100.9", true), allow = rule("198.51.100.7", false);
	struct probe list[] = {
		probe("198.51.100.9", "198.51.100.2", AF_INET, PROBE_ANSWERED),
		probe("198.51.100.9", "198.51.100.2", AF_INET6, PROBE_ANSWERED),
		probe("198.51.100.7", "198.51.100.2", AF_INET, PROBE_CLOSED),
		probe("198.51.100.8", "198.51.100.2", AF_INET, PROBE_CLOSED),
		probe("198.51.100.1", "198.51.100.2", AF_INET, PROBE_ANSWERED),
	};
	const struct acl_seen seen[] = {
		{&list[0], &forbid, &dual}, {&list[1], &forbid, &dual}, {&list[2], &allow, &dual},
		{&list[3], NULL, &dual},    {&list[4], NULL, &dual},
	};
	const bool baseline[2] = {true, true};
	struct audit_result r = {0};

	acl_judge("TCP 80", seen, 5, baseline, &r);
	cr_assert(r.n == 3, "%zu", r.n);
	cr_assert(strstr(r.list[0].evidence, "shown to the server as ::ffff:198.51.100.9"));
	cr_assert(strstr(r.list[0].remedy, "::ffff:a.b.c.d into a.b.c.d"));
	cr_assert(strstr(r.list[1].evidence, "198.51.100.7") && r.list[1].severity == SEVERITY_BUG);
	cr_assert(strstr(r.list[2].evidence, "198.51.100.8") &&
		  r.list[2].severity == SEVERITY_RISK);
}

Test(audit_acl, an_answer_that_says_no_is_no_service)
{
	struct audit_rule forbid = rule("198.51.100.9", true);
	struct probe p = probe("198.51.100.9", "198.51.100.2", AF_INET, PROBE_ANSWERED);
	struct acl_seen seen = {&p, &forbid, NULL};
	const bool baseline[2] = {true, true};
	struct audit_result r = {0};

	snprintf(p.answer, sizeof(p.answer), "HTTP/1.1 403 Forbidden\r\n");
	p.answer_len = strlen(p.answer);
	acl_judge("TCP 80", &seen, 1, baseline, &r);
	cr_assert(r.n == 0);
	snprintf(p.answer, sizeof(p.answer), "HTTP/1.1 200 OK\r\n");
	acl_judge("TCP 80", &seen, 1, baseline, &r);
	cr_assert(r.n == 1);
}

Test(audit_identity, one_form_is_clean_and_two_are_a_bug)
{
	struct identity_seen seen = {.client = addr("198.51.100.11"), .forms = {.plain = 3}};
	struct audit_result r = {0};

	identity_judge(&seen, 1, &r);
	cr_assert(r.n == 0);
	seen.forms = (struct trace_forms){.mapped_dotted = 1};
	identity_judge(&seen, 1, &r);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_RISK);
	seen.forms = (struct trace_forms){.mapped_dotted = 1, .plain = 1};
	identity_judge(&seen, 1, &r);
	cr_assert(r.n == 2 && r.list[1].severity == SEVERITY_BUG);
	seen.forms = (struct trace_forms){.mapped_dotted = 1, .mapped_hex = 1};
	identity_judge(&seen, 1, &r);
	cr_assert(r.n == 3 && r.list[2].severity == SEVERITY_BUG);
}

Test(audit_udp_source, another_address_or_port_is_found)
{
	struct probe p = probe("198.51.100.1", "198.51.100.3", AF_INET, PROBE_ANSWERED);
	struct audit_result r = {0};

	p.answered_from = p.to;
	udp_source_judge("UDP 80", &p, 1, &r);
	cr_assert(r.n == 0);
	p.answered_from.addr = addr("198.51.100.2");
	udp_source_judge("UDP 80", &p, 1, &r);
	p.answered_from = p.to;
	p.answered_from.port = 81;
	udp_source_judge("UDP 80", &p, 1, &r);
	cr_assert(r.n == 2 && r.list[0].severity == SEVERITY_BUG);
}

Test(audit_forged, an_answer_is_a_bug_wherever_it_goes)
{
	struct addr source = addr("198.51.100.11");
	struct audit_result r = {0};

	forged_judge("UDP 80", &source, FORGED_NONE, &r);
	cr_assert(r.n == 0);
	forged_judge("UDP 80", &source, FORGED_TO_CLIENT, &r);
	forged_judge("UDP 80", &source, FORGED_TO_SELF, &r);
	cr_assert(r.n == 2 && r.list[1].severity == SEVERITY_BUG);
}

Test(audit_scope, link_local_clients_are_held_against_the_others)
{
	struct scope_seen s = {.native_served = true, .local_served = true};
	struct audit_result r = {0};

	scope_judge("TCP 80", &s, &r);
	s.forms = (struct trace_forms){.plain = 1, .scoped = 1};
	scope_judge("TCP 80", &s, &r);
	cr_assert(r.n == 0);
	s.forms.scoped = 0;
	scope_judge("TCP 80", &s, &r);
	cr_assert(r.n == 1 && r.list[0].severity == SEVERITY_RISK);
	s = (struct scope_seen){.native_served = true};
	scope_judge("TCP 80", &s, &r);
	cr_assert(r.n == 2 && r.list[1].severity == SEVERITY_BUG);
}

Test(audit_restart, a_lost_family_and_a_failed_start_are_found)
{
	static struct listeners before, after;
	struct restart_seen s = {.started = true, .port_blocked = true, .alive = 1, .time_wait = 1};
	struct audit_result r = {0};

	before.list[0] = after.list[0] = listener(IPPROTO_TCP, AF_INET, "0.0.0.0", -1);
	before.list[1] = after.list[1] = listener(IPPROTO_TCP, AF_INET6, "::", 1);
	before.n = after.n = 2;
	restart_judge(&s, &before, &after, &r);
	cr_assert(r.n == 0);
	after.n = 1;
	restart_judge(&s, &before, &after, &r);
	cr_assert(r.n == 1 && strstr(r.list[0].evidence, "serves IPv6 no more"), "%s",
		  r.list[0].evidence);
	s.started = false;
	restart_judge(&s, &before, &after, &r);
	cr_assert(r.n == 2 && strstr(r.list[1].evidence, "does not start again"));
	s.port_blocked = false;
	restart_judge(&s, &before, &after, &r);
	cr_assert(r.n == 2, "the port was free: it has other reasons");
}

Test(audit_results, the_exit_code_is_that_of_the_worst)
{
	struct audit_result r[3] = {{.status = AUDIT_CLEAN}, {.status = AUDIT_NOT_ASKED}};

	result_find(&r[0], SEVERITY_NOTE, "TCP 80", "", "worth knowing");
	cr_assert(results_exit_code(r, 3) == 0, "a note is no finding");
	result_set(&r[2], AUDIT_FAILED, "no");
	cr_assert(results_exit_code(r, 3) == 2);
	for (int i = 0; i < 2 * FINDINGS_MAX; i++)
		result_find(&r[1], SEVERITY_RISK, "TCP 80", "", "number %d", i);
	cr_assert(results_exit_code(r, 3) == 1);
	cr_assert(r[1].n == FINDINGS_MAX && r[1].unlisted == FINDINGS_MAX);
	result_set(&r[1], AUDIT_CLEAN, "all is well");
	cr_assert(r[1].status == AUDIT_FOUND, "a finding was forgotten");
}
