// SPDX-License-Identifier: Apache-2.0
/*
 * Input: word size (bit 0: 8 bytes), dcache-alignment as a power of two, blocks of this region less
 * one, of the opposite one less one, the region's size (16 bits), its bytes. Whatever these are,
 * the packets found are a chain through rd_idx, packets and buffers lie in the copy, and the region
 * itself is left alone.
 */
#include "fuzz/fuzz.h"

#include <errno.h>

#include "core/snapshot.h"
#include "wire/ring.h"

static uint64_t touched;

/* Touch the ends: the address sanitizer knows where the copy ends. */
static void touch(const uint8_t *data, uint64_t size)
{
	if (size > 0)
		touched += data[0] + data[size - 1];
}

static void check_packets(const struct snapshot_region *r)
{
	uint32_t len = r->layout.ring_len, pending = 0, at = 0;
	struct icbmsg_snapshot_packet p;
	size_t n;

	for (n = 0; snapshot_region_packet(r, n, &p) == 0; n++) {
		CHECK(r->ring.valid && p.size > 0 && p.size <= RING_PACKET_MAX);
		CHECK(p.pending == (n >= r->history));
		CHECK(n == 0 ? p.offset % 4 == 0 && p.offset < len : p.offset == at);
		CHECK(n != r->history || p.offset == r->ring.rd_idx);
		CHECK(!p.magic || !p.control);
		touch(p.data, p.size);
		at = (p.offset + ring_packet_size(p.size)) % len;
		if (p.pending)
			pending += ring_packet_size(p.size);
	}
	CHECK(n == r->count);
	CHECK(r->history == 0 || r->history < n || at == r->ring.rd_idx);
	CHECK(r->ring.damaged ? pending < r->ring.used : pending == r->ring.used);
	CHECK(!r->ring.valid || r->ring.used + r->ring.space == len - 4);
}

static void check_buffers(const struct snapshot_region *r)
{
	const uint8_t *end = r->blocks + (r->layout.total - r->layout.blocks_off);
	struct icbmsg_snapshot_buffer b;

	for (uint32_t i = 0; i < r->layout.block_count; i++) {
		if (snapshot_region_buffer(r, i, &b) < 0)
			continue;
		CHECK(b.valid == (b.data != NULL));
		if (!b.valid)
			continue;
		CHECK(b.data >= r->blocks && b.size <= (uint64_t)(end - b.data));
		touch(b.data, b.size);
	}
	CHECK(snapshot_region_buffer(r, r->layout.block_count, &b) == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct layout_geometry g = {
		.word_size = take8(&in) & 1 ? 8 : 4,
		.alignment = 1u << take8(&in) % 12,
		.blocks = take8(&in) + 1u,
		.peer_blocks = take8(&in) + 1u,
		.size = take(&in, 2),
	};
	char error[LAYOUT_ERROR_SIZE];
	struct snapshot_region r;
	struct layout_region l;
	uint8_t *memory, *before;

	if (layout_classic(&l, &g, error) < 0)
		return 0;
	memory = take_memory(&in, l.total);
	before = malloc(l.total);
	CHECK(before);
	memcpy(before, memory, l.total);
	CHECK(snapshot_region_init(&r, memory, &l, in.size % 2 ? MEM_DEVICE : MEM_NORMAL) == 0);
	CHECK(!memcmp(before, memory, l.total));
	free(memory); /* from here on only the copy */
	check_packets(&r);
	check_buffers(&r);
	snapshot_region_deinit(&r);
	free(before);
	return 0;
}
