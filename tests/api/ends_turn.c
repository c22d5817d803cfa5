// SPDX-License-Identifier: Apache-2.0
/*
 * See ends.h: making ends work, waiting for what comes of it, and noting it.
 */
#include "ends.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/instance.h"
#include "through_daemon.h"

unsigned int ends_blocks(struct icbmsg *link)
{
	struct icbmsg_layout l;

	icbmsg_get_layout(link, &l, sizeof(l));
	return l.tx.block_count;
}

static bool is_client(const struct ends *e, const struct icbmsg *link)
{
	return e->daemon && link == (ends_client == ENDS_CLIENT_A ? e->a : e->b);
}

bool ends_in_place(const struct ends *e, const struct icbmsg *link)
{
	return !ends_param->memory_type || is_client(e, link);
}

bool ends_lends(const struct ends *e, const struct icbmsg *link)
{
	return !e->daemon || is_client(e, link);
}

void ends_turn(struct ends *e)
{
	if (e->daemon)
		through_turn(e->daemon);
}

static int dispatch_both(struct icbmsg *a, struct icbmsg *b)
{
	int ran_a = icbmsg_dispatch(a, 0), ran_b = icbmsg_dispatch(b, 0);

	assert_true(ran_a >= 0 && ran_b >= 0);
	return ran_a + ran_b;
}

void ends_settle(struct ends *e)
{
	/* What one end does can give the other something to do, or a daemon; once more after that. */
	int idle = 0, enough = e->daemon ? 6 : 3;

	while (idle < enough) {
		idle = dispatch_both(e->a, e->b) > 0 ? 0 : idle + 1;
		ends_turn(e);
	}
}

/* Only the instance itself knows when a thread has come in. */
unsigned int ends_inside(struct icbmsg *link)
{
	unsigned int inside;

	pthread_mutex_lock(&link->lock);
	inside = link->inside;
	pthread_mutex_unlock(&link->lock);
	return inside;
}

void ends_until_inside(struct icbmsg *link, unsigned int threads)
{
	while (ends_inside(link) < threads)
		sched_yield();
}

int64_t ends_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* Both have nothing to do: sleep until one of them has, for a daemon needs the CPU. */
static void doze(struct icbmsg *a, struct icbmsg *b)
{
	struct pollfd fds[2] = {
		{ .fd = icbmsg_get_fd(a), .events = POLLIN },
		{ .fd = icbmsg_get_fd(b), .events = POLLIN },
	};

	poll(fds, 2, 100);
}

void ends_until(struct icbmsg *link, struct icbmsg *other, const int *flag, int value)
{
	int64_t end = ends_now() + SURELY;

	while (*flag < value) {
		assert_true(ends_now() < end);
		if (!other)
			assert_true(icbmsg_dispatch(link, 100 * MS) >= 0);
		else if (dispatch_both(link, other) == 0 && *flag < value &&
			 ends_client != ENDS_NO_CLIENT)
			doze(link, other);
	}
}

void ends_until_free(struct ends *e, struct icbmsg *link)
{
	int64_t end = ends_now() + SURELY;

	while (ends_stats(link).tx_blocks_free < ends_blocks(link)) {
		assert_true(ends_now() < end);
		ends_settle(e);
	}
}

int ends_fill(struct ends *e, struct seen *from)
{
	int n = 0, idle = 0, enough = e->daemon ? 6 : 1;

	while (idle < enough) {
		for (idle++; icbmsg_send(from->ept, "x", 1, 0) == 0; idle = 0)
			n++;
		ends_turn(e);
	}
	return n;
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	struct seen *s = user;

	(void)ept;
	s->bound++;
	if (s->on_bound)
		s->on_bound(s);
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)ept;
	(void)info;
	((struct seen *)user)->unbound++;
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct seen *s = user;

	assert_true(size <= sizeof(s->data));
	memcpy(s->data, data, size);
	s->size = size;
	s->received++;
	if (s->hold) {
		assert_int_equal(
			icbmsg_hold_rx(icbmsg_ept_link(ept), data, &s->held[s->held_count]), 0);
		s->held_data[s->held_count++] = data;
	}
	if (s->on_received)
		s->on_received(s, data, size);
}

static void on_writable(struct icbmsg_ept *ept, void *user)
{
	(void)ept;
	((struct seen *)user)->writable++;
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	(void)ept;
	assert_true(error < 0 && message);
	((struct seen *)user)->error++;
}

const struct icbmsg_ept_callbacks seen_callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
	.writable = on_writable,
	.error = on_error,
};

void ends_register(struct icbmsg *link, struct seen *seen, const char *name)
{
	assert_int_equal(icbmsg_ept_register(link, &seen->ept, name, &seen_callbacks, seen), 0);
	assert_string_equal(icbmsg_ept_name(seen->ept), name);
}

void ends_bind(struct ends *e, struct seen *a, struct seen *b, const char *name)
{
	ends_register(e->a, a, name);
	ends_register(e->b, b, name);
	ends_until(e->a, e->b, &a->bound, 1);
	ends_until(e->a, e->b, &b->bound, 1);
}

struct icbmsg_stats ends_stats(struct icbmsg *link)
{
	struct icbmsg_stats st;

	icbmsg_get_stats(link, &st, sizeof(st));
	return st;
}

uint64_t ends_counter_in(const uint64_t *values, int count, const char *name)
{
	struct icbmsg_counter_info info;

	for (int n = 0; n < count; n++) {
		assert_int_equal(icbmsg_counter_info((size_t)n, &info), 0);
		if (!strcmp(info.name, name))
			return values[n];
	}
	fail_msg("there is no counter %s", name);
	return 0;
}

uint64_t ends_counter(struct icbmsg *link, const char *name)
{
	uint64_t values[ENDS_COUNTERS_MAX];

	return ends_counter_in(values, icbmsg_counter_read(link, values, ENDS_COUNTERS_MAX), name);
}

void fill_pattern(uint8_t *data, size_t size, unsigned int seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24);
	}
}

unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
