// SPDX-License-Identifier: Apache-2.0
/*
 * libicbmsg in the place of either side of each recorded Zephyr run (tests/conformance/README.md).
 *
 * On the steps of the other side its recorded bytes appear in memory; on those of ours libicbmsg is
 * told what Zephyr was told. After every step the callbacks must be those recorded, and so must
 * every byte that the protocol fixes: our packets in their order and places, our read index, and
 * all of our blocks with the choice of them. Not fixed, and not compared:
 *
 * - the padding behind a packet (Zephyr leaves what was there, we write zeros), and a ring's
 * consumed
 *   past in general: packets are compared when they appear;
 * - the header of a buffer that is allocated but not sent (steps 20 and 22; step 21 drops it):
 * Zephyr
 *   writes the capacity, we write nothing before sending;
 * - places in our ring once it has wrapped (step 42): rule R1 of protocol.md section 3 may lengthen
 *   the packet that ends there. Contents are compared all the same.
 *
 * We send one packet more: one that Zephyr ignores, behind our announcement, to see it read by who
 * has announced itself (lib/proto/SESSIONS.md). It shifts the places of what follows. Until it is read
 * the link is not up here; it is so from step 5 on.
 *
 * Where Zephyr's bugs are recorded we differ, on purpose:
 *
 * - Step 39, we are F: data for a deregistered endpoint. Zephyr loses the block, we release it: one
 *   packet more in our ring, which shifts the places of what follows. Nothing else follows from it,
 *   because the recorded I does not read it before step 42.
 * - Step 36, we are I: the release of a block that is not outstanding. Zephyr logs, we count.
 *
 * Nothing of the API sends the raw packets of I in steps 30, 32 and 34: the test lays them into our
 * ring at our private index.
 */
#include "images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "payload.h"
#include "wire/blocks.h"
#include "wire/control.h"

/* Step 42's messages (see tests/sim/replay_test.c). */
#define STEP_UP 5 /* the link is up, from this step on */
#define ROUND_TRIP_FIRST 100u
#define ROUND_TRIP_SIZE 20u
#define ROUND_TRIP_BLOCK 1 /* block 0 was lost in step 38 */

/* ------------------------------------------------------------------------------------------------
 * Comparing
 */

/* Our next packet is @want; a wrap may have made it longer (see above). */
static void expect_packet(struct run *run, const void *want, uint32_t want_len)
{
	uint8_t got[RING_PACKET_MAX];
	uint32_t next;
	int len = ring_peek(&run->our_ring, run->at, ring_load_wr(&run->our_ring), got, &next);

	EXPECT(run, len > 0);
	EXPECT(run, (uint32_t)len == want_len || ((uint32_t)len > want_len && next < run->at));
	EXPECT(run, !memcmp(got, want, want_len));
	if (next < run->at)
		run->wrapped = true;
	run->at = next;
}

static void expect_no_more_packets(struct run *run)
{
	EXPECT(run, ring_load_wr(&run->our_ring) == run->at);
}

/* Step 39: we give back what Zephyr loses. */
static void expect_extra_release(struct run *run)
{
	static const uint8_t packet[] = { CONTROL_RELEASE_DATA, 0, 0 };

	expect_packet(run, packet, sizeof(packet));
	run->shift += ring_packet_size(sizeof(packet));
	EXPECT(run, images_stats(run).rx_dropped == 1);
}

/* The first packet behind our announcement. */
static void expect_ping(struct run *run)
{
	static const uint8_t packet[] = { 0x7f, 0, 0 };

	expect_packet(run, packet, sizeof(packet));
}

static void compare_ring(struct run *run)
{
	uint32_t recorded_wr = ring_load_wr(&run->recorded_ring);
	uint8_t packet[RING_PACKET_MAX];
	uint32_t next;
	int len;

	if (run->at == IMAGES_PING_AT && images_link_is_up(run))
		expect_ping(run);
	while ((len = ring_peek(&run->recorded_ring, run->recorded_at, recorded_wr, packet,
				&next)) > 0) {
		expect_packet(run, packet, (uint32_t)len);
		run->recorded_at = next;
	}
	EXPECT(run, len == 0);
	if (run->side == 'F' && run->step->number == 39)
		expect_extra_release(run);
	expect_no_more_packets(run);
	EXPECT(run, run->wrapped || run->at == run->recorded_at + run->shift);
}

static void compare_blocks(struct run *run)
{
	const struct layout_region *tx = &run->tx;

	for (uint32_t i = tx->blocks_off; i < tx->total; i++) {
		uint32_t block = (i - tx->blocks_off) / tx->block_size;
		uint32_t in_block = (i - tx->blocks_off) % tx->block_size;

		if (block < tx->block_count && in_block < tx->header_size &&
		    run->unsent_header[block])
			continue;
		if (run->map[tx->begin + i] != run->recorded[tx->begin + i])
			fail_msg("%s, we are %c, step %d (%s): byte %u of block %u is %02x, "
				 "recorded is %02x",
				 run->scenario->name, run->side, run->step->number,
				 run->step->description, in_block, block, run->map[tx->begin + i],
				 run->recorded[tx->begin + i]);
	}
}

static void compare(struct run *run)
{
	const uint8_t *rd = run->map + run->rx.begin + run->rx.rd_idx;
	char expected[LINES_MAX] = "";

	if (run->step->side == run->side)
		images_recorded_events(run->step, expected, sizeof(expected));
	if (strcmp(run->lines, expected) != 0)
		fail_msg("%s, we are %c, step %d (%s): reported\n%srecorded is\n%s",
			 run->scenario->name, run->side, run->step->number, run->step->description,
			 run->lines, expected);
	*run->lines = '\0';
	if (!run->link)
		return;
	compare_ring(run);
	/* When the announcements are read is not compared, only that they are. */
	EXPECT(run, run->step->number < STEP_UP || images_link_is_up(run));
	EXPECT(run, !images_link_is_up(run) ||
			    shm_load32(rd) ==
				    shm_load32(run->recorded + run->rx.begin + run->rx.rd_idx));
	compare_blocks(run);
}

/* ------------------------------------------------------------------------------------------------
 * The other side's part
 */

/* The other side has read all our packets, here as in the recording. */
static void other_reads_all(struct run *run)
{
	shm_store32(run->our_ring.rd_idx, run->at);
}

/*
 * Make the other side's region what was recorded. Its read index is ours to write, except that
 * opening zeroes it; in our region the other side writes the read index alone.
 */
static void apply_other(struct run *run, bool opens)
{
	const struct layout_region *rx = &run->rx;
	uint8_t *to = run->map + rx->begin;
	const uint8_t *from = run->recorded + rx->begin;
	uint32_t ours = shm_load32(to + rx->rd_idx);
	uint32_t read = shm_load32(run->recorded_ring.rd_idx);

	memcpy(to, from, rx->total);
	if (!opens)
		shm_store32(to + rx->rd_idx, ours);
	if (!run->link || read == run->last_read)
		return;
	run->last_read = read;
	EXPECT(run, read == run->recorded_at);
	other_reads_all(run);
}

/* Step 42, we are F: I sends a message, we deliver and release it. */
static void trip_to_us(struct run *run, struct ring *theirs, uint32_t *wr, uint32_t sequence)
{
	static const uint8_t data[] = { CONTROL_DATA, 0, ROUND_TRIP_BLOCK };
	static const uint8_t release[] = { CONTROL_RELEASE_DATA, 0, ROUND_TRIP_BLOCK };
	uint8_t *block = run->map + run->rx.begin + run->rx.blocks_off +
			 (size_t)ROUND_TRIP_BLOCK * run->rx.block_size;
	char expected[32];

	payload_fill(block + run->rx.header_size, ROUND_TRIP_SIZE, sequence, PAYLOAD_SEED_DEFAULT);
	block_header_store(block, run->rx.header_size, ROUND_TRIP_SIZE);
	EXPECT(run, ring_put(theirs, wr, data, sizeof(data)) == 0);
	ring_publish(theirs, *wr);
	images_pump(run);
	snprintf(expected, sizeof(expected), "\"hex\":\"%02x000000", sequence);
	EXPECT(run, strstr(run->lines, "\"ept\":\"ep0\",\"len\":20,"));
	EXPECT(run, strstr(run->lines, expected));
	EXPECT(run, strchr(run->lines, '\n') == strrchr(run->lines, '\n'));
	*run->lines = '\0';
	expect_packet(run, release, sizeof(release));
	expect_no_more_packets(run);
	other_reads_all(run);
}

/* Step 42, we are I: we send a message, F releases it. */
static void trip_from_us(struct run *run, struct ring *theirs, uint32_t *wr, uint32_t sequence)
{
	static const uint8_t data[] = { CONTROL_DATA, 0, ROUND_TRIP_BLOCK };
	static const uint8_t release[] = { CONTROL_RELEASE_DATA, 0, ROUND_TRIP_BLOCK };
	uint8_t payload[ROUND_TRIP_SIZE];
	uint32_t before = images_stats(run).tx_blocks_free;

	payload_fill(payload, sizeof(payload), sequence, PAYLOAD_SEED_DEFAULT);
	EXPECT(run, icbmsg_send(run->endpoint[0].ept, payload, sizeof(payload), 0) == 0);
	expect_packet(run, data, sizeof(data));
	expect_no_more_packets(run);
	other_reads_all(run);
	EXPECT(run, ring_put(theirs, wr, release, sizeof(release)) == 0);
	ring_publish(theirs, *wr);
	images_pump(run);
	EXPECT(run, images_stats(run).tx_blocks_free == before);
}

/* The recording has only the end of the round trips: the other side plays its part packet by packet. */
static void round_trips(struct run *run)
{
	struct ring theirs;
	uint32_t wr;

	ring_init(&theirs, run->map + run->rx.begin, &run->rx);
	wr = ring_load_wr(&theirs);
	for (uint32_t k = 0; k < run->step->round_trips; k++)
		(run->side == 'F' ? trip_to_us : trip_from_us)(run, &theirs, &wr,
							       ROUND_TRIP_FIRST + k);
}

/* ... and has played what was recorded: the same index, the same blocks. */
static void check_round_trips(struct run *run)
{
	const struct layout_region *rx = &run->rx;
	const uint8_t *theirs = run->map + rx->begin, *recorded = run->recorded + rx->begin;

	EXPECT(run, shm_load32(theirs + rx->wr_idx) == shm_load32(recorded + rx->wr_idx));
	EXPECT(run, !memcmp(theirs + rx->blocks_off, recorded + rx->blocks_off,
			    rx->total - rx->blocks_off));
	/* Our packets were compared one by one; the recorded ones have lapped each other. */
	run->recorded_at = ring_load_wr(&run->recorded_ring);
	run->last_read = shm_load32(run->recorded_ring.rd_idx);
}

/* ------------------------------------------------------------------------------------------------ */

static void run_step(struct run *run, size_t number)
{
	bool trips;

	run->step = &run->scenario->steps[number];
	trips = run->step->round_trips > 0;
	if (trips)
		round_trips(run);
	scenario_image_apply(run->scenario, number, run->recorded);
	if (trips)
		check_round_trips(run);
	if (run->step->side == run->side)
		for (size_t i = 0; i < run->step->commands.count; i++)
			images_command(run, run->step->commands.line[i]);
	else if (!trips)
		apply_other(run, run->step->commands.count == 1 &&
					 !strcmp(run->step->commands.line[0], "open"));
	compare(run);
}

static void run_start(struct run *run, const char *name, char side)
{
	struct scenario *s = scenario_load(name);
	size_t size = s->map_size;

	*run = (struct run){ .scenario = s, .side = side };
	scenario_layout(s, side, &run->tx, &run->rx);
	run->recorded = scenario_image_new(s);
	run->memory_fd = memfd_create("images", MFD_CLOEXEC);
	assert_int_equal(ftruncate(run->memory_fd, (off_t)size), 0);
	run->map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, run->memory_fd, 0);
	assert_true(run->map != MAP_FAILED);
	memset(run->map, s->fill, size);
	run->bell_in = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	run->bell_out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring_init(&run->our_ring, run->map + run->tx.begin, &run->tx);
	ring_init(&run->recorded_ring, run->recorded + run->tx.begin, &run->tx);
}

static void run_end(struct run *run)
{
	assert_int_equal(icbmsg_close(run->link), 0);
	munmap(run->map, run->scenario->map_size);
	close(run->memory_fd);
	close(run->bell_in);
	close(run->bell_out);
	free(run->recorded);
	scenario_free(run->scenario);
}

static void check_counters(struct run *run)
{
	struct icbmsg_stats st = images_stats(run);
	bool f = run->side == 'F';

	EXPECT(run, st.state == ICBMSG_LINK_UP);
	/* F sees the packets of steps 30 (type) and 32 (length), I the release of step 35. */
	EXPECT(run, st.bad_packets == (f ? 1 : 0));
	EXPECT(run, st.bad_types == 0 && st.bad_bounds == 0);
	EXPECT(run, st.bad_releases == (f ? 0 : 1));
	EXPECT(run, st.bad_blocks == 0 && st.bad_endpoints == 0 && st.restarts == 0);
	EXPECT(run, st.rx_dropped == (f ? 1 : 0));
	EXPECT(run, st.rx_held == 0);
}

static void replay(const char *name, char side)
{
	struct run run;

	run_start(&run, name, side);
	assert_int_equal(run.scenario->step_count, 44);
	for (size_t i = 0; i < run.scenario->step_count; i++)
		run_step(&run, i);
	check_counters(&run);
	run_end(&run);
}

static void as_follower(void **state)
{
	replay(*state, 'F');
}

static void as_initiator(void **state)
{
	replay(*state, 'I');
}

int main(void)
{
	struct CMUnitTest tests[2];
	int failed = 0;

	for (size_t i = 0; scenario_classic_names[i]; i++) {
		void *name = (void *)scenario_classic_names[i];

		tests[0] = (struct CMUnitTest){ "as_follower", as_follower, NULL, NULL, name };
		tests[1] = (struct CMUnitTest){ "as_initiator", as_initiator, NULL, NULL, name };
		failed += _cmocka_run_group_tests(scenario_classic_names[i], tests, 2, NULL, NULL);
	}
	return failed;
}
