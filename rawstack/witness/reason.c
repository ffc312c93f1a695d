/* SPDX-License-Identifier: MIT */
/* reason.c - the reasons' names, and a sentence for each */
#include "reason.h"

#include <assert.h>

struct reason_words {
	const char *name, *text;
};

static const struct reason_words WORDS[REASON_NUM] = {
	[REASON_CARRIAGE_OTHER] = {"carriage_other", "frames travelled in the other IP version"},
	[REASON_ETHERTYPE_VERSION_MISMATCH] = {"ethertype_version_mismatch",
					       "a frame's EtherType and IP version disagree"},
	[REASON_TUNNEL_6IN4] = {"tunnel_6in4", "a frame travelled inside IPv4 (protocol 41)"},
	[REASON_TUNNEL_OTHER] = {"tunnel_other", "a frame travelled inside another datagram"},
	[REASON_MIXED_CARRIAGE] = {"mixed_carriage", "frames travelled in both IP versions"},
	[REASON_KERNEL_FAMILY_MISMATCH] = {"kernel_family_mismatch",
					   "program and kernel disagree on the socket's family"},
	[REASON_API_KERNEL_ADDRESS_MISMATCH] = {"api_kernel_address_mismatch",
						"program and kernel disagree on the addresses"},
	[REASON_RING_DROPS] = {"ring_drops", "the capture ring dropped frames"},
	[REASON_IDENTITY_FAILED] = {"identity_failed",
				    "frames on record are not packets minus drops"},
	[REASON_BLOCK_GAP] = {"block_gap", "a block of the ring is missing"},
	[REASON_IF_DOWN] = {"if_down", "the interface went down"},
	[REASON_NO_CANARY] = {"no_canary", "a canary frame was not seen on every tap"},
	[REASON_CLOCK_STEP] = {"clock_step", "the clock was set during the run"},
	[REASON_KERNEL_EVENTS_LOST] = {"kernel_events_lost", "the kernel dropped socket events"},
	[REASON_UNPARSED] = {"unparsed", "some frame could not be read: it may belong to anyone"},
	[REASON_TABLE_FULL] = {"table_full", "a table of the witness was full"},
	[REASON_CAPTURE_UNPROVEN] = {"capture_unproven",
				     "the capture file does not prove that no frame was missed"},
	[REASON_NO_FRAMES] = {"no_frames", "no frame was seen"},
	[REASON_STARTED_LATE] = {"started_late", "the beginning was not seen"},
	[REASON_ENDED_EARLY] = {"ended_early", "the end was not seen"},
	[REASON_SEQ_HOLE] = {"seq_hole", "sequence numbers are missing"},
	[REASON_TAPS_DISAGREE] = {"taps_disagree", "the two taps saw different frames"},
	[REASON_WIRE_LT_SEGS] = {"wire_lt_segs", "the kernel counted more segments than were seen"},
	[REASON_WIRE_LT_API] = {"wire_lt_api", "the program got more datagrams than were seen"},
	[REASON_BYTES_MISMATCH] = {"bytes_mismatch",
				   "the kernel counted other bytes than were seen"},
	[REASON_SNAPLEN_SHORT] = {"snaplen_short", "a frame was cut off before its headers ended"},
	[REASON_EXTHDR_LIMIT] = {"exthdr_limit", "a frame has too many extension headers"},
	[REASON_FRAGMENTS_UNATTRIBUTED] = {"fragments_unattributed",
					   "a fragment's first part was not seen"},
	[REASON_NAT_SUSPECTED] = {"nat_suspected", "other addresses on the same ports were seen"},
	[REASON_GENERATION_AMBIGUOUS] = {"generation_ambiguous",
					 "connections on the same addresses cannot be told apart"},
	[REASON_COOKIE_MISMATCH] = {"cookie_mismatch", "program and kernel mean different sockets"},
	[REASON_KERNEL_MISSING] = {"kernel_missing", "the kernel's view of it is missing"},
	[REASON_NO_CLAIM] = {"no_claim", "no view says how it should have travelled"},
	[REASON_RESULT_MISMATCH] = {"result_mismatch",
				    "the wire does not show what the program reported"},
	[REASON_SUPERFRAMES] = {"superframes",
				"segmentation offload: frames larger than the wire's"},
	[REASON_WIRE_ONLY] = {"wire_only", "only the wire was asked: its addresses are the claim"},
};

const char *reason_name(enum reason r)
{
	assert((unsigned)r < REASON_NUM);
	return WORDS[r].name;
}

const char *reason_text(enum reason r)
{
	assert((unsigned)r < REASON_NUM);
	return WORDS[r].text;
}
