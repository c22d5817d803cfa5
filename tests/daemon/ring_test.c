// SPDX-License-Identifier: Apache-2.0
/*
 * Batches of operations on sockets, with io_uring and without; and that the daemon's ring does nothing
 * else.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/uring.h"
#include "ring.h"

#define PAIRS 20u
#define SIZE 3000u

struct fixture {
	struct ring *ring;
	int pairs[PAIRS][2];
	struct ring_op ops[RING_BATCH];
	char data[PAIRS][SIZE];
};

static struct ring *open_ring(unsigned int from)
{
	struct ring *ring;
	int error;

	assert_int_equal(ring_open(&ring, from, &error), 0);
	if (error < 0) {
		print_message("no io_uring: %s\n", uring_why_not(error));
		ring_close(ring);
		skip();
	}
	assert_true(ring_is_used(ring) == (from != RING_NEVER));
	return ring;
}

static void set_up(struct fixture *f, unsigned int from)
{
	memset(f, 0, sizeof(*f));
	f->ring = open_ring(from);
	for (unsigned int n = 0; n < PAIRS; n++)
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, f->pairs[n]), 0);
}

static void tear_down(struct fixture *f)
{
	for (unsigned int n = 0; n < PAIRS; n++) {
		close(f->pairs[n][0]);
		close(f->pairs[n][1]);
	}
	ring_close(f->ring);
}

static void fill(struct fixture *f, enum ring_kind kind, size_t size)
{
	for (unsigned int n = 0; n < PAIRS; n++)
		f->ops[n] = (struct ring_op){
			.kind = kind,
			.fd = f->pairs[n][kind == RING_SEND ? 0 : 1],
			.data = kind == RING_LOOK ? NULL : f->data[n],
			.size = size ? size + n : 0,
		};
}

static void send_all(struct fixture *f)
{
	for (unsigned int n = 0; n < PAIRS; n++)
		memset(f->data[n], (int)n, SIZE);
	fill(f, RING_SEND, 1000);
	ring_run(f->ring, f->ops, PAIRS);
	for (unsigned int n = 0; n < PAIRS; n++)
		assert_int_equal(f->ops[n].result, 1000 + n);
}

static void packets_pass(bool wanted)
{
	struct fixture f;

	set_up(&f, wanted ? RING_WORTH : RING_NEVER);
	send_all(&f);
	memset(f.data, 0xff, sizeof(f.data));
	fill(&f, RING_LOOK, 0);
	ring_run(f.ring, f.ops, PAIRS);
	for (unsigned int n = 0; n < PAIRS; n++)
		assert_int_equal(f.ops[n].result, 1000 + n);
	fill(&f, RING_RECEIVE, 1000);
	ring_run(f.ring, f.ops, PAIRS);
	for (unsigned int n = 0; n < PAIRS; n++) {
		assert_int_equal(f.ops[n].result, 1000 + n);
		assert_int_equal(f.data[n][0], n);
		assert_int_equal(f.data[n][999 + n], n);
		assert_int_equal((unsigned char)f.data[n][1000 + n], 0xff);
	}
	assert_int_equal(ring_stats(f.ring)->operations, wanted ? 3 * PAIRS : 0);
	assert_int_equal(ring_stats(f.ring)->submissions, wanted ? 3 : 0);
	assert_int_equal(ring_stats(f.ring)->plain, wanted ? 0 : 3 * PAIRS);
	tear_down(&f);
}

/* Where it would have to wait it says so at once; ends and errors are the sockets' own. */
static void nothing_waits(bool wanted)
{
	struct fixture f;
	unsigned int n, sent = 0;

	set_up(&f, wanted ? RING_WORTH : RING_NEVER);
	for (n = 0; n < 4; n++)
		f.ops[n] = (struct ring_op){ .kind = n % 2 ? RING_LOOK : RING_RECEIVE,
					     .fd = f.pairs[0][1],
					     .data = n % 2 ? NULL : f.data[0],
					     .size = n % 2 ? 0 : SIZE };
	ring_run(f.ring, f.ops, 4);
	for (n = 0; n < 4; n++)
		assert_int_equal(f.ops[n].result, -EAGAIN);
	/* A socket that nobody reads, until it is full: what comes after the first refusal is too. */
	do {
		for (n = 0; n < RING_BATCH; n++)
			f.ops[n] = (struct ring_op){ .kind = RING_SEND,
						     .fd = f.pairs[1][0],
						     .data = f.data[0],
						     .size = SIZE };
		ring_run(f.ring, f.ops, RING_BATCH);
		for (n = 0; n < RING_BATCH && f.ops[n].result == SIZE; n++)
			sent++;
	} while (n == RING_BATCH);
	assert_in_range(sent, 1, 100000);
	for (; n < RING_BATCH; n++)
		assert_int_equal(f.ops[n].result, -EAGAIN);
	/* Not even SIGPIPE, which is fatal here. */
	close(f.pairs[2][1]);
	f.pairs[2][1] = -1;
	for (n = 0; n < 4; n++)
		f.ops[n] = (struct ring_op){ RING_SEND, f.pairs[2][0], f.data[0], 1, 0 };
	f.ops[3] = (struct ring_op){ RING_LOOK, f.pairs[2][0], NULL, 0, 0 };
	ring_run(f.ring, f.ops, 4);
	for (n = 0; n < 3; n++)
		assert_int_equal(f.ops[n].result, -EPIPE);
	assert_int_equal(f.ops[3].result, 0);
	tear_down(&f);
}

static void packets_pass_through_io_uring(void **state)
{
	(void)state;
	packets_pass(true);
}

static void packets_pass_by_plain_calls(void **state)
{
	(void)state;
	packets_pass(false);
}

static void nothing_waits_in_io_uring(void **state)
{
	(void)state;
	nothing_waits(true);
}

static void nothing_waits_in_plain_calls(void **state)
{
	(void)state;
	nothing_waits(false);
}

static void few_are_not_worth_a_ring(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, RING_WORTH);
	fill(&f, RING_SEND, 10);
	assert_false(ring_is_worth(f.ring, RING_WORTH - 1));
	ring_run(f.ring, f.ops, RING_WORTH - 1);
	assert_int_equal(ring_stats(f.ring)->plain, RING_WORTH - 1);
	assert_int_equal(ring_stats(f.ring)->operations, 0);
	ring_run(f.ring, f.ops, RING_WORTH);
	assert_int_equal(ring_stats(f.ring)->operations, RING_WORTH);
	tear_down(&f);
	set_up(&f, RING_ALWAYS);
	fill(&f, RING_SEND, 10);
	ring_run(f.ring, f.ops, 1);
	assert_int_equal(ring_stats(f.ring)->operations, 1);
	ring_run(f.ring, f.ops, 0);
	assert_int_equal(ring_stats(f.ring)->submissions, 1);
	tear_down(&f);
}

/* The queues of the daemon's ring itself, as who has taken the daemon over would reach them. */
static void map_queues(struct io_uring *out, const struct ring *ring)
{
	struct io_uring_params params = { 0 };
	struct io_uring other;

	assert_int_equal(io_uring_queue_init_params(RING_BATCH, &other, &params), 0);
	io_uring_queue_exit(&other);
	memset(out, 0, sizeof(*out));
	assert_int_equal(io_uring_queue_mmap(ring_fd(ring), &params, out), 0);
}

static int result_of(struct io_uring *uring)
{
	struct io_uring_cqe *cqe;
	int ret;

	assert_int_equal(io_uring_submit(uring), 1);
	assert_int_equal(io_uring_wait_cqe(uring, &cqe), 0);
	ret = cqe->res;
	io_uring_cqe_seen(uring, cqe);
	return ret;
}

static void forbidden_operations_fail(void **state)
{
	struct ring *ring = open_ring(RING_WORTH);
	struct io_uring uring;
	struct io_uring_sqe *sqe;
	char byte = 0;
	int pair[2];

	(void)state;
	map_queues(&uring, ring);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	/* What it is for is possible this way. */
	io_uring_prep_send(io_uring_get_sqe(&uring), pair[0], "x", 1, 0);
	assert_int_equal(result_of(&uring), 1);
	io_uring_prep_openat(io_uring_get_sqe(&uring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	assert_int_equal(result_of(&uring), -EACCES);
	io_uring_prep_write(io_uring_get_sqe(&uring), pair[0], "x", 1, 0);
	assert_int_equal(result_of(&uring), -EACCES);
	io_uring_prep_nop(io_uring_get_sqe(&uring));
	assert_int_equal(result_of(&uring), -EACCES);
	/* Nor what it is for, in a worker of the kernel. */
	sqe = io_uring_get_sqe(&uring);
	io_uring_prep_recv(sqe, pair[1], &byte, 1, 0);
	sqe->flags |= IOSQE_ASYNC;
	assert_int_equal(result_of(&uring), -EACCES);
	close(pair[0]);
	close(pair[1]);
	ring_close(ring);
}

static void nothing_can_be_registered(void **state)
{
	struct ring *ring = open_ring(RING_WORTH);
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(syscall(__NR_io_uring_register, ring_fd(ring), IORING_REGISTER_EVENTFD,
				 &fd, 1),
			 -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(fcntl(ring_fd(ring), F_GETFD), FD_CLOEXEC);
	close(fd);
	ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_pass_through_io_uring),
		cmocka_unit_test(packets_pass_by_plain_calls),
		cmocka_unit_test(nothing_waits_in_io_uring),
		cmocka_unit_test(nothing_waits_in_plain_calls),
		cmocka_unit_test(few_are_not_worth_a_ring),
		cmocka_unit_test(forbidden_operations_fail),
		cmocka_unit_test(nothing_can_be_registered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
