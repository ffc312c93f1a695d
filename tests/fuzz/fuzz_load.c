/* SPDX-License-Identifier: MIT */
/* fuzz_load.c - arbitrary bytes against what a load generator reads: HTTP answers, ARP, ND */
#include "../../uring/load/http_answer.h"
#include "../../uring/load/neighbour.h"

#include <stdlib.h>
#include <string.h>

/*
 * Properties of answers: however the bytes are cut, they end in the same state at the same place.
 * Of neighbour messages: what is read can be built again and is then read the same, and an answer
 * to it is read as an answer. The first byte of the input says how to cut.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static void answers(const uint8_t *data, size_t size, size_t piece)
{
	struct http_answer whole = {0}, cut = {0};
	enum http_answer_state state = http_answer_take(&whole, data, size);

	for (size_t at = 0; at < size; at += piece)
		http_answer_take(&cut, data + at, size - at < piece ? size - at : piece);
	REQUIRE(state == cut.state && whole.status == cut.status);
	REQUIRE(state != HTTP_BODY || whole.left == cut.left);
	REQUIRE(http_answer_end(&whole) == http_answer_end(&cut));
}

static void neighbours(const uint8_t *data, size_t size)
{
	/* All of IPv6 or IPv4 would be too many: what was asked for is made ours. */
	struct sources ours = {.n_addrs = 1, .port_lo = 1, .port_hi = 1};
	static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};
	struct neighbour_msg msg, again, answer;
	uint8_t frame[NEIGHBOUR_FRAME_MAX];
	int len;

	if (neighbour_parse(data, size, &msg) < 0)
		return;
	len = neighbour_build(&msg, frame, sizeof(frame));
	REQUIRE(len > 0);
	REQUIRE(neighbour_build(&msg, frame, (size_t)len - 1) < 0);
	ours.first = msg.target;
	if (!neighbour_answer(&msg, &ours, mac, &answer))
		return;
	len = neighbour_build(&answer, frame, sizeof(frame));
	REQUIRE(len > 0 && neighbour_parse(frame, (size_t)len, &again) == 0);
	REQUIRE(again.op == NEIGHBOUR_TELLS && addr_eq(&again.target, &msg.target) &&
		memcmp(again.sender_mac, mac, sizeof(mac)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 1)
		return 0;
	/* A copy of its own size: reading beyond it is seen. */
	copy = malloc(size);
	REQUIRE(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	answers(copy, size - 1, (size_t)data[0] % 16 + 1);
	neighbours(copy, size - 1);
	free(copy);
	return 0;
}
