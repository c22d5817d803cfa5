// SPDX-License-Identifier: Apache-2.0
/*
 * Where nobody rings: look at every tick of a timer, or all the time.
 *
 * The interval adapts: short after traffic, since more is likely to follow, and twice as long after
 * every look in vain. So what comes after a silence waits for at most as long as the silence was.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "util/cleanup.h"

#define NS_PER_SECOND INT64_C(1000000000)

struct poll_state {
	int64_t min, max, now; /* ns */
	bool traffic;          /* since the last tick */
};

static int set_timer(int fd, int64_t interval_ns)
{
	struct timespec interval = { .tv_sec = interval_ns / NS_PER_SECOND,
				     .tv_nsec = interval_ns % NS_PER_SECOND };
	struct itimerspec when = { .it_interval = interval, .it_value = interval };

	return timerfd_settime(fd, 0, &when, NULL) < 0 ? -errno : 0;
}

static int open_timer(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	_cleanup_(close_fd) int fd = -1;
	_cleanup_(free_ptr) struct poll_state *p = NULL;

	if (spec->interval_ns <= 0)
		return mem_fail(error, -EINVAL,
				"doorbell: the interval for polling must be positive");
	p = calloc(1, sizeof(*p));
	if (!p)
		return mem_fail(error, -ENOMEM, "doorbell: out of memory");
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || set_timer(fd, spec->interval_ns) < 0)
		return mem_fail(error, -errno, "doorbell: a timer for polling: %s",
				strerror(errno));
	p->min = p->now = p->max = spec->interval_ns;
	if (spec->interval_max_ns > p->max)
		p->max = spec->interval_max_ns;
	in->fd = take_fd(&fd);
	in->adapts = p->max > p->min;
	in->state = p;
	p = NULL;
	return 0;
}

static void close_timer(struct doorbell_in *in)
{
	free(in->state);
}

/* A change that the kernel refuses leaves the interval as it is. */
static void set_interval(struct doorbell_in *in, int64_t interval_ns)
{
	struct poll_state *p = in->state;

	if (set_timer(in->fd, interval_ns) == 0)
		p->now = interval_ns;
}

static uint64_t clear_timer(struct doorbell_in *in)
{
	struct poll_state *p = in->state;

	if (doorbell_read_counter(in->fd, false) == 0)
		return 0;
	if (!p->traffic && p->now < p->max)
		set_interval(in, p->now < p->max / 2 ? 2 * p->now : p->max);
	p->traffic = false;
	return 0;
}

static void looked_timer(struct doorbell_in *in, uint64_t rung, bool found)
{
	struct poll_state *p = in->state;

	(void)rung;
	if (!found)
		return;
	p->traffic = true;
	if (p->now > p->min)
		set_interval(in, p->min);
}

const struct doorbell_in_ops doorbell_in_poll = {
	.open = open_timer,
	.close = close_timer,
	.clear = clear_timer,
	.looked = looked_timer,
};

static int open_busy(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)spec;
	if (fd < 0)
		return mem_fail(error, -errno, "doorbell: an eventfd for busy polling: %s",
				strerror(errno));
	in->fd = fd;
	return 0;
}

static uint64_t clear_busy(struct doorbell_in *in)
{
	(void)in;
	return 0;
}

const struct doorbell_in_ops doorbell_in_busy = {
	.busy = true,
	.open = open_busy,
	.clear = clear_busy,
};
