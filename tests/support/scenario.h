/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorded scenarios of tests/conformance/ as C: who did what, what it answered, and the whole
 * memory image after every step.
 *
 *	struct scenario *s = scenario_load("classic32_a32");
 *	uint8_t *image = scenario_image_new(s);           the fill, aligned to a page
 *	for (i = 0; i < s->step_count; i++)
 *		scenario_image_apply(s, i, image);        now the memory after step i
 *	free(image);
 *	scenario_free(s);
 *
 * Trouble ends the test program with a sentence on stderr: there is nothing a test could do.
 */
#ifndef ICBMSG_TESTS_SCENARIO_H
#define ICBMSG_TESTS_SCENARIO_H

#include <stddef.h>
#include <stdint.h>

#include "wire/layout.h"

struct scenario_region {
	uint32_t offset, size, blocks;
};

struct scenario_diff {
	uint32_t offset, size;
	uint8_t *bytes;
};

struct scenario_lines {
	char **line;
	size_t count;
};

struct scenario_step {
	int number;
	char side; /* 'F', 'I', or '-' for nobody */
	char *description;
	struct scenario_lines commands;
	struct scenario_lines answers;
	struct scenario_diff *diffs;
	size_t diff_count;
	/* Messages exchanged before the commands that the description alone names (step 42). */
	uint32_t round_trips;
	char sha256[65];
};

struct scenario {
	char *name;
	uint32_t map_size;
	uint32_t alignment; /* 0 = property absent */
	uint32_t word_size;
	uint8_t fill;
	struct scenario_region lo, hi; /* F transmits in lo, I in hi */
	struct scenario_step *steps;
	size_t step_count;
};

/* The six classic runs, and NULL. */
extern const char *const scenario_classic_names[];

/* @name without folder and suffix. Looked for below $ICBMSG_SOURCE_DIR/tests/conformance. */
struct scenario *scenario_load(const char *name);
void scenario_free(struct scenario *s);

/* As side 'F' or 'I' sees it. Region starts are offsets in the mapping. */
void scenario_layout(const struct scenario *s, char side, struct layout_region *tx,
		     struct layout_region *rx);

uint8_t *scenario_image_new(const struct scenario *s);
void scenario_image_apply(const struct scenario *s, size_t step, uint8_t *image);

#endif
