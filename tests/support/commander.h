/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line commands of the recorded scenarios (tests/conformance/README.md), carried out on a
 * firmware stand-in, with answers in the recorded words. Doorbells count up and wait for `pump`,
 * unless a doorbell of the caller's own is given.
 */
#ifndef ICBMSG_TESTS_COMMANDER_H
#define ICBMSG_TESTS_COMMANDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware.h"

struct commander_buffer {
	char name[FIRMWARE_NAME_SIZE];
	uint8_t *data;
};

struct commander_list {
	struct commander_buffer *items;
	size_t count;
};

struct commander {
	struct firmware fw;
	bool hold;
	struct commander_list held;  /* received and kept */
	struct commander_list taken; /* of `alloc` */

	/* What the peer rang and nobody handled; a ring of ours goes to *@peer_pending. */
	unsigned int pending;
	unsigned int *peer_pending;
	/* Used instead of the two above if set. */
	void (*ring)(void *user);
	bool (*take)(void *user);

	void (*say)(const char *line, void *user); /* one line of an answer, without newline */
	void *user;
};

/* @c is zero but for the members from @peer_pending on, and may not move afterwards. */
int commander_init(struct commander *c, void *map, const struct layout_region *tx,
		   const struct layout_region *rx, unsigned int num_ep);
void commander_deinit(struct commander *c);

/* False after `quit`. */
bool commander_do(struct commander *c, const char *line);

#endif
