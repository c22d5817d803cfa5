/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation of consecutive blocks, and the buffer header in front of a payload (protocol.md
 * section 1). The map is plain data in private memory: which blocks of our region are free is our
 * knowledge alone (section 4).
 */
#ifndef ICBMSG_WIRE_BLOCKS_H
#define ICBMSG_WIRE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/access.h"
#include "wire/layout.h"

#define BLOCKS_WORDS (LAYOUT_BLOCKS_MAX / 64)

/* Bit n set = block n is free. */
struct block_map {
	uint64_t free[BLOCKS_WORDS];
};

/* Mark blocks 0 to @count - 1 free, the rest not available. */
void blocks_init(struct block_map *m, uint32_t count);

/* First fit of @n > 0 consecutive free blocks: the first one's index, or -1 if there is no such run. */
int blocks_alloc(struct block_map *m, uint32_t n);

/* The longest free run (the first of several): its length, 0 if none; *@first is written if there is. */
uint32_t blocks_longest(const struct block_map *m, uint32_t *first);

/* Take the blocks @first to @first + @n - 1, which must be free. */
void blocks_take(struct block_map *m, uint32_t first, uint32_t n);

/* Give them back; they must not be free. */
void blocks_free(struct block_map *m, uint32_t first, uint32_t n);

/* Number of free blocks. */
uint32_t blocks_available(const struct block_map *m);

/*
 * Read a buffer's header at the start of its first block: the payload length in bytes, as the other
 * side wrote it (to be checked). 8-byte headers are read as two words.
 */
uint64_t block_header_load(const void *block, uint32_t header_size);

/* Write a buffer's header. */
void block_header_store(void *block, uint32_t header_size, uint32_t payload);

/*
 * May a received buffer that starts at block @first carry @payload bytes? It must end within the
 * blocks area (protocol.md section 4).
 */
static inline bool block_payload_valid(const struct layout_region *r, uint32_t first,
				       uint64_t payload)
{
	return first < r->block_count && payload <= UINT32_MAX &&
	       payload + r->header_size <= (uint64_t)(r->block_count - first) * r->block_size;
}

#endif
