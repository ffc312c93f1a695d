/* SPDX-License-Identifier: MIT */
/* witness_target.c - finds what is to be watched */
#include "witness_target.h"

#include "cli.h"
#include "holders.h"
#include "netns_arg.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

const char *witness_serves(const struct sockdiag_entry *e)
{
	if (e->family == AF_INET)
		return "IPv4 only";
	if (addr_is_any(&e->src.addr) && !addr_is_mapped(&e->src.addr))
		return e->v6only == 1 ? "IPv6 only" : "IPv4 (as ::ffff:a.b.c.d) and IPv6";
	return addr_is_mapped(&e->src.addr) ? "IPv4 only (as ::ffff:a.b.c.d)" : "IPv6 only";
}

static void list_interfaces(char *text, size_t size)
{
	struct if_nameindex *list = if_nameindex();
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; list && list[i].if_name && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, " %s", list[i].if_name);
	if_freenameindex(list);
}

static int find_interface(const struct witness_options *o, unsigned int *ifindex)
{
	char known[256];

	*ifindex = if_nametoindex(o->interface);
	if (*ifindex)
		return 0;
	list_interfaces(known, sizeof(known));
	return cli_fail("witness", "there is no interface '%.32s'; there are:%s", o->interface,
			known);
}

enum { SEEN_MAX = 4096, SEEN_TEXT = 512 };

/* The listeners and unconnected UDP sockets of the namespace. */
struct listeners {
	struct sockdiag_entry e[SEEN_MAX];
	size_t n;
};

static void take_listener(const struct sockdiag_entry *e, void *arg)
{
	struct listeners *l = arg;

	if (e->dst.port == 0 && e->src.port && l->n < SEEN_MAX &&
	    (e->proto == IPPROTO_UDP || e->state == TCP_LISTEN))
		l->e[l->n++] = *e;
}

static int list_listeners(struct listeners **out)
{
	static const int families[] = {AF_INET, AF_INET6}, protos[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct listeners *l = calloc(1, sizeof(*l));
	struct sockdiag *sd;
	int rc = l ? sockdiag_open(-1, &sd) : -ENOMEM;

	for (int k = 0; rc >= 0 && k < 4; k++) {
		rc = sockdiag_dump(sd, protos[k & 1], families[k >> 1], 0, take_listener, l);
		if (k == 3 || rc < 0)
			sockdiag_close(sd);
	}
	if (rc < 0) {
		free(l);
		return cli_fail("witness", "cannot list the sockets: %s", strerrordesc_np(-rc));
	}
	*out = l;
	return 0;
}

static void name_listeners(const struct listeners *l, char text[SEEN_TEXT])
{
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < l->n && n + ENDPOINT_STRLEN + 1 < SEEN_TEXT; i++) {
		char at[ENDPOINT_STRLEN];

		endpoint_print(&l->e[i].src,
			       l->e[i].family == AF_INET ? ADDR_FORM_INET : ADDR_FORM_INET6, at);
		n += (size_t)snprintf(text + n, SEEN_TEXT - n, " %s", at);
	}
	if (!l->n)
		snprintf(text, SEEN_TEXT, " none");
}

/* An any-address of one family is not that of the other, though both are "any". */
static int check_listener(const struct witness_options *o, const struct listeners *l)
{
	char known[SEEN_TEXT];

	for (size_t i = 0; i < l->n; i++)
		if (l->e[i].src.port == o->listener_at.port &&
		    (o->listener_any || addr_eq(&l->e[i].src.addr, &o->listener_at.addr)))
			return 0;
	name_listeners(l, known);
	return cli_fail("witness",
			"nobody listens on %.64s; give -p to wait for somebody. There are:%s",
			o->listener, known);
}

static bool has_port(const struct witness_options *o, uint16_t port)
{
	for (size_t i = 0; i < o->n_ports; i++)
		if (port >= o->ports[i].lo && port <= o->ports[i].hi)
			return true;
	return false;
}

static bool is_held_by(const struct holders *h, uint32_t inode, pid_t pid)
{
	size_t n;
	const struct holder *list = holders_find(h, inode, &n);

	for (size_t i = 0; list && i < n; i++)
		if (list[i].pid == pid)
			return true;
	return false;
}

static int add_process_ports(struct witness_options *o, const struct listeners *l)
{
	struct holders h;
	size_t found = 0;
	int rc = holders_read(&h);

	if (rc < 0)
		return cli_fail("witness", "cannot read /proc: %s", strerrordesc_np(-rc));
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		struct port_range r = {l->e[i].src.port, l->e[i].src.port};

		if (!l->e[i].inode || !is_held_by(&h, l->e[i].inode, o->pid))
			continue;
		found++;
		if (!has_port(o, r.lo))
			rc = witness_options_add_port(o, &r);
	}
	holders_free(&h);
	if (found)
		return rc;
	return cli_fail("witness",
			"process %d listens on no TCP or UDP port of its network namespace, or we "
			"may not read /proc/%d/fd; run it as root, or give -p",
			o->pid, o->pid);
}

/* Without --netns a process is looked for where it is. */
static int join_netns(const struct witness_options *o)
{
	char pid[16];

	if (o->netns)
		return netns_arg_join("witness", o->netns);
	if (!o->pid)
		return 0;
	snprintf(pid, sizeof(pid), "%d", o->pid);
	return netns_arg_join("witness", pid);
}

int witness_target_find(struct witness_options *o, unsigned int *ifindex)
{
	struct listeners *l = NULL;
	int rc = join_netns(o);

	if (rc == 0)
		rc = find_interface(o, ifindex);
	if (rc || (!o->pid && !o->listener))
		return rc;
	rc = list_listeners(&l);
	if (rc)
		return rc;
	assert(l);
	if (o->listener)
		rc = check_listener(o, l);
	if (rc == 0 && o->pid)
		rc = add_process_ports(o, l);
	free(l);
	return rc;
}
