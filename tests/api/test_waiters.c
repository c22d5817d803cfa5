// SPDX-License-Identifier: Apache-2.0
/*
 * Waiting in many threads at once: who leaves hands over, deadlines hold whatever is stuck, and
 * what one thread gives back another gets. Nothing here is put right by time: where somebody is
 * forgotten, the test hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "crowd.h"

#define WAITERS 4u

static struct seen a, b;

static void open_and_bind(struct ends *e)
{
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	ends_bind(e, &a, &b, "wait");
	ends_settle(e);
}

struct call {
	struct icbmsg_ept *ept;
	int64_t timeout;
	int result;
	int64_t took; /* ns */
	atomic_bool done;
};

static void *send_one(void *arg)
{
	struct call *c = arg;
	int64_t start = ends_now();

	c->result = icbmsg_send(c->ept, "y", 1, c->timeout);
	c->took = ends_now() - start;
	atomic_store(&c->done, true);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------
 * Handing over
 */

/* One thread waits for all, and several for it; when it leaves another one takes its place. */
struct line {
	struct crowd first, others;
	struct call leaver, waiter[WAITERS];
};

static void line_up(struct line *l, struct icbmsg *link, struct icbmsg_ept *ept, int64_t timeout)
{
	memset(l, 0, sizeof(*l));
	l->leaver.ept = ept;
	l->leaver.timeout = timeout;
	crowd_start(&l->first, send_one, &l->leaver);
	/* Its deadline may have passed before anybody sees it wait; rarely, as it is alone. */
	while (ends_inside(link) < 1 && !atomic_load(&l->leaver.done))
		sched_yield();
	for (unsigned int n = 0; n < WAITERS; n++) {
		l->waiter[n].ept = a.ept;
		l->waiter[n].timeout = ICBMSG_FOREVER;
		crowd_start(&l->others, send_one, &l->waiter[n]);
	}
}

static void assert_served(struct line *l, struct ends *e, int messages)
{
	ends_until(e->b, NULL, &b.received, messages + (int)WAITERS);
	crowd_join(&l->others);
	for (unsigned int n = 0; n < WAITERS; n++)
		assert_int_equal(l->waiter[n].result, 0);
}

static void who_gives_up_hands_over(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	open_and_bind(&e);
	for (int round = 0; round < 5; round++) {
		struct line l;
		int messages = b.received + ends_fill(&e, &a);

		line_up(&l, e.a, a.ept, (1 + round) * MS);
		crowd_join(&l.first);
		assert_int_equal(l.leaver.result, -ETIMEDOUT);
		assert_true(l.leaver.took >= l.leaver.timeout);
		ends_until_inside(e.a, WAITERS);
		assert_served(&l, &e, messages);
	}
	ends_close(&e);
}

/* The one that waits for all loses its endpoint. */
static void who_is_cancelled_hands_over(void **state)
{
	static struct seen gone_a, gone_b;
	struct ends e;

	(void)state;
	ends_open(&e);
	open_and_bind(&e);
	for (int round = 0; round < 5; round++) {
		struct line l;
		int messages;

		memset(&gone_a, 0, sizeof(gone_a));
		memset(&gone_b, 0, sizeof(gone_b));
		ends_bind(&e, &gone_a, &gone_b, "gone");
		ends_settle(&e);
		messages = b.received + ends_fill(&e, &a);
		line_up(&l, e.a, gone_a.ept, ICBMSG_FOREVER);
		ends_until_inside(e.a, 1 + WAITERS);
		icbmsg_ept_deregister(gone_a.ept);
		icbmsg_ept_deregister(gone_b.ept);
		crowd_join(&l.first);
		assert_int_equal(l.leaver.result, -ECANCELED);
		assert_served(&l, &e, messages);
	}
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * What another thread gives back
 */

struct taker {
	uint32_t random;
	atomic_uint *taken;
};

static void *take_and_drop(void *arg)
{
	struct taker *t = arg;

	for (int n = 0; n < 100; n++) {
		size_t size = crowd_random(&t->random, 3) ? crowd_size(a.user, &t->random) : 0;
		void *buffer;
		int ret = icbmsg_get_tx_buffer(a.ept, &size, crowd_timeout(&t->random), &buffer);

		crowd_check(ret == 0 || ret == -ENOBUFS || ret == -ETIMEDOUT, "cannot take");
		if (ret < 0)
			continue;
		crowd_write(buffer, 0, (uint32_t)n, size);
		sched_yield();
		/* Nobody else has it. */
		crowd_read(buffer, size);
		crowd_check(icbmsg_drop_tx_buffer(a.user, buffer) == 0, "cannot drop");
		atomic_fetch_add(t->taken, 1);
	}
	return NULL;
}

/* The other side does nothing at all: blocks only go around among our own threads. */
static void buffers_go_around(void **state)
{
	struct taker taker[8];
	struct crowd crowd = { .count = 0 };
	atomic_uint taken = 0;
	struct ends e;

	(void)state;
	ends_open(&e);
	if (!ends_in_place(&e, e.a)) {
		ends_close(&e);
		skip();
	}
	open_and_bind(&e);
	a.user = e.a;
	for (uint32_t n = 0; n < 8; n++) {
		taker[n] = (struct taker){ .random = n + 1, .taken = &taken };
		crowd_start(&crowd, take_and_drop, &taker[n]);
	}
	crowd_join(&crowd);
	assert_true(taken > 0);
	assert_int_equal(ends_stats(e.a).tx_blocks_free, ends_blocks(e.a));
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Deadlines
 */

/* Time starts before the call and is looked at after it: it can only seem too long. */
static int one_call(struct icbmsg_ept *unbound, uint32_t kind, int64_t timeout)
{
	size_t size = 1;
	void *buffer;
	int ret;

	switch (kind) {
	case 0:
		return icbmsg_send(a.ept, "x", 1, timeout);
	case 1:
		ret = icbmsg_get_tx_buffer(a.ept, &size, timeout, &buffer);
		/* Not on device memory: then the same for a copy. */
		return ret == -EOPNOTSUPP ? icbmsg_send(a.ept, "x", 1, timeout) : ret;
	case 2:
		return icbmsg_ept_wait_bound(unbound, timeout);
	default:
		ret = icbmsg_dispatch(icbmsg_ept_link(unbound), timeout);
		return ret == 0 ? -ETIMEDOUT : ret;
	}
}

struct patient {
	struct icbmsg_ept *unbound;
	uint32_t kind;
	uint32_t random;
};

static void *wait_in_vain(void *arg)
{
	struct patient *p = arg;

	for (int n = 0; n < 10; n++) {
		int64_t timeout = crowd_random(&p->random, 4000) * INT64_C(1000);
		int64_t start = ends_now();
		int ret = one_call(p->unbound, p->kind, timeout);

		crowd_check(ret == -ETIMEDOUT || (ret == -ENOBUFS && timeout == 0),
			    "a call in vain did not time out");
		crowd_check(ends_now() - start >= timeout, "a deadline came too early");
	}
	return NULL;
}

/* Ringing blocks from now on until the other side takes the doorbell: nobody may ring in earnest. */
static void jam_doorbell(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	if (poll(&p, 1, 0) == 1)
		assert_int_equal(eventfd_read(fd, &count), 0);
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
}

/*
 * Neither the peer nor its doorbell moves, and rescues would ring all the time: each deadline is
 * kept in each thread, and afterwards all goes on.
 */
static void deadlines_hold_when_all_is_stuck(void **state)
{
	struct crowd crowd = { .count = 0 };
	struct call last = { .timeout = ICBMSG_FOREVER };
	struct patient patient[7];
	static struct seen alone, found;
	struct ends e;
	int messages;

	(void)state;
	if (!ends_silence_is_doubted())
		ends_rescue_interval = "1ms";
	ends_prepare(&e, 0);
	assert_int_equal(fcntl(e.bell_to_b, F_SETFL, 0), 0);
	ends_open_a(&e);
	ends_open_b(&e);
	open_and_bind(&e);
	messages = ends_fill(&e, &a);
	/* A daemon may have made room meanwhile, which was taken again. */
	while (!ends_lends(&e, e.a) && icbmsg_dispatch(e.a, 0) > 0)
		;
	memset(&alone, 0, sizeof(alone));
	ends_register(e.a, &alone, "alone");
	jam_doorbell(e.bell_to_b);
	for (uint32_t n = 0; n < 7; n++) {
		/* One of them dispatches, the others wait in all the ways there are. */
		patient[n] = (struct patient){ alone.ept, n == 6 ? 3 : n % 3, n + 1 };
		crowd_start(&crowd, wait_in_vain, &patient[n]);
	}
	crowd_join(&crowd);
	last.ept = a.ept;
	crowd_start(&crowd, send_one, &last);
	/* Its announcement takes a block as well, until somebody is found. */
	ends_register(e.b, &found, "alone");
	ends_until(e.b, NULL, &b.received, messages + 1);
	crowd_join(&crowd);
	assert_int_equal(last.result, 0);
	ends_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * A side that gets no CPU
 */

/* Stop at the first moment when both sides say that the link is up. */
static void bring_up(struct ends *e)
{
	bool up_a = false, up_b = false;

	while (!up_a || !up_b) {
		assert_true(icbmsg_dispatch(e->a, 0) >= 0);
		up_a = ends_stats(e->a).state == ICBMSG_LINK_UP;
		up_b = ends_stats(e->b).state == ICBMSG_LINK_UP;
		if (up_a && up_b)
			break;
		assert_true(icbmsg_dispatch(e->b, 0) >= 0);
		up_b = ends_stats(e->b).state == ICBMSG_LINK_UP;
	}
}

/* @link rings in vain, for far longer than it would take to doubt a peer that can be doubted. */
static void rescue_often(struct icbmsg *link)
{
	uint64_t rescues = ends_stats(link).rescues;

	while (ends_stats(link).rescues < rescues + 25)
		assert_true(icbmsg_dispatch(link, MS) >= 0);
}

/*
 * One side stands still from the first moment on, with messages of the other's unread. That is no
 * restart: it goes on where it was.
 */
static void standing_still_is_no_restart(void **state)
{
	struct ends e;

	(void)state;
	ends_direct_only("the moment at which both sides are up is the daemon's");
	if (ends_silence_is_doubted())
		skip();
	ends_rescue_interval = "1ms";
	for (int stuck = 0; stuck < 2; stuck++) {
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		ends_open(&e);
		bring_up(&e);
		/* The initiator's announcement is what lies unread; or the follower's answer. */
		ends_register(e.a, &a, "still");
		ends_register(e.b, &b, "still");
		if (stuck)
			assert_true(icbmsg_dispatch(e.b, 0) >= 0);
		rescue_often(stuck ? e.b : e.a);
		ends_until(e.a, e.b, &a.bound, 1);
		ends_until(e.a, e.b, &b.bound, 1);
		assert_int_equal(ends_stats(e.a).restarts + ends_stats(e.b).restarts, 0);
		ends_close(&e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_gives_up_hands_over, crowd_calm),
		cmocka_unit_test_setup(who_is_cancelled_hands_over, crowd_calm),
		cmocka_unit_test_setup(buffers_go_around, crowd_calm),
		cmocka_unit_test_setup(deadlines_hold_when_all_is_stuck, crowd_calm),
		cmocka_unit_test_setup(standing_still_is_no_restart, crowd_calm),
	};

	return CROWD_RUN(tests);
}
