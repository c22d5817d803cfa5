// SPDX-License-Identifier: Apache-2.0
/*
 * The ivshmem server's side of the protocol. A client is greeted with the version, its id and the
 * memory; then it is told of everybody else, vector by vector; then it gets its own vectors.
 */
#include "bus.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define VERSION 0
#define MEMORY (-1)
#define GREETING 3u

/* Something to tell, and where to note that it was told. */
struct message {
	int64_t number;
	int fd;                /* -1: none goes with it */
	unsigned int *count;   /* one more of it is told, */
	struct bus_told *told; /* of this serial, unless NULL */
	uint64_t serial;
	bool leaves; /* all that was told is void */
};

void bus_init(struct bus *b, int memory_fd, unsigned int vectors)
{
	unsigned int id;

	*b = (struct bus){ .memory_fd = memory_fd, .vectors = vectors };
	for (id = 0; id < BUS_CLIENTS_MAX; id++)
		b->member[id].fd = -1;
}

static void close_bells(struct bus_member *c, unsigned int n)
{
	while (n > 0)
		close_fd(&c->bell[--n]);
}

void bus_deinit(struct bus *b)
{
	unsigned int id;

	for (id = 0; id < BUS_CLIENTS_MAX; id++)
		if (b->member[id].fd >= 0)
			bus_leave(b, id);
}

static struct bus_member *find_free(struct bus *b)
{
	unsigned int id;

	for (id = 0; id < BUS_CLIENTS_MAX; id++)
		if (b->member[id].fd < 0)
			return &b->member[id];
	return NULL;
}

static int open_bells(struct bus_member *c, unsigned int vectors)
{
	unsigned int v;
	int ret;

	for (v = 0; v < vectors; v++) {
		c->bell[v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (c->bell[v] < 0) {
			ret = -errno;
			close_bells(c, v);
			return ret;
		}
	}
	return 0;
}

/*
 * The kernel lets a user have so many descriptors on their way and no more. A client that does not
 * read must not use up what all others need, so little is on its way to any of them.
 */
static int seat(struct bus *b, struct bus_member *c, int *fd)
{
	const int least = 4096; /* some ten messages */
	int ret;

	*c = (struct bus_member){ .fd = -1, .serial = ++b->serial };
	ret = open_bells(c, b->vectors);
	if (ret < 0)
		return ret;
	c->told = calloc(BUS_CLIENTS_MAX, sizeof(*c->told));
	if (!c->told) {
		close_bells(c, b->vectors);
		return -ENOMEM;
	}
	setsockopt(*fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	c->fd = take_fd(fd);
	return (int)(c - b->member);
}

int bus_join(struct bus *b, int fd)
{
	_cleanup_(close_fd) int connection = fd;
	struct bus_member *c = find_free(b);
	int id = c ? seat(b, c, &connection) : -EBUSY;

	if (id < 0) {
		b->counts.refused++;
		return id;
	}
	b->counts.joined++;
	if (++b->counts.present > b->counts.peak)
		b->counts.peak = b->counts.present;
	return id;
}

void bus_leave(struct bus *b, unsigned int id)
{
	struct bus_member *c = &b->member[id];

	close_bells(c, b->vectors);
	free(c->told);
	c->told = NULL;
	close_fd(&c->fd);
	b->counts.left++;
	b->counts.present--;
}

static struct message greeting(const struct bus *b, struct bus_member *c)
{
	const struct message all[GREETING] = {
		{ .number = VERSION, .fd = -1 },
		{ .number = c - b->member, .fd = -1 },
		{ .number = MEMORY, .fd = b->memory_fd },
	};
	struct message m = all[c->greeted];

	m.count = &c->greeted;
	return m;
}

/* What @c does not know yet of the client that has, or had, this @id. */
static bool news(struct bus *b, struct bus_member *c, unsigned int id, struct message *out)
{
	const struct bus_member *other = &b->member[id];
	struct bus_told *told = &c->told[id];
	bool there = other->fd >= 0 && other != c;

	if (told->vectors > 0 && (!there || told->serial != other->serial)) {
		*out = (struct message){
			.number = id, .fd = -1, .count = &told->vectors, .leaves = true
		};
		return true;
	}
	if (!there || told->vectors == b->vectors)
		return false;
	*out = (struct message){
		.number = id,
		.fd = other->bell[told->vectors],
		.count = &told->vectors,
		.told = told,
		.serial = other->serial,
	};
	return true;
}

static bool next_message(struct bus *b, struct bus_member *c, struct message *out)
{
	unsigned int id;

	if (c->greeted < GREETING) {
		*out = greeting(b, c);
		return true;
	}
	for (id = 0; id < BUS_CLIENTS_MAX; id++)
		if (news(b, c, id, out))
			return true;
	if (c->own == b->vectors)
		return false;
	*out = (struct message){ .number = c - b->member, .fd = c->bell[c->own], .count = &c->own };
	return true;
}

bool bus_pending(const struct bus *b, unsigned int id)
{
	struct bus *bus = (struct bus *)b; /* only looked at */
	struct bus_member *c = &bus->member[id];
	struct message m;

	return c->fd >= 0 && (c->rest_size > 0 || next_message(bus, c, &m));
}

/* Send, @fd with the first byte. Returns how many bytes went out, or a negative errno. */
static int transmit(int socket, const void *bytes, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		n = sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

static void note(const struct message *m)
{
	*m->count = m->leaves ? 0 : *m->count + 1;
	if (m->told)
		m->told->serial = m->serial;
}

static int send_rest(struct bus_member *c)
{
	int n = transmit(c->fd, c->rest + BUS_MESSAGE_SIZE - c->rest_size, c->rest_size, -1);

	if (n > 0)
		c->rest_size -= (unsigned int)n;
	return n;
}

static int send_next(struct bus_member *c, const struct message *m)
{
	uint64_t number = htole64((uint64_t)m->number);
	int n = transmit(c->fd, &number, sizeof(number), m->fd);

	if (n <= 0)
		return n;
	note(m);
	memcpy(c->rest, &number, sizeof(number));
	c->rest_size = BUS_MESSAGE_SIZE - (unsigned int)n;
	return n;
}

int bus_tell(struct bus *b, unsigned int id)
{
	struct bus_member *c = &b->member[id];
	struct message m;
	int n = 1;

	while (n > 0) {
		if (c->rest_size > 0)
			n = send_rest(c);
		else if (next_message(b, c, &m))
			n = send_next(c, &m);
		else
			break;
	}
	return n == -EAGAIN || n > 0 ? 0 : n;
}

bool bus_listen(struct bus *b, unsigned int id)
{
	char nothing[64];
	ssize_t n = recv(b->member[id].fd, nothing, sizeof(nothing), MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}
