// SPDX-License-Identifier: Apache-2.0
/*
 * Batches of operations on sockets. MSG_DONTWAIT makes the kernel complete each while it is
 * submitted (io_uring/net.c: such a request is not kept for later).
 */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/uring.h"

struct ring {
	unsigned int from; /* operations, or RING_NEVER */
	struct io_uring uring;
	struct ring_stats stats;
};

static const struct uring_rules rules = {
	.opcodes = { IORING_OP_RECV, IORING_OP_SEND },
	.opcode_count = 2,
};

int ring_open(struct ring **out, unsigned int from, int *error)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	*error = 0;
	if (from != RING_NEVER)
		*error = uring_open(&ring->uring, RING_BATCH, 0, &rules);
	ring->from = *error == 0 ? from : RING_NEVER;
	*out = ring;
	return 0;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	if (ring_is_used(ring))
		io_uring_queue_exit(&ring->uring);
	free(ring);
}

bool ring_is_used(const struct ring *ring)
{
	return ring->from != RING_NEVER;
}

bool ring_is_worth(const struct ring *ring, unsigned int count)
{
	return ring_is_used(ring) && count >= ring->from;
}

const struct ring_stats *ring_stats(const struct ring *ring)
{
	return &ring->stats;
}

int ring_fd(const struct ring *ring)
{
	return ring_is_used(ring) ? ring->uring.ring_fd : -1;
}

static ssize_t call(const struct ring_op *op)
{
	switch (op->kind) {
	case RING_LOOK:
		return recv(op->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	case RING_RECEIVE:
		return recv(op->fd, op->data, op->size, MSG_DONTWAIT);
	case RING_SEND:
		return send(op->fd, op->data, op->size, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	errno = EINVAL;
	return -1;
}

static void run_plainly(struct ring *ring, struct ring_op *op)
{
	do
		op->result = call(op);
	while (op->result < 0 && errno == EINTR);
	if (op->result < 0)
		op->result = errno == EWOULDBLOCK ? -EAGAIN : -errno;
	ring->stats.plain++;
}

static void prepare(struct io_uring_sqe *sqe, struct ring_op *op)
{
	switch (op->kind) {
	case RING_LOOK:
		io_uring_prep_recv(sqe, op->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		break;
	case RING_RECEIVE:
		io_uring_prep_recv(sqe, op->fd, op->data, op->size, MSG_DONTWAIT);
		break;
	case RING_SEND:
		io_uring_prep_send(sqe, op->fd, op->data, op->size, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
	io_uring_sqe_set_data(sqe, op);
	op->result = -EINPROGRESS;
}

/* Results of what was submitted, @count operations: all are there, or soon will be. */
static void take_results(struct ring *ring, unsigned int count)
{
	struct io_uring_cqe *cqe;

	for (unsigned int n = 0; n < count; n++) {
		struct ring_op *op;

		while (io_uring_wait_cqe(&ring->uring, &cqe) < 0)
			;
		op = io_uring_cqe_get_data(cqe);
		op->result = cqe->res;
		io_uring_cqe_seen(&ring->uring, cqe);
	}
}

/* Through the ring; what it did not take, or did not carry out, is -EINPROGRESS afterwards. */
static void run_together(struct ring *ring, struct ring_op *ops, unsigned int count)
{
	unsigned int submitted = 0;
	int ret = 1;

	for (unsigned int n = 0; n < count; n++)
		prepare(io_uring_get_sqe(&ring->uring), &ops[n]);
	while (submitted < count && ret > 0) {
		ret = io_uring_submit(&ring->uring);
		ring->stats.submissions++;
		if (ret > 0)
			submitted += (unsigned int)ret;
		else if (ret == -EINTR)
			ret = 1;
	}
	take_results(ring, submitted);
	ring->stats.operations += submitted;
	if (submitted == count)
		return;
	/* The kernel is out of memory for requests: go on without, for good. */
	io_uring_queue_exit(&ring->uring);
	ring->from = RING_NEVER;
}

void ring_run(struct ring *ring, struct ring_op *ops, unsigned int count)
{
	bool together = count > 0 && ring_is_worth(ring, count);

	if (together)
		run_together(ring, ops, count);
	for (unsigned int n = 0; n < count; n++)
		if (!together || ops[n].result == -EINPROGRESS || ops[n].result == -EINTR)
			run_plainly(ring, &ops[n]);
}
