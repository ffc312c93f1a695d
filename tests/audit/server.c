/* SPDX-License-Identifier: MIT */
/* server.c - a small dual-stack server with exactly one bug, or none, for the audit to find */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/*
 * usage: server BUG [PORT [WORD]], of which the last one is only there to be seen in /proc
 *
 * Without a bug it serves TCP and UDP on [::]:PORT, both families. A client sends something and
 * gets "welcome" or, being 198.51.100.9 or 2001:db8:1::9, "go away". Each client is written to
 * standard output in one form, link-local ones with their zone. UDP answers leave from the address
 * that was asked, and a ::ffff: source in native IPv6 gets none.
 */
enum { PORT = 7100, CLIENTS_MAX = 64, MANY_PORTS = 300, LATE_MS = 400, MEGABYTES = 24 };

enum bug {
	BUG_NONE,
	/* What the checks are there for. */
	BUG_LISTENERS,	    /* leaves IPV6_V6ONLY to the system */
	BUG_REACH,	    /* closes connections of IPv4 clients */
	BUG_REACH_V4,	    /* listens on 0.0.0.0 only */
	BUG_ACL,	    /* compares with the address as accept() shows it */
	BUG_IDENTITY,	    /* writes ::ffff:a.b.c.d */
	BUG_IDENTITY_MIXED, /* writes TCP clients as a.b.c.d, UDP clients as ::ffff:a.b.c.d */
	BUG_UDP_SOURCE,	    /* answers with sendto() from a wildcard socket */
	BUG_FORGED_MAPPED,  /* answers every datagram */
	BUG_SCOPE,	    /* writes link-local clients without a zone */
	BUG_SCOPE_REFUSED,  /* answers no datagram of a link-local client */
	BUG_RESTART,	    /* no SO_REUSEADDR */
	/* What an audit must survive. */
	BUG_EXITS,
	BUG_NEVER,
	BUG_FORKS,
	BUG_LATE,
	BUG_MANY,
	BUG_TALKS,
	BUG_IGNORES_TERM,
	BUG_CRASHES,
	BUG_STUCK, /* answers six datagrams, and none after them */
	BUG_TIRED, /* the same with three: not one for each address */
	BUG_NUM
};

static const char *const NAMES[BUG_NUM] = {
	[BUG_NONE] = "none",
	[BUG_LISTENERS] = "listeners",
	[BUG_REACH] = "reach",
	[BUG_REACH_V4] = "reach-v4",
	[BUG_ACL] = "acl",
	[BUG_IDENTITY] = "identity",
	[BUG_IDENTITY_MIXED] = "identity-mixed",
	[BUG_UDP_SOURCE] = "udp-source",
	[BUG_FORGED_MAPPED] = "forged-mapped",
	[BUG_SCOPE] = "scope",
	[BUG_SCOPE_REFUSED] = "scope-refused",
	[BUG_RESTART] = "restart",
	[BUG_EXITS] = "exits",
	[BUG_NEVER] = "never",
	[BUG_FORKS] = "forks",
	[BUG_LATE] = "late",
	[BUG_MANY] = "many",
	[BUG_TALKS] = "talks",
	[BUG_IGNORES_TERM] = "ignores-term",
	[BUG_CRASHES] = "crashes",
	[BUG_STUCK] = "stuck",
	[BUG_TIRED] = "tired",
};

static enum bug bug;
static const char WELCOME[] = "welcome\n", GO_AWAY[] = "go away\n";

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		die("setsockopt");
}

static int open_listener(int type, uint16_t port)
{
	bool v4 = bug == BUG_REACH_V4;
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (type == SOCK_STREAM && bug != BUG_RESTART)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!v4 && bug != BUG_LISTENERS)
		set(fd, SOL_IPV6, IPV6_V6ONLY, 0);
	if (type == SOCK_DGRAM)
		set(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
	if (bind(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		 v4 ? sizeof(a4) : sizeof(a6)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 64) < 0)
		die("listen");
	return fd;
}

static bool is_mapped(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)ss)->sin6_addr);
}

/* The address in one form: IPv4 as IPv4, whatever the socket, unless the bug says otherwise. */
static void name_of(const struct sockaddr_storage *ss, bool raw, char *buf, size_t size)
{
	const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)ss)->sin_addr, buf,
			  (socklen_t)size);
	else if (is_mapped(ss) && !raw)
		inet_ntop(AF_INET, &a->sin6_addr.s6_addr[12], buf, (socklen_t)size);
	else
		getnameinfo((const struct sockaddr *)ss, sizeof(*a), buf, (socklen_t)size, NULL, 0,
			    NI_NUMERICHOST);
	if (bug == BUG_SCOPE)
		buf[strcspn(buf, "%")] = '\0';
}

static void write_client(const struct sockaddr_storage *ss, bool tcp)
{
	bool raw = bug == BUG_IDENTITY || (bug == BUG_IDENTITY_MIXED && !tcp);
	char name[NI_MAXHOST];

	name_of(ss, raw, name, sizeof(name));
	printf("client %s\n", name);
	fflush(stdout);
	if (bug == BUG_CRASHES && is_mapped(ss)) {
		signal(SIGSEGV, SIG_DFL); /* a sanitizer's is not */
		raise(SIGSEGV);
	}
}

static const char *answer_to(const struct sockaddr_storage *ss)
{
	char name[NI_MAXHOST];

	name_of(ss, bug == BUG_ACL, name, sizeof(name));
	return strcmp(name, "198.51.100.9") == 0 || strcmp(name, "2001:db8:1::9") == 0 ? GO_AWAY
										       : WELCOME;
}

static struct sockaddr_storage peers[CLIENTS_MAX + 2];

static void accept_one(int listener, struct pollfd *fds)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);
	int fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	write_client(&ss, true);
	for (int i = 2; i < CLIENTS_MAX + 2 && !(bug == BUG_REACH && is_mapped(&ss)); i++) {
		if (fds[i].fd >= 0)
			continue;
		fds[i].fd = fd;
		peers[i] = ss;
		return;
	}
	close(fd);
}

static void serve_stream(struct pollfd *p, const struct sockaddr_storage *peer)
{
	char buf[512];
	ssize_t n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT);
	const char *answer = answer_to(peer);

	if (n > 0 && send(p->fd, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		return;
	close(p->fd);
	p->fd = -1;
}

static const struct in6_pktinfo *destination(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			return (const struct in6_pktinfo *)CMSG_DATA(c);
	return NULL;
}

/* An IPv4 datagram has an IPv4 destination. */
static bool is_forged(const struct sockaddr_storage *from, struct msghdr *msg)
{
	const struct in6_pktinfo *to = destination(msg);

	return is_mapped(from) && to && !IN6_IS_ADDR_V4MAPPED(&to->ipi6_addr);
}

static void serve_datagram(int fd)
{
	struct sockaddr_storage from = {0};
	_Alignas(struct cmsghdr) char control[128];
	char buf[1024];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct msghdr msg = {.msg_name = &from,
			     .msg_namelen = sizeof(from),
			     .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	static unsigned int datagrams;
	const char *answer;

	if (recvmsg(fd, &msg, MSG_DONTWAIT) < 0)
		return;
	datagrams++;
	if ((bug == BUG_STUCK && datagrams > 6) || (bug == BUG_TIRED && datagrams > 3))
		return;
	write_client(&from, false);
	if (bug != BUG_FORGED_MAPPED && is_forged(&from, &msg))
		return;
	if (bug == BUG_SCOPE_REFUSED && ((struct sockaddr_in6 *)&from)->sin6_scope_id)
		return;
	answer = answer_to(&from);
	iov = (struct iovec){.iov_base = (char *)answer, .iov_len = strlen(answer)};
	/* Without the control message the kernel chooses; the other family's cannot be used. */
	if (bug == BUG_UDP_SOURCE || (bug == BUG_FORGED_MAPPED && is_forged(&from, &msg)))
		msg.msg_control = NULL;
	if (!msg.msg_control)
		msg.msg_controllen = 0;
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void serve(uint16_t port)
{
	struct pollfd fds[CLIENTS_MAX + 2];

	for (int i = 0; i < CLIENTS_MAX + 2; i++)
		fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	fds[0].fd = open_listener(SOCK_STREAM, port);
	fds[1].fd = open_listener(SOCK_DGRAM, port);
	while (poll(fds, CLIENTS_MAX + 2, -1) > 0) {
		if (fds[0].revents)
			accept_one(fds[0].fd, fds);
		if (fds[1].revents)
			serve_datagram(fds[1].fd);
		for (int i = 2; i < CLIENTS_MAX + 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				serve_stream(&fds[i], &peers[i]);
	}
}

/* Its own time to come up, as a server that reads a large file first. */
static void pass(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static void misbehave(uint16_t port)
{
	static char line[1 << 20];

	if (bug == BUG_EXITS) {
		printf("this is all I have to say\n");
		exit(7);
	}
	if (bug == BUG_NEVER)
		pause();
	if (bug == BUG_FORKS && (fork() != 0 || setsid() < 0 || fork() != 0))
		_exit(0);
	if (bug == BUG_LATE)
		pass(LATE_MS);
	for (int i = 1; bug == BUG_MANY && i < MANY_PORTS; i++)
		open_listener(SOCK_STREAM, (uint16_t)(port + i));
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; bug == BUG_TALKS && i < MEGABYTES; i++)
		fwrite(line, 1, sizeof(line), stdout);
	if (bug == BUG_IGNORES_TERM)
		signal(SIGTERM, SIG_IGN);
}

int main(int argc, char **argv)
{
	int port = argc > 2 ? atoi(argv[2]) : PORT;
	int b = 0;

	while (argc > 1 && b < BUG_NUM && strcmp(argv[1], NAMES[b]) != 0)
		b++;
	if (argc < 2 || b == BUG_NUM || port < 1 || port > 65535 - MANY_PORTS) {
		fprintf(stderr, "usage: server BUG [PORT]\n");
		return 64;
	}
	bug = (enum bug)b;
	misbehave((uint16_t)port);
	serve((uint16_t)port);
	return 0;
}
