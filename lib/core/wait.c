// SPDX-License-Identifier: Apache-2.0
/*
 * Waiting and rescue.
 *
 * Of all threads that wait in an instance one polls its descriptors (doorbell, timer, kick) and
 * pumps when it wakes; the others sleep on a condition. Whoever changes something wakes both kinds;
 * when the polling thread leaves, one of those it woke takes its place. Doorbells can be lost, so a
 * timer makes somebody look at the ring now and then, and ring again if the other side stands
 * still (protocol.md section 6).
 */
#include "core/wait.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define NS_PER_S INT64_C(1000000000)

int64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

uint64_t clock_coarse(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)(ts.tv_sec * NS_PER_S + ts.tv_nsec);
}

int64_t deadline_after(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns < 0)
		return DEADLINE_NEVER;
	now = clock_now();
	return timeout_ns > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + timeout_ns;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

static int watch(int poll_fd, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int wait_init_condition(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -ret;
}

int wait_init(struct icbmsg *i)
{
	struct itimerspec tick = { .it_interval = to_timespec(i->rescue_interval),
				   .it_value = to_timespec(i->rescue_interval) };
	int ret;

	i->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	i->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	i->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	i->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (i->kick_fd < 0 || i->ready_fd < 0 || i->timer_fd < 0 || i->poll_fd < 0 ||
	    timerfd_settime(i->timer_fd, 0, &tick, NULL) < 0)
		return -errno;
	ret = watch(i->poll_fd, i->doorbell.rx_fd);
	if (ret == 0)
		ret = watch(i->poll_fd, i->timer_fd);
	if (ret == 0)
		ret = watch(i->poll_fd, i->ready_fd);
	return ret;
}

void wait_deinit(struct icbmsg *i)
{
	close_fd(&i->poll_fd);
	close_fd(&i->timer_fd);
	close_fd(&i->ready_fd);
	close_fd(&i->kick_fd);
}

static void set_eventfd(int fd)
{
	eventfd_write(fd, 1);
}

static void clear_eventfd(int fd)
{
	eventfd_t count;

	eventfd_read(fd, &count);
}

void wait_ring(struct icbmsg *i)
{
	if (!i->link.doorbell_due)
		return;
	i->link.doorbell_due = false;
	if (i->doorbell.tx_fd < 0)
		return;
	i->stats.doorbells_sent++;
	doorbell_ring(&i->doorbell);
}

/* Rescues after which silence is worth a line to the user. */
#define RESCUES_TO_TELL 10

/* The other side has something to read and stands still: ring again. */
static void ring_again(struct icbmsg *i)
{
	struct proto_link *l = &i->link;

	i->rescued = true;
	i->stats.rescues++;
	if (++i->fruitless == RESCUES_TO_TELL && i->session->phase == PHASE_WAITING)
		instance_log(i, ICBMSG_LOG_WARNING, "%s", l->ops->diagnose(l));
	l->ops->rescue(l);
	l->doorbell_due = true;
	wait_ring(i);
}

static void rescue(struct icbmsg *i, int64_t now)
{
	const struct proto_link *l = &i->link;
	uint32_t progress = l->ops->progress(l);

	if (progress == i->rescue_progress && l->ops->unread(l)) {
		if (now < i->rescue_at)
			return;
		ring_again(i);
	} else {
		i->stats.doorbells_lost += i->rescued;
		i->rescued = false;
		i->fruitless = 0;
		i->rescue_progress = progress;
	}
	i->rescue_at = now + i->rescue_interval;
}

static void take_tick(struct icbmsg *i)
{
	uint64_t ticks;

	if (read(i->timer_fd, &ticks, sizeof(ticks)) > 0)
		rescue(i, clock_now());
}

void wait_collect(struct icbmsg *i)
{
	i->stats.doorbells_received += doorbell_clear(&i->doorbell);
	take_tick(i);
}

void wait_notify(struct icbmsg *i)
{
	if (i->waiters > 0)
		pthread_cond_broadcast(&i->changed);
	if (i->polling)
		set_eventfd(i->kick_fd);
	if (!i->dispatching)
		wait_update_ready(i);
}

void wait_update_ready(struct icbmsg *i)
{
	bool ready = session_has_events(i->session) || i->more;

	if (!i->fd_used || ready == i->ready)
		return;
	i->ready = ready;
	if (ready)
		set_eventfd(i->ready_fd);
	else
		clear_eventfd(i->ready_fd);
}

static int wait_on_condition(struct icbmsg *i, int64_t deadline)
{
	int ret = 0;

	i->waiters++;
	if (deadline == DEADLINE_NEVER) {
		pthread_cond_wait(&i->changed, &i->lock);
	} else {
		struct timespec ts = to_timespec(deadline);

		ret = pthread_cond_timedwait(&i->changed, &i->lock, &ts);
	}
	i->waiters--;
	return ret == ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* Sleep in poll without the lock; what woke us is in @fds. */
static void poll_unlocked(struct icbmsg *i, struct pollfd *fds, nfds_t n, int64_t remaining)
{
	struct timespec ts = to_timespec(remaining);
	int ret;

	i->polling = true;
	pthread_mutex_unlock(&i->lock);
	ret = ppoll(fds, n, remaining == DEADLINE_NEVER ? NULL : &ts, NULL);
	pthread_mutex_lock(&i->lock);
	i->polling = false;
	i->link.now_ns = clock_coarse();
	if (ret < 0)
		for (nfds_t k = 0; k < n; k++)
			fds[k].revents = 0;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Without a doorbell and with a CPU to spend: give others a chance at the lock and look again. */
static int wait_busily(struct icbmsg *i, int64_t deadline)
{
	int64_t now;

	pthread_mutex_unlock(&i->lock);
	cpu_relax();
	pthread_mutex_lock(&i->lock);
	now = clock_now();
	rescue(i, now);
	instance_pump(i);
	return deadline != DEADLINE_NEVER && now >= deadline ? -ETIMEDOUT : 0;
}

int wait_for_change(struct icbmsg *i, int64_t deadline)
{
	struct pollfd fds[] = {
		{ .fd = i->doorbell.rx_fd, .events = POLLIN },
		{ .fd = i->timer_fd, .events = POLLIN },
		{ .fd = i->kick_fd, .events = POLLIN },
	};
	int64_t remaining = DEADLINE_NEVER;

	wait_ring(i);
	if (i->doorbell.kind == DOORBELL_BUSY)
		return wait_busily(i, deadline);
	if (i->polling)
		return wait_on_condition(i, deadline);
	if (deadline != DEADLINE_NEVER) {
		remaining = deadline - clock_now();
		if (remaining < 0)
			remaining = 0;
	}
	poll_unlocked(i, fds, 3, i->more ? 0 : remaining);
	if (fds[0].revents)
		i->stats.doorbells_received += doorbell_clear(&i->doorbell);
	if (fds[1].revents)
		take_tick(i);
	if (fds[2].revents)
		clear_eventfd(i->kick_fd);
	instance_pump(i);
	/* Whoever waits may have to take over from us. */
	if (i->waiters > 0)
		pthread_cond_broadcast(&i->changed);
	return deadline != DEADLINE_NEVER && clock_now() >= deadline ? -ETIMEDOUT : 0;
}

int wait_get_fd(struct icbmsg *i)
{
	pthread_mutex_lock(&i->lock);
	i->fd_used = true;
	wait_update_ready(i);
	pthread_mutex_unlock(&i->lock);
	return i->poll_fd;
}
