/* SPDX-License-Identifier: MIT */
/* nl.c - netlink requests over libmnl, and the kernel's own words when it refuses one */
#include "nl.h"

#include "netns.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int nl_open(int netns_fd, int bus, int flags, struct mnl_socket **out)
{
	int fd = netns_socket(netns_fd, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, bus);
	struct mnl_socket *nl;
	int on = 1;
	int ret;

	if (fd < 0)
		return fd;
	nl = mnl_socket_fdopen(fd);
	if (!nl) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		ret = -errno;
		mnl_socket_close(nl);
		return ret;
	}
	/* Kernels without them (before 4.12 and 4.20) only have less to say. */
	mnl_socket_setsockopt(nl, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	*out = nl;
	return 0;
}

int nl_batch_init(struct nl_batch *b)
{
	/* All of it: libmnl leaves the padding of attributes as it finds it. */
	memset(b, 0, sizeof(*b));
	b->msgs = mnl_nlmsg_batch_start(b->buf, NL_BATCH_BYTES);
	return b->msgs ? 0 : -ENOMEM;
}

void nl_batch_free(struct nl_batch *b)
{
	mnl_nlmsg_batch_stop(b->msgs);
}

/* Closes the message that the caller has been appending to. */
static void finish_message(struct nl_batch *b)
{
	struct nlmsghdr *nlh = mnl_nlmsg_batch_current(b->msgs);
	bool fits;

	assert(nlh->nlmsg_len <= NL_MSG_MAX);
	fits = mnl_nlmsg_batch_next(b->msgs);
	assert(fits);
}

struct nlmsghdr *nl_batch_add(struct nl_batch *b, uint16_t type, uint16_t flags, const char *step)
{
	struct nlmsghdr *nlh;

	assert(b->n < NL_BATCH_MAX);
	if (b->n > 0)
		finish_message(b);
	b->step[b->n++] = step;
	nlh = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(b->msgs));
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = b->n;
	return nlh;
}

/* What a run of receives is waiting for. */
struct wait {
	uint32_t first, last; /* sequence numbers; @last ends it */
	mnl_cb_t fn;	      /* NULL: only acknowledgements matter */
	void *arg;
	bool single; /* the first reply is all there is */
	int error;   /* of the first refused request, negative */
	uint32_t refused;
	char text[sizeof(((struct nl_refusal *)0)->text)];
};

static bool is_ours(const struct wait *w, const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_seq >= w->first && nlh->nlmsg_seq <= w->last;
}

static int find_text(const struct nlattr *attr, void *arg)
{
	struct wait *w = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(w->text, sizeof(w->text), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* The attributes follow the header of the refused request, or all of it unless it was left out. */
static void read_extended_ack(const struct nlmsghdr *nlh, const struct nlmsgerr *err,
			      struct wait *w)
{
	size_t skip = sizeof(*err);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(err->msg.nlmsg_len) - sizeof(err->msg);
	if (skip < mnl_nlmsg_get_payload_len(nlh))
		mnl_attr_parse(nlh, (unsigned int)skip, find_text, w);
}

static int on_error(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	struct wait *w = arg;

	if (!is_ours(w, nlh))
		return MNL_CB_OK;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (err->error < 0 && w->error == 0) {
		w->error = err->error;
		w->refused = nlh->nlmsg_seq;
		read_extended_ack(nlh, err, w);
	}
	return nlh->nlmsg_seq == w->last ? MNL_CB_STOP : MNL_CB_OK;
}

/* A dump that failed halfway says so in the word after the header. */
static int on_done(const struct nlmsghdr *nlh, void *arg)
{
	struct wait *w = arg;
	int32_t error;

	if (!is_ours(w, nlh))
		return MNL_CB_OK;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error)) {
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
		if (error < 0)
			w->error = error;
	}
	return MNL_CB_STOP;
}

static int on_reply(const struct nlmsghdr *nlh, void *arg)
{
	struct wait *w = arg;
	int ret;

	if (!is_ours(w, nlh) || !w->fn)
		return MNL_CB_OK;
	ret = w->fn(nlh, w->arg);
	return ret == MNL_CB_OK && w->single ? MNL_CB_STOP : ret;
}

static int receive_until(struct mnl_socket *nl, void *buf, size_t size, struct wait *w)
{
	static const mnl_cb_t control[NLMSG_MIN_TYPE] = {
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
	};
	ssize_t n;
	int ret;

	for (;;) {
		n = mnl_socket_recvfrom(nl, buf, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		ret = mnl_cb_run2(buf, (size_t)n, 0, mnl_socket_get_portid(nl), on_reply, w,
				  (mnl_cb_t *)control, NLMSG_MIN_TYPE);
		if (ret == MNL_CB_ERROR)
			return -errno;
		if (ret == MNL_CB_STOP)
			return w->error;
	}
}

int nl_batch_commit(struct nl_batch *b, struct mnl_socket *nl, struct nl_refusal *why)
{
	_Alignas(struct nlmsghdr) char buf[NL_ACK_BYTES];
	struct wait w = {.first = 1, .last = b->n};
	struct nlmsghdr *last = mnl_nlmsg_batch_current(b->msgs);
	int ret;

	*why = (struct nl_refusal){0};
	if (b->n == 0)
		return 0;
	/*
	 * Failures are reported without being asked for, and answers come in order: the last
	 * request's acknowledgement stands for all before it.
	 */
	last->nlmsg_flags |= NLM_F_ACK;
	finish_message(b);
	if (mnl_socket_sendto(nl, mnl_nlmsg_batch_head(b->msgs), mnl_nlmsg_batch_size(b->msgs)) < 0)
		return -errno;
	ret = receive_until(nl, buf, sizeof(buf), &w);
	if (w.refused) {
		why->step = b->step[w.refused - 1];
		memcpy(why->text, w.text, sizeof(why->text));
	}
	return ret;
}

int nl_request(struct mnl_socket *nl, const struct nlmsghdr *req, void *buf, size_t size,
	       mnl_cb_t fn, void *arg)
{
	struct wait w = {
		.first = req->nlmsg_seq,
		.last = req->nlmsg_seq,
		.fn = fn,
		.arg = arg,
		.single = !(req->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)),
	};

	if (mnl_socket_sendto(nl, req, req->nlmsg_len) < 0)
		return -errno;
	return receive_until(nl, buf, size, &w);
}
