// SPDX-License-Identifier: Apache-2.0
/*
 * Bookkeeping of a session: what became of messages that are tracked.
 */
#include "unit/unit.h"

#include "proto/session.h"

#define BLOCKS 8u

static struct session s;

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	session_init(&s, BLOCKS, true);
	assert_int_equal(session_register(&s, "ept"), 0);
	session_bind(&s, 0, 0);
	return 0;
}

static uint32_t take(uint32_t count)
{
	int first = session_tx_take(&s, count);

	assert_true(first >= 0);
	return (uint32_t)first;
}

/* What a wire generation does. */
static void publish(uint32_t first)
{
	s.tx[first].ept = 0;
	s.tx[first].state = TX_SENT;
}

static uint64_t send_tracked(uint32_t count)
{
	uint32_t first = take(count);

	publish(first);
	return session_tx_track(&s, first);
}

static void release(uint64_t handle)
{
	session_tx_released(&s, (uint8_t)handle);
	session_tx_shrink(&s, (uint8_t)handle, 0);
}

static void nothing_else_is_a_handle(void **state)
{
	(void)state;
	assert_int_equal(session_tx_fate(&s, 0), TX_FATE_NONE);
	assert_int_equal(session_tx_fate(&s, UINT64_MAX), TX_FATE_NONE);
	assert_int_equal(session_tx_fate(&s, (uint64_t)s.generation << 32 | 3), TX_FATE_NONE);
	assert_int_equal(session_tx_fate(&s, (uint64_t)(s.generation + 1) << 32 | 1 << 8),
			 TX_FATE_NONE);
	/* A number that no message has had yet. */
	assert_int_equal(session_tx_fate(&s, (uint64_t)s.generation << 32 | 1 << 8), TX_FATE_NONE);
	assert_int_equal(session_tx_fate(&s, send_tracked(1) + (1 << 8)), TX_FATE_NONE);
}

static void released_stays_released(void **state)
{
	uint64_t a = send_tracked(2), b = send_tracked(1);

	(void)state;
	assert_int_equal(session_tx_fate(&s, a), TX_FATE_OUTSTANDING);
	release(a);
	assert_int_equal(session_tx_fate(&s, a), TX_FATE_RELEASED);
	assert_int_equal(session_tx_fate(&s, b), TX_FATE_OUTSTANDING);
	/* Its blocks are taken again: to fill, to send untracked, to send tracked. */
	take(2);
	assert_int_equal(session_tx_fate(&s, a), TX_FATE_RELEASED);
	publish((uint8_t)a);
	assert_int_equal(session_tx_fate(&s, a), TX_FATE_RELEASED);
	assert_false(session_tx_released(&s, (uint8_t)a));
	session_tx_shrink(&s, (uint8_t)a, 0);
	assert_int_not_equal(send_tracked(2), a);
	assert_int_equal(session_tx_fate(&s, a), TX_FATE_RELEASED);
}

/* A session's end tells apart what was released before it, as long as that can be known. */
static void lost_with_the_session(void **state)
{
	uint64_t before = send_tracked(1), lost = send_tracked(3);

	(void)state;
	release(before);
	session_reset(&s, 1);
	assert_int_equal(session_tx_fate(&s, before), TX_FATE_RELEASED);
	assert_int_equal(session_tx_fate(&s, lost), TX_FATE_LOST);
	assert_int_equal(s.ept[0].unknown_tx, 1);
	take(1);
	take(3);
	assert_int_equal(session_tx_fate(&s, before), TX_FATE_LOST);
	assert_int_equal(session_tx_fate(&s, lost), TX_FATE_LOST);
}

static void events_merge_and_name_who_tracks(void **state)
{
	struct session_event ev;
	uint64_t a, b;
	uint32_t untracked;

	(void)state;
	while (session_pop(&s, &ev))
		;
	a = send_tracked(1);
	b = send_tracked(1);
	untracked = take(1);
	publish(untracked);
	release(untracked);
	assert_false(session_has_events(&s));
	release(b);
	release(a);
	assert_true(session_pop(&s, &ev));
	assert_int_equal(ev.kind, EVENT_RELEASED);
	assert_int_equal(ev.ept, 0);
	assert_false(session_has_events(&s));
}

/* The number in a handle comes round after 16 million messages, and skips 0. */
static void numbers_wrap(void **state)
{
	uint64_t a = send_tracked(1), b;

	(void)state;
	s.tracked = UINT32_C(0xfffffe);
	release(a);
	for (int i = 0; i < 3; i++) {
		b = send_tracked(1);
		assert_int_equal(session_tx_fate(&s, b), TX_FATE_OUTSTANDING);
		release(b);
		assert_int_equal(session_tx_fate(&s, b), TX_FATE_RELEASED);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(nothing_else_is_a_handle),
		T(released_stays_released),
		T(lost_with_the_session),
		T(events_merge_and_name_who_tracks),
		T(numbers_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
