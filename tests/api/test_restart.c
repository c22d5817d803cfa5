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

#include <cmocka.h>

#include "rig.h"

static uint32_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
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
			assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
			break;
		case 4:
			rig_turn(r);
			break;
		default:
			rig_take_bells(r);
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

	rig_take_bells(r);
	r->restarts++;
	if (looks > 0) {
		__atomic_store_n(fw_word(r, r->fw.config.tx.wr_idx), 0, __ATOMIC_SEQ_CST);
		if (looks & 1)
			assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
		__atomic_store_n(fw_word(r, r->fw.config.tx.rd_idx), 0, __ATOMIC_SEQ_CST);
		if (looks & 2)
			assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
	}
	rig_take_bells(r);
	r->pending = rnd(2);
	rig_start(r);
	/* The pending doorbell makes it read before the library knows. */
	if (rnd(2))
		rig_turn(r);
}

static void any_moment(bool initiator)
{
	int restarts = ends_client == ENDS_NO_CLIENT ? 150 : 25;
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	random_state = 4711;
	rig_open(r, initiator, 0xa5);
	rig_until_bound(r, 1);
	rig_exchange(r);
	for (int i = 1; i <= restarts; i++) {
		traffic(r);
		restart(r);
		/* Sometimes again before it was bound. */
		if (rnd(4) == 0) {
			icbmsg_dispatch(rig_lib(r), 0);
			rig_turn(r);
			restart(r);
		}
		rig_until_bound(r, r->seen.unbound + 1);
		rig_exchange(r);
		assert_int_equal(r->seen.bound, r->seen.unbound + 1);
	}
	rig_until_free(r);
	/* The second magic of R3 costs a reader that needed only the first one error line, no more. */
	assert_true(r->fw.counters.errors <= 1);
	assert_int_equal(ends_stats(rig_lib(r)).rx_held, 0);
	assert_true(ends_stats(rig_lib(r)).restarts >= (uint64_t)restarts);
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
	/* A client's role follows from its daemon's. */
	if (ends_client != ENDS_NO_CLIENT)
		skip();
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
	rig_start(r);
	for (int turn = 0; ends_stats(rig_lib(r)).restarts == 0; turn++) {
		assert_true(turn < 10000);
		assert_true(icbmsg_dispatch(rig_lib(r), MS) >= 0);
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
			rig_until_bound(&r, 1);
			rig_exchange(&r);
			restart_and_notice(&r);
		}
		/* A daemon tells its client of the loss, and may still be about to answer the firmware. */
		for (int turn = 0; turn == 0 || (turn < 1000 && r.e.daemon); turn++) {
			ends_turn(&r.e);
			firmware_pump(&r.fw);
			if (r.fw.link == FIRMWARE_LINK_BOUND)
				break;
		}
		assert_int_equal(r.fw.link, FIRMWARE_LINK_BOUND);
		rig_start(&r);
		rig_take_bells(&r);
		r.pending = 0;
		rig_until_bound(&r, n & 2 ? 2 : 1);
		rig_exchange(&r);
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
		rig_until_bound(&r, 1);
		rig_exchange(&r);
		restart_and_notice(&r);
		overwrite(&r, n < 4 ? r.fw.config.rx.wr_idx : r.fw.config.rx.ring_data,
			  values[n / 2]);
		rig_start(&r);
		rig_until_bound(&r, 2);
		rig_exchange(&r);
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
	rig_until_bound(r, 1);
	icbmsg_ept_deregister(r->seen.ept);
	assert_int_equal(icbmsg_ept_register(rig_lib(r), &r->seen.ept, "ep0", &callbacks, &r->seen),
			 0);
	rig_exchange(r);
	rig_until_free(r);
	while (icbmsg_send(r->seen.ept, "ping", 4, 0) == 0)
		sent++;
	restart_and_notice(r);
	ends_until(rig_lib(r), NULL, &r->seen.unbound, 1);
	assert_int_equal(r->seen.unbound, 1);
	assert_int_equal(last_unbound.reason, ICBMSG_UNBOUND_PEER_RESTART);
	assert_int_equal(last_unbound.unknown_tx, sent);
	assert_int_equal(ends_stats(rig_lib(r)).tx_unknown, sent);
	assert_false(icbmsg_ept_is_bound(r->seen.ept));
	assert_int_equal(icbmsg_send(r->seen.ept, "ping", 4, SURELY), -ENOTCONN);
	assert_int_equal(ends_stats(rig_lib(r)).tx_blocks_free, ends_blocks(rig_lib(r)));
	rig_until_bound(r, r->seen.unbound + 1);
	rig_exchange(r);
	/* A second restart counts from zero. */
	rig_start(r);
	while (r->seen.unbound < 2)
		assert_true(icbmsg_dispatch(rig_lib(r), MS) >= 0);
	assert_true(last_unbound.unknown_tx <= 5);
	rig_close(r);
	free(r);
}

static void held_buffers_become_stale(void **state)
{
	struct rig *r;

	(void)state;
	if (ends_param->memory_type && ends_client == ENDS_NO_CLIENT)
		skip();
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	rig_open(r, false, 0xff);
	rig_until_bound(r, 1);
	r->seen.hold = true;
	assert_int_equal(firmware_send(&r->fw, "ep0", "old", 4), 4);
	ends_until(rig_lib(r), NULL, &r->seen.received, 1);
	r->seen.hold = false;
	restart_and_notice(r);
	assert_int_equal(ends_stats(rig_lib(r)).rx_held, 0);
	assert_false(icbmsg_rx_is_current(rig_lib(r), r->seen.held[0]));
	assert_int_equal(icbmsg_release_rx(rig_lib(r), r->seen.held[0]), -ESTALE);
	rig_until_bound(r, r->seen.unbound + 1);
	rig_exchange(r);
	rig_close(r);
	free(r);
}

static void unsent_buffers_stay_usable(void **state)
{
	struct rig *r;
	size_t size = 4;
	void *buffer;

	(void)state;
	/* One block is for the endpoint's name, if there is no daemon's link for that. */
	if (ends_client == ENDS_NO_CLIENT && (ends_param->memory_type || ends_param->a_blocks < 2))
		skip();
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	rig_open(r, true, 0);
	rig_until_bound(r, 1);
	assert_int_equal(icbmsg_get_tx_buffer(r->seen.ept, &size, 0, &buffer), 0);
	memcpy(buffer, "ping", 4);
	restart_and_notice(r);
	assert_int_equal(icbmsg_send_nocopy(r->seen.ept, buffer, 4), -ENOTCONN);
	rig_until_bound(r, r->seen.unbound + 1);
	assert_memory_equal(buffer, "ping", 4);
	assert_int_equal(icbmsg_send_nocopy(r->seen.ept, buffer, 4), 0);
	for (int turn = 0; r->received == 0; turn++) {
		assert_true(turn < 10000);
		rig_turn(r);
		assert_true(icbmsg_dispatch(rig_lib(r), MS) >= 0);
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
	rig_until_bound(r, 1);
	/* The firmware does not read any more: the thread will wait for blocks. */
	assert_int_equal(pthread_create(&thread, NULL, send_until_lost, r), 0);
	while (ends_stats(rig_lib(r)).waits == 0)
		sched_yield();
	rig_start(r);
	pthread_join(thread, &ret);
	assert_int_equal((int)(intptr_t)ret, -ECONNRESET);
	rig_until_bound(r, r->seen.unbound + 1);
	rig_exchange(r);
	rig_close(r);
	free(r);
}

/* A peer that writes nonsense all the time costs pauses, not a CPU, and is not beyond help. */
static void a_storm_is_answered_slowly(void **state)
{
	uint64_t restarts;
	struct rig *r;

	(void)state;
	ends_direct_only("how often the daemon answers the other side");
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	rig_open(r, true, 0);
	rig_until_bound(r, 1);
	for (int i = 0; i < 3000; i++) {
		/* It announces itself, reads ours, and is gone again before it has read more. */
		__atomic_store_n(fw_word(r, r->fw.config.tx.rd_idx), 0xfffffffc, __ATOMIC_SEQ_CST);
		__atomic_store_n(fw_word(r, r->fw.config.tx.wr_idx), 3, __ATOMIC_SEQ_CST);
		assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
	}
	restarts = ends_stats(rig_lib(r)).restarts;
	assert_true(restarts >= 1 && restarts < 100);
	rig_start(r);
	rig_until_bound(r, r->seen.unbound + 1);
	rig_exchange(r);
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
