/* SPDX-License-Identifier: MIT */
/* workload.c - echo, discard and accept */
#include "workload.h"

#include <errno.h>

/* The buffer received is the buffer sent: it is released when the send is over. */
static int echo_handle(struct engine *e, const struct engine_event *ev)
{
	int rc = 0;

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

static int discard_handle(struct engine *e, const struct engine_event *ev)
{
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
static int accept_handle(struct engine *e, const struct engine_event *ev)
{
	if (ev->type == ENGINE_ACCEPT)
		engine_close(e, ev->conn);
	else
		engine_release(e, ev->buf);
	return 0;
}

static const struct workload workloads[] = {
	{.name = "echo", .handle = echo_handle},
	{.name = "discard", .handle = discard_handle},
	{.name = "accept", .handle = accept_handle},
};

enum { N_WORKLOADS = sizeof(workloads) / sizeof(workloads[0]) };

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < N_WORKLOADS; i++) {
		if (strcmp(name, workloads[i].name) == 0)
			return &workloads[i];
	}
	return NULL;
}

const char *workload_name(size_t n)
{
	return n < N_WORKLOADS ? workloads[n].name : NULL;
}
