// SPDX-License-Identifier: Apache-2.0
/*
 * A simulated core's end of the ivshmem protocol (QEMU's docs/specs/ivshmem-spec).
 */
#include "bus_client.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "args.h"
#include "util/cleanup.h"

#define GREETING_MS 5000

void bus_client_init(struct bus_client *c)
{
	*c = (struct bus_client){ .socket = -1, .memory_fd = -1, .bell = -1, .fd = -1 };
}

void bus_client_close(struct bus_client *c)
{
	while (c->peers > 0)
		close_fd(&c->peer[--c->peers].bell);
	close_fd(&c->fd);
	close_fd(&c->bell);
	close_fd(&c->memory_fd);
	close_fd(&c->socket);
}

static void take_descriptor(struct bus_client *c, struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS || cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return;
	close_fd(&c->fd);
	memcpy(&c->fd, CMSG_DATA(cmsg), sizeof(int));
}

/* 1 with the number of a message, its descriptor in c->fd; 0 if none has come; -1 at the end. */
static int receive(struct bus_client *c, int64_t *number)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	uint64_t wire;

	while (c->have < sizeof(c->bytes)) {
		struct iovec iov = { c->bytes + c->have, sizeof(c->bytes) - c->have };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(c->socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		take_descriptor(c, &msg);
		c->have += (unsigned int)n;
	}
	c->have = 0;
	memcpy(&wire, c->bytes, sizeof(wire));
	*number = (int64_t)le64toh(wire);
	return 1;
}

/* The next message, waited for. */
static int expect(struct bus_client *c, const char *path, int64_t *number)
{
	struct pollfd p = { .fd = c->socket, .events = POLLIN };
	int ret;

	while ((ret = receive(c, number)) == 0)
		if (poll(&p, 1, GREETING_MS) == 0)
			break;
	if (ret > 0)
		return SIM_OK;
	tool_say("--ivshmem %s: %s", path,
		 ret < 0 ? "the server hung up; see what it says" :
			   "the server does not say what it has to; see whether it hangs");
	return SIM_ERROR;
}

static struct bus_client_peer *find(struct bus_client *c, int64_t id)
{
	unsigned int i;

	for (i = 0; i < c->peers; i++)
		if (c->peer[i].id == id)
			return &c->peer[i];
	return NULL;
}

static void join(struct bus_client *c, int64_t id)
{
	if (find(c, id) || c->peers == BUS_CLIENT_PEERS_MAX)
		return; /* a vector that is not rung */
	c->peer[c->peers++] = (struct bus_client_peer){ .id = id, .bell = take_fd(&c->fd) };
	eventfd_write(c->peer[c->peers - 1].bell, 1);
}

static void leave(struct bus_client *c, int64_t id)
{
	struct bus_client_peer *peer = find(c, id);

	if (!peer)
		return;
	close_fd(&peer->bell);
	*peer = c->peer[--c->peers];
}

static void take_news(struct bus_client *c, int64_t number)
{
	if (c->fd < 0)
		leave(c, number);
	else if (number != c->id)
		join(c, number);
	else if (c->bell < 0)
		c->bell = take_fd(&c->fd);
	close_fd(&c->fd);
}

void bus_client_work(struct bus_client *c)
{
	int64_t number;
	int ret;

	if (c->socket < 0)
		return;
	while ((ret = receive(c, &number)) > 0)
		take_news(c, number);
	if (ret == 0)
		return;
	tool_say("the ivshmem server is gone; those who are there stay connected");
	close_fd(&c->socket);
}

void bus_client_ring(const struct bus_client *c)
{
	unsigned int i;

	for (i = 0; i < c->peers; i++)
		eventfd_write(c->peer[i].bell, 1);
}

static int take_greeting(struct bus_client *c, const char *path)
{
	int64_t version, number;

	if (expect(c, path, &version) != SIM_OK || expect(c, path, &c->id) != SIM_OK ||
	    expect(c, path, &number) != SIM_OK)
		return SIM_ERROR;
	if (version != 0 || c->id < 0 || number != -1 || c->fd < 0) {
		tool_say("--ivshmem %s: this is no ivshmem server of version 0", path);
		return SIM_ERROR;
	}
	c->memory_fd = take_fd(&c->fd);
	return SIM_OK;
}

int bus_client_open(struct bus_client *c, const char *path, bool polls)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int64_t number;
	int status;

	if (strlen(path) >= sizeof(address.sun_path))
		tool_usage("--ivshmem: a socket's path has at most %zu bytes",
			   sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	c->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->socket < 0 ||
	    connect(c->socket, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		tool_say("--ivshmem %s: %s; start a server there first: " SIM_NAME " serve %s",
			 path, strerror(errno), path);
		return SIM_ERROR;
	}
	status = take_greeting(c, path);
	while (status == SIM_OK && !polls && c->bell < 0) {
		status = expect(c, path, &number);
		if (status == SIM_OK)
			take_news(c, number);
	}
	return status;
}
