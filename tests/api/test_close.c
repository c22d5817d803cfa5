// SPDX-License-Identifier: Apache-2.0
/*
 * Closing an instance while other threads are in every kind of call: all come out with -ESHUTDOWN,
 * what is held stays readable and can be released meanwhile and later, and nothing is left.
 *
 * A thread may be on its way into a call when the instance is closed. A program must not let that
 * happen; here each side holds one buffer until all threads are through, which keeps it alive.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crowd.h"

#define USERS (2 * USER_KINDS) /* threads of a side */
#define KEPT 32u

/* Set by the environment for more of them. */
static uint32_t rounds = 20;

/* Which calls a thread is in, over and over. */
enum user_kind { SEND, TAKE, WAIT_BOUND, REGISTER, DISPATCH, USER_KINDS };

struct side;

struct user {
	struct side *side;
	enum user_kind kind;
	uint32_t random;
};

struct side {
	struct icbmsg *link;
	struct icbmsg_ept *ept, *unbound;
	struct user user[USERS];
	atomic_bool closed; /* no callback runs any more */
	atomic_uint shut;   /* threads that have come out */
	atomic_bool stop;   /* the releasing thread is to end when nothing is held */

	pthread_mutex_t lock;
	struct held {
		struct icbmsg_rx rx;
		const void *data;
		size_t size;
	} kept[KEPT], last;
	uint32_t kept_count;
	bool has_last;
};

/* The first message is held to the end, others for a while. */
static void received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct side *s = user;
	struct held *h = NULL;

	(void)ept;
	crowd_read(data, size);
	pthread_mutex_lock(&s->lock);
	if (!s->has_last)
		h = &s->last;
	else if (s->kept_count < KEPT)
		h = &s->kept[s->kept_count];
	if (h && icbmsg_hold_rx(s->link, data, &h->rx) == 0) {
		h->data = data;
		h->size = size;
		s->kept_count += h != &s->last;
		s->has_last = true;
	}
	pthread_mutex_unlock(&s->lock);
	sched_yield();
	crowd_check(!atomic_load(&s->closed), "closed with a callback running");
}

/* Where there are session words the other side's close ends the session. */
static bool is_end_of_session(int ret)
{
	return (ret == -ECONNRESET || ret == -ENOTCONN || ret == -ESTALE) &&
	       ends_param->alignment >= 8;
}

/* What was held is what it was, also after the instance was closed. */
static void release(struct side *s, const struct held *h)
{
	int ret;

	crowd_read(h->data, h->size);
	ret = icbmsg_release_rx(s->link, h->rx);
	crowd_check(ret == 0 || is_end_of_session(ret), "cannot release");
}

static void *release_kept(void *arg)
{
	struct side *s = arg;

	for (;;) {
		bool stopped = atomic_load(&s->stop), some;
		struct held h;

		pthread_mutex_lock(&s->lock);
		some = s->kept_count > 0;
		if (some)
			h = s->kept[--s->kept_count];
		pthread_mutex_unlock(&s->lock);
		if (some)
			release(s, &h);
		else if (stopped)
			return NULL;
		else
			sched_yield();
	}
}

static int send_one(struct user *u)
{
	uint8_t message[512];
	size_t size = crowd_size(u->side->link, &u->random);

	crowd_write(message, 0, 0, size);
	return icbmsg_send(u->side->ept, message, size, crowd_timeout(&u->random));
}

static int take_one(struct user *u)
{
	size_t size = crowd_size(u->side->link, &u->random);
	void *buffer;
	int ret;

	ret = icbmsg_get_tx_buffer(u->side->ept, &size, crowd_timeout(&u->random), &buffer);
	if (ret < 0)
		return ret == -EOPNOTSUPP ? send_one(u) : ret;
	crowd_write(buffer, 0, 0, size);
	if (crowd_random(&u->random, 2))
		return icbmsg_drop_tx_buffer(u->side->link, buffer);
	return icbmsg_send_nocopy(u->side->ept, buffer, size);
}

static int register_one(struct user *u)
{
	struct icbmsg_ept *ept;
	int ret = icbmsg_ept_register(u->side->link, &ept, "briefly", NULL, NULL);

	if (ret == 0)
		icbmsg_ept_deregister(ept);
	return ret == -EEXIST ? 0 : ret;
}

static int one_call(struct user *u)
{
	switch (u->kind) {
	case SEND:
		return send_one(u);
	case TAKE:
		return take_one(u);
	case WAIT_BOUND:
		return icbmsg_ept_wait_bound(u->side->unbound, ICBMSG_FOREVER);
	case REGISTER:
		return register_one(u);
	default:
		return icbmsg_dispatch(u->side->link, ICBMSG_FOREVER);
	}
}

static void *use(void *arg)
{
	struct user *u = arg;
	int ret;

	for (;;) {
		ret = one_call(u);
		if (ret == -ESHUTDOWN)
			break;
		crowd_check(ret >= 0 || ret == -ENOBUFS || ret == -ETIMEDOUT || ret == -EBUSY ||
				    is_end_of_session(ret),
			    "a call failed");
		if (ret < 0)
			sched_yield();
	}
	atomic_fetch_add(&u->side->shut, 1);
	return NULL;
}

static void open_side(struct side *s, struct icbmsg *link, uint32_t seed)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = received };

	memset(s, 0, sizeof(*s));
	s->link = link;
	pthread_mutex_init(&s->lock, NULL);
	assert_int_equal(icbmsg_ept_register(link, &s->ept, "close", &callbacks, s), 0);
	for (uint32_t n = 0; n < USERS; n++)
		s->user[n] = (struct user){ s, (enum user_kind)(n % USER_KINDS), seed + n };
}

/* Both sides are bound, and hold a message each. */
static void bring_up(struct ends *e, struct side *side)
{
	struct crowd_message m;

	while (!icbmsg_ept_is_bound(side[0].ept) || !icbmsg_ept_is_bound(side[1].ept))
		ends_settle(e);
	crowd_write(&m, 0, 0, sizeof(m));
	for (int k = 0; k < 2; k++) {
		assert_int_equal(icbmsg_send(side[k].ept, &m, sizeof(m), 0), 0);
		while (!side[1 - k].has_last)
			ends_settle(e);
	}
}

static void start_side(struct side *s, const char *alone, struct crowd *crowd)
{
	/* Only one side has that name, so it is never bound. */
	assert_int_equal(icbmsg_ept_register(s->link, &s->unbound, alone, NULL, NULL), 0);
	crowd_start(crowd, release_kept, s);
	for (int n = 0; n < USERS; n++)
		crowd_start(crowd, use, &s->user[n]);
}

static void *close_in_use(void *arg)
{
	struct side *s = arg;

	crowd_check(icbmsg_close(s->link) == 0, "cannot close");
	atomic_store(&s->closed, true);
	while (atomic_load(&s->shut) < USERS)
		sched_yield();
	atomic_store(&s->stop, true);
	return NULL;
}

static void one_round(uint32_t seed)
{
	static struct side side[2];
	struct crowd users = { .count = 0 }, closers = { .count = 0 };
	struct ends e;

	ends_open(&e);
	open_side(&side[0], e.a, seed);
	open_side(&side[1], e.b, seed + USERS);
	bring_up(&e, side);
	start_side(&side[0], "alone a", &users);
	start_side(&side[1], "alone b", &users);
	/* Those who wait for bound, one who dispatches, and whoever else has come so far. */
	ends_until_inside(e.a, 3 + seed % 3);
	ends_until_inside(e.b, 3);
	crowd_start(&closers, close_in_use, &side[0]);
	crowd_start(&closers, close_in_use, &side[1]);
	crowd_join(&closers);
	crowd_join(&users);
	release(&side[0], &side[0].last);
	release(&side[1], &side[1].last);
	e.a = e.b = NULL;
	ends_close(&e);
}

static void close_gets_everybody_out(void **state)
{
	unsigned int before = count_fds();

	(void)state;
	/* Nothing can be held on device memory, so nobody could be on the way (see above). */
	if (ends_param->memory_type)
		skip();
	for (uint32_t n = 0; n < rounds; n++)
		one_round(1 + n * 1000);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const char *more = getenv("ICBMSG_THREADS_ROUNDS");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(close_gets_everybody_out, crowd_calm),
	};

	if (more)
		rounds = (uint32_t)strtoul(more, NULL, 10);
	return CROWD_RUN(tests);
}
