// SPDX-License-Identifier: Apache-2.0
/*
 * Being rung by the interrupt of a UIO device.
 *
 * An interrupt is taken, acknowledged in the device if the configuration says how, and enabled
 * again, all before the memory is looked at: what comes meanwhile interrupts again.
 *
 * A line that stays active (nobody acknowledges it, or another device shares it) would interrupt
 * all the time. Many interrupts in a row for nothing are therefore answered by leaving it disabled
 * and looking by a timer, for longer and longer; the first interrupt with something to find ends
 * that. A device that is gone is told once, and a timer takes its place for good.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "mem/uio_interrupt.h"
#include "util/cleanup.h"

#define NS_PER_SECOND INT64_C(1000000000)

/*
 * Interrupts for nothing, and the time for them, that make a storm. One look can find what several
 * hundred packets were rung for, and their rings come after; that is none.
 */
#define STORM_ROW 512u
#define STORM_TIME (NS_PER_SECOND / 2)

/* How long to leave the interrupt disabled: at first, and at most. */
#define PAUSE_MIN (NS_PER_SECOND / 100)
#define PAUSE_MAX NS_PER_SECOND

struct bell {
	struct uio_interrupt irq; /* fd -1: the device is gone */
	int timer_fd;
	struct registers *ack;
	uint32_t vain; /* interrupts in a row with nothing to find, */
	int64_t since; /* from when on; CLOCK_MONOTONIC ns */
	int64_t pause; /* ns of the last pause; 0: there is no storm */
	bool paused;   /* the interrupt is left disabled until the timer ticks */
	char name[UIO_NAME_SIZE];
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

static void free_bell(struct bell **b)
{
	if (!*b)
		return;
	uio_interrupt_close(&(*b)->irq);
	close_fd(&(*b)->timer_fd);
	registers_close((*b)->ack);
	free(*b);
}

static int watch(int epoll_fd, int operation, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	return epoll_ctl(epoll_fd, operation, fd, &ev) < 0 ? -errno : 0;
}

/* What the core polls: the device and the timer. Returns a descriptor or a negative errno. */
static int make_epoll(const struct bell *b)
{
	_cleanup_(close_fd) int fd = epoll_create1(EPOLL_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = watch(fd, EPOLL_CTL_ADD, b->irq.fd, EPOLLIN);
	if (ret == 0)
		ret = watch(fd, EPOLL_CTL_ADD, b->timer_fd, EPOLLIN);
	return ret < 0 ? ret : take_fd(&fd);
}

static int open_device(struct bell *b, const struct doorbell_in_spec *spec, char *error)
{
	struct uio_device device;
	int ret;

	ret = uio_find(&device, spec->name, spec->root, error);
	if (ret == 0)
		ret = registers_open(&b->ack, &spec->ack, spec->root, error);
	if (ret == 0)
		ret = uio_interrupt_open(&b->irq, &device, spec->root, error);
	return ret;
}

static int open_in(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	_cleanup_(free_bell) struct bell *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return mem_fail(error, -ENOMEM, "doorbell: out of memory");
	b->irq.fd = b->irq.config_fd = -1;
	memcpy(b->name, spec->name, sizeof(b->name));
	b->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (b->timer_fd < 0)
		return mem_fail(error, -errno, "doorbell: a timer: %s", strerror(errno));
	ret = open_device(b, spec, error);
	if (ret < 0)
		return ret;
	ret = make_epoll(b);
	if (ret < 0)
		return mem_fail(error, ret, "doorbell: uio:%.40s: an epoll descriptor: %s", b->name,
				strerror(-ret));
	in->fd = ret;
	/* What was pending is not lost: whoever opens a link looks at its memory. */
	registers_run(b->ack);
	ret = uio_interrupt_enable(&b->irq);
	if (ret < 0) {
		close_fd(&in->fd);
		return mem_fail(error, ret, "doorbell: uio:%.40s: enabling its interrupt: %s",
				b->name, strerror(-ret));
	}
	in->adapts = true;
	in->state = b;
	b = NULL;
	return 0;
}

static void close_in(struct doorbell_in *in)
{
	struct bell *b = in->state;

	free_bell(&b);
}

static void set_timer(const struct bell *b, int64_t ns, bool again)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_SECOND, .tv_nsec = ns % NS_PER_SECOND };
	struct itimerspec when = { .it_value = ts };

	if (again)
		when.it_interval = ts;
	timerfd_settime(b->timer_fd, 0, &when, NULL);
}

static void say(const struct doorbell_in *in, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct doorbell_in *in, const char *format, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	in->host.log(in->host.user, line);
}

/* There will be no interrupts any more. */
static void lose(struct doorbell_in *in, int ret)
{
	struct bell *b = in->state;

	in->host.count->interrupts_gone++;
	say(in,
	    "doorbell: uio:%.40s interrupts no more: %s; from now on the memory is looked at every "
	    "millisecond; when the device is back, open the link anew",
	    b->name, ret == -EBADMSG ? "not a UIO device's answer" : strerror(-ret));
	watch(in->fd, EPOLL_CTL_DEL, b->irq.fd, 0);
	uio_interrupt_close(&b->irq);
	b->paused = false;
	in->rung = false;
	set_timer(b, DOORBELL_POLL_DEFAULT_NS, true);
}

static void enable(struct doorbell_in *in)
{
	struct bell *b = in->state;
	int ret;

	registers_run(b->ack);
	ret = uio_interrupt_enable(&b->irq);
	if (ret < 0)
		lose(in, ret);
}

/* Leave the interrupt disabled; where the driver cannot do that, it is at least not waited for. */
static void pause_storm(struct doorbell_in *in)
{
	struct bell *b = in->state;

	if (b->pause == 0) {
		in->host.count->interrupt_storms++;
		say(in,
		    "doorbell: uio:%.40s interrupts all the time for nothing: it is left disabled "
		    "for a while, at most a second, now and then; does doorbell-ack end it?",
		    b->name);
	}
	b->pause = b->pause == 0 ? PAUSE_MIN : 2 * b->pause;
	if (b->pause > PAUSE_MAX)
		b->pause = PAUSE_MAX;
	b->paused = true;
	watch(in->fd, EPOLL_CTL_MOD, b->irq.fd, 0);
	set_timer(b, b->pause, false);
}

/* One more interrupt for nothing, and the next is a storm again. */
static void resume(struct doorbell_in *in)
{
	struct bell *b = in->state;

	b->paused = false;
	b->vain = STORM_ROW - 1;
	b->since = now_ns();
	watch(in->fd, EPOLL_CTL_MOD, b->irq.fd, EPOLLIN);
	enable(in);
}

static void take_timer(struct doorbell_in *in)
{
	struct bell *b = in->state;

	if (doorbell_read_counter(b->timer_fd, false) == 0)
		return;
	in->host.count->interrupt_timers++;
	if (b->paused)
		resume(in);
}

static uint64_t take_interrupt(struct doorbell_in *in)
{
	struct bell *b = in->state;
	uint64_t count = 0;
	int ret = uio_interrupt_take(&b->irq, &count);

	if (ret < 0)
		lose(in, ret);
	if (ret <= 0)
		return 0;
	in->host.count->interrupts_merged += count - 1;
	if (b->vain >= STORM_ROW)
		pause_storm(in);
	else
		enable(in);
	return count;
}

static uint64_t clear(struct doorbell_in *in)
{
	struct bell *b = in->state;

	if (b->paused || b->irq.fd < 0)
		take_timer(in);
	return b->paused || b->irq.fd < 0 ? 0 : take_interrupt(in);
}

static void looked(struct doorbell_in *in, uint64_t rung, bool found)
{
	struct bell *b = in->state;
	int64_t now;

	if (rung == 0)
		return;
	if (found) {
		b->vain = 0;
		return;
	}
	now = now_ns();
	/* A row begins, and what was before it is forgotten. */
	if (b->vain == 0 || now - b->since > STORM_TIME) {
		b->vain = 0;
		b->since = now;
		b->pause = 0;
	}
	/* Also those that nobody had the time to take one by one. */
	b->vain += rung < STORM_ROW ? (uint32_t)rung : STORM_ROW;
}

const struct doorbell_in_ops doorbell_in_uio = {
	.rung = true,
	.open = open_in,
	.close = close_in,
	.clear = clear,
	.looked = looked,
};
