/* SPDX-License-Identifier: MIT */
/* pcap_expr.h - expressions in tcpdump's language, where libpcap is installed */
#ifndef TOOLS_PCAP_EXPR_H
#define TOOLS_PCAP_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "../rawstack/capture/ring.h"

struct pcap_expr;

enum { PCAP_EXPR_WHY_MAX = 256 };

/*
 * Compiles @text for every link of link.h. libpcap is loaded when it is wanted first, the program
 * does without. Returns 0; -ENOENT when libpcap is not installed; -EINVAL when it does not
 * understand the expression; @why is one line about it. Release with pcap_expr_free().
 */
int pcap_expr_compile(const char *text, struct pcap_expr **out, char why[PCAP_EXPR_WHY_MAX]);

/* Does it match the frame? A VLAN tag that is only in the metadata is not seen. */
bool pcap_expr_match(const struct pcap_expr *e, const struct ring_frame *f);

void pcap_expr_free(struct pcap_expr *e);

#endif
