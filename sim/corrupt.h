/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes random bytes into two regions that others are using: what hostile or broken firmware, or a
 * wrong memory map, does to a link.
 */
#ifndef ICBMSG_SIM_CORRUPT_H
#define ICBMSG_SIM_CORRUPT_H

#include <stdint.h>

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

#define CORRUPT_HELP                                                                                \
	"      --corrupt[=RATE]             write into both regions so many times a second (200)\n" \
	"      --corrupt-what KIND          indices, rings, headers, payload or all (all)\n"

struct corrupt_counts {
	uint64_t writes[CORRUPT_KINDS];
};

struct corrupt {
	uint8_t *map;
	struct layout_region region[2]; /* begin = offset in @map */
	unsigned int what;              /* bits of enum corrupt_what */
	uint64_t random;
	struct corrupt_counts counts;
};

/* Write once. */
void corrupt_once(struct corrupt *c);

const char *corrupt_name(enum corrupt_what what);

/* Bits for the argument of --corrupt-what, kinds with commas between; else a usage error. */
unsigned int corrupt_parse(const char *text);

#endif
