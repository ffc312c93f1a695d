/* SPDX-License-Identifier: MIT */
/* play.c - carries out the steps of one case, and checks what came of each */
#include "play.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

static int play_pause(struct play *p, const struct step *st, struct outcome *out)
{
	(void)p;
	(void)out;
	poll(NULL, 0, (int)st->ms);
	return 0;
}

static const play_fn TABLE[VERBS] = {
	[VERB_SOCKET] = play_socket,	 [VERB_SET] = play_set,
	[VERB_GET] = play_get,		 [VERB_BIND] = play_bind,
	[VERB_LISTEN] = play_listen,	 [VERB_CONNECT] = play_connect,
	[VERB_AWAIT] = play_await,	 [VERB_ACCEPT] = play_accept,
	[VERB_SEND] = play_send,	 [VERB_RECV] = play_recv,
	[VERB_TALK] = play_talk,	 [VERB_NAME] = play_name,
	[VERB_PEER] = play_name,	 [VERB_DIAG] = play_diag,
	[VERB_QUIET] = play_quiet,	 [VERB_SHUTDOWN] = play_shutdown,
	[VERB_FINISH] = play_finish,	 [VERB_CLOSE] = play_close,
	[VERB_WAIT] = play_pause,	 [VERB_INJECT] = play_inject,
	[VERB_SYSCTL] = play_sysctl,	 [VERB_RESOLVE] = play_resolve,
	[VERB_NAMEINFO] = play_nameinfo, [VERB_CLASSIFY] = play_classify,
	[VERB_BLOCK] = play_block,	 [VERB_PTON] = play_pton,
	[VERB_NTOP] = play_ntop,	 [VERB_CHECKSUM] = play_checksum,
};

void outcome_add(struct outcome *out, const char *key, const struct case_value *v)
{
	if (out->n == OUTCOME_MAX)
		return;
	out->got[out->n].key = key;
	out->got[out->n++].value = *v;
}

void outcome_word(struct outcome *out, const char *key, const char *word)
{
	struct case_value v = value_of_word(word);

	outcome_add(out, key, &v);
}

int play_sockaddr(const struct play *p, const struct step *st, enum lab_side side, void *ss)
{
	struct endpoint ep = case_addr_endpoint(&st->addr, p->base, p->lab->host[side].ifindex);
	int family = st->addr.form == ADDR_FORM_INET ? AF_INET : AF_INET6;
	struct sockaddr_storage full;
	int len = endpoint_to_sockaddr(&ep, family, &full);

	memset(ss, 0, SOCKADDR_ROOM);
	if (st->family >= 0)
		full.ss_family = (sa_family_t)st->family;
	memcpy(ss, &full, (size_t)len);
	return st->length >= 0 ? st->length : len;
}

int play_wait(const struct play_socket *s, short events, unsigned int ms)
{
	return s->on->calls->wait(s->on, s->fd, events, ms);
}

void play_note_port(struct play_socket *s)
{
	struct endpoint ep;

	if (socket_host_local(s->on, s->fd, &ep) == 0 && ep.port)
		s->port = ep.port;
}

uint16_t play_port(const struct play *p, int sock)
{
	return sock < 0 ? 0 : p->socks[sock].port;
}

void play_flush_record(struct play *p, struct play_socket *s)
{
	bool said = s->rec.proto != IPPROTO_UDP || s->rec.bytes_in || s->rec.bytes_out;

	if (s->has_rec && said)
		evidence_add_api(witness_evidence(p->witness), &s->rec);
	s->has_rec = false;
}

/* All values of one key, wanted and got, must be the same ones in the same order. */
static bool key_meets(const struct play *p, const struct step *st, const char *key,
		      const struct outcome *out)
{
	size_t w = 0;

	for (size_t i = 0; i < out->n; i++) {
		if (strcmp(out->got[i].key, key) != 0)
			continue;
		while (w < st->n_wants && (strcmp(st->wants[w].key, key) != 0))
			w++;
		if (w == st->n_wants || st->wants[w].absent ||
		    !case_value_meets(&st->wants[w].value, &out->got[i].value, p->base))
			return false;
		w++;
	}
	while (w < st->n_wants && (strcmp(st->wants[w].key, key) != 0 || st->wants[w].absent))
		w++;
	return w == st->n_wants;
}

static void append(char *buf, const char *text)
{
	size_t n = strlen(buf);

	snprintf(buf + n, CHECK_TEXT - n, "%s%s", n ? " " : "", text);
}

static bool wants_port(const struct step *st, const char *key)
{
	for (size_t i = 0; i < st->n_wants; i++)
		if (strcmp(st->wants[i].key, key) == 0 && st->wants[i].value.addr.has_port)
			return true;
	return false;
}

/* A port that nobody asked for is a different one each time. */
static void print_got(const struct play *p, const struct step *st, const char *key,
		      const struct outcome *out, char *buf)
{
	char text[VALUE_TEXT];

	buf[0] = '\0';
	for (size_t i = 0; i < out->n; i++) {
		struct case_value v = out->got[i].value;

		if (strcmp(out->got[i].key, key) != 0)
			continue;
		v.addr.has_port &= wants_port(st, key);
		append(buf, case_value_print(&v, p->base, text));
	}
	if (!buf[0])
		append(buf, "nothing");
}

static void print_want(const struct play *p, const struct step *st, const char *key, char *buf)
{
	char text[VALUE_TEXT];

	buf[0] = '\0';
	for (size_t i = 0; i < st->n_wants; i++)
		if (strcmp(st->wants[i].key, key) == 0)
			append(buf, st->wants[i].absent
					    ? "nothing"
					    : case_value_print(&st->wants[i].value, p->base, text));
}

/* The keys that say something in themselves are named in the check. */
static void print_what(const struct step *st, const char *key, char *buf)
{
	bool plain = strcmp(key, "result") == 0 || strcmp(key, "value") == 0 ||
		     strcmp(key, "address") == 0;

	snprintf(buf, CHECK_TEXT, "%.100s%s%s", st->text, plain ? "" : ", ", plain ? "" : key);
}

static void check_key(struct play *p, const struct step *st, const char *key,
		      const struct outcome *out)
{
	char what[CHECK_TEXT], want[CHECK_TEXT], got[CHECK_TEXT];

	print_what(st, key, what);
	print_want(p, st, key, want);
	print_got(p, st, key, out, got);
	case_result_check(p->res, st->verb == VERB_DIAG ? CHECK_KERNEL : CHECK_API,
			  key_meets(p, st, key, out), what, want, got);
}

static bool first_of_key(const struct step *st, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(st->wants[k].key, st->wants[i].key) == 0)
			return false;
	return true;
}

static bool wants_result(const struct step *st)
{
	for (size_t i = 0; i < st->n_wants; i++)
		if (strcmp(st->wants[i].key, "result") == 0)
			return true;
	return false;
}

/* Returns whether the case can go on: a step that had to work and did not ends it. */
static bool check_step(struct play *p, const struct step *st, struct outcome *out)
{
	bool ok = strcmp(out->result, "ok") == 0, expected = wants_result(st);

	outcome_word(out, "result", out->result);
	if (!expected && !ok) {
		case_result_check(p->res, CHECK_API, false, st->text, "ok", out->result);
		return false;
	}
	/* That nothing came is an observation, also without being asked for. */
	if (st->verb == VERB_QUIET && !expected)
		case_result_check(p->res, CHECK_API, true, st->text, "ok", out->result);
	for (size_t i = 0; i < st->n_wants; i++)
		if (first_of_key(st, i))
			check_key(p, st, st->wants[i].key, out);
	return true;
}

static bool play_step(struct play *p, const struct step *st)
{
	struct outcome out = {.n = 0};
	bool needs_socket = st->sock >= 0 && st->verb != VERB_SOCKET;
	int rc = needs_socket && p->socks[st->sock].fd < 0 ? -EBADF : TABLE[st->verb](p, st, &out);

	if (st->verb == VERB_DIAG && rc == 0 && p->socks[st->sock].on->stack)
		return true; /* what was looked for instead is checked already */
	if (!out.result[0])
		snprintf(out.result, sizeof(out.result), "%s",
			 rc < 0 ? strerrorname_np(-rc) : "ok");
	return check_step(p, st, &out);
}

/* Is one of the server's sockets of the case waiting for whoever comes? */
static bool has_waiting(const struct play *p)
{
	for (int i = 0; i < CASE_SOCKETS_MAX; i++) {
		const struct play_socket *s = &p->socks[i];
		int listens = 0;
		socklen_t len = sizeof(listens);

		if (s->fd < 0 || s->side != LAB_SERVER)
			continue;
		if (s->proto == IPPROTO_UDP)
			return true;
		if (s->on->calls->getsockopt(s->on, s->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens,
					     &len) == 0 &&
		    listens)
			return true;
	}
	return false;
}

void play_case(struct play *p)
{
	bool on = true;

	for (int i = 0; i < CASE_SOCKETS_MAX; i++)
		p->socks[i] = (struct play_socket){.fd = -1};
	for (size_t i = 0; i < p->c->n_steps && on; i++) {
		on = play_step(p, &p->c->steps[i]);
		witness_step(p->witness);
	}
	/* Of a listener the kernel says nothing at its end: it is asked before. */
	if (has_waiting(p))
		witness_dump_sockets(p->witness);
	play_close_all(p);
}
