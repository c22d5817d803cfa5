// SPDX-License-Identifier: Apache-2.0
/*
 * See crowd.h.
 */
#include "crowd.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jitter.h"

void crowd_check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "crowd: %s\n", what);
	abort();
}

uint32_t crowd_random(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

int64_t crowd_timeout(uint32_t *state)
{
	switch (crowd_random(state, 4)) {
	case 0:
		return 0;
	case 1:
		return crowd_random(state, 300) * INT64_C(1000);
	case 2:
		return SURELY;
	default:
		return ICBMSG_FOREVER;
	}
}

static uint32_t check_of(const struct crowd_message *m, size_t size)
{
	return m->sender ^ m->number ^ 0x5eedu ^ (uint32_t)size;
}

void crowd_write(void *at, uint32_t sender, uint32_t number, size_t size)
{
	struct crowd_message *m = at;

	m->sender = sender;
	m->number = number;
	m->check = check_of(m, size);
	memset(m + 1, (int)number, size - sizeof(*m));
}

struct crowd_message crowd_read(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	struct crowd_message m;

	crowd_check(size >= sizeof(m), "a short message");
	memcpy(&m, data, sizeof(m));
	crowd_check(m.check == check_of(&m, size), "a damaged message");
	for (size_t i = sizeof(m); i < size; i++)
		crowd_check(bytes[i] == (uint8_t)m.number, "a damaged payload");
	return m;
}

size_t crowd_size(const struct icbmsg *link, uint32_t *state)
{
	size_t span = icbmsg_max_size(link) - sizeof(struct crowd_message);

	if (span > 400)
		span = 400;
	return sizeof(struct crowd_message) + crowd_random(state, (uint32_t)span + 1);
}

void crowd_start(struct crowd *c, void *(*run)(void *), void *arg)
{
	assert_true(c->count < sizeof(c->thread) / sizeof(c->thread[0]));
	assert_int_equal(pthread_create(&c->thread[c->count++], NULL, run, arg), 0);
}

void crowd_join(struct crowd *c)
{
	while (c->count > 0)
		pthread_join(c->thread[--c->count], NULL);
}

void crowd_dispatcher_init(struct crowd_dispatcher *d, struct icbmsg *link, atomic_bool *stop)
{
	d->link = link;
	d->stop = stop;
	pthread_mutex_init(&d->turn, NULL);
}

/* False once the instance is being closed. */
static bool dispatch(struct crowd_dispatcher *d, int64_t timeout)
{
	int ret;

	pthread_mutex_lock(&d->turn);
	ret = icbmsg_dispatch(d->link, timeout);
	pthread_mutex_unlock(&d->turn);
	crowd_check(ret >= 0 || ret == -ESHUTDOWN, "dispatching failed");
	return ret >= 0;
}

void *crowd_dispatch(void *dispatcher)
{
	struct crowd_dispatcher *d = dispatcher;

	while (!atomic_load(d->stop) && dispatch(d, 20 * MS))
		;
	return NULL;
}

void *crowd_dispatch_by_fd(void *dispatcher)
{
	struct crowd_dispatcher *d = dispatcher;
	struct pollfd p = { .fd = icbmsg_get_fd(d->link), .events = POLLIN };

	/* When the time is up only the stop is looked at. */
	while (!atomic_load(d->stop) && (poll(&p, 1, 20) == 0 || dispatch(d, 0)))
		;
	return NULL;
}

/* Where the other side need not ring, and nobody sleeps. */
static const struct ends_param busy_params[] = {
	{ "classic", 4, 32, 5, 9, 0x1000, 0x1800, "poll:busy", NULL },
	{ 0 },
};

int crowd_calm(void **state)
{
	(void)state;
	ends_rescue_interval = "1m";
	jitter_lose_doorbells(0);
	jitter_disturb(16);
	return 0;
}

int crowd_run(const struct CMUnitTest *tests, size_t count)
{
	int failed;

	failed = ends_run_all(tests, count);
	failed += ends_run_params(busy_params, "", tests, count);
	return failed;
}
