/* SPDX-License-Identifier: MIT */
/* case_file.c - reads case files: INI through inih, one section a case */
#include "cases.h"

#include "builtin.h"
#include "setting.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>

/*
 * inih hands over a key and a value at a time, in order, and says neither in which line nor that a
 * section is empty. So the lines are read here, for it, one by one: that gives the number of the
 * line, the text of each case, the beginning of sections, and lines that inih would cut.
 *
 * A line that begins with a blank continues the value before it: inih calls again with the same
 * key.
 */
struct reader {
	FILE *in;
	const char *name; /* of the file */
	struct case_list *cases;
	size_t first; /* of this file, in @cases */
	int line;
	bool continued; /* the current line continues a value */
	bool in_case;
	bool has_key;	   /* since the case began */
	unsigned int seen; /* keys that may come once: enum once */
	char *text;	   /* of the current case, grows */
	size_t text_len, text_cap;
	char *err; /* the first complaint, CASE_ERROR bytes */
	bool no_memory;
};

enum once {
	ONCE_TITLE = 1 << 0,
	ONCE_GROUP = 1 << 1,
	ONCE_SOURCE = 1 << 2,
	ONCE_BY_HAND = 1 << 3,
	ONCE_CLIENT = 1 << 4,
	ONCE_SERVER = 1 << 5,
	ONCE_VERDICT = 1 << 6,
	ONCE_NEEDS = 1 << 7,
	ONCE_BYPASS_WHY = 1 << 8,
	ONCE_BYPASS_VERDICT = 1 << 9,
};

static int complain(struct reader *r, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(struct reader *r, int line, const char *fmt, ...)
{
	size_t n;
	va_list ap;

	if (r->err[0])
		return -EINVAL;
	n = (size_t)snprintf(r->err, CASE_ERROR, "%.120s:%d: ", r->name, line);
	va_start(ap, fmt);
	vsnprintf(r->err + n, CASE_ERROR - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int out_of_memory(struct reader *r)
{
	r->no_memory = true;
	return complain(r, r->line, "out of memory");
}

static struct lab_case *current(struct reader *r)
{
	return &r->cases->list[r->cases->n - 1];
}

/* Its text is borrowed, its steps and expectations perhaps. */
static void free_variant(struct lab_case *c)
{
	struct lab_case *v = c->bypass;

	if (!v)
		return;
	free((char *)v->differs);
	if (v->steps != c->steps)
		free(v->steps);
	if (v->expects != c->expects)
		free(v->expects);
	free(v);
}

static void free_case(struct lab_case *c)
{
	free_variant(c);
	free((char *)c->name);
	free((char *)c->title);
	free((char *)c->group);
	free((char *)c->source);
	free((char *)c->by_hand);
	free((char *)c->client);
	free((char *)c->server);
	free((char *)c->text);
	free((char *)c->file);
	free(c->settings);
	free(c->steps);
	free(c->expects);
	*c = (struct lab_case){0};
}

void case_list_free(struct case_list *cases)
{
	for (size_t i = 0; i < cases->n; i++)
		free_case(&cases->list[i]);
	free(cases->list);
	*cases = (struct case_list){0};
}

/* Room for one more element of @size bytes behind @n. Returns the element, zeroed, or NULL. */
static void *grow(void *list, size_t n, size_t size)
{
	void **at = list;
	size_t cap = n < 8 ? 8 : 2 * n;

	if (n == 0 || (n >= 8 && (n & (n - 1)) == 0)) {
		void *more = reallocarray(*at, cap, size);

		if (!more)
			return NULL;
		*at = more;
	}
	return memset((char *)*at + n * size, 0, size);
}

static int set_text(struct reader *r, const char **field, const char *value, const char *glue)
{
	char *text;
	int n = *field && **field ? asprintf(&text, "%s%s%s", *field, glue, value)
				  : asprintf(&text, "%s", value);

	if (n < 0)
		return out_of_memory(r);
	free((char *)*field);
	*field = text;
	return 0;
}

/* A key that may stand once; what continues it is appended. */
static int put_text(struct reader *r, enum once once, const char **field, const char *value,
		    const char *glue)
{
	if (!r->continued && r->seen & once)
		return complain(r, r->line,
				"this key stands a second time; continue a value with a "
				"line that begins with a blank");
	r->seen |= once;
	return set_text(r, field, value, glue);
}

static int put_listener(struct reader *r, const char *value)
{
	struct lab_case *c = current(r);
	struct words ws = {.n = 0};

	if (c->n_listeners == CASE_LISTENERS_MAX)
		return complain(r, r->line, "too many listeners; a case has at most %d",
				CASE_LISTENERS_MAX);
	if (listener_parse(value, &ws, &c->listeners[c->n_listeners]) < 0)
		return complain(r, r->line, "server: %s", ws.complaint);
	c->n_listeners++;
	return 0;
}

static int put_setting(struct reader *r, enum setting_kind kind, const char *value)
{
	struct lab_case *c = current(r);
	struct case_setting *s = grow(&c->settings, c->n_settings, sizeof(*s));
	struct words ws;

	if (!s)
		return out_of_memory(r);
	if (c->n_settings == CASE_SETTINGS_MAX)
		return complain(r, r->line, "too many settings; a case has at most %d",
				CASE_SETTINGS_MAX);
	if (setting_parse(kind, value, &ws, s) < 0)
		return complain(r, r->line, "%s", ws.complaint);
	s->line = r->line;
	c->n_settings++;
	/* Files are laid before the resolver case by case: nobody else sees them. */
	c->own_lab |= kind != SETTING_HOSTS && kind != SETTING_GAI;
	return 0;
}

/* The case as it is for our own stack, made when something of it is first written. */
static struct lab_case *variant(struct reader *r)
{
	struct lab_case *c = current(r);

	if (!c->bypass)
		c->bypass = calloc(1, sizeof(*c->bypass));
	if (!c->bypass)
		out_of_memory(r);
	return c->bypass;
}

static int put_step(struct reader *r, struct lab_case *c, const char *value)
{
	struct step *st = grow(&c->steps, c->n_steps, sizeof(*st));
	struct words ws;

	if (!st)
		return out_of_memory(r);
	if (c->n_steps == CASE_STEPS_MAX)
		return complain(r, r->line, "too many steps; a case has at most %d",
				CASE_STEPS_MAX);
	if (step_parse(value, &ws, &c->sockets, st) < 0)
		return complain(r, r->line, "%s", ws.complaint);
	st->line = r->line;
	c->n_steps++;
	/* A host remembers what it is told about a path. */
	c->own_lab |= st->verb == VERB_SYSCTL || (st->verb == VERB_INJECT && st->frame.mtu);
	return 0;
}

/* Kept as text until the section ends: it may name a socket of a later step. */
static int put_expect(struct reader *r, struct lab_case *c, const char *value)
{
	struct expect *e = grow(&c->expects, c->n_expects, sizeof(*e));

	if (!e)
		return out_of_memory(r);
	if (c->n_expects == CASE_STEPS_MAX)
		return complain(r, r->line, "too many expectations; a case has at most %d",
				CASE_STEPS_MAX);
	if (strlen(value) >= sizeof(e->text))
		return complain(r, r->line, "the line is too long");
	memcpy(e->text, value, strlen(value) + 1);
	e->line = r->line;
	c->n_expects++;
	return 0;
}

static int put_verdict(struct reader *r, struct lab_case *c, enum once once, const char *value)
{
	if (r->seen & once)
		return complain(r, r->line,
				"a case has one verdict; 'expect = verdict SOCKET: ...' "
				"is for one connection");
	r->seen |= once;
	c->judged = strcmp(value, "none") != 0;
	for (int v = 0; c->judged && v < VERDICT_NUM; v++) {
		c->expected = (enum verdict)v;
		if (strcmp(value, verdict_name(c->expected)) == 0)
			return 0;
	}
	if (c->judged)
		return complain(r, r->line,
				"'%.40s' is no verdict; there are confirmed, "
				"contradicted, inconclusive and none",
				value);
	c->expected = VERDICT_INCONCLUSIVE;
	return 0;
}

static int put_needs(struct reader *r, const char *value)
{
	if (strcmp(value, "root") != 0)
		return complain(r, r->line,
				"'%.40s' cannot be asked for; only root can: what else a "
				"case needs shows in its settings",
				value);
	current(r)->needs_root = true;
	return 0;
}

/* What is otherwise with our own stack: "bypass why", "bypass step" ... */
static int put_bypass(struct reader *r, const char *key, const char *value)
{
	struct lab_case *v = variant(r);

	if (!v)
		return -ENOMEM;
	if (strcmp(key, "why") == 0)
		return put_text(r, ONCE_BYPASS_WHY, &v->differs, value, " ");
	if (strcmp(key, "step") == 0 || strcmp(key, "steps") == 0)
		return put_step(r, v, value);
	if (strcmp(key, "expect") == 0)
		return put_expect(r, v, value);
	if (strcmp(key, "verdict") == 0)
		return put_verdict(r, v, ONCE_BYPASS_VERDICT, value);
	return complain(r, r->line,
			"there is no key 'bypass %.40s'; there are bypass why, bypass step, bypass "
			"expect and bypass verdict",
			key);
}

static int put(struct reader *r, const char *key, const char *value)
{
	struct lab_case *c = current(r);
	enum setting_kind kind;

	if (strncmp(key, "bypass ", 7) == 0)
		return put_bypass(r, key + 7, value);
	if (strcmp(key, "step") == 0 || strcmp(key, "steps") == 0)
		return put_step(r, c, value);
	if (strcmp(key, "expect") == 0)
		return put_expect(r, c, value);
	if (strcmp(key, "server") == 0)
		return put_listener(r, value);
	if (strcmp(key, "title") == 0)
		return put_text(r, ONCE_TITLE, &c->title, value, " ");
	if (strcmp(key, "group") == 0)
		return put_text(r, ONCE_GROUP, &c->group, value, " ");
	if (strcmp(key, "source") == 0)
		return put_text(r, ONCE_SOURCE, &c->source, value, " ");
	if (strcmp(key, "by hand") == 0)
		return put_text(r, ONCE_BY_HAND, &c->by_hand, value, "\n");
	if (strcmp(key, "client text") == 0)
		return put_text(r, ONCE_CLIENT, &c->client, value, " ");
	if (strcmp(key, "server text") == 0)
		return put_text(r, ONCE_SERVER, &c->server, value, " ");
	if (strcmp(key, "verdict") == 0)
		return put_verdict(r, c, ONCE_VERDICT, value);
	if (strcmp(key, "needs") == 0)
		return put_needs(r, value);
	if (setting_key(key, &kind))
		return put_setting(r, kind, value);
	return complain(r, r->line,
			"there is no key '%.40s'; there are title, group, source, by hand, client "
			"text, server text, server, step, expect, verdict, needs, sysctl, address, "
			"route, nft, hosts, gai and dns, and bypass why, step, expect and verdict",
			key);
}

/* inih: 0 is an error, and reading goes on all the same. */
static int handle(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;

	if (r->err[0])
		return 0;
	if (!r->in_case || !*section)
		return complain(r, r->line, "a key before the first case; begin with [NAME]") == 0;
	r->has_key = true;
	/* "step =" alone: what continues it are the steps. */
	if (!*value)
		return 1;
	return put(r, key, value) == 0;
}

static int parse_expects(struct reader *r, struct lab_case *c)
{
	struct words ws;

	for (size_t i = 0; i < c->n_expects; i++) {
		char text[STEP_TEXT];
		int line = c->expects[i].line;

		memcpy(text, c->expects[i].text, sizeof(text));
		if (expect_parse(text, &ws, &c->sockets, &c->expects[i]) < 0)
			return complain(r, line, "%s", ws.complaint);
		c->expects[i].line = line;
	}
	return 0;
}

/*
 * The variant of a whole case: what was not written for it is the case's own. Without anything but
 * its reason the case is not for our stack.
 */
static int end_variant(struct reader *r, struct lab_case *c)
{
	struct lab_case *v = c->bypass, written;

	if (!v)
		return 0;
	written = *v;
	if (!written.differs)
		return complain(r, c->line,
				"case %s is another one with our own stack; say in 'bypass why' "
				"what is different",
				c->name);
	*v = *c;
	v->bypass = NULL;
	v->differs = written.differs;
	v->bypass_never =
		!written.n_steps && !written.n_expects && !(r->seen & ONCE_BYPASS_VERDICT);
	if (written.n_steps) {
		v->steps = written.steps;
		v->n_steps = written.n_steps;
		v->sockets = written.sockets;
		v->own_lab |= written.own_lab;
	}
	if (written.n_expects) {
		v->expects = written.expects;
		v->n_expects = written.n_expects;
	} else if (written.n_steps && c->n_expects) { /* which name the sockets of other steps */
		v->expects = reallocarray(NULL, c->n_expects, sizeof(*v->expects));
		if (!v->expects)
			return out_of_memory(r);
		memcpy(v->expects, c->expects, c->n_expects * sizeof(*v->expects));
	}
	if (r->seen & ONCE_BYPASS_VERDICT) {
		v->judged = written.judged;
		v->expected = written.expected;
	}
	return v->expects != c->expects ? parse_expects(r, v) : 0;
}

static int fill_in(struct reader *r, const char **field, const char *value)
{
	return *field ? 0 : set_text(r, field, value, "");
}

/* Comments and empty lines at the end belong to what follows. */
static void trim_text(struct reader *r)
{
	while (r->text_len > 0) {
		size_t at = r->text_len - 1;

		while (at > 0 && r->text[at - 1] != '\n')
			at--;
		if (!strchr(";#\r\n", r->text[at]))
			return;
		r->text[at] = '\0';
		r->text_len = at;
	}
}

/* The section that ends here must be a whole case. */
static int end_case(struct reader *r)
{
	struct lab_case *c;

	if (!r->in_case || r->err[0])
		return 0;
	r->in_case = false;
	c = current(r);
	if (!c->title)
		return complain(r, c->line, "case %s has no title; say in one line what it shows",
				c->name);
	if (c->n_steps == 0)
		return complain(r, c->line, "case %s does nothing; give it steps", c->name);
	if (c->n_steps && parse_expects(r, c) < 0)
		return -EINVAL;
	if (fill_in(r, &c->group, "own") < 0 || fill_in(r, &c->source, "") < 0 ||
	    fill_in(r, &c->by_hand, "") < 0 || fill_in(r, &c->client, "") < 0 ||
	    fill_in(r, &c->server, "") < 0 || set_text(r, &c->file, r->name, "") < 0)
		return -EINVAL;
	trim_text(r);
	c->text = r->text;
	r->text = NULL;
	r->text_len = r->text_cap = 0;
	return end_variant(r, c);
}

/* Is "[NAME]" a name that nobody has yet? */
static int check_name(struct reader *r, const char *name, size_t n)
{
	if (n == 0 || n >= EVIDENCE_NAME_MAX - 1 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") < n)
		return complain(r, r->line,
				"'%.*s' is no name for a case; use at most %d small "
				"letters, digits and dashes",
				(int)(n > 60 ? 60 : n), name, EVIDENCE_NAME_MAX - 2);
	for (size_t i = 0; i < r->cases->n; i++)
		if (strlen(r->cases->list[i].name) == n &&
		    strncmp(r->cases->list[i].name, name, n) == 0)
			return complain(r, r->line,
					"there is a case '%.*s' already, in %.100s line "
					"%d; choose another name",
					(int)n, name, r->cases->list[i].file,
					r->cases->list[i].line);
	return 0;
}

static int begin_case(struct reader *r, const char *open)
{
	const char *close = strchr(open, ']');
	struct case_list *cases = r->cases;
	struct lab_case *c;

	if (end_case(r) < 0)
		return -EINVAL;
	if (!close)
		return complain(r, r->line, "the name of a case ends with ]");
	if (check_name(r, open + 1, (size_t)(close - open - 1)) < 0)
		return -EINVAL;
	if (cases->n == CASES_MAX)
		return complain(r, r->line, "too many cases; there is room for %d", CASES_MAX);
	c = grow(&cases->list, cases->n, sizeof(*c));
	if (!c)
		return out_of_memory(r);
	cases->n++;
	*c = (struct lab_case){.line = r->line, .judged = true, .expected = VERDICT_CONFIRMED};
	c->name = strndup(open + 1, (size_t)(close - open - 1));
	r->in_case = true;
	r->has_key = false;
	r->seen = 0;
	return c->name ? 0 : out_of_memory(r);
}

static int keep_line(struct reader *r, const char *line, size_t n)
{
	size_t cap = r->text_cap ? r->text_cap : 1024;
	char *text;

	if (r->text_len + n + 1 > r->text_cap) {
		while (cap < r->text_len + n + 1)
			cap *= 2;
		text = realloc(r->text, cap);
		if (!text)
			return out_of_memory(r);
		r->text = text;
		r->text_cap = cap;
	}
	memcpy(r->text + r->text_len, line, n);
	r->text_len += n;
	r->text[r->text_len] = '\0';
	return 0;
}

/* Reads a line as fgets(3) does, but no control characters. Returns its length, 0 at the end. */
static size_t read_line(struct reader *r, char *buf, size_t size)
{
	size_t n = 0;
	int c = 0;

	while (n + 1 < size && c != '\n' && (c = getc(r->in)) != EOF) {
		if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == '\x7f')
			complain(r, r->line + 1, "a control character; this is to be plain text");
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return n;
}

/* One line for inih, noted on the way. Signature and meaning of fgets(3). */
static char *next_line(char *buf, int size, void *stream)
{
	struct reader *r = stream;
	const char *start;
	size_t n = r->err[0] ? 0 : read_line(r, buf, (size_t)size);

	if (n == 0 || r->err[0])
		return NULL;
	r->line++;
	if (n + 1 == (size_t)size && buf[n - 1] != '\n') {
		complain(r, r->line,
			 "the line is longer than %d characters; go on in a next line "
			 "that begins with a blank",
			 size - 2);
		return NULL;
	}
	start = buf + strspn(buf, " \t");
	r->continued = start != buf;
	if (*start == '[' && start == buf) {
		if (begin_case(r, start) < 0)
			return NULL;
	} else if (*start == '[' && !r->has_key) { /* else it continues a value */
		complain(r, r->line, "the name of a case begins in the first column");
		return NULL;
	}
	return r->in_case && keep_line(r, buf, n) < 0 ? NULL : buf;
}

static void drop_new_cases(struct reader *r)
{
	while (r->cases->n > r->first)
		free_case(&r->cases->list[--r->cases->n]);
}

int case_file_read(FILE *in, const char *name, struct case_list *cases, char err[CASE_ERROR])
{
	struct reader r = {.in = in, .name = name, .cases = cases, .first = cases->n, .err = err};
	int bad;

	err[0] = '\0';
	bad = ini_parse_stream(next_line, &r, handle, &r);
	if (bad > 0)
		complain(&r, bad, "neither [NAME] nor KEY = VALUE");
	if (ferror(in))
		complain(&r, r.line + 1, "cannot be read");
	end_case(&r);
	if (!err[0] && cases->n == r.first)
		complain(&r, r.line, "there is no case in this file; a case begins with [NAME]");
	free(r.text);
	if (!err[0])
		return 0;
	drop_new_cases(&r);
	return r.no_memory ? -ENOMEM : -EINVAL;
}

int cases_builtin(struct case_list *cases, char err[CASE_ERROR])
{
	int rc = 0;

	for (size_t i = 0; i < BUILTIN_FILES_N && rc == 0; i++) {
		const struct builtin_file *f = &BUILTIN_FILES[i];
		FILE *in = fmemopen((char *)f->text, strlen(f->text), "r");

		if (!in)
			return -ENOMEM;
		rc = case_file_read(in, f->name, cases, err);
		fclose(in);
	}
	return rc;
}
