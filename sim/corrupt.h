/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes random bytes into two regions that others are using: what hostile or broken firmware, or a
 * wrong memory map, does to a link.
 */
#ifndef ICBMSG_SIM_CORRUPT_H
#define ICBMSG_SIM_CORRUPT_H

#include <stdint.h>

#include "geometry.h"
#include "wire/layout.h"

enum corrupt_what {
	CORRUPT_INDICES,
	CORRUPT_RINGS,
	CORRUPT_HEADERS,
	CORRUPT_PAYLOAD,
	CORRUPT_KINDS
};

#define CORRUPT_ALL ((1u << CORRUPT_KINDS) - 1)
#define CORRUPT_RATE_DEFAULT 200u
#define CORRUPT_RATE_MAX 1000000u

struct corrupt_counts {
	uint64_t writes[CORRUPT_KINDS];
};

struct corrupt {
	uint8_t *map; /* NULL: not open */
	uint64_t map_size;
	struct layout_region region[2]; /* begin = offset in @map */
	unsigned int what;              /* bits of enum corrupt_what */
	uint64_t random;
	int64_t step;  /* ns between two writes; 0: stopped */
	int64_t due;   /* when the next one is */
	int64_t last;  /* when some were made */
	int64_t until; /* when it stops by itself */
	struct corrupt_counts counts;
};

/*
 * Map @fd, which holds regions laid out as @g says. 0, or -1, having said why; corrupt_close() in
 * both cases.
 */
int corrupt_open(struct corrupt *c, int fd, const struct geometry *g);
void corrupt_close(struct corrupt *c);

/* Begin at @now with @rate writes a second, from 1 to CORRUPT_RATE_MAX, for @length_ns (0: ever). */
void corrupt_start(struct corrupt *c, uint64_t rate, int64_t length_ns, int64_t now);
void corrupt_stop(struct corrupt *c);

/* Write what is due at @now. */
void corrupt_work(struct corrupt *c, int64_t now);

/* When corrupt_work() wants to be called next, INT64_MAX for never. */
int64_t corrupt_due(const struct corrupt *c);

const char *corrupt_name(enum corrupt_what what);

/* Bits for the argument of --corrupt-what, kinds with commas between; else a usage error. */
unsigned int corrupt_parse(const char *text);

#endif
