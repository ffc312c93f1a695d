/* SPDX-License-Identifier: MIT */
/* test_judge.c - what is said of good evidence, and of each damage to it */
#include "../../rawstack/witness/judge.h"
#include "t_damage.h"
#include "t_evidence.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct judge_report judged(const struct evidence *ev)
{
	struct judge_report r;

	cr_assert(judge(ev, &r) == 0);
	return r;
}

static const struct judged *connection(const struct judge_report *r, uint16_t port)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].c.key.server_port == port)
			return &r->list[i];
	cr_assert_fail("no connection to port %u", port);
	return NULL;
}

static enum verdict overall(const struct evidence *ev)
{
	struct judge_report r = judged(ev);
	enum verdict v = judge_overall(&r);

	judge_report_free(&r);
	return v;
}

static const char *names(uint64_t reasons)
{
	static char buf[1024];
	size_t len = 0;

	buf[0] = '\0';
	for (int i = 0; i < REASON_NUM; i++)
		if (reasons & reason_bit((enum reason)i))
			len += (size_t)snprintf(buf + len, sizeof(buf) - len, " %s",
						reason_name((enum reason)i));
	return buf;
}

/* Good evidence. */

Test(judge, good_evidence_is_confirmed_and_says_what_was_claimed)
{
	static const struct {
		uint16_t port;
		enum carriage claimed;
		const char *result;
	} rows[T_CONNECTIONS] = {
		{T_PORT_MAPPED, CARRIAGE_V4, "connected"},
		{T_PORT_PLAIN, CARRIAGE_V4, "connected"},
		{T_PORT_NATIVE, CARRIAGE_V6, "connected"},
		{T_PORT_REFUSED, CARRIAGE_V4, "refused"},
		{T_PORT_UDP_MAPPED, CARRIAGE_V4, "delivered"},
		{T_PORT_UDP_NATIVE, CARRIAGE_V6, "delivered"},
	};
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	r = judged(&ev);
	cr_assert(r.n == T_CONNECTIONS && r.run.reasons == 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct judged *j = connection(&r, rows[i].port);

		cr_assert(j->j.verdict == VERDICT_CONFIRMED, "port %u:%s", rows[i].port,
			  names(j->j.reasons));
		cr_assert(j->j.reasons == 0 && j->j.claimed == rows[i].claimed, "port %u",
			  rows[i].port);
		cr_assert_str_eq(j->result, rows[i].result);
	}
	cr_assert(judge_overall(&r) == VERDICT_CONFIRMED);
	judge_report_free(&r);
	evidence_free(&ev);
}

/*
 * A stack in user space: the kernel of that host is not missed, and all else is asked as before.
 */
Test(judge, a_host_with_a_stack_of_its_own_needs_no_kernel_there)
{
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	t_own_stack(&ev);
	r = judged(&ev);
	cr_assert(r.n == T_CONNECTIONS);
	for (size_t i = 0; i < r.n; i++)
		cr_expect(r.list[i].j.verdict == VERDICT_CONFIRMED &&
				  r.list[i].c.side[SIDE_SERVER].own_stack &&
				  !r.list[i].c.side[SIDE_CLIENT].own_stack,
			  "%zu:%s", i, names(r.list[i].j.reasons));
	judge_report_free(&r);
	/* Whatever a program there calls its sockets: they are not the kernel's. */
	t_find_api(&ev, T_PORT_MAPPED, SIDE_SERVER)->cookie = 77;
	cr_expect(overall(&ev) == VERDICT_CONFIRMED);
	/* The same without the stack is a kernel that says nothing. */
	ev.taps[T_TAP_SERVER].own_stack = false;
	r = judged(&ev);
	cr_expect(connection(&r, T_PORT_MAPPED)->j.reasons == reason_bit(REASON_KERNEL_MISSING));
	judge_report_free(&r);
	evidence_free(&ev);
}

Test(judge, a_host_with_a_stack_of_its_own_has_no_kernel_socket)
{
	const struct t_conn mapped = {.kind = T_MAPPED,
				      .server_port = T_PORT_MAPPED,
				      .client_port = T_CLIENT_PORT,
				      .cookie = 900};
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	t_own_stack(&ev);
	t_add_kernel(&ev, &mapped, SIDE_SERVER);
	r = judged(&ev);
	cr_expect(connection(&r, T_PORT_MAPPED)->j.reasons & reason_bit(REASON_COOKIE_MISMATCH),
		  "%s", names(connection(&r, T_PORT_MAPPED)->j.reasons));
	judge_report_free(&r);
	evidence_free(&ev);
}

/* The client's kernel is then the only one, and is missed. */
Test(judge, a_host_with_a_stack_of_its_own_still_needs_the_others)
{
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	t_own_stack(&ev);
	for (size_t i = ev.n_kernel; i-- > 0;)
		t_delete_kernel(&ev, i);
	r = judged(&ev);
	for (size_t i = 0; i < r.n; i++)
		cr_expect(r.list[i].j.reasons == reason_bit(REASON_KERNEL_MISSING), "%zu:%s", i,
			  names(r.list[i].j.reasons));
	judge_report_free(&r);
	evidence_free(&ev);
}

Test(judge, nothing_seen_is_inconclusive)
{
	struct evidence ev;

	evidence_init(&ev);
	cr_assert(overall(&ev) == VERDICT_INCONCLUSIVE, "no taps");
	t_evidence_begin(&ev);
	t_evidence_end(&ev);
	cr_assert(overall(&ev) == VERDICT_INCONCLUSIVE, "a sound run without a connection");
	evidence_free(&ev);
}

Test(judge, one_tap_is_enough_when_it_saw_everything)
{
	struct evidence ev;

	t_evidence_good(&ev);
	for (size_t i = ev.n_frames; i-- > 0;)
		if (ev.frames[i].tap == T_TAP_CLIENT)
			t_delete_frame(&ev, i);
		else
			ev.frames[i].tap = 0;
	for (size_t i = ev.n_kernel; i-- > 0;)
		ev.kernel[i].tap = 0;
	for (size_t i = ev.n_canaries; i-- > 0;)
		ev.canaries[i].tap = 0;
	ev.taps[0] = ev.taps[T_TAP_SERVER];
	ev.n_taps = 1;
	t_evidence_recount(&ev);
	cr_assert(overall(&ev) == VERDICT_CONFIRMED);
	evidence_free(&ev);
}

static void check_row(const struct t_damage *row, const struct judged *j)
{
	cr_assert(j->j.verdict == row->verdict, "%s: %s because%s", row->name,
		  verdict_name(j->j.verdict), names(j->j.reasons));
	if (row->reason != REASON_NUM)
		cr_assert(j->j.reasons & reason_bit(row->reason), "%s: not %s but%s", row->name,
			  reason_name(row->reason), names(j->j.reasons));
	else
		cr_assert(j->j.reasons == 0, "%s:%s", row->name, names(j->j.reasons));
}

/* Of several connections to the port, all must be confirmed, or the first one not. */
Test(judge, each_damage_has_the_verdict_and_the_reason_it_should_have)
{
	for (size_t i = 0; i < T_N_DAMAGES; i++) {
		struct judge_report r;
		struct evidence ev;

		t_evidence_good(&ev);
		T_DAMAGES[i].apply(&ev);
		r = judged(&ev);
		check_row(&T_DAMAGES[i], connection(&r, T_DAMAGES[i].port));
		for (size_t k = 0; k < r.n && T_DAMAGES[i].verdict == VERDICT_CONFIRMED; k++)
			if (r.list[k].c.key.server_port == T_DAMAGES[i].port)
				check_row(&T_DAMAGES[i], &r.list[k]);
		if (T_DAMAGES[i].verdict != VERDICT_CONFIRMED)
			cr_assert(judge_overall(&r) != VERDICT_CONFIRMED, "%s", T_DAMAGES[i].name);
		judge_report_free(&r);
		evidence_free(&ev);
	}
}

Test(judge, the_table_above_leaves_no_reason_out)
{
	/* Those of capture files are not in evidence documents: test_tracker.c has them. */
	uint64_t covered = reason_bit(REASON_CAPTURE_UNPROVEN) | reason_bit(REASON_WIRE_ONLY);

	for (size_t i = 0; i < T_N_DAMAGES; i++)
		if (T_DAMAGES[i].reason != REASON_NUM)
			covered |= reason_bit(T_DAMAGES[i].reason);
	cr_assert(covered == reason_bit(REASON_NUM) - 1, "missing:%s",
		  names((reason_bit(REASON_NUM) - 1) & ~covered));
}

Test(judge, each_reason_has_a_name_of_its_own_and_a_sentence)
{
	for (int i = 0; i < REASON_NUM; i++) {
		const char *text = reason_text((enum reason)i);

		cr_assert(text && strlen(text) > 10 && text[strlen(text) - 1] != '.', "%d", i);
		for (int k = 0; k < i; k++)
			cr_assert_str_neq(reason_name((enum reason)i), reason_name((enum reason)k));
	}
}

Test(judge, an_unpaired_record_makes_all_generations_of_its_key_ambiguous)
{
	static const char *const damages[] = {
		"port_reused_and_the_first_accept_missing",
		"port_reused_and_the_last_accept_missing",
		"port_reused_and_a_connect_missing",
		"one_accept_too_many",
	};

	for (size_t i = 0; i < COUNT(damages); i++) {
		struct evidence ev;
		struct judge_report r;

		t_evidence_good(&ev);
		t_damage(&ev, damages[i]);
		r = judged(&ev);
		for (size_t k = 0; k < r.n; k++)
			cr_assert((r.list[k].c.key.server_port == T_PORT_FREE) ==
					  (r.list[k].j.verdict != VERDICT_CONFIRMED),
				  "%s", damages[i]);
		judge_report_free(&r);
		evidence_free(&ev);
	}
}

Test(judge, a_single_connection_of_its_key_is_never_ambiguous)
{
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	t_damage(&ev, "started_after_the_syn");
	r = judged(&ev);
	cr_assert(!(connection(&r, T_PORT_MAPPED)->j.reasons &
		    reason_bit(REASON_GENERATION_AMBIGUOUS)));
	judge_report_free(&r);
	evidence_free(&ev);
}

Test(judge, records_of_datagrams_without_frames_are_one_connection)
{
	struct evidence ev;
	struct judge_report r;

	t_evidence_good(&ev);
	t_damage(&ev, "api_got_a_datagram_more");
	t_damage(&ev, "no_frames_of_udp");
	r = judged(&ev);
	cr_assert(r.n == T_CONNECTIONS);
	cr_assert(connection(&r, T_PORT_UDP_MAPPED)->c.side[SIDE_SERVER].api_records == 2);
	judge_report_free(&r);
	evidence_free(&ev);
}

/* Twice the same ports with other addresses on the wire than in the records. */
Test(judge, a_flow_is_adopted_once_and_is_then_no_connection_of_its_own)
{
	struct evidence ev;
	struct evidence_api api;
	struct evidence_kernel kernel;
	struct judge_report r;
	size_t last;

	t_evidence_good(&ev);
	last = ev.n_frames;
	t_damage(&ev, "address_translated");
	for (size_t n = ev.n_frames; last < n; last++) {
		struct evidence_frame f = ev.frames[last];

		if (f.info.dport == T_PORT_FREE)
			f.info.dst.b[15] = 3;
		else
			f.info.src.b[15] = 3;
		cr_assert(evidence_add_frame(&ev, &f) == 0);
	}
	api = ev.api[ev.n_api - 1];
	api.peer.addr.b[15] = 98;
	cr_assert(evidence_add_api(&ev, &api) == 0);
	kernel = ev.kernel[ev.n_kernel - 1];
	kernel.entry.dst.addr.b[15] = 98;
	cr_assert(evidence_add_kernel(&ev, &kernel) == 0);
	r = judged(&ev);
	cr_assert(r.n == T_CONNECTIONS + 2);
	for (size_t i = 0; i < r.n; i++)
		if (r.list[i].c.key.server_port == T_PORT_FREE)
			cr_assert(r.list[i].c.flow && r.list[i].c.flow_by_ports);
	judge_report_free(&r);
	evidence_free(&ev);
}

Test(judge, the_verdict_on_a_case_is_that_of_the_connections_to_its_ports)
{
	struct evidence ev;
	struct judge_report r;
	const struct evidence_case cases[] = {
		{.name = "mapped", .ports = {T_PORT_MAPPED, T_PORT_MAPPED}},
		{.name = "plain and native", .ports = {T_PORT_PLAIN, T_PORT_NATIVE}},
		{.name = "nobody came", .ports = {T_PORT_LAST, T_PORT_LAST}},
		{.name = "never first", .ports = {T_PORT_MAPPED, T_PORT_LAST}},
	};

	t_evidence_good(&ev);
	for (size_t i = 0; i < COUNT(cases); i++)
		cr_assert(evidence_add_case(&ev, &cases[i]) == 0);
	t_damage(&ev, "frame_of_other_version");
	r = judged(&ev);
	cr_assert(judge_case(&r, 0) == VERDICT_CONTRADICTED);
	cr_assert(judge_case(&r, 1) == VERDICT_CONFIRMED);
	cr_assert(judge_case(&r, 2) == VERDICT_INCONCLUSIVE);
	cr_assert(judge_case(&r, 3) == VERDICT_CONFIRMED);
	cr_assert(judge_overall(&r) == VERDICT_CONTRADICTED);
	judge_report_free(&r);
	evidence_free(&ev);
}
