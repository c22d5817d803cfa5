/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --send: a file that is read straight into messages, several of them at a time, which come out in
 * the order of the file.
 */
#ifndef ICBMSG_TOOLS_CAT_SOURCE_H
#define ICBMSG_TOOLS_CAT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/backend.h"
#include "cat/io.h"

/** Messages that are read at a time, if the link has room for as many. */
#define SOURCE_DEPTH 8u

struct source_slot {
	uint8_t *data; /**< of the backend */
	size_t size;   /**< wanted */
	size_t have;
	uint64_t offset;
	struct iovec iov;
	struct io_op op;
	bool complete;
};

struct source {
	struct io *io;
	struct backend *backend;
	int fd;
	const char *name;
	bool stream;        /**< a pipe or the like: one read at a time, from wherever it is */
	bool poll_first;    /**< a read might wait */
	bool wait_readable; /**< the read of the last slot is to begin when it polls readable */
	size_t message_size;
	uint64_t begin, end; /**< offsets in the file; the end of a stream is UINT64_MAX */
	uint64_t next;       /**< what has not been asked for */
	bool failed;         /**< it could not be read to its end */

	struct source_slot slots[SOURCE_DEPTH];
	unsigned int first, count;
};

/** Opens the file, "-" for standard input; may wait (a FIFO). Ends the program with a message. */
void source_open(struct source *s, const struct options *o);

/** Once the link is there; ends the program if @o asks for what it cannot carry. */
void source_attach(struct source *s, const struct options *o, struct backend *backend,
		   struct io *io);
void source_close(struct source *s);

/**
 * Begin what reads there can be. 0, or why there is no memory for another message: -ENOBUFS,
 * -ENOTCONN, -ENOMEM.
 */
int source_fill(struct source *s);

/** The next message, if it has been read. Its memory belongs to the source until source_sent(). */
bool source_next(struct source *s, const uint8_t **data, size_t *size);

/** The message of source_next() is on its way, and so is its memory. */
void source_sent(struct source *s);

/** Nothing will come any more. What is wrong then has been said. */
bool source_ended(const struct source *s);

/** To be polled for input, and source_readable() called then; -1: nothing. */
int source_poll_fd(const struct source *s);
void source_readable(struct source *s);

/** Bytes that it will have sent in the end, 0 if that is not known. */
uint64_t source_total(const struct source *s);

#endif
