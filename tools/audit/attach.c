/* SPDX-License-Identifier: MIT */
/* attach.c - what can be said of a server that runs already */
#include "attach.h"

#include "../../rawstack/netlink/netns.h"
#include "checks.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(struct audit_error *err, int rc, const char *remedy, const char *what, pid_t pid)
{
	snprintf(err->what, sizeof(err->what), "%s of process %d: %s", what, (int)pid,
		 strerrordesc_np(-rc));
	snprintf(err->remedy, sizeof(err->remedy), "%s", remedy);
	return rc;
}

/* Its network namespace, -1 when that is ours: then no right is needed to look into it. */
static int open_namespace(pid_t pid, int *out)
{
	char path[64];
	int own, fd, ret;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	own = netns_open_self();
	ret = own < 0 ? own : 0;
	*out = fd;
	if (ret == 0 && netns_inode(own) == netns_inode(fd)) {
		close(fd);
		*out = -1;
	}
	if (own >= 0)
		close(own);
	return ret;
}

static void keep_own(struct audit *a, const struct holders *h)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->listeners.n; i++)
		if (options_holds(h, a->listeners.list[i].inode, a->cfg->attach))
			a->listeners.list[kept++] = a->listeners.list[i];
	a->listeners.n = kept;
	a->listeners.unlisted = 0;
}

static int read_all(struct audit *a, struct audit_error *err)
{
	pid_t pid = a->cfg->attach;
	struct holders h;
	int netns = -1, ret = open_namespace(pid, &netns);

	if (ret < 0)
		return fail(err, ret, "name a process that runs, and run as root or as its user",
			    "cannot open the network namespace", pid);
	ret = sockdiag_open(netns, &a->server_diag);
	if (netns >= 0)
		close(netns);
	if (ret == 0)
		ret = listeners_read(a->server_diag, 0, 0, &a->listeners);
	if (ret < 0)
		return fail(err, ret, "run as root to look into another network namespace",
			    "cannot read the sockets", pid);
	ret = holders_read(&h);
	if (ret < 0)
		return fail(err, ret, "", "cannot read the descriptors", pid);
	keep_own(a, &h);
	holders_free(&h);
	if (a->listeners.n)
		return 0;
	return fail(err, -ENOENT,
		    "run as root or as its user, and name the process that listens ('ss -ltunp' "
		    "shows it)",
		    "cannot find a listening socket", pid);
}

static void count_time_wait(const struct sockdiag_entry *e, void *arg)
{
	enum { TIME_WAIT_STATE = 6 };
	unsigned int *n = arg;

	*n += e->state == TIME_WAIT_STATE;
}

static void foretell_restart(struct audit *a, struct audit_result *r)
{
	struct holders h;

	if (holders_read(&h) < 0) {
		result_set(r, AUDIT_FAILED, "the options of its sockets cannot be read");
		return;
	}
	for (size_t i = 0; i < a->n_services; i++) {
		const struct service *s = &a->services[i];
		const struct sockdiag_entry *e = &a->listeners.list[s->first];
		struct listener_options o = options_read(&h, e->inode);
		unsigned int waiting = 0;
		char where[SERVICE_TEXT];

		if (s->proto != IPPROTO_TCP || o.reuseaddr != 0)
			continue;
		sockdiag_dump(a->server_diag, IPPROTO_TCP, AF_INET, s->port, count_time_wait,
			      &waiting);
		sockdiag_dump(a->server_diag, IPPROTO_TCP, AF_INET6, s->port, count_time_wait,
			      &waiting);
		result_find(r, SEVERITY_RISK, service_text(s, where),
			    "set SO_REUSEADDR on the listening socket before bind",
			    "SO_REUSEADDR is not set: it cannot start again while a connection is "
			    "left over, as %u are now in TIME_WAIT",
			    waiting);
	}
	holders_free(&h);
	result_set(r, AUDIT_CLEAN, "SO_REUSEADDR is set on its TCP listeners");
}

int audit_attach(const struct audit_config *cfg, struct audit *a, struct audit_error *err)
{
	int ret;

	*a = (struct audit){.cfg = cfg};
	*err = (struct audit_error){0};
	a->lab.host[LAB_CLIENT].netns_fd = a->lab.host[LAB_SERVER].netns_fd = -1;
	ret = read_all(a, err);
	if (ret < 0)
		return ret;
	a->n_services = services_of(&a->listeners, a->services, SERVICES_MAX);
	for (int c = 0; c < CHECK_NUM; c++) {
		struct audit_result *r = &a->results[c];

		if (!cfg->wanted[c])
			result_set(r, AUDIT_NOT_ASKED, "left out");
		else if (c == CHECK_LISTENERS)
			check_listeners_run(a, r);
		else if (c == CHECK_RESTART)
			foretell_restart(a, r);
		else
			result_set(r, cfg->chosen ? AUDIT_FAILED : AUDIT_NOT_ASKED,
				   "needs a server of its own: dualwire audit -- COMMAND");
	}
	return 0;
}
