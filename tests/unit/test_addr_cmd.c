/* SPDX-License-Identifier: MIT */
/* test_addr_cmd.c - "dualwire addr": JSON, text, exit codes and messages */
#include "../../tools/cli.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { ARGS_MAX = 8, OUTPUT_MAX = 16384 };

static void redirect(void)
{
	cr_redirect_stdout();
	cr_redirect_stderr();
}

TestSuite(addr_cmd, .init = redirect);

static void slurp(FILE *f, char *text)
{
	size_t n = fread(text, 1, OUTPUT_MAX - 1, f);

	cr_assert(n < OUTPUT_MAX - 1, "output fits");
	text[n] = '\0';
}

/* Runs the subcommand on words split at ' '; what it prints stays in the redirected streams. */
static int run(const char *words)
{
	char copy[256] = "", *argv[ARGS_MAX + 1] = {NULL};
	int argc = 0;

	cr_assert(strlen(words) < sizeof(copy));
	memcpy(copy, words, strlen(words));
	for (char *word = strtok(copy, " "); word && argc < ARGS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	return cmd_addr(argc, argv);
}

static json_t *run_json(const char *words)
{
	char text[OUTPUT_MAX];
	json_t *json;

	cr_assert(run(words) == EXIT_CONFIRMED);
	slurp(cr_get_redirected_stdout(), text);
	json = json_loads(text, 0, NULL);
	cr_assert(json_is_array(json), "one JSON array, not: %s", text);
	return json;
}

static const char *string_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	cr_assert(text, "'%s' is a string", key);
	return text;
}

Test(addr_cmd, json_keeps_order_and_tells_the_three_families_apart)
{
	static const struct {
		const char *address, *canonical, *family, *block, *macro;
	} rows[] = {
		{"198.51.100.1", "198.51.100.1", "ipv4", "198.51.100.0/24", "V4MAPPED"},
		{"::FFFF:c633:6401", "::ffff:198.51.100.1", "mapped", "198.51.100.0/24",
		 "V4MAPPED"},
		{"2001:DB8::1", "2001:db8::1", "ipv6", "2001:db8::/32", NULL},
		{"ff05::2", "ff05::2", "ipv6", "ff05::/16", "MC_SITELOCAL"},
	};
	json_t *list = run_json("addr --json 198.51.100.1 ::FFFF:c633:6401 2001:DB8::1 ff05::2");

	cr_assert(json_array_size(list) == ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const json_t *entry = json_array_get(list, i);
		const json_t *macros = json_object_get(entry, "macros"), *value;
		const json_t *first = json_array_get(json_object_get(entry, "blocks"), 0);
		const char *name;

		cr_assert_str_eq(string_of(entry, "address"), rows[i].address);
		cr_assert_str_eq(string_of(entry, "canonical"), rows[i].canonical);
		cr_assert_str_eq(string_of(entry, "family"), rows[i].family);
		cr_assert_str_eq(string_of(first, "prefix"), rows[i].block);
		cr_assert(*string_of(first, "name") && *string_of(first, "rfc"));
		cr_assert(json_object_size(macros) == 12, "all twelve");
		json_object_foreach ((json_t *)macros, name, value) {
			bool is_row = rows[i].macro && strcmp(name + 12, rows[i].macro) == 0;
			bool is_mc = rows[i].macro && *rows[i].macro == 'M' &&
				     strcmp(name, "IN6_IS_ADDR_MULTICAST") == 0;

			cr_assert(json_is_boolean(value));
			cr_assert(json_is_true(value) == (is_row || is_mc), "%s of %s", name,
				  rows[i].address);
		}
	}
	json_decref(list);
}

Test(addr_cmd, the_mapped_block_is_listed_only_for_an_address_written_as_mapped)
{
	json_t *list = run_json("addr -J 198.51.100.1 ::ffff:198.51.100.1 9.9.9.9");
	size_t sizes[3];

	for (size_t i = 0; i < 3; i++)
		sizes[i] = json_array_size(json_object_get(json_array_get(list, i), "blocks"));
	cr_assert(sizes[0] == 1 && sizes[1] == 2 && sizes[2] == 0);
	json_decref(list);
}

Test(addr_cmd, the_note_says_what_linux_does)
{
	static const struct {
		const char *address, *note;
	} rows[] = {
		{"9.9.9.9", "::ffff:9.9.9.9"},
		{"::ffff:9.9.9.9", "needs IPV6_V6ONLY=0"},
		{"0.0.0.0", "goes to 127.0.0.1"},
		{"::ffff:127.0.0.1", "stays on lo"},
		{"255.255.255.255", "SO_BROADCAST"},
		{"224.0.0.251", "IP_ADD_MEMBERSHIP"},
		{"::", "goes to ::1"},
		{"::1", "stays on lo"},
		{"::9.9.9.9", "not translated to IPv4"},
		{"::ffff:0:9.9.9.9", "not IPv4-mapped"},
		{"64:ff9b::9.9.9.9", "not translated by the host"},
		{"64:ff9b:1::1", "not translated by the host"},
		{"2002::1", "6to4"},
		{"2001::1", "Teredo"},
		{"fe80::1", "sin6_scope_id"},
		{"ff02::1:ff00:1", "EPROTO"},
		{"2001:db8::1", "native IPv6"},
		{"2001:1::4", "native IPv6"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char words[64];
		json_t *list;

		snprintf(words, sizeof(words), "addr -J %s", rows[i].address);
		list = run_json(words);
		cr_assert(strstr(string_of(json_array_get(list, 0), "note"), rows[i].note),
			  "%s: %s", rows[i].address, string_of(json_array_get(list, 0), "note"));
		json_decref(list);
	}
}

Test(addr_cmd, text_says_whose_macros_it_shows_for_plain_ipv4)
{
	char text[OUTPUT_MAX];

	cr_assert(run("addr 198.51.100.1 ::FFFF:198.51.100.1") == EXIT_CONFIRMED);
	slurp(cr_get_redirected_stdout(), text);
	cr_assert(strncmp(text, "198.51.100.1\n    family  ipv4\n", 30) == 0, "%s", text);
	cr_assert(strstr(text, "of ::ffff:198.51.100.1, as an AF_INET6 socket shows it"));
	cr_assert(strstr(text, "\n\n::ffff:198.51.100.1\n    typed   ::FFFF:198.51.100.1\n"));
	cr_assert(!strchr(text, '\033'), "no colour outside a terminal");
}

Test(addr_cmd, help_shows_examples)
{
	char text[OUTPUT_MAX];

	cr_assert(run("addr --help") == EXIT_CONFIRMED);
	slurp(cr_get_redirected_stdout(), text);
	cr_assert(strncmp(text, "usage: dualwire addr ", 21) == 0 && strstr(text, "\nExamples:\n"));
}

Test(addr_cmd, wrong_use_prints_one_line_of_advice_and_nothing_else)
{
	static const struct {
		const char *words, *named;
	} rows[] = {
		{"addr", "no address given"},
		{"addr -J", "no address given"},
		{"addr 300.1.1.1", "'300.1.1.1' is not an IPv4 or IPv6 address"},
		{"addr 198.51.100.002", "'198.51.100.002' is not"},
		{"addr ::1 198.51.100.1 nonsense", "'nonsense' is not"},
		{"addr -J ::1 nonsense", "'nonsense' is not"},
		{"addr a\nb\033[1m", "'a?b?[1m' is not"},
		{"addr fe80::1%lo", "has a zone; write only the address, fe80::1 "},
		{"addr 10.0.0.0/8", "has a prefix length; write only the address, 10.0.0.0 "},
		{"addr 198.51.100.1:80", "has a port; write only the address, 198.51.100.1 "},
		{"addr [2001:db8::1]:80", "has a port; write only the address, 2001:db8::1 "},
		{"addr -x ::1", "option '-x'"},
		{"addr --json -Jx ::1", "option '-x'"},
		{"addr --nonsense ::1", "option '--nonsense'"},
		{"addr --json=1 ::1", "option '--json=1' takes no value"},
	};
	char out[OUTPUT_MAX], err[OUTPUT_MAX];
	char *line = err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cr_assert(run(rows[i].words) == EXIT_USAGE, "'%s'", rows[i].words);
	fflush(stdout);
	fclose(stdout);
	fclose(stderr);
	slurp(cr_get_redirected_stdout(), out);
	slurp(cr_get_redirected_stderr(), err);
	cr_assert_str_empty(out, "stdout stays empty");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *end = strchr(line, '\n');

		cr_assert(end, "a line for '%s'", rows[i].words);
		*end = '\0';
		cr_assert(strncmp(line, "dualwire addr: ", 15) == 0, "%s", line);
		cr_assert(strstr(line, rows[i].named), "'%s': %s", rows[i].words, line);
		cr_assert(strstr(line, "(see 'dualwire addr --help')"), "%s", line);
		line = end + 1;
	}
	cr_assert_str_empty(line, "no more lines than mistakes");
}

Test(addr_cmd, output_that_cannot_be_written_is_an_error)
{
	cr_assert(freopen("/dev/full", "w", stdout));
	cr_assert(run("addr ::1") == EXIT_NOT_STARTED);
	cr_assert(freopen("/dev/full", "w", stdout));
	cr_assert(run("addr -J ::1") == EXIT_NOT_STARTED);
	cr_assert(freopen("/dev/full", "w", stdout));
	cr_assert(run("addr --help") == EXIT_NOT_STARTED);
}
