/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two firmware stand-ins over one private memory, for tests: doorbells are counted until the test
 * pumps, what arrives is recorded.
 */
#ifndef ICBMSG_TESTS_SIM_PAIR_H
#define ICBMSG_TESTS_SIM_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "firmware.h"

#define PAIR_RECORDED 512 /* newest messages kept per side */

struct pair_geometry {
	uint32_t region_size; /* F transmits in the first region, I in the second */
	uint32_t f_blocks, i_blocks;
	uint32_t alignment; /* 0 = property absent */
	uint32_t word_size;
	unsigned int num_ep; /* 0 = default */
};

struct pair_side {
	struct firmware fw;
	unsigned int doorbells; /* rung by the other side, not handled */
	unsigned int bound;
	unsigned int received;
	bool hold;
	const void *data[PAIR_RECORDED]; /* of message number n: [n % PAIR_RECORDED] */
	uint32_t size[PAIR_RECORDED];
	/* Called for every message after it was recorded. */
	void (*on_message)(struct pair_side *side, const char *name, const void *data,
			   uint32_t size);
	struct pair_side *other;
};

struct pair {
	uint8_t *memory; /* exactly both regions, so that a sanitizer sees what reaches beyond */
	uint32_t size;
	struct layout_region lo, hi;
	unsigned int num_ep;
	struct pair_side f, i;
};

void pair_start(struct pair *p, const struct pair_geometry *g);
void pair_end(struct pair *p);

/* A new object where @side was: nothing in memory changes, its doorbell stays pending. */
void pair_restart(struct pair *p, struct pair_side *side);

/* Handle the doorbells of a side; of both until none is left. */
void pair_pump(struct pair_side *side);
void pair_settle(struct pair *p);

/* Open both and register @name on both until it is bound. */
void pair_bind(struct pair *p, const char *name);

/* A word of a region in memory. */
uint32_t pair_load(const struct pair *p, const struct layout_region *r, uint32_t offset);
void pair_store(struct pair *p, const struct layout_region *r, uint32_t offset, uint32_t value);

#endif
