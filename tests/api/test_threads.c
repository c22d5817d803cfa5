// SPDX-License-Identifier: Apache-2.0
/*
 * Many threads on both ends at once, with few blocks: each message arrives exactly once and in
 * order per sender, whoever waits, holds, drops or gives up, and whichever thread dispatches.
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crowd.h"
#include "jitter.h"

#define EPTS 2
#define SENDERS 3 /* per endpoint and side */
#define RELEASERS 2
#define DISPATCHERS 2
#define KEPT 64u

/* Set by the environment for runs of many rounds. */
static uint32_t messages = 80;

struct side;

struct sender {
	struct side *side;
	struct icbmsg_ept *ept;
	uint32_t index;
	uint32_t count; /* messages to send */
	bool in_place;
	uint32_t random;
};

struct side {
	struct icbmsg *link;
	struct icbmsg_ept *ept[EPTS];
	struct sender sender[EPTS][SENDERS];
	uint32_t next[EPTS][SENDERS]; /* expected from the other side; dispatching thread only */
	uint32_t to_come;             /* messages; dispatching thread only */
	sem_t all_received;
	atomic_bool stop;
	struct crowd_dispatcher dispatcher;

	/* Held buffers, released by threads of their own. */
	pthread_mutex_t lock;
	pthread_cond_t more; /* is held, or nothing more will be */
	struct icbmsg_rx kept[KEPT];
	uint32_t kept_count;
};

/* Hold the buffer @times times, as far as there is room. */
static void keep(struct side *s, const void *data, uint32_t times)
{
	pthread_mutex_lock(&s->lock);
	for (; times > 0 && s->kept_count < KEPT; times--)
		if (icbmsg_hold_rx(s->link, data, &s->kept[s->kept_count]) == 0)
			s->kept_count++;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

static void received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct crowd_message m = crowd_read(data, size);
	int e = icbmsg_ept_name(ept)[1] - '0';
	struct side *s = user;

	crowd_check(m.sender < SENDERS && m.number == s->next[e][m.sender],
		    "a message lost, repeated or out of order");
	s->next[e][m.sender]++;
	if (m.number % 5 == 0)
		keep(s, data, 1 + m.number % 2);
	if (--s->to_come == 0)
		sem_post(&s->all_received);
}

static int send_in_place(struct sender *t, uint32_t number, size_t size)
{
	size_t room = crowd_random(&t->random, 6) ? size : 0;
	void *buffer;
	int ret;

	ret = icbmsg_get_tx_buffer(t->ept, &room, crowd_timeout(&t->random), &buffer);
	if (ret < 0)
		return ret;
	if (room < size || crowd_random(&t->random, 8) == 0) {
		crowd_check(icbmsg_drop_tx_buffer(t->side->link, buffer) == 0,
			    "cannot drop a buffer");
		return -EAGAIN;
	}
	crowd_write(buffer, t->index, number, size);
	return icbmsg_send_nocopy(t->ept, buffer, size);
}

static void *send_all(void *arg)
{
	struct sender *t = arg;
	uint8_t *copy = malloc(icbmsg_max_size(t->side->link));
	uint32_t number = 0;

	while (number < t->count) {
		size_t size = crowd_size(t->side->link, &t->random);
		int ret;

		crowd_write(copy, t->index, number, size);
		if (!t->in_place || crowd_random(&t->random, 2))
			ret = icbmsg_send(t->ept, copy, size, crowd_timeout(&t->random));
		else
			ret = send_in_place(t, number, size);
		crowd_check(ret == 0 || ret == -ENOBUFS || ret == -ETIMEDOUT || ret == -EAGAIN,
			    "a send failed");
		if (ret == 0)
			number++;
		else
			sched_yield();
	}
	free(copy);
	return NULL;
}

/* One of the held buffers; false when there are none, and there will be none. */
static bool take_kept(struct side *s, uint32_t *random, struct icbmsg_rx *rx)
{
	bool some;

	pthread_mutex_lock(&s->lock);
	while (s->kept_count == 0 && !atomic_load(&s->stop))
		pthread_cond_wait(&s->more, &s->lock);
	some = s->kept_count > 0;
	if (some) {
		uint32_t n = crowd_random(random, s->kept_count);

		*rx = s->kept[n];
		s->kept[n] = s->kept[--s->kept_count];
	}
	pthread_mutex_unlock(&s->lock);
	return some;
}

static void *release_kept(void *arg)
{
	struct side *s = arg;
	uint32_t random = 99;
	struct icbmsg_rx rx;

	while (take_kept(s, &random, &rx))
		crowd_check(icbmsg_release_rx(s->link, rx) == 0, "cannot release");
	return NULL;
}

static void stop(struct side *s)
{
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stop, true);
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

static void open_side(struct side *s, struct icbmsg *link, bool in_place, uint32_t count)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = received };
	char name[4];

	memset(s, 0, sizeof(*s));
	s->link = link;
	crowd_dispatcher_init(&s->dispatcher, link, &s->stop);
	s->to_come = count * EPTS * SENDERS;
	sem_init(&s->all_received, 0, 0);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	for (int e = 0; e < EPTS; e++) {
		snprintf(name, sizeof(name), "e%d", e);
		assert_int_equal(icbmsg_ept_register(link, &s->ept[e], name, &callbacks, s), 0);
		for (uint32_t n = 0; n < SENDERS; n++)
			s->sender[e][n] = (struct sender){ .side = s,
							   .ept = s->ept[e],
							   .index = n,
							   .count = count,
							   .in_place = in_place,
							   .random = 1000u * (uint32_t)e + n + 1 };
	}
}

static void start_side(struct side *s, struct crowd *crowd)
{
	for (int e = 0; e < EPTS; e++)
		assert_int_equal(icbmsg_ept_wait_bound(s->ept[e], SURELY), 0);
	for (int n = 0; n < RELEASERS; n++)
		crowd_start(crowd, release_kept, s);
	for (int e = 0; e < EPTS; e++)
		for (int n = 0; n < SENDERS; n++)
			crowd_start(crowd, send_all, &s->sender[e][n]);
}

/* Nothing is out and nothing is held; no restart was seen, and no doorbell had to be repeated. */
static void assert_tidy(const struct side *s, bool rescues)
{
	struct icbmsg_stats st = ends_stats(s->link);

	assert_int_equal(s->kept_count, 0);
	assert_int_equal(st.rx_held, 0);
	assert_int_equal(st.tx_blocks_free, ends_blocks(s->link));
	assert_int_equal(st.restarts, 0);
	if (!rescues)
		assert_int_equal(st.rescues, 0);
}

static void run(struct side *side, void *(*dispatch)(void *dispatcher))
{
	struct crowd crowd = { .count = 0 };

	for (int k = 0; k < 2; k++)
		for (int n = 0; n < DISPATCHERS; n++)
			crowd_start(&crowd, dispatch, &side[k].dispatcher);
	for (int k = 0; k < 2; k++)
		start_side(&side[k], &crowd);
	for (int k = 0; k < 2; k++)
		while (sem_wait(&side[k].all_received) < 0)
			;
	stop(&side[0]);
	stop(&side[1]);
	crowd_join(&crowd);
}

/* Every sender sends @count messages; @rescues: doorbells may have to be repeated. */
static void exchange(void *(*dispatch)(void *dispatcher), uint32_t count, bool rescues)
{
	static struct side side[2];
	struct ends e;

	ends_open(&e);
	open_side(&side[0], e.a, ends_in_place(&e, e.a), count);
	open_side(&side[1], e.b, ends_in_place(&e, e.b), count);
	run(side, dispatch);
	ends_until_free(&e, e.a);
	ends_until_free(&e, e.b);
	assert_tidy(&side[0], rescues);
	assert_tidy(&side[1], rescues);
	ends_close(&e);
}

static void everything_arrives_once_and_in_order(void **state)
{
	(void)state;
	exchange(crowd_dispatch, messages, false);
}

/* Whoever waits reads for those who sleep on the descriptor, and it tells them so. */
static void loops_are_told(void **state)
{
	(void)state;
	exchange(crowd_dispatch_by_fd, messages, false);
}

/* Doorbells get lost: slower, and nothing else. */
static void doorbells_may_be_lost(void **state)
{
	(void)state;
	/* Some thread may get no CPU for long. */
	if (ends_silence_is_doubted())
		skip();
	ends_rescue_interval = "2ms";
	jitter_lose_doorbells(4);
	exchange(crowd_dispatch, messages / 4, true);
}

int main(void)
{
	const char *more = getenv("ICBMSG_THREADS_MESSAGES");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(everything_arrives_once_and_in_order, crowd_calm),
		cmocka_unit_test_setup(loops_are_told, crowd_calm),
		cmocka_unit_test_setup(doorbells_may_be_lost, crowd_calm),
	};

	if (more)
		messages = (uint32_t)strtoul(more, NULL, 10);
	return CROWD_RUN(tests);
}
