// SPDX-License-Identifier: Apache-2.0
/*
 * Restart rules R4 and R5 (protocol.md section 3): what is believed when, and when it is doubted.
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

static void pump_once(struct bare *b)
{
	b->l.ops->pump(&b->l);
}

/* ------------------------------------------------------------------------------------------------
 * R4, order of belief
 */

/* Started, the peer has written its magic and a message for address 0, and has read nothing. */
static struct bare *half_way(bool initiator)
{
	struct bare *b = bare_new(64, initiator, 0);

	bare_start(b);
	bare_boot(b);
	block_header_store(proto_rx_block(&b->l, 0), 4, 4);
	memcpy((uint8_t *)proto_rx_block(&b->l, 0) + 4, "ep0", 4);
	bare_control(b, initiator ? CONTROL_DATA : CONTROL_BOUND, 0, 0);
	return b;
}

/* R4: the first packet is taken only if it is the magic. */
static void only_a_magic_comes_first(void **state)
{
	struct bare *b = bare_new(64, true, 0);

	(void)state;
	bare_start(b);
	shm_store32(b->out.rd_idx, 0);
	shm_store32(b->out.wr_idx, 0);
	bare_control(b, CONTROL_DATA, 0, 0);
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
	bare_read(b);
	for (int i = 0; i < 3; i++)
		b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	assert_int_equal(bare_rx_rd(b), 0);
	bare_free(b);
}

/* R4: nothing behind the magic before T.rd_idx = w, and everything then. */
static void nothing_is_taken_before_ours_is_read(bool initiator)
{
	struct bare *b = half_way(initiator);

	session_register(&b->s, "ep0");
	for (int i = 0; i < 3; i++)
		b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	assert_int_equal(bare_rx_rd(b), ML);
	assert_int_equal(b->s.count.rx_packets, 0);
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_rx_rd(b), ML + 8);
	assert_int_equal(b->s.count.rx_packets, 1);
	bare_free(b);
}

static void nothing_is_taken_before_ours_is_read_by_either(void **state)
{
	(void)state;
	nothing_is_taken_before_ours_is_read(true);
	nothing_is_taken_before_ours_is_read(false);
}

/* R4: nothing is sent before the peer's magic was read, nor before ours was. */
static void nothing_is_sent_before_both_are_read(void **state)
{
	struct bare *b = half_way(true);
	uint32_t wr = bare_tx_wr(b);

	(void)state;
	assert_int_equal(session_register(&b->s, "ep0"), 0);
	b->l.ops->register_ept(&b->l, 0);
	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 0), -ECONNRESET);
	b->l.ops->pump(&b->l);
	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 0), -ECONNRESET);
	assert_int_equal(bare_tx_wr(b), wr);
	bare_free(b);

	b = bare_new(64, true, 0);
	bare_start(b);
	assert_int_equal(session_register(&b->s, "ep0"), 0);
	b->l.ops->register_ept(&b->l, 0);
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 0), -ECONNRESET);
	assert_int_equal(bare_tx_wr(b), wr);
	bare_free(b);
}

static bool zero_before_sending(struct bare *b, unsigned long step, void *arg)
{
	(void)step;
	if (bare_tx_wr(b) == ML)
		return true;
	assert_int_equal(bare_word(b, 0), 0);
	*(bool *)arg = true;
	return true;
}

/* R4: word 0 is 0 before the first packet is sent, at every moment. */
static void word_0_is_zero_before_anything_is_sent(void **state)
{
	struct bare *b = half_way(true);
	bool sent = false;

	(void)state;
	assert_int_equal(session_register(&b->s, "ep0"), 0);
	b->l.ops->register_ept(&b->l, 0);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_word(b, 0), bare_header(CONTROL_MAGIC_SIZE));
	bare_read(b);
	if (bare_step(b, pump_once, zero_before_sending, &sent) == 0)
		skip();
	assert_true(sent);
	bare_free(b);
}

/* R4: what a peer said before it was started anew does not count when another reads ours. */
static void a_magic_of_the_life_before_does_not_count(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	b->l.ops->pump(&b->l);
	assert_true(b->s.magic_consumed);
	bare_boot(b);
	shm_store32(b->out.wr_idx, 0);
	b->l.ops->pump(&b->l);
	assert_false(b->s.magic_consumed);
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	ring_publish(&b->out, ML);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

static bool replace_reader(struct bare *b, unsigned long step, void *arg)
{
	(void)step;
	(void)arg;
	if (bare_rx_rd(b) != ML)
		return true;
	/* Its successor sets its ring up, reads ours, and has not written its magic. */
	bare_boot(b);
	shm_store32(b->out.wr_idx, 0);
	bare_read(b);
	return false;
}

/* Not even for a moment. */
static void assert_never_up(const struct bare *b)
{
	for (uint64_t i = 0; i < b->s.recorder.next[RECORDER_RX]; i++)
		assert_int_not_equal(b->s.recorder.entry[RECORDER_RX][i].kind, RECORD_UP);
}

/* R4: the same where it happens between our reading of its magic and our look at T.rd_idx. */
static void a_magic_of_the_life_before_does_not_count_in_between(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	if (bare_step(b, pump_once, replace_reader, NULL) == 0)
		skip();
	assert_int_equal(bare_tx_rd(b), ML);
	assert_never_up(b);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

static bool restart_when_disarmed(struct bare *b, unsigned long step, void *arg)
{
	(void)step;
	(void)arg;
	if (bare_word(b, 0) != 0)
		return true;
	shm_store32(b->out.rd_idx, 0);
	return false;
}

/* R4: word 0 is zeroed before the look at R.rd_idx: what starts between them is seen. */
static void a_restart_at_disarming_is_seen(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	b->l.ops->pump(&b->l);
	bare_read(b);
	if (bare_step(b, pump_once, restart_when_disarmed, NULL) == 0)
		skip();
	assert_never_up(b);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/*
 * R4: a ring with an index in it may be that of a live session of another libicbmsg: the initiator
 * leaves it alone until its own announcement was read.
 */
static void an_initiator_does_not_begin_on_a_used_ring(void **state)
{
	struct bare *b = bare_new(64, true, 0);

	(void)state;
	bare_start(b);
	bare_boot(b);
	shm_store32(b->out.rd_idx, 28);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_rx_rd(b), 28);
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_rx_rd(b), ML);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

/* ------------------------------------------------------------------------------------------------
 * R5, rescue
 */

/*
 * R5: what read our announcement died before we looked, and its successor waits at 0 for another
 * one: it is armed again, and word 0 is 0 again once that has been read.
 */
static void an_unread_announcement_is_armed_again(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	bare_send(b, 7);
	bare_rescue(b, 2);
	assert_int_equal(bare_word(b, 0), 0);
	bare_rescue(b, 1);
	assert_int_equal(bare_word(b, 0), bare_header(CONTROL_MAGIC_SIZE));
	/* It stays so, and is not given up, for however long the successor takes. */
	bare_rescue(b, 20);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_word(b, 0), bare_header(CONTROL_MAGIC_SIZE));
	b->rd = 0;
	b->bound = false;
	bare_read(b);
	assert_true(b->bound);
	assert_int_equal(b->packets, 1);
	assert_int_equal(b->last.block, 7);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_word(b, 0), 0);
	bare_free(b);
}

/* R5: where packets have gone around the ring's end there is nothing to arm any more: a restart. */
static void an_announcement_written_over_is_not_armed(void **state)
{
	struct bare *b = bare_up(BARE_RING_MIN, true);

	(void)state;
	bare_send(b, 7);
	assert_true(bare_tx_wr(b) < ML);
	bare_rescue(b, 11);
	assert_int_equal(bare_word(b, 0), 0);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R5: nor where the announcement that was read did not lie at 0. */
static void an_announcement_at_the_reader_is_not_armed(void **state)
{
	struct bare *b = bare_new(64, true, 0);

	(void)state;
	shm_store32(b->in.rd_idx, 8);
	bare_start(b);
	bare_boot(b);
	b->rd = 8;
	bare_rescue(b, 4);
	bare_read(b);
	assert_true(b->bound);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_send(b, 7);
	bare_rescue(b, 11);
	assert_int_equal(bare_word(b, 0), 0);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R5: once the peer has read on, silence on normal memory is no sign: a halted core is left alone. */
static void a_halted_core_is_left_alone(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	bare_send(b, 7);
	bare_read(b);
	bare_send(b, 8);
	bare_rescue(b, 100);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_word(b, 0), 0);
	bare_read(b);
	assert_int_equal(b->last.block, 8);
	bare_free(b);
}

/* R5: on device memory the sign may have been overwritten, so silence means a restart in the end. */
static void silence_on_device_memory_is_a_sign(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	b->l.type = MEM_DEVICE;
	bare_send(b, 7);
	bare_read(b);
	bare_send(b, 8);
	bare_rescue(b, 10);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_rescue(b, 1);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R5: fruitless in a row: reading begins the count anew. */
static void progress_ends_the_doubt(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	b->l.type = MEM_DEVICE;
	for (uint32_t i = 0; i < 10; i++) {
		bare_send(b, i);
		bare_rescue(b, 9);
		bare_read(b);
	}
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

/* R5: a link that came up and then was not used is put to the test, so that doubt can arise at all. */
static void an_unproven_link_is_put_to_the_test(void **state)
{
	struct bare *b = bare_up(64, true);
	uint32_t wr = bare_tx_wr(b);

	(void)state;
	assert_true(b->l.ops->unread(&b->l));
	bare_rescue(b, 1);
	assert_int_equal(bare_tx_wr(b), wr + 8);
	bare_rescue(b, 3);
	assert_int_equal(bare_tx_wr(b), wr + 8);
	assert_int_equal(bare_word(b, 0), bare_header(CONTROL_MAGIC_SIZE));
	b->rd = 0;
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_false(b->l.ops->unread(&b->l));
	assert_int_equal(bare_word(b, 0), 0);
	bare_free(b);
}

int main(void)
{
	const struct CMUnitTest rules[] = {
		cmocka_unit_test(only_a_magic_comes_first),
		cmocka_unit_test(nothing_is_taken_before_ours_is_read_by_either),
		cmocka_unit_test(nothing_is_sent_before_both_are_read),
		cmocka_unit_test(word_0_is_zero_before_anything_is_sent),
		cmocka_unit_test(a_magic_of_the_life_before_does_not_count),
		cmocka_unit_test(a_magic_of_the_life_before_does_not_count_in_between),
		cmocka_unit_test(a_restart_at_disarming_is_seen),
		cmocka_unit_test(an_initiator_does_not_begin_on_a_used_ring),
		cmocka_unit_test(an_unread_announcement_is_armed_again),
		cmocka_unit_test(an_announcement_written_over_is_not_armed),
		cmocka_unit_test(an_announcement_at_the_reader_is_not_armed),
		cmocka_unit_test(a_halted_core_is_left_alone),
		cmocka_unit_test(silence_on_device_memory_is_a_sign),
		cmocka_unit_test(progress_ends_the_doubt),
		cmocka_unit_test(an_unproven_link_is_put_to_the_test),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
