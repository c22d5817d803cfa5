/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How received messages are printed. Appends to text; does no output itself.
 */
#ifndef ICBMSG_TOOLS_CAT_FORMAT_H
#define ICBMSG_TOOLS_CAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/stamp.h"
#include "cat/text.h"

enum format_kind {
	FORMAT_TEXT,   /**< one line; what cannot be printed becomes a dot */
	FORMAT_LINE,   /**< the bytes and a newline */
	FORMAT_QUOTED, /**< one line in quotes, with escapes */
	FORMAT_HEX,
	FORMAT_DUMP, /**< a headline, then offset, hexadecimal and characters */
	FORMAT_RAW,  /**< the bytes */
	FORMAT_JSON, /**< one object per line */
	FORMAT_NONE,
	FORMAT_TEMPLATE, /**< -F */
};

struct format {
	enum format_kind kind;
	const char *pattern; /**< TEMPLATE, checked by format_check_template() */
	enum stamp_kind stamp;
	bool utc;
};

struct message {
	const char *endpoint;
	const uint8_t *data;
	size_t size;
	uint64_t number; /**< from 1 */
	struct stamp_times times;
};

/** @name of --format to its kind; false if there is none. */
bool format_find(const char *name, enum format_kind *kind);

/** Returns NULL, or what is wrong with the pattern. */
const char *format_check_template(const char *pattern);

void format_message(struct text *out, const struct format *f, const struct message *m);

/* The pieces. */
void format_printable(struct text *out, const uint8_t *data, size_t size);
void format_quoted(struct text *out, const uint8_t *data, size_t size);
void format_hex(struct text *out, const uint8_t *data, size_t size);
void format_dump(struct text *out, const uint8_t *data, size_t size);
void format_json(struct text *out, const struct format *f, const struct message *m);
void format_template(struct text *out, const struct format *f, const struct message *m);

#endif
