/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance needs besides memory and a doorbell where it reaches the other core through
 * something that has a say in it, as icbmsgd has: who may use an endpoint, and what happens when it
 * is gone. Where the instance owns the link itself there is no backend.
 */
#ifndef ICBMSG_CORE_BACKEND_H
#define ICBMSG_CORE_BACKEND_H

#include "core/instance.h"

/* All are called with the instance's lock held. */
struct backend_ops {
	/* Take what has come over the connection; never waits. Returns how many rings were in it. */
	uint64_t (*collect)(struct icbmsg *i);

	/* Time that wait_tick_at() was asked for has come, or other time has. */
	void (*tick)(struct icbmsg *i, int64_t now);

	/*
	 * Ask whether the endpoint in @slot, which is being joined, may be used; waits as other
	 * calls do. 0, also if that is to be found out later; otherwise icbmsg_ept_register()'s
	 * error.
	 */
	int (*join)(struct icbmsg *i, int slot);

	/* The endpoint in @slot is deregistered. */
	void (*leave)(struct icbmsg *i, int slot);

	/* The instance has ended. */
	void (*free)(struct icbmsg *i);
};

/*
 * The connection is the SEQPACKET socket @fd from now on, which the instance owns: readable means
 * that there is something to collect, and over it the other side is rung. 0 or a negative errno.
 */
int backend_attach(struct icbmsg *i, int fd);

/* Close it; until the next one nothing is rung. Also allowed without one. */
void backend_detach(struct icbmsg *i);

/*
 * The session with the other side is over, as what it went through is gone: endpoints are unbound,
 * and this side announces itself to whoever takes its place.
 */
void backend_lose(struct icbmsg *i);

/*
 * The other side comes back with other memory: from now on the link lies there, as @v says. What
 * callers hold of the memory before stays mapped. The link is lost already.
 * 0 or a negative errno with a line in @error; then all is as it was.
 */
int backend_move(struct icbmsg *i, const struct config_values *v, char error[MEM_ERROR_SIZE]);

/* Unmap what backend_move() has left mapped; for instance_free(). */
void backend_free_retired(struct icbmsg *i);

/* The largest messages that the way to the other core carries, bytes; blocks are a limit, too. */
void backend_limit(struct icbmsg *i, uint64_t max_tx, uint64_t max_rx);

#endif
