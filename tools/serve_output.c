/* SPDX-License-Identifier: MIT */
/* serve_output.c - what "dualwire serve" says: where it listens, and each connection */
#include "serve_output.h"

#include "cli.h"
#include "report.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const char *proto_name(int proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

/* Which peers can reach a listener, and how that is known. */
static const char *serves_text(const struct listen_info *info)
{
	if (info->family == AF_INET)
		return "IPv4 (an AF_INET socket)";
	if (addr_is_mapped(&info->local.addr))
		return "IPv4, as ::ffff:a.b.c.d (bound to a mapped address)";
	if (!addr_is_any(&info->local.addr))
		return "IPv6 (V6ONLY=1, read back: one IPv6 address serves no IPv4)";
	if (info->v6only)
		return "IPv6 (V6ONLY=1, read back)";
	return "IPv6 and, as ::ffff:a.b.c.d, IPv4 (V6ONLY=0, read back)";
}

static json_t *listening_json(const struct listen_info *info, const char *name, const char *engine)
{
	json_t *json =
		json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:s, s:s}", "event", "listening", "proto",
			  proto_name(info->proto), "family", report_family_name(info->family),
			  "v6only", info->v6only < 0 ? json_null() : json_boolean(info->v6only),
			  "cookie", (json_int_t)info->cookie, "serves", serves_text(info), "engine",
			  engine, "name", name);

	if (json != NULL)
		report_set_endpoint(json, "local", &info->local, info->family);
	return json;
}

void serve_print_listening(const struct listen_info *info, const char *name, const char *engine,
			   bool json)
{
	char ep[ENDPOINT_STRLEN];

	endpoint_print(&info->local, evidence_form(info->family), ep);
	if (json)
		cli_print_json_line(listening_json(info, name, engine));
	else
		printf("listening on %s %s%s%s%s: %s; %s\n", proto_name(info->proto), ep,
		       name[0] ? " (" : "", name, name[0] ? ")" : "", serves_text(info), engine);
	fflush(stdout);
}

static const char *event_name(enum server_event event)
{
	switch (event) {
	case SERVER_ACCEPTED:
		return "accepted";
	case SERVER_CLOSED:
		return "closed";
	case SERVER_DATAGRAM:
		break;
	}
	return "datagram";
}

static void record_json(const struct server_record *rec)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:s?, s:I}", "event",
				 event_name(rec->event), "proto", proto_name(rec->proto), "family",
				 report_family_name(rec->family), "mapped",
				 report_is_mapped(rec->family, &rec->peer.addr), "cookie",
				 (json_int_t)rec->cookie, "bytes_in", (json_int_t)rec->bytes_in,
				 "bytes_out", (json_int_t)rec->bytes_out, "error",
				 rec->error ? strerrorname_np(-rec->error) : NULL, "real_ns",
				 (json_int_t)rec->real_ns);

	if (json != NULL && rec->peer.port != 0) {
		report_set_endpoint(json, "peer", &rec->peer, rec->family);
		if (rec->local.port != 0)
			report_set_endpoint(json, "local", &rec->local, rec->family);
	}
	if (json != NULL && rec->event == SERVER_DATAGRAM)
		json_object_set_new(json, "forged_mapped", json_boolean(rec->forged_mapped));
	cli_print_json_line(json);
}

/* What kind of address an AF_INET6 socket showed; nothing to add on an AF_INET one. */
static const char *kind_text(const struct server_record *rec)
{
	if (rec->forged_mapped)
		return " FORGED (mapped source in an IPv6 packet), not answered";
	if (rec->family == AF_INET || rec->peer.port == 0)
		return "";
	return addr_is_mapped(&rec->peer.addr) ? " mapped" : " native";
}

/* "-": it was not asked for, or cannot be had. */
static void endpoint_text(const struct endpoint *ep, int family, char *buf)
{
	if (ep->port == 0)
		memcpy(buf, "-", 2);
	else
		endpoint_print(ep, evidence_form(family), buf);
}

static void record_text(const struct server_record *rec)
{
	char peer[ENDPOINT_STRLEN], local[ENDPOINT_STRLEN];

	endpoint_text(&rec->peer, rec->family, peer);
	endpoint_text(&rec->local, rec->family, local);
	printf("%-8s %s %s -> %s %s%s cookie %llu", event_name(rec->event), proto_name(rec->proto),
	       peer, local, report_family_name(rec->family), kind_text(rec),
	       (unsigned long long)rec->cookie);
	if (rec->event != SERVER_ACCEPTED)
		printf(" in %llu out %llu", (unsigned long long)rec->bytes_in,
		       (unsigned long long)rec->bytes_out);
	if (rec->error)
		printf(": %s", strerror(-rec->error));
	putchar('\n');
}

void serve_print_record(const struct server_record *rec, bool json)
{
	flockfile(stdout); /* workers print side by side */
	if (json)
		record_json(rec);
	else
		record_text(rec);
	funlockfile(stdout);
}

void serve_print_pause(int error, uint64_t held)
{
	const char *remedy = "free some memory";
	char more[64] = "";

	if (error == -EMFILE)
		remedy = "raise the limit of open files (ulimit -n), or stay below it by "
			 "--max-conns";
	else if (error == -ENFILE)
		remedy = "raise the sysctl fs.file-max";
	if (held > 0)
		snprintf(more, sizeof(more), " (and %llu times since this was last said)",
			 (unsigned long long)held);
	cli_fail("serve", "accepting waits, connections stay in the backlog: %s; %s%s",
		 strerror(-error), remedy, more);
}
