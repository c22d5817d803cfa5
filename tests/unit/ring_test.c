// SPDX-License-Identifier: Apache-2.0
/*
 * The packet ring: every packet length at every start index of several rings, against bytes laid
 * out here by hand; full and empty; whatever a hostile side can put into indices and lengths.
 */
#include "unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "wire/ring.h"

#define ALIGNMENT 32u
#define DATA (ALIGNMENT + 4)
#define RING_MOST 512u
#define AFTER 64u

/* A control area whose every unused byte is watched. */
struct area {
	_Alignas(64) uint8_t memory[DATA + RING_MOST + AFTER];
	uint8_t expected[DATA + RING_MOST + AFTER];
	struct ring ring;
};

static void put_word(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void area_init(struct area *a, uint32_t len)
{
	const struct layout_region layout = {
		.rd_idx = 0,
		.wr_idx = ALIGNMENT,
		.ring_data = DATA,
		.ring_len = len,
	};

	memset(a->memory, 0xa5, sizeof(a->memory));
	put_word(a->memory, 0);
	put_word(a->memory + ALIGNMENT, 0);
	memcpy(a->expected, a->memory, sizeof(a->memory));
	ring_init(&a->ring, a->memory, &layout);
}

/* As the other side would: into the memory, not through the module. */
static void set_indices(struct area *a, uint32_t rd, uint32_t wr)
{
	put_word(a->memory, rd);
	put_word(a->memory + ALIGNMENT, wr);
	put_word(a->expected, rd);
	put_word(a->expected + ALIGNMENT, wr);
}

/* Lay a packet out in the expected image byte by byte; returns the index behind it. */
static uint32_t expect_packet(struct area *a, uint32_t at, const uint8_t *packet, uint32_t len)
{
	uint8_t image[4 + RING_PACKET_MAX] = { (uint8_t)(len >> 8), (uint8_t)len };
	uint32_t size = 4 + len;

	memcpy(image + 4, packet, len);
	while (size % 4)
		image[size++] = 0;
	for (uint32_t i = 0; i < size; i++)
		a->expected[DATA + (at + i) % a->ring.len] = image[i];
	return (at + size) % a->ring.len;
}

static void check_image(const struct area *a)
{
	assert_memory_equal(a->memory, a->expected, sizeof(a->memory));
}

static void round_trip(struct area *a, uint32_t at, uint32_t len)
{
	uint8_t packet[RING_PACKET_MAX], got[RING_PACKET_MAX + 4];
	uint32_t wr = at, next = 0xdead, want;

	for (uint32_t i = 0; i < RING_PACKET_MAX; i++)
		packet[i] = (uint8_t)(len * 31 + i * 7 + 1);
	set_indices(a, at, at);
	assert_int_equal(ring_peek(&a->ring, at, at, got, &next), 0);
	assert_int_equal(next, 0xdead);
	assert_int_equal(ring_put(&a->ring, &wr, packet, len), 0);
	want = expect_packet(a, at, packet, len);
	assert_int_equal(wr, want);
	/* Nothing has been published yet. */
	check_image(a);
	ring_publish(&a->ring, wr);
	put_word(a->expected + ALIGNMENT, wr);
	check_image(a);

	memset(got, 0x5a, sizeof(got));
	assert_int_equal(ring_load_wr(&a->ring), wr);
	assert_int_equal(ring_peek(&a->ring, at, wr, got, &next), len);
	assert_int_equal(next, wr);
	assert_memory_equal(got, packet, len);
	for (uint32_t i = (len + 3) / 4 * 4; i < sizeof(got); i++)
		assert_int_equal(got[i], 0x5a);
	check_image(a);
	assert_true(ring_consume(&a->ring, *a->ring.rd_idx, next, MEM_NORMAL));
	put_word(a->expected, next);
	check_image(a);
	assert_false(ring_consume(&a->ring, next + 4, 0, MEM_NORMAL));
	assert_false(ring_consume(&a->ring, next + 4, 0, MEM_DEVICE));
	check_image(a);
}

static void test_every_offset(void **state)
{
	static const uint32_t lengths[] = { 136, 140, 256, 284, 508, 512 };
	struct area a;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		area_init(&a, lengths[i]);
		for (uint32_t at = 0; at < lengths[i]; at += 4)
			for (uint32_t len = 1; len <= RING_PACKET_MAX; len++)
				round_trip(&a, at, len);
	}
	/* The smallest ring of a layout (protocol.md section 1: W = 4, one block a side). */
	area_init(&a, 32);
	for (uint32_t at = 0; at < 32; at += 4)
		for (uint32_t len = 1; len <= 24; len++)
			round_trip(&a, at, len);
}

/* The room there is, from every reader's place, is used to the last word and no further. */
static void test_full(void **state)
{
	const uint8_t packet[RING_PACKET_MAX] = { 1, 2, 3 };
	const uint32_t len = 140;
	struct area a;

	(void)state;
	area_init(&a, len);
	for (uint32_t at = 0; at < len; at += 4)
		for (uint32_t used = 0; used < len; used += 4) {
			uint32_t rd = (at + len - used) % len;

			for (uint32_t n = 1; n <= RING_PACKET_MAX; n++) {
				uint32_t wr = at;
				bool fits = used + 4 + (n + 3) / 4 * 4 + 4 <= len;

				set_indices(&a, rd, at);
				memcpy(a.expected, a.memory, sizeof(a.memory));
				if (fits)
					expect_packet(&a, at, packet, n);
				assert_int_equal(ring_put(&a.ring, &wr, packet, n),
						 fits ? 0 : -ENOBUFS);
				assert_true(fits ? wr != rd : wr == at);
				check_image(&a);
			}
		}
}

/* What protocol.md section 1 promises: one control message per block of both sides, plus one. */
static void test_control_messages_fit(void **state)
{
	struct area a;

	(void)state;
	for (uint32_t word_size = 4; word_size <= 8; word_size += 4) {
		const struct layout_geometry g = {
			.size = 1024,
			.blocks = 5,
			.peer_blocks = 9,
			.word_size = word_size,
			.alignment = ALIGNMENT,
		};
		struct layout_region layout;
		char error[LAYOUT_ERROR_SIZE];

		assert_int_equal(layout_classic(&layout, &g, error), 0);
		area_init(&a, layout.ring_len);
		for (uint32_t at = 0; at < a.ring.len; at += 4) {
			uint32_t wr = at;

			set_indices(&a, at, at);
			for (int i = 0; i < 5 + 9 + 1; i++)
				assert_int_equal(ring_put(&a.ring, &wr, "\3\2\1", 3), 0);
		}
	}
}

static void test_many_packets_in_order(void **state)
{
	uint8_t sent[RING_PACKET_MAX], got[RING_PACKET_MAX];
	uint32_t wr = 0, rd = 0, queued = 0;
	uint32_t lengths[64], head = 0, tail = 0;
	uint64_t seed_in = 1, seed_out = 1, random = 2;
	struct area a;

	(void)state;
	area_init(&a, 284);
	for (int step = 0; step < 200000; step++) {
		if (random_below(&random, 2)) {
			uint32_t len =
				1 + random_below(&random, random_below(&random, 8) ? 8 : 128);
			uint64_t before = seed_in;

			for (uint32_t i = 0; i < len; i++)
				sent[i] = (uint8_t)next_random(&seed_in);
			if (ring_put(&a.ring, &wr, sent, len) == -ENOBUFS) {
				seed_in = before;
				continue;
			}
			ring_publish(&a.ring, wr);
			lengths[head++ % 64] = len;
			queued++;
		} else {
			uint32_t next;
			int len = ring_peek(&a.ring, rd, ring_load_wr(&a.ring), got, &next);

			assert_int_equal(len > 0, queued > 0);
			if (len == 0)
				continue;
			assert_int_equal(len, lengths[tail++ % 64]);
			for (int i = 0; i < len; i++)
				assert_int_equal(got[i], (uint8_t)next_random(&seed_out));
			rd = next;
			assert_true(ring_consume(&a.ring, *a.ring.rd_idx, rd, MEM_NORMAL));
			queued--;
		}
	}
	assert_true(head > 64);
}

static void test_bad_arguments(void **state)
{
	uint8_t packet[RING_PACKET_MAX + 1] = { 1 };
	uint32_t wr = 8;
	struct area a;

	(void)state;
	area_init(&a, 512);
	assert_int_equal(ring_put(&a.ring, &wr, packet, 0), -EMSGSIZE);
	assert_int_equal(ring_put(&a.ring, &wr, packet, RING_PACKET_MAX + 1), -EMSGSIZE);
	assert_int_equal(ring_put(&a.ring, &wr, packet, UINT32_MAX), -EMSGSIZE);
	assert_int_equal(wr, 8);
	check_image(&a);
}

static void check_hostile_reader(struct area *a, uint32_t rd)
{
	uint32_t wr = 8;

	set_indices(a, rd, 8);
	assert_false(ring_index_valid(&a->ring, rd));
	assert_int_equal(ring_put(&a->ring, &wr, "abc", 3), -EPROTO);
	assert_int_equal(wr, 8);
	/* And as a writer's index. */
	set_indices(a, 0, rd);
	assert_true(ring_is_idle(&a->ring, 0));
	check_image(a);
}

static void test_hostile_indices(void **state)
{
	const uint32_t len = 284;
	uint64_t random = 3;
	struct area a;

	(void)state;
	area_init(&a, len);
	for (uint32_t idx = 0; idx < 2000; idx++) {
		if (idx % 4 == 0 && idx < len)
			assert_true(ring_index_valid(&a.ring, idx));
		else
			check_hostile_reader(&a, idx);
	}
	for (int bit = 0; bit < 32; bit++) {
		uint32_t idx = UINT32_C(1) << bit;

		if (idx < 4 || idx >= len)
			check_hostile_reader(&a, idx);
		check_hostile_reader(&a, ~idx);
		check_hostile_reader(&a, -idx);
	}
	for (int i = 0; i < 10000; i++)
		check_hostile_reader(&a, (uint32_t)next_random(&random) | 0x10000);
}

/* Every length word that matters, with every amount of data behind it, from several places. */
static void test_hostile_lengths(void **state)
{
	const uint32_t len = 140;
	uint8_t got[RING_PACKET_MAX];
	struct area a;

	(void)state;
	area_init(&a, len);
	for (uint32_t rd = 0; rd < len; rd += 28)
		for (uint32_t available = 4; available < len; available += 4)
			for (uint32_t n = 0; n <= 0xffff; n += n < 260 ? 1 : 251) {
				uint8_t *word = a.memory + DATA + rd;
				uint32_t wr = (rd + available) % len, next = 0xdead;
				bool fits = n > 0 && n <= 128 && 4 + (n + 3) / 4 * 4 <= available;

				word[0] = (uint8_t)(n >> 8);
				word[1] = (uint8_t)n;
				assert_int_equal(ring_peek(&a.ring, rd, wr, got, &next),
						 fits ? (int)n : -EPROTO);
				assert_int_equal(next,
						 fits ? (rd + 4 + (n + 3) / 4 * 4) % len : 0xdead);
			}
}

/* The two bytes behind the length are not part of it. */
static void test_reserved_bytes(void **state)
{
	uint8_t got[RING_PACKET_MAX];
	uint32_t next;
	struct area a;

	(void)state;
	area_init(&a, 64);
	memcpy(a.memory + DATA,
	       "\0\3\xff\xff"
	       "abc\xff",
	       8);
	assert_int_equal(ring_peek(&a.ring, 0, 8, got, &next), 3);
	assert_memory_equal(got, "abc", 3);
	assert_int_equal(next, 8);
}

/* Ring exactly if the reader had nothing to do before; sleep exactly if it has nothing to do. */
static void test_doorbell_decisions(void **state)
{
	const uint32_t len = 32;
	struct area a;

	(void)state;
	area_init(&a, len);
	for (uint32_t rd = 0; rd < len; rd += 4)
		for (uint32_t before = 0; before < len; before += 4)
			for (uint32_t wr = 0; wr < len; wr += 4) {
				set_indices(&a, rd, wr);
				assert_int_equal(ring_needs_doorbell(&a.ring, before),
						 rd == before);
				assert_int_equal(ring_is_idle(&a.ring, rd), rd == wr);
				assert_int_equal(ring_is_idle(&a.ring, before), before == wr);
			}
	/* A reader's index that cannot be: not the one before, so no doorbell. */
	set_indices(&a, 5, 8);
	assert_false(ring_needs_doorbell(&a.ring, 4));
	check_image(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_offset),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_control_messages_fit),
		cmocka_unit_test(test_many_packets_in_order),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_hostile_indices),
		cmocka_unit_test(test_hostile_lengths),
		cmocka_unit_test(test_reserved_bytes),
		cmocka_unit_test(test_doorbell_decisions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
