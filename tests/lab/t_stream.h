/* SPDX-License-Identifier: MIT */
/* t_stream.h - a client of an echo server that sends and receives at the same time, and has both
 * directions hashed by sha256sum(1) */
#ifndef TESTS_LAB_T_STREAM_H
#define TESTS_LAB_T_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sha256sum(1) of its own, fed through a pipe. */
struct digest {
	int pid, in, out;
};

void digest_start(struct digest *d);
void digest_add(const struct digest *d, const uint8_t *data, size_t len);
void digest_end(struct digest *d, char hex[65]);

/* Fills @block with what follows @state: noise that no wire confuses with other noise. @len is a
 * multiple of eight. */
void stream_noise(uint64_t *state, uint8_t *block, size_t len);

struct stream_result {
	uint64_t received;
	char sent_sha[65], received_sha[65];
	double seconds;
};

/*
 * Sends @bytes on the connected socket @fd, then the end of the stream, and reads to the end. Fails
 * the test when nothing moved for @silence_ms, or when it is not over after @limit_ms. Closes @fd.
 */
void stream_through(int fd, uint64_t bytes, uint64_t seed, unsigned int silence_ms,
		    unsigned int limit_ms, struct stream_result *out);

#endif
