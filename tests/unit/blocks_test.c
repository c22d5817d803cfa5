// SPDX-License-Identifier: Apache-2.0
/*
 * The block map against a model too simple to be wrong (an array of bool), headers of both widths,
 * and the check of what the other side writes there.
 */
#include "unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include "wire/blocks.h"

struct model {
	bool free[LAYOUT_BLOCKS_MAX];
	uint32_t count;
};

static uint32_t model_run(const struct model *m, uint32_t first)
{
	uint32_t n = 0;

	while (first + n < m->count && m->free[first + n])
		n++;
	return n;
}

static int model_first_fit(const struct model *m, uint32_t n)
{
	for (uint32_t first = 0; first < m->count; first++)
		if (model_run(m, first) >= n)
			return (int)first;
	return -1;
}

static void model_set(struct model *m, uint32_t first, uint32_t n, bool free)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(m->free[first + i], !free);
		m->free[first + i] = free;
	}
}

static void check_same(const struct model *m, const struct block_map *map)
{
	uint32_t free = 0, longest = 0, at = 0, first = 0xdead;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++) {
		bool is_free = map->free[i / 64] >> (i % 64) & 1;

		assert_int_equal(is_free, i < m->count && m->free[i]);
		free += is_free;
		if (model_run(m, i) > longest) {
			longest = model_run(m, i);
			at = i;
		}
	}
	assert_int_equal(blocks_available(map), free);
	assert_int_equal(blocks_longest(map, &first), longest);
	assert_int_equal(first, longest > 0 ? at : 0xdead);
}

struct buffer {
	uint32_t first, n;
};

struct run {
	struct model model;
	struct block_map map;
	struct buffer out[LAYOUT_BLOCKS_MAX];
	uint32_t outstanding;
	uint64_t random;
};

static void allocate(struct run *r)
{
	uint32_t most = random_below(&r->random, 4) ? 3 : r->model.count + 2;
	uint32_t n = 1 + random_below(&r->random, most);
	int want = model_first_fit(&r->model, n);

	assert_int_equal(blocks_alloc(&r->map, n), want);
	if (want < 0)
		return;
	model_set(&r->model, (uint32_t)want, n, false);
	r->out[r->outstanding++] = (struct buffer){ (uint32_t)want, n };
}

/* Give all of a buffer back, or, as shrinking does, its end. */
static void give_back(struct run *r)
{
	struct buffer *b = &r->out[random_below(&r->random, r->outstanding)];
	uint32_t keep = random_below(&r->random, 3) ? 0 : random_below(&r->random, b->n);

	model_set(&r->model, b->first + keep, b->n - keep, true);
	blocks_free(&r->map, b->first + keep, b->n - keep);
	b->n = keep;
	if (keep == 0)
		*b = r->out[--r->outstanding];
}

static void random_operations(uint32_t count, uint64_t seed)
{
	struct run r = { .model.count = count, .random = seed };

	for (uint32_t i = 0; i < count; i++)
		r.model.free[i] = true;
	blocks_init(&r.map, count);
	check_same(&r.model, &r.map);
	for (int step = 0; step < 4000; step++) {
		if (r.outstanding == 0 || random_below(&r.random, 2))
			allocate(&r);
		else
			give_back(&r);
		check_same(&r.model, &r.map);
	}
}

static void test_random_operations(void **state)
{
	static const uint32_t counts[] = { 1, 2, 16, 63, 64, 65, 127, 128, 255, 256 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		random_operations(counts[i], i);
}

/* Every run of every length at every place. */
static void test_all_runs(void **state)
{
	(void)state;
	for (uint32_t first = 0; first < 256; first++) {
		for (uint32_t n = 1; first + n <= 256; n++) {
			struct block_map map, full;
			uint32_t at = 999;

			blocks_init(&full, 256);
			map = full;
			blocks_take(&map, first, n);
			assert_int_equal(blocks_available(&map), 256 - n);
			blocks_free(&map, first, n);
			assert_memory_equal(&map, &full, sizeof(map));
			blocks_take(&map, 0, 256);
			assert_int_equal(blocks_longest(&map, &at), 0);
			assert_int_equal(at, 999);
			assert_int_equal(blocks_alloc(&map, 1), -1);
			blocks_free(&map, first, n);
			assert_int_equal(blocks_longest(&map, &at), n);
			assert_int_equal(at, first);
			assert_int_equal(blocks_alloc(&map, n + 1), -1);
			assert_int_equal(blocks_alloc(&map, n), first);
			assert_int_equal(blocks_available(&map), 0);
		}
	}
}

static void test_first_fit(void **state)
{
	struct block_map map;

	(void)state;
	blocks_init(&map, 16);
	assert_int_equal(blocks_alloc(&map, 17), -1);
	assert_int_equal(blocks_alloc(&map, UINT32_MAX), -1);
	for (int i = 0; i < 16; i++)
		assert_int_equal(blocks_alloc(&map, 1), i);
	assert_int_equal(blocks_alloc(&map, 1), -1);
	/* Holes of 1, 3 and 2: two blocks go into the hole of three, because it comes first. */
	blocks_free(&map, 2, 1);
	blocks_free(&map, 5, 3);
	blocks_free(&map, 12, 2);
	assert_int_equal(blocks_alloc(&map, 2), 5);
	assert_int_equal(blocks_alloc(&map, 2), 12);
	assert_int_equal(blocks_alloc(&map, 2), -1);
	assert_int_equal(blocks_alloc(&map, 1), 2);
	assert_int_equal(blocks_alloc(&map, 1), 7);
}

/* 8-byte headers may be aligned to 4 only (protocol.md section 9). */
static void test_headers(void **state)
{
	_Alignas(8) uint8_t memory[24];
	static const uint8_t image[8] = { 0x78, 0x56, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x89 };

	(void)state;
	for (uint32_t at = 4; at <= 12; at += 4) {
		memset(memory, 0xa5, sizeof(memory));
		memcpy(memory + at, image, sizeof(image));
		assert_int_equal(block_header_load(memory + at, 4), 0x12345678);
		assert_true(block_header_load(memory + at, 8) == UINT64_C(0x89abcdef12345678));
		for (uint32_t size = 4; size <= 8; size += 4) {
			const uint8_t want[8] = { 0x0d, 0x0c, 0x0b, 0xfa };

			memset(memory, 0xa5, sizeof(memory));
			block_header_store(memory + at, size, 0xfa0b0c0d);
			assert_memory_equal(memory + at, want, size);
			assert_true(block_header_load(memory + at, size) == 0xfa0b0c0d);
			for (uint32_t i = 0; i < sizeof(memory); i++)
				if (i < at || i >= at + size)
					assert_int_equal(memory[i], 0xa5);
		}
	}
}

static bool fits(uint64_t payload, uint32_t header, uint64_t room)
{
	uint64_t end;

	return !__builtin_add_overflow(payload, header, &end) && end <= room;
}

static void check_payloads(const struct layout_region *r, uint32_t first)
{
	const uint64_t interesting[] = {
		0,
		1,
		r->block_size,
		r->max_payload,
		(uint64_t)r->max_payload + 1,
		UINT32_MAX - 8,
		UINT32_MAX - 4,
		UINT32_MAX,
		UINT64_C(0x100000000),
		UINT64_MAX - 8,
		UINT64_MAX - 7,
		UINT64_MAX - 4,
		UINT64_MAX - 3,
		UINT64_MAX,
	};
	uint64_t room =
		first < r->block_count ? (uint64_t)(r->block_count - first) * r->block_size : 0;

	for (size_t i = 0; i < sizeof(interesting) / sizeof(interesting[0]); i++)
		assert_int_equal(block_payload_valid(r, first, interesting[i]),
				 fits(interesting[i], r->header_size, room));
	for (uint64_t d = 0; d < 64 && d <= room; d++) {
		uint64_t payload = room - d;

		assert_int_equal(block_payload_valid(r, first, payload),
				 fits(payload, r->header_size, room));
	}
}

static void test_payload_check(void **state)
{
	static const uint32_t sizes[] = { 4, 8, 12, 236, 4096, 0x00fffff8, 0xfffffff0 };
	static const uint32_t counts[] = { 1, 2, 16, 255, 256 };

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
			for (uint32_t header = 4; header <= 8; header += 4) {
				struct layout_region r = {
					.block_size = sizes[s],
					.block_count = counts[c],
					.header_size = header,
				};

				if ((uint64_t)sizes[s] * counts[c] > UINT32_MAX)
					continue;
				r.max_payload = layout_capacity(&r, counts[c]);
				for (uint32_t first = 0; first < 260; first++)
					check_payloads(&r, first);
				check_payloads(&r, UINT32_MAX);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations), cmocka_unit_test(test_all_runs),
		cmocka_unit_test(test_first_fit),         cmocka_unit_test(test_headers),
		cmocka_unit_test(test_payload_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
