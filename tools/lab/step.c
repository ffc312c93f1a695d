/* SPDX-License-Identifier: MIT */
/* step.c - reads the steps of a case: those on sockets, and what must come of any */
#include "step_internal.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

enum { DEFAULT_MS = 1000, DEFAULT_SIZE = 20, DEFAULT_BACKLOG = 16 };

struct verb {
	const char *name, *usage;
	bool on_socket;
	const char *key; /* what a bare want is: "from", "value"; "result": only ok or an errno */
	step_args_fn parse;
};

int step_take_side(struct words *ws, struct step *st)
{
	if (words_accept(ws, "server"))
		st->side = LAB_SERVER;
	else
		words_accept(ws, "client");
	return 0;
}

int socket_name_find(const struct socket_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return (int)i;
	return -1;
}

static bool is_name(const char *w)
{
	if (!islower((unsigned char)*w))
		return false;
	for (; *w; w++)
		if (!islower((unsigned char)*w) && !isdigit((unsigned char)*w) && *w != '_')
			return false;
	return true;
}

/* Enters the name of a socket that comes into being; one that was closed may come again. */
static int new_name(struct words *ws, struct socket_names *names, const char *w, int *index)
{
	if (!w || !is_name(w) || strlen(w) >= SOCKET_NAME)
		return words_complain(
			ws,
			"'%.40s' is no name for a socket; use at most %d small letters and digits",
			w ? w : "", SOCKET_NAME - 1);
	*index = socket_name_find(names, w);
	if (*index >= 0)
		return 0;
	if (names->n == CASE_SOCKETS_MAX)
		return words_complain(ws, "too many sockets; a case has at most %d",
				      CASE_SOCKETS_MAX);
	*index = (int)names->n;
	memcpy(names->name[names->n++], w, strlen(w) + 1);
	return 0;
}

static int parse_socket(struct words *ws, struct socket_names *names, struct step *st)
{
	const char *w = words_take(ws);
	char known[120];

	(void)names;
	st->type = w ? socket_type_find(w) : NULL;
	if (!st->type) {
		socket_type_names(known, sizeof(known));
		return words_complain(ws, "'%.40s' is no type of socket; there are %s", w ? w : "",
				      known);
	}
	return step_take_side(ws, st);
}

static int parse_option(struct words *ws, struct step *st)
{
	const char *w = words_take(ws);
	const struct named_number *level;

	st->option = w ? socket_option_find(w) : NULL;
	if (!st->option)
		return words_complain(ws,
				      "'%.40s' is no option that is known here; "
				      "dualwire-cases(5) lists them",
				      w ? w : "");
	st->level = st->option->level;
	if (!words_accept(ws, "level"))
		return 0;
	w = words_take(ws);
	level = w ? level_find(w) : NULL;
	if (!level)
		return words_complain(ws,
				      "'%.40s' is no level; there are SOL_SOCKET, IPPROTO_IP, "
				      "IPPROTO_IPV6, IPPROTO_TCP and IPPROTO_UDP",
				      w ? w : "");
	st->level = (int)level->number;
	return 0;
}

/* Names of constants become their numbers. */
static void resolve_constant(struct case_value *v)
{
	const struct named_number *c = v->kind == VALUE_WORD ? constant_find(v->word) : NULL;

	if (c)
		*v = (struct case_value){.kind = VALUE_NUMBER, .number = c->number};
}

static bool is_hex(const char *w)
{
	size_t n = strlen(w);

	return n > 0 && n % 2 == 0 && strspn(w, "0123456789abcdefABCDEF") == n;
}

static int check_option_value(struct words *ws, const struct step *st, const char *w)
{
	const struct case_value *v = &st->value;
	const char *needs = NULL;

	switch (st->option->kind) {
	case OPTION_INT:
		needs = v->kind == VALUE_NUMBER && v->relation == VALUE_EQUAL &&
					v->number >= INT32_MIN && v->number <= UINT32_MAX
				? NULL
				: "a number, or the name of a constant";
		break;
	case OPTION_ADDR4:
		needs = v->kind == VALUE_ADDR && addr_is_mapped(&v->addr.addr) ? NULL
									       : "an IPv4 address";
		break;
	case OPTION_MREQ6:
	case OPTION_GROUP:
	case OPTION_MD5:
		needs = v->kind == VALUE_ADDR ? NULL : "an address";
		break;
	case OPTION_FILTER:
		needs = strcmp(w, "ipv4") == 0 || strcmp(w, "ipv6") == 0 ? NULL : "ipv4 or ipv6";
		break;
	case OPTION_BYTES:
		needs = is_hex(w) ? NULL : "hexadecimal digits, two a byte";
		break;
	case OPTION_INDEX:
		needs = strcmp(w, "link") == 0 || strcmp(w, "lo") == 0 ? NULL : "link or lo";
		break;
	case OPTION_TEXT:
		break;
	case OPTION_SYN:
		needs = "nothing: it can only be read";
		break;
	}
	if (needs)
		return words_complain(ws, "'%.40s' does not suit %s; it takes %s", w,
				      st->option->name, needs);
	return 0;
}

static int parse_set(struct words *ws, struct socket_names *names, struct step *st)
{
	int64_t n;
	const char *w;

	(void)names;
	if (parse_option(ws, st) < 0)
		return -EINVAL;
	w = words_peek(ws);
	if (words_value(ws, "value for the option", &st->value) < 0)
		return -EINVAL;
	snprintf(st->word, sizeof(st->word), "%s", w);
	resolve_constant(&st->value);
	if (check_option_value(ws, st, w) < 0)
		return -EINVAL;
	if (!words_accept(ws, "length"))
		return 0;
	if (words_number(ws, "length", 0, 128, &n) < 0)
		return -EINVAL;
	st->length = (int)n;
	return 0;
}

static int parse_get(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	return parse_option(ws, st);
}

/* [length N] [family AF_X] [within MS] [nowait], in any order. */
int step_take_manner(struct words *ws, struct step *st)
{
	const struct named_number *family;
	int64_t n;
	const char *w;

	for (;;) {
		if (words_accept(ws, "length")) {
			if (words_number(ws, "length", 0, 129, &n) < 0)
				return -EINVAL;
			st->length = (int)n;
		} else if (words_accept(ws, "family")) {
			w = words_take(ws);
			family = w ? family_find(w) : NULL;
			if (!family)
				return words_complain(ws,
						      "'%.40s' is no family; there are AF_INET, "
						      "AF_INET6 and AF_UNSPEC",
						      w ? w : "");
			st->family = (int)family->number;
		} else if (words_accept(ws, "within")) {
			if (words_number(ws, "time in ms", 0, STEP_WAIT_MAX_MS, &n) < 0)
				return -EINVAL;
			st->ms = (unsigned int)n;
		} else if (words_accept(ws, "nowait")) {
			st->flags |= STEP_NOWAIT;
		} else {
			return 0;
		}
	}
}

static int need_port(struct words *ws, const struct step *st)
{
	if (st->addr.has_port)
		return 0;
	return words_complain(ws, "the address has no port; write it as ADDRESS:P, or :* for any");
}

static int parse_address(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	st->target = TARGET_ADDR;
	if (st->verb == VERB_CONNECT && words_accept(ws, "nobody")) {
		st->target = TARGET_NOBODY;
		return step_take_manner(ws, st);
	}
	if (words_addr(ws, "address", &st->addr) < 0 || need_port(ws, st) < 0)
		return -EINVAL;
	return step_take_manner(ws, st);
}

static int parse_listen(struct words *ws, struct socket_names *names, struct step *st)
{
	int64_t n = DEFAULT_BACKLOG;

	(void)names;
	if (words_peek(ws) && words_number(ws, "backlog", 0, 1024, &n) < 0)
		return -EINVAL;
	st->size = (size_t)n;
	return 0;
}

static int parse_accept(struct words *ws, struct socket_names *names, struct step *st)
{
	const char *w = words_take(ws);

	if (new_name(ws, names, w, &st->other) < 0)
		return -EINVAL;
	return step_take_manner(ws, st);
}

int step_take_payload(struct words *ws, struct step *st)
{
	bool quoted = ws->quoted[ws->at];
	const char *w = words_take(ws);
	int64_t n;

	if (st->flags & STEP_PAYLOAD)
		return words_complain(ws,
				      "'%.40s' comes too much: what is sent stands there "
				      "already",
				      w);
	st->flags |= STEP_PAYLOAD;
	if (!quoted && case_number_parse(w, &n) == 0) {
		if (n < 0 || n > STEP_PAYLOAD_MAX)
			return words_complain(ws, "%lld bytes do not fit; at most %d", (long long)n,
					      STEP_PAYLOAD_MAX);
		st->size = (size_t)n;
		return 0;
	}
	if (!quoted)
		return words_complain(ws,
				      "'%.40s' does not belong here; a text to be sent stands "
				      "in quotes",
				      w);
	if (strlen(w) >= sizeof(st->word))
		return words_complain(ws, "the text is too long; at most %zu characters",
				      sizeof(st->word) - 1);
	memcpy(st->word, w, strlen(w) + 1);
	st->size = strlen(w);
	return 0;
}

/* NAME VALUE of a control message; with @absent there is no value. */
static int parse_item(struct words *ws, bool absent, struct step_item *it)
{
	const char *w = words_take(ws);

	it->item = w ? message_item_find(w) : NULL;
	if (!it->item) {
		words_complain(ws,
			       "'%.40s' is no control message that is known here; "
			       "dualwire-cases(5) lists them",
			       w ? w : "");
		return -EINVAL;
	}
	if (absent)
		return 0;
	return words_value(ws, "value for the control message", &it->value);
}

static int parse_msg_flag(struct words *ws, struct step *st)
{
	const struct named_number *f = words_peek(ws) ? message_flag_find(words_peek(ws)) : NULL;

	if (!f)
		return 0;
	words_take(ws);
	st->msg_flags |= (int)f->number;
	return 1;
}

static int parse_with(struct words *ws, struct step *st)
{
	struct step_item *it = &st->items[st->n_items];

	if (st->n_items == STEP_ITEMS_MAX)
		return words_complain(ws, "too many control messages; at most %d in one step",
				      STEP_ITEMS_MAX);
	if (parse_item(ws, false, it) < 0)
		return -EINVAL;
	if ((it->item->kind == MESSAGE_PKTINFO4 || it->item->kind == MESSAGE_PKTINFO6) !=
	    (it->value.kind == VALUE_ADDR))
		return words_complain(ws, "%s takes %s", it->item->name,
				      it->item->kind == MESSAGE_PKTINFO4 ||
						      it->item->kind == MESSAGE_PKTINFO6
					      ? "an address"
					      : "a number");
	if (it->item->kind == MESSAGE_ADDRESS || it->item->kind == MESSAGE_ERROR)
		return words_complain(ws, "%s can only be received", it->item->name);
	st->n_items++;
	return 0;
}

static int parse_send(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	st->size = DEFAULT_SIZE;
	while (words_peek(ws)) {
		if (words_accept(ws, "to")) {
			st->target = TARGET_SENDER;
			if (words_accept(ws, "sender"))
				continue;
			st->target = TARGET_ADDR;
			if (words_addr(ws, "address", &st->addr) < 0 || need_port(ws, st) < 0 ||
			    step_take_manner(ws, st) < 0)
				return -EINVAL;
		} else if (words_accept(ws, "with")) {
			if (parse_with(ws, st) < 0)
				return -EINVAL;
		} else if (parse_msg_flag(ws, st) == 0 && step_take_payload(ws, st) < 0) {
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_recv(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	while (parse_msg_flag(ws, st))
		;
	return step_take_manner(ws, st);
}

static int parse_timed(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	if (st->verb == VERB_QUIET)
		st->ms = 0;
	return step_take_manner(ws, st);
}

static int parse_nothing(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)ws;
	(void)names;
	(void)st;
	return 0;
}

static int parse_shutdown(struct words *ws, struct socket_names *names, struct step *st)
{
	(void)names;
	st->how = SHUT_WR;
	if (words_accept(ws, "read"))
		st->how = SHUT_RD;
	else if (words_accept(ws, "both"))
		st->how = SHUT_RDWR;
	else
		words_accept(ws, "write");
	return 0;
}

static int parse_wait(struct words *ws, struct socket_names *names, struct step *st)
{
	int64_t n;

	(void)names;
	if (words_number(ws, "time in ms", 1, STEP_WAIT_MAX_MS, &n) < 0)
		return -EINVAL;
	st->ms = (unsigned int)n;
	return 0;
}

static const struct verb TABLE[VERBS] = {
	[VERB_SOCKET] = {"socket", "NAME socket TYPE [client|server]", true, "result",
			 parse_socket},
	[VERB_SET] = {"set", "NAME set OPTION [level LEVEL] VALUE [length N]", true, "result",
		      parse_set},
	[VERB_GET] = {"get", "NAME get OPTION [level LEVEL] -> VALUE", true, "value", parse_get},
	[VERB_BIND] = {"bind", "NAME bind ADDRESS:PORT [length N] [family AF_X]", true, "result",
		       parse_address},
	[VERB_LISTEN] = {"listen", "NAME listen [BACKLOG]", true, "result", parse_listen},
	[VERB_CONNECT] = {"connect",
			  "NAME connect ADDRESS:PORT|nobody [within MS] [nowait] [length N] "
			  "[family AF_X]",
			  true, "result", parse_address},
	[VERB_AWAIT] = {"await", "NAME await [within MS]", true, "result", parse_timed},
	[VERB_ACCEPT] = {"accept", "NAME accept NEW [within MS] -> [from] ADDRESS", true, "from",
			 parse_accept},
	[VERB_SEND] =
		{"send",
		 "NAME send [BYTES|\"TEXT\"] [to ADDRESS:PORT|to sender] [with MESSAGE VALUE] "
		 "[MSG_FLAG]",
		 true, "result", parse_send},
	[VERB_RECV] = {"recv",
		       "NAME recv [MSG_FLAG] [within MS] -> [from ADDRESS] [bytes N] [text \"T\"] "
		       "[with MESSAGE VALUE] [without MESSAGE]",
		       true, "from", parse_recv},
	[VERB_TALK] = {"talk", "NAME talk [within MS]", true, "result", parse_timed},
	[VERB_NAME] = {"name", "NAME name -> ADDRESS[:PORT]", true, "address", parse_nothing},
	[VERB_PEER] = {"peer", "NAME peer -> ADDRESS[:PORT]", true, "address", parse_nothing},
	[VERB_DIAG] = {"diag",
		       "NAME diag -> [AF_X] [v6only 0|1|none] [state STATE] [local ADDRESS] [peer "
		       "ADDRESS]",
		       true, "family", parse_nothing},
	[VERB_QUIET] = {"quiet", "NAME quiet [within MS]", true, "result", parse_timed},
	[VERB_SHUTDOWN] = {"shutdown", "NAME shutdown [read|write|both]", true, "result",
			   parse_shutdown},
	[VERB_FINISH] = {"finish", "NAME finish [within MS]", true, "result", parse_timed},
	[VERB_CLOSE] = {"close", "NAME close", true, "result", parse_nothing},
	[VERB_WAIT] = {"wait", "wait MS", false, "result", parse_wait},
	[VERB_INJECT] = {"inject",
			 "inject [client|server] ipv4|ipv6 udp|syn|toobig MTU from ADDRESS:PORT to "
			 "ADDRESS:PORT "
			 "[ttl N] [tos N] [ethertype N] [header hopopts|dstopts|routing|fragment] "
			 "[badsum] [BYTES|\"TEXT\"]",
			 false, "result", step_args_inject},
	[VERB_SYSCTL] = {"sysctl", "sysctl client|server net.X.Y VALUE", false, "result",
			 step_args_sysctl},
	[VERB_RESOLVE] = {"resolve",
			  "resolve [client|server] HOST|null inet|inet6|unspec [FLAG...] -> "
			  "ADDRESS...",
			  false, "value", step_args_resolve},
	[VERB_NAMEINFO] = {"nameinfo",
			   "nameinfo [client|server] ADDRESS [numeric] [length N] -> NAME", false,
			   "value", step_args_nameinfo},
	[VERB_CLASSIFY] = {"classify", "classify ADDRESS -> MACRO...|nothing", false, "value",
			   step_args_address},
	[VERB_BLOCK] = {"block", "block ADDRESS -> PREFIX [rfc \"RFC N\"]", false, "value",
			step_args_address},
	[VERB_PTON] = {"pton", "pton inet|inet6 TEXT -> ADDRESS|invalid", false, "value",
		       step_args_pton},
	[VERB_NTOP] = {"ntop", "ntop ADDRESS [size N] -> TEXT", false, "value", step_args_address},
	[VERB_CHECKSUM] = {"checksum",
			   "checksum ipv4|ipv6 ADDRESS ADDRESS like ipv4|ipv6 ADDRESS ADDRESS -> "
			   "same|different",
			   false, "value", step_args_checksum},
};

const char *step_verb_name(enum step_verb v)
{
	return v < VERBS ? TABLE[v].name : NULL;
}

const char *step_verb_usage(enum step_verb v)
{
	return v < VERBS ? TABLE[v].usage : NULL;
}

static bool is_result(const char *w)
{
	return strcmp(w, "ok") == 0 || error_find(w) || resolver_error_find(w);
}

/* Keys that stand before their value in the wants of some verb. */
static bool is_key(enum step_verb verb, const char *w)
{
	static const struct {
		enum step_verb verb;
		const char *key;
	} keys[] = {
		{VERB_ACCEPT, "from"}, {VERB_ACCEPT, "length"}, {VERB_RECV, "from"},
		{VERB_RECV, "bytes"},  {VERB_RECV, "text"},	{VERB_DIAG, "family"},
		{VERB_DIAG, "v6only"}, {VERB_DIAG, "state"},	{VERB_DIAG, "local"},
		{VERB_DIAG, "peer"},   {VERB_BLOCK, "rfc"},	{VERB_SEND, "bytes"},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].verb == verb && strcmp(keys[i].key, w) == 0)
			return true;
	return false;
}

static void set_key(struct step_want *want, const char *key)
{
	snprintf(want->key, sizeof(want->key), "%s", key);
}

static int parse_message_want(struct words *ws, struct step_want *want)
{
	struct step_item it = {.item = NULL};

	if (parse_item(ws, want->absent, &it) < 0)
		return -EINVAL;
	set_key(want, it.item->name);
	want->value = it.value;
	return 0;
}

/* What is compared as it is written, even if it looks like an address. */
static bool is_text(enum step_verb verb, const char *key)
{
	return verb == VERB_NTOP || verb == VERB_BLOCK || verb == VERB_NAMEINFO ||
	       verb == VERB_CLASSIFY || strcmp(key, "text") == 0;
}

static int take_text_want(struct words *ws, struct step_want *want)
{
	const char *w = words_take(ws);

	want->value = value_of_word(w ? w : "");
	if (!w || strlen(w) >= sizeof(want->value.word))
		return words_complain(ws, "there is no text, or it is too long");
	return 0;
}

static int parse_want(struct words *ws, const struct step *st, struct step_want *want)
{
	const struct verb *v = &TABLE[st->verb];
	const char *w = words_peek(ws);

	if (is_result(w)) {
		set_key(want, "result");
		return words_value(ws, "result", &want->value);
	}
	if (st->verb == VERB_RECV &&
	    (words_accept(ws, "with") || (want->absent = words_accept(ws, "without"))))
		return parse_message_want(ws, want);
	if (is_key(st->verb, w)) {
		set_key(want, words_take(ws));
	} else if (strcmp(v->key, "result") == 0) {
		return words_complain(ws, "'%.40s' is no errno; write ok or a name such as EINVAL",
				      w);
	} else {
		set_key(want, v->key);
	}
	if (is_text(st->verb, want->key))
		return take_text_want(ws, want);
	if (words_value(ws, "value", &want->value) < 0)
		return -EINVAL;
	if (st->verb != VERB_DIAG)
		resolve_constant(&want->value);
	return 0;
}

static int parse_wants(struct words *ws, struct step *st)
{
	st->flags |= STEP_RESULT;
	if (!words_peek(ws))
		return words_complain(ws, "what must come of it? nothing stands behind ->");
	while (words_peek(ws)) {
		if (st->n_wants == STEP_WANTS_MAX)
			return words_complain(ws, "too many expectations; at most %d in one step",
					      STEP_WANTS_MAX);
		if (parse_want(ws, st, &st->wants[st->n_wants]) < 0)
			return -EINVAL;
		st->n_wants++;
	}
	return 0;
}

/* The verb, and before it the socket's name where it has one. */
static int parse_head(struct words *ws, struct socket_names *names, struct step *st)
{
	const char *first = words_take(ws), *w;

	if (!first)
		return words_complain(ws, "an empty step; leave the line out");
	for (int v = 0; v < VERBS; v++) {
		if (TABLE[v].on_socket || strcmp(TABLE[v].name, first) != 0)
			continue;
		st->verb = (enum step_verb)v;
		return 0;
	}
	w = words_take(ws);
	for (int v = 0; w && v < VERBS; v++) {
		if (!TABLE[v].on_socket || strcmp(TABLE[v].name, w) != 0)
			continue;
		st->verb = (enum step_verb)v;
		if (v == VERB_SOCKET)
			return new_name(ws, names, first, &st->sock);
		st->sock = socket_name_find(names, first);
		if (st->sock >= 0)
			return 0;
		return words_complain(ws,
				      "there is no socket '%.40s' yet; make it with '%.40s socket "
				      "tcp6' or accept it",
				      first, first);
	}
	return words_complain(
		ws,
		"'%.40s %.40s' is no step; a step is NAME VERB ..., such as 'c connect "
		"S4:P', see dualwire-cases(5)",
		first, w ? w : "");
}

int step_parse(const char *line, struct words *ws, struct socket_names *names, struct step *st)
{
	const char *arrow = strstr(line, " -> ");
	size_t n_words;

	*st = (struct step){.sock = -1, .other = -1, .family = -1, .length = -1, .ms = DEFAULT_MS};
	if (words_cut(line, ws) < 0)
		return -EINVAL;
	snprintf(st->text, sizeof(st->text), "%.*s",
		 arrow ? (int)(arrow - line) : (int)strlen(line), line);
	/* The words of the arguments end at the arrow. */
	n_words = ws->n;
	for (size_t i = 0; i < n_words && ws->n == n_words; i++)
		if (strcmp(ws->w[i], "->") == 0)
			ws->n = i;
	if (parse_head(ws, names, st) < 0 || TABLE[st->verb].parse(ws, names, st) < 0)
		return -EINVAL;
	if (words_peek(ws))
		return words_complain(ws, "'%.40s' does not belong here; write: %s", words_peek(ws),
				      TABLE[st->verb].usage);
	if (ws->n == n_words)
		return 0;
	ws->at = ws->n + 1;
	ws->n = n_words;
	return parse_wants(ws, st);
}
