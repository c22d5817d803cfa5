// SPDX-License-Identifier: Apache-2.0
/*
 * Growing text.
 */
#include "cat/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tool.h"

static void reserve(struct text *t, size_t more)
{
	size_t capacity = t->capacity ? t->capacity : 256;
	char *data;

	if (more <= t->capacity - t->size)
		return;
	while (capacity - t->size < more)
		capacity *= 2;
	data = realloc(t->data, capacity);
	if (!data)
		tool_fail(TOOL_ERROR, "out of memory");
	t->data = data;
	t->capacity = capacity;
}

void text_add(struct text *t, const void *data, size_t size)
{
	if (size == 0)
		return;
	reserve(t, size);
	memcpy(t->data + t->size, data, size);
	t->size += size;
}

void text_add_string(struct text *t, const char *string)
{
	text_add(t, string, strlen(string));
}

void text_add_char(struct text *t, char c)
{
	text_add(t, &c, 1);
}

void text_printf(struct text *t, const char *format, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n > 0)
		text_add(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void text_consume(struct text *t, size_t size)
{
	if (size < t->size)
		memmove(t->data, t->data + size, t->size - size);
	t->size -= size;
}

void text_deinit(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}
