// SPDX-License-Identifier: Apache-2.0
/*
 * The loop: take events, send, write, look at the clock, sleep until something happens.
 */
#include "cat/cat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/tool.h"

#define NS_PER_S INT64_C(1000000000)
/* While our reader is slow the link is not polled (it would stay readable): look after this time. */
#define STALLED_INTERVAL INT64_C(5000000)

/* Nothing wakes us when the other side has read that its messages were taken. */
#define TOLD_INTERVAL INT64_C(1000000)

enum {
	FD_SIGNAL,
	FD_INPUT,
	FD_OUTPUT,
	FD_FILES, /**< what is done of the files of --send and --recv */
	FD_BACKEND,
	FD_COUNT = FD_BACKEND + BACKEND_FDS,
};

int64_t cat_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t cat_after(int64_t time, int64_t duration)
{
	return duration < 0 || duration > NEVER - time ? NEVER : time + duration;
}

void cat_finish(struct cat *c, int status)
{
	c->finished = true;
	c->status = status;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

const char *backend_why_not_bound(bool up, bool held)
{
	if (held)
		return "the firmware is in a session with an earlier program of this side; restart "
		       "it (if that changes nothing: is tx here what is rx there?)";
	return up ? "the other side is there, but has not registered an endpoint of this name, has "
		    "not noticed that this side started anew (restart it then), or has another "
		    "geometry" :
		    "nothing was heard from the other side; is it running, with the same geometry?";
}

static void not_bound(struct cat *c)
{
	tool_say("'%s' was not bound within --wait: %s", c->backend->endpoint,
		 c->backend->ops->why_not_bound(c->backend));
	cat_finish(c, TOOL_NOT_BOUND);
}

/* The end of the input, step by step: all sent, all released, --quit-after over. */
static int64_t check_end_of_input(struct cat *c, int64_t now)
{
	int64_t delay = c->o->send_only && c->o->quit_after < 0 ? 0 : c->o->quit_after;

	if (c->phase != PHASE_RUNNING || !c->input.ended || c->has_data || delay < 0)
		return NEVER;
	if (c->quit_at == NEVER) {
		if (c->released_by == NEVER)
			c->released_by = cat_after(now, c->o->send_timeout);
		if (!c->backend->ops->all_taken(c->backend)) {
			if (now < c->released_by)
				return c->released_by;
			tool_say("the other side has not taken all messages within --send-timeout");
			cat_finish(c, TOOL_ERROR);
			return now;
		}
		c->quit_at = cat_after(now, delay);
	}
	if (now >= c->quit_at)
		cat_finish(c, c->source && c->source->failed ? TOOL_ERROR : TOOL_OK);
	return c->quit_at;
}

static int64_t check_idle(struct cat *c, int64_t now)
{
	int64_t deadline = cat_after(c->active_at, c->o->idle_timeout);

	if (c->phase != PHASE_RUNNING || now < deadline)
		return c->phase == PHASE_RUNNING ? deadline : NEVER;
	if (c->o->count == 0 && !(c->sink && c->o->bytes > 0)) {
		cat_finish(c, TOOL_OK);
		return now;
	}
	tool_say("no message for --idle-timeout, and --%s was not reached",
		 c->o->count > 0 ? "count" : "bytes");
	cat_finish(c, TOOL_IDLE);
	return now;
}

/* After --count or --bytes: what was sent, and what was taken, should not be lost with us. */
static int64_t check_ending(struct cat *c, int64_t now)
{
	bool written = !c->sink || sink_is_empty(c->sink);

	if (c->phase != PHASE_ENDING || !written)
		return NEVER;
	if (c->backend->ops->all_taken(c->backend)) {
		if (now < c->released_by && !c->backend->ops->all_told(c->backend))
			return cat_after(now, TOLD_INTERVAL);
		cat_finish(c, c->status);
	} else if (now >= c->released_by) {
		tool_say("the other side has not taken all messages that were sent to it");
		cat_finish(c, TOOL_ERROR);
	}
	return c->released_by;
}

/* Act on what is due; returns when to look again. */
static int64_t check_clock(struct cat *c)
{
	int64_t now = cat_now();
	int64_t next = NEVER;

	if (c->output.closed)
		cat_finish(c, TOOL_OK);
	if (c->finished)
		return now;
	if (c->phase == PHASE_BINDING) {
		next = cat_after(c->started, c->o->wait);
		if (now >= next)
			not_bound(c);
	}
	next = earlier(next, check_end_of_input(c, now));
	if (!c->finished)
		next = earlier(next, check_ending(c, now));
	if (!c->finished)
		next = earlier(next, check_idle(c, now));
	if (c->bound && c->full_at != NEVER)
		next = earlier(next, cat_after(c->full_at, c->o->send_timeout));
	else if (c->has_data && c->bound && c->o->interval > 0)
		next = earlier(next, c->send_at);
	if (!receive_has_room(c))
		next = earlier(next, cat_after(now, STALLED_INTERVAL));
	if (c->o->progress && !c->finished) {
		report_progress(c, now);
		next = earlier(next, c->progress_at);
	}
	return next;
}

void cat_take_signal(struct cat *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		cat_finish(c, TOOL_SIGNAL + (int)info.ssi_signo);
}

/* What the input and the output are to be polled for. */
static void watch_files(const struct cat *c, struct pollfd fds[FD_COUNT])
{
	if (!send_wants_input(c))
		fds[FD_INPUT].fd = -1;
	else if (c->source)
		fds[FD_INPUT].fd = source_poll_fd(c->source);
	if (c->sink) {
		fds[FD_OUTPUT].fd = sink_is_empty(c->sink) ? -1 : sink_poll_fd(c->sink);
	} else if (c->output.pending.size == 0) {
		/* Errors are reported without being asked for: our reader has gone. */
		fds[FD_OUTPUT].events = 0;
		if (!c->output.watched || c->o->send_only)
			fds[FD_OUTPUT].fd = -1;
	}
}

static void use_files(struct cat *c, const struct pollfd fds[FD_COUNT])
{
	if (fds[FD_INPUT].revents && c->source)
		source_readable(c->source);
	else if (fds[FD_INPUT].revents)
		input_read(&c->input);
	if (fds[FD_OUTPUT].revents && c->sink)
		sink_writable(c->sink);
	else if (fds[FD_OUTPUT].revents & (POLLERR | POLLHUP))
		c->output.closed = true;
}

/* Sleep until @until or until something happens, and read the input if there is some. */
static void sleep_until(struct cat *c, int64_t until)
{
	struct pollfd fds[FD_COUNT] = {
		[FD_SIGNAL] = { .fd = c->signal_fd, .events = POLLIN },
		[FD_INPUT] = { .fd = c->input.fd, .events = POLLIN },
		[FD_OUTPUT] = { .fd = STDOUT_FILENO, .events = POLLOUT },
		[FD_FILES] = { .fd = io_poll_fd(&c->io), .events = POLLIN },
	};
	struct timespec ts = { 0 };
	int64_t left;

	until = earlier(until, c->backend->ops->watch(c->backend, fds + FD_BACKEND,
						      receive_has_room(c), c->full_at != NEVER));
	left = until - cat_now();
	if (left > 0)
		ts = (struct timespec){ .tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S };
	watch_files(c, fds);
	io_submit(&c->io);
	if (ppoll(fds, FD_COUNT, until == NEVER ? NULL : &ts, NULL) < 0) {
		if (errno != EINTR)
			tool_fail(TOOL_ERROR, "cannot wait: %s", strerror(errno));
		return;
	}
	if (fds[FD_SIGNAL].revents)
		cat_take_signal(c);
	use_files(c, fds);
}

/* Write the rest, unless a signal says that this takes too long. */
static void drain_output(struct cat *c)
{
	struct pollfd fds[] = { { .fd = STDOUT_FILENO, .events = POLLOUT },
				{ .fd = c->signal_fd, .events = POLLIN } };

	output_flush(&c->output);
	while (c->output.pending.size > 0 && !c->output.closed && c->status < TOOL_SIGNAL) {
		poll(fds, 2, -1);
		if (fds[1].revents)
			cat_take_signal(c);
		output_flush(&c->output);
	}
}

int cat_run(struct cat *c)
{
	while (!c->finished) {
		bool idle = receive_step(c);
		int64_t until;

		idle &= send_step(c);
		transfer_turn(c);
		if (c->output.pending.size > 0)
			report_make_way(c);
		output_flush(&c->output);
		until = check_clock(c);
		if (!c->finished)
			sleep_until(c, idle ? until : 0);
	}
	drain_output(c);
	transfer_finish(c);
	return c->status;
}
