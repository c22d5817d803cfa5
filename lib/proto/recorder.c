// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a flight recorder, which another process may be writing or have left half-written.
 */
#include "proto/recorder.h"

#include <stdbool.h>
#include <stdlib.h>

struct found {
	struct recorder_entry entry;
	uint8_t dir;
};

/* Copy one entry; false if it is empty or was being written meanwhile. */
static bool read_entry(const struct recorder_entry *from, struct recorder_entry *to)
{
	uint64_t number = __atomic_load_n(&from->number, __ATOMIC_ACQUIRE);

	*to = *from;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	to->number = number;
	return number != 0 && __atomic_load_n(&from->number, __ATOMIC_RELAXED) == number;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct found *)a)->entry.number;
	uint64_t y = ((const struct found *)b)->entry.number;

	return x < y ? -1 : x > y;
}

size_t recorder_read(const struct recorder *r, struct recorder_entry *entries, uint8_t *dirs,
		     size_t max)
{
	struct found all[RECORDER_DIRECTIONS * RECORDER_ENTRIES];
	size_t count = 0, skip;

	for (unsigned int dir = 0; dir < RECORDER_DIRECTIONS; dir++)
		for (uint32_t i = 0; i < RECORDER_ENTRIES; i++) {
			all[count].dir = (uint8_t)dir;
			count += read_entry(&r->entry[dir][i], &all[count].entry);
		}
	qsort(all, count, sizeof(all[0]), by_number);
	skip = count > max ? count - max : 0;
	for (size_t i = skip; i < count; i++) {
		entries[i - skip] = all[i].entry;
		dirs[i - skip] = all[i].dir;
	}
	return count - skip;
}
