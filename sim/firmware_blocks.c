// SPDX-License-Identifier: Apache-2.0
/*
 * The firmware's blocks: first fit, sizes kept in the headers in shared memory and believed when a
 * buffer is freed. That is Zephyr's way and its weakness: a header that changed meanwhile frees the
 * wrong number of blocks (protocol.md sections 4 and 9).
 */
#include <errno.h>

#include "firmware_internal.h"
#include "util/access.h"

/* Headers of 8 bytes may be aligned to 4 only: two words. */
static uint64_t load_header(const struct firmware *fw, const struct layout_region *r,
			    uint32_t block)
{
	const uint8_t *p = firmware_at(fw, r, r->blocks_off + block * r->block_size);
	uint64_t size = shm_load32(p);

	if (r->header_size == 8)
		size |= (uint64_t)shm_load32(p + 4) << 32;
	return size;
}

void firmware_blocks_set_header(struct firmware *fw, uint32_t block, uint32_t size)
{
	const struct layout_region *tx = &fw->config.tx;
	uint8_t *p = firmware_at(fw, tx, tx->blocks_off + block * tx->block_size);

	shm_store32(p, size);
	if (tx->header_size == 8)
		shm_store32(p + 4, 0);
}

uint8_t *firmware_blocks_payload(const struct firmware *fw, uint32_t block)
{
	const struct layout_region *tx = &fw->config.tx;

	return firmware_at(fw, tx, tx->blocks_off + block * tx->block_size + tx->header_size);
}

int firmware_blocks_index(const struct firmware *fw, const struct layout_region *r,
			  const void *payload)
{
	const uint8_t *first = firmware_at(fw, r, r->blocks_off + r->header_size);
	const uint8_t *p = payload;
	uint64_t block;

	if (p < first)
		return -EINVAL;
	block = (uint64_t)(p - first) / r->block_size;
	return block < r->block_count ? (int)block : -EINVAL;
}

/* The first @count free blocks in a row, or the whole first run if @count is 0. */
static bool find_run(const struct firmware *fw, uint64_t count, uint32_t *first, uint32_t *length)
{
	uint32_t i, run = 0;

	for (i = 0; i < fw->config.tx.block_count; i++) {
		if (!fw->used[i])
			run++;
		else if (count == 0 && run > 0)
			break;
		else
			run = 0;
		if (count != 0 && run == count) {
			i++;
			break;
		}
	}
	if (run == 0 || run < count)
		return false;
	*first = i - run;
	*length = run;
	return true;
}

/*
 * Take blocks for @size bytes. The header says at once what they can hold. Size 0 means "the most
 * there is" even to a sender of an empty message.
 */
int firmware_blocks_alloc(struct firmware *fw, uint32_t size, uint32_t *got)
{
	const struct layout_region *tx = &fw->config.tx;
	uint32_t first, count, i;

	if (!find_run(fw, size ? layout_blocks_for(tx, size) : 0, &first, &count))
		return -ENOMEM;
	for (i = first; i < first + count; i++)
		fw->used[i] = true;
	*got = layout_capacity(tx, count);
	firmware_blocks_set_header(fw, first, *got);
	return (int)first;
}

static int mark_free(struct firmware *fw, uint32_t first, uint32_t count)
{
	uint32_t i;

	if (count == 0)
		return -EFAULT;
	for (i = first; i < first + count; i++)
		if (!fw->used[i])
			return -EFAULT;
	for (i = first; i < first + count; i++)
		fw->used[i] = false;
	return 0;
}

/* How many blocks the buffer at @block has if its header is right, or -EINVAL. */
static int blocks_by_header(const struct firmware *fw, uint32_t block)
{
	const struct layout_region *tx = &fw->config.tx;
	uint64_t size;

	if (block >= tx->block_count)
		return -EINVAL;
	size = load_header(fw, tx, block);
	if (size > layout_capacity(tx, tx->block_count - block))
		return -EINVAL;
	return (int)layout_blocks_for(tx, size);
}

int firmware_blocks_release(struct firmware *fw, uint32_t block)
{
	int count = blocks_by_header(fw, block);

	return count < 0 ? count : mark_free(fw, block, (uint32_t)count);
}

/* Keep @size bytes of the buffer and free the blocks behind them. */
int firmware_blocks_shrink(struct firmware *fw, uint32_t block, uint32_t size)
{
	int count = blocks_by_header(fw, block);
	uint64_t keep = layout_blocks_for(&fw->config.tx, size);

	if (count < 0)
		return count;
	if (keep > (uint64_t)count)
		return -EINVAL;
	firmware_blocks_set_header(fw, block, size);
	if (keep == (uint64_t)count)
		return 0;
	return mark_free(fw, block + (uint32_t)keep, (uint32_t)(count - (int)keep));
}

/* The payload of a buffer that the peer announced, or NULL if it cannot be one. */
const uint8_t *firmware_blocks_received(const struct firmware *fw, uint32_t block, uint32_t *size)
{
	const struct layout_region *rx = &fw->config.rx;
	uint64_t claimed;

	if (block >= rx->block_count)
		return NULL;
	claimed = load_header(fw, rx, block);
	if (claimed > layout_capacity(rx, rx->block_count - block))
		return NULL;
	*size = (uint32_t)claimed;
	return firmware_at(fw, rx, rx->blocks_off + block * rx->block_size + rx->header_size);
}
