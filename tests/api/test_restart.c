// SPDX-License-Identifier: Apache-2.0
/*
 * Restarts of firmware under a live instance (protocol.md section 3, R1 to R4): at any moment, over
 * rings of many lengths, with a doorbell pending and the old session's bytes in memory.
 */
#include <errno.h>
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
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
