/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes of files that the loop does not wait for: through io_uring, or by plain calls,
 * which are done when they have begun.
 */
#ifndef ICBMSG_TOOLS_CAT_IO_H
#define ICBMSG_TOOLS_CAT_IO_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/** The file's own position, which the operation moves. */
#define IO_POSITION INT64_C(-1)

enum io_kind { IO_READ, IO_WRITE, IO_SYNC };

/** One operation. While it is busy it and the memory it is about are not to be touched. */
struct io_op {
	enum io_kind kind;
	int fd;
	struct iovec *iov;
	unsigned int iov_count;
	int64_t offset; /**< in the file, or IO_POSITION */
	bool busy;
	ssize_t result; /**< once it is not: bytes, or a negative errno value */
};

struct io {
	bool uring;          /**< otherwise plain calls */
	const char *why_not; /**< no io_uring; NULL if nobody wanted it */
	struct io_uring ring;
	uint64_t operations, submissions;
};

/** @wanted: use io_uring if there is one. */
void io_init(struct io *io, bool wanted);

/** No operation may be busy. */
void io_deinit(struct io *io);

/** Begin what @op says. With plain calls it is done on return, and may have waited. */
void io_begin(struct io *io, struct io_op *op);

/** Hand what was begun to the kernel; to be called before sleeping. */
void io_submit(struct io *io);

/** The same, and take over what is done. */
void io_turn(struct io *io);

/** Polls readable when io_turn() has something to take over; -1: never. */
int io_poll_fd(const struct io *io);

/** Stop @op if that is possible, and wait until it is not busy. */
void io_cancel(struct io *io, struct io_op *op);

#endif
