// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a file into messages. A file is sent as long as it is when it is opened: what is appended
 * later is not, and that a part is missing is an error. A read may return less than was asked for
 * anywhere; the end is where one returns nothing.
 */
#include "cat/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tool.h"

/* Where it begins and ends. */
static void measure(struct source *s, const struct options *o)
{
	struct stat st;
	off_t at, size;

	if (fstat(s->fd, &st) < 0)
		tool_fail(TOOL_ERROR, "%s: %s", s->name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		tool_fail(TOOL_ERROR, "%s is a directory, not a file to send", s->name);
	at = lseek(s->fd, 0, SEEK_CUR);
	s->stream = at < 0 || !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
	if (s->stream && o->offset > 0)
		tool_fail(TOOL_ERROR, "--offset: %s is no file that could be begun elsewhere",
			  s->name);
	if (s->stream)
		return;
	size = S_ISBLK(st.st_mode) ? lseek(s->fd, 0, SEEK_END) : st.st_size;
	s->begin = o->offset > 0 ? o->offset : (uint64_t)at;
	if (s->begin > (uint64_t)size)
		tool_fail(TOOL_ERROR, "--offset: %s has %" PRIu64 " bytes only", s->name,
			  (uint64_t)size);
	/* Files of /proc have a length of 0 and yet something to read. */
	if (size > 0)
		s->end = (uint64_t)size;
}

void source_open(struct source *s, const struct options *o)
{
	*s = (struct source){ .fd = STDIN_FILENO, .name = "standard input", .end = UINT64_MAX };
	if (strcmp(o->send_file, "-") != 0) {
		s->name = o->send_file;
		s->fd = open(s->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (s->fd < 0)
			tool_fail(TOOL_ERROR, "%s: %s", s->name, strerror(errno));
	}
	measure(s, o);
	s->next = s->begin;
	if (o->bytes > s->end - s->begin)
		tool_fail(TOOL_ERROR, "--bytes: %s has %" PRIu64 " bytes to send only", s->name,
			  s->end - s->begin);
	if (o->bytes > 0)
		s->end = s->begin + o->bytes;
}

void source_attach(struct source *s, const struct options *o, struct backend *backend,
		   struct io *io)
{
	s->io = io;
	s->backend = backend;
	s->message_size = (size_t)o->size;
	s->poll_first = s->stream && !io->uring;
	if (o->size > backend->max_size)
		tool_fail(TOOL_ERROR,
			  "--size: the largest message of this link is %zu bytes; %llu is more",
			  backend->max_size, (unsigned long long)o->size);
}

static struct source_slot *slot(struct source *s, unsigned int n)
{
	return &s->slots[(s->first + n) % SOURCE_DEPTH];
}

void source_close(struct source *s)
{
	for (unsigned int n = 0; n < s->count; n++) {
		io_cancel(s->io, &slot(s, n)->op);
		s->backend->ops->drop_buffer(s->backend, slot(s, n)->data);
	}
	s->count = 0;
	if (s->fd > STDIN_FILENO)
		close(s->fd);
}

/* Read what @t lacks. */
static void begin_read(struct source *s, struct source_slot *t)
{
	s->wait_readable = s->poll_first;
	if (s->wait_readable)
		return;
	t->iov = (struct iovec){ .iov_base = t->data + t->have, .iov_len = t->size - t->have };
	t->op = (struct io_op){ .kind = IO_READ, .fd = s->fd, .iov = &t->iov, .iov_count = 1 };
	t->op.offset = s->stream ? IO_POSITION : (int64_t)(t->offset + t->have);
	io_begin(s->io, &t->op);
}

/* Nothing behind @t counts. */
static void ends_at(struct source *s, struct source_slot *t)
{
	uint64_t at = t->offset + t->have;

	if (s->end != UINT64_MAX && at < s->end && !s->failed) {
		tool_say("%s has ended early, at byte %" PRIu64 " of %" PRIu64, s->name, at,
			 s->end);
		s->failed = true;
	}
	s->end = s->next = at;
}

static void failed(struct source *s, struct source_slot *t)
{
	int error = (int)-t->op.result;

	if (!s->failed)
		tool_say("%s: cannot read at byte %" PRIu64 ": %s; what is before it is sent",
			 s->name, t->offset + t->have, strerror(error));
	s->failed = true;
	ends_at(s, t);
}

/* A read of @t is done: is the message complete? */
static bool take_result(struct source *s, struct source_slot *t)
{
	ssize_t n = t->op.result;

	if (t->offset >= s->end)
		return true;
	if (n == -EAGAIN && s->stream)
		s->poll_first = true;
	else if (n < 0 && n != -EINTR && n != -EAGAIN && n != -ECANCELED)
		failed(s, t);
	else if (n == 0)
		ends_at(s, t);
	else if (n > 0)
		t->have += (size_t)n;
	return t->have == t->size || t->offset + t->have >= s->end;
}

/*
 * Take over what has been read, and read on where it was too little: in the order of the file, so
 * that the first end or error that is met is the one that counts.
 */
static void collect(struct source *s)
{
	for (unsigned int n = 0; n < s->count && !s->wait_readable; n++) {
		struct source_slot *t = slot(s, n);

		while (!t->complete && !t->op.busy && !s->wait_readable) {
			t->complete = take_result(s, t);
			if (!t->complete)
				begin_read(s, t);
		}
		if (!t->complete)
			break;
	}
	/* Behind the end: read, or asked for, in vain. */
	while (s->count > 0) {
		struct source_slot *t = slot(s, s->count - 1);

		if (!t->complete || (t->have > 0 && t->offset < s->end))
			return;
		s->backend->ops->drop_buffer(s->backend, t->data);
		s->count--;
	}
}

static bool wants_more(const struct source *s)
{
	if (s->count == SOURCE_DEPTH || s->next >= s->end)
		return false;
	return !s->stream || s->count == 0 ||
	       s->slots[(s->first + s->count - 1) % SOURCE_DEPTH].complete;
}

static int begin_message(struct source *s)
{
	struct source_slot *t = slot(s, s->count);
	uint64_t size = s->message_size ? s->message_size : s->backend->file_size;
	void *data;
	int ret;

	if (size > s->end - s->next)
		size = s->end - s->next;
	ret = s->backend->ops->get_buffer(s->backend, (size_t)size, &data);
	if (ret < 0)
		return ret;
	*t = (struct source_slot){ .data = data, .size = (size_t)size, .offset = s->next };
	s->next += size;
	s->count++;
	begin_read(s, t);
	return 0;
}

int source_fill(struct source *s)
{
	int ret = 0;

	collect(s);
	while (ret == 0 && wants_more(s)) {
		ret = begin_message(s);
		if (!s->io->uring)
			collect(s);
	}
	io_turn(s->io);
	collect(s);
	return ret;
}

bool source_next(struct source *s, const uint8_t **data, size_t *size)
{
	const struct source_slot *t = slot(s, 0);

	if (s->count == 0 || !t->complete)
		return false;
	*data = t->data;
	*size = t->have;
	return true;
}

void source_sent(struct source *s)
{
	s->first = (s->first + 1) % SOURCE_DEPTH;
	s->count--;
}

bool source_ended(const struct source *s)
{
	return s->count == 0 && s->next >= s->end;
}

int source_poll_fd(const struct source *s)
{
	return s->wait_readable ? s->fd : -1;
}

void source_readable(struct source *s)
{
	struct source_slot *t = slot(s, s->count - 1);

	s->poll_first = false;
	begin_read(s, t);
	s->poll_first = true;
}

uint64_t source_total(const struct source *s)
{
	return s->end == UINT64_MAX ? 0 : s->end - s->begin;
}
