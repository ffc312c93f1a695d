/* SPDX-License-Identifier: MIT */
/* socket_index.c - sorted views of what the kernel said */
#include "socket_index.h"

#include <errno.h>
#include <stdlib.h>

static int cmp_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_endpoint(const struct endpoint *a, const struct endpoint *b)
{
	int c = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return c ? c : (int)a->port - (int)b->port;
}

/* The endpoints it is found by: those it was asked for, else its own. */
static const struct endpoint *local_of(const struct evidence_kernel *k)
{
	return k->asked ? &k->asked_local : &k->entry.src;
}

static const struct endpoint *peer_of(const struct evidence_kernel *k)
{
	return k->asked ? &k->asked_peer : &k->entry.dst;
}

static int cmp_tuple(const struct evidence_kernel *a, const struct evidence_kernel *b)
{
	int c = cmp_u64(a->tap, b->tap);

	c = c ? c : (int)a->entry.proto - (int)b->entry.proto;
	c = c ? c : cmp_endpoint(local_of(a), local_of(b));
	return c ? c : cmp_endpoint(peer_of(a), peer_of(b));
}

static int cmp_socket(const struct evidence_kernel *a, const struct evidence_kernel *b)
{
	int c = cmp_tuple(a, b);

	return c ? c : cmp_u64(a->entry.cookie, b->entry.cookie);
}

static int cmp_owner(const struct evidence_kernel *a, const struct evidence_kernel *b)
{
	int c = cmp_u64(a->tap, b->tap);

	return c ? c : cmp_u64(a->entry.cookie, b->entry.cookie);
}

/* Which word is the later one: an event after a dump, else as listed. */
static int cmp_word(const struct evidence_kernel *a, const struct evidence_kernel *b)
{
	int c = (int)a->entry.destroyed - (int)b->entry.destroyed;

	return c ? c : cmp_u64((uintptr_t)a, (uintptr_t)b);
}

static int by_socket(const void *a, const void *b)
{
	const struct evidence_kernel *x = *(const struct evidence_kernel *const *)a;
	const struct evidence_kernel *y = *(const struct evidence_kernel *const *)b;
	int c = cmp_socket(x, y);

	return c ? c : cmp_word(x, y);
}

static int by_owner(const void *a, const void *b)
{
	const struct evidence_kernel *x = *(const struct evidence_kernel *const *)a;
	const struct evidence_kernel *y = *(const struct evidence_kernel *const *)b;
	int c = cmp_owner(x, y);

	return c ? c : cmp_word(x, y);
}

/* Index of the first of @list that is not less than @probe. */
static size_t lower_bound(const struct evidence_kernel *const *list, size_t n,
			  const struct evidence_kernel *probe,
			  int (*cmp)(const struct evidence_kernel *,
				     const struct evidence_kernel *))
{
	size_t lo = 0;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (cmp(list[mid], probe) < 0)
			lo = mid + 1;
		else
			n = mid;
	}
	return lo;
}

const struct evidence_kernel *socket_index_at(const struct socket_index *idx,
					      const struct evidence_kernel *probe, size_t nth)
{
	size_t i = lower_bound(idx->sockets, idx->n_sockets, probe, cmp_socket) + nth;

	return i < idx->n_sockets && cmp_tuple(idx->sockets[i], probe) == 0 ? idx->sockets[i]
									    : NULL;
}

const struct evidence_kernel *socket_index_elsewhere(const struct socket_index *idx,
						     const struct evidence_kernel *probe)
{
	struct evidence_kernel after = *probe;
	size_t i;

	after.entry.cookie++;
	i = lower_bound(idx->loose, idx->n_loose, &after, cmp_owner);
	return i > 0 && cmp_owner(idx->loose[i - 1], probe) == 0 ? idx->loose[i - 1] : NULL;
}

/* Sorts what the kernel said, and keeps the last word on each socket and pair of endpoints. */
static void sort_sockets(struct socket_index *idx, const struct evidence *ev)
{
	size_t n = ev->n_kernel;

	for (size_t i = 0; i < n; i++)
		idx->sockets[i] = &ev->kernel[i];
	qsort(idx->sockets, n, sizeof(*idx->sockets), by_socket);
	for (size_t i = 0; i < n; i++)
		if (i + 1 == n || cmp_socket(idx->sockets[i], idx->sockets[i + 1]) != 0)
			idx->sockets[idx->n_sockets++] = idx->sockets[i];
}

/* One socket may have been used for several connections: each use that a record names is its own.
 */
static void sort_loose(struct socket_index *idx, const struct evidence *ev,
		       const uint32_t tap[SIDE_NUM], bool *named)
{
	for (size_t i = 0; i < ev->n_api; i++) {
		const struct evidence_api *a = &ev->api[i];
		struct evidence_kernel probe = {.tap = tap[a->side],
						.entry = {.proto = a->proto,
							  .src = a->local,
							  .dst = a->peer,
							  .cookie = a->cookie}};
		size_t at = lower_bound(idx->sockets, idx->n_sockets, &probe, cmp_socket);

		if (at < idx->n_sockets && cmp_socket(idx->sockets[at], &probe) == 0)
			named[at] = true;
	}
	for (size_t i = 0; i < idx->n_sockets; i++)
		if (!named[i])
			idx->loose[idx->n_loose++] = idx->sockets[i];
	qsort(idx->loose, idx->n_loose, sizeof(*idx->loose), by_owner);
}

int socket_index_init(struct socket_index *idx, const struct evidence *ev,
		      const uint32_t tap[SIDE_NUM])
{
	bool *named = calloc(ev->n_kernel + 1, sizeof(*named));

	*idx = (struct socket_index){
		.sockets = calloc(ev->n_kernel + 1, sizeof(*idx->sockets)),
		.loose = calloc(ev->n_kernel + 1, sizeof(*idx->loose)),
	};
	if (!named || !idx->sockets || !idx->loose) {
		free(named);
		socket_index_free(idx);
		return -ENOMEM;
	}
	sort_sockets(idx, ev);
	sort_loose(idx, ev, tap, named);
	free(named);
	return 0;
}

void socket_index_free(struct socket_index *idx)
{
	free(idx->sockets);
	free(idx->loose);
	*idx = (struct socket_index){0};
}
