// SPDX-License-Identifier: Apache-2.0
/*
 * The classic layout. The firmware computes it at build time in macros; the order of roundings here
 * is protocol.md section 1, judged by the recorded layouts in tests/conformance.
 */
#include "wire/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#define CONTROL_SIZE 3u  /* bytes of a control message */
#define PACKET_HEADER 4u /* bytes of a ring packet's header */
#define INDEX_SIZE 4u
#define MIN_ALIGNMENT 4u
#define MIN_BLOCK_SIZE 4u
#define MIN_RING 32u      /* the smallest that a layout can have */
#define SPARE_MESSAGES 2u /* control messages the ring holds beyond one per block */

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static uint64_t round_down(uint64_t v, uint64_t to)
{
	return v / to * to;
}

static uint32_t effective_alignment(const struct layout_geometry *in)
{
	return in->alignment > MIN_ALIGNMENT ? in->alignment : MIN_ALIGNMENT;
}

static int refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, LAYOUT_ERROR_SIZE, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int check_numbers(const struct layout_geometry *in, char *error)
{
	if (in->word_size != 4 && in->word_size != 8)
		return refuse(error, "word size %" PRIu32 " is neither 4 nor 8 bytes",
			      in->word_size);
	if (in->alignment & (in->alignment - 1))
		return refuse(error, "dcache-alignment %" PRIu32 " is not a power of two",
			      in->alignment);
	if (in->blocks < 1 || in->blocks > LAYOUT_BLOCKS_MAX)
		return refuse(error, "%" PRIu32 " blocks: a region has 1 to %u", in->blocks,
			      LAYOUT_BLOCKS_MAX);
	if (in->peer_blocks < 1 || in->peer_blocks > LAYOUT_BLOCKS_MAX)
		return refuse(error, "%" PRIu32 " blocks in the opposite region: it has 1 to %u",
			      in->peer_blocks, LAYOUT_BLOCKS_MAX);
	if (in->size > UINT32_MAX)
		return refuse(error,
			      "region of %" PRIu64 " bytes is too large: at most %" PRIu32 " bytes",
			      in->size, UINT32_MAX);
	if (in->base > UINT64_MAX - in->size - effective_alignment(in))
		return refuse(error,
			      "region at 0x%" PRIx64 " of %" PRIu64 " bytes with "
			      "dcache-alignment %" PRIu32
			      " reaches the end of the 64-bit addresses",
			      in->base, in->size, in->alignment);
	return 0;
}

uint32_t layout_packet_size(uint32_t word_size)
{
	return (uint32_t)round_up(CONTROL_SIZE, word_size) + PACKET_HEADER;
}

int layout_classic(struct layout_region *out, const struct layout_geometry *in,
		   char error[LAYOUT_ERROR_SIZE])
{
	uint32_t align = effective_alignment(in);
	uint64_t begin, end, total, msg, ring_min, block_size, blocks_off;
	int ret;

	ret = check_numbers(in, error);
	if (ret < 0)
		return ret;

	begin = round_up(in->base, align);
	end = round_down(in->base + in->size, align);
	total = end > begin ? end - begin : 0;
	msg = layout_packet_size(in->word_size);
	ring_min = round_up((align + INDEX_SIZE) + SPARE_MESSAGES * msg +
				    msg * (in->blocks + in->peer_blocks),
			    align);
	block_size = total > ring_min ? round_down((total - ring_min) / in->blocks, 4) : 0;
	if (block_size < MIN_BLOCK_SIZE)
		return refuse(error,
			      "region of %" PRIu64
			      " usable bytes is too small: the ring for %" PRIu32 " + %" PRIu32
			      " blocks takes %" PRIu64 " bytes, and each block at least %u",
			      total, in->blocks, in->peer_blocks, ring_min, MIN_BLOCK_SIZE);
	blocks_off = total - block_size * in->blocks;
	if (block_size * in->blocks <= in->word_size)
		return refuse(error,
			      "%" PRIu32 " blocks of %" PRIu64
			      " bytes hold no payload behind a header of %" PRIu32 " bytes",
			      in->blocks, block_size, in->word_size);

	*out = (struct layout_region){
		.begin = begin,
		.total = (uint32_t)total,
		.alignment = align,
		.rd_idx = 0,
		.wr_idx = align,
		.ring_data = align + INDEX_SIZE,
		.ring_len = (uint32_t)(blocks_off - align - INDEX_SIZE),
		.blocks_off = (uint32_t)blocks_off,
		.block_size = (uint32_t)block_size,
		.block_count = in->blocks,
		.header_size = in->word_size,
		.max_payload = (uint32_t)(block_size * in->blocks - in->word_size),
		.session_word = align > INDEX_SIZE ? INDEX_SIZE : 0,
	};
	return 0;
}

bool layout_reserve_word(struct layout_region *r)
{
	if (r->session_word)
		return true;
	if (r->ring_len < MIN_RING + 4)
		return false;
	r->ring_len -= 4;
	r->session_word = r->ring_data + r->ring_len;
	return true;
}
