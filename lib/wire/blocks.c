// SPDX-License-Identifier: Apache-2.0
/*
 * A free map of at most 256 blocks in four words. One block, by far the most frequent request, is
 * found by counting trailing zeros; longer runs by walking from run to run.
 */
#include "wire/blocks.h"

void blocks_init(struct block_map *m, uint32_t count)
{
	*m = (struct block_map){ 0 };
	blocks_free(m, 0, count);
}

/* The bits of the run [@first, @first + @n) that lie in its first word; @n > 0. */
static uint64_t mask_in_word(uint32_t first, uint32_t n)
{
	uint64_t bits = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);

	return bits << (first % 64);
}

/* Continue the run [*@first, *@first + *@n) at the next word. */
static void next_word(uint32_t *first, uint32_t *n)
{
	uint32_t done = 64 - *first % 64;

	*n -= done < *n ? done : *n;
	*first += done;
}

/* The first block at or behind @from whose state is @want_free; LAYOUT_BLOCKS_MAX if there is none. */
static uint32_t find(const struct block_map *m, uint32_t from, bool want_free)
{
	while (from < LAYOUT_BLOCKS_MAX) {
		uint64_t word = want_free ? m->free[from / 64] : ~m->free[from / 64];

		word &= ~UINT64_C(0) << (from % 64);
		if (word)
			return from / 64 * 64 + (uint32_t)__builtin_ctzll(word);
		from = (from / 64 + 1) * 64;
	}
	return LAYOUT_BLOCKS_MAX;
}

int blocks_alloc(struct block_map *m, uint32_t n)
{
	uint32_t first = find(m, 0, true);

	while (first < LAYOUT_BLOCKS_MAX) {
		uint32_t end = n == 1 ? first + 1 : find(m, first, false);

		if (end - first >= n) {
			blocks_take(m, first, n);
			return (int)first;
		}
		first = find(m, end, true);
	}
	return -1;
}

uint32_t blocks_longest(const struct block_map *m, uint32_t *first)
{
	uint32_t best = 0;
	uint32_t at = find(m, 0, true);

	while (at < LAYOUT_BLOCKS_MAX) {
		uint32_t end = find(m, at, false);

		if (end - at > best) {
			best = end - at;
			*first = at;
		}
		at = find(m, end, true);
	}
	return best;
}

void blocks_take(struct block_map *m, uint32_t first, uint32_t n)
{
	for (; n > 0; next_word(&first, &n))
		m->free[first / 64] &= ~mask_in_word(first, n);
}

void blocks_free(struct block_map *m, uint32_t first, uint32_t n)
{
	for (; n > 0; next_word(&first, &n))
		m->free[first / 64] |= mask_in_word(first, n);
}

uint32_t blocks_available(const struct block_map *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < BLOCKS_WORDS; i++)
		n += (uint32_t)__builtin_popcountll(m->free[i]);
	return n;
}

uint64_t block_header_load(const void *block, uint32_t header_size)
{
	const uint32_t *word = block;
	uint64_t low = shm_load32(&word[0]);

	return header_size == 8 ? (uint64_t)shm_load32(&word[1]) << 32 | low : low;
}

void block_header_store(void *block, uint32_t header_size, uint32_t payload)
{
	uint32_t *word = block;

	shm_store32(&word[0], payload);
	if (header_size == 8)
		shm_store32(&word[1], 0);
}
