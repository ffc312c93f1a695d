/* SPDX-License-Identifier: MIT */
/* stage.c - a lab made ready for its cases: their settings, rules, names, and programs */
#include "stage.h"

#include "../../rawstack/clock.h"
#include "../../rawstack/netlink/lab_extra.h"
#include "../../rawstack/netlink/sockdiag.h"
#include "program.h"
#include "stack_host.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROGRAM_MS = 3000, DNS_PORT = 53, DNS_ARGS_MAX = 48, DNS_RECORD = 256 };

struct where {
	char *why;
	size_t len;
};

static int fail(const struct where *w, int rc, const struct lab_error *err)
{
	snprintf(w->why, w->len, "cannot %s: %s", err->step, err->detail);
	return rc;
}

static bool is_v6(const struct case_addr *a)
{
	return a->form == ADDR_FORM_INET6;
}

static int apply(struct stage *s, const struct case_setting *set, const struct where *w)
{
	struct lab_route route = {
		.dst = set->addr.addr,
		.v6 = is_v6(&set->addr),
		.prefix = set->prefix,
		.type = set->route_type,
		.gateway = set->has_via ? &set->via.addr : NULL,
		.device = set->on_lo ? LAB_DEVICE_LO : LAB_DEVICE_LINK,
	};
	struct lab_error err = {{0}, {0}};
	int rc = 0;

	/* Further addresses of a stack are its own from the start. */
	if (set->side == LAB_SERVER && s->lab.host[LAB_SERVER].bare)
		return 0;
	if (set->kind == SETTING_SYSCTL)
		rc = lab_sysctl(&s->lab, set->side, set->text, set->value, &err);
	else if (set->kind == SETTING_ADDRESS && set->gone)
		rc = lab_remove_address(&s->lab, set->side, &set->addr.addr, is_v6(&set->addr),
					set->prefix, route.device, &err);
	else if (set->kind == SETTING_ADDRESS)
		rc = lab_add_address(&s->lab, set->side, &set->addr.addr, is_v6(&set->addr),
				     set->prefix, route.device, &err);
	else if (set->kind == SETTING_ROUTE)
		rc = lab_add_route(&s->lab, set->side, &route, &err);
	return rc < 0 ? fail(w, rc, &err) : 0;
}

/* Appends the lines of one kind to a file's text. */
static int collect(const struct lab_case *c, enum setting_kind kind, enum lab_side side, char *buf,
		   size_t len)
{
	size_t n = strlen(buf);

	for (size_t i = 0; i < c->n_settings; i++) {
		const struct case_setting *set = &c->settings[i];

		if (set->kind != kind || set->side != side)
			continue;
		n += (size_t)snprintf(buf + n, len - n, "%s\n", set->text);
		if (n >= len)
			return -EMSGSIZE;
	}
	return 0;
}

static int load_rules(struct stage *s, const struct lab_case *c, const struct where *w)
{
	char path[PROGRAM_PATH], said[96], rules[CASE_SETTINGS_MAX * STEP_TEXT];
	const char *const argv[] = {path, "-f", "-", NULL};
	int rc;

	if (!case_has_setting(c, SETTING_NFT))
		return 0;
	if (!program_find("nft", path)) {
		snprintf(w->why, w->len, "nft is not installed (Debian: apt-get install nftables)");
		return STAGE_SKIP;
	}
	for (int side = 0; side < LAB_SIDES; side++) {
		rules[0] = '\0';
		collect(c, SETTING_NFT, (enum lab_side)side, rules, sizeof(rules));
		if (!rules[0])
			continue;
		rc = program_run(s->lab.host[side].netns_fd, argv, rules, PROGRAM_MS, said,
				 sizeof(said));
		if (rc < 0) {
			snprintf(w->why, w->len, "nft refuses the rules: %s",
				 said[0] ? said : strerrordesc_np(-rc));
			return rc;
		}
	}
	return 0;
}

/* All records of one name in one argument: a second one would replace the first. */
static char *dns_record(const struct lab_case *c, size_t first)
{
	const char *name = c->settings[first].text;
	char text[ADDR_STRLEN], *record = malloc(DNS_RECORD);
	size_t n;

	if (!record)
		return NULL;
	n = (size_t)snprintf(record, DNS_RECORD, "--host-record=%s", name);
	for (size_t i = first; i < c->n_settings && n < DNS_RECORD; i++) {
		const struct case_setting *set = &c->settings[i];

		if (set->kind == SETTING_DNS && strcmp(set->text, name) == 0)
			n += (size_t)snprintf(record + n, DNS_RECORD - n, ",%s",
					      addr_print(&set->addr.addr, set->addr.form, text));
	}
	return record;
}

static bool is_first_of_name(const struct lab_case *c, size_t i)
{
	if (c->settings[i].kind != SETTING_DNS)
		return false;
	for (size_t k = 0; k < i; k++)
		if (c->settings[k].kind == SETTING_DNS &&
		    strcmp(c->settings[k].text, c->settings[i].text) == 0)
			return false;
	return true;
}

static void compare_port(const struct sockdiag_entry *e, void *arg)
{
	(void)e;
	*(bool *)arg = true;
}

/* It answers once it has its port. */
static int await_dns(const struct stage *s)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)PROGRAM_MS * NS_PER_MS;
	struct sockdiag *sd;
	bool bound = false;
	int rc = sockdiag_open(s->lab.host[LAB_SERVER].netns_fd, &sd);

	if (rc < 0)
		return rc;
	while (!bound && rc >= 0 && clock_ns(CLOCK_MONOTONIC) < end) {
		rc = sockdiag_dump(sd, IPPROTO_UDP, AF_INET, DNS_PORT, compare_port, &bound);
		if (!bound)
			poll(NULL, 0, 1);
	}
	sockdiag_close(sd);
	if (rc < 0)
		return rc;
	return bound ? 0 : -ETIMEDOUT;
}

static int start_dns(struct stage *s, const struct lab_case *c, const struct where *w)
{
	char path[PROGRAM_PATH];
	const char *argv[DNS_ARGS_MAX + 12] = {
		path,
		"--no-daemon",
		"--conf-file=",
		"--no-hosts",
		"--no-resolv",
		"--cache-size=0",
		"--local=/lab/",
		"--bind-interfaces",
		"--listen-address=198.51.100.2",
	};
	size_t fixed = 9, n = fixed;
	int rc;

	if (!case_has_setting(c, SETTING_DNS))
		return 0;
	if (!program_find("dnsmasq", path)) {
		snprintf(w->why, w->len,
			 "dnsmasq is not installed (Debian: apt-get install dnsmasq-base)");
		return STAGE_SKIP;
	}
	for (size_t i = 0; i < c->n_settings && n < fixed + DNS_ARGS_MAX; i++)
		if (is_first_of_name(c, i) && (argv[n] = dns_record(c, i)))
			n++;
	s->dns = program_start(s->lab.host[LAB_SERVER].netns_fd, argv);
	for (size_t i = fixed; i < n; i++)
		free((char *)argv[i]);
	rc = s->dns < 0 ? (int)s->dns : await_dns(s);
	if (rc < 0)
		snprintf(w->why, w->len, "dnsmasq does not answer: %s", strerrordesc_np(-rc));
	return rc;
}

int stage_files(const struct stage *s, const struct lab_case *c, struct resolver_files *f,
		char *why, size_t why_len)
{
	bool dns = case_has_setting(c, SETTING_DNS);
	struct resolver_question q = {.name = "198.51.100.2", .family = AF_INET};
	struct resolver_answer a;
	int rc;

	*f = (struct resolver_files){.hosts = "127.0.0.1 localhost\n::1 localhost\n"};
	snprintf(f->nsswitch, sizeof(f->nsswitch), "hosts: files%s\n", dns ? " dns" : "");
	if (dns)
		snprintf(f->resolv, sizeof(f->resolv),
			 "nameserver 198.51.100.2\noptions timeout:2 attempts:2\n");
	if (collect(c, SETTING_HOSTS, LAB_CLIENT, f->hosts, sizeof(f->hosts)) < 0 ||
	    collect(c, SETTING_GAI, LAB_CLIENT, f->gai, sizeof(f->gai)) < 0) {
		snprintf(why, why_len, "the lines of hosts or gai are too many");
		return -EMSGSIZE;
	}
	rc = resolver_ask(s->lab.host[LAB_CLIENT].netns_fd, f, &q, PROGRAM_MS, &a);
	if (rc == 0)
		return STAGE_READY;
	snprintf(why, why_len,
		 "it lays files over /etc/hosts in a mount namespace of its own, and that is not "
		 "possible here: %s",
		 strerrordesc_np(-rc));
	return STAGE_SKIP;
}

static int collect_addresses(struct stage *s, const struct lab_case *c, const struct where *w)
{
	struct more_addrs *more = &s->more;

	for (size_t i = 0; c && i < c->n_settings; i++) {
		const struct case_setting *set = &c->settings[i];

		if (set->kind != SETTING_ADDRESS || set->side != LAB_SERVER)
			continue;
		if (more->n == MORE_ADDRS_MAX) {
			snprintf(w->why, w->len, "the stack takes at most %d more addresses",
				 MORE_ADDRS_MAX);
			return -ENOSPC;
		}
		more->list[more->n].addr = set->addr.addr;
		more->list[more->n++].prefix_len = set->prefix;
	}
	return 0;
}

int stage_open(const struct lab_case *c, enum serving serving, struct stage *s, char *why,
	       size_t why_len)
{
	const struct lab_options opt = {.bare_server = serving != SERVING_KERNEL};
	const struct where w = {why, why_len};
	struct lab_error err = {{0}, {0}};
	int rc;

	*s = (struct stage){.dns = 0};
	rc = lab_create_with(&opt, &s->lab, &err);
	if (rc < 0)
		return fail(&w, rc, &err);
	for (int i = 0; i < LAB_SIDES; i++)
		s->hosts[i] = socket_host_kernel(s->lab.host[i].netns_fd);
	for (size_t i = 0; c && i < c->n_settings && rc == 0; i++)
		rc = apply(s, &c->settings[i], &w);
	if (c && rc == 0)
		rc = load_rules(s, c, &w);
	if (c && rc == 0)
		rc = start_dns(s, c, &w);
	if (rc == 0 && serving != SERVING_KERNEL)
		rc = collect_addresses(s, c, &w);
	if (rc == 0 && serving == SERVING_SOCKETS) {
		rc = stack_host_open(&s->lab.host[LAB_SERVER], &s->more, &s->stack, why, why_len);
		s->hosts[LAB_SERVER] = stack_host_sockets(s->stack);
	}
	if (rc != STAGE_READY)
		stage_close(s);
	return rc;
}

void stage_close(struct stage *s)
{
	stack_host_close(s->stack);
	s->stack = NULL;
	program_end(s->dns);
	s->dns = 0;
	lab_destroy(&s->lab);
}
