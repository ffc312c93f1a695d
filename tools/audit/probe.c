/* SPDX-License-Identifier: MIT */
/* probe.c - many small clients at once, each a state machine on a non-blocking socket */
#include "probe.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/netns.h"
#include "../../uring/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Those under way: their numbers in the list. */
struct batch {
	struct probe *list;
	size_t running[PROBES_AT_ONCE];
	size_t n;
};

static uint64_t now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

static void finish(struct probe *p, enum probe_result result, int error)
{
	p->result = result;
	p->error = error;
	p->step = PROBE_DONE;
	if (p->fd >= 0 && !(p->hold && p->connected)) {
		close(p->fd);
		p->fd = -1;
	}
}

/* Without them an unconnected UDP socket is not told that nobody listens. */
static int want_errors(int fd, int family)
{
	int ret = sockopt_set_int(fd, SOL_IP, IP_RECVERR, 1);

	if (ret == 0 && family == AF_INET6)
		ret = sockopt_set_int(fd, SOL_IPV6, IPV6_RECVERR, 1);
	return ret;
}

static int open_socket(int netns_fd, struct probe *p)
{
	int type = p->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	struct sockaddr_storage ss;
	int len, ret = 0;

	p->fd = netns_socket(netns_fd, p->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, p->proto);
	if (p->fd < 0)
		return p->fd;
	if (p->family == AF_INET6)
		ret = sockopt_set_v6only(p->fd, false);
	if (ret == 0 && p->proto == IPPROTO_UDP)
		ret = want_errors(p->fd, p->family);
	len = ret < 0 ? ret : endpoint_to_sockaddr(&p->from, p->family, &ss);
	if (len < 0)
		return len;
	return bind(p->fd, (struct sockaddr *)&ss, (socklen_t)len) < 0 ? -errno : 0;
}

static bool is_refusal(int error)
{
	return error == -ECONNREFUSED || error == -ECONNRESET || error == -EHOSTUNREACH ||
	       error == -EACCES || error == -ENETUNREACH;
}

/* A stream that has connected speaks; what it sends is small and fits the socket's buffer. */
static void speak(struct probe *p)
{
	p->connected = true;
	p->step = PROBE_WAITING;
	p->deadline_ms = now_ms() + p->wait_ms;
	sockopt_local(p->fd, &p->local);
	if (p->say_len && send(p->fd, p->say, p->say_len, MSG_NOSIGNAL) < 0)
		finish(p, PROBE_CLOSED, -errno);
}

static void start_datagram(struct probe *p, const struct sockaddr_storage *to, socklen_t len)
{
	sockopt_local(p->fd, &p->local);
	p->step = PROBE_WAITING;
	if (sendto(p->fd, p->say, p->say_len, MSG_NOSIGNAL, (const struct sockaddr *)to, len) < 0)
		finish(p, PROBE_FAILED, -errno);
}

static void start(int netns_fd, struct probe *p)
{
	struct sockaddr_storage to;
	int ret, len;

	p->fd = -1;
	p->connected = false;
	p->answer_len = 0;
	p->deadline_ms = now_ms() + p->wait_ms;
	p->local = (struct endpoint){.port = 0};
	p->ts_ns = clock_ns(CLOCK_REALTIME);
	ret = open_socket(netns_fd, p);
	p->cookie = ret < 0 ? 0 : sockopt_cookie(p->fd);
	len = ret < 0 ? ret : endpoint_to_sockaddr(&p->to, p->family, &to);
	if (len < 0) {
		finish(p, PROBE_FAILED, len);
		return;
	}
	if (p->proto == IPPROTO_UDP) {
		start_datagram(p, &to, (socklen_t)len);
		return;
	}
	p->step = PROBE_CONNECTING;
	ret = connect(p->fd, (struct sockaddr *)&to, (socklen_t)len) < 0 ? -errno : 0;
	sockopt_local(p->fd, &p->local); /* one that is refused has lost it */
	if (ret == 0)
		speak(p);
	else if (ret != -EINPROGRESS)
		finish(p, is_refusal(ret) ? PROBE_REFUSED : PROBE_FAILED, ret);
}

static void end_connect(struct probe *p)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0)
		speak(p);
	else
		finish(p, is_refusal(-error) ? PROBE_REFUSED : PROBE_FAILED, -error);
}

/* Is what came enough? A long answer is looked through piece by piece. */
static void look(struct probe *p)
{
	size_t keep = p->expect ? strlen(p->expect) : 0;

	p->answer[p->answer_len] = '\0';
	if (!p->expect || memmem(p->answer, p->answer_len, p->expect, keep)) {
		finish(p, PROBE_ANSWERED, 0);
		return;
	}
	if (p->answer_len == PROBE_ANSWER_MAX && keep < PROBE_ANSWER_MAX) {
		memmove(p->answer, p->answer + p->answer_len - keep, keep);
		p->answer_len = keep;
	}
}

static void end_of_stream(struct probe *p, int error)
{
	if (p->answer_len)
		finish(p, PROBE_OTHER, error);
	else
		finish(p, PROBE_CLOSED, error);
}

static void receive(struct probe *p)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ssize_t n = recvfrom(p->fd, p->answer + p->answer_len, PROBE_ANSWER_MAX - p->answer_len, 0,
			     (struct sockaddr *)&ss, &len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (p->proto == IPPROTO_TCP && n <= 0) {
		end_of_stream(p, n < 0 ? -errno : 0);
		return;
	}
	if (n < 0) {
		finish(p, is_refusal(-errno) ? PROBE_REFUSED : PROBE_FAILED, -errno);
		return;
	}
	if (p->proto == IPPROTO_UDP)
		endpoint_from_sockaddr((struct sockaddr *)&ss, len, &p->answered_from);
	else
		p->answered_from = p->to;
	p->answer_len += (size_t)n;
	look(p);
}

static void time_out(struct probe *p)
{
	if (p->answer_len)
		finish(p, PROBE_OTHER, 0);
	else if (p->connected)
		finish(p, PROBE_OPEN, 0);
	else
		finish(p, PROBE_SILENT, -ETIMEDOUT);
}

/* Waits for the first of @b to have something, or to be over time. */
static int wait_for_some(struct batch *b, struct guest *guest)
{
	struct pollfd fds[PROBES_AT_ONCE + GUEST_FDS];
	uint64_t now = now_ms(), first = UINT64_MAX;
	size_t n_guest = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct probe *p = &b->list[b->running[i]];

		fds[i] = (struct pollfd){
			.fd = p->fd,
			.events = p->step == PROBE_CONNECTING ? POLLOUT : POLLIN,
		};
		if (p->deadline_ms < first)
			first = p->deadline_ms;
	}
	if (guest)
		n_guest = guest_fds(guest, fds + b->n);
	if (poll(fds, b->n + n_guest, first > now ? (int)(first - now) : 0) < 0)
		return errno == EINTR ? 0 : -errno;
	if (guest)
		guest_step(guest);
	now = now_ms();
	for (size_t i = 0; i < b->n; i++) {
		struct probe *p = &b->list[b->running[i]];

		if (fds[i].revents && p->step == PROBE_CONNECTING)
			end_connect(p);
		else if (fds[i].revents)
			receive(p);
		if (p->step != PROBE_DONE && p->deadline_ms <= now)
			time_out(p);
	}
	return 0;
}

static void drop_done(struct batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->list[b->running[i]].step != PROBE_DONE)
			b->running[kept++] = b->running[i];
	b->n = kept;
}

int probes_run(int netns_fd, struct guest *guest, struct probe *list, size_t n)
{
	struct batch b = {.list = list};
	size_t next = 0;
	int ret = 0;

	while (ret == 0 && (next < n || b.n > 0)) {
		while (next < n && b.n < PROBES_AT_ONCE) {
			start(netns_fd, &list[next]);
			b.running[b.n++] = next++;
		}
		drop_done(&b);
		if (b.n > 0)
			ret = wait_for_some(&b, guest);
		drop_done(&b);
	}
	for (size_t i = 0; i < b.n; i++)
		finish(&list[b.running[i]], PROBE_FAILED, ret);
	for (; next < n; next++) {
		list[next].fd = -1;
		finish(&list[next], PROBE_FAILED, ret);
	}
	return ret;
}

bool probe_served(const struct probe *p)
{
	return p->result == PROBE_ANSWERED ||
	       (p->result == PROBE_OPEN && !p->say_len && !p->expect);
}

struct flow_key probe_flow(const struct probe *p)
{
	return (struct flow_key){
		.server = p->to.addr,
		.client = p->from.addr,
		.server_port = p->to.port,
		.client_port = p->local.port,
		.proto = p->proto,
	};
}

const char *probe_result_name(enum probe_result r)
{
	static const char *const names[PROBE_RESULTS] = {
		[PROBE_ANSWERED] = "answered",
		[PROBE_OTHER] = "answered otherwise",
		[PROBE_OPEN] = "accepted, no answer",
		[PROBE_CLOSED] = "accepted and closed at once",
		[PROBE_REFUSED] = "refused",
		[PROBE_SILENT] = "no answer",
		[PROBE_FAILED] = "could not be sent",
	};

	return names[r];
}

const char *probe_text(const struct probe *p, char *buf)
{
	bool mapped = p->family == AF_INET6 && addr_is_mapped(&p->to.addr);
	enum addr_form form = p->family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6;
	char from[ADDR_STRLEN], to[ADDR_STRLEN];

	snprintf(buf, PROBE_TEXT, "%s to %s%s", addr_print(&p->from.addr, ADDR_FORM_INET, from),
		 addr_print(&p->to.addr, form, to), mapped ? " (mapped)" : "");
	return buf;
}
