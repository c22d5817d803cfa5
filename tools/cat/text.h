/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing piece of text or bytes. Out of memory ends the program.
 */
#ifndef ICBMSG_TOOLS_CAT_TEXT_H
#define ICBMSG_TOOLS_CAT_TEXT_H

#include <stddef.h>

struct text {
	char *data; /**< not terminated */
	size_t size;
	size_t capacity;
};

void text_add(struct text *t, const void *data, size_t size);
void text_add_string(struct text *t, const char *string);
void text_add_char(struct text *t, char c);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Remove the first @size bytes. */
void text_consume(struct text *t, size_t size);

void text_deinit(struct text *t);

#endif
