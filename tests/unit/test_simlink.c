/* SPDX-License-Identifier: MIT */
/* test_simlink.c - the simulated link itself: luck that can be repeated, time that adds up */
#include "../simlink.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const uint64_t ms = 1000000;

static struct {
	uint32_t seq[20000];
	uint64_t at[20000];
	int n, damaged;
} got;

static void on_input(void *arg, uint64_t now, const uint8_t *packet, size_t len)
{
	uint32_t seq;

	(void)arg;
	memcpy(&seq, packet, 4);
	for (size_t i = 4; i < len; i++)
		if (packet[i] != 0x55) {
			got.damaged++;
			break;
		}
	got.seq[got.n] = seq;
	got.at[got.n++] = now;
}

static struct simlink *run(const struct simlink_config *cfg, uint32_t packets, size_t len)
{
	struct simlink *sim = simlink_new(cfg);
	struct simlink_end script = {.input = on_input};
	uint8_t *packet = malloc(len);

	memset(&got, 0, sizeof(got));
	memset(packet, 0x55, len);
	simlink_attach(sim, 1, &script);
	for (uint32_t i = 0; i < packets; i++) {
		memcpy(packet, &i, 4);
		simlink_send(sim, 0, packet, len);
	}
	simlink_run(sim, UINT64_MAX - 1, NULL, NULL);
	free(packet);
	return sim;
}

Test(simlink, a_perfect_link_changes_nothing)
{
	struct simlink_config cfg = {.delay_ns = 5 * ms};
	struct simlink *sim = run(&cfg, 1000, 100);

	cr_assert(got.n == 1000 && got.damaged == 0);
	for (int i = 0; i < 1000; i++)
		cr_assert(got.seq[i] == (uint32_t)i && got.at[i] == got.at[0]);
	simlink_free(sim);
}

Test(simlink, harm_is_done_as_often_as_asked_and_counted)
{
	struct simlink_config cfg = {.seed = 7,
				     .loss_ppm = 100000,
				     .dup_ppm = 50000,
				     .reorder_ppm = 20000,
				     .corrupt_ppm = 10000,
				     .reorder_ns = ms};
	struct simlink *sim = run(&cfg, 10000, 100);
	struct simlink_stats st;
	int late = 0;

	simlink_stats(sim, 0, &st);
	cr_assert(st.packets == 10000);
	cr_assert(st.lost > 850 && st.lost < 1150, "%lu lost", (unsigned long)st.lost);
	cr_assert(st.duplicated > 370 && st.duplicated < 530);
	cr_assert(st.corrupted > 50 && st.corrupted < 140);
	cr_assert((uint64_t)got.n == st.packets - st.lost + st.duplicated);
	for (int i = 1; i < got.n; i++)
		late += got.seq[i] < got.seq[i - 1];
	cr_assert(late > 0 && st.reordered > 130 && st.reordered < 260);
	/* A bit of the sequence number itself may have been hit. */
	cr_assert((uint64_t)got.damaged <= st.corrupted && got.damaged > 40);
	simlink_free(sim);
}

Test(simlink, the_same_seed_gives_the_same_run)
{
	struct simlink_config cfg = {.seed = 9, .loss_ppm = 200000, .jitter_ns = 3 * ms};
	uint32_t first[20000];
	int n;

	simlink_free(run(&cfg, 5000, 50));
	n = got.n;
	memcpy(first, got.seq, sizeof(first));
	simlink_free(run(&cfg, 5000, 50));
	cr_assert(got.n == n && memcmp(first, got.seq, sizeof(first)) == 0);
	cfg.seed = 10;
	simlink_free(run(&cfg, 5000, 50));
	cr_assert(got.n != n || memcmp(first, got.seq, sizeof(first)) != 0);
}

/* 1 Mbit/s, 1250 bytes: one every 10 ms; a queue of ten of them. */
Test(simlink, rate_and_queue)
{
	struct simlink_config cfg = {.rate_bps = 1000000, .queue_bytes = 12500};
	struct simlink *sim = run(&cfg, 100, 1250);
	struct simlink_stats st;

	simlink_stats(sim, 0, &st);
	cr_assert(got.n == 10 && st.overflowed == 90);
	for (int i = 0; i < got.n; i++)
		cr_assert(got.at[i] == 1000 * ms + (uint64_t)(i + 1) * 10 * ms);
	simlink_free(sim);
}
