// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells between processes: eventfds that were inherited, sockets, or timers where nobody rings.
 *
 * An eventfd's file description is shared with the other side, O_NONBLOCK included. It is therefore
 * left as it is, and no operation here may block on it whatever the setting.
 */
#include "mem/doorbell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

#include "util/cleanup.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define EVENTFD_LINK "anon_inode:[eventfd]"

static int fail(char *error, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *error, int ret, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(error, MEM_ERROR_SIZE, format, ap);
	va_end(ap);
	return ret;
}

/* Writing 8 bytes into a pipe or file by mistake would damage it: take eventfds only. */
static int check_eventfd(int fd, const char *role, char *error)
{
	char path[64], link[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return 0; /* no /proc: take the caller's word for it */
	link[n] = '\0';
	if (strcmp(link, EVENTFD_LINK) == 0)
		return 0;
	return fail(error, -EINVAL,
		    "doorbell: %s descriptor %d is %.100s, not an eventfd; pass one made by "
		    "eventfd(2)",
		    role, fd, link);
}

/* Returns our own descriptor for @fd, or a negative errno. */
static int duplicate(int fd, const char *role, char *error)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own >= 0)
		return own;
	if (errno == EBADF)
		return fail(error, -EBADF,
			    "doorbell: %s descriptor %d is not open in this process; whoever "
			    "starts it must pass it on",
			    role, fd);
	return fail(error, -errno, "doorbell: %s descriptor %d: %s", role, fd, strerror(errno));
}

/* The same for an eventfd; nothing else is taken. */
static int take_eventfd(int fd, const char *role, bool *blocks, char *error)
{
	int own, flags, ret;

	own = duplicate(fd, role, error);
	if (own < 0)
		return own;
	ret = check_eventfd(fd, role, error);
	if (ret < 0) {
		close_fd(&own);
		return ret;
	}
	flags = fcntl(own, F_GETFL);
	*blocks = flags < 0 || !(flags & O_NONBLOCK);
	return own;
}

static int open_eventfds(struct doorbell *d, const struct doorbell_spec *spec, char *error)
{
	_cleanup_(close_fd) int rx = -1;
	bool rx_blocks, tx_blocks;
	int tx;

	rx = take_eventfd(spec->rx_fd, "RX", &rx_blocks, error);
	if (rx < 0)
		return rx;
	tx = take_eventfd(spec->tx_fd, "TX", &tx_blocks, error);
	if (tx < 0)
		return tx;
	*d = (struct doorbell){
		.kind = DOORBELL_EVENTFD,
		.rx_fd = take_fd(&rx),
		.tx_fd = tx,
		.rx_blocks = rx_blocks,
		.tx_blocks = tx_blocks,
	};
	return 0;
}

/* A packet of one byte is one only where the socket keeps packets apart. */
static bool keeps_packets(int fd)
{
	socklen_t size = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int open_socket(struct doorbell *d, const struct doorbell_spec *spec, char *error)
{
	_cleanup_(close_fd) int fd = duplicate(spec->tx_fd, "socket", error);

	if (fd < 0)
		return fd;
	if (!keeps_packets(fd))
		return fail(error, -EINVAL,
			    "doorbell: descriptor %d is not a SEQPACKET socket; pass a connected "
			    "one",
			    spec->tx_fd);
	*d = (struct doorbell){ .kind = DOORBELL_SOCKET, .rx_fd = -1, .tx_fd = take_fd(&fd) };
	return 0;
}

static int open_timer(struct doorbell *d, int64_t interval_ns, char *error)
{
	struct timespec interval = { .tv_sec = interval_ns / NS_PER_SECOND,
				     .tv_nsec = interval_ns % NS_PER_SECOND };
	struct itimerspec when = { .it_interval = interval, .it_value = interval };
	_cleanup_(close_fd) int fd = -1;

	if (interval_ns <= 0)
		return fail(error, -EINVAL, "doorbell: the interval for polling must be positive");
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
		return fail(error, -errno, "doorbell: a timer for polling: %s", strerror(errno));
	*d = (struct doorbell){ .kind = DOORBELL_POLL, .rx_fd = take_fd(&fd), .tx_fd = -1 };
	return 0;
}

static int open_busy(struct doorbell *d, char *error)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return fail(error, -errno, "doorbell: an eventfd for busy polling: %s",
			    strerror(errno));
	*d = (struct doorbell){ .kind = DOORBELL_BUSY, .rx_fd = fd, .tx_fd = -1 };
	return 0;
}

int doorbell_open(struct doorbell *d, const struct doorbell_spec *spec, char error[MEM_ERROR_SIZE])
{
	switch (spec->kind) {
	case DOORBELL_EVENTFD:
		return open_eventfds(d, spec, error);
	case DOORBELL_SOCKET:
		return open_socket(d, spec, error);
	case DOORBELL_POLL:
		return open_timer(d, spec->interval_ns, error);
	case DOORBELL_BUSY:
		return open_busy(d, error);
	default:
		return fail(error, -EINVAL, "doorbell: none is configured");
	}
}

void doorbell_close(struct doorbell *d)
{
	if (d->kind != DOORBELL_NONE) {
		close_fd(&d->rx_fd);
		close_fd(&d->tx_fd);
	}
	*d = (struct doorbell){ .kind = DOORBELL_NONE, .rx_fd = -1, .tx_fd = -1 };
}

static bool ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1 && (p.revents & events);
}

static ssize_t ring_eventfd(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof(one));
}

/* A full socket is no error: what lies unread in it makes the other side look. */
static ssize_t ring_socket(int fd)
{
	const uint8_t ring = DOORBELL_RING;

	return send(fd, &ring, sizeof(ring), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int doorbell_ring(struct doorbell *d)
{
	ssize_t n;

	if (d->tx_fd < 0)
		return 0;
	if (d->tx_blocks && !ready(d->tx_fd, POLLOUT))
		return 0; /* the counter is full: rung often enough */
	do
		n = d->kind == DOORBELL_SOCKET ? ring_socket(d->tx_fd) : ring_eventfd(d->tx_fd);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

/* Read a counter. Returns 0 if it has nothing to give. */
static uint64_t read_counter(int fd, bool blocks)
{
	uint64_t count = 0;
	struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };
	ssize_t n;

	/* Not merely poll(2) before read(2): someone else may read in between. */
	if (blocks) {
		n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
		if (n == (ssize_t)sizeof(count))
			return count;
		if (errno == EAGAIN || !ready(fd, POLLIN))
			return 0;
	}
	n = read(fd, &count, sizeof(count));
	return n == (ssize_t)sizeof(count) ? count : 0;
}

/*
 * One read takes all: a counter restarts at 0. Of a semaphore eventfd it takes one ring only, and
 * the rest wakes us again for nothing.
 */
uint64_t doorbell_clear(struct doorbell *d)
{
	uint64_t count;

	if (d->kind == DOORBELL_BUSY || d->rx_fd < 0)
		return 0;
	count = read_counter(d->rx_fd, d->rx_blocks);
	return d->kind == DOORBELL_EVENTFD ? count : 0;
}
