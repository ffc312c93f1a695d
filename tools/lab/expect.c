/* SPDX-License-Identifier: MIT */
/* expect.c - reads what a case expects at its end */
#include "expect.h"

#include "../../rawstack/witness/reason.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

static const char *const KINDS[FRAMES_KINDS] = {
	[FRAMES_ANY] = "frame", [FRAMES_TCP] = "tcp", [FRAMES_UDP] = "udp",
	[FRAMES_ICMP] = "icmp", [FRAMES_SYN] = "syn", [FRAMES_SYNACK] = "synack",
	[FRAMES_RST] = "rst",	[FRAMES_FIN] = "fin", [FRAMES_DATA] = "data",
};

static const char *const FIELDS[FRAME_FIELDS] = {
	[FIELD_ETHERTYPE] = "ethertype",
	[FIELD_VERSION] = "version",
	[FIELD_TTL] = "ttl",
	[FIELD_TOS] = "tos",
	[FIELD_DF] = "df",
	[FIELD_FLOWLABEL] = "flowlabel",
	[FIELD_MSS] = "mss",
	[FIELD_OPTIONS] = "options",
	[FIELD_FRAGMENT] = "fragment",
	[FIELD_LENGTH] = "length",
	[FIELD_CHECKSUM] = "checksum",
	[FIELD_ICMP_TYPE] = "type",
	[FIELD_ICMP_CODE] = "code",
	[FIELD_SRC] = "src",
	[FIELD_DST] = "dst",
};

static const char *const CHECKSUMS[] = {"good", "bad", "none"};

const char *frame_field_name(enum frame_field f)
{
	return f < FRAME_FIELDS ? FIELDS[f] : NULL;
}

const char *frame_kind_name(enum frame_kind k)
{
	return k < FRAMES_KINDS ? KINDS[k] : NULL;
}

static int find(const char *const *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return i;
	return -1;
}

/* Takes "client" or "server"; -1 after a complaint. */
static int take_side(struct words *ws)
{
	if (words_accept(ws, "client"))
		return LAB_CLIENT;
	if (words_accept(ws, "server"))
		return LAB_SERVER;
	words_complain(ws, "whose? write client or server");
	return -1;
}

static int take_socket(struct words *ws, const struct socket_names *names, struct expect *e)
{
	const char *w = words_take(ws);

	e->sock = w ? socket_name_find(names, w) : -1;
	if (e->sock >= 0)
		return 0;
	return words_complain(ws, "no step makes a socket '%.40s'", w ? w : "");
}

/* How many frames, and of which kind. */
static int parse_kind(struct words *ws, struct expect *e)
{
	const char *w = words_peek(ws);
	int64_t n = -1;
	int kind;

	if (w && strcmp(w, "none") == 0) {
		n = 0;
		words_take(ws);
	} else if (w && isdigit((unsigned char)*w)) {
		if (words_number(ws, "number of frames", 0, 100000, &n) < 0)
			return -EINVAL;
	}
	e->count = (int)n;
	w = words_peek(ws);
	kind = w ? find(KINDS, FRAMES_KINDS, w) : -1;
	if (kind >= 0)
		words_take(ws);
	else if (n < 0)
		return words_complain(ws,
				      "'%.40s' is no kind of frame; there are frame, tcp, udp, "
				      "icmp, syn, synack, rst, fin and data",
				      w ? w : "");
	e->frames = kind >= 0 ? (enum frame_kind)kind : FRAMES_ANY;
	return 0;
}

static int parse_selector(struct words *ws, const struct socket_names *names, struct expect *e)
{
	if (words_accept(ws, "of"))
		return take_socket(ws, names, e);
	if (words_accept(ws, "from")) {
		e->from = take_side(ws);
		return e->from < 0 ? -EINVAL : 0;
	}
	if (words_accept(ws, "to")) {
		e->has_to = true;
		return words_port(ws, &e->to);
	}
	if (words_accept(ws, "src")) {
		e->has_src = true;
		return words_addr(ws, "address", &e->src);
	}
	if (words_accept(ws, "dst")) {
		e->has_dst = true;
		return words_addr(ws, "address", &e->dst);
	}
	return words_complain(ws, "'%.40s' chooses no frames; write of, from, to, src or dst",
			      words_peek(ws));
}

static int parse_field(struct words *ws, struct expect *e)
{
	struct expect_field *f = &e->fields[e->n_fields];
	const char *w = words_take(ws);
	int field = find(FIELDS, FRAME_FIELDS, w);
	bool address = field == FIELD_SRC || field == FIELD_DST;

	if (field < 0)
		return words_complain(ws,
				      "'%.40s' is no field of a frame; there are ethertype, "
				      "version, ttl, tos, df, flowlabel, mss, options, fragment, "
				      "length, checksum, type, code, src and dst",
				      w);
	if (e->n_fields == EXPECT_FIELDS_MAX)
		return words_complain(ws, "too many fields; at most %d in one line",
				      EXPECT_FIELDS_MAX);
	if (words_value(ws, "value", &f->value) < 0)
		return -EINVAL;
	if (field == FIELD_CHECKSUM) {
		if (find(CHECKSUMS, 3, f->value.word) < 0)
			return words_complain(ws, "a checksum is good, bad or none");
	} else if ((f->value.kind == VALUE_ADDR) != address || f->value.kind == VALUE_WORD) {
		return words_complain(ws, "%s takes %s", w, address ? "an address" : "a number");
	}
	f->field = (enum frame_field)field;
	e->n_fields++;
	return 0;
}

static int parse_wire(struct words *ws, const struct socket_names *names, struct expect *e)
{
	e->from = -1;
	if (parse_kind(ws, e) < 0)
		return -EINVAL;
	while (words_peek(ws) && !words_accept(ws, ":"))
		if (parse_selector(ws, names, e) < 0)
			return -EINVAL;
	while (words_peek(ws))
		if (parse_field(ws, e) < 0)
			return -EINVAL;
	if (e->count == 0 && e->n_fields)
		return words_complain(ws, "frames that must not be have no fields");
	return 0;
}

static int add_want(struct words *ws, struct expect *e, const char *key)
{
	struct step_want *want = &e->wants[e->n_wants];

	if (e->n_wants == STEP_WANTS_MAX)
		return words_complain(ws, "too many expectations; at most %d in one line",
				      STEP_WANTS_MAX);
	snprintf(want->key, sizeof(want->key), "%s", key);
	e->n_wants++;
	return words_value(ws, "value", &want->value);
}

/* KEY VALUE pairs of the keys in @known, which ends with NULL. */
static int parse_pairs(struct words *ws, struct expect *e, const char *const *known)
{
	char all[64] = "";

	for (const char *w; (w = words_take(ws));) {
		const char *const *k = known;

		while (*k && strcmp(*k, w) != 0)
			k++;
		if (*k) {
			if (add_want(ws, e, *k) < 0)
				return -EINVAL;
			continue;
		}
		for (size_t n = 0; *known && n < sizeof(all); known++)
			n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", *known);
		return words_complain(ws, "'%.40s' is not known here; there are%s", w, all);
	}
	return 0;
}

static int parse_served(struct words *ws, const struct socket_names *names, struct expect *e)
{
	static const char *const known[] = {"from", "local", "family", NULL};

	if (take_socket(ws, names, e) < 0)
		return -EINVAL;
	words_accept(ws, ":");
	if (words_accept(ws, "nobody"))
		return 0;
	return parse_pairs(ws, e, known);
}

static int parse_kernel(struct words *ws, const struct socket_names *names, struct expect *e)
{
	static const char *const known[] = {"family", "local", "peer", NULL};
	int side = take_side(ws);

	if (side < 0 || take_socket(ws, names, e) < 0)
		return -EINVAL;
	e->side = (enum lab_side)side;
	words_accept(ws, ":");
	return parse_pairs(ws, e, known);
}

static int parse_mib(struct words *ws, struct expect *e)
{
	int side = take_side(ws);
	const char *w = side < 0 ? NULL : words_take(ws);

	if (side < 0)
		return -EINVAL;
	if (!w || strlen(w) >= sizeof(e->counter))
		return words_complain(ws, "which counter? write a name as 'nstat -a' shows it");
	e->side = (enum lab_side)side;
	memcpy(e->counter, w, strlen(w) + 1);
	if (words_value(ws, "number", &e->delta) < 0)
		return -EINVAL;
	if (e->delta.kind != VALUE_NUMBER)
		return words_complain(ws, "a counter moves by a number, such as 1, 0 or >0");
	return 0;
}

static int parse_verdict(struct words *ws, const struct socket_names *names, struct expect *e)
{
	const char *w;
	int v, r;

	if (take_socket(ws, names, e) < 0)
		return -EINVAL;
	words_accept(ws, ":");
	w = words_peek(ws);
	for (v = 0; w && v < VERDICT_NUM; v++)
		if (strcmp(w, verdict_name((enum verdict)v)) == 0)
			break;
	if (!w || v == VERDICT_NUM)
		return words_complain(ws,
				      "'%.40s' is no verdict; there are confirmed, contradicted "
				      "and inconclusive",
				      w ? w : "");
	if (add_want(ws, e, "verdict") < 0)
		return -EINVAL;
	while ((w = words_peek(ws))) {
		for (r = 0; r < REASON_NUM; r++)
			if (strcmp(w, reason_name((enum reason)r)) == 0)
				break;
		if (r == REASON_NUM)
			return words_complain(ws, "'%.40s' is no reason of a verdict", w);
		if (add_want(ws, e, "reason") < 0)
			return -EINVAL;
	}
	return 0;
}

/* "of c:" has its colon at the word; apart it is easier to take. */
static void part_colons(const char *line, char *buf, size_t len)
{
	size_t n = 0;

	for (const char *p = line; *p && n + 2 < len; p++) {
		bool ends = *p == ':' && (p[1] == ' ' || !p[1]) && p != line && p[-1] != ' ';

		if (ends)
			buf[n++] = ' ';
		buf[n++] = *p;
	}
	buf[n] = '\0';
}

int expect_parse(const char *line, struct words *ws, const struct socket_names *names,
		 struct expect *e)
{
	char parted[WORDS_TEXT];
	int rc;

	*e = (struct expect){.sock = -1, .count = -1};
	part_colons(line, parted, sizeof(parted));
	if (words_cut(parted, ws) < 0)
		return -EINVAL;
	snprintf(e->text, sizeof(e->text), "%s", line);
	if (words_accept(ws, "wire")) {
		e->kind = EXPECT_WIRE;
		rc = parse_wire(ws, names, e);
	} else if (words_accept(ws, "served")) {
		e->kind = EXPECT_SERVED;
		rc = parse_served(ws, names, e);
	} else if (words_accept(ws, "kernel")) {
		e->kind = EXPECT_KERNEL;
		rc = parse_kernel(ws, names, e);
	} else if (words_accept(ws, "mib")) {
		e->kind = EXPECT_MIB;
		rc = parse_mib(ws, e);
	} else if (words_accept(ws, "verdict")) {
		e->kind = EXPECT_VERDICT;
		rc = parse_verdict(ws, names, e);
	} else {
		return words_complain(ws,
				      "'%.40s' is no view; there are wire, served, kernel, mib "
				      "and verdict",
				      words_peek(ws) ? words_peek(ws) : "");
	}
	if (rc == 0 && words_peek(ws))
		return words_complain(ws, "'%.40s' does not belong here", words_peek(ws));
	return rc;
}
