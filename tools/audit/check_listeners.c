/* SPDX-License-Identifier: MIT */
/* check_listeners.c - which families each listener serves and why, and what would change that */
#include "../../rawstack/netlink/netns.h"
#include "checks.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SHOWN_MAX = 6 };

static bool has_family(const struct listeners *l, const struct service *s, bool ipv6)
{
	struct service found[SERVICES_MAX];
	size_t n = services_of(l, found, SERVICES_MAX);

	for (size_t i = 0; i < n; i++)
		if (found[i].proto == s->proto && found[i].port == s->port)
			return ipv6 ? found[i].v6 : found[i].v4;
	return false;
}

static void judge_service(const struct service *s, const struct listeners *second,
			  struct audit_result *r)
{
	static const char remedy[] =
		"set IPV6_V6ONLY on every AF_INET6 socket before bind: to 0, or to 1 with a second "
		"socket for IPv4; the default is the system's (1 on the BSDs and Windows)";
	char where[SERVICE_TEXT];

	service_text(s, where);
	if (s->v4 && !has_family(second, s, false))
		result_find(
			r, SEVERITY_RISK, where, remedy,
			"with net.ipv6.bindv6only=1 it serves no IPv4 any more: the server leaves "
			"IPV6_V6ONLY to the system");
	else if (s->v6 && !has_family(second, s, true))
		result_find(r, SEVERITY_RISK, where, remedy,
			    "with net.ipv6.bindv6only=1 it serves no IPv6 any more");
}

void listeners_judge(const struct listeners *first, const struct listeners *second,
		     bool second_failed, struct audit_result *r)
{
	struct service list[SERVICES_MAX];
	size_t n = services_of(first, list, SERVICES_MAX);

	if (second_failed) {
		result_find(r, SEVERITY_RISK, "server",
			    "set IPV6_V6ONLY explicitly on every AF_INET6 socket before bind",
			    "with net.ipv6.bindv6only=1 it does not come to listen at all");
		return;
	}
	for (size_t i = 0; i < n; i++)
		judge_service(&list[i], second, r);
}

void listeners_judge_sharing(const struct listeners *l, const struct service *s,
			     const struct listener_options *o, struct audit_result *r)
{
	static const char remedy[] =
		"set SO_REUSEPORT only where several processes of the server share the port on "
		"purpose; SO_REUSEADDR is enough to restart";
	const struct sockdiag_entry *e = &l->list[s->first];
	bool dual = addr_eq(&e->src.addr, &ADDR_ANY6) && e->v6only == 0;
	char where[SERVICE_TEXT];

	service_text(s, where);
	if (o->reuseport == 1)
		result_find(r, SEVERITY_NOTE, where, remedy,
			    "SO_REUSEPORT is set: a second program of the same user that binds %s "
			    "with it gets no error and takes %s clients",
			    dual ? "0.0.0.0" : "the same address",
			    dual ? "all IPv4" : "a part of the");
	else if (s->proto == IPPROTO_UDP && o->reuseaddr == 1)
		result_find(r, SEVERITY_NOTE, where, "do not set SO_REUSEADDR on UDP sockets",
			    "SO_REUSEADDR is set on a UDP socket: any second program that sets it "
			    "too binds the port without an error and takes %s datagrams",
			    dual ? "its IPv4" : "its");
	else if (s->v4 != s->v6 && !dual)
		result_find(
			r, SEVERITY_NOTE, where,
			"serve both families, or have the other one's port taken as well",
			"its %s side is free: another program can bind it without an error, and "
			"clients of the two families then meet two servers",
			s->v4 ? "IPv6" : "IPv4");
}

/* "TCP [::]:80 (IPv6 and IPv4), ..." */
static void summarise(const struct listeners *l, struct audit_result *r)
{
	char text[SHOWN_MAX * LISTENER_TEXT] = "", one[LISTENER_TEXT], last[LISTENER_TEXT] = "";
	unsigned int shown = 0, more = 0;
	size_t len = 0;

	for (size_t i = 0; i < l->n; i++) {
		listener_text(&l->list[i], one);
		if (strcmp(one, last) == 0)
			continue;
		memcpy(last, one, sizeof(last));
		if (shown == SHOWN_MAX) {
			more++;
			continue;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", shown ? ", " : "",
					one);
		shown++;
	}
	if (more)
		snprintf(text + len, sizeof(text) - len, ", and %u more", more);
	result_set(r, AUDIT_CLEAN, "%s", text);
}

static bool some_dual(const struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (addr_eq(&l->list[i].src.addr, &ADDR_ANY6) && l->list[i].v6only == 0)
			return true;
	return false;
}

static int set_bindv6only(const struct audit *a, const char *value)
{
	int back, fd, ret = netns_enter(a->lab.host[LAB_SERVER].netns_fd, &back);

	if (ret < 0)
		return ret;
	fd = open("/proc/sys/net/ipv6/bindv6only", O_WRONLY | O_CLOEXEC);
	ret = fd < 0 || write(fd, value, 1) != 1 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	netns_leave(back);
	return ret;
}

/*
 * Starts the server where an AF_INET6 socket serves IPv6 only unless told otherwise, and then as
 * usual again. No client has come yet, so no connection is in the way.
 */
static void start_twice(struct audit *a, struct audit_result *r)
{
	struct listeners *second = calloc(1, sizeof(*second));
	struct audit_error err = {0};
	int ret;

	if (!second || set_bindv6only(a, "1") < 0) {
		free(second);
		result_set(r, AUDIT_FAILED, "net.ipv6.bindv6only cannot be set in the lab");
		return;
	}
	audit_stop_server(a);
	ret = audit_start_server(a, &a->listeners, second, &err);
	listeners_judge(&a->listeners, second, ret < 0, r);
	set_bindv6only(a, "0");
	audit_stop_server(a);
	if (audit_start_server(a, &a->listeners, second, &err) < 0)
		result_set(r, AUDIT_FAILED, "it was stopped and did not start again: %s", err.what);
	free(second);
}

void check_listeners_run(struct audit *a, struct audit_result *r)
{
	struct holders h;

	/* Without the holders no option is known, and nothing is said of them. */
	if (holders_read(&h) < 0)
		h = (struct holders){0};
	for (size_t i = 0; i < a->n_services; i++) {
		const struct sockdiag_entry *e = &a->listeners.list[a->services[i].first];
		struct listener_options o = options_read(&h, e->inode);

		listeners_judge_sharing(&a->listeners, &a->services[i], &o, r);
	}
	holders_free(&h);
	summarise(&a->listeners, r);
	if (!a->cfg->attach && some_dual(&a->listeners))
		start_twice(a, r);
}
