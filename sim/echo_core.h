/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware core behind `icbmsg-sim echo`, for its main loop.
 */
#ifndef ICBMSG_SIM_ECHO_CORE_H
#define ICBMSG_SIM_ECHO_CORE_H

#include "echo.h"
#include "firmware.h"

struct queued {
	const void *data; /* held */
	uint32_t size;
	const char *name;
};

struct echo_core {
	struct echo_link *link;
	struct firmware fw;
	struct queued queue[LAYOUT_BLOCKS_MAX];
	unsigned int head, count;
	uint32_t sequence; /* of a source */
	unsigned int next; /* endpoint a source sends on next */
	bool told_too_long;
	bool woken; /* by a doorbell, which is not taken yet */
	bool more;  /* to do, without another doorbell */
	uint64_t reboots;
	uint64_t received, sent, errors; /* before the last of them */
	FILE *record;                    /* of --record, or NULL */
	pid_t command;
	int status; /* -1: going on */
};

/* Start it, on memory as it is. 0 or a negative errno, having said why. */
int echo_start(struct echo_core *c);

/* As a reboot: everything is forgotten but what lies in the shared memory. */
void echo_restart(struct echo_core *c);

/*
 * A turn, which must not keep signals and faults waiting: Zephyr's reader, and so this one, runs in
 * circles for ever if its peer's write index is damaged. c->more: it is not finished.
 */
void echo_work(struct echo_core *c);

#endif
