// SPDX-License-Identifier: Apache-2.0
/*
 * Input: the number of blocks less one, then one byte per operation: below 0xc0 allocate that many
 * plus one, else free the outstanding buffer of that number (modulo how many there are). A list of
 * owners shows that no block is given away twice and none is lost.
 */
#include "fuzz/fuzz.h"

#include <stdbool.h>

#include "wire/blocks.h"

#define FREE_FROM 0xc0

struct buffer {
	uint32_t first, n;
};

struct run {
	struct block_map map;
	uint32_t count;
	bool taken[LAYOUT_BLOCKS_MAX];
	struct buffer out[LAYOUT_BLOCKS_MAX];
	uint32_t outstanding;
};

static void own(struct run *r, struct buffer b, bool taken)
{
	CHECK(b.first < r->count && b.n <= r->count - b.first);
	for (uint32_t i = b.first; i < b.first + b.n; i++) {
		CHECK(r->taken[i] != taken);
		r->taken[i] = taken;
	}
}

static void allocate(struct run *r, uint32_t n)
{
	uint32_t at = 0, longest = blocks_longest(&r->map, &at);
	int first = blocks_alloc(&r->map, n);

	CHECK((first >= 0) == (longest >= n));
	if (first < 0)
		return;
	CHECK(longest > n || (uint32_t)first == at);
	r->out[r->outstanding] = (struct buffer){ (uint32_t)first, n };
	own(r, r->out[r->outstanding++], true);
}

static void give_back(struct run *r, uint32_t number)
{
	struct buffer *b;

	if (r->outstanding == 0)
		return;
	b = &r->out[number % r->outstanding];
	own(r, *b, false);
	blocks_free(&r->map, b->first, b->n);
	*b = r->out[--r->outstanding];
}

static void check_available(const struct run *r)
{
	uint32_t free = 0;

	for (uint32_t i = 0; i < r->count; i++)
		free += !r->taken[i];
	CHECK(blocks_available(&r->map) == free);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct run r = { .count = take8(&in) + 1u };

	blocks_init(&r.map, r.count);
	while (in.size > 0) {
		uint32_t op = take8(&in);

		if (op < FREE_FROM)
			allocate(&r, op + 1);
		else
			give_back(&r, op - FREE_FROM);
		check_available(&r);
	}
	while (r.outstanding > 0)
		give_back(&r, 0);
	CHECK(blocks_available(&r.map) == r.count);
	return 0;
}
