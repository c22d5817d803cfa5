// SPDX-License-Identifier: Apache-2.0
/*
 * Counters and peaks, each after something that makes it move by a known amount.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/instance.h"
#include "core/wait.h"
#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 32, 16, 12, 0x1000, 0x1000, NULL, NULL },
	{ 0 },
};

static struct seen a, b, seen;
static struct ends e;
static struct hostile h;

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	return 0;
}

static uint64_t count_a(const char *name)
{
	return ends_counter(e.a, name);
}

static uint64_t count_b(const char *name)
{
	return ends_counter(e.b, name);
}

static uint64_t count_h(const char *name)
{
	return ends_counter(h.link, name);
}

static void open_bound(void)
{
	ends_open(&e);
	ends_bind(&e, &a, &b, "counted");
	ends_settle(&e);
}

/* A message that takes @blocks blocks of A's. */
static size_t size_of(uint32_t blocks)
{
	struct icbmsg_layout l;

	icbmsg_get_layout(e.a, &l, sizeof(l));
	return blocks * l.tx.block_size - l.word_size;
}

static void messages_are_counted(void **state)
{
	static const uint8_t data[200];

	(void)state;
	open_bound();
	assert_int_equal(count_a("opens"), 1);
	for (int i = 1; i <= 20; i++) {
		assert_int_equal(icbmsg_send(a.ept, data, (size_t)i, SURELY), 0);
		assert_int_equal(icbmsg_send(b.ept, data, (size_t)i * 10, SURELY), 0);
		ends_until(e.a, e.b, &a.received, i);
		ends_until(e.a, e.b, &b.received, i);
	}
	assert_int_equal(count_a("tx_messages"), 20);
	assert_int_equal(count_b("tx_messages"), 20);
	assert_int_equal(count_a("rx_messages"), 20);
	assert_int_equal(count_b("rx_messages"), 20);
	assert_int_equal(count_a("tx_bytes"), 210);
	assert_int_equal(count_b("rx_bytes"), 210);
	assert_int_equal(count_b("tx_bytes"), 2100);
	assert_int_equal(count_a("rx_bytes"), 2100);
	ends_until_free(&e, e.a);
	ends_until_free(&e, e.b);
	assert_int_equal(count_a("tx_blocks_used") + count_b("tx_blocks_used"), 0);
	assert_int_equal(count_a("rx_held") + count_b("rx_held"), 0);
	ends_close(&e);
}

static void messages_and_blocks(void **state)
{
	static const uint8_t data[4096];

	(void)state;
	ends_direct_only("peaks, and both rings at one moment");
	open_bound();
	assert_int_equal(count_a("opens"), 1);
	assert_true(count_a("announcements") >= 1);
	assert_int_equal(count_a("tx_blocks_peak"), 1); /* the name */
	assert_int_equal(icbmsg_send(a.ept, data, size_of(3), 0), 0);
	assert_int_equal(icbmsg_send(a.ept, data, size_of(2), 0), 0);
	assert_int_equal(count_a("tx_blocks_used"), 5);
	assert_int_equal(count_a("tx_blocks_free"), ends_param->a_blocks - 5);
	ends_settle(&e);
	assert_int_equal(count_a("tx_blocks_used"), 0);
	assert_int_equal(count_a("tx_blocks_peak"), 5);
	assert_int_equal(count_a("tx_messages"), 2);
	assert_int_equal(count_b("rx_messages"), 2);
	assert_int_equal(count_a("tx_bytes"), size_of(3) + size_of(2));
	assert_int_equal(count_b("rx_bytes"), size_of(3) + size_of(2));
	assert_int_equal(count_b("rx_held_peak"), 2);
	assert_int_equal(count_b("rx_pending_peak"), 2);
	assert_int_equal(count_b("events_peak"), 2);
	/* Two packets of eight bytes, or one of them longer to spare word 0 (R1). */
	assert_in_range(count_a("tx_ring_peak"), 16, 24);
	assert_int_equal(count_b("rx_ring_peak"), count_a("tx_ring_peak"));
	ends_close(&e);
}

static void waiting_for_blocks(void **state)
{
	static const uint8_t data[1];
	uint64_t refused;

	(void)state;
	open_bound();
	ends_fill(&e, &a);
	refused = count_a("tx_refused");
	assert_int_equal(icbmsg_send(a.ept, data, 1, 0), -ENOBUFS);
	assert_int_equal(icbmsg_send(a.ept, data, 1, 0), -ENOBUFS);
	assert_int_equal(count_a("tx_refused"), refused + 2);
	assert_int_equal(count_a("waits"), 0);
	assert_int_equal(count_a("wait_longest"), 0);
	assert_int_equal(icbmsg_send(a.ept, data, 1, 20 * MS), -ETIMEDOUT);
	assert_int_equal(icbmsg_send(a.ept, data, 1, 2 * MS), -ETIMEDOUT);
	assert_int_equal(count_a("waits"), 2);
	assert_true(count_a("wait_longest") >= 20 * MS);
	assert_int_equal(count_a("tx_blocks_peak"), ends_blocks(e.a));
	ends_close(&e);
}

static unsigned int warnings;

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	warnings += level == ICBMSG_LOG_WARNING && strstr(line, user);
}

/* Who holds all that the other side can send with is told so, once. */
static void held_buffers_that_stop_the_other_side(void **state)
{
	uint32_t half = ends_param->b_blocks / 2;

	(void)state;
	ends_direct_only("with a daemon between them nobody stops the other side");
	open_bound();
	warnings = 0;
	icbmsg_set_log(e.a, on_log, (void *)(uintptr_t) "buffers held here take all");
	a.hold = true;
	for (int round = 0; round < 3; round++) {
		uint8_t data[0x1000] = { 0 };
		struct icbmsg_layout l;
		size_t size;

		icbmsg_get_layout(e.b, &l, sizeof(l));
		size = half * l.tx.block_size - l.word_size;
		a.held_count = 0;
		assert_int_equal(icbmsg_send(b.ept, data, size, 0), 0);
		ends_settle(&e);
		assert_int_equal(count_a("rx_hold_blocks"), half);
		assert_int_equal(count_a("held_full"), round);
		assert_int_equal(icbmsg_send(b.ept, data, size, 0), 0);
		ends_settle(&e);
		assert_int_equal(count_a("rx_hold_blocks"), ends_param->b_blocks);
		assert_int_equal(count_a("held_full"), round + 1);
		assert_int_equal(icbmsg_release_rx(e.a, a.held[1]), 0);
		assert_int_equal(icbmsg_release_rx(e.a, a.held[0]), 0);
		ends_settle(&e);
	}
	assert_int_equal(count_a("rx_hold_blocks"), 0);
	assert_int_equal(count_a("rx_hold_blocks_peak"), ends_param->b_blocks);
	assert_int_equal(warnings, 1);
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Doorbells
 */

static void ring_us(void)
{
	assert_int_equal(eventfd_write(h.initiator ? h.e.bell_to_a : h.e.bell_to_b, 1), 0);
}

static void doorbells_for_nothing(void **state)
{
	uint64_t received, spurious;

	(void)state;
	hostile_start(&h, &seen, true);
	/* Not this one: it may be about all that there has been so far. */
	ring_us();
	assert_int_equal(icbmsg_dispatch(h.link, 0), 0);
	received = count_h("doorbells_received");
	spurious = count_h("doorbells_spurious");
	ring_us();
	ring_us();
	assert_int_equal(icbmsg_dispatch(h.link, 0), 0);
	ring_us();
	assert_int_equal(icbmsg_dispatch(h.link, 10 * MS), 0);
	assert_int_equal(count_h("doorbells_received") - received, 3);
	assert_int_equal(count_h("doorbells_spurious") - spurious, 3);
	/* One with something behind it is none of those. */
	hostile_fill(&h, 2, 4, "data", 4);
	hostile_control(&h, CONTROL_DATA, 0, 2);
	ring_us();
	assert_int_equal(icbmsg_dispatch(h.link, SURELY), 1);
	/* Nor is one that comes late. */
	assert_int_equal(icbmsg_dispatch(h.link, 10 * MS), 0);
	assert_int_equal(count_h("doorbells_received") - received, 4);
	assert_int_equal(count_h("doorbells_spurious") - spurious, 3);
	ring_us();
	assert_int_equal(icbmsg_dispatch(h.link, 0), 0);
	assert_int_equal(count_h("doorbells_spurious") - spurious, 4);
	hostile_end(&h);
}

/* A message whose doorbell is lost: the timer finds it, and that is told apart. */
static void a_look_that_no_doorbell_asked_for(void **state)
{
	uint64_t found, pumps;

	(void)state;
	hostile_start(&h, &seen, false);
	h.link->spin = 0; /* that is another way to find it */
	found = count_h("rx_rescues");
	pumps = count_h("pumps");
	hostile_fill(&h, 2, 4, "data", 4);
	hostile_control(&h, CONTROL_DATA, 0, 2);
	/* Not by the look that each call begins with. */
	assert_int_equal(instance_enter(h.link), 0);
	while (!session_has_events(h.link->session))
		wait_for_change(h.link, deadline_after(SURELY));
	instance_leave(h.link);
	assert_int_equal(count_h("rx_rescues") - found, 1);
	assert_true(count_h("pumps") > pumps);
	assert_int_equal(icbmsg_dispatch(h.link, 0), 1);
	hostile_end(&h);
}

/* ------------------------------------------------------------------------------------------------
 * Restarts, by what they were noticed by
 */

static void by_read_index_of_rx(void)
{
	shm_store32(h.out.rd_idx, 0);
}

static void by_read_index_of_tx(void)
{
	shm_store32(h.in.rd_idx, h.in.len);
}

static void by_magic(void)
{
	hostile_put(&h, control_magic, CONTROL_MAGIC_SIZE);
}

static void by_packet(void)
{
	shm_store32(&h.out.data[h.wr / 4], 0xffff);
	ring_publish(&h.out, (h.wr + 8) % h.out.len);
}

static const struct {
	const char *name;
	void (*restart)(void);
} signs[] = {
	{ "restarts_rx_index", by_read_index_of_rx },
	{ "restarts_tx_index", by_read_index_of_tx },
	{ "restarts_magic", by_magic },
	{ "restarts_packet", by_packet },
};

static void restarts_by_sign(void **state)
{
	const size_t count = sizeof(signs) / sizeof(signs[0]);

	(void)state;
	hostile_start(&h, &seen, true);
	for (size_t i = 0; i < 2 * count; i++) {
		uint64_t before = count_h(signs[i % count].name);

		signs[i % count].restart();
		for (int k = 0; k < 3; k++)
			assert_true(icbmsg_dispatch(h.link, 0) >= 0);
		assert_int_equal(count_h(signs[i % count].name), before + 1);
		assert_int_equal(count_h("restarts"), i + 1);
		assert_int_equal(count_h("announcements"), i + 2);
		hostile_restart(&h, &seen);
	}
	assert_int_equal(count_h("storms"), 0);
	hostile_end(&h);
}

static void stale_releases(void **state)
{
	(void)state;
	hostile_start(&h, &seen, false);
	seen.hold = true;
	hostile_message(&h, 4, "held", 4);
	assert_int_equal(count_h("rx_hold_blocks"), 1);
	by_read_index_of_rx();
	assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	assert_int_equal(count_h("rx_hold_blocks") + count_h("rx_held"), 0);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[0]), -ESTALE);
	assert_int_equal(count_h("stale_releases"), 1);
	hostile_assert_sound(&h);
	hostile_end(&h);
}

/* A peer that is not there at all. */
static void announcements_that_nobody_answers(void **state)
{
	(void)state;
	ends_direct_only("the daemon is there");
	ends_prepare(&e, 0);
	ends_open_one(&e, true, "1ms");
	warnings = 0;
	icbmsg_set_log(e.a, on_log, (void *)(uintptr_t) "does not read our announcement");
	while (count_a("unanswered") == 0)
		assert_int_equal(icbmsg_dispatch(e.a, MS), 0);
	assert_true(count_a("rescues") >= 10);
	assert_int_equal(warnings, 1);
	ends_open_b(&e);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(messages_are_counted, clear),
		cmocka_unit_test_setup(messages_and_blocks, clear),
		cmocka_unit_test_setup(waiting_for_blocks, clear),
		cmocka_unit_test_setup(held_buffers_that_stop_the_other_side, clear),
		cmocka_unit_test_setup(doorbells_for_nothing, clear),
		cmocka_unit_test_setup(a_look_that_no_doorbell_asked_for, clear),
		cmocka_unit_test_setup(restarts_by_sign, clear),
		cmocka_unit_test_setup(stale_releases, clear),
		cmocka_unit_test_setup(announcements_that_nobody_answers, clear),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
