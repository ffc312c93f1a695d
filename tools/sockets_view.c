/* SPDX-License-Identifier: MIT */
/* sockets_view.c - the sockets of a network namespace, and what each listener really serves */
#include "sockets_view.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

struct gathering {
	const struct sockets_filter *filter;
	struct sockets_view *v;
};

/* Room for one more in a list. Returns false when there is no memory. */
static bool room(void *list, size_t n, size_t *cap, size_t item)
{
	size_t more = *cap ? 2 * *cap : 64;
	void **p = list, *grown;

	if (n < *cap)
		return true;
	grown = realloc(*p, more * item);
	if (!grown)
		return false;
	*p = grown;
	*cap = more;
	return true;
}

static bool wanted(const struct sockets_filter *f, uint16_t port)
{
	for (size_t i = 0; i < f->n_ports; i++)
		if (f->ports[i] == port)
			return true;
	return f->n_ports == 0;
}

static void keep(const struct sockdiag_entry *e, void *arg)
{
	struct gathering *g = arg;
	struct sockets_view *v = g->v;

	if (!wanted(g->filter, e->src.port))
		return;
	if (dispatch_waits(e)) {
		if (room(&v->listeners, v->n_listeners, &v->cap_listeners, sizeof(*v->listeners)))
			v->listeners[v->n_listeners++] = (struct sockets_listener){.e = *e};
		else
			v->failed = true;
	} else if (e->dst.port) {
		if (room(&v->connections, v->n_connections, &v->cap_connections,
			 sizeof(*v->connections)))
			v->connections[v->n_connections++] = *e;
		else
			v->failed = true;
	}
}

static int listener_order(const void *a, const void *b)
{
	const struct sockdiag_entry *x = &((const struct sockets_listener *)a)->e;
	const struct sockdiag_entry *y = &((const struct sockets_listener *)b)->e;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->src.port != y->src.port)
		return x->src.port < y->src.port ? -1 : 1;
	if (x->family != y->family)
		return x->family > y->family ? -1 : 1;
	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

static int connection_order(const void *a, const void *b)
{
	const struct sockdiag_entry *x = a, *y = b;

	if (x->proto != y->proto)
		return x->proto < y->proto ? -1 : 1;
	if (x->src.port != y->src.port)
		return x->src.port < y->src.port ? -1 : 1;
	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

/*
 * A kernel without IPv6 lists no AF_INET6 sockets; one without any sock_diag handler is no answer.
 */
static int gather(struct sockdiag *sd, struct gathering *g)
{
	static const int families[] = {AF_INET6, AF_INET};
	int failed = 0;

	for (int i = 0; i < 4; i++) {
		bool tcp = i < 2;
		int rc;

		if (tcp ? !g->filter->tcp : !g->filter->udp)
			continue;
		rc = sockdiag_dump(sd, tcp ? IPPROTO_TCP : IPPROTO_UDP, families[i % 2], 0, keep,
				   g);
		if (rc < 0 && (rc != -ENOENT || families[i % 2] == AF_INET))
			failed = rc;
	}
	return g->v->failed ? -ENOMEM : failed;
}

/* What each of the listeners @first to @first + @n of one port gets. */
static int weigh_port(struct sockdiag *sd, struct sockets_view *v, size_t first, size_t n)
{
	struct sockdiag_entry *list = calloc(n, sizeof(*list));
	int rc = list ? 0 : -ENOMEM;

	for (size_t i = 0; list && i < n; i++)
		list[i] = v->listeners[first + i].e;
	for (size_t i = 0; i < n && rc >= 0; i++)
		for (int v6 = 0; v6 < 2 && rc >= 0; v6++) {
			struct sockets_listener *l = &v->listeners[first + i];

			l->first = first;
			l->n = n;
			dispatch_service_of(list, n, i, v6, &l->service[v6]);
			rc = dispatch_ask(sd, list, n, i, &l->service[v6]);
			l->disputed[v6] = rc == 0;
		}
	free(list);
	return rc < 0 ? rc : 0;
}

static int weigh_all(struct sockdiag *sd, struct sockets_view *v)
{
	size_t first = 0;
	int rc = 0;

	for (size_t i = 1; i <= v->n_listeners && rc == 0; i++) {
		const struct sockdiag_entry *a = &v->listeners[first].e;
		const struct sockdiag_entry *b = &v->listeners[i].e;

		if (i < v->n_listeners && a->proto == b->proto && a->src.port == b->src.port)
			continue;
		rc = weigh_port(sd, v, first, i - first);
		first = i;
	}
	return rc;
}

int sockets_view_read(const struct sockets_filter *f, struct sockets_view *v)
{
	struct gathering g = {.filter = f, .v = v};
	struct sockdiag *sd;
	int rc = sockdiag_open(-1, &sd);

	*v = (struct sockets_view){0};
	if (rc < 0)
		return rc;
	rc = gather(sd, &g);
	if (rc == 0) {
		if (v->n_listeners)
			qsort(v->listeners, v->n_listeners, sizeof(*v->listeners), listener_order);
		if (v->n_connections)
			qsort(v->connections, v->n_connections, sizeof(*v->connections),
			      connection_order);
		rc = weigh_all(sd, v);
	}
	/* Without /proc the table has no processes, but all else. */
	if (rc == 0 && holders_read(&v->holders) == -ENOMEM)
		rc = -ENOMEM;
	sockdiag_close(sd);
	if (rc < 0)
		sockets_view_free(v);
	return rc;
}

void sockets_view_free(struct sockets_view *v)
{
	holders_free(&v->holders);
	free(v->listeners);
	free(v->connections);
	*v = (struct sockets_view){0};
}

bool sockets_is_mapped(const struct sockdiag_entry *e)
{
	return e->family == AF_INET6 && addr_is_mapped(&e->dst.addr);
}

const char *sockets_netstat_name(const struct sockdiag_entry *e)
{
	if (e->proto == IPPROTO_TCP)
		return e->family == AF_INET6 ? "tcp6" : "tcp";
	return e->family == AF_INET6 ? "udp6" : "udp";
}

const char *sockets_state_name(uint8_t state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "ESTAB",
		[TCP_SYN_SENT] = "SYN-SENT",
		[TCP_SYN_RECV] = "SYN-RECV",
		[TCP_FIN_WAIT1] = "FIN-WAIT-1",
		[TCP_FIN_WAIT2] = "FIN-WAIT-2",
		[TCP_TIME_WAIT] = "TIME-WAIT",
		[TCP_CLOSE] = "UNCONN",
		[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCP_LAST_ACK] = "LAST-ACK",
		[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",
		[TCP_CLOSING + 1] = "SYN-RECV", /* not accepted yet */
	};

	if (state >= sizeof(names) / sizeof(names[0]) || !names[state])
		return "?";
	return names[state];
}
