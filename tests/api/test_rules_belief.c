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
#define PING 8u /* what is laid behind our announcement */

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
	assert_int_not_equal(b->s.phase, PHASE_UP);
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
	assert_int_not_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_rx_rd(b), ML);
	assert_int_equal(b->s.count.rx_packets, 0);
	bare_come_up(b);
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
	if (bare_tx_wr(b) <= ML + PING)
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
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_tx_wr(b), ML + PING);
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
	assert_true(bare_magic_at(b, 0));
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_not_equal(b->s.phase, PHASE_UP);
	ring_publish(&b->out, ML);
	b->l.ops->pump(&b->l);
	bare_come_up(b);
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

/* Not even for a moment; and then the peer of now is believed. Frees @b. */
static void assert_not_believed(struct bare *b)
{
	b->l.ops->pump(&b->l);
	for (uint64_t i = 0; i < b->s.recorder.next[RECORDER_RX]; i++)
		assert_int_not_equal(b->s.recorder.entry[RECORDER_RX][i].kind, RECORD_UP);
	assert_int_equal(b->s.count.restarts, 0);
	bare_boot(b);
	b->l.ops->pump(&b->l);
	if (b->s.phase == PHASE_LOST)
		bare_start(b);
	bare_come_up(b);
	bare_free(b);
}

/* R4: the same where it happens between our reading of its magic and our look at T.rd_idx. */
static void a_magic_of_the_life_before_does_not_count_in_between(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	if (bare_step(b, pump_once, replace_reader, NULL) == 0)
		skip();
	assert_int_equal(bare_tx_rd(b), ML);
	assert_not_believed(b);
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
	for (int i = 0; i < 2; i++) {
		b->l.ops->pump(&b->l);
		bare_read(b);
	}
	if (bare_step(b, pump_once, restart_when_disarmed, NULL) == 0)
		skip();
	assert_not_believed(b);
}

/*
 * R4: who has read our announcement may have died since. Only when its reader has read what was
 * laid behind it, after we have read the other announcement, both are of one.
 */
static void consumption_is_proven_by_what_is_read_next(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_tx_wr(b), ML + PING);
	for (int i = 0; i < 3; i++)
		b->l.ops->pump(&b->l);
	assert_int_not_equal(b->s.phase, PHASE_UP);
	assert_int_equal(bare_tx_wr(b), ML + PING);
	bare_read(b);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

/*
 * R5: a place in T.rd that a past life has left can be where the announcement ends, and somebody
 * writes over what firmware of now should read there: it is laid out again.
 */
static void a_ping_that_nobody_reads_is_given_up(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	shm_store32(b->in.rd_idx, bare_tx_wr(b));
	b->l.ops->pump(&b->l);
	assert_true(b->s.pinged);
	shm_store32(&b->in.data[0], 0xffff);
	bare_read(b);
	assert_int_equal(b->stopped, 1);
	bare_rescue(b, 10);
	for (int i = 0; i < 3 && b->s.phase != PHASE_UP; i++) {
		bare_read(b);
		b->l.ops->pump(&b->l);
	}
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

/* Firmware reads over a magic that somebody has written into: what was read shows nothing then. */
static void a_spoilt_announcement_is_laid_out_again(void **state)
{
	struct bare *b = half_way(true);

	(void)state;
	shm_store32(&b->in.data[2], 0);
	shm_store32(b->in.rd_idx, bare_tx_wr(b));
	b->l.ops->pump(&b->l);
	assert_false(b->s.pinged);
	assert_int_equal(b->s.phase, PHASE_LOST);
	bare_start(b);
	assert_int_not_equal(bare_tx_wr(b), shm_load32(b->in.rd_idx));
	bare_free(b);
}

/* ------------------------------------------------------------------------------------------------
 * A session that may live
 */

static struct bare *over_a_session(uint32_t *copy)
{
	struct bare *b = bare_up(64, true);

	bare_send(b, 7);
	bare_read(b);
	memcpy(copy, b->region, sizeof(b->region));
	/* Another program takes this side over, with nothing but the memory. */
	memset(&b->s, 0, sizeof(b->s));
	b->l.ops->init(&b->l);
	bare_start(b);
	return b;
}

/* Firmware in a session would be damaged by a new layout: nothing is written until it starts anew. */
static void a_live_session_is_left_alone(void **state)
{
	static uint32_t copy[sizeof(((struct bare *)0)->region) / 4];
	struct bare *b = over_a_session(copy);

	(void)state;
	assert_int_equal(b->s.phase, PHASE_HOLDING);
	for (int i = 0; i < 50; i++) {
		bare_rescue(b, 1);
		b->l.ops->pump(&b->l);
	}
	assert_int_equal(b->s.phase, PHASE_HOLDING);
	assert_memory_equal(copy, b->region, sizeof(b->region));
	assert_non_null(strstr(b->l.ops->diagnose(&b->l), "restart the firmware"));
	bare_boot(b);
	b->l.ops->pump(&b->l);
	assert_true(bare_magic_at(b, 0));
	bare_come_up(b);
	bare_free(b);
}

/* Indices that cannot be are no session. */
static void garbage_is_no_session(void **state)
{
	static uint32_t copy[sizeof(((struct bare *)0)->region) / 4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct bare *b = over_a_session(copy);
		uint32_t *index[] = { b->in.rd_idx, b->in.wr_idx, b->out.rd_idx, b->out.wr_idx };

		shm_store32(index[i], i % 2 ? 64 : 21);
		b->l.ops->pump(&b->l);
		assert_int_equal(b->s.phase, PHASE_WAITING);
		bare_free(b);
	}
}

/* ------------------------------------------------------------------------------------------------
 * R5, rescue
 */

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

/* R5: but not from who has sent more than its announcement since: it is slow, and what it sent came. */
static void silence_after_messages_is_none(void **state)
{
	struct bare *b = bare_up(64, true);
	uint64_t packets;

	(void)state;
	b->l.type = MEM_DEVICE;
	bare_control(b, CONTROL_RELEASE_DATA, 0, 1);
	b->l.ops->pump(&b->l);
	packets = b->s.count.rx_packets;
	bare_send(b, 7);
	bare_rescue(b, 100);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(b->s.count.rx_packets, packets);
	bare_read(b);
	assert_int_equal(b->last.block, 7);
	bare_free(b);
}

/* R5: taken for dead while it reads an announcement of an endpoint, which it then answers, once. */
static void an_answer_to_the_session_before_binds(void **state)
{
	struct bare *b = bare_up(64, true);
	int slot = session_register(&b->s, "ep0");
	uint32_t before = bare_tx_rd(b);

	(void)state;
	b->l.type = MEM_DEVICE;
	b->l.ops->register_ept(&b->l, slot);
	bare_read(b);
	assert_int_equal(b->last.type, CONTROL_BOUND);
	shm_store32(b->in.rd_idx, before);
	bare_rescue(b, 11);
	assert_int_equal(b->s.phase, PHASE_LOST);
	bare_start(b);
	shm_store32(b->in.rd_idx, b->rd);
	bare_control(b, CONTROL_RELEASE_BOUND, b->last.ept, b->last.block);
	for (int i = 0; i < 10 && b->s.phase != PHASE_UP; i++) {
		bare_rescue(b, 4);
		bare_read(b);
		b->l.ops->pump(&b->l);
	}
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(b->s.ept[slot].state, EPT_BOUND);
	bare_free(b);
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

/* R5: what is ours and has been written over is put right. */
static void an_overwritten_index_is_put_right(void **state)
{
	struct bare *b = bare_up(64, true);
	uint32_t wr;

	(void)state;
	bare_send(b, 7);
	wr = bare_tx_wr(b);
	shm_store32(b->in.wr_idx, 3);
	bare_read(b);
	assert_int_equal(b->packets, 0);
	bare_rescue(b, 1);
	assert_int_equal(bare_tx_wr(b), wr);
	bare_read(b);
	assert_int_equal(b->last.block, 7);
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
		cmocka_unit_test(consumption_is_proven_by_what_is_read_next),
		cmocka_unit_test(a_ping_that_nobody_reads_is_given_up),
		cmocka_unit_test(a_spoilt_announcement_is_laid_out_again),
		cmocka_unit_test(a_live_session_is_left_alone),
		cmocka_unit_test(garbage_is_no_session),
		cmocka_unit_test(a_halted_core_is_left_alone),
		cmocka_unit_test(silence_on_device_memory_is_a_sign),
		cmocka_unit_test(silence_after_messages_is_none),
		cmocka_unit_test(an_answer_to_the_session_before_binds),
		cmocka_unit_test(progress_ends_the_doubt),
		cmocka_unit_test(an_overwritten_index_is_put_right),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
