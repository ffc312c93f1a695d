/* SPDX-License-Identifier: MIT */
/* bpf_interp.h - a strict interpreter of classic BPF, to compare the kernel's answers with */
#ifndef TESTS_UNIT_BPF_INTERP_H
#define TESTS_UNIT_BPF_INTERP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Runs @n instructions over @len bytes and returns what the program returns: bytes to keep, 0 for
 * none. A load past the end returns 0, as in the kernel. Knows the instructions that
 * filter_generate() uses; any other one, and running past the last, aborts.
 */
uint32_t t_bpf_run(const struct sock_filter *insns, size_t n, const uint8_t *bytes, size_t len);

#endif
