// SPDX-License-Identifier: Apache-2.0
/*
 * Operations on files, asked for in the ring or carried out at once.
 */
#include "cat/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/tool.h"
#include "common/uring.h"

#define ENTRIES 64u

static const struct uring_rules rules = {
	.opcodes = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_ASYNC_CANCEL },
	.opcode_count = 4,
};

void io_init(struct io *io, bool wanted)
{
	int ret;

	*io = (struct io){ .why_not = NULL };
	if (!wanted)
		return;
	ret = uring_open(&io->ring, ENTRIES, 0, &rules);
	io->uring = ret == 0;
	if (ret < 0)
		io->why_not = uring_why_not(ret);
}

void io_deinit(struct io *io)
{
	if (io->uring)
		io_uring_queue_exit(&io->ring);
	io->uring = false;
}

void io_submit(struct io *io)
{
	int ret;

	if (!io->uring || io_uring_sq_ready(&io->ring) == 0)
		return;
	ret = io_uring_submit(&io->ring);
	/* Busy: completions have to be taken over first; what was not taken stays in the ring. */
	if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY)
		tool_fail(TOOL_ERROR, "io_uring: %s; --no-io-uring does without", strerror(-ret));
	io->submissions++;
}

static void take_over(struct io *io)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&io->ring, &cqe) == 0) {
		struct io_op *op = io_uring_cqe_get_data(cqe);

		/* Cancellations have none. */
		if (op) {
			op->result = cqe->res;
			op->busy = false;
		}
		io_uring_cqe_seen(&io->ring, cqe);
	}
}

static struct io_uring_sqe *get_sqe(struct io *io)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&io->ring))) {
		io_submit(io);
		take_over(io);
	}
	return sqe;
}

static void begin_in_ring(struct io *io, struct io_op *op)
{
	struct io_uring_sqe *sqe = get_sqe(io);
	uint64_t offset = (uint64_t)op->offset;

	switch (op->kind) {
	case IO_READ:
		io_uring_prep_readv(sqe, op->fd, op->iov, op->iov_count, offset);
		break;
	case IO_WRITE:
		io_uring_prep_writev(sqe, op->fd, op->iov, op->iov_count, offset);
		break;
	case IO_SYNC:
		io_uring_prep_fsync(sqe, op->fd, 0);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
	op->busy = true;
}

static ssize_t call(const struct io_op *op)
{
	int count = (int)op->iov_count;

	switch (op->kind) {
	case IO_READ:
		return op->offset < 0 ? readv(op->fd, op->iov, count) :
					preadv(op->fd, op->iov, count, op->offset);
	case IO_WRITE:
		return op->offset < 0 ? writev(op->fd, op->iov, count) :
					pwritev(op->fd, op->iov, count, op->offset);
	case IO_SYNC:
		return fsync(op->fd);
	}
	errno = EINVAL;
	return -1;
}

void io_begin(struct io *io, struct io_op *op)
{
	io->operations++;
	if (io->uring) {
		begin_in_ring(io, op);
		return;
	}
	op->result = call(op);
	if (op->result < 0)
		op->result = -errno;
}

void io_turn(struct io *io)
{
	if (!io->uring)
		return;
	io_submit(io);
	take_over(io);
}

int io_poll_fd(const struct io *io)
{
	return io->uring ? io->ring.ring_fd : -1;
}

void io_cancel(struct io *io, struct io_op *op)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;

	if (!op->busy)
		return;
	sqe = get_sqe(io);
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data(sqe, NULL);
	io_submit(io);
	while (op->busy) {
		io_uring_wait_cqe(&io->ring, &cqe);
		take_over(io);
	}
}
