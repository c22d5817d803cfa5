// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsg-cat's pure parts: cutting input into messages, however it arrives, and printing them.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "cat/cutter.h"
#include "cat/format.h"
#include "cat/near.h"

/* Cut @input, given @piece bytes at a time, and join the messages with "|". */
static int cut(enum cut_mode mode, size_t limit, bool exact, const char *input, size_t size,
	       size_t piece, struct text *out)
{
	struct cutter c;
	int ret = 1;

	out->size = 0;
	assert_int_equal(cutter_init(&c, mode, limit, exact), 0);
	while (ret > 0 || (ret == 0 && !c.ended)) {
		const uint8_t *data;
		size_t n;

		ret = cutter_next(&c, &data, &n);
		if (ret > 0) {
			text_add(out, data, n);
			text_add_char(out, '|');
		} else if (ret == 0 && !c.ended) {
			size_t room, take = size < piece ? size : piece;
			void *to = cutter_room(&c, &room);

			assert_true(room > 0);
			if (take > room)
				take = room;
			memcpy(to, input, take);
			cutter_add(&c, take);
			input += take;
			size -= take;
			ret = 1;
		}
	}
	if (ret < 0)
		assert_true(c.error[0] != '\0');
	cutter_deinit(&c);
	text_add_char(out, '\0');
	return ret;
}

/* Whatever the pieces, the messages are the same. */
static void expect(enum cut_mode mode, size_t limit, bool exact, const char *input, size_t size,
		   const char *want)
{
	struct text out = { 0 };

	for (size_t piece = 1; piece <= size + 1; piece++) {
		assert_int_equal(cut(mode, limit, exact, input, size, piece, &out), 0);
		assert_string_equal(out.data, want);
	}
	text_deinit(&out);
}

static void expect_error(enum cut_mode mode, const char *input, size_t size, int error)
{
	struct text out = { 0 };

	for (size_t piece = 1; piece <= size + 1; piece++)
		assert_int_equal(cut(mode, 4, false, input, size, piece, &out), error);
	text_deinit(&out);
}

static void test_lines(void **state)
{
	(void)state;
	expect(CUT_LINE, 4, false, "", 0, "");
	expect(CUT_LINE, 4, false, "abcd\n", 5, "abcd|");
	expect(CUT_LINE, 4, false, "abcd", 4, "abcd|");
	expect(CUT_LINE, 4, false, "\n\na\n", 4, "||a|");
	expect_error(CUT_LINE, "a\nabcde\n", 8, -EMSGSIZE);
	expect_error(CUT_LINE, "abcde", 5, -EMSGSIZE);
}

static void test_hex(void **state)
{
	(void)state;
	expect(CUT_HEX, 4, false, "61\n 6A 6b\t\n\n6c6d6E6F", 20, "a|jk||lmno|");
	expect_error(CUT_HEX, "6162636465", 10, -EMSGSIZE);
	expect_error(CUT_HEX, "6 1", 3, -EINVAL);
	expect_error(CUT_HEX, "616", 3, -EINVAL);
	expect_error(CUT_HEX, "6g", 2, -EINVAL);
}

static void test_len32(void **state)
{
	(void)state;
	expect(CUT_LEN32, 4, false, "\1\0\0\0a\0\0\0\0\4\0\0\0bcde", 17, "a||bcde|");
	expect_error(CUT_LEN32, "\5\0\0\0abcde", 9, -EMSGSIZE);
	expect_error(CUT_LEN32, "\1\0\0\1a", 5, -EMSGSIZE);
	expect_error(CUT_LEN32, "\2\0\0\0a", 5, -EINVAL);
	expect_error(CUT_LEN32, "\2\0", 2, -EINVAL);
}

static void test_raw(void **state)
{
	struct text out = { 0 };

	(void)state;
	expect(CUT_RAW, 3, true, "abcdefgh", 8, "abc|def|gh|");
	assert_int_equal(cut(CUT_RAW, 3, false, "abcdefgh", 8, 2, &out), 0);
	assert_string_equal(out.data, "ab|cd|ef|gh|");
	assert_int_equal(cut(CUT_RAW, 3, false, "abcdefgh", 8, 8, &out), 0);
	assert_string_equal(out.data, "abc|def|gh|");
	text_deinit(&out);
}

static void test_many_lines(void **state)
{
	static char input[300000];
	struct text out = { 0 };

	(void)state;
	/* More than is buffered, with a line over each end of the buffer. */
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = i % 7 == 6 ? '\n' : 'x';
	assert_int_equal(cut(CUT_LINE, 6, false, input, sizeof(input), sizeof(input), &out), 0);
	assert_int_equal(out.size, sizeof(input) + 2);
	text_deinit(&out);
}

static void expect_format(void (*format)(struct text *, const uint8_t *, size_t), const char *data,
			  size_t size, const char *want)
{
	struct text out = { 0 };

	format(&out, (const uint8_t *)data, size);
	text_add_char(&out, '\0');
	assert_string_equal(out.data, want);
	text_deinit(&out);
}

static void test_printable(void **state)
{
	(void)state;
	expect_format(format_printable, "", 0, "");
	expect_format(format_printable, "\n", 1, "");
	expect_format(format_printable, "a\n\n", 3, "a.");
	expect_format(format_printable, "\33[2J\177", 5, ".[2J.");
	/* Control characters in two bytes, and what looks like UTF-8 but is not. */
	expect_format(format_printable, "\xc2\x9b|\xc2\xa0", 5, "..|\xc2\xa0");
	expect_format(format_printable, "\xc0\x80\xed\xa0\x80\xf5", 6, "......");
	expect_format(format_printable, "\xf0\x9f\x98\x80\xe2\x82", 6, "\xf0\x9f\x98\x80..");
}

static void test_dump(void **state)
{
	(void)state;
	expect_format(format_dump, "", 0, "");
	expect_format(format_dump, "0123456789abcdef\1", 17,
		      "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  "
		      "|0123456789abcdef|\n"
		      "00000010  01                                                |.|\n");
}

static void test_quoted(void **state)
{
	(void)state;
	expect_format(format_quoted, "", 0, "\"\"");
	expect_format(format_quoted, "a\0\n\r\t\\\"\xff", 8, "\"a\\x00\\n\\r\\t\\\\\\\"\\xff\"");
}

static void test_stamps(void **state)
{
	const struct stamp_times t = { .now = INT64_C(1000000001999999),
				       .previous = INT64_C(1000000003000000),
				       .first = 0 };
	struct text out = { 0 };

	(void)state;
	stamp_add(&out, STAMP_ABSOLUTE, &t, true);
	text_add_char(&out, ' ');
	stamp_add(&out, STAMP_DELTA, &t, true);
	text_add_char(&out, ' ');
	stamp_add(&out, STAMP_DATE, &t, true);
	text_add_char(&out, '\0');
	assert_string_equal(out.data, "1000000.001999 -0.001000 1970-01-12T13:46:40.001999Z");
	text_deinit(&out);
}

static void test_near_names(void **state)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123";

	(void)state;
	assert_true(near_enough("chat", "chat"));
	assert_true(near_enough("chat", "CHAT"));
	assert_true(near_enough("chat", "chta"));
	assert_true(near_enough("chat", "chats"));
	assert_true(near_enough("sensors", "sensor"));
	assert_true(near_enough("sensors", "esnors"));
	assert_false(near_enough("sensors", "log"));
	assert_false(near_enough("chat", "food"));
	/* Of short names everything would be near. */
	assert_false(near_enough("a", "b"));
	assert_false(near_enough("", "ab"));
	assert_true(near_enough(longest + 1, longest + 1));
	assert_false(near_enough(longest, longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),      cmocka_unit_test(test_hex),
		cmocka_unit_test(test_len32),      cmocka_unit_test(test_raw),
		cmocka_unit_test(test_many_lines), cmocka_unit_test(test_printable),
		cmocka_unit_test(test_dump),       cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_stamps),     cmocka_unit_test(test_near_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
