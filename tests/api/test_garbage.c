// SPDX-License-Identifier: Apache-2.0
/*
 * The other core goes mad and writes all over its memory, then starts anew: calls come back with
 * their errors, and what is sent from then on arrives as it was, both ways. Nothing is promised
 * about what arrives meanwhile. See also test_scribble.c, which looks at libicbmsg's own accounts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#include "rig.h"
#include "util/access.h"

#define LIVES 30
#define ROUNDS 60

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 64, 7, 40, 0x1400, 0x2000, NULL, NULL },
	{ "classic", 8, 4, 4, 4, 0x1000, 0x1000, NULL, "device" },
	{ 0 },
};

static struct rig r;
static uint32_t random_state;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(random_state >> 8) * below >> 24);
}

/* A word that may pass for what belongs there, or not. */
static uint32_t some_word(const struct layout_region *l)
{
	switch (rnd(5)) {
	case 0:
		return rnd(l->ring_len / 4) * 4; /* an index */
	case 1:
		return rnd(140) << 8; /* a packet's length */
	case 2:
		return rnd(5) | rnd(3) << 8 | rnd(20) << 16; /* a control message */
	case 3:
		return UINT32_MAX - rnd(16);
	default:
		return rnd(l->total);
	}
}

/* Mostly where it hurts: in front. */
static void scribble(void)
{
	const struct layout_region *l = rnd(3) ? &r.fw.config.tx : &r.fw.config.rx;
	uint32_t size = rnd(4) ? l->blocks_off : l->total;

	shm_store32(r.e.map + l->begin + (size_t)rnd(size / 4) * 4, some_word(l));
}

static void go_mad(void)
{
	struct icbmsg *lib = rig_lib(&r);
	int ret;

	for (int i = 0; i < ROUNDS; i++) {
		for (uint32_t words = 1 + rnd(8); words > 0; words--)
			scribble();
		assert_int_equal(eventfd_write(r.initiator ? r.e.bell_to_a : r.e.bell_to_b, 1), 0);
		ends_turn(&r.e);
		ret = icbmsg_send(r.seen.ept, "ping", 4, 0);
		assert_true(ret == 0 || ret == -ENOBUFS || ret == -ENOTCONN || ret == -ECONNRESET ||
			    ret == -EPROTO);
		assert_true(icbmsg_dispatch(lib, 0) >= 0);
	}
}

static void send_and_check(uint32_t number)
{
	uint32_t received = r.received;
	char text[32];
	size_t size =
		(size_t)snprintf(text, sizeof(text), "ping%.*u", 1 + (int)number % 20, number);
	int ret;

	for (int turn = 0; (ret = icbmsg_send(r.seen.ept, text, size, 0)) == -ENOBUFS; turn++)
		rig_work(&r, turn);
	assert_int_equal(ret, 0);
	for (int turn = 0; r.received == received; turn++)
		rig_work(&r, turn);
	assert_int_equal(r.last_size, size);
	assert_memory_equal(r.last, text, size);
}

static void receive_and_check(uint32_t number)
{
	int received = r.seen.received;
	uint8_t data[100];
	uint32_t size = 1 + number * 7 % (uint32_t)sizeof(data);

	fill_pattern(data, size, number);
	for (int turn = 0; firmware_send(&r.fw, "ep0", data, size) < 0; turn++)
		rig_work(&r, turn);
	for (int turn = 0; r.seen.received == received; turn++)
		rig_work(&r, turn);
	assert_int_equal(r.seen.size, size);
	assert_memory_equal(r.seen.data, data, size);
}

/* One after the other, each way. */
static void small_messages_are_right(void)
{
	for (uint32_t number = 0; number < 25; number++) {
		send_and_check(number);
		receive_and_check(number);
	}
	rig_until_free(&r);
	assert_int_equal(r.received, 25);
}

static void messages_are_right_after_garbage(void **state)
{
	(void)state;
	for (int role = 0; role < 2; role++) {
		random_state = 815 + (uint32_t)role;
		rig_open(&r, role, 0xa5);
		rig_until_bound(&r, 1);
		small_messages_are_right();
		for (int life = ends_client == ENDS_NO_CLIENT ? 0 : LIVES * 3 / 4; life < LIVES;
		     life++) {
			go_mad();
			rig_start(&r);
			rig_until_bound(&r, r.seen.unbound + 1);
			small_messages_are_right();
		}
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_right_after_garbage),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
