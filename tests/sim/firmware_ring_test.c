// SPDX-License-Identifier: Apache-2.0
/*
 * How the firmware stand-in reads and writes packets: what it consumes, what stops it, and which
 * bytes of the ring it leaves alone (protocol.md sections 2 and 3).
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

static const struct pair_geometry small = { 4096, 16, 16, 32, 4, 0 };
static const uint8_t magic[13] = "Em1l1K0rn3li4";

/* Put a packet into I's ring as a peer of any kind could, and hand it to F. */
static void put(struct pair *p, uint32_t at, uint32_t length, const void *bytes)
{
	uint8_t *ring = p->memory + p->hi.begin + p->hi.ring_data;
	uint32_t k;

	ring[at] = (uint8_t)(length >> 8);
	ring[at + 1] = (uint8_t)length;
	ring[at + 2] = ring[at + 3] = 0;
	for (k = 0; k < length; k++)
		ring[(at + 4 + k) % p->hi.ring_len] = ((const uint8_t *)bytes)[k];
	pair_store(p, &p->hi, p->hi.wr_idx, (at + 4 + (length + 3) / 4 * 4) % p->hi.ring_len);
	firmware_pump(&p->f.fw);
}

struct first {
	const char *what;
	uint32_t length;
	bool is_magic;
	bool consumed, bound;
};

/* The first packet of a link: only the magic binds, anything readable is consumed. */
static void first_packets(void **state)
{
	static const struct first cases[] = {
		{ "the magic", 13, true, true, true },
		{ "a longer magic", 14, true, true, true },
		{ "the longest magic", 128, true, true, true },
		{ "a magic cut short", 12, true, true, false },
		{ "one byte", 1, false, true, false },
		{ "a control packet", 3, false, true, false },
		{ "13 other bytes", 13, false, true, false },
		{ "128 other bytes", 128, false, true, false },
		{ "129 bytes", 129, true, false, false },
		{ "256 bytes", 256, true, false, false },
		{ "no bytes", 0, true, false, false },
	};
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		uint8_t bytes[256] = { 0 };
		struct pair p;
		const struct firmware *fw = &p.f.fw;

		pair_start(&p, &small);
		memset(bytes, 0x55, sizeof(bytes));
		if (cases[n].is_magic)
			memcpy(bytes, magic, sizeof(magic));
		firmware_open(&p.f.fw);
		put(&p, 0, cases[n].length, bytes);
		if (fw->counters.packets != cases[n].consumed ||
		    (fw->link == FIRMWARE_LINK_BOUND) != cases[n].bound ||
		    fw->counters.errors != (cases[n].consumed && !cases[n].bound))
			fail_msg("%s", cases[n].what);
		/* A second magic behind it binds if the reader got that far. */
		if (cases[n].consumed && !cases[n].bound) {
			put(&p, fw->rx_rd, sizeof(magic), magic);
			assert_int_equal(fw->link, FIRMWARE_LINK_BOUND);
		}
		pair_end(&p);
	}
}

/* Each as the second packet of a bound link. */
static void control_packets_of_any_length(void **state)
{
	static const struct {
		uint8_t bytes[16];
		uint32_t length;
		unsigned int errors;
	} cases[] = {
		{ { 0x7f, 0, 0 }, 3, 0 },
		{ { 0x7e, 0, 0, 'I', 'C', 'B', 'L' }, 12, 0 },
		{ { 0x7f, 0, 0 }, 124, 0 },
		{ { 0x7f, 0, 0 }, 128, 0 },
		{ { 0x7f, 8, 0 }, 3, 1 }, /* no such endpoint, even for an unknown type */
		{ { 0 }, 1, 1 },
		{ { 0, 0 }, 2, 1 },
		{ { 1, 0, 0 }, 3, 1 }, /* nothing was sent */
		{ "Em1l1K0rn3li4", 13, 1 },
	};
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		uint8_t bytes[128] = { 0 };
		struct pair p;

		pair_start(&p, &small);
		firmware_open(&p.f.fw);
		put(&p, 0, sizeof(magic), magic);
		memcpy(bytes, cases[n].bytes, sizeof(cases[n].bytes));
		put(&p, 20, cases[n].length, bytes);
		assert_int_equal(p.f.fw.counters.packets, 2);
		assert_int_equal(p.f.fw.counters.errors, cases[n].errors);
		assert_int_equal(p.f.fw.link, FIRMWARE_LINK_BOUND);
		assert_int_equal(pair_load(&p, &p.hi, p.hi.rd_idx), p.f.fw.rx_rd);
		pair_end(&p);
	}
}

/* The reader stops at a length it cannot take and goes on when the word has been replaced. */
static void bad_lengths_stop_until_replaced(void **state)
{
	static const uint8_t release[3] = { 0x7f, 0, 0 };
	static const uint32_t bad[] = { 0, 129, 0x0303, 0xffff };
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		struct pair p;

		pair_start(&p, &small);
		firmware_open(&p.f.fw);
		put(&p, 0, sizeof(magic), magic);
		pair_store(&p, &p.hi, p.hi.ring_data + 20, bad[n] >> 8 | (bad[n] & 0xff) << 8);
		pair_store(&p, &p.hi, p.hi.wr_idx, 28);
		assert_int_equal(firmware_pump(&p.f.fw), 0);
		assert_int_equal(firmware_pump(&p.f.fw), 0);
		assert_int_equal(p.f.fw.counters.errors, 0);
		put(&p, 20, sizeof(release), release);
		assert_int_equal(p.f.fw.counters.packets, 2);
		pair_end(&p);
	}
}

/* Magics that lie across the end of the ring at every offset are read whole. */
static void packets_wrap_at_every_offset(void **state)
{
	uint32_t at;

	(void)state;
	for (at = 0; at < 284; at += 4) {
		struct pair p;

		pair_start(&p, &small);
		assert_int_equal(p.hi.ring_len, 284);
		firmware_open(&p.f.fw);
		p.f.fw.rx_rd = at;
		put(&p, at, sizeof(magic), magic);
		assert_int_equal(p.f.fw.link, FIRMWARE_LINK_BOUND);
		assert_int_equal(p.f.fw.rx_rd, (at + 20) % 284);
		pair_end(&p);
	}
}

/* A write: 7 bytes of 8, wherever it lies; padding, the free space and the blocks stay. */
static void padding_is_left_alone(void **state)
{
	static const uint8_t packet[3] = { 0x7f, 1, 2 };
	struct pair p;
	uint32_t n, k;

	(void)state;
	pair_start(&p, &small);
	memset(p.memory, 0xa5, p.size);
	pair_bind(&p, "ep0");
	for (n = 0; n < 300; n++) {
		uint8_t *ring = p.memory + p.hi.begin + p.hi.ring_data;
		uint32_t at = p.i.fw.tx_wr;
		uint8_t *expected = malloc(p.size);

		assert_non_null(expected);
		memset(ring, 0xc3, p.hi.ring_len);
		memcpy(expected, ring, p.hi.ring_len);
		for (k = 0; k < 7; k++) {
			static const uint8_t bytes[7] = { 0, 3, 0, 0, 0x7f, 1, 2 };

			expected[(at + k) % p.hi.ring_len] = bytes[k];
		}
		assert_int_equal(firmware_raw_control(&p.i.fw, packet, 3), 3);
		assert_memory_equal(ring, expected, p.hi.ring_len);
		assert_int_equal(pair_load(&p, &p.hi, p.hi.wr_idx), (at + 8) % p.hi.ring_len);
		pair_pump(&p.f);
		free(expected);
	}
	pair_end(&p);
}

/* 4 bytes stay free, and a read index that cannot be is refused, not followed. */
static void full_and_corrupted_rings_are_refused(void **state)
{
	static const uint32_t corrupted[] = { 1, 2, 283, 284, 288, 0xa5a5a5a5, UINT32_MAX };
	static const uint8_t packet[3] = { 0x7f, 0, 0 };
	struct pair p;
	unsigned int n = 0;
	uint64_t rings;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	while (firmware_raw_control(&p.i.fw, packet, 3) == 3)
		n++;
	assert_int_equal(n, (284 - 4) / 8);
	rings = p.i.fw.counters.rings;
	assert_int_equal(firmware_raw_control(&p.i.fw, packet, 3), -ENOMEM);
	assert_int_equal(firmware_send(&p.i.fw, "ep0", "x", 1), -ENOMEM);
	assert_int_equal(firmware_used_blocks(&p.i.fw), 0);
	pair_settle(&p);
	for (n = 0; n < sizeof(corrupted) / sizeof(corrupted[0]); n++) {
		pair_store(&p, &p.hi, p.hi.rd_idx, corrupted[n]);
		assert_int_equal(firmware_raw_control(&p.i.fw, packet, 3), -EINVAL);
	}
	assert_int_equal(p.i.fw.counters.rings, rings);
	pair_end(&p);
}

/* Private indices are the truth: what the peer writes into them is not read back. */
static void own_indices_are_private(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &small);
	pair_bind(&p, "ep0");
	pair_store(&p, &p.hi, p.hi.wr_idx, 4); /* I's own */
	pair_store(&p, &p.hi, p.hi.rd_idx, p.f.fw.rx_rd);
	pair_store(&p, &p.lo, p.lo.rd_idx, 0); /* I's position in F's ring */
	assert_int_equal(firmware_send(&p.i.fw, "ep0", "x", 1), 1);
	pair_settle(&p);
	assert_int_equal(p.f.received, 1);
	assert_int_equal(p.f.fw.counters.errors + p.i.fw.counters.errors, 0);
	assert_int_equal(pair_load(&p, &p.lo, p.lo.rd_idx), p.i.fw.rx_rd);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_packets),
		cmocka_unit_test(control_packets_of_any_length),
		cmocka_unit_test(bad_lengths_stop_until_replaced),
		cmocka_unit_test(packets_wrap_at_every_offset),
		cmocka_unit_test(padding_is_left_alone),
		cmocka_unit_test(full_and_corrupted_rings_are_refused),
		cmocka_unit_test(own_indices_are_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
