// SPDX-License-Identifier: Apache-2.0
/*
 * Restart rules R1 and R2 (protocol.md section 3): the zero word, and the signs of a restart.
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

/* ------------------------------------------------------------------------------------------------
 * R1, zero word
 */

/* R1: no packet of thousands starts at 0 or in the last word, word 0 stays 0, nothing is lost. */
static void word_0_stays_zero_over_thousands_of_packets(void **state)
{
	(void)state;
	for (uint32_t len = BARE_RING_MIN; len <= LAST_RING; len += 4) {
		struct bare *b = bare_up(len, true);

		for (uint32_t i = 0; i < 1000; i++) {
			bare_send(b, i % 251);
			assert_int_equal(bare_word(b, 0), 0);
			bare_read(b);
			assert_int_equal(b->packets, i + 1);
			assert_int_equal(b->last.block, i % 251);
			assert_int_equal(b->last.type, CONTROL_RELEASE_DATA);
		}
		assert_int_equal(b->stopped, 0);
		assert_int_equal(b->s.phase, PHASE_UP);
		bare_free(b);
	}
}

static void two_laps(struct bare *b)
{
	for (uint32_t i = 0; i < b->in.len / 4; i++) {
		classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 250);
		bare_read(b);
	}
}

static bool word_0_is_zero(struct bare *b, unsigned long step, void *arg)
{
	(void)arg;
	if (bare_word(b, 0) != 0)
		fail_msg("ring of %u: word 0 is %08x behind instruction %lu", b->in.len,
			 bare_word(b, 0), step);
	return true;
}

/* R1: at every moment, not only between packets. */
static void word_0_is_zero_at_every_moment(void **state)
{
	(void)state;
	for (uint32_t len = BARE_RING_MIN; len <= 48; len += 4) {
		struct bare *b = bare_up(len, true);

		if (bare_step(b, two_laps, word_0_is_zero, NULL) == 0)
			skip();
		assert_int_equal(b->packets, len / 4);
		bare_free(b);
	}
}

/* ------------------------------------------------------------------------------------------------
 * R2, signs of a restart
 */

/* R2, first sign: R.rd_idx is not ours; at a look, without anything to read. */
static void a_moved_read_index_is_a_sign(void **state)
{
	(void)state;
	for (uint32_t rd = 0; rd < 64; rd++) {
		struct bare *b = bare_up(64, true);

		shm_store32(b->out.rd_idx, rd);
		b->l.ops->pump(&b->l);
		if (rd != ML) {
			bare_assert_lost(b, PROTO_REASON_RESTART);
			continue;
		}
		assert_int_equal(b->s.phase, PHASE_UP);
		bare_free(b);
	}
}

/* R2, first sign: looked for before a packet and its doorbell. */
static void a_moved_read_index_stops_packets(void **state)
{
	struct bare *b = bare_up(64, true);
	uint32_t wr = bare_tx_wr(b);

	(void)state;
	b->l.doorbell_due = false;
	shm_store32(b->out.rd_idx, 0);
	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 0), -ECONNRESET);
	assert_int_equal(bare_tx_wr(b), wr);
	assert_false(b->l.doorbell_due);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

static void a_moved_read_index_stops_messages(void **state)
{
	struct bare *b = bare_up(64, true);
	uint32_t wr = bare_tx_wr(b);
	int first = session_tx_take(&b->s, 1);

	(void)state;
	assert_true(first >= 0);
	b->l.doorbell_due = false;
	shm_store32(b->out.rd_idx, 0);
	assert_int_equal(classic_put_buffer(&b->l, CONTROL_DATA, 0, (uint32_t)first), -ECONNRESET);
	assert_int_equal(b->s.tx[first].state, TX_OWNED);
	assert_int_equal(bare_tx_wr(b), wr);
	assert_false(b->l.doorbell_due);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R2, first sign: looked for before a repeated doorbell, which may start a replay. */
static void a_moved_read_index_stops_rescues(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	bare_send(b, 1);
	shm_store32(b->out.rd_idx, 0);
	b->l.ops->rescue(&b->l);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R2, second sign: a magic on a link that is up; also where the private index is 0 again. */
static void a_magic_is_a_sign(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
	b->l.ops->pump(&b->l);
	bare_assert_lost(b, PROTO_REASON_RESTART);

	b = bare_up(ML + 16, true);
	bare_control(b, CONTROL_RELEASE_DATA, 0, 250);
	bare_control(b, CONTROL_RELEASE_DATA, 0, 250);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.rx_rd, 0);
	assert_int_equal(b->s.phase, PHASE_UP);
	bare_boot(b);
	b->l.ops->pump(&b->l);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R2, third sign: T.rd_idx anywhere but between its last value and T.wr_idx. Around the end, too. */
static void an_impossible_reader_is_a_sign(uint32_t packets_before)
{
	for (uint32_t rd = 0; rd < 64 + 8; rd++) {
		struct bare *b = bare_up(64, true);
		uint32_t behind;

		for (uint32_t i = 0; i < packets_before; i++) {
			bare_send(b, 250);
			bare_read(b);
		}
		bare_send(b, 250);
		bare_send(b, 250);
		behind = (rd + 64 - b->rd) % 64;
		shm_store32(b->in.rd_idx, rd);
		b->l.ops->pump(&b->l);
		if (rd % 4 != 0 || rd >= 64 || behind > (b->s.tx_wr + 64 - b->rd) % 64) {
			bare_assert_lost(b, PROTO_REASON_RESTART);
			continue;
		}
		assert_int_equal(b->s.phase, PHASE_UP);
		bare_free(b);
	}
}

static void an_impossible_reader_is_a_sign_in_the_middle(void **state)
{
	(void)state;
	an_impossible_reader_is_a_sign(1);
}

static void an_impossible_reader_is_a_sign_around_the_end(void **state)
{
	(void)state;
	an_impossible_reader_is_a_sign(4);
}

/* R2, third sign: also before a packet, as later the place may be a possible one again. */
static void an_impossible_reader_stops_packets(void **state)
{
	struct bare *b = bare_up(64, true);
	uint32_t wr = bare_tx_wr(b);

	(void)state;
	shm_store32(b->in.rd_idx, wr + 8);
	assert_int_equal(classic_put(&b->l, CONTROL_RELEASE_DATA, 0, 0), -ECONNRESET);
	assert_int_equal(bare_tx_wr(b), wr);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

/* R2, fourth sign: what cannot be a packet. */
static void a_malformed_packet_is_a_sign(void **state)
{
	static const uint32_t lengths[] = { 0, 5, 128, 129, 0xffff };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct bare *b = bare_up(64, true);

		shm_store32(&b->out.data[ML / 4], (lengths[i] & 0xff) << 8 | lengths[i] >> 8);
		ring_publish(&b->out, ML + 8);
		b->l.ops->pump(&b->l);
		bare_assert_lost(b, PROTO_REASON_ERROR);
	}
}

static void a_malformed_write_index_is_a_sign(void **state)
{
	static const uint32_t indices[] = { 1, ML + 2, 64, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < sizeof(indices) / sizeof(indices[0]); i++) {
		struct bare *b = bare_up(64, true);

		ring_publish(&b->out, indices[i]);
		b->l.ops->pump(&b->l);
		bare_assert_lost(b, PROTO_REASON_ERROR);
	}
}

static void restart_now(void *user, const char *line)
{
	struct bare *b = user;

	(void)line;
	shm_store32(b->out.rd_idx, 0);
}

/* R2: the peer restarts while its last packet is handled: seen at the next look, and not written over. */
static void a_restart_while_handling_is_seen(enum mem_type type)
{
	struct bare *b = bare_up(64, true);

	b->l.type = type;
	b->l.log = restart_now;
	b->l.log_user = b;
	/* One byte is no control message, which is worth a line, and no answer. */
	bare_put(b, "", 1);
	b->l.ops->pump(&b->l);
	b->l.ops->pump(&b->l);
	assert_int_equal(bare_rx_rd(b), 0);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

static void a_restart_while_handling_is_seen_on_any_memory(void **state)
{
	(void)state;
	a_restart_while_handling_is_seen(MEM_NORMAL);
	a_restart_while_handling_is_seen(MEM_DEVICE);
}

static void assert_given_back(void *user, const char *line)
{
	struct bare *b = user;

	(void)line;
	assert_int_equal(bare_rx_rd(b), b->wr);
}

/* A packet's room is the other side's again before the packet is answered (section 2). */
static void room_is_given_back_before_an_answer(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	b->l.log = assert_given_back;
	b->l.log_user = b;
	/* For an endpoint that is not bound: worth a line, and released behind it. */
	bare_control(b, CONTROL_DATA, 9, 0);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.count.bad_endpoints, 1);
	bare_read(b);
	assert_int_equal(b->last.type, CONTROL_RELEASE_DATA);
	bare_free(b);
}

/* R2: looked for behind each packet's copy: nothing of two sessions in one is handled. */
static void a_restart_before_the_next_packet_is_seen(void **state)
{
	struct bare *b = bare_up(64, true);

	(void)state;
	b->l.log = restart_now;
	b->l.log_user = b;
	bare_put(b, "", 1);
	bare_control(b, CONTROL_RELEASE_DATA, 0, 250);
	b->l.ops->pump(&b->l);
	assert_int_equal(b->s.count.rx_packets, 1);
	assert_int_equal(b->s.count.bad_releases, 0);
	bare_assert_lost(b, PROTO_REASON_RESTART);
}

static void pump_once(struct bare *b)
{
	b->l.ops->pump(&b->l);
}

static struct bare *with_a_packet(void)
{
	struct bare *b = bare_up(64, true);

	bare_control(b, CONTROL_RELEASE_DATA, 0, 250);
	return b;
}

static bool until_published(struct bare *b, unsigned long step, void *arg)
{
	(void)step;
	(void)arg;
	return bare_rx_rd(b) == ML;
}

/* The peer restarts behind instruction number *@arg. */
static bool restart_at(struct bare *b, unsigned long step, void *arg)
{
	if (step < *(unsigned long *)arg)
		return true;
	shm_store32(b->out.rd_idx, 0);
	return false;
}

/* R2: published by compare-and-swap. Right up to the instruction that does it nothing is overwritten. */
static void a_read_index_is_swapped(void **state)
{
	struct bare *b = with_a_packet();
	unsigned long published = bare_step(b, pump_once, until_published, NULL);

	(void)state;
	bare_free(b);
	if (published == 0)
		skip();
	for (unsigned long at = published > 60 ? published - 60 : 1; at < published; at++) {
		b = with_a_packet();
		assert_int_equal(bare_step(b, pump_once, restart_at, &at), at);
		if (bare_rx_rd(b) != 0)
			fail_msg("restart behind instruction %lu of %lu overwritten", at,
				 published);
		bare_assert_lost(b, PROTO_REASON_RESTART);
	}
}

int main(void)
{
	const struct CMUnitTest rules[] = {
		cmocka_unit_test(word_0_stays_zero_over_thousands_of_packets),
		cmocka_unit_test(word_0_is_zero_at_every_moment),
		cmocka_unit_test(room_is_given_back_before_an_answer),
		cmocka_unit_test(a_moved_read_index_is_a_sign),
		cmocka_unit_test(a_moved_read_index_stops_packets),
		cmocka_unit_test(a_moved_read_index_stops_messages),
		cmocka_unit_test(a_moved_read_index_stops_rescues),
		cmocka_unit_test(a_magic_is_a_sign),
		cmocka_unit_test(an_impossible_reader_is_a_sign_in_the_middle),
		cmocka_unit_test(an_impossible_reader_is_a_sign_around_the_end),
		cmocka_unit_test(an_impossible_reader_stops_packets),
		cmocka_unit_test(a_malformed_packet_is_a_sign),
		cmocka_unit_test(a_malformed_write_index_is_a_sign),
		cmocka_unit_test(a_restart_while_handling_is_seen_on_any_memory),
		cmocka_unit_test(a_restart_before_the_next_packet_is_seen),
		cmocka_unit_test(a_read_index_is_swapped),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
