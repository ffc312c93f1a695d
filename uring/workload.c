/* SPDX-License-Identifier: MIT */
/* workload.c - echo, discard and accept, and the table of all workloads */
#include "workload.h"

#include <errno.h>
#include <stdio.h>

/* The buffer received is the buffer sent: it is released when the send is over. */
static int echo_handle(struct engine *e, const struct engine_event *ev, void *state)
{
	int rc = 0;

	(void)state;
	switch (ev->type) {
	case ENGINE_ACCEPT:
		return engine_receive(e, ev->conn);
	case ENGINE_RECV:
		if (ev->len == 0) {
			engine_close(e, ev->conn);
			return 0;
		}
		rc = engine_send(e, ev->conn, ev->data, ev->len, ev->buf);
		break;
	case ENGINE_SENT:
		engine_release(e, ev->buf);
		return ev->error ? 0 : engine_receive(e, ev->conn);
	case ENGINE_DGRAM:
		rc = engine_send_dgram(e, ev->listener, &ev->peer, &ev->local, ev->data, ev->len,
				       ev->buf);
		if (rc == 0)
			return WORKLOAD_REPLYING;
		break;
	case ENGINE_DGRAM_SENT:
		engine_release(e, ev->buf);
		return 0;
	default:
		return 0;
	}
	if (rc < 0)
		engine_release(e, ev->buf);
	return rc;
}

static int discard_handle(struct engine *e, const struct engine_event *ev, void *state)
{
	(void)state;
	switch (ev->type) {
	case ENGINE_ACCEPT:
		return engine_receive(e, ev->conn);
	case ENGINE_RECV:
		engine_release(e, ev->buf);
		if (ev->len > 0)
			return engine_receive(e, ev->conn);
		engine_close(e, ev->conn);
		return 0;
	case ENGINE_DGRAM:
		engine_release(e, ev->buf);
		return 0;
	default:
		return 0;
	}
}

/* What a client had already sent is not read, so that the kernel may close by RST. */
static int accept_handle(struct engine *e, const struct engine_event *ev, void *state)
{
	(void)state;
	if (ev->type == ENGINE_ACCEPT)
		engine_close(e, ev->conn);
	else
		engine_release(e, ev->buf);
	return 0;
}

static const struct workload workload_echo = {
	.name = "echo", .what = "sends back what comes", .handle = echo_handle};
static const struct workload workload_discard = {
	.name = "discard", .what = "reads to the end", .handle = discard_handle};
static const struct workload workload_accept = {
	.name = "accept", .what = "closes at once", .handle = accept_handle};

static const struct workload *const workloads[] = {
	&workload_echo,
	&workload_discard,
	&workload_accept,
	&workload_http,
};

enum { N_WORKLOADS = sizeof(workloads) / sizeof(workloads[0]) };

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < N_WORKLOADS; i++) {
		if (strcmp(name, workloads[i]->name) == 0)
			return workloads[i];
	}
	return NULL;
}

const struct workload *workload_at(size_t n)
{
	return n < N_WORKLOADS ? workloads[n] : NULL;
}

const char *workload_names(char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < N_WORKLOADS && at < size; i++) {
		const char *joint = i == 0 ? "" : i + 1 == N_WORKLOADS ? " or " : ", ";

		at += (size_t)snprintf(out + at, size - at, "%s%s", joint, workloads[i]->name);
	}
	return out;
}
