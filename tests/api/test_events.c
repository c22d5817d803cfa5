// SPDX-License-Identifier: Apache-2.0
/*
 * Events reach exactly whom they concern: none for an endpoint that is gone, none twice however
 * long nobody dispatches, and no thread sleeps on when what it waits for has happened in another's
 * call.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/instance.h"
#include "core/wait.h"
#include "hostile.h"

static struct seen a, b, a2, b2;
static struct ends e;
static struct hostile h;

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&a2, 0, sizeof(a2));
	memset(&b2, 0, sizeof(b2));
	return 0;
}

/* What a thread that waits does for everybody: read, and deliver nothing. */
static void pump(struct icbmsg *link)
{
	assert_int_equal(instance_enter(link), 0);
	instance_pump(link);
	instance_leave(link);
}

/* The same until there is a message that waits to be delivered. */
static void pump_message(struct icbmsg *link)
{
	do {
		ends_turn(&e);
		pump(link);
	} while (ends_counter(link, "rx_pending") == 0);
}

/* Two endpoints, bound; nothing under way. */
static void open_two(void)
{
	ends_open(&e);
	ends_bind(&e, &a, &b, "x");
	ends_bind(&e, &a2, &b2, "y");
	ends_settle(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Endpoints that come and go
 */

/* Until there is no room, whatever the other end has read. */
static void fill_what_is_held(void)
{
	while (ends_fill(&e, &a) > 0)
		ends_settle(&e);
}

/* And hold no more: what could not come so far comes now. */
static void release_held(struct seen *s)
{
	s->hold = false;
	for (size_t i = 0; i < s->held_count; i++)
		assert_int_equal(icbmsg_release_rx(e.b, s->held[i]), 0);
}

static void no_event_after_deregistration(void **state)
{
	int before;

	(void)state;
	ends_open(&e);
	b.hold = true;
	ends_bind(&e, &a, &b, "x");
	fill_what_is_held();
	assert_int_equal(icbmsg_send(a.ept, "m", 1, 0), -ENOBUFS);
	before = a.writable;
	icbmsg_ept_deregister(a.ept);
	release_held(&b);
	ends_until_free(&e, e.a);
	assert_int_equal(a.writable, before);
	ends_close(&e);
}

static void a_new_registration_inherits_no_events(void **state)
{
	int before;

	(void)state;
	ends_open(&e);
	b.hold = true;
	ends_bind(&e, &a, &b, "x");
	fill_what_is_held();
	before = a.writable;
	icbmsg_ept_deregister(a.ept);
	ends_register(e.a, &a, "x");
	release_held(&b);
	ends_until(e.a, e.b, &a.bound, 2);
	ends_until_free(&e, e.a);
	assert_int_equal(a.writable, before);
	assert_int_equal(a.bound, 2);
	ends_close(&e);
}

/* More registrations than the event queue has places, while a message waits in it. */
static void registering_without_dispatch_loses_nothing(void **state)
{
	(void)state;
	open_two();
	assert_int_equal(icbmsg_send(b2.ept, "m", 1, 0), 0);
	pump_message(e.a);
	for (unsigned int i = 0; i < SESSION_EVENTS + 100; i++) {
		icbmsg_ept_deregister(a.ept);
		ends_register(e.a, &a, "x");
	}
	assert_int_equal(a.bound, 1);
	ends_until(e.a, e.b, &a.bound, 2);
	ends_until(e.a, e.b, &a2.received, 1);
	ends_until_free(&e, e.b);
	assert_int_equal(a.bound, 2);
	assert_int_equal(a2.received, 1);
	assert_int_equal(ends_stats(e.a).rx_held, 0);
	assert_int_equal(ends_stats(e.b).bad_releases, 0);
	ends_close(&e);
}

/* The peer starts anew, binds and sends all it has; libicbmsg reads, and nobody dispatches. */
static void peer_lives_once(unsigned int life)
{
	h.rd = h.wr = 0;
	hostile_forget(&h);
	shm_store32(h.out.rd_idx, 0);
	shm_store32(h.out.wr_idx, 0);
	hostile_put(&h, control_magic, CONTROL_MAGIC_SIZE);
	for (int i = 0; i < 3; i++) {
		pump(h.link);
		hostile_read(&h);
	}
	assert_int_equal(h.read.bounds, 1);
	hostile_control(&h, CONTROL_RELEASE_BOUND, 0, h.read.last.block);
	pump(h.link);
	for (uint32_t i = 0; i < h.rx.block_count; i++) {
		uint32_t value = life << 16 | i;

		hostile_fill(&h, i, sizeof(value), &value, sizeof(value));
		hostile_control(&h, CONTROL_DATA, 0, i);
		pump(h.link);
	}
}

static uint32_t expected;

static void in_order(struct seen *seen, const void *data, size_t size)
{
	uint32_t value;

	(void)seen;
	assert_int_equal(size, sizeof(value));
	memcpy(&value, data, sizeof(value));
	assert_int_equal(value, expected++);
}

/* More messages in all those lives than the event queue has places. */
static void restarts_without_dispatch_lose_nothing(void **state)
{
	unsigned int lives = SESSION_EVENTS / 200 + 2;

	(void)state;
	hostile_start(&h, &a, true);
	for (unsigned int i = 0; i < lives; i++)
		peer_lives_once(i);
	a.received = 0;
	a.on_received = in_order;
	expected = (lives - 1) << 16;
	hostile_forget(&h);
	while (icbmsg_dispatch(h.link, 0) > 0)
		hostile_read(&h);
	hostile_read(&h);
	assert_int_equal(a.received, h.rx.block_count);
	assert_int_equal(h.read.releases, h.rx.block_count);
	for (uint32_t i = 0; i < h.rx.block_count; i++)
		assert_int_equal(h.read.released[i], 1);
	assert_int_equal(ends_stats(h.link).rx_held, 0);
	hostile_end(&h);
}

static int passes;

/* Takes the event back that dispatch would stop behind, and sees to it that there always is another. */
static void never_done(struct seen *seen, const void *data, size_t size)
{
	(void)seen;
	(void)data;
	(void)size;
	if (passes++ == 0)
		icbmsg_ept_deregister(a.ept);
	if (passes > 100)
		return;
	icbmsg_dispatch(e.b, 0);
	assert_int_equal(icbmsg_send(b2.ept, "m", 1, 0), 0);
	pump(e.a);
}

static void a_dispatch_ends(void **state)
{
	(void)state;
	ends_direct_only("messages have to come while a callback runs");
	passes = 0;
	open_two();
	a2.on_received = never_done;
	assert_int_equal(icbmsg_send(b2.ept, "m", 1, 0), 0);
	assert_int_equal(icbmsg_send(b.ept, "m", 1, 0), 0);
	pump(e.a);
	assert_in_range(icbmsg_dispatch(e.a, 0), 1, 2);
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Waking who waits
 */

struct sender {
	struct icbmsg_ept *ept;
	int ret;
	bool hung; /* nothing woke it but its own timeout, after which a send looks once more */
};

static void *send_patiently(void *arg)
{
	struct sender *s = arg;
	int64_t end = clock_now() + SURELY;

	s->ret = icbmsg_send(s->ept, "m", 1, SURELY);
	s->hung = clock_now() >= end;
	return NULL;
}

/* A wake-up must not be the timer's. */
static void stop_timer(struct icbmsg *link)
{
	struct itimerspec off = { 0 };

	assert_int_equal(timerfd_settime(link->timer_fd, 0, &off, NULL), 0);
}

static void start_sender(pthread_t *thread, struct sender *s)
{
	struct icbmsg *link = icbmsg_ept_link(s->ept);
	bool asleep = false;

	assert_int_equal(pthread_create(thread, NULL, send_patiently, s), 0);
	while (!asleep) {
		sched_yield();
		pthread_mutex_lock(&link->lock);
		asleep = link->polling;
		pthread_mutex_unlock(&link->lock);
	}
}

/* All blocks in one buffer; the endpoint has been refused another. */
static void *take_all(void)
{
	size_t size = icbmsg_max_size(h.link);
	void *data;

	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &data), 0);
	assert_int_equal(icbmsg_send(a.ept, "m", 1, 0), -ENOBUFS);
	return data;
}

static void a_shrunk_send_gives_a_writable_event(void **state)
{
	void *data;

	(void)state;
	hostile_start(&h, &a, true);
	data = take_all();
	assert_int_equal(icbmsg_send_nocopy(a.ept, data, 1), 0);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count - 1);
	assert_int_equal(a.writable, 1);
	hostile_end(&h);
}

static void a_shrunk_send_wakes_a_sender(void **state)
{
	struct sender sender;
	pthread_t thread;
	void *data;

	(void)state;
	hostile_start(&h, &a, true);
	stop_timer(h.link);
	data = take_all();
	sender.ept = a.ept;
	start_sender(&thread, &sender);
	assert_int_equal(icbmsg_send_nocopy(a.ept, data, 1), 0);
	pthread_join(thread, NULL);
	assert_false(sender.hung);
	assert_int_equal(sender.ret, 0);
	hostile_end(&h);
}

/* A restart that nobody rings for, found by a release in one thread: the other's send is over. */
static void a_restart_seen_by_a_release_wakes_a_sender(void **state)
{
	struct sender sender;
	pthread_t thread;

	(void)state;
	hostile_start(&h, &a, true);
	stop_timer(h.link);
	a.hold = true;
	hostile_fill(&h, 3, 1, "m", 1);
	hostile_control(&h, CONTROL_DATA, 0, 3);
	hostile_settle(&h);
	assert_int_equal(a.held_count, 1);
	while (icbmsg_send(a.ept, "m", 1, 0) == 0)
		;
	hostile_settle(&h);
	sender.ept = a.ept;
	start_sender(&thread, &sender);
	shm_store32(h.out.rd_idx, 0);
	icbmsg_release_rx(h.link, a.held[0]);
	pthread_join(thread, NULL);
	assert_false(sender.hung);
	assert_int_equal(sender.ret, -ECONNRESET);
	hostile_end(&h);
}

/* ------------------------------------------------------------------------------------------------
 * A send that fails while it copies: its source cannot be read before the endpoint is gone
 */

static uint8_t *page;

static void on_fault(int number)
{
	(void)number;
	if (mprotect(page, (size_t)getpagesize(), PROT_READ | PROT_WRITE) < 0)
		_exit(1);
	icbmsg_ept_deregister(a.ept);
}

static int send_and_fail(void)
{
	struct sigaction action = { .sa_handler = on_fault }, before;
	int ret;

	page = mmap(NULL, (size_t)getpagesize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	ret = icbmsg_send(a.ept, page, 1, 0);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	munmap(page, (size_t)getpagesize());
	return ret;
}

/* A daemon's client can have more than one message takes. */
static void take_all_but_one(void)
{
	uint32_t free;

	while ((free = ends_stats(e.a).tx_blocks_free) > 1) {
		size_t most = icbmsg_max_size(e.a);
		size_t size = layout_capacity(&e.a->link.tx, free - 1);
		void *data;

		if (size > most)
			size = most;
		assert_int_equal(icbmsg_get_tx_buffer(a2.ept, &size, 0, &data), 0);
	}
}

static void a_failed_send_gives_a_writable_event(void **state)
{
	(void)state;
	open_two();
	/* One block is left: enough for one byte, not for what the other endpoint wants. */
	take_all_but_one();
	assert_int_equal(icbmsg_send(a2.ept, b.data, e.a->link.tx.block_size, 0), -ENOBUFS);
	assert_int_equal(send_and_fail(), -ECANCELED);
	assert_int_equal(ends_stats(e.a).tx_blocks_free, 1);
	ends_settle(&e);
	assert_int_equal(a2.writable, 1);
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Without a doorbell
 */

/* A thread that looks all the time knows what time it is: the clock may not stand at its call's. */
static void records_of_a_busy_wait_have_their_own_time(void **state)
{
	struct icbmsg_record r[ICBMSG_RECORDS_MAX];
	struct sender sender;
	pthread_t thread;
	uint64_t start, wrote;
	int n;

	(void)state;
	hostile_start(&h, &a, true);
	while (icbmsg_send(a.ept, "m", 1, 0) == 0)
		;
	hostile_read(&h);
	sender.ept = a.ept;
	assert_int_equal(pthread_create(&thread, NULL, send_patiently, &sender), 0);
	while (ends_stats(h.link).waits == 0)
		sched_yield();
	start = clock_coarse();
	while (clock_coarse() == start)
		sched_yield();
	/* Not while it reads: it may have asked for the time and not yet looked. */
	pthread_mutex_lock(&h.link->lock);
	wrote = clock_coarse();
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, 0);
	pthread_mutex_unlock(&h.link->lock);
	pthread_join(thread, NULL);
	assert_false(sender.hung);
	assert_int_equal(sender.ret, 0);
	n = icbmsg_get_records(h.link, r, ICBMSG_RECORDS_MAX);
	while (n > 0 && r[n - 1].direction != ICBMSG_RX)
		n--;
	assert_true(n > 0);
	assert_int_equal(r[n - 1].type, CONTROL_RELEASE_DATA);
	assert_true(r[n - 1].time_ns >= wrote);
	hostile_end(&h);
}

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 8, 64, 7, 5, 0x1400, 0x1000, NULL, NULL },
	{ 0 },
};
static const struct ends_param many[] = {
	{ "classic", 8, 128, 256, 200, 0x10000, 0x8000, NULL, NULL },
	{ 0 },
};
static const struct ends_param busy[] = {
	{ "classic", 4, 4, 16, 16, 0x2000, 0x2000, "poll:busy", NULL },
	{ 0 },
};

#define RUN(params, tests) ends_run_params(params, "", tests, sizeof(tests) / sizeof((tests)[0]))

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_event_after_deregistration, clear),
		cmocka_unit_test_setup(a_new_registration_inherits_no_events, clear),
		cmocka_unit_test_setup(registering_without_dispatch_loses_nothing, clear),
		cmocka_unit_test_setup(a_dispatch_ends, clear),
		cmocka_unit_test_setup(a_shrunk_send_gives_a_writable_event, clear),
		cmocka_unit_test_setup(a_shrunk_send_wakes_a_sender, clear),
		cmocka_unit_test_setup(a_restart_seen_by_a_release_wakes_a_sender, clear),
		cmocka_unit_test_setup(a_failed_send_gives_a_writable_event, clear),
	};
	const struct CMUnitTest many_tests[] = {
		cmocka_unit_test_setup(restarts_without_dispatch_lose_nothing, clear),
	};
	const struct CMUnitTest busy_tests[] = {
		cmocka_unit_test_setup(records_of_a_busy_wait_have_their_own_time, clear),
	};

	return RUN(params, tests) + RUN(many, many_tests) + RUN(busy, busy_tests);
}
