// SPDX-License-Identifier: Apache-2.0
/*
 * Control messages: all 2^24 of them survive a round trip; short ones are none, long ones count by
 * their first three bytes; the magic is the one of protocol.md section 3.
 */
#include "unit/unit.h"

#include <string.h>

#include "wire/control.h"

static void test_round_trip(void **state)
{
	(void)state;
	for (uint32_t v = 0; v < UINT32_C(1) << 24; v++) {
		const struct control in = {
			.type = (uint8_t)v,
			.ept = (uint8_t)(v >> 8),
			.block = (uint8_t)(v >> 16),
		};
		struct control out = { 0 };
		uint8_t packet[CONTROL_SIZE + 1] = { 0, 0, 0, 0x5a };

		control_encode(packet, in);
		/* Plain comparisons: cmocka's cost too much sixteen million times. */
		if (packet[0] != in.type || packet[1] != in.ept || packet[2] != in.block ||
		    packet[3] != 0x5a || !control_decode(&out, packet, CONTROL_SIZE) ||
		    out.type != in.type || out.ept != in.ept || out.block != in.block)
			fail_msg("control message 0x%06x", v);
	}
}

static void test_lengths(void **state)
{
	const uint8_t packet[128] = { CONTROL_RELEASE_BOUND, 253, 255, 9 };
	struct control c = { .type = 0x77, .ept = 0x77, .block = 0x77 };

	(void)state;
	for (uint32_t len = 0; len < CONTROL_SIZE; len++)
		assert_false(control_decode(&c, packet, len));
	assert_int_equal(c.type, 0x77);
	assert_int_equal(c.ept, 0x77);
	assert_int_equal(c.block, 0x77);
	for (uint32_t len = CONTROL_SIZE; len <= sizeof(packet); len++) {
		c = (struct control){ 0 };
		assert_true(control_decode(&c, packet, len));
		assert_int_equal(c.type, CONTROL_RELEASE_BOUND);
		assert_int_equal(c.ept, 253);
		assert_int_equal(c.block, 255);
	}
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(CONTROL_DATA, 0);
	assert_int_equal(CONTROL_RELEASE_DATA, 1);
	assert_int_equal(CONTROL_BOUND, 2);
	assert_int_equal(CONTROL_RELEASE_BOUND, 3);
}

static void test_magic(void **state)
{
	uint8_t packet[128] = "Em1l1K0rn3li4";

	(void)state;
	assert_memory_equal(control_magic, "Em1l1K0rn3li4", CONTROL_MAGIC_SIZE);
	for (uint32_t len = 0; len <= sizeof(packet); len++)
		assert_int_equal(control_is_magic(packet, len), len >= 13);
	for (uint32_t i = 0; i < CONTROL_MAGIC_SIZE; i++) {
		packet[i] ^= 0x20;
		assert_false(control_is_magic(packet, CONTROL_MAGIC_SIZE));
		assert_false(control_is_magic(packet, sizeof(packet)));
		packet[i] ^= 0x20;
	}
	packet[CONTROL_MAGIC_SIZE] = 0xff;
	assert_true(control_is_magic(packet, CONTROL_MAGIC_SIZE + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_magic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
