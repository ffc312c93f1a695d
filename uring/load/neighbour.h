/* SPDX-License-Identifier: MIT */
/* neighbour.h - ARP and Neighbour Discovery for a range of addresses that no kernel owns */
#ifndef URING_LOAD_NEIGHBOUR_H
#define URING_LOAD_NEIGHBOUR_H

#include "sources.h"

/*
 * ARP (RFC 826) and Neighbour Discovery (RFC 4861) say the same thing in two formats: who has an
 * address, and who says so. One question and one answer serve both families.
 */
enum neighbour_op { NEIGHBOUR_ASKS, NEIGHBOUR_TELLS };

struct neighbour_msg {
	enum neighbour_op op;
	struct addr sender;    /* all zero: a probe (RFC 5227, RFC 4862), answered to everybody */
	struct addr target;    /* asked for, or told about */
	uint8_t sender_mac[6]; /* of an answer: where the target is */
	uint8_t dst_mac[6];    /* of the Ethernet header; all zero when building: to everybody */
};

enum { NEIGHBOUR_FRAME_MAX = 86 };

/*
 * Reads an ARP request or reply, a Neighbour Solicitation or Advertisement. Returns 0; -ENOMSG: it
 * is something else; -EBADMSG: it is one, but breaks a rule (lengths, hop limit 255, checksum).
 */
int neighbour_parse(const uint8_t *frame, size_t len, struct neighbour_msg *msg);

/*
 * Builds one from sender and target; a question goes to everybody (IPv6: to the solicited-node
 * group) unless dst_mac is set. An answer is sent by @target to @sender's address, that is: sender
 * is then who asked. Returns the length, or -ENOSPC.
 */
int neighbour_build(const struct neighbour_msg *msg, uint8_t *out, size_t cap);

/*
 * The answer to @ask if it asks for one of @ours, told to be at @mac. Returns whether there is one.
 */
bool neighbour_answer(const struct neighbour_msg *ask, const struct sources *ours,
		      const uint8_t *mac, struct neighbour_msg *answer);

#endif
