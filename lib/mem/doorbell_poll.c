// SPDX-License-Identifier: Apache-2.0
/*
 * Where nobody rings: look at every tick of a timer, or all the time.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "util/cleanup.h"

#define NS_PER_SECOND INT64_C(1000000000)

static int open_timer(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	struct timespec interval = { .tv_sec = spec->interval_ns / NS_PER_SECOND,
				     .tv_nsec = spec->interval_ns % NS_PER_SECOND };
	struct itimerspec when = { .it_interval = interval, .it_value = interval };
	_cleanup_(close_fd) int fd = -1;

	if (spec->interval_ns <= 0)
		return doorbell_fail(error, -EINVAL,
				     "doorbell: the interval for polling must be positive");
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
		return doorbell_fail(error, -errno, "doorbell: a timer for polling: %s",
				     strerror(errno));
	in->fd = take_fd(&fd);
	return 0;
}

static uint64_t clear_timer(struct doorbell_in *in)
{
	doorbell_read_counter(in->fd, false);
	return 0;
}

const struct doorbell_in_ops doorbell_in_poll = {
	.open = open_timer,
	.clear = clear_timer,
};

static int open_busy(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)spec;
	if (fd < 0)
		return doorbell_fail(error, -errno, "doorbell: an eventfd for busy polling: %s",
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
