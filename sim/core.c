// SPDX-License-Identifier: Apache-2.0
/*
 * What the two kinds of cores have in common: the turn of their main loop, and what they tell.
 */
#include "core.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "args.h"

/* Messages sent before received ones get their turn. */
#define TURN_MESSAGES 8u

int core_fail(const struct core *core, const char *format, ...)
{
	struct core_status *s = core->status;
	va_list ap;

	if (atomic_load(&s->state) == CORE_FAILED)
		return SIM_ERROR;
	va_start(ap, format);
	vsnprintf(s->error, sizeof(s->error), format, ap);
	va_end(ap);
	atomic_store(&s->state, CORE_FAILED);
	return SIM_ERROR;
}

int core_traffic_init(const struct core *core, struct traffic *t, const struct traffic_port *port,
		      void *owner, size_t max_size)
{
	const struct core_status *s = core->status;
	int ret = stream_tx_init(&t->tx, core->send_fd, core->send_size, core->endpoints);

	if (ret == 0)
		ret = stream_rx_init(&t->rx, core->receive_fd, core->endpoints);
	if (ret == 0)
		ret = traffic_init(t, port, owner, max_size, core->seed + core->side);
	if (ret < 0) {
		core_fail(core, "%s", strerror(-ret));
		return ret;
	}
	/* Where the predecessor was, if there was one. */
	t->tx.next = atomic_load(&s->sent);
	t->rx.received = atomic_load(&s->received);
	t->counters = s->counters;
	t->lenient = core->corrupted;
	t->rx.lenient = core->corrupted;
	t->rx.expected = core->receive_size;
	return 0;
}

void core_progress(const struct core *core, const struct traffic *t)
{
	atomic_store_explicit(&core->status->sent, t->tx.next, memory_order_relaxed);
	atomic_store_explicit(&core->status->received, t->rx.received, memory_order_relaxed);
	atomic_store_explicit(&core->status->moved, t->counters.sent_bytes, memory_order_relaxed);
	atomic_store_explicit(&core->status->sent_all, traffic_sent(t), memory_order_relaxed);
	core->status->counters = t->counters;
}

int core_turn(const struct core *core, struct traffic *t)
{
	int sent = traffic_send(t, TURN_MESSAGES);
	int released = 0;

	if (sent >= 0)
		released = traffic_release(t, sent > 0 ? TRAFFIC_HELD_MAX / 2 : 0);
	if (sent < 0 || released < 0) {
		core_fail(core, "%s", t->error);
		return sent < 0 ? sent : released;
	}
	core_progress(core, t);
	return sent > 0 || released > 0;
}

void core_done(const struct core *core, const struct traffic *t)
{
	core_progress(core, t);
	atomic_store(&core->status->state, CORE_DONE);
	eventfd_write(core->done_fd, 1);
}

bool core_stopped(const struct core *core)
{
	struct pollfd stop = { .fd = core->stop_fd, .events = POLLIN };

	return poll(&stop, 1, 0) > 0;
}

bool core_sleep(const struct core *core, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = core->stop_fd, .events = POLLIN },
	};

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR;
	return fds[1].revents == 0;
}
