/* SPDX-License-Identifier: MIT */
/* bpf_interp.c - a strict interpreter of classic BPF */
#include "bpf_interp.h"

#include <stdbool.h>
#include <stdlib.h>

struct machine {
	const uint8_t *bytes;
	size_t len;
	uint32_t a, x;
};

/* Big-endian value of @size bytes at @off; false when they are not all there. */
static bool load(const struct machine *m, uint64_t off, size_t size, uint32_t *out)
{
	uint32_t value = 0;

	if (off + size > m->len)
		return false;
	for (size_t i = 0; i < size; i++)
		value = value << 8 | m->bytes[off + i];
	*out = value;
	return true;
}

static size_t load_size(uint16_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_W:
		return 4;
	case BPF_H:
		return 2;
	case BPF_B:
		return 1;
	}
	abort();
}

static bool run_load(struct machine *m, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_LEN:
		m->a = (uint32_t)m->len;
		return true;
	case BPF_ABS:
		return load(m, f->k, load_size(f->code), &m->a);
	case BPF_IND:
		return load(m, (uint64_t)m->x + f->k, load_size(f->code), &m->a);
	}
	abort();
}

static bool run_load_x(struct machine *m, const struct sock_filter *f)
{
	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		m->x = f->k;
		return true;
	case BPF_MSH:
		if (!load(m, f->k, 1, &m->x))
			return false;
		m->x = (m->x & 0xf) * 4;
		return true;
	}
	abort();
}

static bool condition(const struct machine *m, const struct sock_filter *f)
{
	uint32_t operand = BPF_SRC(f->code) == BPF_X ? m->x : f->k;

	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return m->a == operand;
	case BPF_JGT:
		return m->a > operand;
	case BPF_JGE:
		return m->a >= operand;
	case BPF_JSET:
		return m->a & operand;
	}
	abort();
}

uint32_t t_bpf_run(const struct sock_filter *insns, size_t n, const uint8_t *bytes, size_t len)
{
	struct machine m = {.bytes = bytes, .len = len};

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &insns[pc];

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			if (!run_load(&m, f))
				return 0;
			break;
		case BPF_LDX:
			if (!run_load_x(&m, f))
				return 0;
			break;
		case BPF_ALU:
			if (BPF_OP(f->code) != BPF_SUB || BPF_SRC(f->code) != BPF_K)
				abort();
			m.a -= f->k;
			break;
		case BPF_JMP:
			pc += condition(&m, f) ? f->jt : f->jf;
			break;
		case BPF_RET:
			return f->k;
		default:
			abort();
		}
	}
	abort();
}
