// SPDX-License-Identifier: Apache-2.0
/*
 * Restarts of firmware under a live instance (protocol.md section 3, R1 to R4): at any moment, over
 * rings of many lengths, with a doorbell pending and the old session's bytes in memory.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"
#include "firmware.h"

/* A is libicbmsg, B is firmware, which may be replaced by a new one at any time. */
struct rig {
	struct ends e;
	struct firmware fw;
	unsigned int pending; /* doorbells that the firmware has not acted on */
	struct seen seen;
	uint32_t received; /* by the firmware of now */
	uint32_t bound;    /* callbacks of the firmware of now */
	uint32_t restarts;
	bool initiator;
};

static uint32_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

static bool fw_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct rig *r = user;

	(void)ept;
	(void)fw;
	assert_true(size >= 4);
	assert_memory_equal(data, "ping", 4);
	r->received++;
	return false;
}

static void fw_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	(void)ept;
	((struct rig *)user)->bound++;
}

static void fw_ring(void *user)
{
	uint64_t one = 1;

	assert_int_equal(write(((struct rig *)user)->e.bell_to_a, &one, sizeof(one)), sizeof(one));
}

static void set_layout(struct layout_region *l, const struct icbmsg_region_layout *r,
		       const struct icbmsg_layout *all)
{
	*l = (struct layout_region){
		.begin = r->begin,
		.total = r->total,
		.alignment = all->alignment,
		.rd_idx = r->rd_idx,
		.wr_idx = r->wr_idx,
		.ring_data = r->ring_data,
		.ring_len = r->ring_len,
		.blocks_off = r->blocks_off,
		.block_size = r->block_size,
		.block_count = r->block_count,
		.header_size = all->word_size,
		.max_payload = r->max_payload,
	};
}

/* A new firmware on the memory as it is, up to its registration. */
static void fw_start(struct rig *r)
{
	struct firmware_config c = { .map = r->e.map,
				     .ring = fw_ring,
				     .bound = fw_bound,
				     .received = fw_received,
				     .user = r };
	struct icbmsg *link = r->initiator ? r->e.a : r->e.b;
	struct icbmsg_layout l;

	icbmsg_get_layout(link, &l, sizeof(l));
	set_layout(&c.tx, &l.rx, &l);
	set_layout(&c.rx, &l.tx, &l);
	r->received = r->bound = 0;
	assert_int_equal(firmware_init(&r->fw, &c), 0);
	assert_int_equal(firmware_open(&r->fw), 0);
	assert_int_equal(firmware_register(&r->fw, "ep0"), 0);
}

static struct icbmsg *lib(struct rig *r)
{
	return r->initiator ? r->e.a : r->e.b;
}

/* Doorbells of the library: counted, acted on when the test says so. */
static void take_bells(struct rig *r)
{
	uint64_t n;

	if (read(r->initiator ? r->e.bell_to_b : r->e.bell_to_a, &n, sizeof(n)) > 0)
		r->pending += (unsigned int)n;
}

static void fw_turn(struct rig *r)
{
	take_bells(r);
	if (r->pending > 0) {
		r->pending = 0;
		firmware_pump(&r->fw);
	}
}

static void rig_open(struct rig *r, bool initiator, uint8_t fill)
{
	memset(r, 0, sizeof(*r));
	r->initiator = initiator;
	ends_prepare(&r->e, fill);
	ends_open_one(&r->e, initiator, "200us");
	ends_register(lib(r), &r->seen, "ep0");
	fw_start(r);
}

static void rig_close(struct rig *r)
{
	ends_close(&r->e);
}

/* Let both work until the library has seen @bound bound events and the firmware one. */
static void until_bound(struct rig *r, int bound)
{
	for (int turn = 0; r->seen.bound < bound || r->bound == 0; turn++) {
		if (turn > 100000)
			fail_msg("not bound again: %d of %d here, %u there, restart %u",
				 r->seen.bound, bound, r->bound, r->restarts);
		fw_turn(r);
		assert_true(icbmsg_dispatch(lib(r), r->pending ? 0 : MS) >= 0);
	}
}

/* Five messages each way, and every block back where it belongs. */
static void exchange(struct rig *r)
{
	uint32_t there = r->received;
	int here = r->seen.received;

	for (int i = 0; i < 5; i++) {
		while (icbmsg_send(r->seen.ept, "ping", 4, 0) == -ENOBUFS) {
			fw_turn(r);
			assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
		}
		while (firmware_send(&r->fw, "ep0", "pong", 4) < 0) {
			fw_turn(r);
			assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
		}
	}
	for (int turn = 0; r->received < there + 5 || r->seen.received < here + 5; turn++) {
		assert_true(turn < 100000);
		fw_turn(r);
		assert_true(icbmsg_dispatch(lib(r), r->pending ? 0 : MS) >= 0);
	}
	assert_memory_equal(r->seen.data, "pong", 4);
}

/* Work a while, each at its own pace, some doorbells lost. */
static void traffic(struct rig *r)
{
	for (uint32_t steps = rnd(60); steps > 0; steps--) {
		switch (rnd(6)) {
		case 0:
		case 1:
			icbmsg_send(r->seen.ept, "ping and more", 4 + rnd(10), 0);
			break;
		case 2:
			firmware_send(&r->fw, "ep0", "pong", 4);
			break;
		case 3:
			assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
			break;
		case 4:
			fw_turn(r);
			break;
		default:
			take_bells(r);
			if (rnd(4) == 0)
				r->pending = 0;
		}
	}
}

static uint32_t *fw_word(struct rig *r, uint32_t offset)
{
	return (uint32_t *)(void *)(r->e.map + r->fw.config.tx.begin + offset);
}

/*
 * The firmware dies and starts again; the library may look between any two of the three stores
 * (wr_idx, rd_idx, magic) with which it begins, and a doorbell may be pending over it all.
 */
static void restart(struct rig *r)
{
	uint32_t looks = rnd(4);

	take_bells(r);
	r->restarts++;
	if (looks > 0) {
		__atomic_store_n(fw_word(r, r->fw.config.tx.wr_idx), 0, __ATOMIC_SEQ_CST);
		if (looks & 1)
			assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
		__atomic_store_n(fw_word(r, r->fw.config.tx.rd_idx), 0, __ATOMIC_SEQ_CST);
		if (looks & 2)
			assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
	}
	take_bells(r);
	r->pending = rnd(2);
	fw_start(r);
	/* The pending doorbell makes it read before the library knows. */
	if (rnd(2))
		fw_turn(r);
}

static void any_moment(bool initiator)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	random_state = 4711;
	rig_open(r, initiator, 0xa5);
	until_bound(r, 1);
	exchange(r);
	for (int i = 1; i <= 150; i++) {
		traffic(r);
		restart(r);
		/* Sometimes again before it was bound. */
		if (rnd(4) == 0) {
			icbmsg_dispatch(lib(r), 0);
			fw_turn(r);
			restart(r);
		}
		until_bound(r, r->seen.unbound + 1);
		exchange(r);
		assert_int_equal(r->seen.bound, r->seen.unbound + 1);
	}
	for (int turn = 0; ends_stats(lib(r)).tx_blocks_free <
			   (initiator ? ends_param->a_blocks : ends_param->b_blocks);
	     turn++) {
		assert_true(turn < 100000);
		fw_turn(r);
		assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
	}
	/* The second magic of R3 costs a reader that needed only the first one error line, no more. */
	assert_true(r->fw.counters.errors <= 1);
	assert_int_equal(ends_stats(lib(r)).rx_held, 0);
	assert_true(ends_stats(lib(r)).restarts >= 150);
	rig_close(r);
	free(r);
}

static void firmware_follower_restarts_at_any_moment(void **state)
{
	(void)state;
	any_moment(true);
}

static void firmware_initiator_restarts_at_any_moment(void **state)
{
	(void)state;
	any_moment(false);
}

/* ------------------------------------------------------------------------------------------------
 * What a restart means to the application
 */

static struct icbmsg_unbound last_unbound;

static void note_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)ept;
	((struct seen *)user)->unbound++;
	last_unbound = *info;
}

/* The firmware dies with everything under way, a new one comes, and the library notices. */
static void restart_and_notice(struct rig *r)
{
	fw_start(r);
	for (int turn = 0; ends_stats(lib(r)).restarts == 0; turn++) {
		assert_true(turn < 10000);
		assert_true(icbmsg_dispatch(lib(r), MS) >= 0);
	}
}

/*
 * All doorbells so far are lost. Firmware reads our announcement and dies before we have looked;
 * its successor announces itself and waits for the same announcement. What we see is one firmware
 * that has done both.
 */
static void a_successor_gets_an_announcement(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 4; n++) {
		struct rig r;

		rig_open(&r, n & 1, 0xa5);
		if (n & 2) {
			until_bound(&r, 1);
			exchange(&r);
			restart_and_notice(&r);
		}
		firmware_pump(&r.fw);
		assert_int_equal(r.fw.link, FIRMWARE_LINK_BOUND);
		fw_start(&r);
		take_bells(&r);
		r.pending = 0;
		until_bound(&r, n & 2 ? 2 : 1);
		exchange(&r);
		rig_close(&r);
	}
}

static void overwrite(struct rig *r, uint32_t offset, uint32_t value)
{
	uint32_t *word = (uint32_t *)(void *)(r->e.map + r->fw.config.rx.begin + offset);

	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/*
 * Something writes over what we have announced before the firmware has read it: over our write
 * index, or over the word that arms it. Nobody but us can put that right.
 */
static void an_overwritten_announcement_is_repeated(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 6; n++) {
		const uint32_t values[] = { 0x12345679, 0, 0xffff0000 };
		struct rig r;

		rig_open(&r, n & 1, 0xa5);
		until_bound(&r, 1);
		exchange(&r);
		restart_and_notice(&r);
		overwrite(&r, n < 4 ? r.fw.config.rx.wr_idx : r.fw.config.rx.ring_data,
			  values[n / 2]);
		fw_start(&r);
		until_bound(&r, 2);
		exchange(&r);
		rig_close(&r);
	}
}

static void messages_of_unknown_fate_are_counted(void **state)
{
	struct icbmsg_ept_callbacks callbacks = seen_callbacks;
	struct rig *r = calloc(1, sizeof(*r));
	uint32_t sent = 0;

	(void)state;
	assert_non_null(r);
	callbacks.unbound = note_unbound;
	rig_open(r, true, 0);
	until_bound(r, 1);
	icbmsg_ept_deregister(r->seen.ept);
	assert_int_equal(icbmsg_ept_register(lib(r), &r->seen.ept, "ep0", &callbacks, &r->seen), 0);
	exchange(r);
	while (ends_stats(lib(r)).tx_blocks_free < ends_param->a_blocks) {
		fw_turn(r);
		assert_true(icbmsg_dispatch(lib(r), r->pending ? 0 : MS) >= 0);
	}
	while (icbmsg_send(r->seen.ept, "ping", 4, 0) == 0)
		sent++;
	restart_and_notice(r);
	icbmsg_dispatch(lib(r), 0);
	assert_int_equal(r->seen.unbound, 1);
	assert_int_equal(last_unbound.reason, ICBMSG_UNBOUND_PEER_RESTART);
	assert_int_equal(last_unbound.unknown_tx, sent);
	assert_int_equal(ends_stats(lib(r)).tx_unknown, sent);
	assert_false(icbmsg_ept_is_bound(r->seen.ept));
	assert_int_equal(icbmsg_send(r->seen.ept, "ping", 4, SURELY), -ENOTCONN);
	assert_int_equal(ends_stats(lib(r)).tx_blocks_free, ends_param->a_blocks);
	until_bound(r, r->seen.unbound + 1);
	exchange(r);
	/* A second restart counts from zero. */
	fw_start(r);
	while (r->seen.unbound < 2)
		assert_true(icbmsg_dispatch(lib(r), MS) >= 0);
	assert_true(last_unbound.unknown_tx <= 5);
	rig_close(r);
	free(r);
}

static void held_buffers_become_stale(void **state)
{
	struct rig *r;

	(void)state;
	if (ends_param->memory_type)
		skip();
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	rig_open(r, false, 0xff);
	until_bound(r, 1);
	r->seen.hold = true;
	assert_int_equal(firmware_send(&r->fw, "ep0", "old", 4), 4);
	ends_until(lib(r), NULL, &r->seen.received, 1);
	r->seen.hold = false;
	restart_and_notice(r);
	assert_int_equal(ends_stats(lib(r)).rx_held, 0);
	assert_false(icbmsg_rx_is_current(lib(r), r->seen.held[0]));
	assert_int_equal(icbmsg_release_rx(lib(r), r->seen.held[0]), -ESTALE);
	until_bound(r, r->seen.unbound + 1);
	exchange(r);
	rig_close(r);
	free(r);
}

static void unsent_buffers_stay_usable(void **state)
{
	struct rig *r;
	size_t size = 4;
	void *buffer;

	(void)state;
	if (ends_param->memory_type || ends_param->a_blocks < 2)
		skip();
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	rig_open(r, true, 0);
	until_bound(r, 1);
	assert_int_equal(icbmsg_get_tx_buffer(r->seen.ept, &size, 0, &buffer), 0);
	memcpy(buffer, "ping", 4);
	restart_and_notice(r);
	assert_int_equal(icbmsg_send_nocopy(r->seen.ept, buffer, 4), -ENOTCONN);
	until_bound(r, r->seen.unbound + 1);
	assert_memory_equal(buffer, "ping", 4);
	assert_int_equal(icbmsg_send_nocopy(r->seen.ept, buffer, 4), 0);
	for (int turn = 0; r->received == 0; turn++) {
		assert_true(turn < 10000);
		fw_turn(r);
		assert_true(icbmsg_dispatch(lib(r), MS) >= 0);
	}
	rig_close(r);
	free(r);
}

static void *send_until_lost(void *arg)
{
	struct rig *r = arg;
	int ret;

	while ((ret = icbmsg_send(r->seen.ept, "ping", 4, SURELY)) == 0)
		;
	return (void *)(intptr_t)ret;
}

static void waiting_senders_are_told(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	pthread_t thread;
	void *ret;

	(void)state;
	assert_non_null(r);
	rig_open(r, true, 0);
	until_bound(r, 1);
	/* The firmware does not read any more: the thread will wait for blocks. */
	assert_int_equal(pthread_create(&thread, NULL, send_until_lost, r), 0);
	while (ends_stats(lib(r)).waits == 0)
		sched_yield();
	fw_start(r);
	pthread_join(thread, &ret);
	assert_int_equal((int)(intptr_t)ret, -ECONNRESET);
	until_bound(r, r->seen.unbound + 1);
	exchange(r);
	rig_close(r);
	free(r);
}

/* A peer that writes nonsense all the time costs pauses, not a CPU, and is not beyond help. */
static void a_storm_is_answered_slowly(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint64_t restarts;

	(void)state;
	assert_non_null(r);
	rig_open(r, true, 0);
	until_bound(r, 1);
	for (int i = 0; i < 3000; i++) {
		/* It announces itself, reads ours, and is gone again before it has read more. */
		__atomic_store_n(fw_word(r, r->fw.config.tx.rd_idx), 0xfffffffc, __ATOMIC_SEQ_CST);
		__atomic_store_n(fw_word(r, r->fw.config.tx.wr_idx), 3, __ATOMIC_SEQ_CST);
		assert_true(icbmsg_dispatch(lib(r), 0) >= 0);
	}
	restarts = ends_stats(lib(r)).restarts;
	assert_true(restarts >= 1 && restarts < 100);
	fw_start(r);
	until_bound(r, r->seen.unbound + 1);
	exchange(r);
	rig_close(r);
	free(r);
}

int main(void)
{
	const struct ends_param params[] = {
		{ "classic", 4, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
		{ "classic", 8, 4, 16, 16, 0x2000, 0x2004, NULL, NULL },
		{ "classic", 4, 32, 5, 9, 0x1000, 0x1800, NULL, NULL },
		{ "classic", 8, 64, 7, 3, 0x1400, 0x1000, NULL, NULL },
		{ "classic", 4, 4, 3, 2, 0x404, 0x408, NULL, NULL },
		{ "classic", 4, 8, 2, 4, 0x40c, 0x410, NULL, NULL },
		{ "classic", 4, 4, 1, 1, 0x200, 0x200, NULL, NULL },
		{ "classic", 4, 4, 1, 2, 0x200, 0x204, NULL, NULL },
		{ "classic", 8, 128, 30, 31, 0x4000, 0x4000, NULL, "device" },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(firmware_follower_restarts_at_any_moment),
		cmocka_unit_test(firmware_initiator_restarts_at_any_moment),
		cmocka_unit_test(a_successor_gets_an_announcement),
		cmocka_unit_test(an_overwritten_announcement_is_repeated),
		cmocka_unit_test(messages_of_unknown_fate_are_counted),
		cmocka_unit_test(held_buffers_become_stale),
		cmocka_unit_test(unsent_buffers_stay_usable),
		cmocka_unit_test(waiting_senders_are_told),
		cmocka_unit_test(a_storm_is_answered_slowly),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
