/* SPDX-License-Identifier: MIT */
/* seed_frame.c - writes the dissector's test vectors as seeds for fuzz_frame: seed_frame DIR */
#include "frame_input.h"

#include "../unit/frame_vectors.h"

#include <stdio.h>

static size_t write_input(const struct frame_vector *v, uint8_t *input)
{
	struct packet p = packet_empty();
	struct frame_meta meta;

	v->make(&p);
	meta = vector_meta(v, packet_len(&p));
	input[INPUT_FLAGS] = (uint8_t)meta.flags;
	put_be16(input + INPUT_PROTOCOL, meta.protocol);
	put_be16(input + INPUT_TCI, meta.vlan_tci);
	put_be16(input + INPUT_TPID, meta.vlan_tpid);
	put_be16(input + INPUT_MORE, (uint16_t)((meta.wirelen - meta.caplen + 3) / 4));
	memcpy(input + INPUT_FRAME, packet_bytes(&p), meta.caplen);
	return INPUT_FRAME + meta.caplen;
}

/* The vector's name with what a file name does not need taken out. */
static void file_name(const char *dir, const char *name, char *path, size_t cap)
{
	size_t at = (size_t)snprintf(path, cap, "%s/", dir);

	for (; *name && at + 1 < cap; name++) {
		bool plain = (*name | 32) >= 'a' && (*name | 32) <= 'z';

		if (plain || (*name >= '0' && *name <= '9'))
			path[at++] = *name;
		else if (path[at - 1] != '-' && path[at - 1] != '/')
			path[at++] = '-';
	}
	path[at] = '\0';
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_frame DIR\n");
		return 64;
	}
	for (size_t i = 0; i < FRAME_VECTORS; i++) {
		uint8_t input[INPUT_FRAME + PACKET_MAX];
		size_t len = write_input(&frame_vectors[i], input);
		char path[4096];
		FILE *f;

		file_name(argv[1], frame_vectors[i].name, path, sizeof(path));
		f = fopen(path, "wb");
		if (!f || fwrite(input, 1, len, f) != len || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return 0;
}
