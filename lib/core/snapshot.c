// SPDX-License-Identifier: Apache-2.0
/*
 * Looking into a link from outside, while its two sides work or after they died. Nothing is
 * written, and nothing is believed: each shared word is loaded once, into a copy, and only the copy
 * is decoded.
 */
#include "core/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "mem/memory.h"
#include "util/cleanup.h"
#include "wire/blocks.h"
#include "wire/control.h"
#include "wire/ring.h"

struct icbmsg_snapshot {
	struct snapshot_region regions[2]; /* by enum icbmsg_direction */
};

/* ------------------------------------------------------------------------------------------------
 * Packets
 */

static uint32_t advance(const struct snapshot_region *r, uint32_t at, uint32_t by)
{
	return (at + by) % r->layout.ring_len;
}

/* The payload bytes of the packet that may lie at @at; 0 if there cannot be one. */
static uint32_t packet_size(const struct snapshot_region *r, uint32_t at)
{
	const uint8_t *header = r->data + at;
	uint32_t size = (uint32_t)header[0] << 8 | header[1];

	return header[2] == 0 && header[3] == 0 && size <= RING_PACKET_MAX ? size : 0;
}

/* The same, given that it must end within the next @limit bytes; *@span is what it takes there. */
static uint32_t packet_within(const struct snapshot_region *r, uint32_t at, uint32_t limit,
			      uint32_t *span)
{
	uint32_t size = packet_size(r, at);

	*span = ring_packet_size(size);
	return *span <= limit ? size : 0;
}

/* List the packets from @at on until @limit bytes are used up; returns the bytes left over. */
static uint32_t list_packets(struct snapshot_region *r, uint32_t at, uint32_t limit)
{
	uint32_t span, size;

	while (limit > 0 && (size = packet_within(r, at, limit, &span)) > 0) {
		r->packets[r->count++] = (struct snapshot_packet){ .offset = at, .size = size };
		at = advance(r, at, span);
		limit -= span;
	}
	return limit;
}

/*
 * Consumed packets stay in the ring until the producer comes around. Where the oldest one begins
 * that is still whole is written nowhere: take the earliest place behind wr_idx from which packets
 * follow one another and end exactly at rd_idx.
 */
static int find_history(struct snapshot_region *r, uint32_t pending)
{
	uint32_t length = r->layout.ring_len - pending; /* bytes from wr_idx forward to rd_idx */
	_cleanup_(free_ptr) bool *chain = calloc(length / 4 + 1, sizeof(*chain));
	uint32_t from = length, at, span;

	if (!chain)
		return -ENOMEM;
	chain[length / 4] = true;
	for (at = length; at >= 4;) {
		at -= 4;
		if (!packet_within(r, advance(r, r->ring.wr_idx, at), length - at, &span))
			continue;
		chain[at / 4] = chain[(at + span) / 4];
		if (chain[at / 4])
			from = at;
	}
	list_packets(r, advance(r, r->ring.wr_idx, from), length - from);
	return 0;
}

static int find_packets(struct snapshot_region *r)
{
	struct icbmsg_snapshot_ring *ring = &r->ring;
	uint32_t length = r->layout.ring_len;
	int ret;

	ring->valid = ring->rd_idx % 4 == 0 && ring->rd_idx < length && ring->wr_idx % 4 == 0 &&
		      ring->wr_idx < length;
	if (!ring->valid)
		return 0;
	ring->used = (ring->wr_idx + length - ring->rd_idx) % length;
	ring->space = length - 4 - ring->used;
	ret = find_history(r, ring->used);
	if (ret < 0)
		return ret;
	r->history = r->count;
	ring->damaged = list_packets(r, ring->rd_idx, ring->used) > 0;
	return 0;
}

/* ------------------------------------------------------------------------------------------------
 * One region
 */

/* Indices before data: what they announce is then in the copy, unless it was overtaken meanwhile. */
static void copy_region(struct snapshot_region *r, const uint8_t *begin, enum mem_type type)
{
	const struct layout_region *l = &r->layout;

	r->ring.rd_idx = shm_load32_acquire(begin + l->rd_idx);
	r->ring.wr_idx = shm_load32_acquire(begin + l->wr_idx);
	shm_copy_from(r->data, begin + l->ring_data, l->ring_len, type);
	memcpy(r->data + l->ring_len, r->data, l->ring_len);
	shm_copy_from(r->blocks, begin + l->blocks_off, l->total - l->blocks_off, type);
}

int snapshot_region_init(struct snapshot_region *out, const void *begin,
			 const struct layout_region *layout, enum mem_type type)
{
	struct snapshot_region r = { .layout = *layout };
	int ret = -ENOMEM;

	r.data = malloc(2 * (size_t)layout->ring_len);
	r.blocks = malloc(layout->total - layout->blocks_off);
	/* A packet takes at least a header and a word. */
	r.packets = calloc(layout->ring_len / 8 + 1, sizeof(*r.packets));
	if (r.data && r.blocks && r.packets) {
		copy_region(&r, begin, type);
		ret = find_packets(&r);
	}
	if (ret < 0)
		snapshot_region_deinit(&r);
	else
		*out = r;
	return ret;
}

void snapshot_region_deinit(struct snapshot_region *r)
{
	free(r->data);
	free(r->blocks);
	free(r->packets);
	*r = (struct snapshot_region){ 0 };
}

int snapshot_region_packet(const struct snapshot_region *r, size_t n,
			   struct icbmsg_snapshot_packet *out)
{
	const struct snapshot_packet *p;
	struct control c = { 0 };

	if (n >= r->count)
		return -ENOENT;
	p = &r->packets[n];
	*out = (struct icbmsg_snapshot_packet){
		.offset = p->offset,
		.size = p->size,
		.pending = n >= r->history,
		.data = r->data + p->offset + RING_PACKET_HEADER,
	};
	out->magic = control_is_magic(out->data, p->size);
	if (!out->magic && control_decode(&c, out->data, p->size)) {
		out->control = true;
		out->type = c.type;
		out->ept = c.ept;
		out->block = c.block;
	}
	return 0;
}

int snapshot_region_buffer(const struct snapshot_region *r, uint32_t block,
			   struct icbmsg_snapshot_buffer *out)
{
	const struct layout_region *l = &r->layout;
	size_t offset = (size_t)block * l->block_size;
	struct icbmsg_snapshot_buffer b = { .block = block };

	/* The header of a last block that is smaller than one would lie outside. */
	if (block >= l->block_count || offset + l->header_size > l->total - l->blocks_off)
		return -ENOENT;
	b.size = block_header_load(r->blocks + offset, l->header_size);
	b.valid = block_payload_valid(l, block, b.size);
	if (b.valid)
		b.data = r->blocks + offset + l->header_size;
	*out = b;
	return 0;
}

/* ------------------------------------------------------------------------------------------------
 * Both
 */

static int init_direction(struct snapshot_region *out, const struct memory *m,
			  const struct config_region *region, const struct layout_region *layout)
{
	return snapshot_region_init(
		out, m->base + region->offset + (layout->begin - region->address), layout, m->type);
}

int snapshot_new(struct icbmsg_snapshot **out, struct icbmsg_config *cfg)
{
	_cleanup_(memory_unmap) struct memory memory = { 0 };
	char error[MEM_ERROR_SIZE];
	struct icbmsg_snapshot *s;
	struct config_values v;
	int ret;

	/* Layouts only: looking needs no doorbell. */
	ret = config_resolve(cfg, &v, true);
	if (ret < 0)
		return ret;
	if (v.memory.kind == MEMORY_NONE)
		return config_fail(cfg, -EINVAL,
				   "memory: missing; write for example memory = shm:icbmsg0");
	ret = memory_map(&memory, &v.memory, true, error);
	if (ret < 0)
		return config_fail(cfg, ret, "%s", error);
	s = calloc(1, sizeof(*s));
	ret = s ? init_direction(&s->regions[ICBMSG_TX], &memory, &v.tx, &v.tx_layout) : -ENOMEM;
	if (ret == 0)
		ret = init_direction(&s->regions[ICBMSG_RX], &memory, &v.rx, &v.rx_layout);
	if (ret < 0) {
		snapshot_free(s);
		return config_fail(cfg, ret, "not enough memory for a copy of the regions");
	}
	*out = s;
	return 0;
}

void snapshot_free(struct icbmsg_snapshot *s)
{
	if (!s)
		return;
	snapshot_region_deinit(&s->regions[ICBMSG_TX]);
	snapshot_region_deinit(&s->regions[ICBMSG_RX]);
	free(s);
}

const struct snapshot_region *snapshot_get_region(const struct icbmsg_snapshot *s,
						  enum icbmsg_direction dir)
{
	return dir == ICBMSG_TX || dir == ICBMSG_RX ? &s->regions[dir] : NULL;
}
