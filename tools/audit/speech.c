/* SPDX-License-Identifier: MIT */
/* speech.c - what to say to a server that nobody described */
#include "speech.h"

#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* An array is initialised by a literal alone, without parentheses. */
/* NOLINTBEGIN(bugprone-macro-parentheses) */
#define SAY(what, text)                                                                            \
	{                                                                                          \
		.name = what, .bytes = text, .len = sizeof(text) - 1                               \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/* A question for the root's name servers (RFC 1035 4.1): small, and answered or refused by all. */
#define DNS_QUESTION "\x64\x77\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"

enum { DNS_ID = 0x6477 };

enum tcp_try { TCP_BANNER, TCP_HTTP, TCP_DNS, TCP_REDIS, TCP_LINE, TCP_TRIES };
enum udp_try { UDP_DNS, UDP_LINE, UDP_NTP, UDP_TRIES };

static const struct speech TCP[TCP_TRIES] = {
	[TCP_BANNER] = {.name = "nothing, for it speaks first"},
	[TCP_HTTP] = SAY("an HTTP request",
			 "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
	[TCP_DNS] = SAY("a DNS question", "\x00\x11" DNS_QUESTION),
	[TCP_REDIS] = SAY("a Redis PING", "PING\r\n"),
	[TCP_LINE] = SAY("a line of text", "dualwire\r\n"),
};

static const struct speech UDP[UDP_TRIES] = {
	[UDP_DNS] = SAY("a DNS question", DNS_QUESTION),
	[UDP_LINE] = SAY("a line of text", "dualwire\r\n"),
	/* Version 4, a client; 48 bytes (RFC 5905 7.3). */
	[UDP_NTP] = {.name = "an NTP request", .bytes = {0x23}, .len = 48},
};

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int read_hex_byte(const char *text)
{
	int high = hex_digit(text[0]);
	int low = high < 0 ? -1 : hex_digit(text[1]);

	return low < 0 ? -1 : high << 4 | low;
}

/* One byte as written at *@text, which moves past it. Returns it or -EINVAL. */
static int read_byte(const char **text)
{
	static const char letters[] = "nrt0\\", meanings[] = "\n\r\t\0\\";
	const char *t = *text, *letter;
	int value;

	if (*t != '\\') {
		*text = t + 1;
		return (unsigned char)*t;
	}
	if (t[1] == 'x') {
		value = read_hex_byte(t + 2);
		*text = t + 4;
		return value < 0 ? -EINVAL : value;
	}
	letter = t[1] ? strchr(letters, t[1]) : NULL;
	*text = t + 2;
	return letter ? meanings[letter - letters] : -EINVAL;
}

int speech_parse(const char *text, struct speech *s)
{
	bool hex = strncmp(text, "hex:", 4) == 0;
	struct speech new = {.name = "what you gave"};

	for (text += hex ? 4 : 0; *text;) {
		int value;

		if (hex) {
			value = read_hex_byte(text);
			text += 2;
		} else {
			value = read_byte(&text);
		}
		if (value < 0)
			return -EINVAL;
		if (new.len == SPEECH_MAX)
			return -E2BIG;
		new.bytes[new.len++] = (uint8_t)value;
	}
	*s = new;
	return 0;
}

int speech_http(const char *path, struct speech *s)
{
	struct speech new = {.name = "your HTTP request"};
	int n = snprintf((char *)new.bytes, sizeof(new.bytes),
			 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);

	if (n >= SPEECH_MAX)
		return -E2BIG;
	new.len = (size_t)n;
	*s = new;
	return 0;
}

const struct speech *speech_try(const struct service *svc, size_t i)
{
	static const enum tcp_try dns_first[] = {TCP_DNS, TCP_BANNER, TCP_HTTP, TCP_REDIS,
						 TCP_LINE};
	static const enum tcp_try redis_first[] = {TCP_REDIS, TCP_BANNER, TCP_HTTP, TCP_DNS,
						   TCP_LINE};
	static const enum udp_try ntp_first[] = {UDP_NTP, UDP_LINE, UDP_DNS};

	if (svc->proto == IPPROTO_UDP) {
		if (i >= UDP_TRIES)
			return NULL;
		return &UDP[svc->port == 123 ? ntp_first[i] : i];
	}
	if (i >= TCP_TRIES)
		return NULL;
	if (svc->port == 53 || svc->port == 5353)
		return &TCP[dns_first[i]];
	return &TCP[svc->port == 6379 ? redis_first[i] : i];
}

static bool begins_with(const char *text, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* The identifier of the question comes back in an answer, whatever that says (RFC 1035 4.1.1). */
static bool is_dns_answer(const char *answer, size_t len, size_t prefix)
{
	const uint8_t *b = (const uint8_t *)answer + prefix;

	return len >= prefix + 12 && (b[0] << 8 | b[1]) == DNS_ID && (b[2] & 0x80);
}

int speech_understood(const struct speech *s, const char *answer, size_t len)
{
	bool sure = false;

	if (len == 0)
		return 0;
	if (s == &TCP[TCP_BANNER])
		sure = true;
	else if (s == &TCP[TCP_HTTP])
		sure = begins_with(answer, len, "HTTP/");
	else if (s == &TCP[TCP_REDIS])
		sure = begins_with(answer, len, "+PONG") || begins_with(answer, len, "-");
	else if (s == &TCP[TCP_DNS] || s == &UDP[UDP_DNS])
		sure = is_dns_answer(answer, len, s == &TCP[TCP_DNS] ? 2 : 0) &&
		       !(len == s->len && memcmp(answer, s->bytes, len) == 0);
	else if (s == &TCP[TCP_LINE] || s == &UDP[UDP_LINE])
		sure = begins_with(answer, len, "dualwire");
	else if (s == &UDP[UDP_NTP])
		sure = len >= 48;
	return sure ? 2 : 1;
}

bool speech_granted(const char *answer, size_t len)
{
	enum { RCODE_REFUSED = 5, HTTP_STATUS_AT = 9 };
	const uint8_t *b = (const uint8_t *)answer;

	if (begins_with(answer, len, "HTTP/1.") && len > HTTP_STATUS_AT)
		return answer[HTTP_STATUS_AT] < '4';
	if (is_dns_answer(answer, len, 0))
		return (b[3] & 0x0f) != RCODE_REFUSED;
	if (is_dns_answer(answer, len, 2))
		return (b[5] & 0x0f) != RCODE_REFUSED;
	return !begins_with(answer, len, "-DENIED") && !begins_with(answer, len, "-NOAUTH") &&
	       !begins_with(answer, len, "-ERR");
}
