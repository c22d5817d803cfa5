// SPDX-License-Identifier: Apache-2.0
/*
 * libicbmsg against the firmware stand-in, which is proven against Zephyr's own bytes
 * (tests/sim/replay_test.c): both roles, both word sizes, many geometries.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "board.h"

/* clang-format off */
static const struct ends_param params[] = {
	{ "classic", 4,   4,  16,  16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 8,   4,  16,  16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 4,  32,   5,   9, 0x1000, 0x1800, NULL, NULL },
	{ "classic", 8,  64,   7,   3, 0x1400, 0x1000, NULL, NULL },
	{ "classic", 4, 128,   2,  32, 0x0800, 0x1000, NULL, NULL },
	{ "classic", 8, 128, 256, 200, 0x8000, 0x8000, NULL, NULL },
	{ "classic", 4,   8,   1, 256, 0x1000, 0x6000, NULL, NULL },
	{ "classic", 8,   4,   1,   1, 0x0200, 0x0200, NULL, NULL },
	{ "classic", 4,   4,   2,   1, 0x0200, 0x0200, NULL, NULL },
	{ 0 },
};
/* clang-format on */

#define OPERATIONS 10000
#define LOSSY_OPERATIONS 1500
/*
 * Ten doorbells lost in a row are a sign of a restart (protocol.md section 3, R5): let that be
 * unlikely enough not to be seen.
 */
#define LOST_PERCENT 20

static bool initiator; /* libicbmsg's role in this pass */
static struct board b;

/* ------------------------------------------------------------------------------------------------
 * Binding
 */

/* Every order of opening and registering on the two ends, the firmware's moves at each place. */
static void binds_in_any_order(void **state)
{
	(void)state;
	for (int opens = 0; opens < 3; opens++) {
		for (int registers = opens; registers < 3; registers++) {
			board_start(&b, initiator);
			for (int moment = 0; moment < 3; moment++) {
				if (moment == opens)
					firmware_open(&b.fw);
				if (moment == registers)
					firmware_register(&b.fw, board_names[0]);
				board_settle(&b);
				if (moment == 0)
					board_register(&b, 0);
				board_settle(&b);
			}
			assert_int_equal(b.lib.bound[0], 1);
			assert_int_equal(b.far.bound[0], 1);
			assert_true(icbmsg_ept_is_bound(b.ept[0]));
			assert_int_equal(firmware_find(&b.fw, board_names[0])->address, 0);
			board_assert_idle(&b);
			board_end(&b);
		}
	}
}

/* The firmware registers before it opens: it announces as soon as it is bound. */
static void names_wait_for_the_link(void **state)
{
	(void)state;
	board_start(&b, initiator);
	board_register(&b, 0);
	assert_int_equal(icbmsg_dispatch(b.link, 0), 0);
	assert_false(icbmsg_ept_is_bound(b.ept[0]));
	assert_int_equal(icbmsg_send(b.ept[0], "x", 1, 0), -ENOTCONN);
	firmware_register(&b.fw, board_names[0]);
	firmware_open(&b.fw);
	board_settle(&b);
	assert_int_equal(b.lib.bound[0], 1);
	assert_int_equal(b.far.bound[0], 1);
	board_assert_idle(&b);
	board_end(&b);
}

/*
 * The follower registers when all names have been announced, in the other order. An announcing
 * firmware without blocks gives up for good, so it gets no more names than blocks.
 */
static void announced_names_wait(void **state)
{
	unsigned int n = BOARD_EPTS;

	(void)state;
	board_start(&b, initiator);
	if (!initiator && n > b.rx.block_count)
		n = b.rx.block_count;
	firmware_open(&b.fw);
	board_settle(&b);
	for (unsigned int i = 0; i < n; i++) {
		if (initiator)
			board_register(&b, i);
		else
			firmware_register(&b.fw, board_names[i]);
	}
	board_settle(&b);
	for (unsigned int i = n; i-- > 0;) {
		assert_int_equal(b.lib.bound[i] + b.far.bound[i], 0);
		if (initiator)
			firmware_register(&b.fw, board_names[i]);
		else
			board_register(&b, i);
		board_settle(&b);
	}
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(b.lib.bound[i], 1);
		assert_int_equal(b.far.bound[i], 1);
		assert_true(board_lib_send(&b, i, 1, true));
		board_settle(&b);
		assert_true(board_far_send(&b, i, 1, true));
		board_settle(&b);
	}
	board_assert_idle(&b);
	board_end(&b);
}

/* ------------------------------------------------------------------------------------------------
 * Messages
 */

/*
 * All lengths where there are few, otherwise those around every multiple of a block. A daemon has
 * blocks of its own size for its client, which some of the others meet.
 */
static bool interesting(const struct layout_region *r, uint32_t size)
{
	uint32_t rest = (size + r->header_size) % r->block_size;

	return (r->max_payload <= 1200 && (!b.e.daemon || size % 7 == 0)) || rest <= 1 ||
	       rest == r->block_size - 1 || size == r->max_payload || size < 10;
}

typedef bool send_fn(struct board *b, unsigned int ept, uint32_t size, bool copy);

/* Message after message. Through a daemon each takes many turns of two processes: where there is room. */
static void pass(send_fn *send, uint32_t size)
{
	if (b.e.daemon && send(&b, 0, size, size % 2))
		return;
	board_settle(&b);
	assert_true(send(&b, 0, size, size % 2));
}

static void every_length(void **state)
{
	uint32_t size;

	(void)state;
	board_start_bound(&b, initiator, 1);
	assert_int_equal(icbmsg_max_size(b.link), b.tx.max_payload);
	assert_int_equal(icbmsg_max_rx_size(b.link), b.rx.max_payload);
	for (size = 0; size <= b.tx.max_payload; size++)
		if (interesting(&b.tx, size))
			pass(board_lib_send, size);
	/* The firmware's sender of an empty message has a test of its own. */
	for (size = 1; size <= b.rx.max_payload; size++)
		if (interesting(&b.rx, size))
			pass(board_far_send, size);
	board_settle(&b);
	board_assert_idle(&b);
	board_end(&b);
}

/*
 * Sending an empty message, Zephyr takes all free blocks and gets one back (protocol.md section 9).
 * We take the message for what it is, and nothing of ours is lost.
 */
static void empty_message_of_the_firmware(void **state)
{
	(void)state;
	board_start_bound(&b, initiator, 1);
	assert_true(board_far_send(&b, 0, 0, true));
	assert_int_equal(firmware_used_blocks(&b.fw), b.rx.block_count);
	board_settle(&b);
	assert_int_equal(b.lib.received, 1);
	assert_int_equal(firmware_used_blocks(&b.fw), b.rx.block_count - 1);
	assert_int_equal(ends_stats(b.link).rx_held, 0);
	assert_int_equal(ends_stats(b.link).bad_blocks, 0);
	/* Traffic goes on, with the one block the firmware has left. */
	assert_true(board_far_send(&b, 0, 1, true));
	assert_true(board_lib_send(&b, 0, 1, true));
	board_settle(&b);
	assert_int_equal(b.lib.received, 2);
	assert_int_equal(b.far.received, 1);
	assert_int_equal(ends_stats(b.link).tx_blocks_free, ends_blocks(b.link));
	board_end(&b);
}

/* Release everything held on both ends, in random order and mixed. */
static void release_all(void)
{
	while (b.lib.held_count + b.far.held_count > 0) {
		if (b.lib.held_count > 0 && (b.far.held_count == 0 || board_random(&b, 2)))
			board_lib_release(&b, board_random(&b, b.lib.held_count));
		else
			board_far_release(&b, board_random(&b, b.far.held_count));
	}
}

static bool all_arrived(void)
{
	return b.far.expected.head == b.far.expected.tail &&
	       b.lib.expected.head == b.lib.expected.tail;
}

/* What @blocks blocks carry, or all there are. */
static uint32_t payload_of(const struct layout_region *r, uint32_t blocks)
{
	return layout_capacity(r, blocks < r->block_count ? blocks : r->block_count);
}

/* As many messages as fit both ways, all held; sizes of one block, or random ones of several. */
static void all_blocks_in_flight(void **state)
{
	(void)state;
	board_start_bound(&b, initiator, 1);
	b.lib.hold = b.far.hold = true;
	for (int lap = 0; lap < 6; lap++) {
		uint32_t most = lap % 2 ? 3 : 1;
		uint32_t ours = payload_of(&b.tx, most), theirs = payload_of(&b.rx, most);

		while (board_lib_send(&b, 0, 1 + board_random(&b, ours), lap % 3))
			;
		while (board_lib_send(&b, 0, 1, true))
			;
		while (board_far_send(&b, 0, 1 + board_random(&b, theirs), lap % 3))
			;
		while (board_far_send(&b, 0, 1, true))
			;
		assert_int_equal(firmware_used_blocks(&b.fw), b.rx.block_count);
		assert_int_equal(ends_stats(b.link).tx_blocks_free, 0);
		board_settle(&b);
		assert_int_equal(ends_stats(b.link).rx_held, b.lib.held_count);
		assert_false(board_lib_send(&b, 0, 1, true));
		/* A daemon passes on what its client has room for. */
		if (!b.e.daemon) {
			assert_false(board_far_send(&b, 0, 1, true));
			assert_int_equal(all_arrived(), 1);
		}
		if (most == 1 && !b.e.daemon) {
			assert_int_equal(b.far.held_count, b.tx.block_count);
			assert_int_equal(b.lib.held_count, b.rx.block_count);
		}
		do {
			release_all();
			board_settle(&b);
		} while (b.lib.held_count + b.far.held_count > 0);
		board_assert_idle(&b);
	}
	board_end(&b);
}

/* ------------------------------------------------------------------------------------------------
 * Deregistering
 */

/* The firmware drops what comes for a deregistered endpoint and keeps our block for ever. */
static void firmware_deregisters(void **state)
{
	uint64_t errors;

	(void)state;
	board_start_bound(&b, initiator, 1);
	errors = b.fw.counters.errors;
	assert_int_equal(firmware_deregister(&b.fw, board_names[0]), 0);
	assert_int_equal(icbmsg_send(b.ept[0], "lost", 4, 0), 0);
	board_settle(&b);
	assert_int_equal(b.far.received, 0);
	assert_int_equal(b.fw.counters.errors, errors + 1);
	assert_int_equal(ends_stats(b.link).tx_blocks_free, ends_blocks(b.link) - 1);
	assert_int_equal(firmware_register(&b.fw, board_names[0]), 0);
	board_settle(&b);
	assert_int_equal(b.far.bound[0], 2);
	assert_int_equal(b.lib.bound[0], 1);
	assert_true(board_far_send(&b, 0, 1, true));
	/* In a daemon's client there may be room that the link behind it has not. */
	assert_int_equal(board_lib_send(&b, 0, 1, true),
			 b.tx.block_count > 1 || (b.e.daemon && ends_blocks(b.link) > 1));
	board_settle(&b);
	assert_int_equal(b.lib.received, 1);
	assert_int_equal(b.far.received, b.tx.block_count > 1);
	board_end(&b);
}

/* We drop it as well, but give the block back; the binding stays. */
static void libicbmsg_deregisters(void **state)
{
	(void)state;
	board_start_bound(&b, initiator, 1);
	icbmsg_ept_deregister(b.ept[0]);
	for (uint32_t i = 1; i <= 3 * b.rx.block_count; i++) {
		assert_int_equal(firmware_send(&b.fw, board_names[0], "lost", 4), 4);
		board_settle(&b);
		if (!b.e.daemon)
			assert_int_equal(ends_stats(b.link).rx_dropped, i);
		assert_int_equal(firmware_used_blocks(&b.fw), 0);
	}
	board_register(&b, 0);
	board_settle(&b);
	assert_int_equal(b.lib.bound[0], 2);
	assert_int_equal(b.far.bound[0], 1);
	assert_true(board_far_send(&b, 0, 1, true));
	assert_true(board_lib_send(&b, 0, 1, true));
	board_settle(&b);
	board_assert_idle(&b);
	board_end(&b);
}

/* ------------------------------------------------------------------------------------------------
 * Long random traffic
 */

/* Mostly small, sometimes up to the largest there can be. */
static uint32_t random_size(const struct layout_region *r)
{
	uint32_t small = r->max_payload < 200 ? r->max_payload : 200;

	return 1 + board_random(&b, board_random(&b, 8) ? small : r->max_payload);
}

/* Take the longest run there is and give it back unsent. */
static void take_and_drop(void)
{
	size_t size = 0;
	void *data;

	if (icbmsg_get_tx_buffer(b.ept[0], &size, 0, &data) < 0)
		return;
	memset(data, 0x5a, size);
	assert_int_equal(icbmsg_drop_tx_buffer(b.link, data), 0);
}

static void one_operation(int64_t wait)
{
	unsigned int ept = board_random(&b, BOARD_EPTS);
	bool copy = board_random(&b, 2);

	switch (board_random(&b, 10)) {
	case 0:
	case 1:
		board_lib_send(&b, ept, board_random(&b, 50) ? random_size(&b.tx) : 0, copy);
		break;
	case 2:
	case 3:
		board_far_send(&b, ept, random_size(&b.rx), copy);
		break;
	case 4:
		b.lib.hold = board_random(&b, 2);
		b.far.hold = board_random(&b, 2);
		break;
	case 5:
		if (b.lib.held_count > 0)
			board_lib_release(&b, board_random(&b, b.lib.held_count));
		break;
	case 6:
		if (b.far.held_count > 0)
			board_far_release(&b, board_random(&b, b.far.held_count));
		break;
	case 7:
		take_and_drop();
		break;
	case 8:
		ends_turn(&b.e);
		assert_true(icbmsg_dispatch(b.link, wait) >= 0);
		break;
	default:
		board_far_pump(&b);
	}
}

static void random_traffic(void **state)
{
	(void)state;
	board_start_bound(&b, initiator, BOARD_EPTS);
	for (int i = 0; i < OPERATIONS; i++)
		one_operation(0);
	b.lib.hold = b.far.hold = false;
	release_all();
	board_settle(&b);
	board_assert_idle(&b);
	/* One single block, and that held most of the time, does not let many through. */
	assert_true(b.lib.received > OPERATIONS / 100);
	assert_true(b.far.received > OPERATIONS / 100);
	board_end(&b);
}

/* The same, while the doorbells of both directions get lost: the rescue makes up for it. */
static void lost_doorbells(void **state)
{
	struct icbmsg_stats st;

	(void)state;
	board_start_bound(&b, initiator, BOARD_EPTS);
	b.lost_percent = LOST_PERCENT;
	for (int i = 0; i < LOSSY_OPERATIONS; i++)
		one_operation(BOARD_WAIT);
	b.lib.hold = b.far.hold = false;
	release_all();
	board_settle_lossy(&b);
	board_assert_idle(&b);
	st = ends_stats(b.link);
	/* A daemon's client has none that could get lost. */
	if (!b.e.daemon) {
		assert_true(st.rescues > 0);
		assert_true(st.doorbells_lost > 0);
	}
	assert_true(st.doorbells_lost <= st.rescues);
	board_end(&b);
}

/* Also while the link comes up, when early doorbells are lost in practice. */
static void lost_doorbells_while_binding(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		board_start(&b, initiator);
		b.random += (uint32_t)i * 77;
		b.lost_percent = LOST_PERCENT;
		firmware_register(&b.fw, board_names[0]);
		firmware_open(&b.fw);
		board_register(&b, 0);
		while (!b.lib.bound[0] || !b.far.bound[0]) {
			assert_true(icbmsg_dispatch(b.link, BOARD_WAIT) >= 0);
			board_far_pump(&b);
		}
		board_settle_lossy(&b);
		board_assert_idle(&b);
		board_end(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binds_in_any_order),
		cmocka_unit_test(names_wait_for_the_link),
		cmocka_unit_test(announced_names_wait),
		cmocka_unit_test(every_length),
		cmocka_unit_test(empty_message_of_the_firmware),
		cmocka_unit_test(all_blocks_in_flight),
		cmocka_unit_test(firmware_deregisters),
		cmocka_unit_test(libicbmsg_deregisters),
		cmocka_unit_test(random_traffic),
		cmocka_unit_test(lost_doorbells),
		cmocka_unit_test(lost_doorbells_while_binding),
	};
	size_t n = sizeof(tests) / sizeof(tests[0]);
	int failed = 0;

	for (int role = 0; role < 2; role++) {
		initiator = role;
		ends_only_client = role ? ENDS_CLIENT_A : ENDS_CLIENT_B;
		failed += ends_run_params(params, role ? ", as initiator" : ", as follower", tests,
					  n);
	}
	return failed;
}
