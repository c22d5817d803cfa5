// SPDX-License-Identifier: Apache-2.0
/*
 * Writing to standard output piece by piece.
 */
#include "cat/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tool.h"

#define PENDING_MAX ((size_t)65536)

void output_init(struct output *out)
{
	struct stat st;

	*out = (struct output){ 0 };
	if (fstat(STDOUT_FILENO, &st) < 0)
		tool_fail(TOOL_ERROR, "standard output: %s", strerror(errno));
	out->regular = S_ISREG(st.st_mode);
	out->watched = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
}

void output_deinit(struct output *out)
{
	text_deinit(&out->pending);
}

bool output_has_room(const struct output *out)
{
	return out->pending.size < PENDING_MAX;
}

static bool writable(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) > 0;
}

void output_flush(struct output *out)
{
	size_t done = 0;

	/* A pipe that polls writable takes PIPE_BUF bytes without blocking, and promises no more. */
	while (done < out->pending.size && !out->closed && (out->regular || writable())) {
		size_t size = out->pending.size - done;
		ssize_t n;

		if (!out->regular && size > PIPE_BUF)
			size = PIPE_BUF;
		n = write(STDOUT_FILENO, out->pending.data + done, size);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EPIPE)
			out->closed = true;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			tool_fail(TOOL_ERROR, "standard output: cannot write: %s", strerror(errno));
	}
	if (done > 0)
		text_consume(&out->pending, done);
}
