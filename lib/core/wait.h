/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping until the other side, another thread or time changes something.
 */
#ifndef ICBMSG_CORE_WAIT_H
#define ICBMSG_CORE_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/instance.h"

#define DEADLINE_NEVER INT64_MAX

/* CLOCK_MONOTONIC in ns. */
int64_t clock_now(void);

/* The same, cheaper and as coarse as the system's tick. */
uint64_t clock_coarse(void);

/* The moment @timeout_ns from now; DEADLINE_NEVER for a negative one. */
int64_t deadline_after(int64_t timeout_ns);

/* A condition whose deadlines are clock_now()'s. */
int wait_init_condition(pthread_cond_t *cond);

/* The descriptors for waiting; the doorbell is open. What was made is left to wait_deinit(). */
int wait_init(struct icbmsg *i);
void wait_deinit(struct icbmsg *i);

/*
 * Ring if due, let go of the lock, sleep until something may have changed, pump. Spurious returns
 * are normal: callers loop. 0, or -ETIMEDOUT once @deadline has passed.
 */
int wait_for_change(struct icbmsg *i, int64_t deadline);

/* Take pending doorbells and timer ticks without sleeping. */
void wait_collect(struct icbmsg *i);

/*
 * While the link comes up: firmware does not ring for all that it reads, so look again soon, then
 * more and more seldom. @soon: there is a reason to begin with that anew.
 */
void wait_glance(struct icbmsg *i, bool soon);

/* Let the timer tick at @when (CLOCK_MONOTONIC ns), unless it does so before. */
void wait_tick_at(struct icbmsg *i, int64_t when);

/* The pollable descriptor is readable whenever @fd is; 0 or a negative errno. And not any more. */
int wait_watch(struct icbmsg *i, int fd);
void wait_unwatch(struct icbmsg *i, int fd);

/* Something that a sleeping thread may wait for has changed. */
void wait_notify(struct icbmsg *i);

/* Make the pollable descriptor tell the truth before returning to the caller. */
void wait_update_ready(struct icbmsg *i);

/* The pollable descriptor; from now on it is kept up to date. */
int wait_get_fd(struct icbmsg *i);

/* Ring the doorbell if one is due. */
void wait_ring(struct icbmsg *i);

#endif
