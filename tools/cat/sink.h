/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --recv: a file into which messages are written from where they lie.
 *
 * One write is under way at a time, of all messages that have come until it begins: several could
 * finish in any order, and after a sudden end there would be holes.
 */
#ifndef ICBMSG_TOOLS_CAT_SINK_H
#define ICBMSG_TOOLS_CAT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/backend.h"
#include "cat/io.h"

/** Messages that wait to be written; also what one write has at most. */
#define SINK_DEPTH 64u

struct sink {
	struct io *io;
	struct backend *backend;
	int fd;
	const char *name;
	bool regular;       /**< a file: it can be shortened */
	bool seekable;      /**< a file or a block device */
	bool poll_first;    /**< a write might wait */
	bool wait_writable; /**< the next write is to begin when it polls writable */
	bool atomic_only;   /**< after that it takes PIPE_BUF bytes without waiting, and no more */
	uint64_t end;       /**< offset in the file behind what is written */
	int error;          /**< a negative errno value: nothing is written any more */

	struct backend_message queue[SINK_DEPTH];
	unsigned int first, count;
	size_t bytes; /**< of them */
	size_t done;  /**< bytes of the first that are written */

	struct iovec iov[SINK_DEPTH];
	struct io_op op;
	bool writing; /**< @op is about the queue, and its result has not been taken */
};

/** Opens the file, "-" for standard output; may wait (a FIFO). Ends the program with a message. */
void sink_open(struct sink *s, const struct options *o, int source_fd);
void sink_attach(struct sink *s, struct backend *backend, struct io *io);

/** Closes it; what is not written is dropped. */
void sink_close(struct sink *s);

bool sink_has_room(const struct sink *s);

/** Write @size bytes of the message of @ev, later. 0 or as backend_ops.keep. */
int sink_add(struct sink *s, const struct backend_event *ev, size_t size);

/** Take over what has been written, and begin to write what has come. False after an error. */
bool sink_turn(struct sink *s);

/** All is written. */
bool sink_is_empty(const struct sink *s);

/** Make the device have it: begins; sink_turn() and sink_is_empty() tell when it is done. */
void sink_sync(struct sink *s);

/** Stop a write that does not end. */
void sink_cancel(struct sink *s);

/** To be polled for output, and sink_writable() called then; -1: nothing. */
int sink_poll_fd(const struct sink *s);
void sink_writable(struct sink *s);

#endif
