// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers, sizes and durations as users type them.
 */
#include "unit.h"

#include <errno.h>

#include "common/parse.h"

static void test_numbers(void **state)
{
	uint64_t n = 77;

	(void)state;
	assert_int_equal(parse_number("0", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(parse_number("0010", &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(parse_number("0xFf", &n), 0);
	assert_int_equal(n, 255);
	assert_int_equal(parse_number("18446744073709551615", &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(parse_number("18446744073709551616", &n), -ERANGE);
}

static void test_bad_numbers(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "-1", "+1", "x", "0x", "1k", "1.0" };
	uint64_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_number(bad[i], &n), -EINVAL);
	assert_int_equal(n, 77);
}

static void test_sizes(void **state)
{
	uint64_t n = 77;

	(void)state;
	assert_int_equal(parse_size("12", &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(parse_size("4k", &n), 0);
	assert_int_equal(n, 4096);
	assert_int_equal(parse_size("0x10M", &n), 0);
	assert_int_equal(n, 16 << 20);
	assert_int_equal(parse_size("17179869183G", &n), 0);
	assert_int_equal(parse_size("17179869184G", &n), -ERANGE);
	assert_int_equal(parse_size("4K", &n), -EINVAL);
	assert_int_equal(parse_size("4kB", &n), -EINVAL);
	assert_int_equal(parse_size("k", &n), -EINVAL);
}

static void test_durations(void **state)
{
	int64_t ns = 77;

	(void)state;
	assert_int_equal(parse_duration("0", &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(parse_duration("250us", &ns), 0);
	assert_int_equal(ns, 250000);
	assert_int_equal(parse_duration("1.5ms", &ns), 0);
	assert_int_equal(ns, 1500000);
	assert_int_equal(parse_duration("0.123456789s", &ns), 0);
	assert_int_equal(ns, 123456789);
	assert_int_equal(parse_duration("0.1234567891234s", &ns), 0);
	assert_int_equal(ns, 123456789);
	assert_int_equal(parse_duration("2m", &ns), 0);
	assert_true(ns == INT64_C(120000000000));
	assert_int_equal(parse_duration("0.5m", &ns), 0);
	assert_true(ns == INT64_C(30000000000));
}

static void test_bad_durations(void **state)
{
	static const char *const bad[] = {
		"", "5", "0.5", "ms", "5 ms", "5h", "5.ms", "-1s", "1sx"
	};
	int64_t ns = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_duration(bad[i], &ns), -EINVAL);
	assert_int_equal(parse_duration("9223372036854775807s", &ns), -ERANGE);
	assert_int_equal(parse_duration("99999999999999999999us", &ns), -ERANGE);
	assert_int_equal(ns, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),       cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_sizes),         cmocka_unit_test(test_durations),
		cmocka_unit_test(test_bad_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
