/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many sockets' operations in one system call. A batch is handed to the kernel and has been carried
 * out, or refused because it would wait, when ring_run() returns: nothing stays in flight, so that
 * neither blocks nor clients are the kernel's while anything else happens to them. It is libevent
 * that waits.
 *
 * Few operations cost less by themselves than in a ring (README.md has figures). ring_run() therefore
 * uses plain calls for them, and so it does for all where there is no io_uring.
 */
#ifndef ICBMSGD_RING_H
#define ICBMSGD_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Operations of one ring_run(). */
#define RING_BATCH 64u

/** From how many operations on io_uring is used. */
#define RING_NEVER 0u
#define RING_ALWAYS 1u
#define RING_WORTH 4u /**< it costs less than plain calls then */

enum ring_kind {
	RING_LOOK, /**< size of the packet in front, which stays there */
	RING_RECEIVE,
	RING_SEND,
};

struct ring_op {
	enum ring_kind kind;
	int fd;
	void *data; /**< of RING_SEND it is only read */
	size_t size;
	ssize_t result; /**< as of recv(2) and send(2), or a negative errno value: -EAGAIN, not now */
};

struct ring_stats {
	uint64_t operations; /**< through io_uring */
	uint64_t submissions;
	uint64_t plain; /**< by plain calls */
};

struct ring;

/**
 * @from: of RING_NEVER and the like. *@error is 0, or why there is no io_uring although it was wanted:
 * a negative errno value for which uring_why_not() has words; @out works all the same.
 * Returns 0 or -ENOMEM.
 */
int ring_open(struct ring **out, unsigned int from, int *error);
void ring_close(struct ring *ring);

/** Whether it uses io_uring. */
bool ring_is_used(const struct ring *ring);

/** Whether it does so for @count operations. */
bool ring_is_worth(const struct ring *ring, unsigned int count);

/** Carry out @count operations, at most RING_BATCH, in their order; none of them waits. */
void ring_run(struct ring *ring, struct ring_op *ops, unsigned int count);

const struct ring_stats *ring_stats(const struct ring *ring);

/** The ring's descriptor, -1 without io_uring; for tests of what it refuses. */
int ring_fd(const struct ring *ring);

#endif
