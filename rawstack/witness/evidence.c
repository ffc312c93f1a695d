/* SPDX-License-Identifier: MIT */
/* evidence.c - the evidence document in memory */
#include "evidence.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void evidence_init(struct evidence *ev)
{
	*ev = (struct evidence){0};
}

void evidence_free(struct evidence *ev)
{
	free(ev->canaries);
	free(ev->frames);
	free(ev->api);
	free(ev->kernel);
	free(ev->cases);
	evidence_init(ev);
}

/* A list in the document: where its pointer and its two sizes are. */
struct list {
	void *items; /* a pointer to the list's own pointer */
	size_t *n;
	size_t *cap;
	size_t item_size;
	size_t max;
};

/* Makes room for one more item, doubling. Growth is the only allocation, so none happens per item.
 */
static int list_append(struct evidence *ev, const struct list *l, const void *item)
{
	char *items;

	memcpy(&items, l->items, sizeof(items));
	if (*l->n == l->max) {
		ev->overflow = true;
		return -ENOSPC;
	}
	if (*l->n == *l->cap) {
		size_t cap = *l->cap ? *l->cap * 2 : 64;
		char *grown = realloc(items, cap * l->item_size);

		if (!grown) {
			ev->overflow = true;
			return -ENOMEM;
		}
		items = grown;
		memcpy(l->items, &items, sizeof(items));
		*l->cap = cap;
	}
	memcpy(items + *l->n * l->item_size, item, l->item_size);
	++*l->n;
	return 0;
}

int evidence_add_canary(struct evidence *ev, const struct evidence_canary *c)
{
	return list_append(ev,
			   &(struct list){&ev->canaries, &ev->n_canaries, &ev->cap_canaries,
					  sizeof(*c), EVIDENCE_CANARIES_MAX},
			   c);
}

int evidence_add_frame(struct evidence *ev, const struct evidence_frame *f)
{
	return list_append(ev,
			   &(struct list){&ev->frames, &ev->n_frames, &ev->cap_frames, sizeof(*f),
					  EVIDENCE_RECORDS_MAX},
			   f);
}

int evidence_add_api(struct evidence *ev, const struct evidence_api *a)
{
	return list_append(ev,
			   &(struct list){&ev->api, &ev->n_api, &ev->cap_api, sizeof(*a),
					  EVIDENCE_RECORDS_MAX},
			   a);
}

int evidence_add_kernel(struct evidence *ev, const struct evidence_kernel *k)
{
	return list_append(ev,
			   &(struct list){&ev->kernel, &ev->n_kernel, &ev->cap_kernel, sizeof(*k),
					  EVIDENCE_RECORDS_MAX},
			   k);
}

int evidence_add_case(struct evidence *ev, const struct evidence_case *c)
{
	return list_append(ev,
			   &(struct list){&ev->cases, &ev->n_cases, &ev->cap_cases, sizeof(*c),
					  EVIDENCE_CASES_MAX},
			   c);
}

bool evidence_watches(const struct evidence *ev, uint16_t port)
{
	for (size_t i = 0; i < ev->n_ports; i++)
		if (port >= ev->ports[i].lo && port <= ev->ports[i].hi)
			return true;
	return ev->n_ports == 0;
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[VERDICT_NUM] = {
		[VERDICT_CONFIRMED] = "confirmed",
		[VERDICT_CONTRADICTED] = "contradicted",
		[VERDICT_INCONCLUSIVE] = "inconclusive",
	};

	assert((unsigned)v < VERDICT_NUM);
	return names[v];
}

const char *evidence_side_name(enum evidence_side s)
{
	static const char *const names[SIDE_NUM] = {
		[SIDE_CLIENT] = "client",
		[SIDE_SERVER] = "server",
	};

	assert((unsigned)s < SIDE_NUM);
	return names[s];
}

const char *evidence_call_name(enum evidence_call c)
{
	static const char *const names[CALL_NUM] = {
		[CALL_ACCEPT] = "accept",
		[CALL_CONNECT] = "connect",
		[CALL_RECVFROM] = "recvfrom",
	};

	assert((unsigned)c < CALL_NUM);
	return names[c];
}
