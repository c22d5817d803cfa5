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

#include "core/backend.h"
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

int wait_watch(struct icbmsg *i, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(i->poll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

void wait_unwatch(struct icbmsg *i, int fd)
{
	epoll_ctl(i->poll_fd, EPOLL_CTL_DEL, fd, NULL);
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

	i->tick_at = i->rescue_interval > 0 ? i->rescue_interval : DEADLINE_NEVER;
	i->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	i->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	i->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	i->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (i->kick_fd < 0 || i->ready_fd < 0 || i->timer_fd < 0 || i->poll_fd < 0 ||
	    timerfd_settime(i->timer_fd, TFD_TIMER_ABSTIME, &tick, NULL) < 0)
		return -errno;
	ret = wait_watch(i, i->timer_fd);
	if (ret == 0 && i->doorbell.in.fd >= 0)
		ret = wait_watch(i, i->doorbell.in.fd);
	if (ret == 0)
		ret = wait_watch(i, i->ready_fd);
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
	if (i->doorbell.in.adapts)
		doorbell_looked(&i->doorbell, 0, true);
	if (!doorbell_can_ring(&i->doorbell))
		return;
	i->session->count.doorbells_sent++;
	doorbell_ring(&i->doorbell);
}

/* Rescues after which silence is worth a line to the user. */
#define RESCUES_TO_TELL 10

/* The other side has something to read and stands still: ring again. */
static void ring_again(struct icbmsg *i)
{
	struct proto_link *l = &i->link;

	i->rescued = true;
	i->session->count.rescues++;
	if (++i->fruitless == RESCUES_TO_TELL && i->session->phase < PHASE_UP) {
		i->session->count.unanswered++;
		instance_log(i, ICBMSG_LOG_WARNING, "%s", l->ops->diagnose(l));
	}
	l->ops->rescue(l);
	l->doorbell_due = true;
	wait_ring(i);
}

void wait_tick_at(struct icbmsg *i, int64_t when)
{
	struct itimerspec tick = { .it_interval = to_timespec(i->rescue_interval),
				   .it_value = to_timespec(when) };

	if (when < i->tick_at && timerfd_settime(i->timer_fd, TFD_TIMER_ABSTIME, &tick, NULL) == 0)
		i->tick_at = when;
}

static void rescue(struct icbmsg *i, int64_t now)
{
	const struct proto_link *l = &i->link;
	uint32_t progress;

	if (i->rescue_interval == 0)
		return;
	progress = l->ops->progress(l);
	if (progress == i->rescue_progress && l->ops->unread(l)) {
		if (now < i->rescue_at) {
			/* Not a whole tick later. */
			wait_tick_at(i, i->rescue_at);
			return;
		}
		ring_again(i);
	} else {
		i->session->count.doorbells_lost += i->rescued;
		i->rescued = false;
		i->fruitless = 0;
		i->rescue_progress = progress;
	}
	i->rescue_at = now + i->rescue_interval;
}

static void take_tick(struct icbmsg *i)
{
	int64_t now = clock_now();
	uint64_t ticks;

	/* Not due: no system call. */
	if (now < i->tick_at || read(i->timer_fd, &ticks, sizeof(ticks)) < 0)
		return;
	if (i->rescue_interval > 0)
		i->tick_at += (int64_t)ticks * i->rescue_interval;
	else
		i->tick_at = DEADLINE_NEVER;
	/* What a glance finds was not to be rescued. */
	i->ticked = i->glance == 0;
	rescue(i, now);
	if (i->backend)
		i->backend->tick(i, now);
}

/* From the first glance on each is twice as far away, up to the rescue interval. */
#define GLANCE_MIN INT64_C(50000)

static bool comes_up(const struct icbmsg *i)
{
	return i->session->phase == PHASE_WAITING || i->session->phase == PHASE_SHAKING;
}

void wait_glance(struct icbmsg *i, bool soon)
{
	int64_t now = clock_now();

	/* Where no doorbell is lost, the other side is libicbmsg, and rings for all that it reads. */
	if (!comes_up(i) || i->rescue_interval == 0) {
		i->glance = 0;
		return;
	}
	if (soon)
		i->glance = 0;
	if (i->glance == 0 || now >= i->glance_at) {
		i->glance = i->glance == 0 ? GLANCE_MIN : 2 * i->glance;
		if (i->glance > i->rescue_interval)
			i->glance = i->rescue_interval;
		i->glance_at = now + i->glance;
	}
	/* Also when a tick has come before. */
	wait_tick_at(i, i->glance_at);
}

static void take_doorbells(struct icbmsg *i)
{
	uint64_t rung = doorbell_clear(&i->doorbell);

	if (i->backend)
		rung += i->backend->collect(i);

	i->session->count.doorbells_received += rung;
	i->rung += rung;
}

void wait_collect(struct icbmsg *i)
{
	take_doorbells(i);
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

/* Looks at the memory between two at the clock: a clock costs as much as some twenty of them. */
#define LOOKS_PER_CLOCK 32

static bool look_for_a_while(const void *word, uint32_t idle)
{
	for (int n = 0; n < LOOKS_PER_CLOCK; n++) {
		if (shm_load32_acquire(word) != idle)
			return true;
		cpu_relax();
	}
	return false;
}

/*
 * Look at the memory without the lock before going to sleep: to be woken costs the other side a
 * system call more and us tens of microseconds. True if something has arrived.
 */
static bool spin(struct icbmsg *i, int64_t deadline)
{
	int64_t end = clock_now() + i->spin;
	const void *word;
	uint32_t idle;
	bool arrived;

	if (i->more || !i->link.ops->watch(&i->link, &word, &idle))
		return false;
	if (deadline < end)
		end = deadline;
	i->polling = true;
	pthread_mutex_unlock(&i->lock);
	do
		arrived = look_for_a_while(word, idle);
	while (!arrived && clock_now() < end);
	pthread_mutex_lock(&i->lock);
	i->polling = false;
	return arrived;
}

/* Doorbells not taken in so many looks that found something by themselves are many enough. */
#define SPINS_PER_COLLECT 64

/* What comes over a socket is not to pile up there, and may be more than doorbells. */
static void collect_now_and_then(struct icbmsg *i)
{
	if (i->backend && ++i->spins % SPINS_PER_COLLECT == 0)
		take_doorbells(i);
}

/* Without a doorbell and with a CPU to spend: look, give others a chance at the lock, look again. */
static int wait_busily(struct icbmsg *i, int64_t deadline)
{
	const void *word;
	uint32_t idle;
	int64_t now;
	bool watch = !i->more && i->link.ops->watch(&i->link, &word, &idle);

	pthread_mutex_unlock(&i->lock);
	if (watch)
		look_for_a_while(word, idle);
	else
		cpu_relax();
	pthread_mutex_lock(&i->lock);
	now = clock_now();
	rescue(i, now);
	instance_pump(i);
	return deadline != DEADLINE_NEVER && now >= deadline ? -ETIMEDOUT : 0;
}

/* After sleeping or looking: read what is there, and let somebody else take over. */
static int woken(struct icbmsg *i, int64_t deadline)
{
	i->link.now_ns = clock_coarse();
	instance_pump(i);
	if (i->waiters > 0)
		pthread_cond_broadcast(&i->changed);
	return deadline != DEADLINE_NEVER && clock_now() >= deadline ? -ETIMEDOUT : 0;
}

int wait_for_change(struct icbmsg *i, int64_t deadline)
{
	struct pollfd fds[4];
	int64_t remaining = DEADLINE_NEVER;

	wait_ring(i);
	if (doorbell_is_busy(&i->doorbell))
		return wait_busily(i, deadline);
	if (i->polling)
		return wait_on_condition(i, deadline);
	if (i->spin > 0 && spin(i, deadline)) {
		collect_now_and_then(i);
		return woken(i, deadline);
	}
	if (deadline != DEADLINE_NEVER) {
		remaining = deadline - clock_now();
		if (remaining < 0)
			remaining = 0;
	}
	fds[0] = (struct pollfd){ .fd = i->doorbell.in.fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = i->backend_fd, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = i->timer_fd, .events = POLLIN };
	fds[3] = (struct pollfd){ .fd = i->kick_fd, .events = POLLIN };
	poll_unlocked(i, fds, 4, i->more ? 0 : remaining);
	if (fds[0].revents || fds[1].revents)
		take_doorbells(i);
	if (fds[2].revents)
		take_tick(i);
	if (fds[3].revents)
		clear_eventfd(i->kick_fd);
	return woken(i, deadline);
}

int wait_get_fd(struct icbmsg *i)
{
	pthread_mutex_lock(&i->lock);
	i->fd_used = true;
	wait_update_ready(i);
	pthread_mutex_unlock(&i->lock);
	return i->poll_fd;
}
