/* SPDX-License-Identifier: MIT */
/* test_case_file.c - the language of cases: what it reads, and what it says to a wrong file */
#include "../../tools/lab/cases.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static int read_text(const char *text, struct case_list *cases, char err[CASE_ERROR])
{
	FILE *in = fmemopen((char *)text, strlen(text), "r");
	int rc;

	cr_assert(in, "%m");
	rc = case_file_read(in, "own.ini", cases, err);
	fclose(in);
	return rc;
}

static const char GOOD[] =
	"; a comment\n"
	"[one]\n"
	"title = what\n"
	"    it shows\n"
	"source = RFC 1\n"
	"by hand =\n"
	"    first\n"
	"    second\n"
	"server = tcp [::]:P+1 v6only\n"
	"verdict = contradicted\n"
	"needs = root\n"
	"step = c socket tcp6\n"
	"step =\n"
	"    c connect m(S4):P+2 within 60 -> ECONNREFUSED\n"
	"    c get SO_DOMAIN -> AF_INET6\n"
	"expect = wire 2 syn of c from client to P+2: ethertype 0x0800 mss >1000\n"
	"\n"
	"[two]\n"
	"title = another\n"
	"sysctl = server net.ipv4.ip_default_ttl 9\n"
	"step = l socket udp4 server\n";

Test(case_file, a_good_file_is_read_as_written)
{
	struct case_list cases = {0};
	char err[CASE_ERROR];
	const struct lab_case *c;
	const struct step *st;

	cr_assert_eq(read_text(GOOD, &cases, err), 0, "%s", err);
	cr_assert_eq(cases.n, 2);
	c = &cases.list[0];
	cr_expect_str_eq(c->name, "one");
	cr_expect_str_eq(c->title, "what it shows");
	cr_expect_str_eq(c->by_hand, "first\nsecond");
	cr_expect_str_eq(c->group, "own");
	cr_expect_eq(c->line, 2);
	cr_expect(c->judged && c->expected == VERDICT_CONTRADICTED && c->needs_root && !c->own_lab);
	cr_assert_eq(c->n_listeners, 1);
	cr_expect(c->listeners[0].v6only && c->listeners[0].bind.port.number == 1);
	cr_assert_eq(c->n_steps, 3);
	st = &c->steps[1];
	cr_expect(st->verb == VERB_CONNECT && st->line == 14 && st->ms == 60 && st->sock == 0);
	cr_expect_str_eq(st->text, "c connect m(S4):P+2 within 60");
	cr_expect(addr_is_mapped(&st->addr.addr) && st->addr.form == ADDR_FORM_INET6);
	cr_assert_eq(st->n_wants, 1);
	cr_expect_str_eq(st->wants[0].key, "result");
	cr_expect_str_eq(st->wants[0].value.word, "ECONNREFUSED");
	cr_expect_eq(c->steps[2].wants[0].value.number, AF_INET6);
	cr_assert_eq(c->n_expects, 1);
	cr_expect(c->expects[0].count == 2 && c->expects[0].frames == FRAMES_SYN);
	cr_expect_eq(c->expects[0].n_fields, 2);
	cr_expect_eq(c->expects[0].fields[1].value.relation, VALUE_ABOVE);
	cr_expect(cases.list[1].own_lab && cases.list[1].n_settings == 1);
	cr_expect(strstr(c->text, "title = what") && !strstr(c->text, "[two]"));
	case_list_free(&cases);
}

/* What is written for our own stack replaces, and the rest is lent; its sockets are its own. */
Test(case_file, what_is_otherwise_with_our_own_stack)
{
	static const char text[] =
		"[replaced]\ntitle = t\nverdict = contradicted\nexpect = wire udp of c: ttl 1\n"
		"step =\n    s socket udp6 server\n    c socket udp6\n    c send 1 to S6:P\n"
		"bypass why = because\n    it is\nbypass verdict = none\n"
		"bypass step =\n    c socket udp6\n    c send 2 to S6:P\n"
		"[never]\ntitle = t\nstep = c socket udp6\nbypass why = cannot be\n"
		"[same]\ntitle = t\nstep = c socket udp6\n";
	struct case_list cases = {.n = 0};
	const struct lab_case *c, *v;
	char err[CASE_ERROR];

	cr_assert_eq(read_text(text, &cases, err), 0, "%s", err);
	c = &cases.list[0];
	v = c->bypass;
	cr_assert(v && !v->bypass_never && !c->differs);
	cr_expect_str_eq(v->differs, "because it is");
	cr_expect(!v->judged && c->judged && c->expected == VERDICT_CONTRADICTED);
	cr_expect(v->n_steps == 2 && c->n_steps == 3 && v->steps[1].size == 2);
	cr_expect(v->n_expects == 1 && v->expects != c->expects);
	cr_expect(c->expects[0].sock == 1 && v->expects[0].sock == 0, "of other steps");
	cr_expect(v->name == c->name && v->title == c->title);
	v = cases.list[1].bypass;
	cr_assert(v && v->bypass_never);
	cr_expect_str_eq(v->differs, "cannot be");
	cr_expect(!cases.list[2].bypass);
	case_list_free(&cases);
}

/* Behind HEAD, which has six lines, stands one line that is wrong. */
#define HEAD "[x]\ntitle = t\nstep = c socket tcp6\nstep = l socket tcp6 server\n"
#define BAD(line, text)                                                                            \
	{                                                                                          \
		HEAD line "\n", "own.ini:5: " text                                                 \
	}

static const struct {
	const char *file, *says;
} WRONG[] = {
	{"", "own.ini:0: there is no case in this file"},
	{"; nothing\n", "there is no case in this file"},
	{"title = x\n", "own.ini:1: a key before the first case"},
	{"[x]\nstep = c socket tcp6\n", "own.ini:1: case x has no title"},
	{"[x]\ntitle = t\n", "own.ini:1: case x does nothing"},
	{"[X y]\ntitle = t\n", "own.ini:1: 'X y' is no name for a case"},
	{"[x\ntitle = t\n", "own.ini:1: the name of a case ends with ]"},
	{"  [x]\n", "own.ini:1: the name of a case begins in the first column"},
	{HEAD "[x]\n", "own.ini:5: there is a case 'x' already, in own.ini line 1"},
	BAD("step = c \001", "a control character; this is to be plain text"),
	BAD("nonsense", "neither [NAME] nor KEY = VALUE"),
	BAD("colour = red", "there is no key 'colour'"),
	BAD("title = again", "this key stands a second time"),
	BAD("bypass colour = red", "there is no key 'bypass colour'"),
	BAD("bypass verdict = maybe", "'maybe' is no verdict"),
	BAD("bypass step = d connect S4:P", "there is no socket 'd' yet"),
	{HEAD "bypass verdict = none\n", "own.ini:1: case x is another one with our own stack"},
	{HEAD "bypass why = so\nbypass step = d socket udp6\nexpect = wire udp of c: ttl 1\n",
	 "own.ini:7: no step makes a socket 'c'"},
	BAD("verdict = maybe", "'maybe' is no verdict"),
	BAD("needs = luck", "'luck' cannot be asked for"),
	BAD("server = sctp [::]:P", "server: which protocol"),
	BAD("server = tcp [::]:7000", "server: a server listens on P"),
	BAD("server = tcp [::]:P quickly", "server: 'quickly' does not belong here"),
	BAD("sysctl = net.ipv4.ip_forward 1", "whose? begin with client or server"),
	BAD("sysctl = client kernel.panic 1",
	    "'kernel.panic' is no setting of a network namespace"),
	BAD("sysctl = client net.ipv4/../../x 1", "'net.ipv4/../../x' is no setting"),
	BAD("address = server 198.51.100.9/33", "'33' is no prefix length"),
	BAD("address = server 198.51.100.9/24 away", "'away' does not belong here"),
	BAD("route = client 192.0.2.0/24 nowhere", "where to? write via ADDRESS"),
	BAD("dns = name.lab somewhere", "'somewhere' is no address"),
	BAD("step = c connect S4", "the address has no port"),
	BAD("step = c connect S9:P", "'S9:P' is no address: no address, and no name of one"),
	BAD("step = c connect m(S6):P", "'m(S6):P' is no address: only an IPv4 address can be put"),
	BAD("step = c connect x(S4):P", "'x(S4):P' is no address: the forms are m(), compat()"),
	BAD("step = c connect [::1:P", "'[::1:P' is no address: the bracket is not closed"),
	BAD("step = c connect S4:P+8", "'S4:P+8' is no address: a port is P, P+1 to P+7"),
	BAD("step = c connect S4:P -> EWHAT", "'EWHAT' is no errno"),
	BAD("step = c connect S4:P ->", "what must come of it? nothing stands behind ->"),
	BAD("step = c connect S4:P quickly", "'quickly' does not belong here; write: NAME connect"),
	BAD("step = c connect S4:P within 90000", "'90000' is no time in ms"),
	BAD("step = d connect S4:P", "there is no socket 'd' yet"),
	BAD("step = c jump", "'c jump' is no step"),
	BAD("step = C socket tcp6", "'C' is no name for a socket"),
	BAD("step = e socket tcp5", "'tcp5' is no type of socket; there are tcp4 tcp6"),
	BAD("step = c set IPV6_SPEED 1", "'IPV6_SPEED' is no option that is known here"),
	BAD("step = c set IPV6_V6ONLY yes", "'yes' does not suit IPV6_V6ONLY; it takes a number"),
	BAD("step = c set IP_TTL level UDP 1", "'UDP' is no level"),
	BAD("step = c set IP_OPTIONS 070", "'070' does not suit IP_OPTIONS; it takes hexadecimal"),
	BAD("step = c send 5 with IP_COLOUR 1", "'IP_COLOUR' is no control message"),
	BAD("step = c send 5 with IPV6_PKTINFO 1", "IPV6_PKTINFO takes an address"),
	BAD("step = c send loudly", "'loudly' does not belong here; a text to be sent stands in"),
	BAD("step = c send \"a\" 4000", "'4000' comes too much"),
	BAD("step = c send 99999", "99999 bytes do not fit"),
	BAD("step = c send \"open", "a quote is not closed"),
	BAD("step = inject ipv4 udp from C6:1 to S4:P", "an ipv4 header holds IPv4 addresses only"),
	BAD("step = inject ipv5 udp", "which IP header? write ipv4 or ipv6"),
	BAD("step = inject server ipv4 toobig 10 from S4:1 to C4:2", "'10' is no MTU"),
	BAD("step = resolve x.lab inet5", "which family? write inet, inet6 or unspec"),
	BAD("step = resolve x.lab inet6 MAPPED", "'MAPPED' is no flag"),
	BAD("step = wait 5000", "'5000' is no time in ms"),
	BAD("expect = smell of c", "'smell' is no view"),
	BAD("expect = wire syn of d: mss 1", "no step makes a socket 'd'"),
	BAD("expect = wire shout", "'shout' is no kind of frame"),
	BAD("expect = wire syn of c: colour 1", "'colour' is no field of a frame"),
	BAD("expect = wire syn of c: mss big", "mss takes a number"),
	BAD("expect = wire syn of c: checksum 1", "a checksum is good, bad or none"),
	BAD("expect = wire none of c: mss 1", "frames that must not be have no fields"),
	BAD("expect = mib nobody UdpInDatagrams 1", "whose? write client or server"),
	BAD("expect = mib server UdpInDatagrams some", "a counter moves by a number"),
	BAD("expect = verdict c: perhaps", "'perhaps' is no verdict"),
	BAD("expect = verdict c: contradicted mood", "'mood' is no reason of a verdict"),
	BAD("expect = kernel server c: mood x", "'mood' is not known here; there are family local"),
};

Test(case_file, a_wrong_file_is_told_where_what_and_what_to_do)
{
	for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
		struct case_list cases = {0};
		char err[CASE_ERROR] = "";
		FILE *in = WRONG[i].file[0]
				   ? fmemopen((char *)WRONG[i].file, strlen(WRONG[i].file), "r")
				   : fopen("/dev/null", "r");

		cr_assert(in);
		cr_expect_eq(case_file_read(in, "own.ini", &cases, err), -EINVAL, "%s",
			     WRONG[i].file);
		fclose(in);
		cr_expect(strstr(err, WRONG[i].says), "got  %s\n     want %s", err, WRONG[i].says);
		cr_expect(!strchr(err, '\n') && cases.n == 0);
		case_list_free(&cases);
	}
}

Test(case_file, lines_have_a_length_that_fits)
{
	struct case_list cases = {0};
	char err[CASE_ERROR], text[600];

	for (size_t n = 150; n < 260; n++) {
		int rc;

		snprintf(text, sizeof(text), "[x]\ntitle = %0*d\nstep = wait 1\n", (int)n - 8, 0);
		rc = read_text(text, &cases, err);
		cr_expect_eq(rc, n <= CASE_LINE_MAX - 1 ? 0 : -EINVAL, "%zu: %s", n, err);
		cr_expect(rc == 0 || strstr(err, "own.ini:2: the line is longer than"), "%s", err);
		case_list_free(&cases);
	}
}

/* What was read before stays, whatever comes of the next file. */
Test(case_file, a_wrong_file_takes_nothing_away)
{
	struct case_list cases = {0};
	char err[CASE_ERROR];

	cr_assert_eq(read_text(GOOD, &cases, err), 0);
	cr_assert_eq(read_text("[three]\ntitle = t\nstep = wait 1\n[four]\n", &cases, err),
		     -EINVAL);
	cr_expect_eq(cases.n, 2);
	cr_expect_str_eq(cases.list[1].name, "two");
	cr_assert_eq(read_text(GOOD, &cases, err), -EINVAL);
	cr_expect(strstr(err, "there is a case 'one' already"), "%s", err);
	case_list_free(&cases);
}

Test(case_file, limits_are_said)
{
	static const struct {
		const char *line, *says;
		int n;
	} rows[] = {
		{"step = wait 1\n", "too many steps", CASE_STEPS_MAX},
		{"expect = wire none\n", "too many expectations", CASE_STEPS_MAX},
		{"server = tcp [::]:P\n", "too many listeners", CASE_LISTENERS_MAX},
		{"hosts = 198.51.100.2 x\n", "too many settings", CASE_SETTINGS_MAX},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int more = 0; more < 2; more++) {
			struct case_list cases = {0};
			char err[CASE_ERROR], text[8000] = "[x]\ntitle = t\n";

			if (i > 0)
				strcat(text, "step = wait 1\n");
			for (int k = 0; k < rows[i].n + more; k++)
				strcat(text, rows[i].line);
			cr_expect_eq(read_text(text, &cases, err), more ? -EINVAL : 0, "%s: %s",
				     rows[i].line, err);
			cr_expect(!more || strstr(err, rows[i].says), "%s", err);
			case_list_free(&cases);
		}
	}
}

Test(case_file, built_in_cases_are_whole)
{
	static const char groups[] = "ABCDEFGH";
	size_t of_group[sizeof(groups)] = {0};
	struct case_list cases = {0};
	char err[CASE_ERROR] = "";

	cr_assert_eq(cases_builtin(&cases, err), 0, "%s", err);
	cr_expect(cases.n >= 60, "%zu cases", cases.n);
	for (size_t i = 0; i < cases.n; i++) {
		const struct lab_case *c = &cases.list[i];
		const char *g = strlen(c->group) == 1 ? strchr(groups, c->group[0]) : NULL;

		cr_expect(g && *g, "%s: group %s", c->name, c->group);
		cr_expect(*c->source, "%s has no source", c->name);
		cr_expect(*c->by_hand, "%s: how by hand?", c->name);
		cr_expect(strlen(c->title) < EVIDENCE_TITLE_MAX + 20, "%s: a long title", c->name);
		if (g)
			of_group[g - groups]++;
	}
	for (size_t i = 0; groups[i]; i++)
		cr_expect(of_group[i] >= 5, "%zu cases of group %c", of_group[i], groups[i]);
	case_list_free(&cases);
}

/* The manual page names all that the language has. */
Test(case_file, the_manual_page_is_complete)
{
	static char page[65536];
	FILE *in = fopen("docs/dualwire-cases.5", "r");
	const struct socket_option *o;
	const char *name;
	size_t n;

	cr_assert(in, "docs/dualwire-cases.5: %m");
	n = fread(page, 1, sizeof(page) - 1, in);
	fclose(in);
	cr_assert(n > 1000 && n < sizeof(page) - 1);
	for (int v = 0; (name = step_verb_name((enum step_verb)v)); v++) {
		char item[32];

		snprintf(item, sizeof(item), "Cm %s", name);
		cr_expect(strstr(page, item), "the step %s", name);
	}
	for (size_t i = 0; (o = socket_option_at(i)); i++)
		cr_expect(strstr(page, o->name), "the option %s", o->name);
	for (int f = 0; (name = frame_field_name((enum frame_field)f)); f++)
		cr_expect(strstr(page, name), "the field %s", name);
	for (int k = 0; (name = frame_kind_name((enum frame_kind)k)); k++)
		cr_expect(strstr(page, name), "frames of kind %s", name);
}
