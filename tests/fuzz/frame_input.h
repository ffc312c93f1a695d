/* SPDX-License-Identifier: MIT */
/* frame_input.h - layout of the frame fuzzer's inputs: metadata first, big-endian, then the frame
 */
#ifndef TESTS_FUZZ_FRAME_INPUT_H
#define TESTS_FUZZ_FRAME_INPUT_H

enum {
	INPUT_FLAGS = 0,    /* enum frame_meta_flag */
	INPUT_PROTOCOL = 1, /* struct frame_meta, each two bytes */
	INPUT_TCI = 3,
	INPUT_TPID = 5,
	INPUT_MORE = 7, /* bytes on the wire that were not captured, in fours; 0xffff: wirelen 0 */
	INPUT_FRAME = 9,
	INPUT_MAX = 4096,
};

#endif
