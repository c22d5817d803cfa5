// SPDX-License-Identifier: Apache-2.0
/*
 * A peer of an ivshmem server. The server is read from whenever the doorbell is looked at, as the
 * library has no threads. It is trusted with nothing but the memory it gives: what it says is
 * checked, what it gives is bounded, and when it breaks the protocol or ends, memory and doorbells
 * stay and only news of other peers do not come any more.
 */
#include "mem/ivshmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

#include "mem/doorbell_kind.h"
#include "mem/ivshmem_peers.h"
#include "mem/ivshmem_wire.h"
#include "util/cleanup.h"

#define PATH_MAX_SHOWN 100
#define MEMORY_TIMEOUT_MS 5000  /* for a server that is busy; those there are answer at once */
#define VECTORS_TIMEOUT_MS 2000 /* for our own vectors, after the memory: part of one burst */
#define MESSAGES_PER_TURN 64    /* the rest makes us readable again */

enum phase { WANT_VERSION, WANT_ID, WANT_MEMORY, JOINED };

struct client {
	struct ivshmem bus; /* first */
	enum phase phase;
	int socket; /* -1: the server is gone */
	struct ivshmem_reader reader;
	struct ivshmem_peers peers;
	bool told_too_many;
	char path[PATH_MAX_SHOWN + 1];
};

/* The description that came is everybody's, and so would its locks be. */
static int take_memory(struct client *c, int *fd)
{
	struct stat st;
	char path[64];

	if (*fd < 0 || fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
		return -EPROTO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	c->bus.lock_fd = open(path, O_RDWR | O_CLOEXEC);
	c->bus.memory_fd = take_fd(fd);
	c->bus.memory_size = (uint64_t)st.st_size;
	return 0;
}

/* Version, our id and the memory come first, in this order. */
static int take_beginning(struct client *c, int64_t number, int *fd)
{
	switch (c->phase) {
	case WANT_VERSION:
		c->phase = WANT_ID;
		return number == IVSHMEM_VERSION && *fd < 0 ? 0 : -EPROTONOSUPPORT;
	case WANT_ID:
		c->phase = WANT_MEMORY;
		c->bus.id = (uint16_t)number;
		return number >= 0 && number <= IVSHMEM_ID_MAX && *fd < 0 ? 0 : -EPROTO;
	default:
		c->phase = JOINED;
		return number == IVSHMEM_MEMORY ? take_memory(c, fd) : -EPROTO;
	}
}

static void tell_change(struct client *c, enum ivshmem_change change, int64_t id)
{
	struct ivshmem *bus = &c->bus;

	if (change == IVSHMEM_FOLLOWED)
		ivshmem_tell(bus,
			     "ivshmem:%s: peer %" PRId64 " joined and is taken for the other "
			     "side, as that has left",
			     c->path, id);
	else if (change == IVSHMEM_LOST)
		ivshmem_tell(bus,
			     "ivshmem:%s: peer %" PRId64 ", the other side, left; the next one to "
			     "join takes its place",
			     c->path, id);
	else if (change == IVSHMEM_TOO_MANY && !c->told_too_many)
		ivshmem_tell(bus,
			     "ivshmem:%s: more than %u other peers; those that are too many "
			     "are not rung",
			     c->path, IVSHMEM_PEERS_MAX);
	c->told_too_many |= change == IVSHMEM_TOO_MANY;
}

/* A vector of ours or of somebody else's, or somebody who left. */
static int take_news(struct client *c, int64_t number, int *fd)
{
	enum ivshmem_change change;

	if (number < 0 || number > IVSHMEM_ID_MAX)
		return -EPROTO;
	if (*fd >= 0 && !doorbell_is_eventfd(*fd))
		return -EPROTO;
	if (number == c->bus.id)
		return *fd < 0 ? -EPROTO : ivshmem_add_vector(&c->bus, take_fd(fd));
	if (*fd < 0)
		change = ivshmem_peers_remove(&c->peers, (uint16_t)number);
	else
		change = ivshmem_peers_add(&c->peers, (uint16_t)number, take_fd(fd));
	tell_change(c, change, number);
	return 0;
}

/* Read one message. Returns 1, 0 if there is none, or a negative errno: the server is of no use. */
static int read_one(struct client *c)
{
	struct ivshmem_message m;
	int ret = ivshmem_read(&c->reader, c->socket, &m);

	if (ret <= 0)
		return ret;
	if (c->phase == JOINED)
		ret = take_news(c, m.number, &m.fd);
	else
		ret = take_beginning(c, m.number, &m.fd);
	close_fd(&m.fd);
	return ret < 0 ? ret : 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* One message, or -ETIMEDOUT at @deadline. */
static int wait_one(struct client *c, int64_t deadline)
{
	struct pollfd p = { .fd = c->socket, .events = POLLIN };
	int64_t left;
	int ret;

	while ((ret = read_one(c)) == 0) {
		left = deadline - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		poll(&p, 1, (int)left);
	}
	return ret < 0 ? ret : 0;
}

static int explain(const struct client *c, int ret, char error[MEM_ERROR_SIZE])
{
	switch (ret) {
	case -ETIMEDOUT:
		return mem_fail(error, ret,
				"ivshmem:%s: the server does not say what it has to; see whether "
				"it hangs, and whether it is an ivshmem server",
				c->path);
	case -ECONNRESET:
		return mem_fail(error, ret,
				"ivshmem:%s: the server hung up; see what it says: it may have too "
				"many clients",
				c->path);
	case -EPROTONOSUPPORT:
		return mem_fail(error, ret,
				"ivshmem:%s does not speak version 0 of the ivshmem protocol; give "
				"the socket of a server that does, as QEMU 2.5 and later",
				c->path);
	case -EMFILE:
		return mem_fail(error, ret,
				"ivshmem:%s: no room for the descriptors it gives; raise the limit "
				"of open files",
				c->path);
	case -EPROTO:
		return mem_fail(
			error, ret,
			"ivshmem:%s is not an ivshmem server, or a broken one: what it says "
			"cannot be understood",
			c->path);
	default:
		return mem_fail(error, ret, "ivshmem:%s: %s", c->path, strerror(-ret));
	}
}

static void hang_up(struct client *c)
{
	if (c->socket >= 0)
		epoll_ctl(c->bus.poll_fd, EPOLL_CTL_DEL, c->socket, NULL);
	close_fd(&c->socket);
	ivshmem_reader_deinit(&c->reader);
}

static const char *why_lost(int ret)
{
	if (ret == -ECONNRESET)
		return "is gone";
	if (ret == -EMFILE)
		return "gives more descriptors than this process may have (raise the limit of "
		       "open files)";
	return "broke the protocol";
}

static void work(struct ivshmem *bus)
{
	struct client *c = (struct client *)bus;
	int n, ret = 1;

	for (n = 0; n < MESSAGES_PER_TURN && c->socket >= 0 && ret > 0; n++)
		ret = read_one(c);
	if (ret >= 0)
		return;
	hang_up(c);
	ivshmem_tell(
		bus,
		"ivshmem:%s: the server %s; the link goes on, but peers that come and go are not "
		"seen any more",
		c->path, why_lost(ret));
}

static int check_target(const struct client *c, char error[MEM_ERROR_SIZE])
{
	const struct ivshmem *bus = &c->bus;

	if (bus->target.peer == bus->id)
		return mem_fail(error, -EINVAL,
				"doorbell: peer %u of ivshmem:%s is this side itself; give the id "
				"of the other one",
				bus->id, c->path);
	return 0;
}

/* The server tells of everybody else before it gives us our own vectors. */
static int start(struct ivshmem *bus, char error[MEM_ERROR_SIZE])
{
	struct client *c = (struct client *)bus;
	int64_t deadline = now_ms() + VECTORS_TIMEOUT_MS;
	int ret = check_target(c, error);

	if (ret < 0)
		return ret;
	ivshmem_peers_init(&c->peers, &bus->target);
	while (bus->own_count <= bus->target.vector && bus->own_count < IVSHMEM_VECTORS_MAX) {
		ret = wait_one(c, deadline);
		if (ret == -ETIMEDOUT)
			return mem_fail(error, -EINVAL,
					"doorbell: the server of ivshmem:%s gives %u vectors, and "
					"vector %u is to be rung; start it with more, or poll",
					c->path, bus->own_count, bus->target.vector);
		if (ret < 0)
			return explain(c, ret, error);
	}
	ret = ivshmem_watch(bus, c->socket);
	return ret < 0 ? explain(c, ret, error) : 0;
}

static int ring(struct ivshmem *bus)
{
	return ivshmem_peers_ring(&((struct client *)bus)->peers);
}

static void free_client(struct ivshmem *bus)
{
	struct client *c = (struct client *)bus;

	hang_up(c);
	ivshmem_peers_deinit(&c->peers);
	ivshmem_deinit(bus);
	free(c);
}

static const struct ivshmem_ops client_ops = {
	.sees_peers = true,
	.rung = true,
	.start = start,
	.work = work,
	.ring = ring,
	.free = free_client,
};

static void drop_client(struct client **c)
{
	if (*c)
		free_client(&(*c)->bus);
}

int ivshmem_connect(struct ivshmem **out, const char *path, char error[MEM_ERROR_SIZE])
{
	_cleanup_(drop_client) struct client *c = calloc(1, sizeof(*c));
	int64_t deadline = now_ms() + MEMORY_TIMEOUT_MS;
	int ret;

	if (!c)
		return mem_fail(error, -ENOMEM, "ivshmem: not enough memory");
	c->socket = -1;
	c->reader = IVSHMEM_READER_INIT;
	snprintf(c->path, sizeof(c->path), "%s", path);
	ret = ivshmem_init(&c->bus, &client_ops);
	if (ret < 0)
		return explain(c, ret, error);
	c->socket = ivshmem_dial(path, MEMORY_TIMEOUT_MS, error);
	if (c->socket < 0)
		return c->socket;
	while (ret == 0 && c->phase != JOINED)
		ret = wait_one(c, deadline);
	if (ret < 0)
		return explain(c, ret, error);
	*out = &c->bus;
	c = NULL;
	return 0;
}
