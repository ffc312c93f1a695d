/* SPDX-License-Identifier: MIT */
/* sockets_print.c - listeners and connections as words, tables and JSON */
#include "sockets_view.h"

#include "cli.h"
#include "../rawstack/witness/evidence.h"
#include "report.h"

#include <errno.h>
#include <libsmartcols.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>

enum { CELL = 256, BOUND = ENDPOINT_STRLEN + IF_NAMESIZE + 2 };

static const char *const FAMILY[2] = {"IPv4", "IPv6"};

struct words {
	char *buf;
	size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->buf + t->len, t->cap - t->len, fmt, args);
	va_end(args);
	if (n > 0)
		t->len += (size_t)n < t->cap - t->len ? (size_t)n : t->cap - t->len - 1;
}

/* A line of a cell: each but the first begins with a newline. */
static void new_line(struct words *t)
{
	if (t->len)
		say(t, "\n");
}

/* "[::]:80", and "%eth0" behind it when it is bound to a device. */
static const char *bound_text(const struct sockdiag_entry *e, char *buf)
{
	char name[IF_NAMESIZE];
	struct endpoint ep = e->src;
	size_t n;

	ep.scope = 0;
	endpoint_print(&ep, evidence_form(e->family), buf);
	n = strlen(buf);
	if (e->ifindex && if_indextoname(e->ifindex, name))
		snprintf(buf + n, BOUND - n, "%%%s", name);
	else if (e->ifindex)
		snprintf(buf + n, BOUND - n, "%%%u", e->ifindex);
	return buf;
}

/* "nginx/12, nginx/13 and 2 more"; empty when nobody is known. */
static const char *holders_text(const struct sockets_view *v, uint32_t inode, char *buf)
{
	enum { SHOWN = 2 };
	struct words t = {.buf = buf, .cap = CELL};
	size_t n;
	const struct holder *h = holders_find(&v->holders, inode, &n);

	buf[0] = '\0';
	for (size_t i = 0; i < n && i < SHOWN; i++)
		say(&t, "%s%s/%d", i ? ", " : "", h[i].name, h[i].pid);
	if (n > SHOWN)
		say(&t, " and %zu more", n - SHOWN);
	return buf;
}

/* "0.0.0.0:80 (nginx/12)" */
static void say_socket(const struct sockets_view *v, const struct sockdiag_entry *e,
		       struct words *t)
{
	char bound[BOUND], who[CELL];

	say(t, "%s", bound_text(e, bound));
	if (holders_text(v, e->inode, who)[0])
		say(t, " (%s)", who);
}

/* What the socket is, by itself. */
static void say_nature(const struct sockdiag_entry *e, struct words *t)
{
	char address[ADDR_STRLEN];

	if (e->family == AF_INET)
		say(t, "an AF_INET socket: IPv4 only%s",
		    addr_is_any(&e->src.addr) ? "" : ", one address");
	else if (addr_is_mapped(&e->src.addr))
		say(t, "bound to a mapped address: IPv4 only");
	else if (!addr_is_any(&e->src.addr))
		say(t, "bound to %s: IPv6 only, one address",
		    addr_print(&e->src.addr, ADDR_FORM_INET6, address));
	else if (e->v6only == 1)
		say(t, "bound to :: with V6ONLY on: IPv6 only");
	else
		say(t, "bound to :: with V6ONLY off: both families");
}

/* Why @winner goes before @e. */
static const char *because(const struct sockdiag_entry *winner, const struct sockdiag_entry *e)
{
	if (addr_is_any(&e->src.addr) && !addr_is_any(&winner->src.addr))
		return "it is bound to that very address";
	if (winner->family == AF_INET && e->family == AF_INET6)
		return "AF_INET goes before AF_INET6";
	if (winner->ifindex && !e->ifindex)
		return "it is bound to the device";
	return "both fit, and it stands before this one in the kernel's list";
}

/* What goes elsewhere of all that this socket's address takes. */
static void say_exception(const struct sockets_view *v, const struct sockets_listener *l, int v6,
			  const struct dispatch_except *x, struct words *t)
{
	const struct sockdiag_entry *r = &v->listeners[l->first + x->who].e;
	char address[ADDR_STRLEN], device[IF_NAMESIZE];
	enum addr_form form = v6 ? ADDR_FORM_INET6 : ADDR_FORM_INET;

	new_line(t);
	if (addr_is_any(&r->src.addr))
		say(t, "%s", FAMILY[v6]);
	else
		say(t, "%s", addr_print(&r->src.addr, form, address));
	if (r->ifindex && !l->e.ifindex)
		say(t, " by %s",
		    if_indextoname(r->ifindex, device) ? device : "the device it is bound to");
	say(t, " goes to ");
	say_socket(v, r, t);
	say(t, ": %s", because(r, &l->e));
}

static void say_service(const struct sockets_view *v, const struct sockets_listener *l, int v6,
			struct words *t)
{
	const struct dispatch_service *s = &l->service[v6];
	const struct sockets_listener *port = &v->listeners[l->first];

	if (l->disputed[v6]) {
		new_line(t);
		say(t,
		    "%s: the kernel's own look-up ends elsewhere: perhaps a program attached "
		    "to sk_lookup",
		    FAMILY[v6]);
		return;
	}
	if (s->reason == DISPATCH_RIVAL) {
		new_line(t);
		say(t, "%s goes to ", FAMILY[v6]);
		say_socket(v, &port[s->rival].e, t);
		say(t, ": %s", because(&port[s->rival].e, &l->e));
	}
	if (s->share == DISPATCH_PART) {
		new_line(t);
		say(t, "%s is shared by %zu equal sockets (SO_REUSEPORT)", FAMILY[v6], s->group);
	}
	for (size_t k = 0; k < s->n_except; k++)
		say_exception(v, l, v6, &s->except[k], t);
	if (s->except_overflow)
		say(t, "\nand more go elsewhere");
}

const char *sockets_why(const struct sockets_view *v, size_t i, char *buf)
{
	struct words t = {.buf = buf, .cap = SOCKETS_WHY_MAX};
	const struct sockets_listener *l = &v->listeners[i];

	buf[0] = '\0';
	say_nature(&l->e, &t);
	for (int v6 = 0; v6 < 2; v6++)
		say_service(v, l, v6, &t);
	return buf;
}

/* One word of what is served of a family. */
static const char *served(const struct sockets_listener *l, int v6)
{
	const struct dispatch_service *s = &l->service[v6];

	if (l->disputed[v6] || s->share == DISPATCH_UNKNOWN)
		return "?";
	if (s->share == DISPATCH_NOTHING)
		return s->reason == DISPATCH_RIVAL ? "TAKEN" : "-";
	if (s->n_except)
		return "mostly";
	return s->share == DISPATCH_PART ? "shared" : "yes";
}

struct column {
	const char *name;
	int flags;
};

static struct libscols_table *new_table(const struct column *columns, size_t n)
{
	struct libscols_table *tb;

	scols_init_debug(0);
	tb = scols_new_table();
	for (size_t i = 0; tb && i < n; i++) {
		struct libscols_column *cl =
			scols_table_new_column(tb, columns[i].name, 0, columns[i].flags);

		if (!cl) {
			scols_unref_table(tb);
			return NULL;
		}
		if (!(columns[i].flags & SCOLS_FL_WRAP))
			continue;
		scols_column_set_safechars(cl, "\n");
		scols_column_set_wrapfunc(cl, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
	}
	return tb;
}

static int set_cells(struct libscols_line *ln, const char *const *cells, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = scols_line_set_data(ln, i, cells[i]);
	return rc ? -ENOMEM : 0;
}

/* What is served is green, what another takes is red. */
static int paint(struct libscols_line *ln, size_t column, const char *word)
{
	const char *color = strcmp(word, "TAKEN") == 0 || strcmp(word, "?") == 0 ? "red"
			    : strcmp(word, "-") == 0				 ? NULL
										 : "green";

	return color ? scols_cell_set_color(scols_line_get_cell(ln, column), color) : 0;
}

static int print_listeners(const struct sockets_view *v)
{
	static const struct column columns[] = {
		{"NETSTAT", 0}, {"LISTENS ON", 0},	{"IPv4", 0},
		{"IPv6", 0},	{"WHY", SCOLS_FL_WRAP}, {"PROCESS", 0}};
	enum { IPV4 = 2, IPV6, N = sizeof(columns) / sizeof(columns[0]) };
	struct libscols_table *tb = new_table(columns, N);
	bool color = cli_color(stdout);
	int rc = tb ? 0 : -ENOMEM;

	if (tb && color)
		scols_table_enable_colors(tb, 1);
	for (size_t i = 0; i < v->n_listeners && rc == 0; i++) {
		const struct sockets_listener *l = &v->listeners[i];
		struct libscols_line *ln = scols_table_new_line(tb, NULL);
		char bound[BOUND], why[SOCKETS_WHY_MAX], who[CELL];
		const char *cells[N] = {sockets_netstat_name(&l->e),
					bound_text(&l->e, bound),
					served(l, 0),
					served(l, 1),
					sockets_why(v, i, why),
					holders_text(v, l->e.inode, who)};

		rc = ln ? set_cells(ln, cells, N) : -ENOMEM;
		for (size_t k = IPV4; color && k <= IPV6 && rc == 0; k++)
			rc = paint(ln, k, cells[k]);
	}
	if (rc == 0 && v->n_listeners)
		rc = scols_print_table(tb) ? -ENOMEM : 0;
	if (tb)
		scols_unref_table(tb);
	return rc;
}

static const char *travels(const struct sockdiag_entry *e)
{
	if (e->family == AF_INET)
		return "IPv4";
	return sockets_is_mapped(e) ? "IPv4 (mapped)" : "IPv6";
}

static int print_connections(const struct sockets_view *v, bool all)
{
	static const struct column columns[] = {{"NETSTAT", 0}, {"LOCAL", 0},	   {"PEER", 0},
						{"STATE", 0},	{"TRAVELS AS", 0}, {"PROCESS", 0}};
	enum { N = sizeof(columns) / sizeof(columns[0]) };
	struct libscols_table *tb = new_table(columns, N);
	int rc = tb ? 0 : -ENOMEM;
	size_t rows = 0;

	for (size_t i = 0; i < v->n_connections && rc == 0; i++) {
		const struct sockdiag_entry *e = &v->connections[i];
		char src[BOUND], dst[ENDPOINT_STRLEN], who[CELL];
		struct libscols_line *ln;
		const char *cells[N] = {sockets_netstat_name(e),
					bound_text(e, src),
					endpoint_print(&e->dst, evidence_form(e->family), dst),
					sockets_state_name(e->state),
					travels(e),
					holders_text(v, e->inode, who)};

		if (!all && !sockets_is_mapped(e))
			continue;
		ln = scols_table_new_line(tb, NULL);
		rc = ln ? set_cells(ln, cells, N) : -ENOMEM;
		rows++;
	}
	if (rc == 0 && rows) {
		if (v->n_listeners)
			putchar('\n');
		rc = scols_print_table(tb) ? -ENOMEM : 0;
	}
	if (tb)
		scols_unref_table(tb);
	return rc;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_summary(const struct sockets_view *v, bool all)
{
	size_t dual = 0, mapped = 0;

	for (size_t i = 0; i < v->n_listeners; i++)
		dual += v->listeners[i].e.family == AF_INET6 &&
			v->listeners[i].service[0].share != DISPATCH_NOTHING;
	for (size_t i = 0; i < v->n_connections; i++)
		mapped += sockets_is_mapped(&v->connections[i]);
	putchar('\n');
	if (dual)
		printf("%zu socket%s that netstat calls tcp6 or udp6 serve%s IPv4 too: the name is "
		       "the "
		       "socket's family, not the traffic's.\n",
		       dual, plural(dual), dual == 1 ? "s" : "");
	printf("%zu connection%s, %zu of them IPv4 on an AF_INET6 socket (::ffff:a.b.c.d)%s.\n",
	       v->n_connections, plural(v->n_connections), mapped,
	       !all && mapped < v->n_connections ? "; -a lists the others too" : "");
	if (v->holders.closed)
		printf("%zu process%s may not be looked into: root sees who holds every socket.\n",
		       v->holders.closed, v->holders.closed == 1 ? "" : "es");
}

int sockets_print(const struct sockets_view *v, bool all)
{
	int rc = print_listeners(v);

	if (rc == 0)
		rc = print_connections(v, all);
	if (rc == 0)
		print_summary(v, all);
	return rc;
}

static json_t *processes_json(const struct sockets_view *v, uint32_t inode)
{
	json_t *list = json_array();
	size_t n;
	const struct holder *h = holders_find(&v->holders, inode, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:i,s:s}", "pid", h[i].pid, "name", h[i].name));
	return list;
}

static json_t *socket_json(const struct sockets_view *v, const struct sockdiag_entry *e)
{
	json_t *o = json_pack("{s:s,s:s,s:s}", "proto", e->proto == IPPROTO_TCP ? "tcp" : "udp",
			      "netstat", sockets_netstat_name(e), "family",
			      report_family_name(e->family));

	report_set_endpoint(o, "local", &e->src, e->family);
	if (e->ifindex)
		json_object_set_new(o, "ifindex", json_integer(e->ifindex));
	json_object_set_new(o, "uid", json_integer(e->uid));
	json_object_set_new(o, "cookie", json_integer((json_int_t)e->cookie));
	json_object_set_new(o, "processes", processes_json(v, e->inode));
	return o;
}

/* {"share":"all","reason":"rival","to":{…},"except":[…]} */
static json_t *service_json(const struct sockets_view *v, const struct sockets_listener *l, int v6)
{
	static const char *const shares[] = {[DISPATCH_NOTHING] = "nothing",
					     [DISPATCH_ALL] = "all",
					     [DISPATCH_PART] = "part",
					     [DISPATCH_UNKNOWN] = "unknown"};
	static const char *const reasons[] = {[DISPATCH_SOCKET_FAMILY] = "socket_family",
					      [DISPATCH_ADDRESS] = "address",
					      [DISPATCH_V6ONLY] = "v6only",
					      [DISPATCH_RIVAL] = "rival"};
	const struct dispatch_service *s = &l->service[v6];
	const struct sockets_listener *port = &v->listeners[l->first];
	json_t *o = json_pack("{s:s}", "share", l->disputed[v6] ? "disputed" : shares[s->share]);
	json_t *except = json_array();

	if (s->share == DISPATCH_NOTHING)
		json_object_set_new(o, "reason", json_string(reasons[s->reason]));
	if (s->reason == DISPATCH_RIVAL)
		json_object_set_new(o, "to", socket_json(v, &port[s->rival].e));
	if (s->share == DISPATCH_PART)
		json_object_set_new(o, "group", json_integer((json_int_t)s->group));
	for (size_t k = 0; k < s->n_except; k++)
		json_array_append_new(except, socket_json(v, &port[s->except[k].who].e));
	json_object_set_new(o, "except", except);
	return o;
}

static json_t *listener_json(const struct sockets_view *v, size_t i)
{
	const struct sockets_listener *l = &v->listeners[i];
	json_t *o = socket_json(v, &l->e);
	char why[SOCKETS_WHY_MAX];

	json_object_set_new(o, "v6only", l->e.v6only < 0 ? json_null() : json_boolean(l->e.v6only));
	json_object_set_new(o, "ipv4", service_json(v, l, 0));
	json_object_set_new(o, "ipv6", service_json(v, l, 1));
	json_object_set_new(o, "why", json_string(sockets_why(v, i, why)));
	return o;
}

static json_t *connection_json(const struct sockets_view *v, const struct sockdiag_entry *e)
{
	json_t *o = socket_json(v, e);

	report_set_endpoint(o, "peer", &e->dst, e->family);
	json_object_set_new(o, "state", json_string(sockets_state_name(e->state)));
	json_object_set_new(o, "mapped", json_boolean(sockets_is_mapped(e)));
	json_object_set_new(
		o, "travels",
		json_string(e->family == AF_INET || sockets_is_mapped(e) ? "IPv4" : "IPv6"));
	return o;
}

json_t *sockets_json(const struct sockets_view *v)
{
	json_t *listeners = json_array(), *connections = json_array();

	for (size_t i = 0; i < v->n_listeners; i++)
		json_array_append_new(listeners, listener_json(v, i));
	for (size_t i = 0; i < v->n_connections; i++)
		json_array_append_new(connections, connection_json(v, &v->connections[i]));
	return json_pack("{s:o,s:o,s:i}", "listeners", listeners, "connections", connections,
			 "processes_hidden", (int)v->holders.closed);
}
