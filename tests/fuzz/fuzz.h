/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share: reading numbers off the input, which are zero once it has ended, and
 * a check that is there in every build.
 */
#ifndef ICBMSG_TESTS_FUZZ_H
#define ICBMSG_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint8_t take8(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

/* @bytes little-endian bytes */
static inline uint64_t take(struct input *in, uint32_t bytes)
{
	uint64_t v = 0;

	for (uint32_t i = 0; i < bytes; i++)
		v |= (uint64_t)take8(in) << (8 * i);
	return v;
}

/* A copy of exactly @size bytes: what is missing in the input is zero. */
static inline void *take_memory(struct input *in, size_t size)
{
	uint8_t *memory = calloc(1, size ? size : 1);
	size_t n = in->size < size ? in->size : size;

	CHECK(memory);
	if (n)
		memcpy(memory, in->data, n);
	in->data += n;
	in->size -= n;
	return memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
