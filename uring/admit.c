/* SPDX-License-Identifier: MIT */
/* admit.c - a socket that was accepted becomes a connection and its first event */
#include "admit.h"

#include "sockopt.h"

unsigned int admit_bits(const struct engine_config *cfg)
{
	if (cfg->no_addresses)
		return 0;
	return cfg->peer_only ? ADMIT_PEER : ADMIT_PEER | ADMIT_LOCAL | ADMIT_COOKIE;
}

bool admit(struct conns *t, int fd, const struct listen_info *info, uint32_t index,
	   unsigned int bits, const struct endpoint *peer, struct engine_stats *stats,
	   struct engine_event *ev)
{
	struct conn *c = conns_open(t, fd);

	if (c == NULL) {
		stats->refused_full++;
		return false;
	}
	stats->accepted++;
	*ev = (struct engine_event){.type = ENGINE_ACCEPT,
				    .listener = index,
				    .family = info->family,
				    .conn = conns_handle(t, c),
				    .buf = ENGINE_NO_BUF};
	if (peer != NULL)
		ev->peer = *peer;
	else if (bits & ADMIT_PEER)
		sockopt_peer(fd, info->family, &ev->peer);
	if (bits & ADMIT_LOCAL)
		sockopt_local(fd, &ev->local);
	if (bits & ADMIT_COOKIE)
		ev->cookie = sockopt_cookie(fd);
	return true;
}

void admit_later(uint32_t index, int error, struct engine_stats *stats, struct engine_event *ev)
{
	stats->accept_pauses++;
	*ev = (struct engine_event){
		.type = ENGINE_PAUSED, .listener = index, .error = error, .buf = ENGINE_NO_BUF};
}
