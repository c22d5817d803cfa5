// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells between processes: eventfds that were inherited.
 *
 * An eventfd's file description is shared with the other side, O_NONBLOCK included. It is therefore
 * left as it is, and no operation here may block on it whatever the setting.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "util/cleanup.h"

#define EVENTFD_LINK "anon_inode:[eventfd]"
#define LINK_SIZE 128

/* What @fd is open for, as /proc says. False: no /proc. */
static bool name_of(int fd, char link[LINK_SIZE])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, LINK_SIZE - 1);
	link[n < 0 ? 0 : n] = '\0';
	return n >= 0;
}

/* Writing 8 bytes into a pipe or file by mistake would damage it: take eventfds only. */
bool doorbell_is_eventfd(int fd)
{
	char link[LINK_SIZE];

	/* Without /proc take the caller's word for it. */
	return !name_of(fd, link) || strcmp(link, EVENTFD_LINK) == 0;
}

static int check_eventfd(int fd, const char *role, char *error)
{
	char link[LINK_SIZE];

	if (doorbell_is_eventfd(fd))
		return 0;
	name_of(fd, link);
	return mem_fail(error, -EINVAL,
			"doorbell: %s descriptor %d is %.100s, not an eventfd; pass one made "
			"by eventfd(2)",
			role, fd, link);
}

/* Returns our own descriptor for @fd, or a negative errno. */
static int take_eventfd(int fd, const char *role, bool *blocks, char *error)
{
	int own, flags, ret;

	own = doorbell_duplicate(fd, role, error);
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

static bool ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1 && (p.revents & events);
}

uint64_t doorbell_read_counter(int fd, bool blocks)
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

int doorbell_write_counter(int fd, bool blocks)
{
	const uint64_t one = 1;
	ssize_t n;

	if (blocks && !ready(fd, POLLOUT))
		return 0; /* the counter is full: rung often enough */
	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static int open_in(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	int fd = take_eventfd(spec->fd, "RX", &in->blocks, error);

	if (fd < 0)
		return fd;
	in->fd = fd;
	return 0;
}

/*
 * One read takes all: a counter restarts at 0. Of a semaphore eventfd it takes one ring only, and
 * the rest wakes us again for nothing.
 */
static uint64_t clear(struct doorbell_in *in)
{
	return doorbell_read_counter(in->fd, in->blocks);
}

const struct doorbell_in_ops doorbell_in_eventfd = {
	.rung = true,
	.open = open_in,
	.clear = clear,
};

static int open_out(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error)
{
	int fd = take_eventfd(spec->fd, "TX", &out->blocks, error);

	if (fd < 0)
		return fd;
	out->fd = fd;
	return 0;
}

static int ring(struct doorbell_out *out)
{
	return doorbell_write_counter(out->fd, out->blocks);
}

const struct doorbell_out_ops doorbell_out_eventfd = {
	.open = open_out,
	.ring = ring,
};
