// SPDX-License-Identifier: Apache-2.0
/*
 * Many threads on both ends at once, with few blocks: each message arrives exactly once and in
 * order per sender, whoever waits, holds, drops or gives up.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

#define EPTS 2
#define SENDERS 3 /* per endpoint and side */
#define KEPT 64u

/* Set by the environment for runs of many rounds. */
static uint32_t messages = 300;

struct message {
	uint32_t sender, number, check;
	uint8_t fill[];
};

struct side;

struct sender {
	struct side *side;
	struct icbmsg_ept *ept;
	uint32_t index;
	uint32_t random;
	uint32_t dropped; /* buffers taken and given back unsent */
};

struct side {
	struct icbmsg *link;
	struct icbmsg_ept *ept[EPTS];
	struct sender sender[EPTS][SENDERS];
	uint32_t next[EPTS][SENDERS]; /* expected from the other side; dispatching thread only */
	atomic_uint received;
	atomic_bool stop;

	/* Held buffers, released by a thread of their own. */
	pthread_mutex_t lock;
	struct icbmsg_rx kept[KEPT];
	uint32_t kept_count;
};

/* cmocka's checks do not work in other threads. */
static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "test_threads: %s\n", what);
	abort();
}

static uint32_t rnd(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

static bool keep(struct side *s, const void *data)
{
	bool kept = false;

	pthread_mutex_lock(&s->lock);
	if (s->kept_count < KEPT && icbmsg_hold_rx(s->link, data, &s->kept[s->kept_count]) == 0) {
		s->kept_count++;
		kept = true;
	}
	pthread_mutex_unlock(&s->lock);
	return kept;
}

static void received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct side *s = user;
	int e = icbmsg_ept_name(ept)[1] - '0';
	struct message m;

	check(size >= sizeof(m), "a short message");
	memcpy(&m, data, sizeof(m));
	check(m.check == (m.sender ^ m.number ^ 0x5eedu ^ (uint32_t)size), "a damaged message");
	for (size_t i = sizeof(m); i < size; i++)
		check(((const uint8_t *)data)[i] == (uint8_t)m.number, "a damaged payload");
	check(m.number == s->next[e][m.sender], "a message lost, repeated or out of order");
	s->next[e][m.sender]++;
	if (m.number % 5 == 0)
		keep(s, data);
	atomic_fetch_add(&s->received, 1);
}

static void write_message(struct sender *t, void *at, uint32_t number, size_t size)
{
	struct message *m = at;

	m->sender = t->index;
	m->number = number;
	m->check = m->sender ^ m->number ^ 0x5eedu ^ (uint32_t)size;
	memset(m->fill, (int)number, size - sizeof(*m));
}

static int64_t some_timeout(struct sender *t)
{
	switch (rnd(&t->random, 4)) {
	case 0:
		return 0;
	case 1:
		return rnd(&t->random, 300) * INT64_C(1000);
	case 2:
		return SURELY;
	default:
		return ICBMSG_FOREVER;
	}
}

static int send_in_place(struct sender *t, uint32_t number, size_t size)
{
	size_t room = rnd(&t->random, 6) ? size : 0;
	void *buffer;
	int ret;

	ret = icbmsg_get_tx_buffer(t->ept, &room, some_timeout(t), &buffer);
	if (ret < 0)
		return ret;
	if (room < size || rnd(&t->random, 8) == 0) {
		check(icbmsg_drop_tx_buffer(t->side->link, buffer) == 0, "cannot drop a buffer");
		t->dropped++;
		return -EAGAIN;
	}
	write_message(t, buffer, number, size);
	return icbmsg_send_nocopy(t->ept, buffer, size);
}

static void *send_all(void *arg)
{
	struct sender *t = arg;
	size_t max = icbmsg_max_size(t->side->link);
	size_t span = max - sizeof(struct message) < 400 ? max - sizeof(struct message) : 400;
	uint8_t *copy = malloc(max);
	uint32_t number = 0;

	while (number < messages) {
		size_t size = sizeof(struct message) + rnd(&t->random, (uint32_t)span + 1);
		int ret;

		write_message(t, copy, number, size);
		if (ends_param->memory_type || rnd(&t->random, 2))
			ret = icbmsg_send(t->ept, copy, size, some_timeout(t));
		else
			ret = send_in_place(t, number, size);
		check(ret == 0 || ret == -ENOBUFS || ret == -ETIMEDOUT || ret == -EAGAIN,
		      "a send failed");
		if (ret == 0)
			number++;
		else
			sched_yield();
	}
	free(copy);
	return NULL;
}

static void *dispatch(void *arg)
{
	struct side *s = arg;

	while (!atomic_load(&s->stop))
		check(icbmsg_dispatch(s->link, 20 * MS) >= 0, "dispatching failed");
	return NULL;
}

static void *release_kept(void *arg)
{
	struct side *s = arg;
	uint32_t random = 99;

	for (;;) {
		struct icbmsg_rx rx = { 0 };
		/* In this order: whatever is held by the time of the stop is seen after it. */
		bool stopped = atomic_load(&s->stop);
		bool some;

		pthread_mutex_lock(&s->lock);
		some = s->kept_count > 0;
		if (some) {
			uint32_t n = rnd(&random, s->kept_count);

			rx = s->kept[n];
			s->kept[n] = s->kept[--s->kept_count];
		}
		pthread_mutex_unlock(&s->lock);
		if (some)
			check(icbmsg_release_rx(s->link, rx) == 0, "cannot release");
		else if (stopped)
			return NULL;
		else
			sched_yield();
	}
}

static void start_side(struct side *s, struct icbmsg *link)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = received };
	char name[4];

	memset(s, 0, sizeof(*s));
	s->link = link;
	pthread_mutex_init(&s->lock, NULL);
	for (int e = 0; e < EPTS; e++) {
		snprintf(name, sizeof(name), "e%d", e);
		assert_int_equal(icbmsg_ept_register(link, &s->ept[e], name, &callbacks, s), 0);
		for (uint32_t n = 0; n < SENDERS; n++)
			s->sender[e][n] = (struct sender){ .side = s,
							   .ept = s->ept[e],
							   .index = n,
							   .random = 1000u * (uint32_t)e + n + 1 };
	}
}

static void run(struct side *side, pthread_t *thread, unsigned int *count)
{
	for (int k = 0; k < 2; k++) {
		assert_int_equal(pthread_create(&thread[(*count)++], NULL, dispatch, &side[k]), 0);
		for (int e = 0; e < EPTS; e++)
			assert_int_equal(icbmsg_ept_wait_bound(side[k].ept[e], 0) % ETIMEDOUT, 0);
	}
	for (int k = 0; k < 2; k++)
		for (int e = 0; e < EPTS; e++)
			assert_int_equal(icbmsg_ept_wait_bound(side[k].ept[e], SURELY), 0);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(pthread_create(&thread[(*count)++], NULL, release_kept, &side[k]),
				 0);
		for (int e = 0; e < EPTS; e++)
			for (int n = 0; n < SENDERS; n++)
				assert_int_equal(pthread_create(&thread[(*count)++], NULL, send_all,
								&side[k].sender[e][n]),
						 0);
	}
}

static void everything_arrives_once_and_in_order(void **state)
{
	static struct side side[2];
	pthread_t thread[4 + 2 * EPTS * SENDERS];
	unsigned int count = 0;
	struct ends e;

	(void)state;
	ends_open(&e);
	if (icbmsg_max_size(e.a) < 32 || icbmsg_max_size(e.b) < 32) {
		ends_close(&e);
		skip();
	}
	start_side(&side[0], e.a);
	start_side(&side[1], e.b);
	run(side, thread, &count);
	for (int k = 0; k < 2; k++)
		while (atomic_load(&side[k].received) < messages * EPTS * SENDERS)
			sched_yield();
	atomic_store(&side[0].stop, true);
	atomic_store(&side[1].stop, true);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	ends_settle(&e);
	assert_int_equal(ends_stats(e.a).tx_blocks_free, ends_param->a_blocks);
	assert_int_equal(ends_stats(e.b).tx_blocks_free, ends_param->b_blocks);
	assert_int_equal(ends_stats(e.a).restarts + ends_stats(e.b).restarts, 0);
	ends_close(&e);
}

int main(void)
{
	const char *more = getenv("ICBMSG_THREADS_MESSAGES");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_arrives_once_and_in_order),
	};

	if (more)
		messages = (uint32_t)strtoul(more, NULL, 10);
	return ENDS_RUN_ALL(tests);
}
