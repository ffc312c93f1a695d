/* SPDX-License-Identifier: MIT */
/* addr.c - "dualwire addr": what an address is and what the Linux stack does with it */
#include "../rawstack/addr.h"
#include "../rawstack/addr_class.h"
#include "cli.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
	BLOCKS_MAX = 8, /* blocks that contain one address; the table nests at most 4 deep */
	NOTE_MAX = 400, /* bytes of the line on the Linux stack, with the final NUL */
};

/* One address of the command line and what is said about it. */
struct subject {
	const char *typed;
	struct addr addr;
	enum addr_form form;
	char canonical[ADDR_STRLEN];
	const struct addr_block *blocks[BLOCKS_MAX];
	size_t block_num;
	char note[NOTE_MAX];
};

/* What the stack does differently inside a block; addr_block.prefix is the key. */
struct block_note {
	const char *prefix;
	const char *note;
};

static const struct block_note block_notes[] = {
	{"0.0.0.0/32",
	 "bind: every IPv4 address, and an AF_INET6 socket becomes an IPv4-only listener;"
	 " connect: goes to 127.0.0.1"},
	{"255.255.255.255/32", "TCP: ENETUNREACH; UDP: EACCES without SO_BROADCAST"},
	{"127.0.0.0/8", "stays on lo"},
	{"224.0.0.0/4", "TCP: ENETUNREACH; UDP: join with IP_ADD_MEMBERSHIP, also on an AF_INET6 "
			"socket, where IPV6_ADD_MEMBERSHIP gives EINVAL"},
	{"::/128",
	 "bind: every IPv6 address, and every IPv4 address too with IPV6_V6ONLY=0; connect: "
	 "goes to ::1"},
	{"::1/128",
	 "travels as IPv6 and stays on lo; ::ffff:127.0.0.1 is another address, and IPv4"},
	{"::/96", "not translated to IPv4: routed as native IPv6, ENETUNREACH without a route"},
	{"::ffff:0:0:0/96",
	 "not translated by the host, and not IPv4-mapped: routed as native IPv6, "
	 "ENETUNREACH without a route"},
	{"64:ff9b::/96", "not translated by the host: travels as IPv6 to a NAT64 gateway, "
			 "ENETUNREACH without a route"},
	{"64:ff9b:1::/48", "not translated by the host: travels as IPv6 to a NAT64 gateway, "
			   "ENETUNREACH without a route"},
	{"2002::/16",
	 "travels as IPv6 by the routing table; the IPv4 address inside is used only by "
	 "a 6to4 tunnel device"},
	{"2001::/32",
	 "travels as IPv6 by the routing table; the IPv4 addresses inside are used only "
	 "by a Teredo tunnel device"},
	{"fe80::/10", "travels as IPv6 and needs its interface (sin6_scope_id or SO_BINDTODEVICE): "
		      "EINVAL without, ENETUNREACH with the wrong one"},
	{"ff00::/8", "travels as IPv6, UDP only: TCP bind gives EINVAL, joining on a TCP socket "
		     "EPROTO"},
};

static const char *block_note_of(const struct subject *s)
{
	for (size_t b = 0; b < s->block_num; b++) {
		for (size_t i = 0; i < sizeof(block_notes) / sizeof(block_notes[0]); i++) {
			if (strcmp(block_notes[i].prefix, s->blocks[b]->prefix) == 0)
				return block_notes[i].note;
		}
	}
	return NULL;
}

static const char *family_name(const struct subject *s)
{
	if (!addr_is_mapped(&s->addr))
		return "ipv6";
	return s->form == ADDR_FORM_INET ? "ipv4" : "mapped";
}

/* What an AF_INET6 socket shows for the address, whatever was typed. */
static const char *inet6_text(const struct subject *s, char *buf)
{
	return addr_print(&s->addr, ADDR_FORM_INET6, buf);
}

static void note_fill(struct subject *s)
{
	const char *special = block_note_of(s);
	char shown[ADDR_STRLEN];
	int len;

	if (!addr_is_mapped(&s->addr)) {
		if (!special)
			special = "travels as native IPv6; an AF_INET socket refuses it "
				  "(EAFNOSUPPORT)";
		len = snprintf(s->note, NOTE_MAX, "%s", special);
	} else if (s->form == ADDR_FORM_INET) {
		len = snprintf(s->note, NOTE_MAX,
			       "travels as IPv4; an AF_INET6 socket reaches it as %s, with "
			       "IPV6_V6ONLY=0 only%s%s",
			       inet6_text(s, shown), special ? "; " : "", special ? special : "");
	} else {
		len = snprintf(
			s->note, NOTE_MAX,
			"on an AF_INET6 socket this travels as IPv4 and needs IPV6_V6ONLY=0 "
			"(else connect: ENETUNREACH, bind: EINVAL); an AF_INET socket refuses "
			"it (EAFNOSUPPORT)%s%s",
			special ? "; " : "", special ? special : "");
	}
	assert(len > 0 && len < NOTE_MAX);
}

/* Returns 0, or -EINVAL if @typed is no address. */
static int subject_fill(struct subject *s, const char *typed)
{
	int rc = addr_parse(typed, &s->addr, &s->form);

	if (rc < 0)
		return rc;
	s->typed = typed;
	addr_print(&s->addr, s->form, s->canonical);
	s->block_num = addr_blocks(&s->addr, s->blocks, BLOCKS_MAX);
	/* What was written as plain IPv4 is in no IPv6 block, though the address type holds it as
	 * mapped; the most specific comes first, so those blocks are at the end. */
	while (s->form == ADDR_FORM_INET && s->block_num > 0 &&
	       s->blocks[s->block_num - 1]->len <= 96)
		s->block_num--;
	note_fill(s);
	return 0;
}

/* People paste addresses with a zone, a prefix length or a port: name what is too much. */
static int bad_address(const char *typed)
{
	size_t len = strcspn(typed, "%/");
	char head[ADDR_STRLEN] = "";
	enum addr_form form;
	struct endpoint ep;

	if (len < sizeof(head))
		memcpy(head, typed, len);
	if (typed[len] && addr_parse(head, &ep.addr, NULL) == 0)
		return cli_usage_error("addr", "'%.64s' has a %s; write only the address, %s",
				       typed, typed[len] == '%' ? "zone" : "prefix length", head);
	if (endpoint_parse(typed, &ep, &form) == 0)
		return cli_usage_error("addr", "'%.64s' has a port; write only the address, %s",
				       typed, addr_print(&ep.addr, form, head));
	return cli_usage_error("addr",
			       "'%.64s' is not an IPv4 or IPv6 address; "
			       "write it as 198.51.100.1 or 2001:db8::1",
			       typed);
}

static json_t *macros_json(const struct subject *s)
{
	json_t *macros = json_object();

	for (int m = 0; m < ADDR_MACRO_NUM; m++) {
		if (json_object_set_new(macros, addr_macro_name(m),
					json_boolean(addr_macro_test(m, &s->addr))) < 0) {
			json_decref(macros);
			return NULL;
		}
	}
	return macros;
}

static json_t *blocks_json(const struct subject *s)
{
	json_t *blocks = json_array();

	for (size_t i = 0; i < s->block_num; i++) {
		const struct addr_block *b = s->blocks[i];

		if (json_array_append_new(blocks, json_pack("{s:s, s:s, s:s}", "prefix", b->prefix,
							    "name", b->name, "rfc", b->rfc)) < 0) {
			json_decref(blocks);
			return NULL;
		}
	}
	return blocks;
}

static int print_json(const struct subject *subjects, size_t num)
{
	json_t *list = json_array();

	for (size_t i = 0; i < num; i++) {
		const struct subject *s = &subjects[i];
		json_t *entry =
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "address", s->typed,
				  "canonical", s->canonical, "family", family_name(s), "macros",
				  macros_json(s), "blocks", blocks_json(s), "note", s->note);

		if (json_array_append_new(list, entry) < 0) {
			json_decref(list);
			list = NULL;
			break;
		}
	}
	return cli_print_json(list);
}

static int finish_output(void)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		return cli_fail("addr", "cannot write the output: %s; check where it goes",
				strerror(errno));
	return 0;
}

static void print_macros(const struct subject *s)
{
	const char *separator = "";

	printf("    macros  ");
	for (int m = 0; m < ADDR_MACRO_NUM; m++) {
		if (!addr_macro_test(m, &s->addr))
			continue;
		printf("%s%s", separator, addr_macro_name(m));
		separator = ", ";
	}
	if (*separator == '\0')
		printf("none of the %d is true", ADDR_MACRO_NUM);
	if (s->form == ADDR_FORM_INET) {
		char shown[ADDR_STRLEN];

		printf(" (of %s, as an AF_INET6 socket shows it)", inet6_text(s, shown));
	}
	putchar('\n');
}

static void print_subject(const struct subject *s, bool color)
{
	printf("%s%s%s\n", color ? "\033[1m" : "", s->canonical, color ? "\033[0m" : "");
	if (strcmp(s->typed, s->canonical) != 0)
		printf("    typed   %s\n", s->typed);
	printf("    family  %s\n", family_name(s));
	print_macros(s);
	for (size_t i = 0; i < s->block_num; i++)
		printf("    block   %s  %s, %s\n", s->blocks[i]->prefix, s->blocks[i]->name,
		       s->blocks[i]->rfc);
	if (s->block_num == 0)
		printf("    block   none: not in a special-purpose block\n");
	printf("    Linux   %s\n", s->note);
}

static int print_text(const struct subject *subjects, size_t num)
{
	bool color = cli_color(stdout);

	for (size_t i = 0; i < num; i++) {
		if (i > 0)
			putchar('\n');
		print_subject(&subjects[i], color);
	}
	return finish_output();
}

static const char help_text[] =
	"usage: dualwire addr [-J] ADDRESS...\n"
	"Say what each address is: the IN6_IS_ADDR_* macros that hold, its special-purpose\n"
	"blocks with their RFC, and what the Linux stack does with it.\n"
	"\n"
	"  -J, --json  print JSON, with every macro\n"
	"  -h, --help  print this help\n"
	"\n"
	"An ADDRESS is written as inet_pton(3) reads it: no zone, prefix length or port.\n"
	"\n"
	"Examples:\n"
	"  dualwire addr ::ffff:198.51.100.1      an IPv4 client on a dual-stack server\n"
	"  dualwire addr 198.51.100.1 ::1 ff02::1 several at once\n"
	"  dualwire addr -J 64:ff9b::c633:6401 | jq -r '.[].blocks[].rfc'\n"
	"\n"
	"Exit code: 0 done, 3 output could not be written, 64 usage or not an address.\n";

/* Only one option takes effect: -J. */
static int apply(void *options, int c)
{
	(void)c;
	*(bool *)options = true;
	return 0;
}

int cmd_addr(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'J'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static const struct cli_options spec = {"addr", help_text, ":hJ", options, apply};
	struct subject *subjects;
	bool json = false;
	size_t num;
	int rc = cli_options_read(&spec, argc, argv, &json);

	if (rc)
		return rc == CLI_DONE ? finish_output() : rc;
	if (optind == argc)
		return cli_usage_error("addr", "no address given; write at least one, for example "
					       "::ffff:198.51.100.1");
	num = (size_t)(argc - optind);
	subjects = calloc(num, sizeof(*subjects));
	if (!subjects)
		return cli_fail("addr", "no memory for %zu addresses; give fewer", num);
	/* All of them before any output: a bad one must leave stdout empty. */
	for (size_t i = 0; i < num; i++) {
		const char *typed = argv[optind + (int)i];

		if (subject_fill(&subjects[i], typed) < 0) {
			rc = bad_address(typed);
			goto out;
		}
	}
	rc = json ? print_json(subjects, num) : print_text(subjects, num);
out:
	free(subjects);
	return rc;
}
