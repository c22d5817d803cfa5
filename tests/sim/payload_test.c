// SPDX-License-Identifier: Apache-2.0
/*
 * Test messages: the recorded ones can be made again, and damage is seen.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "payload.h"
#include "util/cleanup.h"

/* The CRCs are those of messages in the recorded scenarios. */
static void recorded_messages(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		uint32_t crc;
	} cases[] = {
		{ "text:hello", 5, 0x3610a686 },
		{ "text:world!", 6, 0x718498e8 },
		{ "text:", 0, 0 },
		{ "hex:65703100", 4, 0xbf10b7cf },
		{ "prng:1:477", 477, 0xe5d185f5 },
		{ "prng:1:101", 101, 0x1699f682 },
		{ "prng:1:501:1", 501, 0x0679d534 },
		{ "text:123456789", 9, 0xcbf43926 },
	};
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		_cleanup_(free_ptr) uint8_t *data = NULL;
		size_t size;

		assert_int_equal(payload_parse(cases[n].text, 1, &data, &size), 0);
		assert_int_equal(size, cases[n].size);
		assert_int_equal(payload_crc32(0, data, size), cases[n].crc);
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = { "",        "hello",  "hex:0",        "hex:0g",
					     "prng:",   "prng:1", "prng:1:2:3:4", "prng:1:2x",
					     "prng:x:2" };
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(texts) / sizeof(texts[0]); n++) {
		uint8_t *data = NULL;
		size_t size = 77;

		assert_int_equal(payload_parse(texts[n], 1, &data, &size), -EINVAL);
		assert_null(data);
		assert_int_equal(size, 77);
	}
}

/* Every length up to some words: nothing is written beyond, the number is found again. */
static void every_length(void **state)
{
	uint8_t data[80];
	size_t size;

	(void)state;
	for (size = 0; size < 70; size++) {
		uint32_t sequence = 0;

		memset(data, 0xee, sizeof(data));
		payload_fill(data, size, 0x01020304, 9);
		assert_int_equal(data[size], 0xee);
		assert_int_equal(payload_check(data, size, &sequence), size >= 4);
		assert_int_equal(sequence, size >= 4 ? 0x01020304 : 0);
	}
}

static void damage_is_seen(void **state)
{
	uint8_t data[61];
	uint32_t sequence = 5;
	size_t at;

	(void)state;
	payload_fill(data, sizeof(data), 1, 1);
	for (at = 4; at < sizeof(data); at++) {
		data[at] ^= 0x10;
		assert_int_equal(payload_check(data, sizeof(data), &sequence), -EBADMSG);
		data[at] ^= 0x10;
	}
	assert_int_equal(sequence, 5);
	assert_int_equal(payload_check(data, sizeof(data), &sequence), 1);
}

static void crc_may_go_in_pieces(void **state)
{
	uint8_t data[100];
	size_t cut;

	(void)state;
	payload_fill(data, sizeof(data), 3, 4);
	for (cut = 0; cut <= sizeof(data); cut++) {
		uint32_t crc = payload_crc32(0, data, cut);

		crc = payload_crc32(crc, data + cut, sizeof(data) - cut);
		assert_int_equal(crc, payload_crc32(0, data, sizeof(data)));
	}
}

static void seeds_and_numbers_differ(void **state)
{
	uint8_t a[64], b[64];

	(void)state;
	payload_fill(a, sizeof(a), 1, 1);
	payload_fill(b, sizeof(b), 1, 2);
	assert_memory_not_equal(a + 8, b + 8, 56);
	payload_fill(b, sizeof(b), 2, 1);
	assert_memory_not_equal(a + 8, b + 8, 56);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_messages),    cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(every_length),         cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(crc_may_go_in_pieces), cmocka_unit_test(seeds_and_numbers_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
