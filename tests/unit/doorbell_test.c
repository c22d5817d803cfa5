// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells: rings get through and merge, nothing blocks whatever O_NONBLOCK says, and descriptors
 * that are no doorbells are refused by name.
 */
#include "unit/files.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "mem/doorbell.h"

#define FULL UINT64_C(0xfffffffffffffffe) /* the largest count an eventfd can hold */

static char error[MEM_ERROR_SIZE];
static struct doorbell_counters count;
static const struct doorbell_host host = { .count = &count };
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	strcpy(error, "untouched");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* Both sides of a pair of eventfds. */
struct link {
	int fds[2];
	struct doorbell a, b;
};

static void open_link(struct link *l, int flags)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_EVENTFD,
				      .out.kind = DOORBELL_OUT_EVENTFD };

	l->fds[0] = eventfd(0, flags | EFD_CLOEXEC);
	l->fds[1] = eventfd(0, flags | EFD_CLOEXEC);
	spec.in.fd = l->fds[0];
	spec.out.fd = l->fds[1];
	assert_int_equal(doorbell_open(&l->a, &spec, &host, error), 0);
	spec.in.fd = l->fds[1];
	spec.out.fd = l->fds[0];
	assert_int_equal(doorbell_open(&l->b, &spec, &host, error), 0);
	assert_string_equal(error, "untouched");
}

static void close_link(struct link *l)
{
	doorbell_close(&l->a);
	doorbell_close(&l->b);
	doorbell_close(&l->b);
	assert_true(fcntl(l->fds[0], F_GETFD) >= 0); /* the caller's own stay open */
	close(l->fds[0]);
	close(l->fds[1]);
}

static void ring_both_ways(int flags)
{
	struct link l;

	open_link(&l, flags);
	assert_false(readable(l.b.in.fd, 0));
	assert_int_equal(doorbell_clear(&l.b), 0);
	assert_int_equal(doorbell_ring(&l.a), 0);
	assert_int_equal(doorbell_ring(&l.a), 0);
	assert_false(readable(l.a.in.fd, 0));
	assert_true(readable(l.b.in.fd, 0));
	assert_int_equal(doorbell_clear(&l.b), 2);
	assert_false(readable(l.b.in.fd, 0));
	assert_int_equal(doorbell_clear(&l.b), 0);
	assert_int_equal(doorbell_ring(&l.b), 0);
	assert_int_equal(doorbell_clear(&l.a), 1);
	close_link(&l);
}

static void nonblocking_rings_merge(void **state)
{
	(void)state;
	ring_both_ways(EFD_NONBLOCK);
}

static void blocking_rings_merge(void **state)
{
	(void)state;
	ring_both_ways(0);
}

static void flags_stay_as_they_are(void **state)
{
	struct link l;

	(void)state;
	open_link(&l, 0);
	assert_false(fcntl(l.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(l.a.in.blocks && l.a.out.blocks);
	assert_true(fcntl(l.a.in.fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(l.a.out.fd, F_GETFD) & FD_CLOEXEC);
	close_link(&l);
	open_link(&l, EFD_NONBLOCK);
	assert_true(fcntl(l.fds[1], F_GETFL) & O_NONBLOCK);
	assert_false(l.a.in.blocks || l.a.out.blocks);
	close_link(&l);
}

/* A peer that never listens must not stop us; a full counter is rung often enough. */
static void full_counter_does_not_block(void **state)
{
	static const int flags[] = { 0, EFD_NONBLOCK };
	struct link l;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		open_link(&l, flags[i]);
		assert_int_equal(eventfd_write(l.fds[1], FULL), 0);
		assert_int_equal(doorbell_ring(&l.a), 0);
		assert_true(doorbell_clear(&l.b) == FULL);
		assert_int_equal(doorbell_ring(&l.a), 0);
		assert_int_equal(doorbell_clear(&l.b), 1);
		close_link(&l);
	}
}

static void semaphores_come_to_rest(void **state)
{
	struct link l;

	(void)state;
	open_link(&l, EFD_SEMAPHORE);
	assert_int_equal(eventfd_write(l.fds[1], 3), 0);
	assert_int_equal(doorbell_clear(&l.b), 1);
	assert_int_equal(doorbell_clear(&l.b), 1);
	assert_int_equal(doorbell_clear(&l.b), 1);
	assert_false(readable(l.b.in.fd, 0));
	close_link(&l);
}

static void open_socket(struct doorbell *d, int fd)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_ELSEWHERE,
				      .out.kind = DOORBELL_OUT_SOCKET,
				      .out.fd = fd };

	assert_int_equal(doorbell_open(d, &spec, &host, error), 0);
	assert_int_equal(d->in.fd, -1);
	assert_true(fcntl(d->out.fd, F_GETFD) & FD_CLOEXEC);
}

/* One packet of one byte each; whoever owns the socket reads it. */
static void socket_carries_rings(void **state)
{
	struct doorbell d;
	char packet[4];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	open_socket(&d, pair[0]);
	assert_int_equal(doorbell_ring(&d), 0);
	assert_int_equal(doorbell_ring(&d), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recv(pair[1], packet, sizeof(packet), MSG_DONTWAIT), 1);
		assert_int_equal(packet[0], DOORBELL_RING);
	}
	assert_int_equal(recv(pair[1], packet, sizeof(packet), MSG_DONTWAIT), -1);
	/* What arrives is not ours to read. */
	assert_int_equal(send(pair[1], "?", 1, 0), 1);
	assert_int_equal(doorbell_clear(&d), 0);
	assert_int_equal(recv(pair[0], packet, sizeof(packet), MSG_DONTWAIT), 1);
	doorbell_close(&d);
	assert_true(fcntl(pair[0], F_GETFD) >= 0);
	close(pair[0]);
	close(pair[1]);
}

static void full_or_dead_socket_does_not_block(void **state)
{
	struct doorbell d;
	int pair[2];

	(void)state;
	/* Of a blocking socket, too. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	open_socket(&d, pair[0]);
	while (send(pair[0], "", 1, MSG_DONTWAIT) == 1)
		;
	assert_int_equal(doorbell_ring(&d), 0);
	close(pair[1]);
	for (int i = 0; i < 2; i++) {
		int ret = doorbell_ring(&d);

		assert_true(ret == -EPIPE || ret == -ECONNRESET);
	}
	doorbell_close(&d);
	close(pair[0]);
}

static void polling_ticks(void **state)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_POLL,
				      .in.interval_ns = 1000000,
				      .out.kind = DOORBELL_OUT_NOBODY };
	const struct itimerspec once = { .it_value = { .tv_nsec = 1 } };
	struct doorbell d;

	(void)state;
	assert_int_equal(doorbell_open(&d, &spec, &host, error), 0);
	assert_true(fcntl(d.in.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(d.out.fd, -1);
	assert_int_equal(doorbell_ring(&d), 0);
	assert_true(readable(d.in.fd, -1));
	assert_int_equal(doorbell_clear(&d), 0); /* an interval is no ring */
	assert_true(readable(d.in.fd, -1));
	doorbell_close(&d);

	spec.in.interval_ns = INT64_C(3600) * 1000000000;
	assert_int_equal(doorbell_open(&d, &spec, &host, error), 0);
	assert_false(readable(d.in.fd, 0));
	assert_int_equal(doorbell_clear(&d), 0);
	assert_int_equal(timerfd_settime(d.in.fd, 0, &once, NULL), 0);
	assert_true(readable(d.in.fd, -1));
	doorbell_clear(&d);
	assert_false(readable(d.in.fd, 0)); /* it was taken */
	doorbell_close(&d);
}

#define HOUR (INT64_C(3600) * 1000000000)

/* The timer expires now, instead of hours from now. */
static void let_tick(struct doorbell *d)
{
	struct itimerspec now, was;

	assert_int_equal(timerfd_gettime(d->in.fd, &was), 0);
	now = (struct itimerspec){ .it_interval = was.it_interval, .it_value.tv_nsec = 1 };
	assert_int_equal(timerfd_settime(d->in.fd, 0, &now, NULL), 0);
	assert_true(readable(d->in.fd, -1));
	assert_int_equal(doorbell_clear(d), 0);
	assert_false(readable(d->in.fd, 0));
}

static void assert_interval(const struct doorbell *d, int64_t hours)
{
	struct itimerspec is;

	assert_int_equal(timerfd_gettime(d->in.fd, &is), 0);
	assert_int_equal(is.it_interval.tv_sec, hours * 3600);
	assert_int_equal(is.it_interval.tv_nsec, 0);
	assert_true(is.it_value.tv_sec >= (hours - 1) * 3600);
}

static void the_interval_adapts(void **state)
{
	static const int64_t silence[] = { 2, 4, 8, 11, 11 };
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_POLL,
				      .in.interval_ns = HOUR,
				      .in.interval_max_ns = 11 * HOUR,
				      .out.kind = DOORBELL_OUT_NOBODY };
	struct doorbell d;

	(void)state;
	assert_int_equal(doorbell_open(&d, &spec, &host, error), 0);
	assert_true(d.in.adapts);
	for (int round = 0; round < 2; round++) {
		assert_interval(&d, 1);
		for (size_t i = 0; i < sizeof(silence) / sizeof(*silence); i++) {
			let_tick(&d);
			doorbell_looked(&d, 0, false);
			assert_interval(&d, silence[i]);
		}
		/* News, however it was found, and at once. The tick after it is not in vain. */
		doorbell_looked(&d, 0, true);
		assert_interval(&d, 1);
		let_tick(&d);
	}
	assert_interval(&d, 1);
	let_tick(&d);
	assert_interval(&d, 2);
	/* No tick, no change. */
	assert_int_equal(doorbell_clear(&d), 0);
	assert_interval(&d, 2);
	doorbell_close(&d);
}

static void a_fixed_interval_stays(void **state)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_POLL,
				      .in.interval_ns = HOUR,
				      .in.interval_max_ns = HOUR,
				      .out.kind = DOORBELL_OUT_NOBODY };
	struct doorbell d;

	(void)state;
	assert_int_equal(doorbell_open(&d, &spec, &host, error), 0);
	assert_false(d.in.adapts);
	let_tick(&d);
	assert_interval(&d, 1);
	doorbell_looked(&d, 0, true);
	assert_interval(&d, 1);
	doorbell_close(&d);
}

static void busy_is_always_ready(void **state)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_BUSY,
				      .out.kind = DOORBELL_OUT_NOBODY };
	struct doorbell d;

	(void)state;
	assert_int_equal(doorbell_open(&d, &spec, &host, error), 0);
	assert_true(readable(d.in.fd, 0));
	assert_int_equal(doorbell_clear(&d), 0);
	assert_true(readable(d.in.fd, 0));
	assert_int_equal(doorbell_ring(&d), 0);
	doorbell_close(&d);
	assert_int_equal(d.in.fd, -1);
}

static void assert_refused(const struct doorbell_spec *spec, int ret, const char *text)
{
	struct doorbell d = { .in.fd = 1234 };
	int before = count_fds();

	assert_int_equal(doorbell_open(&d, spec, &host, error), ret);
	if (!strstr(error, text))
		fail_msg("\"%s\" lacks \"%s\"", error, text);
	assert_int_equal(d.in.fd, 1234);
	assert_int_equal(count_fds(), before);
}

static void refuses_what_is_no_doorbell(void **state)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_EVENTFD,
				      .out.kind = DOORBELL_OUT_EVENTFD,
				      .in.fd = 1000000 };
	int good = eventfd(0, EFD_CLOEXEC), pair[2];

	(void)state;
	spec.out.fd = good;
	assert_refused(&spec, -EBADF,
		       "RX descriptor 1000000 is not open in this process; whoever "
		       "starts it must pass it on");
	spec.in.fd = good;
	spec.out.fd = 1000000;
	assert_refused(&spec, -EBADF, "TX descriptor 1000000 is not open");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	spec.out.fd = pair[0];
	assert_refused(&spec, -EINVAL, "not an eventfd; pass one made by eventfd(2)");
	assert_non_null(strstr(error, "is socket:["));
	spec.in.kind = DOORBELL_IN_ELSEWHERE;
	spec.out.kind = DOORBELL_OUT_SOCKET;
	assert_refused(&spec, -EINVAL, "is not a SEQPACKET socket; pass a connected one");
	spec.out.fd = good;
	assert_refused(&spec, -EINVAL, "is not a SEQPACKET socket");
	spec.out.fd = 1000000;
	assert_refused(&spec, -EBADF, "socket descriptor 1000000 is not open");
	close(pair[0]);
	close(pair[1]);
	close(good);
}

static void refuses_nonsense(void **state)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_NONE };

	(void)state;
	assert_refused(&spec, -EINVAL, "none is configured");
	spec.in.kind = DOORBELL_IN_POLL;
	assert_refused(&spec, -EINVAL, "must be positive");
	spec.in.interval_ns = 1;
	assert_refused(&spec, -EINVAL, "none to ring is configured");
	spec.in.interval_ns = 1;
	assert_refused(&spec, -EINVAL, "none to ring is configured");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nonblocking_rings_merge),
		T(blocking_rings_merge),
		T(flags_stay_as_they_are),
		T(full_counter_does_not_block),
		T(semaphores_come_to_rest),
		T(socket_carries_rings),
		T(full_or_dead_socket_does_not_block),
		T(polling_ticks),
		T(the_interval_adapts),
		T(a_fixed_interval_stays),
		T(busy_is_always_ready),
		T(refuses_what_is_no_doorbell),
		T(refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
