/* SPDX-License-Identifier: MIT */
/* listener.c - opens listening sockets, and says in words why one could not be opened */
#include "listener.h"

#include "sockopt.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int spec_check(const struct listen_spec *spec)
{
	bool mapped = addr_is_mapped(&spec->bind.addr);

	if (spec->proto != IPPROTO_TCP && spec->proto != IPPROTO_UDP)
		return -EPROTONOSUPPORT;
	if (spec->family != AF_INET && spec->family != AF_INET6)
		return -EAFNOSUPPORT;
	if (spec->family == AF_INET && !mapped)
		return -EAFNOSUPPORT;
	if (spec->family == AF_INET6 && spec->v6only && mapped)
		return -EINVAL;
	return 0;
}

/*
 * SO_REUSEADDR lets a restarted TCP server bind beside connections in TIME_WAIT and still fails
 * beside another listener. On UDP it would let two servers share a port unnoticed: never set there.
 */
static int set_options(int fd, const struct listen_spec *spec)
{
	int rc = 0;

	if (spec->family == AF_INET6)
		rc = sockopt_set_v6only(fd, spec->v6only);
	if (rc == 0 && spec->proto == IPPROTO_TCP)
		rc = sockopt_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	/* Accepted sockets inherit it: an answer never waits for the one before to be acknowledged.
	 */
	if (rc == 0 && spec->proto == IPPROTO_TCP)
		rc = sockopt_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0 && spec->proto == IPPROTO_UDP)
		rc = sockopt_recv_pktinfo(fd, spec->family);
	if (rc == 0 && spec->reuseport)
		rc = sockopt_set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return rc;
}

static int bind_to(int fd, const struct listen_spec *spec)
{
	struct sockaddr_storage ss;
	int len = endpoint_to_sockaddr(&spec->bind, spec->family, &ss);

	if (len < 0)
		return len;
	return bind(fd, (struct sockaddr *)&ss, (socklen_t)len) ? -errno : 0;
}

static int read_info(int fd, const struct listen_spec *spec, struct listen_info *info)
{
	*info = (struct listen_info){.proto = spec->proto, .family = spec->family, .v6only = -1};
	info->cookie = sockopt_cookie(fd);
	if (spec->family == AF_INET6) {
		info->v6only = sockopt_get_v6only(fd);
		if (info->v6only < 0)
			return info->v6only;
	}
	return sockopt_local(fd, &info->local);
}

static int get_int(int fd, int name, int *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &len) ? -errno : 0;
}

int listener_describe(int fd, struct listen_spec *spec)
{
	int family = 0, proto = 0, listening = 0, v6only, rc;

	*spec = (struct listen_spec){.inherited_fd = fd};
	rc = get_int(fd, SO_DOMAIN, &family);
	if (rc == 0)
		rc = get_int(fd, SO_PROTOCOL, &proto);
	if (rc == 0)
		rc = get_int(fd, SO_ACCEPTCONN, &listening);
	if (rc < 0)
		return rc;
	if ((family != AF_INET && family != AF_INET6) ||
	    (proto != IPPROTO_TCP && proto != IPPROTO_UDP) || listening != (proto == IPPROTO_TCP))
		return -EPROTONOSUPPORT;
	v6only = family == AF_INET6 ? sockopt_get_v6only(fd) : 0;
	if (v6only < 0)
		return v6only;
	spec->proto = proto;
	spec->family = family;
	spec->v6only = v6only;
	return sockopt_local(fd, &spec->bind);
}

/* Sets what does not change whom it serves. A queue of its own length stays. */
static int take_over(const struct listen_spec *spec, struct listen_info *info,
		     enum listen_step *step)
{
	int fd, rc;

	*step = LISTEN_STEP_OPTIONS;
	fd = fcntl(spec->inherited_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = fcntl(fd, F_SETFL, 0) ? -errno : 0; /* blocking, as one of our own */
	if (rc == 0 && spec->proto == IPPROTO_UDP)
		rc = sockopt_recv_pktinfo(fd, spec->family);
	if (rc == 0)
		rc = read_info(fd, spec, info);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

int listener_open(const struct listen_spec *spec, struct listen_info *info, enum listen_step *step)
{
	int type = spec->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int backlog = spec->backlog > 0 ? spec->backlog : LISTENER_BACKLOG_DEFAULT;
	int fd, rc;

	if (spec->inherited_fd != 0)
		return take_over(spec, info, step);
	*step = LISTEN_STEP_CHECK;
	rc = spec_check(spec);
	if (rc < 0)
		return rc;
	*step = LISTEN_STEP_SOCKET;
	fd = socket(spec->family, type | SOCK_CLOEXEC, spec->proto);
	if (fd < 0)
		return -errno;
	*step = LISTEN_STEP_OPTIONS;
	rc = set_options(fd, spec);
	if (rc < 0)
		goto err_fd;
	*step = LISTEN_STEP_BIND;
	rc = bind_to(fd, spec);
	if (rc < 0)
		goto err_fd;
	*step = LISTEN_STEP_LISTEN;
	if (spec->proto == IPPROTO_TCP && listen(fd, backlog)) {
		rc = -errno;
		goto err_fd;
	}
	rc = read_info(fd, spec, info);
	if (rc < 0)
		goto err_fd;
	return fd;

err_fd:
	close(fd);
	return rc;
}

static const char *step_text(enum listen_step step)
{
	switch (step) {
	case LISTEN_STEP_CHECK:
		return "cannot listen on";
	case LISTEN_STEP_SOCKET:
		return "cannot make a socket for";
	case LISTEN_STEP_OPTIONS:
		return "cannot set the socket options for";
	case LISTEN_STEP_BIND:
		return "cannot bind to";
	case LISTEN_STEP_LISTEN:
		break;
	}
	return "cannot listen on";
}

static const char *check_reason(const struct listen_spec *spec, int error, const char **remedy)
{
	if (error == -EINVAL) {
		*remedy = "drop V6ONLY, or bind to a native IPv6 address";
		return "an IPv4-mapped address can never be served with IPV6_V6ONLY=1";
	}
	if (error == -EAFNOSUPPORT && spec->family == AF_INET) {
		*remedy = "use an IPv6 socket, or give an IPv4 address";
		return "an IPv4 socket cannot be bound to an IPv6 address";
	}
	*remedy = "use TCP or UDP over IPv4 or IPv6";
	return strerror(-error);
}

static const char *remedy_text(const struct listen_spec *spec, int error)
{
	switch (error) {
	case -EADDRINUSE:
		return "another socket has this port (an IPv6 wildcard without V6ONLY takes the "
		       "IPv4 port as well): stop it (ss -lntup shows it) or choose another port";
	case -EACCES:
	case -EPERM:
		return spec->bind.port > 0 && spec->bind.port < 1024
			       ? "ports below 1024 need CAP_NET_BIND_SERVICE: run as root or "
				 "choose a port above 1023"
			       : "";
	case -EADDRNOTAVAIL:
		return "no interface here has this address: choose one that `ip addr` shows";
	case -EAFNOSUPPORT:
		return "this kernel has no support for the address family (IPv6 disabled at "
		       "boot?): serve the other family only";
	case -EINVAL:
		return "a link-local address needs its interface: fe80::1%eth0";
	case -EMFILE:
		return "raise the limit of open files (ulimit -n)";
	case -EPROTO:
		return "the kernel did not keep the IPV6_V6ONLY that was set";
	default:
		return "";
	}
}

void listener_explain(const struct listen_spec *spec, enum listen_step step, int error, char *what,
		      size_t what_size, char *remedy, size_t remedy_size)
{
	enum addr_form form = spec->family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6;
	const char *advice = remedy_text(spec, error);
	const char *reason = strerror(-error);
	char ep[ENDPOINT_STRLEN];

	if (step == LISTEN_STEP_CHECK)
		reason = check_reason(spec, error, &advice);
	snprintf(what, what_size, "%s %s %s: %s", step_text(step),
		 spec->proto == IPPROTO_UDP ? "UDP" : "TCP", endpoint_print(&spec->bind, form, ep),
		 reason);
	snprintf(remedy, remedy_size, "%s", advice);
}
