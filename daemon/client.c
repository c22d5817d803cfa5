// SPDX-License-Identifier: Apache-2.0
/*
 * Connections to endpoints' sockets: accepted or refused, looked at as their state needs.
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "ring.h"

#define NS_PER_S INT64_C(1000000000)

/* Neither end can be used any more: the program has gone. */
static bool has_hung_up(const struct client *c)
{
	struct pollfd p = { .fd = c->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static void check_gone(struct subscriber *s)
{
	const struct client *c = client_of(s);

	if (has_hung_up(c) && (s->eof || !client_has_input(c)))
		subscriber_end(s, "it has closed the connection");
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
	struct client *c = user;

	(void)fd;
	(void)what;
	if (c->reading == READING_ON)
		client_has_turn(c);
	else
		check_gone(&c->sub);
}

static void on_writable(evutil_socket_t fd, short what, void *user)
{
	struct client *c = user;

	(void)fd;
	(void)what;
	subscriber_flush(&c->sub);
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
	event_assign(&c->in, c->sub.exported->instance->server->base, c->fd,
		     (short)(EV_READ | EV_PERSIST | edge), on_readable, c);
	event_add(&c->in, NULL);
}

static const char *state(const struct subscriber *s)
{
	if (client_of(s)->finishing)
		return "finishing";
	return s->deaf ? "sending" : s->eof ? "receiving" : "connected";
}

static void on_linger(evutil_socket_t fd, short what, void *user)
{
	struct client *c = user;

	(void)fd;
	(void)what;
	subscriber_end(&c->sub, "it did not take its last messages in time");
}

/* Nothing is left that it is owed, or that it has to say. */
static bool has_finished(const struct client *c)
{
	return c->sub.outbox.count == 0 && (c->finishing || (c->draining && c->sub.eof));
}

static void update(struct subscriber *s)
{
	struct client *c = client_of(s);
	bool writing = s->outbox.count > 0;

	if (has_finished(c)) {
		subscriber_end(s, c->finishing ? "the endpoint is not there any more" :
						 "the daemon stops");
		return;
	}
	/* libevent does not mix both kinds on one descriptor; writing notices hang-ups itself. */
	if (!writing)
		event_del(&c->out);
	if (c->finishing)
		set_reading(c, READING_OFF);
	else if (!s->waiting && !s->eof && s->exported->bound)
		set_reading(c, READING_ON);
	else
		set_reading(c, writing ? READING_OFF : READING_EDGE);
	if (writing && !event_pending(&c->out, EV_WRITE, NULL))
		event_add(&c->out, NULL);
}

static int socket_of(const struct subscriber *s)
{
	return client_of(s)->fd;
}

static enum put judge(struct subscriber *s, ssize_t result, size_t size, enum fate *fate)
{
	struct exported *e = s->exported;

	*fate = FATE_DELIVERED;
	if (result >= 0)
		return PUT_DONE;
	if (result == -EAGAIN)
		return PUT_LATER;
	if (result == -EMSGSIZE || result == -ENOBUFS || result == -ENOMEM) {
		*fate = FATE_OVERSIZE;
		log_limited(&e->log,
			    "%s/%s: a message of %zu bytes does not fit through the socket; raise "
			    "net.core.wmem_max or run with CAP_NET_ADMIN",
			    e->instance->name, e->name, size);
		return PUT_DONE;
	}
	return PUT_NEVER;
}

/* One packet into the socket. */
static enum put put(struct subscriber *s, const void *data, size_t size, enum fate *fate)
{
	struct ring_op op = {
		.kind = RING_SEND, .fd = client_of(s)->fd, .data = (void *)data, .size = size
	};

	ring_run(s->exported->instance->server->ring, &op, 1);
	return judge(s, op.result, size, fate);
}

/* A packet without a byte would be taken for the end. */
static bool carries(const struct subscriber *s, size_t size)
{
	return size > 0 && !client_of(s)->finishing;
}

/* No more input: send what is queued, then end it; after drain-timeout in any case. */
static void finish(struct client *c)
{
	int64_t ns = c->sub.exported->instance->server->settings->daemon.drain_timeout;
	struct timeval limit = { .tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000 };

	if (c->finishing)
		return;
	c->finishing = true;
	/* What it sends from now on fails there, instead of being lost here. */
	shutdown(c->fd, SHUT_RD);
	event_add(&c->linger, &limit);
	subscriber_flush(&c->sub);
}

/* What was read before the link was lost is in nobody's socket that could be readable. */
static void bound(struct subscriber *s)
{
	if (client_of(s)->carry)
		subscriber_turn(s);
	else
		subscriber_update(s);
}

static void unbound(struct subscriber *s, const struct icbmsg_unbound *info)
{
	const struct exported *e = s->exported;

	(void)info;
	if (e->settings.on_unbound == UNBOUND_CLOSE || e->instance->server->draining)
		finish(client_of(s));
	else
		subscriber_update(s);
}

static void drain(struct subscriber *s)
{
	struct client *c = client_of(s);

	if (!s->exported->bound) {
		finish(c);
		return;
	}
	c->draining = true;
	shutdown(c->fd, SHUT_RD);
	subscriber_update(s);
}

static void close_client(struct subscriber *s)
{
	struct client *c = client_of(s);

	client_has_no_turn(c);
	set_reading(c, READING_OFF);
	event_del(&c->out);
	event_del(&c->linger);
	/* With packets unread a close would cost the program what lies in its socket. */
	shutdown(c->fd, SHUT_RDWR);
	client_discard_input(c);
	close(c->fd);
	c->fd = -1;
	limits_leave(&s->exported->instance->server->limits, s->outbox.account, false);
}

static void free_client(struct subscriber *s)
{
	free(client_of(s));
}

static const struct subscriber_ops client_ops = {
	.state = state,
	.carries = carries,
	.put = put,
	.socket = socket_of,
	.judge = judge,
	.forward = client_forward,
	.update = update,
	.check_gone = check_gone,
	.bound = bound,
	.unbound = unbound,
	.drain = drain,
	.close = close_client,
	.free = free_client,
};

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
	c->fd = fd;
	c->sub.id = ++s->clients_ever;
	c->sub.uid = peer->uid;
	c->sub.pid = peer->pid;
	event_assign(&c->in, s->base, fd, EV_READ, on_readable, c);
	event_assign(&c->out, s->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_assign(&c->linger, s->base, -1, 0, on_linger, c);
	subscriber_init(&c->sub, &client_ops, e, account);
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
	if (subscriber_admit(e) < 0) {
		refuse(e, fd, &peer, "the endpoint is exclusive and has a client");
		return;
	}
	limit = limits_enter(limits, peer.uid, false, &account);
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
		limits_leave(limits, account, false);
		refuse(e, fd, &peer, "out of memory");
		return;
	}
	log_debug("%s/%s: client %" PRIu64 ": process %d of user %u", e->instance->name, e->name,
		  c->sub.id, (int)c->sub.pid, (unsigned int)c->sub.uid);
	subscriber_update(&c->sub);
}
