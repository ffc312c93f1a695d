/* SPDX-License-Identifier: MIT */
/* t_script.c - scripts against the TCP of the user-space stack, in virtual time */
#include "t_script_internal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* --- the link --- */

static uint8_t *link_reserve(void *arg, size_t len)
{
	struct run *r = arg;

	return r->link_full || len > sizeof(r->room) ? NULL : r->room;
}

static void link_commit(void *arg, size_t len)
{
	struct run *r = arg;
	struct frame_kept *f = &r->frames[(r->first + r->n) % FRAMES_MAX];

	cr_assert_lt(r->n, (size_t)FRAMES_MAX);
	memcpy(f->bytes, r->room, len);
	f->len = len;
	r->n++;
}

/* --- the user --- */

static void do_listen(struct run *r, char *line)
{
	struct stack_bind spec = {.family = AF_INET6,
				  .v6only = r->cfg_v6only,
				  .local = {.addr = ADDR_ANY6, .port = PORT}};
	char *w = word(&line);

	r->listener = stack_tcp_bind(r->s, &spec);
	if (r->listener < 0 || stack_tcp_listen(r->s, r->listener, w ? number(r, w) : 128) != 0)
		fail(r, "cannot listen: %s", strerror(-r->listener));
}

static void do_accept(struct run *r, char *line)
{
	struct stack_conn_info info;
	stack_conn conn;
	int rc = stack_accept(r->s, r->listener, &conn, &info);

	if (word(&line) != NULL) {
		if (rc != -EAGAIN)
			fail(r, "there was something to accept");
		return;
	}
	if (rc != 0) {
		fail(r, "nothing to accept");
		return;
	}
	r->conn = conn;
	r->received = r->sent = 0;
	if (!addr_eq(&info.peer.addr, &r->peer) || !addr_eq(&info.local.addr, &r->own) ||
	    info.local.port != PORT || info.family != AF_INET6 || info.wire_v6 != r->v6 ||
	    addr_is_mapped(&info.peer.addr) == r->v6 || info.v6only != r->cfg_v6only)
		fail(r, "accept shows the wrong addresses");
}

static void do_connect(struct run *r, char *line)
{
	struct endpoint to = {.addr = r->peer, .port = PEER_PORT};
	int rc = stack_connect(r->s, r->now, AF_INET6, r->cfg_v6only, -1, &to, &r->conn);
	char *w = word(&line);
	int want = w ? -errno_of(r, w) : 0;

	r->received = r->sent = 0;
	if (rc != want)
		fail(r, "connect: %s", strerror(-rc));
}

static void check_received(struct run *r, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != pattern(r->received + i)) {
			fail(r, "octet %llu of the stream is wrong",
			     (unsigned long long)(r->received + i));
			return;
		}
	}
	r->received += len;
}

static void do_recv(struct run *r, char *line)
{
	static uint8_t data[1 << 20];
	char *w = word(&line);
	ssize_t got;

	if (w == NULL) {
		fail(r, "receive what?");
		return;
	}
	if (w[0] >= '0' && w[0] <= '9' ? true : w[0] == '$') {
		uint32_t want = number(r, w);

		got = stack_read(r->s, r->conn, data, want, false);
		if (got != (ssize_t)want)
			fail(r, "received %zd octets, not %u", got, want);
		else
			check_received(r, data, (size_t)got);
		return;
	}
	got = stack_read(r->s, r->conn, data, sizeof(data), false);
	if (strcmp(w, "eof") == 0     ? got != 0
	    : strcmp(w, "again") == 0 ? got != -EAGAIN
				      : got != -errno_of(r, w))
		fail(r, "expected %s, received %zd", w, got);
}

static void do_take(struct run *r, char *line)
{
	uint32_t want = number(r, word(&line));
	int rc = stack_recv(r->s, r->conn, &r->buf);

	if (rc != 1 || r->buf.len != want)
		fail(r, "took %d, %zu octets", rc, rc == 1 ? r->buf.len : 0);
	else
		check_received(r, r->buf.data, r->buf.len);
}

static void do_send(struct run *r, char *line)
{
	static uint8_t data[1 << 20];
	char *w = word(&line), *takes = word(&line);
	uint32_t len, want;
	ssize_t got;

	if (w != NULL && w[0] == 'E') {
		got = stack_send(r->s, r->conn, "x", 1);
		if (got != -errno_of(r, w))
			fail(r, "expected %s, got %zd", w, got);
		return;
	}
	len = number(r, w);
	want = takes ? number(r, word(&line)) : len;
	for (uint32_t i = 0; i < len; i++)
		data[i] = pattern(r->sent + i);
	got = stack_send(r->s, r->conn, data, len);
	if (got != (ssize_t)want)
		fail(r, "sent %zd of %u", got, len);
	else
		r->sent += (uint64_t)got;
}

static void do_event(struct run *r, char *line)
{
	static const char *const names[] = {"accept",	"connected", "readable",
					    "writable", "closed",    "dgram"};
	char *w = word(&line), *e = word(&line);
	struct stack_event ev;
	bool any = stack_event(r->s, &ev);
	const char *got = any ? names[ev.type] : "none";

	if (w == NULL || strcmp(w, got) != 0)
		fail(r, "expected event %s, got %s", w ? w : "?", got);
	else if (any && ev.type == STACK_EV_CLOSED && ev.error != (e ? -errno_of(r, e) : 0))
		fail(r, "closed with %s", strerror(-ev.error));
}

/* --- what there is --- */

static void do_state(struct run *r, char *line)
{
	static const char *const names[TCP_S_NUM] = {"closed",	    "syn-sent",	  "syn-received",
						     "established", "fin-wait-1", "fin-wait-2",
						     "close-wait",  "closing",	  "last-ack"};
	static const char *const kinds[] = {
		NULL,
		[TCP_MINI_SYN] = "half-open",
		[TCP_MINI_TIME_WAIT] = "time-wait",
		[TCP_MINI_FIN_WAIT_2] = "fin-wait-2",
	};
	const struct tcp *t = r->s->tcp;
	uint8_t own = own_find(r->s, &r->own);
	uint32_t hash = tcp_hash(t, &r->peer, own, PEER_PORT, r->our_port).table;
	uint32_t i = tcp_lookup(t, hash, &r->peer, own, PEER_PORT, r->our_port);
	const char *got = "none", *w = word(&line);

	if (i & TCP_TAG)
		got = kinds[mini_at(t, i & ~TCP_TAG)->kind];
	else if (i != 0)
		got = names[conn_at(t, i)->state];
	else if (conn_find(t, r->conn) != 0)
		got = names[conn_at(t, (uint32_t)r->conn)->state];
	if (w == NULL || strcmp(w, got) != 0)
		fail(r, "expected state %s, it is %s", w ? w : "?", got);
}

static void do_stat(struct run *r, char *line)
{
	const char *w = word(&line), *name, *text;
	uint32_t want = number(r, word(&line));
	struct stack_stats st;
	uint64_t value;

	stack_stats(r->s, &st);
	if (w != NULL && strcmp(w, "conns") == 0) {
		if (st.conns != want)
			fail(r, "%u connections, not %u", st.conns, want);
		return;
	}
	if (w != NULL && strcmp(w, "segments_held") == 0) {
		if (st.segments_held != want)
			fail(r, "%u segments held, not %u", st.segments_held, want);
		return;
	}
	for (size_t i = 0; stack_stat_name(&st, i, &name, &text, &value); i++) {
		if (w != NULL && strcmp(name, w) == 0) {
			if (value != want)
				fail(r, "%s is %llu, not %u", w, (unsigned long long)value, want);
			return;
		}
	}
	fail(r, "no such counter: %s", w ? w : "");
}

static void do_info(struct run *r, char *line)
{
	const char *w = word(&line);
	uint32_t want = number(r, word(&line)), got;
	struct stack_conn_info info;

	if (stack_conn_info(r->s, r->conn, &info) != 0) {
		fail(r, "the connection is gone");
		return;
	}
	got = strcmp(w, "mss") == 0	  ? info.mss
	      : strcmp(w, "cwnd") == 0	  ? info.cwnd
	      : strcmp(w, "unacked") == 0 ? info.unacked
	      : strcmp(w, "unread") == 0  ? info.unread
					  : info.unsent;
	if (got != want)
		fail(r, "%s is %u, not %u", w, got, want);
}

static void do_icmp(struct run *r, char *line)
{
	const char *w = word(&line);
	struct icmp_error e = {.v6 = r->v6,
			       .own = own_find(r->s, &r->own),
			       .dst = r->peer,
			       .sport = r->our_port,
			       .dport = PEER_PORT};

	e.verdict = strcmp(w, "hard") == 0   ? ICMP_HARD
		    : strcmp(w, "soft") == 0 ? ICMP_SOFT
					     : ICMP_TOO_BIG;
	e.error = e.verdict == ICMP_HARD ? -ECONNREFUSED : -EHOSTUNREACH;
	if (e.verdict == ICMP_TOO_BIG)
		e.mtu = (uint16_t)number(r, word(&line));
	e.seq = r->our_iss + number(r, word(&line));
	tcp_icmp_error(r->s, r->now, &e);
}

static void do_advance(struct run *r, char *line)
{
	uint64_t until = r->now + (uint64_t)number(r, word(&line)) * NS_MS, due;

	while ((due = stack_deadline(r->s)) <= until) {
		if (due > r->now)
			r->now = due;
		stack_timers(r->s, r->now);
		stack_flush(r->s, r->now);
		if (stack_deadline(r->s) <= r->now)
			r->now += NS_MS; /* nothing may stand still */
	}
	r->now = until > r->now ? until : r->now;
	stack_timers(r->s, r->now);
}

/* --- running --- */

static void do_config(struct run *r, char *line)
{
	const struct {
		const char *name;
		uint32_t *number;
		bool *flag;
	} keys[] = {
		{"recv_buffer", &r->cfg.recv_buffer, NULL},
		{"send_buffer", &r->cfg.send_buffer, NULL},
		{"max_half_open", &r->cfg.max_half_open, NULL},
		{"max_time_wait", &r->cfg.max_time_wait, NULL},
		{"max_conns", &r->cfg.max_conns, NULL},
		{"min_rto_ms", &r->cfg.min_rto_ms, NULL},
		{"delack_ms", &r->cfg.delack_ms, NULL},
		{"time_wait_ms", &r->cfg.time_wait_ms, NULL},
		{"user_timeout_ms", &r->cfg.user_timeout_ms, NULL},
		{"no_timestamps", NULL, &r->cfg.no_timestamps},
		{"no_sack", NULL, &r->cfg.no_sack},
		{"no_wscale", NULL, &r->cfg.no_wscale},
		{"always_cookies", NULL, &r->cfg.always_cookies},
		{"v6only", NULL, &r->cfg_v6only},
	};
	const char *w = word(&line);

	for (size_t i = 0; w != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].name, w) != 0)
			continue;
		if (keys[i].flag != NULL)
			*keys[i].flag = true;
		else
			*keys[i].number = number(r, word(&line));
		return;
	}
	fail(r, "no such setting: %s", w ? w : "");
}

static void open_stack(struct run *r)
{
	int rc;

	if (r->s != NULL)
		return;
	rc = stack_create(&r->cfg, r->now, &r->s);
	if (rc != 0)
		fail(r, "no stack: %s", strerror(-rc));
}

static bool do_call(struct run *r, const char *w, char *line)
{
	if (strcmp(w, "close") == 0)
		stack_close(r->s, r->now, r->conn);
	else if (strcmp(w, "abort") == 0)
		stack_abort(r->s, r->now, r->conn);
	else if (strcmp(w, "shutdown") == 0)
		stack_shutdown_send(r->s, r->conn);
	else if (strcmp(w, "shutdown-recv") == 0)
		stack_shutdown_recv(r->s, r->conn);
	else if (strcmp(w, "unlisten") == 0)
		stack_tcp_unbind(r->s, r->now, r->listener);
	else if (strcmp(w, "nodelay") == 0)
		stack_set_nodelay(r->s, r->conn, true);
	else if (strcmp(w, "keepalive") == 0)
		stack_set_keepalive(r->s, r->now, r->conn, number(r, word(&line)));
	else if (strcmp(w, "release") == 0)
		stack_release(r->s, &r->buf);
	else if (strcmp(w, "drop") == 0)
		r->n = 0;
	else if (strcmp(w, "full") == 0 || strcmp(w, "room") == 0)
		r->link_full = *w == 'f';
	else
		return false;
	return true;
}

static void do_command(struct run *r, char *line)
{
	static const struct {
		const char *name;
		void (*run)(struct run *r, char *line);
	} commands[] = {{"<", do_segment_in},  {">", do_segment_out},	{"+", do_advance},
			{"listen", do_listen}, {"connect", do_connect}, {"accept", do_accept},
			{"recv", do_recv},     {"take", do_take},	{"send", do_send},
			{"event", do_event},   {"state", do_state},	{"stat", do_stat},
			{"info", do_info},     {"icmp", do_icmp}};
	char *w = word(&line);

	if (w == NULL || *w == '#')
		return;
	if (strcmp(w, "config") == 0) {
		do_config(r, line);
		return;
	}
	open_stack(r);
	if (r->failed != NULL || do_call(r, w, line))
		return;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, w) == 0) {
			commands[i].run(r, line);
			return;
		}
	}
	fail(r, "'%s' is no command", w);
}

static void run_line(struct run *r, const char *line, size_t len)
{
	char copy[LINE_MAX_LEN], *rest = copy, *next;

	cr_assert_lt(len, sizeof(copy));
	memcpy(copy, line, len);
	copy[len] = '\0';
	while (rest != NULL && r->failed == NULL) {
		next = strstr(rest, " ; ");
		if (next != NULL) {
			*next = '\0';
			next += 3;
		}
		do_command(r, rest);
		rest = next;
	}
	if (r->s != NULL)
		stack_flush(r->s, r->now);
}

static void run_one(const struct script *script, bool v6)
{
	static struct frame_kept frames[FRAMES_MAX];
	struct run r = {.script = script,
			.v6 = v6,
			.now = (uint64_t)START_MS * NS_MS,
			.listener = -1,
			.our_port = PORT,
			.peer_iss = v6 ? 1000 : 0xffffff00,
			.frames = frames};

	r.cfg = (struct stack_config){
		.link = {link_reserve, link_commit, &r}, .l3 = true, .n_addrs = 2};
	addr_parse("198.51.100.2", &r.cfg.addrs[0].addr, NULL);
	addr_parse("2001:db8:1::2", &r.cfg.addrs[1].addr, NULL);
	r.cfg.addrs[0].prefix_len = 24;
	r.cfg.addrs[1].prefix_len = 64;
	memset(r.cfg.secret, 0x5a, sizeof(r.cfg.secret));
	r.own = r.cfg.addrs[v6].addr;
	r.peer = r.own;
	r.peer.b[15] = 1;
	for (const char *p = script->text; *p != '\0' && r.failed == NULL;) {
		size_t len = strcspn(p, "\n");

		r.line++;
		run_line(&r, p, len);
		p += len + (p[len] == '\n');
	}
	if (r.failed == NULL && r.n > 0)
		do_segment_out(&r, (char[]){"none"});
	cr_expect(r.failed == NULL, "\"%s\", %s, line %d: %s", script->name,
		  v6 ? "IPv6" : "IPv4 on ::", r.line, r.failed);
	stack_destroy(r.s);
}

void run_scripts(const struct script *scripts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		run_one(&scripts[i], false);
		run_one(&scripts[i], true);
	}
}
