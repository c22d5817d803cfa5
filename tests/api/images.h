/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replaying side of test_images.c: libicbmsg being told what a recorded Zephyr was told, and
 * its callbacks written down in the words of the recording.
 */
#ifndef ICBMSG_TESTS_IMAGES_H
#define ICBMSG_TESTS_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icbmsg.h"
#include "support/scenario.h"
#include "wire/layout.h"
#include "wire/ring.h"

#define LINES_MAX 8192u /* bytes of event lines in one step */
#define NAMES 2         /* ep0 and ep1 */

struct run;

struct endpoint {
	struct run *run;
	struct icbmsg_ept *ept;
	unsigned int bound;
};

struct run {
	struct scenario *scenario;
	const struct scenario_step *step;
	char side; /* ours */
	uint8_t *recorded;
	uint8_t *map;
	int memory_fd, bell_in, bell_out;
	struct icbmsg *link;
	struct layout_region tx, rx;
	struct ring our_ring, recorded_ring; /* of our region, as it is and as it was */
	uint32_t at, recorded_at;            /* how far both have been compared */
	uint32_t last_read;                  /* recorded: the other side's index in our region */
	uint32_t shift;                      /* bytes of packets that only we have sent */
	bool wrapped;
	bool unsent_header[LAYOUT_BLOCKS_MAX];
	struct endpoint endpoint[NAMES];
	bool hold;
	struct icbmsg_rx held[4];
	size_t held_count;
	void *taken[4];
	size_t taken_count;
	char lines[LINES_MAX]; /* events of the step so far, as recorded answers have them */
};

/* The packet that we lay behind our announcement, and Zephyr does not. */
#define IMAGES_PING_AT 20u
#define IMAGES_PING_SIZE 8u

#define EXPECT(run, condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%s, we are %c, step %d (%s): not so: %s", (run)->scenario->name, \
				 (run)->side, (run)->step->number, (run)->step->description,       \
				 #condition);                                                      \
	} while (0)

/* The recorded events of the step. "off", a place in Zephyr's mapping, is left out: our packets tell. */
void images_recorded_events(const struct scenario_step *step, char *out, size_t size);

/* Carry out one recorded command; events go to run->lines. */
void images_command(struct run *run, const char *line);

/* Dispatch until nothing is left to report. */
void images_pump(struct run *run);

struct icbmsg_stats images_stats(const struct run *run);
bool images_link_is_up(const struct run *run);

#endif
