// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the input.
 */
#include "cat/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cat/source.h"
#include "common/tool.h"

static void open_source(struct input *in)
{
	const char *file = in->o->file;
	struct stat st;

	in->fd = STDIN_FILENO;
	in->name = "standard input";
	if (file && strcmp(file, "-") != 0) {
		in->name = file;
		/* Nothing but poll() waits here, not even for the writer of a FIFO. */
		in->fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (in->fd < 0)
			tool_fail(TOOL_ERROR, "%s: %s", file, strerror(errno));
	}
	if (fstat(in->fd, &st) < 0)
		/* Started without standard input: nothing to send. */
		in->ended = true;
	else if (S_ISREG(st.st_mode))
		in->total = (uint64_t)st.st_size;
	else if (S_ISDIR(st.st_mode))
		tool_fail(TOOL_ERROR, "%s is a directory, not a file to send", in->name);
}

void input_init(struct input *in, const struct options *o, size_t max, struct source *source)
{
	*in = (struct input){ .o = o, .source = source, .fd = -1 };
	if (source) {
		in->total = source_total(source);
		return;
	}
	if (o->size > max)
		tool_fail(TOOL_ERROR,
			  "--size: the largest message of this link is %zu bytes; %llu is more",
			  max, (unsigned long long)o->size);
	if (o->receive_only) {
		in->ended = true;
		return;
	}
	if (cutter_init(&in->cutter, o->cut, o->size ? (size_t)o->size : max, o->size > 0) < 0)
		tool_fail(TOOL_ERROR, "out of memory");
	if (o->message_count == 0)
		open_source(in);
}

void input_deinit(struct input *in)
{
	cutter_deinit(&in->cutter);
	free(in->decoded);
	if (in->fd > STDIN_FILENO)
		close(in->fd);
}

static int next_argument(struct input *in, const uint8_t **data, size_t *size)
{
	const char *text;

	if (in->next == in->o->message_count) {
		in->ended = true;
		return 0;
	}
	text = in->o->messages[in->next++];
	*data = (const uint8_t *)text;
	*size = strlen(text);
	if (in->o->cut == CUT_HEX) {
		free(in->decoded);
		in->decoded = malloc(*size + 1);
		if (!in->decoded)
			tool_fail(TOOL_ERROR, "out of memory");
		*size = (size_t)hex_decode(in->decoded, text, *size); /* was checked */
		*data = in->decoded;
	}
	if (*size > in->cutter.limit)
		tool_fail(TOOL_ERROR,
			  "--message: %zu bytes are longer than the largest message, "
			  "%zu bytes",
			  *size, in->cutter.limit);
	return 1;
}

int input_next(struct input *in, const uint8_t **data, size_t *size)
{
	int ret;

	if (in->ended)
		return 0;
	if (in->source) {
		in->ended = source_ended(in->source);
		return source_next(in->source, data, size);
	}
	if (in->o->message_count > 0)
		return next_argument(in, data, size);
	ret = cutter_next(&in->cutter, data, size);
	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s: %s", in->name, in->cutter.error);
	if (ret == 0 && in->cutter.ended)
		in->ended = true;
	return ret;
}

void input_read(struct input *in)
{
	size_t room;
	void *to = cutter_room(&in->cutter, &room);
	ssize_t n = read(in->fd, to, room);

	if (n >= 0)
		cutter_add(&in->cutter, (size_t)n);
	else if (errno == EIO && in->fd == STDIN_FILENO)
		/* The terminal hung up. */
		cutter_add(&in->cutter, 0);
	else if (errno != EINTR && errno != EAGAIN)
		tool_fail(TOOL_ERROR, "%s: cannot read: %s", in->name, strerror(errno));
}
