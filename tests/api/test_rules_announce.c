// SPDX-License-Identifier: Apache-2.0
/*
 * Restart rules R3 and R7 (protocol.md section 3): how we announce ourselves.
 *
 * Each test names the rule it guards and fails when just that is taken out of lib/proto. Words of
 * memory are looked at, where it matters behind every instruction; nothing depends on time or
 * chance.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "bare.h"

#define ML CLASSIC_MAGIC_PACKET
#define LAST_RING 96u

static const uint8_t fills[] = { 0, 0xa5, 0xff };

/* ------------------------------------------------------------------------------------------------
 * R3, re-initialise, arm, ring
 */

static void restart(struct bare *b)
{
	b->l.ops->start(&b->l);
}

/* R3: T.rd_idx tells where the reader stands and is left alone; garbage becomes 0. */
static void the_readers_index_is_left_alone(void **state)
{
	(void)state;
	for (uint32_t len = BARE_RING_MIN; len <= LAST_RING; len += 4) {
		for (uint32_t x = 0; x < len + 8; x++) {
			struct bare *b = bare_new(len, true, 0xa5);
			uint32_t kept = x % 4 == 0 && x < len ? x : 0;

			shm_store32(b->in.rd_idx, x);
			bare_start(b);
			assert_int_equal(bare_tx_rd(b), kept);
			restart(b);
			assert_int_equal(bare_tx_rd(b), kept);
			assert_int_equal(b->s.tx_wr, bare_tx_wr(b));
			bare_free(b);
		}
	}
}

/* R3: the announcement never ends where the reader stands: it would seem to have read it. */
static void an_announcement_never_ends_at_the_reader(void **state)
{
	(void)state;
	for (uint32_t len = BARE_RING_MIN; len <= LAST_RING; len += 4) {
		for (uint32_t x = 0; x < len; x += 4) {
			struct bare *b = bare_new(len, true, 0xa5);

			shm_store32(b->in.rd_idx, x);
			bare_start(b);
			for (int i = 0; i < 24; i++) {
				if (bare_tx_wr(b) == x)
					fail_msg("ring of %u: ends at %u, rescue %d", len, x, i);
				b->l.ops->rescue(&b->l);
			}
			bare_free(b);
		}
	}
}

/* R3: a reader that starts, whatever T.rd_idx says, finds a magic at 0. */
static void a_reader_at_0_is_reached_at_once(void **state)
{
	(void)state;
	for (uint32_t len = BARE_RING_MIN; len <= LAST_RING; len += 4) {
		for (uint32_t x = 0; x < len; x += 4) {
			struct bare *b = bare_new(len, true, 0xa5);

			shm_store32(b->in.rd_idx, x);
			bare_start(b);
			assert_true(bare_magic_at(b, 0));
			assert_true(b->l.doorbell_due);
			bare_read(b);
			assert_true(b->bound);
			assert_int_equal(b->stopped, 0);
			bare_free(b);
		}
	}
}

/* R3: a second magic for a reader behind the last one. */
static void a_reader_behind_the_magic_is_reached_at_once(void **state)
{
	(void)state;
	for (uint32_t len = 2 * ML + 8; len <= LAST_RING; len += 4) {
		struct bare *b = bare_new(len, true, 0xa5);

		b->rd = ML;
		shm_store32(b->in.rd_idx, ML);
		bare_start(b);
		assert_true(bare_magic_at(b, ML));
		assert_int_equal(bare_tx_wr(b), 2 * ML);
		bare_read(b);
		assert_int_equal(b->magics, 1);
		assert_int_equal(b->rd, bare_tx_wr(b));
		bare_free(b);
	}
}

/* R3: filler up to the ring's end, of packets that may be read, for a reader further on. */
static void a_reader_further_on_is_reached_at_once(void **state)
{
	static const uint32_t lengths[] = { 32, 36, 40, 64, 96, 148, 152, 156, 160, 300, 512 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (uint32_t x = ML + 4; x <= lengths[i] - 8; x += 4) {
			struct bare *b = bare_new(lengths[i], true, fills[i % 3]);

			b->rd = x;
			shm_store32(b->in.rd_idx, x);
			bare_start(b);
			if (bare_tx_wr(b) == ML)
				bare_read(b);
			else /* would end at the reader; R7 has to help */
				b->bound = x == ML + 4;
			if (!b->bound || b->stopped > 0)
				fail_msg("ring of %u: a reader at %u", lengths[i], x);
			bare_free(b);
		}
	}
}

/* An empty length; behind an old one it is data in a block that nobody has, and not in block 0. */
#define EMPTY 0x00ff0000u

/* R3: nothing old is left behind an announcement, where a reader that is under way would go on. */
static void nothing_old_is_left_in_the_ring(void **state)
{
	struct bare *b = bare_new(64, true, 0xa5);

	(void)state;
	shm_store32(b->in.rd_idx, 8);
	bare_start(b);
	for (uint32_t at = ML; at < 64; at += 4)
		assert_int_equal(bare_word(b, at), EMPTY);
	memset(b->in.data, 0xa5, b->in.len);
	b->l.ops->rescue(&b->l);
	b->l.ops->rescue(&b->l);
	b->l.ops->rescue(&b->l);
	b->l.ops->rescue(&b->l);
	assert_true(bare_magic_at(b, 8));
	assert_int_equal(bare_word(b, 4), EMPTY);
	for (uint32_t at = 8 + ML; at < 64; at += 4)
		assert_int_equal(bare_word(b, at), EMPTY);
	bare_free(b);
}

/*
 * R3: armed by one store. Until word 0 is the magic's length it is 0 (or what it was before all
 * this), and when it is, all the rest is there.
 */
struct arming {
	uint32_t before, end;
	int stage;
};

static bool one_store_arms(struct bare *b, unsigned long step, void *arg)
{
	struct arming *a = arg;
	uint32_t word = bare_word(b, 0);

	(void)step;
	if (a->stage == 0 && word != a->before)
		a->stage = 1;
	if (a->stage == 0) {
		assert_int_equal(bare_word(b, 4), a->before);
		assert_int_equal(bare_tx_wr(b), a->before);
		return true;
	}
	if (a->stage == 1 && word != 0)
		a->stage = 2;
	if (a->stage == 1)
		return true;
	assert_true(word == bare_header(CONTROL_MAGIC_SIZE) ||
		    word == bare_header(CONTROL_MAGIC_SIZE + 4));
	assert_true(bare_magic_at(b, 0));
	assert_int_equal(bare_tx_wr(b), a->end);
	return true;
}

static void an_announcement_is_armed_by_one_store(void **state)
{
	static const uint32_t readers[] = { 0, ML, ML + 4, 40 };

	(void)state;
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
		struct arming a = { .before = 0x5a5a5a5a, .end = readers[i] == ML ? 2 * ML : ML };
		struct bare *b = bare_new(64, true, 0x5a);

		shm_store32(b->in.rd_idx, readers[i]);
		if (bare_step(b, restart, one_store_arms, &a) == 0)
			skip();
		assert_int_equal(a.stage, 2);
		bare_free(b);
	}
}

/* ------------------------------------------------------------------------------------------------
 * R7, last resort
 */

/* R7: nothing is read for 4 rescues: a magic where the reader stands, then again at 0, and so on. */
static void layouts_alternate(void **state)
{
	(void)state;
	for (uint32_t x = 4; x < ML; x += 4) {
		struct bare *b = bare_new(64, true, 0xa5);

		shm_store32(b->in.rd_idx, x);
		bare_start(b);
		for (int lap = 0; lap < 3; lap++) {
			bare_rescue(b, 3);
			assert_true(bare_magic_at(b, 0));
			assert_int_equal(bare_tx_wr(b), ML);
			bare_rescue(b, 1);
			assert_int_equal(bare_word(b, 0), 0);
			assert_true(bare_magic_at(b, x));
			assert_int_equal(bare_tx_wr(b), x + ML);
			bare_rescue(b, 3);
			assert_int_equal(bare_tx_wr(b), x + ML);
			bare_rescue(b, 1);
		}
		assert_int_equal(bare_tx_rd(b), x);
		bare_free(b);
	}
}

/* R7: a place that was not laid out is published: the reader there gets a magic. */
static void a_reader_where_nothing_lies_is_reached(void **state)
{
	(void)state;
	for (uint32_t y = 4; y <= 64 - 8; y += 4) {
		struct bare *b = bare_new(64, true, 0xa5);

		shm_store32(b->in.rd_idx, 0);
		bare_start(b);
		if (y == bare_tx_wr(b)) {
			bare_free(b);
			continue;
		}
		b->rd = y;
		shm_store32(b->in.rd_idx, y);
		for (int i = 0; i < 8 && !b->bound; i++) {
			bare_rescue(b, 1);
			bare_read(b);
		}
		if (!b->bound || b->rd != bare_tx_wr(b))
			fail_msg("a reader at %u is not reached", y);
		bare_free(b);
	}
}

/* An announcement that the other side has written over is repeated, byte for byte. */
static void an_overwritten_announcement_is_repeated(void **state)
{
	struct bare *b = bare_new(64, true, 0);

	(void)state;
	bare_start(b);
	memset(b->in.data, 0xff, b->in.len);
	shm_store32(b->in.wr_idx, 3);
	bare_rescue(b, 4);
	assert_true(bare_magic_at(b, 0));
	assert_int_equal(bare_tx_wr(b), ML);
	bare_free(b);
}

int main(void)
{
	const struct CMUnitTest rules[] = {
		cmocka_unit_test(the_readers_index_is_left_alone),
		cmocka_unit_test(an_announcement_never_ends_at_the_reader),
		cmocka_unit_test(a_reader_at_0_is_reached_at_once),
		cmocka_unit_test(a_reader_behind_the_magic_is_reached_at_once),
		cmocka_unit_test(a_reader_further_on_is_reached_at_once),
		cmocka_unit_test(nothing_old_is_left_in_the_ring),
		cmocka_unit_test(an_announcement_is_armed_by_one_store),
		cmocka_unit_test(layouts_alternate),
		cmocka_unit_test(a_reader_where_nothing_lies_is_reached),
		cmocka_unit_test(an_overwritten_announcement_is_repeated),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
