// SPDX-License-Identifier: Apache-2.0
/*
 * Input: a geometry, 32 bytes. Whatever it is, the answer is a refusal in words or a layout in
 * which everything has its place.
 */
#include "fuzz/fuzz.h"

#include "wire/layout.h"
#include "wire/ring.h"

static void check_region(const struct layout_geometry *g, const struct layout_region *r)
{
	uint64_t blocks = (uint64_t)r->block_size * r->block_count;
	uint64_t message = ring_packet_size(g->word_size == 4 ? 4 : 8);

	/* Inside what was given, and aligned. */
	CHECK(r->begin >= g->base && r->begin - g->base < r->alignment);
	CHECK(r->begin - g->base + r->total <= g->size);
	CHECK(r->begin % r->alignment == 0 && r->total % r->alignment == 0);
	CHECK(r->alignment >= 4 && r->alignment >= g->alignment);
	/* Index, index, ring, blocks: in this order, without gaps or overlaps at the end. */
	CHECK(r->rd_idx == 0 && r->wr_idx == r->alignment);
	CHECK(r->ring_data == (uint64_t)r->wr_idx + 4);
	CHECK((uint64_t)r->ring_data + r->ring_len == r->blocks_off);
	CHECK(r->blocks_off + blocks == r->total);
	CHECK(r->ring_len % 4 == 0 && r->block_size % 4 == 0 && r->block_size >= 4);
	/* A control message for each block of either side, and one more, with 4 bytes to spare. */
	CHECK((uint64_t)r->ring_len >= message * (g->blocks + g->peer_blocks + 1ul) + 4);
	CHECK(r->block_count == g->blocks && r->header_size == g->word_size);
	CHECK(r->max_payload > 0 && r->max_payload + (uint64_t)r->header_size == blocks);
	CHECK(layout_blocks_for(r, r->max_payload) == r->block_count);
	CHECK(layout_blocks_for(r, (uint64_t)r->max_payload + 1) > r->block_count);
	CHECK(layout_capacity(r, r->block_count) == r->max_payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct layout_geometry g = {
		.base = take(&in, 8),
		.size = take(&in, 8),
		.blocks = (uint32_t)take(&in, 4),
		.peer_blocks = (uint32_t)take(&in, 4),
		.alignment = (uint32_t)take(&in, 4),
		.word_size = (uint32_t)take(&in, 4),
	};
	struct layout_region r;
	char error[LAYOUT_ERROR_SIZE] = "";

	if (layout_classic(&r, &g, error) == 0) {
		CHECK(!error[0]);
		check_region(&g, &r);
	} else {
		CHECK(error[0] && strlen(error) < sizeof(error) - 1);
	}
	return 0;
}
