// SPDX-License-Identifier: Apache-2.0
/*
 * Writing messages into a file. The file is the beginning of the whole at any moment, whatever ends
 * this program: writes follow each other, and what is found to have changed while it was written,
 * since the other side had restarted, is cut off again.
 */
#include "cat/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/tool.h"

/* Of messages that wait. */
#define QUEUE_BYTES ((size_t)4 << 20)

static _Noreturn void fail(const struct sink *s)
{
	tool_fail(TOOL_ERROR, "%s: %s", s->name, strerror(errno));
}

/* A file of ours begins at --offset; standard output where it is. */
static void prepare_file(struct sink *s, const struct options *o, const struct stat *st)
{
	off_t at = lseek(s->fd, 0, SEEK_CUR);

	if (fcntl(s->fd, F_GETFL) & O_APPEND)
		at = st->st_size;
	if (s->fd != STDOUT_FILENO || o->offset > 0)
		at = (off_t)o->offset;
	if (s->regular && at > st->st_size)
		tool_fail(TOOL_ERROR, "--offset: %s has %" PRIu64 " bytes only", s->name,
			  (uint64_t)st->st_size);
	if (s->regular && (s->fd != STDOUT_FILENO || o->offset > 0) && ftruncate(s->fd, at) < 0)
		fail(s);
	s->end = (uint64_t)at;
}

void sink_open(struct sink *s, const struct options *o, int source_fd)
{
	struct stat st, source;

	*s = (struct sink){ .fd = STDOUT_FILENO, .name = "standard output" };
	if (strcmp(o->recv_file, "-") != 0) {
		s->name = o->recv_file;
		s->fd = open(s->name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	}
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		fail(s);
	s->regular = S_ISREG(st.st_mode);
	s->seekable = s->regular || S_ISBLK(st.st_mode);
	if (!s->seekable && o->offset > 0)
		tool_fail(TOOL_ERROR, "--offset: %s is no file that could be continued", s->name);
	if (!s->seekable)
		return;
	if (source_fd >= 0 && fstat(source_fd, &source) == 0 && source.st_dev == st.st_dev &&
	    source.st_ino == st.st_ino)
		tool_fail(TOOL_ERROR, "%s cannot be both sent and received into", s->name);
	prepare_file(s, o, &st);
}

void sink_attach(struct sink *s, struct backend *backend, struct io *io)
{
	s->backend = backend;
	s->io = io;
	s->poll_first = !s->seekable && !io->uring;
	s->wait_writable = s->poll_first;
	s->atomic_only = s->poll_first && !(fcntl(s->fd, F_GETFL) & O_NONBLOCK);
}

static struct backend_message *at(struct sink *s, unsigned int n)
{
	return &s->queue[(s->first + n) % SINK_DEPTH];
}

static void pop(struct sink *s)
{
	s->bytes -= at(s, 0)->size;
	s->backend->ops->release(s->backend, at(s, 0));
	s->first = (s->first + 1) % SINK_DEPTH;
	s->count--;
	s->done = 0;
}

static void drop_all(struct sink *s)
{
	while (s->count > 0)
		pop(s);
}

void sink_close(struct sink *s)
{
	sink_cancel(s);
	drop_all(s);
	if (s->fd > STDOUT_FILENO)
		close(s->fd);
	else if (s->seekable)
		lseek(s->fd, (off_t)s->end, SEEK_SET); /* who has it, too, goes on there */
}

bool sink_has_room(const struct sink *s)
{
	return s->count < SINK_DEPTH && s->bytes < QUEUE_BYTES;
}

int sink_add(struct sink *s, const struct backend_event *ev, size_t size)
{
	struct backend_message *m = at(s, s->count);
	int ret;

	if (size == 0 || s->error < 0)
		return 0;
	ret = s->backend->ops->keep(s->backend, ev, m);
	if (ret < 0)
		return ret;
	m->wanted = size;
	s->bytes += m->size;
	s->count++;
	return 0;
}

/* Cut off what may not be what was sent. Who reads a pipe has it already. */
static void distrust(struct sink *s, size_t size)
{
	if (s->regular && ftruncate(s->fd, (off_t)(s->end - size)) == 0)
		s->end -= size;
	else
		tool_say("%s: the last %zu bytes may be wrong: the other side restarted while they "
			 "were written",
			 s->name, size);
}

/* @n bytes more are in the file. All buffers of a session turn stale together. */
static void written(struct sink *s, size_t n)
{
	s->end += n;
	while (n > 0) {
		size_t left = at(s, 0)->wanted - s->done;

		if (!s->backend->ops->is_current(s->backend, at(s, 0))) {
			distrust(s, n);
			drop_all(s);
			return;
		}
		if (n < left) {
			s->done += n;
			return;
		}
		n -= left;
		pop(s);
	}
}

static void take_result(struct sink *s)
{
	ssize_t n = s->op.result;

	s->writing = false;
	if (s->op.kind == IO_WRITE && n > 0) {
		written(s, (size_t)n);
		return;
	}
	if (s->op.kind == IO_WRITE && n == -EAGAIN)
		s->wait_writable = s->poll_first = true;
	if (n == -EAGAIN || n == -EINTR || (s->op.kind == IO_SYNC && n == 0))
		return;
	s->error = n < 0 ? (int)n : -EIO;
	if (n != -ECANCELED)
		tool_say("%s: cannot %s at byte %" PRIu64 ": %s", s->name,
			 s->op.kind == IO_SYNC ? "sync" : "write", s->end, strerror(-s->error));
	drop_all(s);
}

/* As many as are there, or as a pipe takes without making a plain call wait. */
static void begin_write(struct sink *s)
{
	size_t most = s->atomic_only ? PIPE_BUF : SIZE_MAX;
	unsigned int n = 0;

	for (; n < s->count && most > 0; n++) {
		size_t skip = n == 0 ? s->done : 0, size = at(s, n)->wanted - skip;

		if (!s->backend->ops->is_current(s->backend, at(s, n)))
			break;
		if (size > most)
			size = most;
		s->iov[n] = (struct iovec){ at(s, n)->data + skip, size };
		most -= size;
	}
	if (n == 0) {
		drop_all(s);
		return;
	}
	s->op = (struct io_op){ .kind = IO_WRITE, .fd = s->fd, .iov = s->iov, .iov_count = n };
	/* After a short write Linux 6.18 has not moved the file's own position. */
	s->op.offset = s->seekable ? (int64_t)s->end : IO_POSITION;
	s->writing = true;
	s->wait_writable = s->poll_first;
	io_begin(s->io, &s->op);
}

bool sink_turn(struct sink *s)
{
	for (;;) {
		if (s->writing) {
			io_turn(s->io);
			if (s->op.busy)
				break;
			take_result(s);
		}
		if (s->error < 0 || s->wait_writable || s->count == 0)
			break;
		begin_write(s);
	}
	return s->error == 0;
}

bool sink_is_empty(const struct sink *s)
{
	return s->count == 0 && !s->writing;
}

void sink_sync(struct sink *s)
{
	if (!s->seekable || s->error < 0)
		return;
	s->op = (struct io_op){ .kind = IO_SYNC, .fd = s->fd };
	s->writing = true;
	io_begin(s->io, &s->op);
}

void sink_cancel(struct sink *s)
{
	io_cancel(s->io, &s->op);
	if (s->writing)
		take_result(s);
}

int sink_poll_fd(const struct sink *s)
{
	return s->wait_writable ? s->fd : -1;
}

void sink_writable(struct sink *s)
{
	s->wait_writable = false;
}
