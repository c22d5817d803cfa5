/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ivshmem server that says what a test wants it to, byte by byte if need be.
 */
#ifndef ICBMSG_TESTS_UNIT_IVSHMEM_SERVER_H
#define ICBMSG_TESTS_UNIT_IVSHMEM_SERVER_H

#include "unit/files.h"

#include <endian.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define SERVER_MEMORY 8192

struct server {
	char folder[32];
	char path[64];
	int listener;
	int memory;
	int client; /* the connection, once there is one */
	pthread_t thread;
	void (*greet)(struct server *s);
	uint16_t id;          /* the client's */
	unsigned int vectors; /* the client gets so many of its own */
	int bell[64];         /* those */
};

static inline void server_init(struct server *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*s = (struct server){ .folder = "/tmp/ivshmem-test-XXXXXX", .client = -1, .id = 3 };
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/socket", s->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->listener, 1), 0);
	s->memory = memfd_create("ivshmem-test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->memory, SERVER_MEMORY), 0);
}

static inline void server_hang_up(struct server *s)
{
	if (s->client >= 0)
		close(s->client);
	s->client = -1;
}

static inline void server_deinit(struct server *s)
{
	server_hang_up(s);
	for (unsigned int v = 0; v < s->vectors; v++)
		close(s->bell[v]);
	close(s->listener);
	close(s->memory);
	unlink(s->path);
	rmdir(s->folder);
}

/* @size bytes with @count descriptors. 0 once the client has hung up. */
static inline ssize_t server_send(struct server *s, const void *bytes, size_t size, const int *fds,
				  size_t count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (count > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	n = sendmsg(s->client, &msg, MSG_NOSIGNAL);
	return n < 0 ? 0 : n;
}

/* @fd -1: none goes with it. */
static inline void server_say(struct server *s, int64_t number, int fd)
{
	uint64_t wire = htole64((uint64_t)number);

	server_send(s, &wire, sizeof(wire), &fd, fd >= 0);
}

/* An eventfd that the client rings as peer @id, or that rings the client. The caller's to close. */
static inline int server_add_vector(struct server *s, int64_t id, int flags)
{
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	server_say(s, id, fd);
	return fd;
}

static inline void server_give_vectors(struct server *s, unsigned int count)
{
	for (unsigned int v = 0; v < count; v++)
		s->bell[s->vectors++] = server_add_vector(s, s->id, EFD_NONBLOCK);
}

/* What a server says that is in order: version, id, memory, one vector. */
static inline void server_greet(struct server *s)
{
	server_say(s, 0, -1);
	server_say(s, s->id, -1);
	server_say(s, -1, s->memory);
}

static inline void *server_run(void *arg)
{
	struct server *s = arg;

	s->client = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s->client >= 0);
	s->greet(s);
	return NULL;
}

/* Greet the next client by @greet, while this thread becomes that client. */
static inline void server_start(struct server *s, void (*greet)(struct server *s))
{
	s->greet = greet;
	assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static inline void server_join(struct server *s)
{
	pthread_join(s->thread, NULL);
}

#endif
