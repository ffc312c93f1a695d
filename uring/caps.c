/* SPDX-License-Identifier: MIT */
/* caps.c - what this kernel's io_uring can do, found out by trying, and why it cannot */
#include "caps.h"

#include "bufring.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	PROBE_ENTRIES = 8,
	PROBE_BUFFERS = 4,
	PROBE_BUFFER_SIZE = 256,
	PROBE_GROUP = 1,
	PROBE_WAIT_MS = 1000, /* a completion that is due at once; only a broken kernel is slower */
};

/* Feature bits and opcodes newer than the oldest supported liburing. */
enum {
	FEAT_RECVSEND_BUNDLE = 1 << 14,
	FEAT_MIN_TIMEOUT = 1 << 15,
	FEAT_NO_IOWAIT = 1 << 17,
	OP_FUTEX_WAIT = 51, /* came with 6.7, as the socket commands did */
};

static int sysctl_read(void)
{
	char c = '?';
	int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (read(fd, &c, 1) != 1)
		c = '?';
	close(fd);
	return c >= '0' && c <= '2' ? c - '0' : -1;
}

/* Submits what is queued and waits for one completion. */
static int wait_cqe(struct io_uring *ring, struct io_uring_cqe *out)
{
	struct __kernel_timespec ts = {.tv_sec = PROBE_WAIT_MS / 1000};
	struct io_uring_cqe *cqe;
	int rc = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);

	if (rc < 0)
		return rc;
	rc = io_uring_peek_cqe(ring, &cqe);
	if (rc < 0)
		return rc;
	*out = *cqe;
	io_uring_cqe_seen(ring, cqe);
	return 0;
}

/* A listening socket that needs no network: AF_UNIX with a name the kernel chooses. */
static int listen_unix(struct sockaddr_un *sun, socklen_t *len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	*len = sizeof(*sun);
	if (bind(fd, (struct sockaddr *)sun, sizeof(sa_family_t)) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)sun, len)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int try_multishot_accept(struct io_uring *ring, bool *works)
{
	struct io_uring_cqe cqe;
	struct sockaddr_un sun;
	socklen_t len = 0;
	int lfd, cfd, rc;

	lfd = listen_unix(&sun, &len);
	if (lfd < 0)
		return lfd;
	cfd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (cfd < 0 || connect(cfd, (struct sockaddr *)&sun, len)) {
		rc = -errno;
		goto out;
	}
	io_uring_prep_multishot_accept(io_uring_get_sqe(ring), lfd, NULL, NULL, SOCK_CLOEXEC);
	rc = wait_cqe(ring, &cqe);
	if (rc < 0)
		goto out;
	*works = cqe.res >= 0 && (cqe.flags & IORING_CQE_F_MORE);
	if (cqe.res >= 0)
		close(cqe.res);
out:
	if (cfd >= 0)
		close(cfd);
	close(lfd);
	return rc;
}

static int try_recvmsg_multishot(struct io_uring *ring, bool *works)
{
	struct msghdr msg = {0};
	struct io_uring_sqe *sqe;
	struct io_uring_cqe cqe;
	int sv[2], rc;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	if (send(sv[1], "x", 1, 0) != 1) {
		rc = -errno;
		goto out;
	}
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_recvmsg_multishot(sqe, sv[0], &msg, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = PROBE_GROUP;
	rc = wait_cqe(ring, &cqe);
	if (rc == 0)
		*works = cqe.res > 0 && (cqe.flags & IORING_CQE_F_BUFFER) &&
			 (cqe.flags & IORING_CQE_F_MORE);
out:
	close(sv[0]);
	close(sv[1]);
	return rc;
}

static void probe_features(struct io_uring *ring, struct uring_caps *caps)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);

	if (probe != NULL)
		caps->socket_cmd = io_uring_opcode_supported(probe, OP_FUTEX_WAIT);
	io_uring_free_probe(probe);
	caps->recv_bundle = ring->features & FEAT_RECVSEND_BUNDLE;
	caps->min_wait = ring->features & FEAT_MIN_TIMEOUT;
	caps->direct_descriptors = ring->features & FEAT_NO_IOWAIT;
}

/* Below Linux 6.1: tells "no ring at all" from "a ring, but an old one". */
static void probe_plain_ring(struct uring_caps *caps)
{
	struct io_uring ring;

	if (io_uring_queue_init(PROBE_ENTRIES, &ring, 0) == 0) {
		caps->setup = true;
		io_uring_queue_exit(&ring);
	}
}

static int probe_ring(struct io_uring *ring, struct uring_caps *caps)
{
	struct bufring bufs = {0};
	int rc;

	probe_features(ring, caps);
	rc = try_multishot_accept(ring, &caps->multishot_accept);
	if (rc < 0)
		return rc;
	rc = bufring_open(&bufs, ring, PROBE_GROUP, PROBE_BUFFERS, PROBE_BUFFER_SIZE);
	if (rc < 0)
		return rc;
	caps->buf_ring = true;
	rc = try_recvmsg_multishot(ring, &caps->recvmsg_multishot);
	bufring_close(&bufs);
	if (rc < 0)
		return rc;
	return caps->multishot_accept && caps->recvmsg_multishot ? 0 : -EOPNOTSUPP;
}

static void probe(struct uring_caps *caps)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN |
						  IORING_SETUP_SUBMIT_ALL};
	struct io_uring ring;

	*caps = (struct uring_caps){.sysctl_disabled = sysctl_read()};
	caps->error = io_uring_queue_init_params(PROBE_ENTRIES, &ring, &params);
	if (caps->error < 0) {
		if (caps->error == -EINVAL)
			probe_plain_ring(caps);
		return;
	}
	caps->setup = caps->defer_taskrun = true;
	caps->error = probe_ring(&ring, caps);
	caps->available = caps->error == 0;
	io_uring_queue_exit(&ring);
}

static void *probe_run(void *arg)
{
	probe(arg);
	return NULL;
}

/*
 * A ring that is closed goes a little later, and the kernel then interrupts every thread that has
 * used it: in a receive with a timeout that is EINTR, without any signal. So the ring's thread is
 * one that is gone by then.
 */
int uring_caps_probe(struct uring_caps *caps)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	*caps = (struct uring_caps){0};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals stay the caller's */
	rc = pthread_create(&thread, NULL, probe_run, caps);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) {
		caps->error = -rc;
		return -rc;
	}
	pthread_join(thread, NULL);
	return caps->error;
}

static const char *explain_eperm(int sysctl_disabled, const char **remedy)
{
	switch (sysctl_disabled) {
	case 2:
		*remedy = "ask the administrator: sysctl kernel.io_uring_disabled=0";
		return "kernel.io_uring_disabled=2 forbids it for everybody";
	case 1:
		*remedy = "run with CAP_SYS_ADMIN, join the group of sysctl "
			  "kernel.io_uring_group, or set kernel.io_uring_disabled=0";
		return "kernel.io_uring_disabled=1 forbids it for this user";
	default:
		*remedy = "allow io_uring_setup, io_uring_enter and io_uring_register in the "
			  "container's seccomp profile (Docker: --security-opt seccomp=FILE)";
		return "a seccomp filter forbids it, as Docker and containerd do by default";
	}
}

static const char *explain_cause(const struct uring_caps *caps, const char **remedy)
{
	*remedy = "";
	switch (caps->error) {
	case -ENOSYS:
		*remedy = "use a kernel with CONFIG_IO_URING (Linux 6.1 or newer), or allow "
			  "io_uring in the sandbox";
		return "this kernel has none, or a seccomp filter hides it";
	case -EPERM:
	case -EACCES:
		return explain_eperm(caps->sysctl_disabled, remedy);
	case -ENOMEM:
		*remedy = "raise the limit of locked memory (ulimit -l) or lower the number of "
			  "connections (--max-conns)";
		return "not enough memory for its rings";
	case -EINVAL:
		*remedy = "use Linux 6.1 or newer";
		return caps->setup ? "this kernel's is too old (no DEFER_TASKRUN)"
				   : "the kernel rejected the ring's parameters";
	case -EOPNOTSUPP:
		*remedy = "use Linux 6.1 or newer";
		return caps->multishot_accept ? "this kernel's has no multishot recvmsg"
					      : "this kernel's has no multishot accept";
	case -EMFILE:
	case -ENFILE:
		*remedy = "raise the limit of open files (ulimit -n)";
		break;
	}
	return strerror(-caps->error);
}

void uring_caps_explain(const struct uring_caps *caps, char *what, size_t what_size, char *remedy,
			size_t remedy_size)
{
	const char *advice;
	const char *cause = explain_cause(caps, &advice);

	snprintf(what, what_size, "io_uring is not usable: %s", cause);
	snprintf(remedy, remedy_size, "%s", advice);
}

int uring_caps_check_direct(const struct uring_caps *caps, char *what, size_t what_size,
			    char *remedy, size_t remedy_size)
{
	if (caps->direct_descriptors)
		return 0;
	snprintf(what, what_size,
		 "direct descriptors are not usable: on a kernel this old a silent connection can "
		 "delay the end of others");
	snprintf(remedy, remedy_size,
		 "use Linux 6.15 or newer, or ordinary descriptors (no --direct)");
	return -EOPNOTSUPP;
}
