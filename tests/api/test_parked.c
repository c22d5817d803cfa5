// SPDX-License-Identifier: Apache-2.0
/*
 * Announcements that nobody here has registered: however many there are, they take nothing of ours
 * but their place in a fixed table, and the other side is told when it is running out of blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"
#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 32, 16, 20, 0x1000, 0x2000, NULL, NULL },
	{ "classic", 4, 4, 16, 256, 0x2000, 0x8000, NULL, NULL },
	{ 0 },
};

static struct hostile h;
static struct seen seen;

static uint64_t count(const char *name)
{
	return ends_counter(h.link, name);
}

/* The peer announces @name, in a buffer that claims @size bytes. */
static void announce(uint32_t address, uint32_t block, const char *name, uint32_t size)
{
	hostile_fill(&h, block, size, name, strlen(name) + 1);
	hostile_control(&h, CONTROL_BOUND, (uint8_t)address, block);
	assert_true(icbmsg_dispatch(h.link, 0) >= 0);
}

/* Nothing of ours is in use but what was before. */
static void assert_nothing_taken(void)
{
	assert_int_equal(count("tx_blocks_used"), 0);
	assert_int_equal(count("rx_held"), 0);
	assert_int_equal(count("events"), 0);
	assert_int_equal(h.link->session->ept_count, 1);
	hostile_assert_sound(&h);
}

/*
 * Every address there is, many times over; more than there are blocks, so that the peer lies about
 * them. Our ring and blocks, the event queue and the endpoints are as they were, and messages pass.
 */
static void no_number_of_them_takes_anything_of_ours(void **state)
{
	uint32_t blocks = 0;

	(void)state;
	hostile_start(&h, &seen, false);
	for (uint32_t round = 0; round < 4; round++)
		for (uint32_t a = 0; a <= 255; a++) {
			char name[24];

			snprintf(name, sizeof(name), "nobody %u", a);
			announce(a, blocks++ % (h.rx.block_count - 4), name,
				 (uint32_t)sizeof(name));
			hostile_read(&h);
		}
	/* All but the one that is bound; what came again, or for no address, was given back. */
	assert_int_equal(count("parked"), CONTROL_EPT_MAX - 1);
	assert_int_equal(count("parked_peak"), CONTROL_EPT_MAX - 1);
	assert_int_equal(count("parked_total"), CONTROL_EPT_MAX - 1);
	assert_int_equal(count("bad_bounds"), 4 * 256 - (CONTROL_EPT_MAX - 1));
	assert_int_equal(h.read.releases, 4 * 256 - (CONTROL_EPT_MAX - 1));
	assert_nothing_taken();
	hostile_assert_works(&h, &seen);
	/* A restart sweeps them away. */
	shm_store32(h.out.rd_idx, 0);
	assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	hostile_restart(&h, &seen);
	assert_int_equal(count("parked"), 0);
	assert_int_equal(count("parked_peak"), CONTROL_EPT_MAX - 1);
	hostile_end(&h);
}

/* One log line when hardly a block is left, none before, and none again. */
static void a_peer_without_blocks_is_reported(void **state)
{
	uint32_t most, n;

	(void)state;
	hostile_start(&h, &seen, false);
	most = h.rx.block_count - h.rx.block_count / 8;
	for (n = 0; n + 1 < most; n++) {
		char name[24];

		snprintf(name, sizeof(name), "nobody %u", n);
		announce(1 + n, n, name, (uint32_t)strlen(name) + 1);
	}
	assert_int_equal(count("parked_full"), 0);
	assert_int_equal(h.warnings, 0);
	announce(1 + n, n, "one too many", 13);
	assert_int_equal(count("parked_full"), 1);
	assert_int_equal(h.warnings, 1);
	announce(2 + n, n, "and another", 12);
	assert_int_equal(count("parked_full"), 2);
	assert_int_equal(h.warnings, 1);
	assert_nothing_taken();
	hostile_assert_works(&h, &seen);
	hostile_end(&h);
}

/* Blocks count, not announcements; and a header is believed as far as it can be true. */
static void long_names_take_more_blocks(void **state)
{
	uint32_t all;

	(void)state;
	hostile_start(&h, &seen, false);
	all = layout_capacity(&h.rx, h.rx.block_count - 1);
	announce(1, 0, "short", all < 1000 ? 1000 : all);
	hostile_read(&h);
	if (all < 1000)
		assert_int_equal(count("bad_blocks"), 1);
	else
		assert_int_equal(count("parked_full"), 1);
	/* Changed behind our back: it counts as one block from then on. */
	hostile_fill(&h, 0, 0xffffffff, NULL, 0);
	announce(2, 1, "other", 6);
	assert_int_equal(count("parked_full"), 1);
	assert_int_equal(count("parked"), 2);
	assert_nothing_taken();
	hostile_end(&h);
}

/* Whoever registers the names gives the blocks back. */
static void registering_gives_the_blocks_back(void **state)
{
	struct seen others[8] = { { 0 } };
	char name[24];

	(void)state;
	hostile_start(&h, &seen, false);
	for (uint32_t n = 0; n < 8; n++) {
		snprintf(name, sizeof(name), "late %u", n);
		announce(100 + n, n, name, (uint32_t)sizeof(name));
	}
	assert_int_equal(count("parked"), 8);
	hostile_forget(&h);
	for (uint32_t n = 0; n < 8; n++) {
		snprintf(name, sizeof(name), "late %u", n);
		ends_register(h.link, &others[n], name);
		assert_int_equal(count("parked"), 7 - n);
	}
	hostile_settle(&h);
	assert_int_equal(h.read.release_bounds, 8);
	for (uint32_t n = 0; n < 8; n++)
		assert_int_equal(others[n].bound, 1);
	assert_int_equal(count("parked_peak"), 8);
	hostile_end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_number_of_them_takes_anything_of_ours),
		cmocka_unit_test(a_peer_without_blocks_is_reported),
		cmocka_unit_test(long_names_take_more_blocks),
		cmocka_unit_test(registering_gives_the_blocks_back),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
