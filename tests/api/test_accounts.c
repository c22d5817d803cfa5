// SPDX-License-Identifier: Apache-2.0
/*
 * What belongs to whom: a hold to its handle, a buffer to the message that releases it, a loss to
 * the registration that suffered it, a slot to the endpoint that uses it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"
#include "hostile.h"

static struct seen seen;
static struct hostile h;

static void message(uint32_t block, const char *text)
{
	hostile_message(&h, block, text, 1);
}

static void a_handle_released_twice_is_nobody_elses(void **state)
{
	(void)state;
	hostile_start(&h, &seen, true);
	seen.hold = true;
	message(3, "m");
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[0]), 0);
	message(3, "n");
	hostile_forget(&h);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[0]), -ENOENT);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).rx_held, 1);
	assert_int_equal(h.read.releases, 0);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[1]), 0);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[1]), -ENOENT);
	hostile_settle(&h);
	assert_int_equal(h.read.releases, 1);
	hostile_end(&h);
}

/* Nor is what was never a handle one of a session past, which would let go of a hold of that. */
static void what_is_no_handle_is_not_held(void **state)
{
	struct icbmsg_rx none = { .id = 0 }, later = { .id = UINT64_MAX };

	(void)state;
	hostile_start(&h, &seen, true);
	seen.hold = true;
	message(3, "m");
	shm_store32(h.out.rd_idx, 0);
	seen.hold = false;
	hostile_settle(&h);
	hostile_restart(&h, &seen);
	assert_int_equal(icbmsg_release_rx(h.link, none), -ENOENT);
	assert_int_equal(icbmsg_release_rx(h.link, later), -ENOENT);
	assert_int_equal(ends_counter(h.link, "stale_releases"), 0);
	assert_int_equal(h.link->holds, 1);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[0]), -ESTALE);
	hostile_end(&h);
}

static void release_bound_frees_no_message(void **state)
{
	uint32_t block;

	(void)state;
	hostile_start(&h, &seen, true);
	assert_int_equal(icbmsg_send(seen.ept, "m", 1, 0), 0);
	hostile_settle(&h);
	assert_int_equal(h.read.data, 1);
	block = h.read.last.block;
	hostile_control(&h, CONTROL_RELEASE_BOUND, 0, block);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count - 1);
	assert_int_equal(ends_stats(h.link).bad_releases, 1);
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count);
	assert_int_equal(ends_stats(h.link).bad_releases, 1);
	hostile_assert_sound(&h);
	hostile_end(&h);
}

static void release_data_frees_no_announcement(void **state)
{
	struct seen other = { 0 };
	struct control bound;

	(void)state;
	hostile_start(&h, &seen, true);
	ends_register(h.link, &other, "other");
	hostile_settle(&h);
	assert_int_equal(h.read.bounds, 1);
	bound = h.read.last;
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, bound.block);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count - 1);
	assert_int_equal(ends_stats(h.link).bad_releases, 1);
	assert_int_equal(other.bound, 0);
	hostile_control(&h, CONTROL_RELEASE_BOUND, bound.ept, bound.block);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count);
	assert_int_equal(other.bound, 1);
	hostile_assert_sound(&h);
	hostile_end(&h);
}

/* ------------------------------------------------------------------------------------------------
 * Losses
 */

static struct icbmsg_unbound last_unbound;

static void note_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)ept;
	((struct seen *)user)->unbound++;
	last_unbound = *info;
}

static void register_noting(void)
{
	struct icbmsg_ept_callbacks callbacks = seen_callbacks;

	callbacks.unbound = note_unbound;
	assert_int_equal(icbmsg_ept_register(h.link, &seen.ept, HOSTILE_NAME, &callbacks, &seen),
			 0);
}

/* Three messages under way when the peer starts anew; the application does not look. */
static void losses_end_with_the_registration(void **state)
{
	(void)state;
	hostile_start(&h, &seen, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(icbmsg_send(seen.ept, "m", 1, 0), 0);
	shm_store32(h.out.rd_idx, 0);
	assert_int_equal(icbmsg_send(seen.ept, "m", 1, 0), -ECONNRESET);
	icbmsg_ept_deregister(seen.ept);
	register_noting();
	hostile_restart(&h, &seen);
	assert_int_equal(seen.unbound, 0);
	shm_store32(h.out.rd_idx, 0);
	hostile_settle(&h);
	assert_int_equal(seen.unbound, 1);
	assert_int_equal(last_unbound.unknown_tx, 0);
	hostile_end(&h);
}

/* The same while nobody is registered: they are counted, and told to no later registration. */
static void losses_of_nobody_are_told_to_nobody(void **state)
{
	(void)state;
	hostile_start(&h, &seen, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(icbmsg_send(seen.ept, "m", 1, 0), 0);
	icbmsg_ept_deregister(seen.ept);
	shm_store32(h.out.rd_idx, 0);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_unknown, 3);
	register_noting();
	hostile_restart(&h, &seen);
	shm_store32(h.out.rd_idx, 0);
	hostile_settle(&h);
	assert_int_equal(seen.unbound, 1);
	assert_int_equal(last_unbound.unknown_tx, 0);
	hostile_end(&h);
}

/* ------------------------------------------------------------------------------------------------
 * Slots
 */

/* More names than addresses, one after the other. */
static void slots_of_a_follower_are_used_again(void **state)
{
	struct icbmsg_ept *ept;
	char name[16];

	(void)state;
	hostile_start(&h, &seen, false);
	for (unsigned int i = 0; i < 2 * CONTROL_EPT_MAX; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		assert_int_equal(icbmsg_ept_register(h.link, &ept, name, NULL, NULL), 0);
		assert_string_equal(icbmsg_ept_name(ept), name);
		icbmsg_ept_deregister(ept);
	}
	hostile_assert_works(&h, &seen);
	hostile_end(&h);
}

/* An initiator's slots are its addresses, which stay: the 255th name is refused. */
static void slots_of_an_initiator_stay(void **state)
{
	struct icbmsg_ept *ept;
	char name[16];

	(void)state;
	hostile_start(&h, &seen, true);
	for (unsigned int i = 1; i <= CONTROL_EPT_MAX; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		assert_int_equal(icbmsg_ept_register(h.link, &ept, name, NULL, NULL),
				 i < CONTROL_EPT_MAX ? 0 : -ENOSPC);
		if (i < CONTROL_EPT_MAX)
			icbmsg_ept_deregister(ept);
	}
	hostile_end(&h);
}

int main(void)
{
	static const struct ends_param params[] = {
		{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
		{ "classic", 8, 32, 16, 12, 0x1000, 0x1000, NULL, NULL },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_released_twice_is_nobody_elses),
		cmocka_unit_test(what_is_no_handle_is_not_held),
		cmocka_unit_test(release_bound_frees_no_message),
		cmocka_unit_test(release_data_frees_no_announcement),
		cmocka_unit_test(losses_end_with_the_registration),
		cmocka_unit_test(losses_of_nobody_are_told_to_nobody),
		cmocka_unit_test(slots_of_a_follower_are_used_again),
		cmocka_unit_test(slots_of_an_initiator_stay),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
