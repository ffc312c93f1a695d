/* SPDX-License-Identifier: MIT */
/* test_siphash.c - the keyed hash against vectors made by another implementation */
#include "../../rawstack/siphash.h"

#include <criterion/criterion.h>
#include <string.h>

/* Key 00..0f, message 00..n-1: the authors' scheme, computed by OpenSSL 3.0. */
static const struct {
	size_t n;
	uint64_t hash;
} vectors[] = {
	{0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
	{7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
	{15, UINT64_C(0xa129ca6149be45e5)}, {16, UINT64_C(0x3f2acc7f57c29bdb)},
	{63, UINT64_C(0x958a324ceb064572)},
};

static struct siphash_key test_key(void)
{
	uint8_t bytes[16];

	for (uint8_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i;
	return siphash_key_from(bytes);
}

Test(siphash, agrees_with_the_reference)
{
	struct siphash_key key = test_key();
	uint8_t message[64];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint64_t hash = siphash(&key, message, vectors[i].n);

		cr_assert(hash == vectors[i].hash, "%zu bytes: %016lx", vectors[i].n,
			  (unsigned long)hash);
	}
}

Test(siphash, words_hash_as_their_little_endian_bytes)
{
	struct siphash_key key = test_key();
	uint64_t words[5];
	uint8_t bytes[40];

	for (int i = 0; i < 40; i++)
		bytes[i] = (uint8_t)(i * 37 + 1);
	for (int w = 0; w < 5; w++) {
		words[w] = 0;
		for (int i = 7; i >= 0; i--)
			words[w] = words[w] << 8 | bytes[w * 8 + i];
	}
	for (size_t n = 0; n <= 5; n++)
		cr_assert(siphash_words(&key, words, n) == siphash(&key, bytes, n * 8), "%zu words",
			  n);
}

/* Key zero, message 01..n: hash(bytes) of CPython 3.11 with PYTHONHASHSEED=0. */
Test(siphash, a_table_has_half_the_rounds_of_the_reference)
{
	static const struct {
		size_t words;
		uint64_t hash;
	} expect[] = {
		{1, UINT64_C(0x884ccc87cb0e5fb0)},
		{2, UINT64_C(0xe05d12a0a4b2d063)},
		{5, UINT64_C(0xc6ca83093413bf3c)},
	};
	struct siphash_key zero = {0, 0}, other = {0, 1};
	uint64_t words[5];

	for (uint64_t w = 0; w < 5; w++) {
		words[w] = 0;
		for (uint64_t i = 8; i-- > 0;)
			words[w] = words[w] << 8 | (w * 8 + i + 1);
	}
	for (size_t i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
		uint64_t hash = siphash_words_table(&zero, words, expect[i].words);

		cr_assert(hash == expect[i].hash, "%zu words: %016lx", expect[i].words,
			  (unsigned long)hash);
		cr_assert(siphash_words_table(&other, words, expect[i].words) != hash);
	}
}

Test(siphash, the_key_matters)
{
	struct siphash_key key = test_key(), other = test_key();

	other.k1 ^= 1;
	cr_assert(siphash(&key, "x", 1) != siphash(&other, "x", 1));
}
