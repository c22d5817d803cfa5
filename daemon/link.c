// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a library client: accepted, heard, given turns, and ended in one place whatever the
 * reason.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

/* A program that connects says at once who it is. */
#define HELLO_SEC 5

/* Turns between two looks at descriptors: of one client, and of all. */
#define ROUNDS 8
#define TURNS 64

/* ------------------------------------------------------------------------------------------------
 * Turns
 */

void link_turn_later(struct link_client *c)
{
	struct server *s = c->instance->server;

	if (c->in_turn || c->ended)
		return;
	c->in_turn = true;
	TAILQ_INSERT_TAIL(&s->turns, c, in_turns);
	/* Soon: before the loop looks at descriptors again. */
	if (!s->turning)
		event_active(s->turn, EV_TIMEOUT, 0);
}

static void leave_turns(struct link_client *c)
{
	if (c->in_turn)
		TAILQ_REMOVE(&c->instance->server->turns, c, in_turns);
	c->in_turn = false;
}

/* One turn of each that is in the queue, as long as @turns last. */
static void run_round(struct server *s, int *turns)
{
	const struct link_client *last = TAILQ_LAST(&s->turns, turn_queue);
	struct link_client *c;
	bool done = false;

	while (!done && (*turns)-- > 0 && (c = TAILQ_FIRST(&s->turns))) {
		done = c == last;
		leave_turns(c);
		if (link_turn(c))
			link_turn_later(c);
	}
}

void link_turns(struct server *s)
{
	static const struct timeval now = { 0 };

	int turns = TURNS;

	s->turning = true;
	for (int n = 0; n < ROUNDS && turns > 0 && !TAILQ_EMPTY(&s->turns); n++)
		run_round(s, &turns);
	s->turning = false;
	if (!TAILQ_EMPTY(&s->turns))
		event_add(s->turn, &now);
}

/* ------------------------------------------------------------------------------------------------
 * The socket
 */

/* It has closed the connection: what it has sent until now still counts. */
static void take_eof(struct link_client *c)
{
	event_del(&c->readable);
	event_del(&c->writable);
	if (!c->link) {
		link_end(c, "it has closed the connection");
		return;
	}
	c->eof = true;
	if (!c->draining)
		c->left = c->shape.to_daemon_blocks;
	link_turn_later(c);
}

/* The descriptor that a packet brings, or -1; more than one are closed. */
static int take_descriptor(struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);
	size_t count;
	int fd = -1, other;

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return -1;
	count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t n = 0; n < count; n++) {
		memcpy(&other, CMSG_DATA(head) + n * sizeof(int), sizeof(int));
		if (n == 0)
			fd = other;
		else
			close(other);
	}
	return fd;
}

/* One packet; @fd is -1 or the callee's. Returns as recv() does. */
static ssize_t receive(const struct link_client *c, void *packet, size_t size, int *fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = packet, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool hello = c->memory_fd < 0;
	ssize_t n;

	*fd = -1;
	/* Descriptors that come later have no place to go to: the kernel closes them. */
	if (!hello)
		return recv(c->fd, packet, size, MSG_DONTWAIT);
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	n = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n >= 0)
		*fd = take_descriptor(&message);
	return n;
}

static void on_readable(evutil_socket_t number, short what, void *user)
{
	uint8_t packet[CLIENT_PACKET_MAX + 1];
	struct link_client *c = user;
	ssize_t n;
	int fd;

	(void)number;
	(void)what;
	n = receive(c, packet, sizeof(packet), &fd);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0)
		take_eof(c);
	else if (n > (ssize_t)CLIENT_PACKET_MAX)
		link_end_badly(c, "its packet is too long");
	else if (c->memory_fd < 0)
		link_hello(c, packet, (size_t)n, fd);
	else
		link_packet(c, packet, (size_t)n);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
	struct link_client *c = user;

	(void)fd;
	(void)what;
	if (c->answer_size > 0)
		link_answer_again(c);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct link_client *c = user;

	(void)fd;
	(void)what;
	if (c->link)
		link_turn_later(c);
	else
		link_end_badly(c, "it has not said hello in time");
}

/* ------------------------------------------------------------------------------------------------
 * Beginning and end
 */

static struct link_client *new_client(struct instance *i, int fd, struct account *account)
{
	struct event_base *base = i->server->base;
	struct link_client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->instance = i;
	c->account = account;
	c->id = ++i->server->clients_ever;
	c->fd = fd;
	c->memory_fd = -1;
	TAILQ_INIT(&c->epts);
	TAILQ_INIT(&c->forwardings);
	event_assign(&c->readable, base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, base, fd, EV_WRITE, on_writable, c);
	event_assign(&c->timer, base, -1, 0, on_timer, c);
	TAILQ_INSERT_TAIL(&i->links, c, in_instance);
	return c;
}

static void on_accept(void *user, int fd)
{
	static const struct timeval patience = { .tv_sec = HELLO_SEC };
	struct ucred peer = { .uid = (uid_t)-1, .pid = -1 };
	socklen_t size = sizeof(peer);
	struct instance *i = user;
	struct limits *limits = &i->server->limits;
	struct account *account;
	struct link_client *c;
	enum limit limit;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	limit = limits_enter(limits, peer.uid, true, &account);
	c = limit == LIMIT_NONE ? new_client(i, fd, account) : NULL;
	if (!c) {
		if (limit == LIMIT_NONE)
			limits_leave(limits, account, true);
		link_refuse(i, fd, &peer, limit == LIMIT_NONE ? LIMIT_MEMORY : limit);
		return;
	}
	c->uid = peer.uid;
	c->pid = peer.pid;
	event_add(&c->readable, NULL);
	event_add(&c->timer, &patience);
}

static void close_socket(struct link_client *c)
{
	char byte;

	event_del(&c->readable);
	event_del(&c->writable);
	event_del(&c->timer);
	/* With packets unread the client would hear of that before it hears our last ones. */
	shutdown(c->fd, SHUT_RDWR);
	while (recv(c->fd, &byte, 1, MSG_DONTWAIT) > 0)
		;
	close(c->fd);
	c->fd = -1;
}

static void close_memory(struct link_client *c)
{
	if (c->memory_fd < 0)
		return;
	limits_sub_memory(&c->instance->server->limits, c->account, link_shape_size(&c->shape));
	close(c->memory_fd);
	c->memory_fd = -1;
}

void link_end(struct link_client *c, const char *why)
{
	struct server *s = c->instance->server;
	struct link_ept *p;

	if (c->ended)
		return;
	c->ended = true;
	log_debug("%s: library client %ju (process %d) ends: %s", c->instance->name,
		  (uintmax_t)c->id, (int)c->pid, why);
	leave_turns(c);
	link_close(c);
	while ((p = TAILQ_FIRST(&c->epts)))
		subscriber_end(&p->sub, why);
	close_socket(c);
	close_memory(c);
	limits_leave(&s->limits, c->account, true);
	TAILQ_REMOVE(&c->instance->links, c, in_instance);
	server_bury_link(s, c);
}

void link_end_badly(struct link_client *c, const char *why)
{
	if (!c->ended)
		log_limited(&c->instance->log, "%s: process %d of user %u is disconnected: %s",
			    c->instance->name, (int)c->pid, (unsigned int)c->uid, why);
	link_end(c, why);
}

void link_free(struct link_client *c)
{
	free(c);
}

/* ------------------------------------------------------------------------------------------------
 * All clients of an instance
 */

static struct access access_of(const struct daemon_settings *d)
{
	return (struct access){ .mode = d->library_mode,
				.owner = d->library_owner,
				.group = d->library_group };
}

int link_set_access(struct instance *i, char error[ERROR_SIZE])
{
	struct access access = access_of(&i->server->settings->daemon);

	return listener_set_access(&i->library, &access, error);
}

int link_listen(struct instance *i, char error[ERROR_SIZE])
{
	const struct daemon_settings *d = &i->server->settings->daemon;
	struct access access = access_of(d);
	char path[SOCKET_PATH_SIZE];

	i->library = (struct listener){ .fd = -1, .accepted = on_accept, .user = i };
	if ((size_t)snprintf(path, sizeof(path), "%s/%s" CLIENT_SOCKET_SUFFIX, d->rundir,
			     i->name) >= sizeof(path)) {
		snprintf(error, ERROR_SIZE,
			 "%s: the path of its socket would be longer than %zu bytes; choose a "
			 "shorter rundir or name",
			 i->name, sizeof(path) - 1);
		return -ENAMETOOLONG;
	}
	return listener_open(&i->library, i->server->base, path, SOCK_SEQPACKET, &access, error);
}

void link_close_all(struct instance *i)
{
	struct link_client *c;

	listener_close(&i->library);
	while ((c = TAILQ_FIRST(&i->links)))
		link_end(c, "the instance is closed");
	for (int n = 0; n < REFUSED_KEPT; n++)
		if (i->refused[n] >= 0)
			close(i->refused[n]);
}

void link_drain_all(struct instance *i)
{
	struct link_client *c, *next;

	listener_close(&i->library);
	for (c = TAILQ_FIRST(&i->links); c; c = next) {
		next = TAILQ_NEXT(c, in_instance);
		if (!c->link) {
			link_end(c, "the daemon stops");
			continue;
		}
		c->draining = true;
		c->left = c->shape.to_daemon_blocks;
		link_turn_later(c);
	}
}
