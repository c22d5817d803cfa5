/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cores that stop for a while, wherever they are: as one does that is halted by a debugger, starved
 * by an interrupt, or preempted. Each ring of a doorbell may stop one of the two, the one that
 * rang or the one that is to wake.
 */
#ifndef ICBMSG_SIM_STALL_H
#define ICBMSG_SIM_STALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct stall {
	int64_t length_ns;
	double share;     /* of rings that stop a core, 0 to below 1 */
	const pid_t *pid; /* of both cores, the caller's; NULL: the caller is core B, and stops */
	uint64_t random;
	pid_t stopped[2]; /* by side; 0: runs */
	int64_t until[2]; /* if it does not */
	uint64_t count[2];
};

/* @rings were heard at @now. */
void stall_draw(struct stall *s, uint64_t rings, int64_t now);

/* Whether core @side is stopped at @now. */
bool stall_stopped(const struct stall *s, int side, int64_t now);

/* Let those go on whose time has come; with @now INT64_MAX all. */
void stall_resume(struct stall *s, int64_t now);

/* When stall_resume() has something to do next, INT64_MAX for nothing. */
int64_t stall_due(const struct stall *s);

#endif
