/* SPDX-License-Identifier: MIT */
/* bind.c - what bind(2) decides before the table of bindings is asked: address and port */
#include "stack_internal.h"

#include "../siphash.h"

#include <errno.h>

/* As ip_local_port_range(7) has it by default. */
enum { PORT_FIRST = 32768, PORT_LAST = 60999, PORTS = PORT_LAST - PORT_FIRST + 1 };

/*
 * The wildcard, an address of ours, or, over IPv4, a group or a broadcast address (Linux takes
 * those, and only those).
 */
static int check_address(const struct stack *s, bool udp, const struct addr *a)
{
	const uint8_t *v4 = addr_v4(a);

	if (addr_is_any(a) || own_find(s, a) != OWN_NONE)
		return 0;
	if (v4 != NULL)
		return (v4[0] & 0xf0) == 0xe0 || own_broadcast(s, a) ? 0 : -EADDRNOTAVAIL;
	if (a->b[0] == 0xff)
		return udp ? 0 : -EINVAL;
	return -EADDRNOTAVAIL;
}

/* A free port, beginning at a random one (RFC 6056 3.3.1). */
static int choose_port(struct stack *s, struct binding_table *t, struct stack_bind *spec)
{
	struct siphash_key key = siphash_key_from(s->cfg.secret + SECRET_ISN);
	uint64_t words[2] = {s->ports_drawn++, UINT64_C(0x706f727473)};
	uint32_t start = (uint32_t)(siphash_words(&key, words, 2) % PORTS);

	for (uint32_t i = 0; i < PORTS; i++) {
		uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORTS);

		if (binding_port_used(t, port))
			continue;
		spec->local.port = port;
		return binding_add(t, spec);
	}
	return -EADDRINUSE;
}

int bind_open(struct stack *s, bool udp, struct stack_bind *spec)
{
	struct binding_table *t = udp ? &s->udp_bindings : &s->tcp_bindings;
	struct stack_bind with_port = *spec;
	int id;

	/* Family and V6ONLY come first, as bind(2) checks them. */
	id = binding_check(spec);
	if (id == 0)
		id = check_address(s, udp, &spec->local.addr);
	if (id < 0)
		return id;
	id = spec->local.port ? binding_add(t, spec) : choose_port(s, t, &with_port);
	if (id >= 0 && !spec->local.port)
		spec->local.port = with_port.local.port;
	return id;
}
