// SPDX-License-Identifier: Apache-2.0
/*
 * The table of counters: complete, without doubles, readable, and the quick form says the same.
 */
#include "unit/unit.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/counters.h"

#define VALUES_MAX 128

static struct session s;
static uint64_t values[VALUES_MAX];
static size_t count;

/* Every word of struct counters is different from all others and from any gauge. */
static int fill(void **state)
{
	uint64_t *word = (uint64_t *)&s.count;

	(void)state;
	memset(&s, 0, sizeof(s));
	session_init(&s, 16, true);
	for (size_t i = 0; i < COUNTERS; i++)
		word[i] = UINT64_C(0x100000000) * (1000 + i);
	count = counters_read(&s, values, VALUES_MAX);
	return 0;
}

static struct icbmsg_counter_info info_of(size_t n)
{
	struct icbmsg_counter_info info;

	assert_int_equal(counters_info(n, &info), 0);
	return info;
}

static void every_word_has_one_name(void **state)
{
	const uint64_t *word = (const uint64_t *)&s.count;

	(void)state;
	assert_true(count == counters_count() && count < VALUES_MAX);
	for (size_t i = 0; i < COUNTERS; i++) {
		unsigned int found = 0;

		for (size_t n = 0; n < count; n++)
			found += values[n] == word[i];
		if (found != 1)
			fail_msg("word %zu of struct counters has %u names", i, found);
	}
	for (size_t n = 0; n < count; n++)
		assert_int_equal(info_of(n).kind == ICBMSG_GAUGE, values[n] < 1000);
}

static void names_are_names(void **state)
{
	(void)state;
	for (size_t n = 0; n < count; n++) {
		struct icbmsg_counter_info info = info_of(n);
		size_t length = strlen(info.help);

		assert_true(strlen(info.name) > 2 && strlen(info.name) <= 20);
		for (const char *c = info.name; *c; c++)
			assert_true(islower((unsigned char)*c) || *c == '_');
		assert_true(strlen(info.unit) > 1);
		assert_true(length > 10 && length < 80 && info.help[length - 1] != '.');
		for (size_t k = 0; k < n; k++)
			assert_string_not_equal(info_of(k).name, info.name);
	}
	assert_int_equal(counters_info(count, &(struct icbmsg_counter_info){ 0 }), -ENOENT);
}

static uint64_t by_name(const char *name)
{
	for (size_t n = 0; n < count; n++)
		if (!strcmp(info_of(n).name, name))
			return values[n];
	fail_msg("%s has no name", name);
	return 0;
}

/* A session in which no gauge is 0. */
static void make_gauges(void)
{
	assert_int_equal(session_register(&s, "ept"), 0);
	session_bind(&s, 0, 0);
	assert_true(session_tx_take(&s, 5) >= 0);
	session_push_data(&s, 0, 3, 100);
	session_push_data(&s, 0, 4, 100);
	session_rx_hold(&s, 3, 2);
	session_rx_hold(&s, 3, 2);
	assert_false(session_rx_done(&s, 3));
	s.parked[7] = 1;
	s.storm = 12;
	count = counters_read(&s, values, VALUES_MAX);
}

static void gauges_tell_what_is(void **state)
{
	(void)state;
	make_gauges();
	assert_int_equal(by_name("tx_blocks_used"), 5);
	assert_int_equal(by_name("tx_blocks_free"), 11);
	assert_int_equal(by_name("rx_held"), 2);
	assert_int_equal(by_name("rx_pending"), 1);
	assert_int_equal(by_name("rx_hold_blocks"), 2);
	assert_int_equal(by_name("events"), 3);
	assert_int_equal(by_name("parked"), 1);
	assert_int_equal(by_name("restarts_in_a_row"), 12);
	assert_false(session_rx_unhold(&s, 3, 2));
	assert_true(session_rx_unhold(&s, 3, 2));
	assert_true(session_rx_done(&s, 4));
	count = counters_read(&s, values, VALUES_MAX);
	assert_int_equal(by_name("rx_held") + by_name("rx_hold_blocks") + by_name("rx_pending"), 0);
}

#define SAME(field) assert_int_equal(st.field, by_name(#field))

static void the_quick_form_says_the_same(void **state)
{
	struct icbmsg_stats st;

	(void)state;
	make_gauges();
	st = counters_stats(&s);
	SAME(tx_blocks_free), SAME(rx_held);
	SAME(tx_messages), SAME(tx_bytes), SAME(rx_messages), SAME(rx_bytes), SAME(rx_dropped);
	SAME(tx_packets), SAME(rx_packets), SAME(tx_unknown), SAME(waits);
	SAME(doorbells_sent), SAME(doorbells_elided), SAME(doorbells_received);
	SAME(rescues), SAME(doorbells_lost), SAME(restarts);
	SAME(bad_packets), SAME(bad_blocks), SAME(bad_endpoints), SAME(bad_releases);
	SAME(bad_types), SAME(bad_bounds);
	/* The state, two of 32 bits, and the others of 64 bits above: there is nothing else in it. */
	assert_int_equal(sizeof(st), 16 + 21 * sizeof(uint64_t));
}

/* The next owner goes on with what the last one counted; what was the case is gone. */
static void counters_outlive_the_session(void **state)
{
	(void)state;
	make_gauges();
	session_init(&s, 16, true);
	count = counters_read(&s, values, VALUES_MAX);
	assert_int_equal(by_name("opens"), UINT64_C(0x100000000) * 1000 + 1);
	assert_true(by_name("tx_messages") > 0 && by_name("tx_blocks_peak") > 0);
	assert_int_equal(by_name("rx_held") + by_name("parked") + by_name("restarts_in_a_row"), 0);
	s.magic = 0;
	session_init(&s, 16, true);
	count = counters_read(&s, values, VALUES_MAX);
	assert_int_equal(by_name("opens"), 1);
	assert_int_equal(by_name("tx_messages"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_word_has_one_name, fill),
		cmocka_unit_test_setup(names_are_names, fill),
		cmocka_unit_test_setup(gauges_tell_what_is, fill),
		cmocka_unit_test_setup(the_quick_form_says_the_same, fill),
		cmocka_unit_test_setup(counters_outlive_the_session, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
