// SPDX-License-Identifier: Apache-2.0
/*
 * Copies to and from device memory, in naturally aligned accesses of at most 32 bits.
 *
 * The shared side decides the alignment; the private side is reached through memcpy of a word,
 * which compiles to a plain access there. Volatile keeps the compiler from turning a loop back into
 * memcpy.
 */
#include "util/access.h"

#define WORD sizeof(uint32_t)

static size_t bytes_to_alignment(const void *p, size_t n)
{
	size_t lead = (WORD - (uintptr_t)p % WORD) % WORD;

	return lead < n ? lead : n;
}

void shm_copy_to_device(void *dst, const void *src, size_t n)
{
	volatile uint8_t *d = dst;
	const uint8_t *s = src;
	size_t lead = bytes_to_alignment(dst, n);

	n -= lead;
	while (lead--)
		*d++ = *s++;
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD) {
		uint32_t w;

		memcpy(&w, s, WORD);
		*(volatile shm_word *)(uintptr_t)d = w;
	}
	while (n--)
		*d++ = *s++;
}

void shm_copy_from_device(void *dst, const void *src, size_t n)
{
	const volatile uint8_t *s = src;
	uint8_t *d = dst;
	size_t lead = bytes_to_alignment(src, n);

	n -= lead;
	while (lead--)
		*d++ = *s++;
	for (; n >= WORD; n -= WORD, d += WORD, s += WORD) {
		uint32_t w = *(const volatile shm_word *)(uintptr_t)s;

		memcpy(d, &w, WORD);
	}
	while (n--)
		*d++ = *s++;
}
