// SPDX-License-Identifier: Apache-2.0
/*
 * The corners of the firmware stand-in that no recorded scenario visits: errors, limits,
 * endpoints in hostile memory, and callbacks that send. Blocks and rings have tests of their own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "payload.h"

static const struct pair_geometry small = { 4096, 16, 16, 32, 4, 0 };

static void errors_are_zephyrs(void **state)
{
	struct pair p;
	struct firmware *fw = &p.i.fw;
	uint32_t got;
	void *data;

	(void)state;
	pair_start(&p, &small);
	assert_int_equal(firmware_send(fw, "ep0", "x", 1), -ENOENT);
	assert_int_equal(firmware_raw_control(fw, "abc", 3), -EBUSY);
	assert_false(firmware_step(fw));
	assert_int_equal(firmware_deregister(fw, "ep0"), -ENOENT);
	assert_int_equal(firmware_register(fw, ""), -EINVAL);
	pair_bind(&p, "ep0");
	assert_int_equal(firmware_open(fw), -EALREADY);
	assert_int_equal(firmware_register(fw, "ep0"), -EALREADY);
	assert_int_equal(firmware_send(fw, "ep1", "x", 1), -ENOENT);
	assert_int_equal(firmware_alloc(fw, p.hi.max_payload + 1, &data, &got), -ENOMEM);
	assert_int_equal(firmware_alloc(fw, p.hi.max_payload, &data, &got), 0);
	assert_int_equal(got, p.hi.max_payload);
	assert_int_equal(firmware_send(fw, "ep0", "x", 1), -ENOMEM);
	assert_int_equal(firmware_send_nocopy(fw, "ep0", data, got + 1), -EINVAL);
	assert_int_equal(firmware_send_nocopy(fw, "ep1", data, 1), -ENOENT);
	assert_int_equal(firmware_send_nocopy(fw, "ep0", p.memory, 1), -EINVAL);
	assert_int_equal(firmware_drop(fw, data), 0);
	assert_int_equal(firmware_drop(fw, data), -EFAULT);
	assert_int_equal(firmware_release(fw, p.memory), -EINVAL);
	pair_end(&p);
}

static void num_ep_has_limits(void **state)
{
	static const struct pair_geometry most = { 0x20000, 256, 256, 64, 8, 254 };
	struct firmware_config config = { .num_ep = 255 };
	struct pair p;
	char name[16];
	int n;

	(void)state;
	pair_start(&p, &most);
	config.map = p.memory;
	config.tx = p.lo;
	config.rx = p.hi;
	assert_int_equal(firmware_init(&p.f.fw, &config), -EINVAL);
	firmware_open(&p.f.fw);
	firmware_open(&p.i.fw);
	for (n = 0; n < 254; n++) {
		snprintf(name, sizeof(name), "endpoint%d", n);
		assert_int_equal(firmware_register(n % 2 ? &p.f.fw : &p.i.fw, name), 0);
		assert_int_equal(firmware_register(n % 2 ? &p.i.fw : &p.f.fw, name), 0);
	}
	assert_int_equal(firmware_register(&p.i.fw, "more"), -ENOMEM);
	pair_settle(&p);
	assert_int_equal(p.f.bound, 254);
	assert_int_equal(p.i.bound, 254);
	assert_int_equal(firmware_send(&p.f.fw, "endpoint253", "x", 1), 1);
	pair_settle(&p);
	assert_int_equal(p.i.received, 1);
	assert_int_equal(p.f.fw.counters.errors + p.i.fw.counters.errors, 0);
	pair_end(&p);
}

/* A build with fewer endpoints drops what lies beyond, and its peer's blocks are gone. */
static void addresses_beyond_num_ep_leak(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	assert_int_equal(firmware_raw_data(&p.i.fw, 8, "x", 1, 0), 1);
	assert_int_equal(firmware_raw_data(&p.i.fw, 7, "x", 1, 0), 1);
	pair_settle(&p);
	assert_int_equal(p.f.fw.counters.errors, 2);
	assert_int_equal(p.f.received, 0);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 2);
	pair_end(&p);
}

static void one_packet_per_step(void **state)
{
	struct pair p;
	int n;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	p.f.hold = true;
	for (n = 0; n < 3; n++)
		firmware_send(&p.i.fw, "ep0", "abc", 3);
	for (n = 0; n < 3; n++) {
		uint32_t rd = pair_load(&p, &p.hi, p.hi.rd_idx);

		assert_int_equal(p.f.received, n);
		assert_true(firmware_step(&p.f.fw));
		assert_int_equal(pair_load(&p, &p.hi, p.hi.rd_idx), rd + 8);
	}
	assert_false(firmware_step(&p.f.fw));
	assert_int_equal(p.f.received, 3);
	pair_end(&p);
}

/* An initiator takes no announcements. */
static void initiators_are_not_announced_to(void **state)
{
	static const uint8_t announce[3] = { 2, 1, 0 };
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	memcpy(p.memory + p.lo.begin + p.lo.blocks_off + p.lo.header_size, "ep1", 4);
	assert_int_equal(firmware_raw_control(&p.f.fw, announce, 3), 3);
	pair_settle(&p);
	assert_int_equal(p.i.fw.counters.errors, 1);
	assert_int_equal(p.i.bound, 1);
	pair_end(&p);
}

/* Hostile memory may have a name without end: nothing beyond the region is read. */
static void unterminated_names_end_with_the_region(void **state)
{
	/* Blocks of 12 bytes: 8 for a name. I's region ends the memory. */
	static const struct pair_geometry tiny = { 480, 16, 16, 0, 4, 0 };
	static const uint8_t announce[3] = { 2, 1, 15 };
	static const struct {
		char bytes[9]; /* of which 8 lie in block 15, the last one */
		const char *endpoint;
		bool bound;
	} names[] = {
		{ "exactly8", "exactly8", true },   { "exactly8", "exactly", false },
		{ "exactly8", "exactly88", false }, { "exactly", "exactly", true },
		{ "exactly", "exactly8", false },   { "", "exactly8", false },
	};
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct pair p;

		pair_start(&p, &tiny);
		assert_int_equal(p.hi.block_size, 12);
		pair_bind(&p, "ep0");
		memcpy(p.memory + p.size - 8, names[n].bytes, 8);
		assert_int_equal(firmware_register(&p.f.fw, names[n].endpoint), 0);
		firmware_raw_control(&p.i.fw, announce, 3);
		pair_pump(&p.f);
		assert_int_equal(p.f.bound, 1 + names[n].bound);
		pair_end(&p);
	}
}

/* An announcement waits, unreleased, until its endpoint is registered: 16 of them do. */
static void announcements_are_parked(void **state)
{
	static const struct pair_geometry geometry = { 4096, 16, 16, 32, 4, 16 };
	struct pair p;
	char name[8];
	int n;

	(void)state;
	pair_start(&p, &geometry);
	firmware_open(&p.f.fw);
	firmware_open(&p.i.fw);
	for (n = 0; n < 16; n++) {
		snprintf(name, sizeof(name), "ep%d", n);
		assert_int_equal(firmware_register(&p.i.fw, name), 0);
	}
	pair_settle(&p);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 16);
	assert_int_equal(p.f.bound, 0);
	for (n = 15; n >= 0; n--) {
		snprintf(name, sizeof(name), "ep%d", n);
		assert_int_equal(firmware_register(&p.f.fw, name), 0);
		assert_int_equal(firmware_find(&p.f.fw, name)->address, n);
		pair_settle(&p);
		assert_int_equal(firmware_used_blocks(&p.i.fw), n);
		assert_int_equal(p.i.bound, 16 - n);
	}
	pair_end(&p);
}

/* No block for the name, or no room in the ring: the endpoint is dead, nothing tries again. */
static void failed_announcement_is_final(void **state)
{
	struct pair p;
	void *all;
	uint32_t size;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	firmware_alloc(&p.i.fw, 0, &all, &size);
	assert_int_equal(firmware_register(&p.i.fw, "ep1"), 0);
	assert_int_equal(firmware_find(&p.i.fw, "ep1")->state, FIRMWARE_EPT_NONE);
	firmware_drop(&p.i.fw, all);
	assert_int_equal(firmware_register(&p.i.fw, "ep1"), -EALREADY);
	pair_settle(&p);
	assert_int_equal(p.i.bound, 1);
	pair_end(&p);
}

/* Data may come before the answer to an announcement, and is one. */
static void data_binds_the_initiator(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	firmware_register(&p.i.fw, "ep1");
	assert_int_equal(firmware_find(&p.i.fw, "ep1")->state, FIRMWARE_EPT_BOUNDING);
	assert_int_equal(firmware_raw_data(&p.f.fw, 1, "early", 5, 0), 5);
	pair_settle(&p);
	assert_int_equal(p.i.bound, 2);
	assert_int_equal(p.i.received, 1);
	pair_end(&p);
}

static void echo(struct pair_side *side, const char *name, const void *data, uint32_t size)
{
	assert_int_equal(firmware_send(&side->fw, name, data, size), size);
}

static void callbacks_may_send(void **state)
{
	struct pair p;
	unsigned int n;

	(void)state;
	pair_start(&p, &small);
	p.f.on_message = echo;
	pair_bind(&p, "ep0");
	for (n = 1; n <= 1000; n++) {
		uint8_t message[777];
		uint32_t size = n % sizeof(message) + 1;

		payload_fill(message, size, n, 1);
		assert_int_equal(firmware_send(&p.i.fw, "ep0", message, size), size);
		pair_settle(&p);
		assert_int_equal(p.i.received, n);
		assert_int_equal(p.i.size[(n - 1) % PAIR_RECORDED], size);
		assert_memory_equal(p.i.data[(n - 1) % PAIR_RECORDED], message, size);
	}
	assert_int_equal(p.f.fw.counters.errors + p.i.fw.counters.errors, 0);
	assert_int_equal(firmware_used_blocks(&p.f.fw) + firmware_used_blocks(&p.i.fw), 0);
	pair_end(&p);
}

static void reports_need_room(void **state)
{
	struct pair p;
	char text[4096];
	int length;

	(void)state;
	pair_start(&p, &small);
	length = firmware_report(&p.f.fw, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	assert_int_equal(firmware_report(&p.f.fw, text, (size_t)length), -ENOSPC);
	assert_int_equal(firmware_report(&p.f.fw, text, (size_t)length + 1), length);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_zephyrs),
		cmocka_unit_test(num_ep_has_limits),
		cmocka_unit_test(addresses_beyond_num_ep_leak),
		cmocka_unit_test(one_packet_per_step),
		cmocka_unit_test(initiators_are_not_announced_to),
		cmocka_unit_test(unterminated_names_end_with_the_region),
		cmocka_unit_test(announcements_are_parked),
		cmocka_unit_test(failed_announcement_is_final),
		cmocka_unit_test(data_binds_the_initiator),
		cmocka_unit_test(callbacks_may_send),
		cmocka_unit_test(reports_need_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
