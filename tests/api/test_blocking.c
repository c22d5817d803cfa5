// SPDX-License-Identifier: Apache-2.0
/*
 * Waiting: not at all, until a deadline, for ever; what wakes a waiter; and the situations in which
 * other systems dead-lock, because the thread that waits for room is the one that would make it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	return 0;
}

static void full_means_enobufs_then_writable(void **state)
{
	struct ends e;
	int n, ret, events = 1;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "full");
	n = ends_fill(&e, &a);
	assert_in_range(n, ends_blocks(e.a), ends_lends(&e, e.a) ? ends_blocks(e.a) : INT_MAX);
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), -ENOBUFS);
	assert_int_equal(a.writable, 0);
	ends_until(e.a, e.b, &a.writable, 1);
	ret = icbmsg_send(a.ept, "x", 1, 0);
	/* With a daemon that may have been about blocks that were taken again since. */
	for (; !ends_lends(&e, e.a) && ret == -ENOBUFS; ret = icbmsg_send(a.ept, "x", 1, 0))
		ends_until(e.a, e.b, &a.writable, ++events);
	assert_int_equal(ret, 0);
	ends_settle(&e);
	if (ends_lends(&e, e.a))
		assert_int_equal(a.writable, events);
	ends_close(&e);
}

/* The peer is stuck: the deadline counts all the same. */
static void deadlines_are_kept(void **state)
{
	size_t size = 1;
	void *buffer;
	struct ends e;
	int64_t start;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "stuck");
	ends_fill(&e, &a);
	start = ends_now();
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 20 * MS), -ETIMEDOUT);
	assert_true(ends_now() - start >= 20 * MS);
	if (ends_in_place(&e, e.a)) {
		start = ends_now();
		assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 20 * MS, &buffer), -ETIMEDOUT);
		assert_true(ends_now() - start >= 20 * MS);
	}
	/* A daemon may have made room meanwhile, which was taken again. */
	while (!ends_lends(&e, e.a) && icbmsg_dispatch(e.a, 0) > 0)
		;
	start = ends_now();
	assert_int_equal(icbmsg_dispatch(e.a, 20 * MS), 0);
	assert_true(ends_now() - start >= 20 * MS);
	ends_close(&e);
}

static atomic_bool stop;

static void *dispatch_until_stopped(void *link)
{
	while (!atomic_load(&stop))
		if (icbmsg_dispatch(link, 5 * MS) < 0)
			abort();
	return NULL;
}

/* One thread sends faster than the peer reads: every send waits for the peer's releases. */
static void a_sender_waits_for_a_slow_peer(void **state)
{
	pthread_t peer;
	struct ends e;
	int filled;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "slow");
	atomic_store(&stop, false);
	filled = ends_fill(&e, &a);
	assert_int_equal(pthread_create(&peer, NULL, dispatch_until_stopped, e.b), 0);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(icbmsg_send(a.ept, &i, sizeof(i), i % 2 ? SURELY : ICBMSG_FOREVER),
				 0);
	atomic_store(&stop, true);
	pthread_join(peer, NULL);
	assert_true(ends_stats(e.a).waits > 0);
	ends_until(e.a, e.b, &b.received, 3000 + filled);
	ends_settle(&e);
	assert_int_equal(b.received, 3000 + filled);
	ends_close(&e);
}

static void echo(struct seen *s, const void *data, size_t size)
{
	/* Waits inside the callback, while the peer may do the same. */
	assert_int_equal(icbmsg_send(s->ept, data, size, SURELY), 0);
}

/*
 * Both sides answer each message from the callback, with a deadline, and both directions are full:
 * each can go on only if waiting for room reads the other's releases.
 */
static void callbacks_that_send_make_progress(void **state)
{
	pthread_t peer;
	struct ends e;
	int sent = 0;

	(void)state;
	ends_open(&e);
	b.on_received = echo;
	ends_bind(&e, &a, &b, "echo");
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&peer, NULL, dispatch_until_stopped, e.b), 0);
	while (sent < 3000) {
		if (icbmsg_send(a.ept, &sent, sizeof(sent), 0) == 0)
			sent++;
		else
			assert_true(icbmsg_dispatch(e.a, 10 * MS) >= 0);
	}
	ends_until(e.a, NULL, &a.received, sent);
	atomic_store(&stop, true);
	pthread_join(peer, NULL);
	assert_int_equal(b.received, sent);
	ends_close(&e);
}

/*
 * A program that holds all it gets sends until neither direction has room. Then it gives one buffer
 * back, and has to get the next message.
 */
static void a_release_is_seen_while_both_ways_are_full(void **state)
{
	pthread_t peer;
	struct ends e;
	int sent = 0, idle = 0;

	(void)state;
	ends_open(&e);
	a.hold = ends_in_place(&e, e.a);
	b.on_received = echo;
	ends_bind(&e, &a, &b, "full");
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&peer, NULL, dispatch_until_stopped, e.b), 0);
	while (a.hold && idle < 6) {
		int64_t start = ends_now();

		if (icbmsg_send(a.ept, &sent, sizeof(sent), 0) == 0) {
			sent++;
			idle = 0;
		} else {
			idle = icbmsg_dispatch(e.a, MS) > 0 ? 0 : idle + 1;
		}
		/* Not faster than a daemon takes them: it has to get stuck while more are coming. */
		while (ends_now() < start + 5000)
			;
	}
	a.hold = false;
	while (a.held_count > 0) {
		int before = a.received;

		assert_int_equal(icbmsg_release_rx(e.a, a.held[--a.held_count]), 0);
		if (before < sent)
			ends_until(e.a, NULL, &a.received, before + 1);
	}
	ends_until(e.a, NULL, &a.received, sent);
	atomic_store(&stop, true);
	pthread_join(peer, NULL);
	ends_close(&e);
}

struct call {
	struct icbmsg_ept *ept;
	atomic_bool started;
	int result;
};

static void *send_forever(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->started, true);
	c->result = icbmsg_send(c->ept, "x", 1, ICBMSG_FOREVER);
	return NULL;
}

static void *wait_bound_forever(void *arg)
{
	struct call *c = arg;

	atomic_store(&c->started, true);
	c->result = icbmsg_ept_wait_bound(c->ept, ICBMSG_FOREVER);
	return NULL;
}

/* Let a thread get into its call; being early only makes the test easier. */
static void begin(pthread_t *thread, void *(*fn)(void *), struct call *c)
{
	assert_int_equal(pthread_create(thread, NULL, fn, c), 0);
	while (!atomic_load(&c->started))
		;
}

static void drop_wakes_a_waiter(void **state)
{
	struct call c = { 0 };
	pthread_t thread;
	size_t size = 0;
	void *buffer;
	struct ends e;

	(void)state;
	ends_open(&e);
	if (!ends_in_place(&e, e.a)) {
		ends_close(&e);
		skip();
	}
	ends_bind(&e, &a, &b, "drop");
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &buffer), 0);
	c.ept = a.ept;
	begin(&thread, send_forever, &c);
	assert_int_equal(icbmsg_drop_tx_buffer(e.a, buffer), 0);
	pthread_join(thread, NULL);
	assert_int_equal(c.result, 0);
	ends_close(&e);
}

static void deregister_wakes_waiters(void **state)
{
	struct call c[2] = { 0 };
	pthread_t thread[2];
	static struct seen unbound, found;
	struct ends e;

	(void)state;
	memset(&unbound, 0, sizeof(unbound));
	memset(&found, 0, sizeof(found));
	ends_open(&e);
	ends_bind(&e, &a, &b, "gone");
	ends_register(e.a, &unbound, "alone");
	ends_fill(&e, &a);
	c[0].ept = a.ept;
	c[1].ept = unbound.ept;
	begin(&thread[0], send_forever, &c[0]);
	begin(&thread[1], wait_bound_forever, &c[1]);
	/* A thread that has not entered yet sees an endpoint that is not registered: no waiting. */
	icbmsg_ept_deregister(c[0].ept);
	icbmsg_ept_deregister(c[1].ept);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_int_equal(c[0].result, -ECANCELED);
	assert_int_equal(c[1].result, -ECANCELED);
	/* Its announcement has a block for itself, until somebody is found. */
	ends_register(e.b, &found, "alone");
	ends_close(&e);
}

/* Several threads wait in one instance; one polls for all, and each is served. */
static void several_waiters_are_all_served(void **state)
{
	struct call c[4] = { 0 };
	pthread_t thread[4];
	struct ends e;
	int filled;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "many");
	filled = ends_fill(&e, &a);
	for (int i = 0; i < 4; i++) {
		c[i].ept = a.ept;
		begin(&thread[i], send_forever, &c[i]);
	}
	ends_until(e.b, NULL, &b.received, filled + 4);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(c[i].result, 0);
	}
	ends_close(&e);
}

/* A program with a loop of its own: the descriptor says when to dispatch, and nothing else. */
static void the_descriptor_drives_a_foreign_loop(void **state)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct ends e;
	int i = 0;

	(void)state;
	ends_open(&e);
	b.on_received = echo;
	ends_register(e.a, &a, "loop");
	ends_register(e.b, &b, "loop");
	fds[0].fd = icbmsg_get_fd(e.a);
	fds[1].fd = icbmsg_get_fd(e.b);
	while (a.received < 500) {
		if (a.bound && i == a.received)
			assert_int_equal(icbmsg_send(a.ept, &i, sizeof(i), 0), 0), i++;
		assert_true(poll(fds, 2, 10000) > 0);
		if (fds[0].revents)
			assert_true(icbmsg_dispatch(e.a, 0) >= 0);
		if (fds[1].revents)
			assert_true(icbmsg_dispatch(e.b, 0) >= 0);
	}
	ends_close(&e);
}

/* Another thread's waiting call reads messages for us: the descriptor must say so. */
static void messages_pumped_elsewhere_show_on_the_descriptor(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "pumped");
	fd.fd = icbmsg_get_fd(e.b);
	ends_settle(&e);
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	ends_fill(&e, &b);
	/* The wait reads A's message and takes the doorbell. */
	assert_int_equal(icbmsg_send(b.ept, "y", 1, 20 * MS), -ETIMEDOUT);
	assert_int_equal(poll(&fd, 1, 10000), 1);
	ends_until(e.b, NULL, &b.received, 1);
	ends_close(&e);
}

static void dispatch_in_callback(struct seen *s, const void *data, size_t size)
{
	(void)data;
	(void)size;
	assert_int_equal(icbmsg_dispatch(icbmsg_ept_link(s->ept), 0), -EDEADLK);
	assert_int_equal(icbmsg_close(icbmsg_ept_link(s->ept)), -EDEADLK);
}

static void *dispatch_elsewhere(void *link)
{
	return (void *)(intptr_t)icbmsg_dispatch(link, 0);
}

static void dispatch_from_two_threads(struct seen *s, const void *data, size_t size)
{
	pthread_t thread;
	void *ret;

	(void)data;
	(void)size;
	assert_int_equal(pthread_create(&thread, NULL, dispatch_elsewhere, icbmsg_ept_link(s->ept)),
			 0);
	pthread_join(thread, &ret);
	assert_int_equal((int)(intptr_t)ret, -EBUSY);
}

static void only_one_dispatches(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	b.on_received = dispatch_in_callback;
	ends_bind(&e, &a, &b, "one");
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	ends_until(e.a, e.b, &b.received, 1);
	ends_settle(&e);
	b.on_received = dispatch_from_two_threads;
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	ends_until(e.a, e.b, &b.received, 2);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(full_means_enobufs_then_writable, clear),
		cmocka_unit_test_setup(deadlines_are_kept, clear),
		cmocka_unit_test_setup(a_sender_waits_for_a_slow_peer, clear),
		cmocka_unit_test_setup(callbacks_that_send_make_progress, clear),
		cmocka_unit_test_setup(a_release_is_seen_while_both_ways_are_full, clear),
		cmocka_unit_test_setup(drop_wakes_a_waiter, clear),
		cmocka_unit_test_setup(deregister_wakes_waiters, clear),
		cmocka_unit_test_setup(several_waiters_are_all_served, clear),
		cmocka_unit_test_setup(the_descriptor_drives_a_foreign_loop, clear),
		cmocka_unit_test_setup(messages_pumped_elsewhere_show_on_the_descriptor, clear),
		cmocka_unit_test_setup(only_one_dispatches, clear),
	};

	return ENDS_RUN_ALL(tests);
}
