/* SPDX-License-Identifier: MIT */
/* siphash.c - SipHash-2-4, and SipHash-1-3 for tables */
#include "siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t get_le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static inline void round_once(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline struct state begin(const struct siphash_key *key)
{
	/* "somepseudorandomlygeneratedbytes", section 2.1 of the paper */
	return (struct state){
		.v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = key->k1 ^ UINT64_C(0x7465646279746573),
	};
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	round_once(s);
	round_once(s);
	s->v0 ^= word;
}

static inline uint64_t finish(struct state *s)
{
	s->v2 ^= 0xff;
	round_once(s);
	round_once(s);
	round_once(s);
	round_once(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct siphash_key siphash_key_from(const uint8_t bytes[16])
{
	return (struct siphash_key){get_le64(bytes), get_le64(bytes + 8)};
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len << 56;
	struct state s = begin(key);

	for (size_t n = len / 8; n; n--, p += 8)
		absorb(&s, get_le64(p));
	for (size_t i = 0; i < len % 8; i++)
		last |= (uint64_t)p[i] << (8 * i);
	absorb(&s, last);
	return finish(&s);
}

uint64_t siphash_words(const struct siphash_key *key, const uint64_t *words, size_t n)
{
	struct state s = begin(key);

	for (size_t i = 0; i < n; i++)
		absorb(&s, words[i]);
	absorb(&s, (uint64_t)(n * 8) << 56);
	return finish(&s);
}

uint64_t siphash_words_table(const struct siphash_key *key, const uint64_t *words, size_t n)
{
	struct state s = begin(key);
	uint64_t last = (uint64_t)(n * 8) << 56;

	for (size_t i = 0; i < n; i++) {
		s.v3 ^= words[i];
		round_once(&s);
		s.v0 ^= words[i];
	}
	s.v3 ^= last;
	round_once(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	round_once(&s);
	round_once(&s);
	round_once(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
