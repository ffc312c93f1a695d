/* SPDX-License-Identifier: MIT */
/* join.c - joins the records of three views into connections */
#include "join.h"

#include "socket_index.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

/*
 * Program and kernel are joined by the socket's cookie, which is exact. Program and wire, or kernel
 * and wire, are joined by the canonical addresses and ports and, where those were used more than
 * once, by order in time: the n-th accepted connection of a key is the n-th generation of its flow
 * that was established. Where the numbers differ, nothing is guessed: every connection of the key
 * is ambiguous.
 *
 * Everything is looked up in sorted arrays or in the flow table, and a key has at most
 * FLOW_GENERATIONS_MAX flows: hostile evidence cannot make this quadratic.
 */
struct record {
	struct flow_key key;
	const struct evidence_api *api;
};

struct orphan {
	struct connection *c;
	size_t taken; /* of the first one on its ports: how many from here on have been adopted */
};

struct joiner {
	const struct evidence *ev;
	const struct flow_table *flows;
	const uint32_t *tap; /* of each side */
	struct connection *list;
	size_t n, cap;
	struct record *records; /* by key, then by time */
	struct socket_index sockets;
	struct orphan *orphans; /* flows that no record claims, by ports */
	size_t n_orphans;
};

static int cmp_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_ports(const struct flow_key *a, const struct flow_key *b)
{
	int c = (int)a->proto - (int)b->proto;

	c = c ? c : (int)a->client_port - (int)b->client_port;
	return c ? c : (int)a->server_port - (int)b->server_port;
}

static int cmp_key(const struct flow_key *a, const struct flow_key *b)
{
	int c = cmp_ports(a, b);

	c = c ? c : memcmp(&a->client, &b->client, sizeof(a->client));
	return c ? c : memcmp(&a->server, &b->server, sizeof(a->server));
}

static int by_key_and_time(const void *a, const void *b)
{
	const struct record *x = a, *y = b;
	int c = cmp_key(&x->key, &y->key);

	c = c ? c : cmp_u64(x->api->ts_ns, y->api->ts_ns);
	return c ? c : cmp_u64((uintptr_t)x->api, (uintptr_t)y->api);
}

static int by_ports(const void *a, const void *b)
{
	const struct orphan *x = a, *y = b;
	int c = cmp_ports(&x->c->key, &y->c->key);

	return c ? c : cmp_u64((uintptr_t)x->c, (uintptr_t)y->c);
}

static struct connection *add_connection(struct joiner *jn, const struct flow_key *key)
{
	struct connection *j;

	assert(jn->list && jn->n < jn->cap);
	j = &jn->list[jn->n++];
	*j = (struct connection){.key = *key};
	return j;
}

static struct flow_key key_of(const struct evidence_api *a)
{
	bool server = a->side == SIDE_SERVER;
	const struct endpoint *s = server ? &a->local : &a->peer;
	const struct endpoint *c = server ? &a->peer : &a->local;

	return (struct flow_key){.server = s->addr,
				 .client = c->addr,
				 .server_port = s->port,
				 .client_port = c->port,
				 .proto = a->proto};
}

/* Nothing was forgotten in this table, so the i-th connection is that of the i-th flow. */
static void connections_from_flows(struct joiner *jn)
{
	for (size_t i = 0; i < flow_table_slots(jn->flows); i++) {
		const struct flow *fl = flow_table_at(jn->flows, i);

		assert(fl);
		add_connection(jn, &fl->key)->flow = fl;
	}
}

static struct connection *connection_of(const struct joiner *jn, const struct flow *fl)
{
	return &jn->list[flow_table_index(jn->flows, fl)];
}

static bool established_at(const struct joiner *jn, const struct flow *fl, enum evidence_side side)
{
	return fl && flow_established(fl, jn->tap[side]);
}

/*
 * The oldest connection with frames that has no record of this side; first choice one where the
 * wire showed what a call with this outcome would leave there.
 */
static struct connection *connection_with_frames(const struct joiner *jn, const struct record *rec)
{
	const struct evidence_api *a = rec->api;
	struct connection *first = NULL, *second = NULL;

	for (const struct flow *fl = flow_table_find(jn->flows, &rec->key); fl; fl = fl->older) {
		struct connection *j = connection_of(jn, fl);

		if (a->proto == IPPROTO_UDP)
			return j;
		if (j->side[a->side].api)
			continue;
		second = j;
		if (established_at(jn, fl, a->side) == (a->error == 0))
			first = j;
	}
	return first ? first : second;
}

static void attach_record(struct connection *j, const struct evidence_api *a)
{
	struct connection_side *s = &j->side[a->side];

	if (!s->api)
		s->api = a;
	s->api_records++;
	s->bytes_in += a->bytes_in;
	s->bytes_out += a->bytes_out;
}

/* Does each connected record of that side have an established flow, and each such flow a record? */
static bool pairs_up(const struct joiner *jn, const struct connection *c, enum evidence_side side)
{
	const struct evidence_api *a = c->side[side].api;

	return (a && a->error == 0) == established_at(jn, c->flow, side);
}

/*
 * The next connection of one key: those with frames, from @fl on, then those without, from @i on.
 * NULL: no more.
 */
static struct connection *next_of_key(const struct joiner *jn, const struct flow **fl, size_t *i)
{
	struct connection *j = NULL;

	if (*fl) {
		j = connection_of(jn, *fl);
		*fl = (*fl)->older;
	} else if (*i < jn->n) {
		j = &jn->list[(*i)++];
	}
	return j;
}

/*
 * Marks the connections of one TCP key, when there are several, if they do not pair up with the
 * records of a side that has any. The last ones of the list, from @flowless on, are of this key.
 */
static void mark_ambiguous(struct joiner *jn, const struct flow_key *key, size_t flowless)
{
	const struct flow *fl = flow_table_find(jn->flows, key);
	bool recorded[SIDE_NUM] = {false}, unpaired[SIDE_NUM] = {false};
	struct connection *c;
	size_t i = flowless, n = 0;

	for (; (c = next_of_key(jn, &fl, &i)); n++) {
		for (int s = 0; s < SIDE_NUM; s++) {
			recorded[s] |= c->side[s].api != NULL;
			unpaired[s] |= !pairs_up(jn, c, (enum evidence_side)s);
		}
	}
	if (n < 2 || !((recorded[SIDE_CLIENT] && unpaired[SIDE_CLIENT]) ||
		       (recorded[SIDE_SERVER] && unpaired[SIDE_SERVER])))
		return;
	fl = flow_table_find(jn->flows, key);
	i = flowless;
	while ((c = next_of_key(jn, &fl, &i)))
		c->ambiguous = true;
}

/* The records of one key, in order of time. */
static void attach_group(struct joiner *jn, const struct record *group, size_t n)
{
	size_t flowless = jn->n, next[SIDE_NUM] = {flowless, flowless};

	for (size_t i = 0; i < n; i++) {
		const struct evidence_api *a = group[i].api;
		struct connection *j = connection_with_frames(jn, &group[i]);

		if (!j) {
			size_t at = a->proto == IPPROTO_UDP ? flowless : next[a->side]++;

			j = at < jn->n ? &jn->list[at] : add_connection(jn, &group[i].key);
		}
		attach_record(j, a);
	}
	if (group->key.proto == IPPROTO_TCP)
		mark_ambiguous(jn, &group->key, flowless);
}

static void attach_records(struct joiner *jn)
{
	size_t n = jn->ev->n_api, end;

	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n; end++)
			if (cmp_key(&jn->records[i].key, &jn->records[end].key) != 0)
				break;
		attach_group(jn, &jn->records[i], end - i);
	}
}

/*
 * How many sockets of that side came before this connection's on the same endpoints, or -1: it has
 * none. A client has a socket for each attempt, a server only for those that were established.
 */
static int sockets_before(const struct joiner *jn, const struct connection *c,
			  enum evidence_side side)
{
	int n = 0;

	if (!c->flow || c->key.proto != IPPROTO_TCP)
		return 0;
	if (side == SIDE_CLIENT)
		return (int)c->flow->generation;
	if (!established_at(jn, c->flow, side))
		return -1;
	for (const struct flow *fl = c->flow->older; fl; fl = fl->older)
		n += established_at(jn, fl, side);
	return n;
}

static void attach_kernel(struct joiner *jn, struct connection *c, enum evidence_side side)
{
	struct connection_side *s = &c->side[side];
	const struct flow_key *k = &c->key;
	struct endpoint ends[SIDE_NUM] = {
		[SIDE_SERVER] = {.addr = k->server, .port = k->server_port},
		[SIDE_CLIENT] = {.addr = k->client, .port = k->client_port},
	};
	struct evidence_kernel probe = {
		.tap = jn->tap[side],
		.entry = {.proto = k->proto, .src = ends[side], .dst = ends[!side]},
	};
	const struct evidence_kernel *found = NULL;
	const struct evidence_tap *t = &jn->ev->taps[jn->tap[side]];
	int before = sockets_before(jn, c, side);

	if (s->api && s->api->cookie) {
		probe.entry.cookie = s->api->cookie;
		found = socket_index_at(&jn->sockets, &probe, 0);
		if (!found || found->entry.cookie != s->api->cookie)
			found = socket_index_elsewhere(&jn->sockets, &probe);
	}
	if (!found && before >= 0) {
		probe.entry.cookie = 0;
		found = socket_index_at(&jn->sockets, &probe, (size_t)before);
		s->cookie_mismatch = found && s->api && s->api->cookie;
	}
	s->kernel = found ? &found->entry : NULL;
	s->by_lookup = found && found->asked;
	s->own_stack = t->own_stack && t->side == side;
}

/* Flows that the client's host sent and that neither a record nor a socket of that host claims. */
static void collect_orphans(struct joiner *jn)
{
	uint32_t tap = jn->tap[SIDE_CLIENT];

	for (size_t i = 0; i < flow_table_slots(jn->flows); i++) {
		struct connection *j = &jn->list[i];
		const struct connection_side *s = j->side;

		assert(j->flow);
		if (!s[SIDE_CLIENT].api && !s[SIDE_SERVER].api && !s[SIDE_CLIENT].kernel &&
		    j->flow->view[tap][FLOW_TO_SERVER].outgoing)
			jn->orphans[jn->n_orphans++] = (struct orphan){.c = j};
	}
	qsort(jn->orphans, jn->n_orphans, sizeof(*jn->orphans), by_ports);
}

static struct orphan *find_orphan(const struct joiner *jn, const struct flow_key *key)
{
	size_t lo = 0, n = jn->n_orphans;
	struct orphan *first;

	while (lo < n) {
		size_t mid = lo + (n - lo) / 2;

		if (cmp_ports(&jn->orphans[mid].c->key, key) < 0)
			lo = mid + 1;
		else
			n = mid;
	}
	if (lo == jn->n_orphans)
		return NULL;
	first = &jn->orphans[lo];
	lo += first->taken;
	if (lo == jn->n_orphans || cmp_ports(&jn->orphans[lo].c->key, key) != 0)
		return NULL;
	first->taken++;
	return &jn->orphans[lo];
}

/*
 * A client's socket with no frame under its own addresses: is there an orphan with the same ports?
 * A local port belongs to one socket, so those frames are this socket's. The orphan is left without
 * a flow.
 */
static void adopt_orphans(struct joiner *jn)
{
	collect_orphans(jn);
	for (size_t i = flow_table_slots(jn->flows); i < jn->n; i++) {
		struct connection *c = &jn->list[i];
		const struct connection_side *s = &c->side[SIDE_CLIENT];
		struct orphan *o = s->api && s->kernel ? find_orphan(jn, &c->key) : NULL;

		if (!o)
			continue;
		c->flow = o->c->flow;
		c->flow_by_ports = true;
		o->c->flow = NULL;
	}
}

/* Takes those out that neither frames nor records are left of. */
static void drop_adopted(struct joiner *jn)
{
	size_t n = 0;

	for (size_t i = 0; i < jn->n; i++) {
		const struct connection *c = &jn->list[i];

		if (c->flow || c->side[SIDE_CLIENT].api || c->side[SIDE_SERVER].api)
			jn->list[n++] = jn->list[i];
	}
	jn->n = n;
}

static int joiner_init(struct joiner *jn)
{
	const struct evidence *ev = jn->ev;
	size_t n_flows = flow_table_slots(jn->flows);

	jn->cap = n_flows + ev->n_api;
	jn->list = calloc(jn->cap + 1, sizeof(*jn->list));
	jn->records = calloc(ev->n_api + 1, sizeof(*jn->records));
	jn->orphans = calloc(n_flows + 1, sizeof(*jn->orphans));
	if (!jn->list || !jn->records || !jn->orphans)
		return -ENOMEM;
	for (size_t i = 0; i < ev->n_api; i++)
		jn->records[i] = (struct record){key_of(&ev->api[i]), &ev->api[i]};
	qsort(jn->records, ev->n_api, sizeof(*jn->records), by_key_and_time);
	return socket_index_init(&jn->sockets, ev, jn->tap);
}

int join_views(const struct evidence *ev, const struct flow_table *flows,
	       const uint32_t tap[SIDE_NUM], struct connection **list, size_t *n)
{
	struct joiner jn = {.ev = ev, .flows = flows, .tap = tap};
	int rc = joiner_init(&jn);

	if (rc == 0) {
		connections_from_flows(&jn);
		attach_records(&jn);
		for (size_t i = 0; i < jn.n; i++)
			for (int s = 0; s < SIDE_NUM; s++)
				attach_kernel(&jn, &jn.list[i], (enum evidence_side)s);
		adopt_orphans(&jn);
		drop_adopted(&jn);
		*list = jn.list;
		*n = jn.n;
	} else {
		free(jn.list);
	}
	free(jn.records);
	free(jn.orphans);
	socket_index_free(&jn.sockets);
	return rc;
}
