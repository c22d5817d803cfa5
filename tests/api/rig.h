/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libicbmsg on one end of a link, and on the other firmware that may be replaced by a new one at
 * any time.
 */
#ifndef ICBMSG_TESTS_RIG_H
#define ICBMSG_TESTS_RIG_H

#include "ends.h"
#include "firmware.h"

struct rig {
	struct ends e;
	struct firmware fw;
	unsigned int pending; /* doorbells that the firmware has not acted on */
	struct seen seen;
	uint32_t received; /* by the firmware of now */
	uint8_t last[64];  /* the beginning of what it received last, */
	uint32_t last_size;
	uint32_t bound; /* callbacks of the firmware of now */
	uint32_t restarts;
	bool initiator; /* libicbmsg is */
};

/* Both ends, with the endpoint "ep0"; it binds when they work. */
void rig_open(struct rig *r, bool initiator, uint8_t fill);
void rig_close(struct rig *r);

/* libicbmsg's end. */
struct icbmsg *rig_lib(struct rig *r);

/* A new firmware on the memory as it is, up to its registration. */
void rig_start(struct rig *r);

/* Doorbells of the library: counted, acted on when the test says so. */
void rig_take_bells(struct rig *r);
void rig_turn(struct rig *r);

/* Let both work until the library has seen @bound bound events and the firmware one. */
void rig_until_bound(struct rig *r, int bound);

/* And until all blocks of the library's are free. */
void rig_until_free(struct rig *r);

/* Let both work a bit, towards something that needs no more than this many turns. */
void rig_work(struct rig *r, int turn);
#define RIG_TURNS 100000

/* Five messages each way, and every block back where it belongs. */
void rig_exchange(struct rig *r);

#endif
