// SPDX-License-Identifier: Apache-2.0
/*
 * Session words between two libicbmsg ends (protocol.md section 3, "Two of us"), by the rules of
 * lib/proto/SESSIONS.md, whose numbers the tests name. The other end is made by hand. What follows
 * from the rules in any order is tests/model's and tests/proto's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bare.h"

#define ML CLASSIC_MAGIC_PACKET
#define THEIRS 5u /* the other end's id */

static uint32_t word(uint32_t id, uint32_t acknowledged)
{
	return acknowledged << 16 | id;
}

static void they_say(struct bare *b, uint32_t id, uint32_t acknowledged)
{
	shm_store32(b->l.tx_word, word(id, acknowledged));
}

static uint32_t we_say(const struct bare *b)
{
	return shm_load32(b->l.rx_word);
}

static void pump(struct bare *b)
{
	b->l.ops->pump(&b->l);
}

/* We have opened and laid out our ring for the other end, which has opened before. */
static struct bare *opened(void)
{
	struct bare *b = bare_new_words(64, 0);

	they_say(b, THEIRS, 0);
	bare_start(b);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	assert_int_equal(we_say(b), word(b->s.id, THEIRS));
	return b;
}

/* The other end lays out its ring, and says so. */
static void they_acknowledge(struct bare *b)
{
	b->wr = 0;
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
	they_say(b, THEIRS, b->s.id);
}

static struct bare *up(void)
{
	struct bare *b = opened();

	they_acknowledge(b);
	pump(b);
	bare_come_up(b);
	assert_true(b->s.library);
	return b;
}

/* (1) A new id is neither 0, nor the one before, nor what the other end has acknowledged last. */
static void ids_are_new(void **state)
{
	static const struct {
		uint32_t before, acknowledged, id;
	} cases[] = {
		{ 0, 0, 1 },      { 7, 0, 8 },      { 7, 8, 9 },
		{ 0xffff, 0, 1 }, { 0xffff, 1, 2 }, { 0xfffe, 0xffff, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bare *b = bare_new_words(64, 0);

		shm_store32(b->l.rx_word, word(cases[i].before, 3));
		they_say(b, THEIRS, cases[i].acknowledged);
		bare_start(b);
		assert_int_equal(we_say(b) & 0xffff, cases[i].id);
		bare_free(b);
	}
}

/* (4) Neither has been read nor acknowledged: nothing of the other end's is read. */
static void nothing_is_read_before_the_other_end_is_known(void **state)
{
	struct bare *b = opened();

	(void)state;
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
	for (int i = 0; i < 3; i++)
		pump(b);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	assert_int_equal(bare_rx_rd(b), 0);
	bare_free(b);
}

/* (4a) Another id of the other end: laid out again, under the same id of ours. */
static void another_id_is_acknowledged(void **state)
{
	struct bare *b = opened();
	uint16_t id = b->s.id;

	(void)state;
	they_say(b, THEIRS + 1, 0);
	pump(b);
	assert_int_equal(we_say(b), word(id, THEIRS + 1));
	assert_int_equal(b->s.count.announcements, 2);
	bare_free(b);
}

/*
 * (3, 4b, 7) Four rescues in vain, and no hold as nobody was in a session: the announcement goes to
 * the reader, which is not for libicbmsg, so nothing is acknowledged by it.
 */
static void an_announcement_at_the_reader_acknowledges_nothing(void **state)
{
	struct bare *b = opened();

	(void)state;
	shm_store32(b->in.rd_idx, 8);
	b->s.library = false;
	bare_rescue(b, 4);
	assert_int_equal(b->s.phase, PHASE_WAITING);
	assert_true(bare_magic_at(b, 8));
	assert_int_equal(we_say(b), word(b->s.id, 0));
	they_acknowledge(b);
	pump(b);
	assert_true(bare_magic_at(b, 0));
	assert_int_equal(we_say(b), word(b->s.id, THEIRS));
	assert_int_equal(b->s.phase, PHASE_SHAKING);
	bare_free(b);
}

/* (5) The word is looked at before what was read is given back. */
static bool they_begin_anew(struct bare *b, unsigned long step, void *arg)
{
	uint32_t *rd = arg;

	(void)step;
	*rd = bare_rx_rd(b);
	if (b->s.phase == PHASE_SHAKING)
		they_say(b, THEIRS + 1, 0);
	return true;
}

static void what_is_of_a_session_past_is_not_taken(void **state)
{
	struct bare *b = opened();
	uint32_t rd;

	(void)state;
	they_acknowledge(b);
	if (bare_step(b, pump, they_begin_anew, &rd) == 0)
		skip();
	assert_int_equal(rd, 0);
	assert_int_equal(bare_rx_rd(b), 0);
	assert_int_not_equal(b->s.phase, PHASE_UP);
	bare_free(b);
}

/* (6) A second magic may be unread when the link is up; only the word tells. */
static void a_second_magic_is_no_restart(void **state)
{
	struct bare *b = up();

	(void)state;
	bare_put(b, control_magic, CONTROL_MAGIC_SIZE);
	pump(b);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_int_equal(b->s.count.restarts, 0);
	bare_free(b);
}

/* (6) Any change of the word is a restart, before anything that lies in the ring is believed. */
static void a_word_that_changes_is_a_restart(void **state)
{
	const uint32_t words[] = { word(THEIRS + 1, 0), word(THEIRS, 0), 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct bare *b = up();
		uint64_t read = b->s.count.rx_packets;

		bare_control(b, CONTROL_RELEASE_DATA, 0, 0);
		shm_store32(b->l.tx_word, words[i]);
		pump(b);
		assert_int_equal(b->s.count.rx_packets, read);
		assert_int_equal(b->s.count.restarts_word, 1);
		bare_assert_lost(b, PROTO_REASON_RESTART);
	}
}

/*
 * (2, 8) Towards libicbmsg the read index stays: we hold back until it has seen our new id, and so
 * what is left in T.rd does not look like firmware that has read.
 */
static void we_hold_back_until_the_other_end_answers(void **state)
{
	struct bare *b = up();

	(void)state;
	they_say(b, THEIRS, 0);
	pump(b);
	assert_int_equal(b->s.phase, PHASE_LOST);
	assert_int_not_equal(bare_rx_rd(b), 0);
	bare_start(b);
	assert_int_equal(b->s.phase, PHASE_HOLDING);
	assert_int_equal(we_say(b), word(b->s.id, 0));
	they_say(b, THEIRS, b->s.id);
	pump(b);
	assert_int_equal(we_say(b), word(b->s.id, THEIRS));
	bare_free(b);
}

/* (9) A close is a new id with nothing behind it. */
static void a_close_is_told(void **state)
{
	struct bare *b = up();
	uint32_t before = we_say(b);

	(void)state;
	b->l.doorbell_due = false;
	b->l.ops->stop(&b->l);
	assert_int_not_equal(we_say(b) & 0xffff, before & 0xffff);
	assert_int_equal(we_say(b) >> 16, 0);
	assert_true(b->l.doorbell_due);
	assert_int_equal(b->s.phase, PHASE_CLOSED);
	bare_free(b);
}

/*
 * (5) We may be up before the other end's ping has come: it waits until that is read, and where
 * nothing is rescued only a doorbell tells it.
 */
static void a_ping_that_comes_late_is_rung_for(void **state)
{
	static const uint8_t ping[] = { CLASSIC_FILLER, 0, 0 };
	struct bare *b = up();
	uint32_t read = b->s.rx_rd;

	(void)state;
	b->l.doorbell_due = false;
	bare_put(b, ping, sizeof(ping));
	pump(b);
	assert_int_not_equal(b->s.rx_rd, read);
	assert_int_equal(b->s.phase, PHASE_UP);
	assert_true(b->l.doorbell_due);
	bare_free(b);
}

int main(void)
{
	const struct CMUnitTest rules[] = {
		cmocka_unit_test(ids_are_new),
		cmocka_unit_test(nothing_is_read_before_the_other_end_is_known),
		cmocka_unit_test(another_id_is_acknowledged),
		cmocka_unit_test(an_announcement_at_the_reader_acknowledges_nothing),
		cmocka_unit_test(what_is_of_a_session_past_is_not_taken),
		cmocka_unit_test(a_second_magic_is_no_restart),
		cmocka_unit_test(a_word_that_changes_is_a_restart),
		cmocka_unit_test(we_hold_back_until_the_other_end_answers),
		cmocka_unit_test(a_close_is_told),
		cmocka_unit_test(a_ping_that_comes_late_is_rung_for),
	};

	return cmocka_run_group_tests(rules, NULL, NULL);
}
