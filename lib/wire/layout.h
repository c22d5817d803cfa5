/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything lies in a region: the arithmetic of protocol.md section 1, for any alignment and
 * for both firmware word sizes, whatever the host is. Pure: no system calls, no allocation.
 */
#ifndef ICBMSG_WIRE_LAYOUT_H
#define ICBMSG_WIRE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_BLOCKS_MAX 256u
#define LAYOUT_ERROR_SIZE 256u

/* One direction as configured. */
struct layout_geometry {
	uint64_t base;        /* address of the region as the firmware sees it */
	uint64_t size;        /* bytes */
	uint32_t blocks;      /* L: number of blocks in this region */
	uint32_t peer_blocks; /* R: number of blocks in the opposite region */
	uint32_t alignment;   /* dcache-alignment in bytes; 0 = property absent */
	uint32_t word_size;   /* of the firmware's CPU in bytes: 4 or 8 */
};

/* One direction as it lies in memory. All offsets count in bytes from @begin. */
struct layout_region {
	uint64_t begin;      /* aligned start, an address like geometry.base */
	uint32_t total;      /* usable bytes from @begin */
	uint32_t alignment;  /* effective: max(4, dcache-alignment) */
	uint32_t rd_idx;     /* offset of the read index (always 0) */
	uint32_t wr_idx;     /* offset of the write index */
	uint32_t ring_data;  /* offset of the ring's data */
	uint32_t ring_len;   /* bytes of ring data */
	uint32_t blocks_off; /* offset of block 0 */
	uint32_t block_size; /* bytes */
	uint32_t block_count;
	uint32_t header_size; /* bytes of a buffer's length field: the word size */
	uint32_t max_payload; /* the largest message in bytes: all blocks less one header */
	/* Offset of the word in which a libicbmsg that reads this region tells its session, 0 for
	 * none: padding behind the read index, where the alignment leaves some (section 3). */
	uint32_t session_word;
};

/*
 * Compute the layout of one region of the classic generation.
 *
 * Returns 0, or -EINVAL with a sentence in @error that names the numbers; @out is written on
 * success only. Refused is what a firmware build refuses and what cannot carry a single byte.
 * Blocks that are no larger than their header pass, as firmware builds with them (conformance has
 * some): whoever opens an instance has to refuse those (section 1, "usable instance").
 */
int layout_classic(struct layout_region *out, const struct layout_geometry *in,
		   char error[LAYOUT_ERROR_SIZE]);

/*
 * Make room for a session word where the alignment leaves none, at the price of the ring's last
 * word: both ends have to do so. False if the ring is too small for that.
 */
bool layout_reserve_word(struct layout_region *r);

/* Ring bytes reserved per control message, with a word size of @word_size bytes. */
uint32_t layout_packet_size(uint32_t word_size);

/*
 * How many blocks @payload bytes take. No upper limit: compare with block_count. From 4 GiB on the
 * answer stays the same, because more than any region is enough and the sum must not wrap.
 */
static inline uint64_t layout_blocks_for(const struct layout_region *r, uint64_t payload)
{
	if (payload > UINT32_MAX)
		payload = UINT32_MAX;
	return (payload + r->header_size + r->block_size - 1) / r->block_size;
}

/* The payload that @count blocks can carry: 0 also where they do not even hold the header. */
static inline uint32_t layout_capacity(const struct layout_region *r, uint32_t count)
{
	uint32_t bytes = count * r->block_size;

	return bytes > r->header_size ? bytes - r->header_size : 0;
}

/*
 * The initiator is the side whose rx blocks lie lower than its tx blocks, in the addresses that the
 * firmware sees (protocol.md section 5).
 */
static inline int layout_is_initiator(const struct layout_region *tx,
				      const struct layout_region *rx)
{
	return rx->begin + rx->blocks_off < tx->begin + tx->blocks_off;
}

#endif
