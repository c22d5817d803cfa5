// SPDX-License-Identifier: Apache-2.0
/*
 * A peer that breaks the rings themselves, does not read, or never stops writing. A broken ring is
 * taken for a restart of the other side (protocol.md section 3, R2): the link is given up, nothing
 * is invented, no block of ours lost, and a peer that really starts anew gets everything back.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "core/instance.h"
#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 32, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ 0 },
};

#define REPEATS 3
#define DEADLINE (30 * MS)

static struct hostile h;
static struct seen seen;

static uint32_t behind(const struct ring *r, uint32_t idx, uint32_t bytes)
{
	return (idx + bytes) % r->len;
}

/* A packet header of any length at the peer's write index, and the index so far behind it. */
static void lay_length(uint32_t length, uint32_t published)
{
	shm_store32(&h.out.data[h.wr / 4], (length >> 8 & 0xff) | (length & 0xff) << 8);
	ring_publish(&h.out, behind(&h.out, h.wr, published));
}

/* ------------------------------------------------------------------------------------------------
 * What we read is broken
 */

static void length_0(void)
{
	lay_length(0, 8);
}

static void length_129(void)
{
	lay_length(129, 136);
}

static void length_65535(void)
{
	lay_length(0xffff, 8);
}

static void length_beyond_wr(void)
{
	lay_length(16, 8);
}

static void wr_between_words(void)
{
	ring_publish(&h.out, h.wr + 1);
}

static void wr_at_the_end(void)
{
	ring_publish(&h.out, h.out.len);
}

static void wr_far_beyond(void)
{
	ring_publish(&h.out, 0xfffffffcu);
}

/* Over bytes that were never written: 0xa5. */
static void wr_jumps(void)
{
	memset(h.out.data + h.wr / 4, 0xa5, 4);
	ring_publish(&h.out, behind(&h.out, h.wr, 96));
}

static void (*const broken_writers[])(void) = {
	length_0,         length_129,    length_65535,  length_beyond_wr,
	wr_between_words, wr_at_the_end, wr_far_beyond, wr_jumps,
};

static void dispatch_some(void)
{
	for (int i = 0; i < 5; i++)
		assert_true(icbmsg_dispatch(h.link, 0) >= 0);
}

/*
 * The link has been given up, once in every round so far, and everything is in order for a new one.
 * @complaints: log lines beside the one for each change of state.
 */
static void assert_given_up(unsigned int complaints)
{
	int rounds = (int)h.round + 1;

	assert_int_equal(ends_stats(h.link).restarts, rounds);
	assert_int_equal(seen.unbound, rounds);
	assert_int_equal(seen.bound, rounds);
	assert_int_equal(seen.received, rounds);
	assert_int_equal(seen.error, 0);
	assert_int_equal(ends_stats(h.link).rx_held, 0);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count);
	assert_int_equal(ends_stats(h.link).state, ICBMSG_LINK_WAITING);
	assert_int_equal(icbmsg_send(seen.ept, "x", 1, 0), -ENOTCONN);
	assert_int_equal(h.warnings, rounds + complaints);
	hostile_assert_sound(&h);
}

static void break_reading(void (*commit)(void), bool initiator)
{
	hostile_start(&h, &seen, initiator);
	for (h.round = 0; h.round < REPEATS; h.round++) {
		commit();
		dispatch_some();
		assert_given_up(1);
		assert_int_equal(ends_stats(h.link).bad_packets, h.round + 1);
		hostile_restart(&h, &seen);
	}
	hostile_end(&h);
}

static void what_we_read_is_broken(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken_writers) / sizeof(broken_writers[0]); i++)
		for (int initiator = 0; initiator < 2; initiator++)
			break_reading(broken_writers[i], initiator);
}

/* ------------------------------------------------------------------------------------------------
 * The index that we wait for is broken
 */

static uint32_t rd_between_words(void)
{
	return h.rd + 2;
}

static uint32_t rd_at_the_end(void)
{
	return h.in.len;
}

static uint32_t rd_far_beyond(void)
{
	return 0xffffffff;
}

/* Valid in itself, but it makes the ring look full. */
static uint32_t rd_just_ahead(void)
{
	return behind(&h.in, h.rd, 4);
}

static uint32_t rd_half_a_lap_ahead(void)
{
	return behind(&h.in, h.rd, h.in.len / 2 / 4 * 4);
}

static uint32_t (*broken_reader)(void); /* the one in force */

static uint32_t (*const broken_readers[])(void) = {
	rd_between_words, rd_at_the_end, rd_far_beyond, rd_just_ahead, rd_half_a_lap_ahead,
};

/* Both ways of sending fail, and nothing is lost over it. */
static void send_into_broken_ring(void)
{
	size_t size = 10;
	void *buffer = NULL;
	int got = h.round % 2 ? icbmsg_get_tx_buffer(seen.ept, &size, 0, &buffer) : -1;

	shm_store32_release(h.in.rd_idx, broken_reader());
	if (got < 0) {
		assert_int_equal(icbmsg_send(seen.ept, "some bytes", 10, 0), -ECONNRESET);
		return;
	}
	/* It stays the caller's over the restart. */
	assert_int_equal(icbmsg_send_nocopy(seen.ept, buffer, 10), -ECONNRESET);
	assert_int_equal(icbmsg_drop_tx_buffer(h.link, buffer), 0);
}

static void break_writing(uint32_t (*index)(void), bool initiator)
{
	broken_reader = index;
	hostile_start(&h, &seen, initiator);
	for (h.round = 0; h.round < REPEATS; h.round++) {
		send_into_broken_ring();
		dispatch_some();
		assert_given_up(0);
		assert_int_equal(ends_stats(h.link).bad_packets, 0);
		hostile_restart(&h, &seen);
	}
	hostile_end(&h);
}

static void what_we_write_is_not_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(broken_readers) / sizeof(broken_readers[0]); i++)
		for (int initiator = 0; initiator < 2; initiator++)
			break_writing(broken_readers[i], initiator);
}

/* Each packet asks for an answer, until there is no room for another one in our ring. */
static void a_peer_that_does_not_read(void **state)
{
	struct icbmsg_stats st;

	(void)state;
	hostile_start(&h, &seen, true);
	for (uint32_t i = 0; i < h.in.len / 4; i++) {
		hostile_control(&h, CONTROL_DATA, 99, i % h.rx.block_count);
		assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	}
	st = ends_stats(h.link);
	assert_int_equal(st.bad_endpoints, h.in.len / 4);
	assert_int_equal(st.tx_blocks_free, h.tx.block_count);
	/* One line about the address, one about the ring. */
	assert_true(h.warnings <= 2);
	hostile_settle(&h);
	assert_true(h.read.releases > 0 && h.read.releases <= h.in.len / 8);
	hostile_assert_works(&h, &seen);
	hostile_end(&h);
}

/* A message in a block that is still held is refused; the held one and its release are unharmed. */
static void data_in_a_held_block(void **state)
{
	(void)state;
	hostile_start(&h, &seen, false);
	seen.hold = true;
	hostile_message(&h, 4, "held", 4);
	hostile_control(&h, CONTROL_DATA, 0, 4);
	hostile_settle(&h);
	assert_int_equal(seen.held_count, 1);
	assert_int_equal(ends_stats(h.link).bad_blocks, 1);
	assert_int_equal(h.read.releases, 0);
	assert_int_equal(icbmsg_release_rx(h.link, seen.held[0]), 0);
	hostile_settle(&h);
	assert_int_equal(h.read.released[4], 1);
	seen.hold = false;
	hostile_assert_works(&h, &seen);
	hostile_end(&h);
}

/*
 * Waiting calls start over, without a look at the clock, when a pump says that there are events:
 * for what is not delivered it must not say so, or a flood of it holds the caller beyond any
 * deadline.
 */
static void what_is_not_delivered_is_no_event(void **state)
{
	(void)state;
	hostile_start(&h, &seen, true);
	hostile_control(&h, CONTROL_DATA, 99, 0);
	hostile_control(&h, CONTROL_DATA, 0, 255);
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, 3);
	hostile_control(&h, 0x7d, 0, 0);
	assert_int_equal(instance_pump(h.link), 0);
	icbmsg_ept_deregister(seen.ept);
	hostile_control(&h, CONTROL_DATA, 0, 1);
	assert_int_equal(instance_pump(h.link), 0);
	hostile_end(&h);
}

/* ------------------------------------------------------------------------------------------------
 * A flood
 */

struct flood {
	pthread_t thread;
	uint8_t packet[CONTROL_SIZE];
	bool stop;
	uint64_t packets;
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static bool stopped(struct flood *f)
{
	return __atomic_load_n(&f->stop, __ATOMIC_RELAXED);
}

/* The peer's own indices belong to this thread while it runs. */
static void *pour(void *user)
{
	struct flood *f = user;
	int64_t end = now() + SURELY;
	int bell = h.initiator ? h.e.bell_to_a : h.e.bell_to_b;

	while (!stopped(f) && now() < end) {
		/* One doorbell for many packets: the ring shall hardly ever be found empty. */
		for (int i = 0; i < 4096; i++) {
			if (ring_put(&h.out, &h.wr, f->packet, sizeof(f->packet)) < 0)
				break;
			ring_publish(&h.out, h.wr);
			__atomic_fetch_add(&f->packets, 1, __ATOMIC_RELAXED);
			h.rd = ring_load_wr(&h.in);
			shm_store32_release(h.in.rd_idx, h.rd);
		}
		h.rd = ring_load_wr(&h.in);
		shm_store32_release(h.in.rd_idx, h.rd);
		eventfd_write(bell, 1);
	}
	return NULL;
}

/* @call must come back, not before its time, and long before the flood ends. */
static void assert_in_time(int (*call)(int64_t timeout_ns), int expected)
{
	int64_t start = now();
	int ret = call(DEADLINE);

	assert_int_equal(ret, expected);
	assert_true(now() - start >= DEADLINE);
	assert_true(now() - start < SURELY);
}

static struct seen other;

static int call_dispatch(int64_t timeout_ns)
{
	return icbmsg_dispatch(h.link, timeout_ns);
}

static int call_next_event(int64_t timeout_ns)
{
	struct icbmsg_event event;

	return icbmsg_next_event(h.link, &event, timeout_ns);
}

static int call_send(int64_t timeout_ns)
{
	return icbmsg_send(seen.ept, "x", 1, timeout_ns);
}

static int call_wait_bound(int64_t timeout_ns)
{
	return icbmsg_ept_wait_bound(other.ept, timeout_ns);
}

static void take_all_blocks(void)
{
	size_t size = icbmsg_max_size(h.link);
	void *buffer;

	assert_int_equal(icbmsg_get_tx_buffer(seen.ept, &size, 0, &buffer), 0);
}

static void flood_of(uint8_t type, uint8_t ept, uint8_t block)
{
	struct flood f = { .packet = { type, ept, block } };

	hostile_start(&h, &seen, false);
	ends_register(h.link, &other, "other");
	take_all_blocks();
	assert_int_equal(pthread_create(&f.thread, NULL, pour, &f), 0);
	assert_in_time(call_dispatch, 0);
	assert_in_time(call_next_event, 0);
	assert_in_time(call_send, -ETIMEDOUT);
	assert_in_time(call_wait_bound, -ETIMEDOUT);
	/* More than the ring holds: it is read, too, as soon as the other thread has had a CPU. */
	while (__atomic_load_n(&f.packets, __ATOMIC_RELAXED) <= h.out.len / 8)
		assert_int_equal(icbmsg_dispatch(h.link, MS), 0);
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(f.thread, NULL), 0);
	/* Answers lap our ring many times between two looks at the peer: that is no restart. */
	assert_int_equal(ends_stats(h.link).restarts, 0);
	assert_true(h.warnings <= 2);
	hostile_end(&h);
}

static void a_flood_of_unknown_types(void **state)
{
	(void)state;
	flood_of(0x7f, 0, 0);
}

static void a_flood_of_undeliverable_messages(void **state)
{
	(void)state;
	flood_of(CONTROL_DATA, 77, 1);
}

static void a_flood_of_blocks_that_are_not(void **state)
{
	(void)state;
	flood_of(CONTROL_DATA, 0, 200);
}

static void a_flood_of_releases(void **state)
{
	(void)state;
	flood_of(CONTROL_RELEASE_DATA, 0, 3);
}

static void a_flood_of_names(void **state)
{
	(void)state;
	flood_of(CONTROL_BOUND, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_read_is_broken),
		cmocka_unit_test(what_we_write_is_not_read),
		cmocka_unit_test(a_peer_that_does_not_read),
		cmocka_unit_test(data_in_a_held_block),
		cmocka_unit_test(what_is_not_delivered_is_no_event),
		cmocka_unit_test(a_flood_of_unknown_types),
		cmocka_unit_test(a_flood_of_undeliverable_messages),
		cmocka_unit_test(a_flood_of_blocks_that_are_not),
		cmocka_unit_test(a_flood_of_releases),
		cmocka_unit_test(a_flood_of_names),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
