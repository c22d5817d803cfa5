// SPDX-License-Identifier: Apache-2.0
/*
 * Input: word size (bit 0: 8 bytes), block size (4 times this plus one), number of blocks less one,
 * the block a control message names, the header found there. A length that passes the check must
 * lie in the blocks area, all of it.
 */
#include "fuzz/fuzz.h"

#include "wire/blocks.h"

/* Touch the ends of what would be delivered: the address sanitizer knows the area's end. */
static void deliver(const uint8_t *blocks, uint32_t at, uint64_t payload)
{
	volatile uint8_t byte;

	if (payload == 0)
		return;
	byte = blocks[at];
	byte = blocks[at + payload - 1];
	(void)byte;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct layout_region r = {
		.header_size = take8(&in) & 1 ? 8 : 4,
		.block_size = (take8(&in) + 1u) * 4,
		.block_count = take8(&in) + 1u,
	};
	uint32_t first = take8(&in), at = first * r.block_size;
	uint8_t image[8];
	uint64_t payload, want;
	size_t area = (size_t)r.block_size * r.block_count;
	uint8_t *blocks;

	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = take8(&in);
	if (first >= r.block_count) {
		CHECK(!block_payload_valid(&r, first, 0));
		return 0;
	}
	/* One block of 4 bytes with an 8-byte header is no instance, and is never looked at. */
	if (area - at < r.header_size) {
		CHECK(!block_payload_valid(&r, first, 0));
		return 0;
	}
	blocks = calloc(1, area);
	CHECK(blocks);
	memcpy(blocks + at, image, r.header_size);
	in = (struct input){ image, sizeof(image) };
	want = take(&in, r.header_size);
	payload = block_header_load(blocks + at, r.header_size);
	CHECK(payload == want);
	if (block_payload_valid(&r, first, payload)) {
		CHECK(payload + r.header_size <= area - at);
		CHECK(first + layout_blocks_for(&r, payload) <= r.block_count);
		deliver(blocks, at + r.header_size, payload);
		block_header_store(blocks + at, r.header_size, (uint32_t)payload);
		CHECK(!memcmp(blocks + at, image, r.header_size));
	}
	free(blocks);
	return 0;
}
