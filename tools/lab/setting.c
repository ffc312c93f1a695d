/* SPDX-License-Identifier: MIT */
/* setting.c - reads what a case changes on its hosts, and the listeners it asks for */
#include "setting.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>

static const char *const KEYS[] = {
	[SETTING_SYSCTL] = "sysctl", [SETTING_ADDRESS] = "address", [SETTING_ROUTE] = "route",
	[SETTING_NFT] = "nft",	     [SETTING_HOSTS] = "hosts",	    [SETTING_GAI] = "gai",
	[SETTING_DNS] = "dns",
};

bool setting_key(const char *key, enum setting_kind *kind)
{
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		if (strcmp(key, KEYS[i]) != 0)
			continue;
		*kind = (enum setting_kind)i;
		return true;
	}
	return false;
}

static int take_side(struct words *ws, struct case_setting *s)
{
	if (words_accept(ws, "server"))
		s->side = LAB_SERVER;
	else if (!words_accept(ws, "client"))
		return words_complain(ws, "whose? begin with client or server");
	return 0;
}

static int take_text(struct words *ws, const char *what, char *buf, size_t len)
{
	const char *w = words_take(ws);

	if (!w || strlen(w) >= len)
		return words_complain(ws, "there is no %s, or it is too long", what);
	memcpy(buf, w, strlen(w) + 1);
	return 0;
}

static int parse_sysctl(struct words *ws, struct case_setting *s)
{
	if (take_side(ws, s) < 0 || take_text(ws, "setting", s->text, sizeof(s->text)) < 0)
		return -EINVAL;
	if (strncmp(s->text, "net.", 4) != 0 || strstr(s->text, "..") || strchr(s->text, '/'))
		return words_complain(ws,
				      "'%.60s' is no setting of a network namespace; they begin "
				      "with net. and have dots, no slashes",
				      s->text);
	return take_text(ws, "value", s->value, sizeof(s->value));
}

/* "ADDRESS/LENGTH", or an address alone for all of it. */
static int take_prefix(struct words *ws, struct case_setting *s)
{
	const char *w = words_take(ws), *why = "the line ends";
	char host[VALUE_TEXT];
	const char *slash = w ? strchr(w, '/') : NULL;
	int64_t len, most;

	if (!w || strlen(w) >= sizeof(host))
		return words_complain(ws, "there is no address, or it is too long");
	memcpy(host, w, strlen(w) + 1);
	if (slash)
		host[slash - w] = '\0';
	if (case_addr_parse(host, &s->addr, &why) < 0 || s->addr.has_port)
		return words_complain(ws, "'%.60s' is no address: %s", host, why);
	most = s->addr.form == ADDR_FORM_INET ? 32 : 128;
	len = most;
	if (slash && (case_number_parse(slash + 1, &len) < 0 || len < 0 || len > most))
		return words_complain(ws, "'%.20s' is no prefix length; write 0 to %d", slash + 1,
				      (int)most);
	s->prefix = (uint8_t)len;
	return 0;
}

static int parse_address(struct words *ws, struct case_setting *s)
{
	if (take_side(ws, s) < 0 || take_prefix(ws, s) < 0)
		return -EINVAL;
	s->on_lo = words_accept(ws, "lo");
	s->gone = words_accept(ws, "gone");
	return 0;
}

static int parse_route(struct words *ws, struct case_setting *s)
{
	if (take_side(ws, s) < 0 || take_prefix(ws, s) < 0)
		return -EINVAL;
	s->route_type = RTN_UNICAST;
	if (words_accept(ws, "unreachable")) {
		s->route_type = RTN_UNREACHABLE;
	} else if (words_accept(ws, "prohibit")) {
		s->route_type = RTN_PROHIBIT;
	} else if (words_accept(ws, "blackhole")) {
		s->route_type = RTN_BLACKHOLE;
	} else if (words_accept(ws, "local")) {
		s->route_type = RTN_LOCAL;
		s->on_lo = true;
	} else if (words_accept(ws, "via")) {
		s->has_via = true;
		return words_addr(ws, "gateway", &s->via);
	} else if (words_accept(ws, "lo")) {
		s->on_lo = true;
	} else if (!words_accept(ws, "link")) {
		return words_complain(ws,
				      "where to? write via ADDRESS, link, lo, local, unreachable, "
				      "prohibit or blackhole");
	}
	return 0;
}

static int parse_dns(struct words *ws, struct case_setting *s)
{
	if (take_text(ws, "name", s->text, sizeof(s->text)) < 0)
		return -EINVAL;
	return words_addr(ws, "address", &s->addr);
}

int setting_parse(enum setting_kind kind, const char *text, struct words *ws,
		  struct case_setting *s)
{
	int rc = 0;

	*s = (struct case_setting){.kind = kind};
	if (words_cut(text, ws) < 0)
		return -EINVAL;
	switch (kind) {
	case SETTING_SYSCTL:
		rc = parse_sysctl(ws, s);
		break;
	case SETTING_ADDRESS:
		rc = parse_address(ws, s);
		break;
	case SETTING_ROUTE:
		rc = parse_route(ws, s);
		break;
	case SETTING_DNS:
		rc = parse_dns(ws, s);
		break;
	case SETTING_NFT:
		if (take_side(ws, s) < 0)
			return -EINVAL;
		text += strcspn(text, " \t");
		text += strspn(text, " \t");
		/* fallthrough */
	case SETTING_HOSTS:
	case SETTING_GAI:
		if (strlen(text) >= sizeof(s->text))
			return words_complain(ws, "the line is too long");
		memcpy(s->text, text, strlen(text) + 1);
		return 0;
	}
	if (rc == 0 && words_peek(ws))
		return words_complain(ws, "'%.40s' does not belong here", words_peek(ws));
	return rc;
}

/* tcp|udp ADDRESS:PORT [v6only] */
int listener_parse(const char *text, struct words *ws, struct case_listener *l)
{
	*l = (struct case_listener){0};
	if (words_cut(text, ws) < 0)
		return -EINVAL;
	if (words_accept(ws, "tcp"))
		l->proto = IPPROTO_TCP;
	else if (words_accept(ws, "udp"))
		l->proto = IPPROTO_UDP;
	else
		return words_complain(ws, "which protocol? write tcp or udp");
	if (words_addr(ws, "address", &l->bind) < 0)
		return -EINVAL;
	if (!l->bind.has_port || !l->bind.port.own)
		return words_complain(ws, "a server listens on P, or P+1 to P+%d", CASE_PORTS - 1);
	l->family = l->bind.form == ADDR_FORM_INET ? AF_INET : AF_INET6;
	l->v6only = words_accept(ws, "v6only");
	if (words_peek(ws))
		return words_complain(ws, "'%.40s' does not belong here; only v6only may follow",
				      words_peek(ws));
	return 0;
}
