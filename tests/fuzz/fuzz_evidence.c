/* SPDX-License-Identifier: MIT */
/* fuzz_evidence.c - arbitrary documents against evidence_read, judge and evidence_write */
#include "../../rawstack/witness/evidence.h"
#include "../../rawstack/witness/judge.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Properties: a document that is refused leaves nothing behind and a reason; one that is read is
 * judged, and what is written of it is read again, judged the same and written the same.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct text {
	char *bytes;
	size_t len;
};

static bool read_text(const struct text *t, struct evidence *ev)
{
	static const struct evidence empty;
	char why[64] = "";
	FILE *in = fmemopen(t->bytes, t->len, "r");
	int rc;

	REQUIRE(in);
	rc = evidence_read(in, ev, why, sizeof(why));
	fclose(in);
	REQUIRE(rc == 0 || rc == -EINVAL || rc == -EFBIG);
	REQUIRE(rc == 0 || (why[0] && memcmp(ev, &empty, sizeof(empty)) == 0));
	return rc == 0;
}

static struct text write_text(const struct evidence *ev)
{
	struct text t = {NULL, 0};
	FILE *out = open_memstream(&t.bytes, &t.len);

	REQUIRE(out);
	REQUIRE(evidence_write(ev, out) == 0);
	fclose(out);
	return t;
}

/* All verdicts and reasons, folded into one number; a listed connection always has a view. */
static uint64_t judged(const struct evidence *ev)
{
	struct judge_report r;
	uint64_t sum = 0;

	REQUIRE(judge(ev, &r) == 0);
	for (size_t i = 0; i < r.n; i++) {
		const struct judged *j = &r.list[i];

		REQUIRE(j->c.flow || j->c.side[SIDE_CLIENT].api || j->c.side[SIDE_SERVER].api);
		REQUIRE(j->case_index < (int)ev->n_cases && j->result[0]);
		REQUIRE(judge_shown_tap(&r.run, &j->c) < EVIDENCE_TAPS_MAX);
		/* Connections of one moment have no order among themselves. */
		sum += j->j.reasons * 3 + j->j.verdict;
	}
	REQUIRE(r.n || judge_overall(&r) == VERDICT_INCONCLUSIVE);
	sum = sum * 3 + judge_overall(&r);
	judge_report_free(&r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text in = {malloc(size ? size : 1), size}, first, second;
	struct evidence ev, again;

	REQUIRE(in.bytes);
	if (size)
		memcpy(in.bytes, data, size);
	if (size && read_text(&in, &ev)) {
		first = write_text(&ev);
		REQUIRE(read_text(&first, &again));
		REQUIRE(judged(&ev) == judged(&again));
		second = write_text(&again);
		REQUIRE(first.len == second.len &&
			memcmp(first.bytes, second.bytes, first.len) == 0);
		free(first.bytes);
		free(second.bytes);
		evidence_free(&ev);
		evidence_free(&again);
	}
	free(in.bytes);
	return 0;
}
