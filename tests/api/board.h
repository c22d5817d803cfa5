/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libicbmsg and the firmware stand-in (sim/firmware.h) on the two ends of one link, in one thread,
 * with an account of every message: what is sent is noted, and what arrives must be the oldest note
 * of its direction, byte for byte. A ring that only a doorbell can announce is only read on one.
 */
#ifndef ICBMSG_TESTS_BOARD_H
#define ICBMSG_TESTS_BOARD_H

#include "ends.h"
#include "firmware.h"

#define BOARD_EPTS 3u
#define BOARD_LARGEST (1u << 16)
/* A timeout longer than the rescue interval of the board's libicbmsg. */
#define BOARD_WAIT (MS * 3 / 10)

struct board_message {
	unsigned int ept;
	uint32_t size;
	unsigned int seed; /* of fill_pattern() */
};

/* Messages under way in one direction, oldest first. */
struct board_queue {
	struct board_message message[512];
	unsigned int head, tail; /* free-running */
};

/* A received buffer that is kept, by either end. */
struct board_held {
	struct board_message message;
	const void *data;
	struct icbmsg_rx rx; /* ours */
};

struct board_end {
	struct board_queue expected;
	struct board_held held[256];
	unsigned int held_count;
	bool hold; /* keep what arrives from now on */
	unsigned int bound[BOARD_EPTS];
	uint64_t received;
};

struct board {
	struct ends e;
	bool initiator; /* libicbmsg is */
	struct icbmsg *link;
	struct icbmsg_ept *ept[BOARD_EPTS];
	struct layout_region tx, rx; /* as libicbmsg sees them */
	struct firmware fw;
	struct board_end lib, far; /* what libicbmsg and what the firmware received */
	unsigned int seed;
	uint32_t random;
	unsigned int lost_percent; /* of doorbells, both ways */
};

extern const char *const board_names[BOARD_EPTS];

/* libicbmsg is open, the firmware initialised and not open. */
void board_start(struct board *b, bool initiator);
void board_end(struct board *b);

/* board_start(), the firmware open and the first @epts endpoints bound. */
void board_start_bound(struct board *b, bool initiator, unsigned int epts);

void board_register(struct board *b, unsigned int ept);

/* The firmware handles its doorbell, if there is one and it is not lost. */
void board_far_pump(struct board *b);

/* Pump and dispatch until neither end has anything to do. Not for boards that lose doorbells. */
void board_settle(struct board *b);

/* The same where doorbells get lost: until nothing is under way, by the rescue alone. */
void board_settle_lossy(struct board *b);

/* Send, with a copy or in place; false if there are no blocks now. */
bool board_lib_send(struct board *b, unsigned int ept, uint32_t size, bool copy);
bool board_far_send(struct board *b, unsigned int ept, uint32_t size, bool copy);

/* Release what is held, entry number @n; its bytes are still what they were. */
void board_lib_release(struct board *b, unsigned int n);
void board_far_release(struct board *b, unsigned int n);

/* Nothing under way, all blocks of both ends free, no complaint on either. */
void board_assert_idle(struct board *b);

/* 0 to @below - 1, the same in every run. */
uint32_t board_random(struct board *b, uint32_t below);

#endif
