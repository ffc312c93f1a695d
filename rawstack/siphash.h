/* SPDX-License-Identifier: MIT */
/* siphash.h - SipHash: a keyed 64-bit hash for tables and secrets that an adversary aims at */
#ifndef RAWSTACK_SIPHASH_H
#define RAWSTACK_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). Without the key
 * its values cannot be told from random ones, so neither collisions nor what it protects (initial
 * sequence numbers, SYN cookies, ports) can be guessed from outside. The key is 16 random bytes.
 */
struct siphash_key {
	uint64_t k0, k1;
};

/* A key from sixteen bytes, read as little-endian words, so that it means the same everywhere. */
struct siphash_key siphash_key_from(const uint8_t bytes[16]);

/* The hash of @len bytes, the same on every machine. */
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

/* The hash of @n words, as siphash() of their little-endian bytes; cheaper for a key of a table. */
uint64_t siphash_words(const struct siphash_key *key, const uint64_t *words, size_t n);

/*
 * SipHash-1-3 of the same: half the rounds, for tables that are asked for every frame. An adversary
 * who never sees a value cannot aim at a bucket all the same; it is what the tables of Rust and
 * Python use. Not for values that leave this program.
 */
uint64_t siphash_words_table(const struct siphash_key *key, const uint64_t *words, size_t n);

#endif
