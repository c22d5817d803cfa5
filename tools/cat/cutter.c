// SPDX-License-Identifier: Apache-2.0
/*
 * Cutting a stream into messages. What is too long for a message is an error and not two messages:
 * the other side could not tell.
 */
#include "cat/cutter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_SIZE 4u
/* Reads are at least this large where one read is not one message. */
#define READ_SIZE ((size_t)65536)

static size_t capacity_for(enum cut_mode mode, size_t limit)
{
	switch (mode) {
	case CUT_RAW:
		return limit;
	case CUT_HEX:
		/* Two digits and a blank per byte, and some to indent with. */
		return 4 * limit + READ_SIZE;
	default:
		return limit + LENGTH_SIZE + READ_SIZE;
	}
}

int cutter_init(struct cutter *c, enum cut_mode mode, size_t limit, bool exact)
{
	size_t capacity = capacity_for(mode, limit);
	uint8_t *buffer = malloc(capacity);

	if (!buffer)
		return -ENOMEM;
	*c = (struct cutter){
		.mode = mode, .limit = limit, .exact = exact, .buffer = buffer, .capacity = capacity
	};
	return 0;
}

void cutter_deinit(struct cutter *c)
{
	free(c->buffer);
	c->buffer = NULL;
}

void *cutter_room(struct cutter *c, size_t *size)
{
	if (c->start > 0) {
		memmove(c->buffer, c->buffer + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
	*size = c->capacity - c->end;
	return c->buffer + c->end;
}

void cutter_add(struct cutter *c, size_t size)
{
	c->end += size;
	if (size == 0)
		c->ended = true;
}

static int take(struct cutter *c, size_t offset, size_t length, size_t consumed,
		const uint8_t **data, size_t *size)
{
	*data = c->buffer + c->start + offset;
	*size = length;
	c->start += consumed;
	c->number++;
	return 1;
}

static int next_raw(struct cutter *c, const uint8_t **data, size_t *size)
{
	size_t have = c->end - c->start;

	if (have == 0 || (c->exact && have < c->limit && !c->ended))
		return 0;
	return take(c, 0, have, have, data, size);
}

static int too_long(struct cutter *c, const char *what, const char *remedy)
{
	snprintf(c->error, sizeof(c->error),
		 "%s %" PRIu64 " is longer than the largest message, %zu bytes%s", what,
		 c->number + 1, c->limit, remedy);
	return -EMSGSIZE;
}

/* The next line: 1 with its @length and how much to consume. */
static int find_line(struct cutter *c, size_t longest, size_t *length, size_t *consumed)
{
	const uint8_t *from = c->buffer + c->start;
	size_t have = c->end - c->start;
	const uint8_t *newline = memchr(from, '\n', have);

	if (newline) {
		*length = (size_t)(newline - from);
		*consumed = *length + 1;
	} else {
		*length = *consumed = have;
	}
	if (*length > longest)
		return too_long(c, "line", "; -i raw would split it");
	return newline || (c->ended && have > 0);
}

static int next_line(struct cutter *c, const uint8_t **data, size_t *size)
{
	size_t length, consumed;
	int ret = find_line(c, c->limit, &length, &consumed);

	return ret <= 0 ? ret : take(c, 0, length, consumed, data, size);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(uint8_t *out, const char *text, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		int high, low;

		if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r')
			continue;
		high = digit(text[i]);
		low = i + 1 < size ? digit(text[i + 1]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		out[n++] = (uint8_t)(high << 4 | low);
		i++;
	}
	return (int)n;
}

static int next_hex(struct cutter *c, const uint8_t **data, size_t *size)
{
	uint8_t *from = c->buffer + c->start;
	size_t length, consumed;
	int ret = find_line(c, c->capacity - 1, &length, &consumed);

	if (ret <= 0)
		return ret;
	ret = hex_decode(from, (const char *)from, length);
	if (ret < 0) {
		snprintf(c->error, sizeof(c->error),
			 "line %" PRIu64 " is not hexadecimal: write two digits per byte, for "
			 "example 48 65 6c",
			 c->number + 1);
		return ret;
	}
	if ((size_t)ret > c->limit)
		return too_long(c, "line", "");
	return take(c, 0, (size_t)ret, consumed, data, size);
}

static int next_len32(struct cutter *c, const uint8_t **data, size_t *size)
{
	const uint8_t *p = c->buffer + c->start;
	size_t have = c->end - c->start;
	uint32_t length = 0;

	if (have >= LENGTH_SIZE) {
		length = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		if (length > c->limit)
			return too_long(c, "message", "; lengths are 4 bytes, little-endian");
		if (have - LENGTH_SIZE >= length)
			return take(c, LENGTH_SIZE, length, LENGTH_SIZE + length, data, size);
	}
	if (!c->ended || have == 0)
		return 0;
	snprintf(c->error, sizeof(c->error),
		 "the input ends in the middle of message %" PRIu64 ": %zu of %" PRIu64 " bytes",
		 c->number + 1, have,
		 have < LENGTH_SIZE ? (uint64_t)LENGTH_SIZE : (uint64_t)length + LENGTH_SIZE);
	return -EINVAL;
}

int cutter_next(struct cutter *c, const uint8_t **data, size_t *size)
{
	switch (c->mode) {
	case CUT_RAW:
		return next_raw(c, data, size);
	case CUT_LINE:
		return next_line(c, data, size);
	case CUT_HEX:
		return next_hex(c, data, size);
	case CUT_LEN32:
		return next_len32(c, data, size);
	}
	return -EINVAL;
}
