// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a connection: accepted or refused, looked at as its state needs, and ended in one
 * place whatever the reason.
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define NS_PER_S INT64_C(1000000000)
#define SENDS_PER_TURN 64

bool client_listens(const struct client *c)
{
	return c->fd >= 0 && !c->deaf && !c->finishing;
}

/* Neither end can be used any more: the program has gone. */
static bool has_hung_up(const struct client *c)
{
	struct pollfd p = { .fd = c->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

/* A program that has gone is ended when all it has sent is on its way. */
static void check_gone(struct client *c)
{
	if (has_hung_up(c) && (c->eof || !client_has_input(c)))
		client_end(c, "it has closed the connection");
}

static void wait_for_blocks(struct client *c)
{
	struct instance *i = c->exported->instance;

	c->waiting = true;
	i->waits++;
	TAILQ_INSERT_TAIL(&i->waiters, c, in_waiters);
}

static void stop_waiting(struct client *c)
{
	c->waiting = false;
	TAILQ_REMOVE(&c->exported->instance->waiters, c, in_waiters);
}

bool client_turn(struct client *c)
{
	bool full = client_forward(c) == FORWARD_FULL;

	if (c->fd < 0)
		return true;
	if (full && !c->waiting)
		wait_for_blocks(c);
	else if (!full && c->waiting)
		stop_waiting(c);
	if (c->eof)
		check_gone(c);
	client_update(c);
	return !full;
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
	struct client *c = user;

	(void)fd;
	(void)what;
	if (c->reading == READING_ON)
		client_turn(c);
	else
		check_gone(c);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	client_flush(user);
}

static void on_linger(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	client_end(user, "it did not take its last messages in time");
}

static void set_reading(struct client *c, enum reading reading)
{
	short edge = reading == READING_EDGE ? EV_ET : 0;

	if (reading == c->reading)
		return;
	c->reading = reading;
	event_del(&c->in);
	if (reading == READING_OFF)
		return;
	event_assign(&c->in, c->exported->instance->server->base, c->fd,
		     (short)(EV_READ | EV_PERSIST | edge), on_readable, c);
	event_add(&c->in, NULL);
}

void client_update(struct client *c)
{
	bool writing = c->outbox.count > 0;

	if (c->fd >= 0 && c->draining && c->eof && !writing)
		client_end(c, "the daemon stops");
	if (c->fd < 0)
		return;
	/* libevent does not mix both kinds on one descriptor; writing notices hang-ups itself. */
	if (!writing)
		event_del(&c->out);
	if (c->finishing)
		set_reading(c, READING_OFF);
	else if (!c->waiting && !c->eof && c->exported->bound)
		set_reading(c, READING_ON);
	else
		set_reading(c, writing ? READING_OFF : READING_EDGE);
	if (writing && !event_pending(&c->out, EV_WRITE, NULL))
		event_add(&c->out, NULL);
}

/* The program takes nothing any more; what it has sent still counts. */
static void become_deaf(struct client *c)
{
	c->deaf = true;
	outbox_clear(&c->outbox, FATE_ABANDONED);
	check_gone(c);
}

/* One packet into the socket: 1 done, 0 not now, -1 never. */
static int put(struct client *c, const void *data, size_t size, enum fate *fate)
{
	*fate = FATE_DELIVERED;
	if (send(c->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 1;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	if (errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM) {
		*fate = FATE_OVERSIZE;
		log_limited(&c->exported->log,
			    "%s/%s: a message of %zu bytes does not fit through the socket; raise "
			    "net.core.wmem_max or run with CAP_NET_ADMIN",
			    c->exported->instance->name, c->exported->name, size);
		return 1;
	}
	return -1;
}

bool client_send(struct client *c, const void *data, size_t size)
{
	enum fate fate;
	int done;

	if (c->outbox.count > 0)
		return false;
	done = put(c, data, size, &fate);
	if (done == 0)
		return false;
	outbox_count(&c->outbox, done > 0 ? fate : FATE_ABANDONED, size);
	if (done < 0) {
		become_deaf(c);
		client_update(c);
	}
	return true;
}

void client_flush(struct client *c)
{
	const void *data;
	size_t size;
	enum fate fate;
	int done = 1;

	for (int n = 0; n < SENDS_PER_TURN && done > 0; n++) {
		if (!outbox_front(&c->outbox, &data, &size))
			break;
		done = put(c, data, size, &fate);
		if (done > 0)
			outbox_pop(&c->outbox, fate);
	}
	if (done < 0)
		become_deaf(c);
	if (c->fd >= 0 && c->finishing && c->outbox.count == 0)
		client_end(c, "the endpoint is not there any more");
	instance_unstall(c->exported->instance);
	client_update(c);
}

void client_finish(struct client *c)
{
	int64_t ns = c->exported->instance->server->settings->daemon.drain_timeout;
	struct timeval limit = { .tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000 };

	if (c->fd < 0 || c->finishing)
		return;
	c->finishing = true;
	/* What it sends from now on fails there, instead of being lost here. */
	shutdown(c->fd, SHUT_RD);
	event_add(&c->linger, &limit);
	client_flush(c);
}

void client_drain(struct client *c)
{
	if (c->fd < 0)
		return;
	c->draining = true;
	shutdown(c->fd, SHUT_RD);
	client_update(c);
}

static void leave_queue(struct client *c)
{
	if (!c->waiting)
		return;
	stop_waiting(c);
	/* The next one may fit, and has not been asked yet. */
	instance_resume_later(c->exported->instance);
}

void client_end(struct client *c, const char *why)
{
	struct exported *e = c->exported;
	struct server *s = e->instance->server;

	if (c->fd < 0)
		return;
	log_debug("%s/%s: client %" PRIu64 " (process %d) ends: %s", e->instance->name, e->name,
		  c->id, (int)c->pid, why);
	set_reading(c, READING_OFF);
	event_del(&c->out);
	event_del(&c->linger);
	leave_queue(c);
	/* With packets unread a close would cost the program what lies in its socket. */
	shutdown(c->fd, SHUT_RDWR);
	client_discard_input(c);
	close(c->fd);
	c->fd = -1;
	outbox_clear(&c->outbox, FATE_ABANDONED);
	instance_unstall(e->instance);
	e->client_count--;
	limits_leave(&s->limits, c->outbox.account);
	c->outbox.account = NULL;
	server_bury(s, c);
}

void client_free(struct client *c)
{
	TAILQ_REMOVE(&c->exported->clients, c, in_export);
	free(c);
}

/* Make room for the largest message, and ask the kernel to tell packets from the end. */
static void prepare_socket(const struct exported *e, int fd)
{
	size_t largest = icbmsg_max_rx_size(e->instance->link) + SOCKET_OVERHEAD;
	size_t wanted = e->settings.socket_buffer > largest ? e->settings.socket_buffer : largest;
	int size = (int)wanted, on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

static void refuse(struct exported *e, int fd, const struct ucred *peer, const char *why)
{
	log_limited(&e->log, "%s/%s: process %d of user %u is refused: %s", e->instance->name,
		    e->name, (int)peer->pid, (unsigned int)peer->uid, why);
	close(fd);
}

static struct client *new_client(struct exported *e, int fd, const struct ucred *peer,
				 struct account *account)
{
	struct server *s = e->instance->server;
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->exported = e;
	c->fd = fd;
	c->id = ++s->clients_ever;
	c->uid = peer->uid;
	c->pid = peer->pid;
	outbox_init(&c->outbox, &e->pool, account);
	event_assign(&c->in, s->base, fd, EV_READ, on_readable, c);
	event_assign(&c->out, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_assign(&c->linger, s->base, -1, 0, on_linger, c);
	TAILQ_INSERT_TAIL(&e->clients, c, in_export);
	e->client_count++;
	e->stats.clients++;
	return c;
}

void client_accept(struct exported *e, int fd)
{
	struct limits *limits = &e->instance->server->limits;
	struct ucred peer = { .uid = (uid_t)-1, .pid = -1 };
	socklen_t size = sizeof(peer);
	struct account *account;
	enum limit limit;
	char why[80];
	struct client *c;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (e->settings.exclusive && e->client_count > 0) {
		e->stats.refused_busy++;
		refuse(e, fd, &peer, "the endpoint is exclusive and has a client");
		return;
	}
	limit = limits_enter(limits, peer.uid, &account);
	if (limit != LIMIT_NONE) {
		e->stats.refused++;
		snprintf(why, sizeof(why), "%s is reached; raise it in [daemon]",
			 limit_name(limit));
		refuse(e, fd, &peer, why);
		return;
	}
	prepare_socket(e, fd);
	c = new_client(e, fd, &peer, account);
	if (!c) {
		limits_leave(limits, account);
		refuse(e, fd, &peer, "out of memory");
		return;
	}
	log_debug("%s/%s: client %" PRIu64 ": process %d of user %u", e->instance->name, e->name,
		  c->id, (int)c->pid, (unsigned int)c->uid);
	client_update(c);
}
