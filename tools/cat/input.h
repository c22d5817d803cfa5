/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where messages to send come from: the command line, a file or standard input.
 */
#ifndef ICBMSG_TOOLS_CAT_INPUT_H
#define ICBMSG_TOOLS_CAT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/options.h"

struct source;

struct input {
	const struct options *o;
	struct source *source; /**< of --send, instead of all below but the last */
	int fd;                /**< -1: there is none */
	const char *name;      /**< of the file, for messages */
	struct cutter cutter;
	size_t next;      /**< of o->messages */
	uint8_t *decoded; /**< a message given in hexadecimal */
	uint64_t total;   /**< bytes there are, 0 if not known */
	bool ended;       /**< no message will come any more */
};

/**
 * @max: bytes of the link's largest message. @source: NULL, or of --send. Ends the program if the
 * input cannot be opened.
 */
void input_init(struct input *in, const struct options *o, size_t max, struct source *source);
void input_deinit(struct input *in);

/**
 * The next message: 1 with @data and @size, valid until the next call; 0 if something has to be
 * read first (in->fd, or the source's) or nothing will come (in->ended). Ends the program if the
 * input is wrong.
 */
int input_next(struct input *in, const uint8_t **data, size_t *size);

/** Read once; to be called when in->fd polls readable and input_next() returned 0. */
void input_read(struct input *in);

#endif
