// SPDX-License-Identifier: Apache-2.0
/*
 * The blocks of the firmware stand-in: which it takes, which it frees, and what it believes, with
 * the faults of Zephyr that a peer has to live with (protocol.md section 9).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "payload.h"

static const struct pair_geometry small = { 4096, 16, 16, 32, 4, 0 };
static const struct pair_geometry small_64 = { 4096, 16, 16, 32, 8, 0 };

/* Held buffers come back in any order, each when it is released and not before. */
static void holding_keeps_blocks(void **state)
{
	static const int order[16] = { 3, 0, 15, 7, 1, 2, 14, 8, 4, 9, 13, 5, 6, 10, 12, 11 };
	struct pair p;
	unsigned int n;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	p.f.hold = true;
	for (n = 0; n < 16; n++)
		assert_int_equal(firmware_send(&p.i.fw, "ep0", "abc", 3), 3);
	assert_int_equal(firmware_send(&p.i.fw, "ep0", "abc", 3), -ENOMEM);
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 16);
	for (n = 0; n < 16; n++) {
		assert_int_equal(firmware_release(&p.f.fw, p.f.data[order[n]]), 0);
		pair_settle(&p);
		assert_int_equal(firmware_used_blocks(&p.i.fw), 15 - n);
	}
	assert_int_equal(p.i.fw.counters.errors, 0);
	pair_end(&p);
}

/* All blocks of a region can be under way at once: the ring has room for a packet each. */
static void all_256_blocks_fly(void **state)
{
	static const struct pair_geometry most = { 0x8000, 256, 256, 4, 4, 0 };
	struct pair p;
	unsigned int n, lap;

	(void)state;
	pair_start(&p, &most);
	pair_bind(&p, "ep0");
	for (lap = 0; lap < 5; lap++) {
		for (n = 0; n < 256; n++) {
			uint8_t byte = (uint8_t)(n + lap);

			assert_int_equal(firmware_send(&p.i.fw, "ep0", &byte, 1), 1);
			assert_int_equal(firmware_send(&p.f.fw, "ep0", &byte, 1), 1);
		}
		assert_int_equal(firmware_send(&p.i.fw, "ep0", "x", 1), -ENOMEM);
		pair_settle(&p);
		assert_int_equal(p.f.received, 256 * (lap + 1));
		assert_int_equal(p.i.received, 256 * (lap + 1));
		assert_int_equal(*(const uint8_t *)p.f.data[200 + 256 * (lap % 2)],
				 (uint8_t)(200 + lap));
		assert_int_equal(firmware_used_blocks(&p.i.fw), 0);
	}
	assert_int_equal(p.i.fw.counters.errors + p.f.fw.counters.errors, 0);
	pair_end(&p);
}

static void one_block_each_is_enough(void **state)
{
	static const struct pair_geometry least = { 1024, 1, 1, 0, 8, 0 };
	uint8_t message[1024];
	struct pair p;
	uint32_t size;

	(void)state;
	pair_start(&p, &least);
	pair_bind(&p, "ep0");
	for (size = 1; size <= p.lo.max_payload; size++) {
		payload_fill(message, size, size, 1);
		assert_int_equal(firmware_send(&p.f.fw, "ep0", message, size), size);
		assert_int_equal(firmware_send(&p.f.fw, "ep0", message, size), -ENOMEM);
		pair_settle(&p);
		assert_int_equal(p.i.received, size);
		assert_int_equal(p.i.size[(size - 1) % PAIR_RECORDED], size);
		assert_memory_equal(p.i.data[(size - 1) % PAIR_RECORDED], message, size);
	}
	pair_end(&p);
}

/* An empty message takes every free block; only the first ever comes back. */
static void empty_message_leaks(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	assert_int_equal(firmware_send(&p.i.fw, "ep0", NULL, 0), 0);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 16);
	pair_settle(&p);
	assert_int_equal(p.f.received, 1);
	assert_int_equal(p.f.size[0], 0);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 15);
	assert_int_equal(p.i.fw.counters.errors, 0);
	pair_end(&p);
}

/* First fit: the lowest run that is long enough, not the best one. */
static void first_fit(void **state)
{
	struct pair p;
	struct firmware *fw = &p.i.fw;
	void *data[16], *got;
	uint32_t size;
	int n;

	(void)state;
	pair_start(&p, &small);
	for (n = 0; n < 16; n++)
		assert_int_equal(firmware_alloc(fw, 1, &data[n], &size), 0);
	/* Free: 1 2 3, 5, 7 8. */
	for (n = 1; n <= 8; n++)
		if (n != 4 && n != 6)
			assert_int_equal(firmware_drop(fw, data[n]), 0);
	assert_int_equal(firmware_alloc(fw, 1, &got, &size), 0);
	assert_ptr_equal(got, data[1]);
	assert_int_equal(firmware_drop(fw, got), 0);
	assert_int_equal(firmware_alloc(fw, 2 * p.hi.block_size, &got, &size), 0);
	assert_ptr_equal(got, data[1]);
	assert_int_equal(size, 3 * p.hi.block_size - p.hi.header_size);
	assert_int_equal(firmware_alloc(fw, p.hi.block_size, &got, &size), 0);
	assert_ptr_equal(got, data[7]);
	assert_int_equal(firmware_alloc(fw, 0, &got, &size), 0);
	assert_ptr_equal(got, data[5]);
	assert_int_equal(firmware_alloc(fw, 0, &got, &size), -ENOMEM);
	pair_end(&p);
}

/* What is freed is what the header says at that moment, right or wrong. */
static void releases_believe_the_header(void **state)
{
	struct pair p;
	struct firmware *fw = &p.i.fw;
	uint8_t message[300] = { 0 };
	uint32_t header;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	p.f.hold = true;
	firmware_send(fw, "ep0", message, sizeof(message)); /* two blocks */
	firmware_send(fw, "ep0", message, 1);
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(fw), 3);

	header = p.hi.blocks_off;
	pair_store(&p, &p.hi, header, p.hi.max_payload + 1); /* beyond the region: refused */
	firmware_release(&p.f.fw, p.f.data[0]);
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(fw), 3);
	pair_store(&p, &p.hi, header, p.hi.max_payload); /* blocks that are free: refused */
	firmware_release(&p.f.fw, p.f.data[0]);
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(fw), 3);
	assert_int_equal(fw->counters.errors, 2);
	pair_store(&p, &p.hi, header, 600); /* three blocks: one of another message goes too */
	firmware_release(&p.f.fw, p.f.data[0]);
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(fw), 0);
	assert_int_equal(fw->counters.errors, 2);
	pair_end(&p);
}

/* A header that no buffer can have is told apart from blocks that are not taken. */
static void impossible_headers_are_invalid(void **state)
{
	static const struct pair_geometry most = { 0x8000, 256, 256, 4, 4, 0 };
	struct pair p;
	uint32_t got;
	void *all;

	(void)state;
	pair_start(&p, &most);
	assert_int_equal(firmware_alloc(&p.i.fw, 0, &all, &got), 0);
	assert_int_equal(got, p.hi.max_payload);
	pair_store(&p, &p.hi, p.hi.blocks_off, got + 1);
	assert_int_equal(firmware_drop(&p.i.fw, all), -EINVAL);
	pair_store(&p, &p.hi, p.hi.blocks_off, UINT32_MAX);
	assert_int_equal(firmware_drop(&p.i.fw, all), -EINVAL);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 256);
	pair_store(&p, &p.hi, p.hi.blocks_off, got);
	assert_int_equal(firmware_drop(&p.i.fw, all), 0);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 0);
	pair_end(&p);
}

/* What a header claims is what is delivered, if it lies within the blocks. */
static void claims_are_believed(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	assert_int_equal(firmware_raw_data(&p.i.fw, 0, "x", 1, 1000), 1);
	assert_int_equal(firmware_raw_data(&p.i.fw, 0, "x", 1, 0), 1);
	pair_settle(&p);
	assert_int_equal(p.f.size[0], 1000);
	assert_int_equal(p.f.size[1], 1);
	pair_end(&p);
}

struct claim {
	const struct pair_geometry *geometry;
	uint32_t low, high; /* words of the header of block 15 */
	bool delivered;
};

static void claims_beyond_the_blocks_are_refused(void **state)
{
	const struct claim claims[] = {
		{ &small, 0, 0, true },
		{ &small, 236 - 4, 0, true },
		{ &small, 236 - 3, 0, false },
		{ &small, UINT32_MAX, 0, false },
		{ &small_64, 0, 0, true },
		{ &small_64, 228 - 8, 0, true },
		{ &small_64, 228 - 7, 0, false },
		{ &small_64, 1, 1, false },
		{ &small_64, UINT32_MAX - 7, UINT32_MAX, false },
	};
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(claims) / sizeof(claims[0]); n++) {
		static const uint8_t data_for_block_15[3] = { 0, 0, 15 };
		struct pair p;
		uint32_t off;

		pair_start(&p, claims[n].geometry);
		pair_bind(&p, "ep0");
		assert_int_equal(p.hi.block_size, claims[n].geometry == &small ? 236 : 228);
		off = p.hi.blocks_off + 15 * p.hi.block_size;
		pair_store(&p, &p.hi, off, claims[n].low);
		if (p.hi.header_size == 8)
			pair_store(&p, &p.hi, off + 4, claims[n].high);
		firmware_raw_control(&p.i.fw, data_for_block_15, 3);
		pair_settle(&p);
		assert_int_equal(p.f.received, claims[n].delivered);
		assert_int_equal(p.f.fw.counters.errors, !claims[n].delivered);
		pair_end(&p);
	}
}

static void blocks_that_do_not_exist_are_refused(void **state)
{
	static const uint8_t packets[4][3] = {
		{ 0, 0, 16 }, { 1, 0, 16 }, { 2, 0, 255 }, { 3, 0, 200 }
	};
	struct pair p;
	unsigned int n;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	for (n = 0; n < 4; n++)
		firmware_raw_control(&p.i.fw, packets[n], 3);
	pair_settle(&p);
	assert_int_equal(p.f.fw.counters.errors, 4);
	assert_int_equal(p.f.received, 0);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holding_keeps_blocks),
		cmocka_unit_test(all_256_blocks_fly),
		cmocka_unit_test(one_block_each_is_enough),
		cmocka_unit_test(empty_message_leaks),
		cmocka_unit_test(first_fit),
		cmocka_unit_test(releases_believe_the_header),
		cmocka_unit_test(impossible_headers_are_invalid),
		cmocka_unit_test(claims_are_believed),
		cmocka_unit_test(claims_beyond_the_blocks_are_refused),
		cmocka_unit_test(blocks_that_do_not_exist_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
