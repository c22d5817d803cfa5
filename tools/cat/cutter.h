/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a stream of bytes into messages. No system calls: the caller reads into cutter_room().
 */
#ifndef ICBMSG_TOOLS_CAT_CUTTER_H
#define ICBMSG_TOOLS_CAT_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cut_mode {
	CUT_RAW,   /**< what one read returns, or pieces of an exact size */
	CUT_LINE,  /**< a line, without its newline */
	CUT_HEX,   /**< a line of hexadecimal digits; blanks between bytes do not count */
	CUT_LEN32, /**< a length of 4 bytes, little-endian, and as many bytes */
};

struct cutter {
	enum cut_mode mode;
	size_t limit; /**< bytes of the largest message */
	bool exact;   /**< RAW: messages have @limit bytes, all but the last */
	bool ended;
	uint8_t *buffer;
	size_t capacity;
	size_t start, end; /**< bytes not cut yet */
	uint64_t number;   /**< messages begun, for error messages: of lines the line number */
	char error[160];
};

/** @exact: see struct cutter. Returns 0 or -ENOMEM. */
int cutter_init(struct cutter *c, enum cut_mode mode, size_t limit, bool exact);
void cutter_deinit(struct cutter *c);

/**
 * Where to read the next bytes to, and how many fit. To be called after cutter_next() returned 0;
 * there is room then.
 */
void *cutter_room(struct cutter *c, size_t *size);

/** @size bytes were read to cutter_room(); 0 ends the stream. */
void cutter_add(struct cutter *c, size_t size);

/**
 * The next message: 1 with @data and @size, valid until the next call on @c; 0 if there is none
 * (yet, or any more: c->ended); -EINVAL or -EMSGSIZE with one line in c->error.
 */
int cutter_next(struct cutter *c, const uint8_t **data, size_t *size);

/**
 * Decode @size characters of hexadecimal in place or to elsewhere; returns the number of bytes, or
 * -EINVAL.
 */
int hex_decode(uint8_t *out, const char *text, size_t size);

#endif
