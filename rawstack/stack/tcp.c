/* SPDX-License-Identifier: MIT */
/* tcp.c - the table of connections */
#include "stack_internal.h"

int tcp_open(struct stack *s, uint64_t now)
{
	(void)s;
	(void)now;
	return 0;
}

void tcp_close_all(struct stack *s)
{
	(void)s;
}

void tcp_input(struct stack *s, const struct packet *p)
{
	(void)p;
	s->stats.tcp_in++;
	s->stats.tcp_no_port++;
}

void tcp_icmp_error(struct stack *s, uint64_t now, const struct icmp_error *e)
{
	(void)s;
	(void)now;
	(void)e;
}

void tcp_timers(struct stack *s, uint64_t now)
{
	(void)s;
	(void)now;
}

uint64_t tcp_deadline(const struct stack *s)
{
	(void)s;
	return UINT64_MAX;
}

void tcp_flush(struct stack *s, uint64_t now)
{
	(void)s;
	(void)now;
}

bool tcp_event(struct stack *s, struct stack_event *ev)
{
	(void)s;
	(void)ev;
	return false;
}

void tcp_stats(const struct stack *s, struct stack_stats *out)
{
	(void)s;
	(void)out;
}
