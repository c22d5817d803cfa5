// SPDX-License-Identifier: Apache-2.0
/*
 * A connection to the daemon's socket for an endpoint, from connecting to the reason of its end.
 */
#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cat/session.h"
#include "common/service.h"

/* The kernel's own share of a socket's buffer (net/unix/af_unix.c: len > sk_sndbuf - 32). */
#define SOCKET_OVERHEAD 32u
/* Messages that should fit into the socket at a time. */
#define MESSAGES_AHEAD 4u

int64_t session_back_off(int64_t *delay)
{
	int64_t now = *delay;

	*delay = now * 2 < DELAY_MAX ? now * 2 : DELAY_MAX;
	return now;
}

static void look_later(struct daemon_backend *d)
{
	d->look_at = cat_now() + session_back_off(&d->delay);
}

static void set_bound(struct daemon_backend *d)
{
	d->state = STATE_BOUND;
	d->announce = d->bound = true;
	d->delay = DELAY_MIN;
}

/* Room for the largest message; what the kernel gives limits what can be sent. */
static void make_room(struct daemon_backend *d)
{
	size_t largest = d->place.max_send, need = largest + SOCKET_OVERHEAD;
	int wanted = need < INT32_MAX / MESSAGES_AHEAD ? (int)(need * MESSAGES_AHEAD) : INT32_MAX;
	socklen_t length = sizeof(int);
	int got = 0;

	getsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &got, &length);
	if (wanted > got) {
		if (setsockopt(d->fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
			setsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
		getsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &got, &length);
	}
	d->base.max_size = (size_t)got - SOCKET_OVERHEAD;
	if (d->place.asked && d->base.max_size > largest)
		d->base.max_size = largest;
	/* The daemon's blocks are not known here. */
	d->base.file_size = d->base.max_size / FILE_MESSAGES;
	if (d->base.file_size > FILE_SIZE_MAX)
		d->base.file_size = FILE_SIZE_MAX;
	if (d->base.file_size == 0)
		d->base.file_size = d->base.max_size;
}

static void connected(struct daemon_backend *d, int fd)
{
	d->fd = fd;
	d->connections++;
	d->bound = d->used = d->send_closed = d->unsure = false;
	d->state = STATE_ASKING;
	d->look_at = cat_now();
	make_room(d);
	if (!d->place.asked)
		set_bound(d);
}

int session_connect(struct daemon_backend *d)
{
	int fd = service_connect(d->place.path, SOCK_SEQPACKET | SOCK_NONBLOCK);

	if (fd >= 0) {
		connected(d, fd);
		return 0;
	}
	d->refusal = NULL;
	look_later(d);
	/* An endpoint on demand is gone with its daemon, whose sockets may still lie there. */
	if ((fd == -ENOENT || fd == -ECONNREFUSED) && d->place.asked &&
	    query_ask(&d->query, place_export_request(&d->place)) == 0)
		d->state = STATE_EXPORTING;
	return fd;
}

static void disconnect(struct daemon_backend *d)
{
	close(d->fd);
	d->fd = -1;
	d->state = STATE_LOST;
	query_ask(&d->query, service_request("list"));
}

ssize_t session_look(const struct daemon_backend *d)
{
	for (int tries = 0; tries < 2; tries++) {
		ssize_t n = recv(d->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno == EAGAIN || errno == EINTR)
			return -EAGAIN;
	}
	return 0;
}

static int receive(struct daemon_backend *d, struct backend_event *ev, size_t size)
{
	ssize_t n;

	if (size > d->capacity) {
		free(d->buffer);
		d->buffer = malloc(size);
		d->capacity = d->buffer ? size : 0;
		if (!d->buffer)
			return -ENOMEM;
	}
	n = recv(d->fd, d->buffer, d->capacity, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	d->used = true;
	*ev = (struct backend_event){ .type = BACKEND_MESSAGE,
				      .data = d->buffer,
				      .size = (size_t)n };
	return 1;
}

/* The next message: 1, 0 if there is none. At the end it finds out why. */
static int next_message(struct daemon_backend *d, struct backend_event *ev)
{
	ssize_t n = session_look(d);

	if (n > 0)
		return receive(d, ev, (size_t)n);
	if (n == 0)
		disconnect(d);
	return 0;
}

static const char *why_lost(struct daemon_backend *d, struct json_object *answer, int error,
			    bool *refused)
{
	struct place_state s;

	if (!d->place.asked || (error < 0 && error != -ENOENT && error != -ECONNREFUSED &&
				error != -ECONNRESET && error != -ENOTCONN))
		return "the daemon closed the connection";
	if (error < 0 || access(d->place.path, F_OK) < 0)
		return "the daemon has stopped, or does not export the endpoint any more";
	s = place_state_of(&d->place, answer);
	if (d->bound && s.restarts != d->restarts)
		return "the other side restarted";
	if (d->bound && !s.bound)
		return "the link to the other side is down";
	*refused = !d->used;
	if (*refused && s.exclusive && s.clients > 0)
		return "the endpoint is exclusive, and another program uses it";
	if (*refused)
		return "the daemon closed the connection at once, as it does beyond its limits; "
		       "'icbmsgctl stats' and its log tell which";
	return "the daemon closed the connection, as it does if messages are too large or not "
	       "read; its log tells";
}

static int explain_loss(struct daemon_backend *d, struct backend_event *ev)
{
	struct json_object *answer = NULL;
	int ret = query_take(&d->query, &answer);

	if (ret == 0)
		return 0;
	if (ret > 0 && service_refusal(answer))
		ret = -EAGAIN;
	*ev = (struct backend_event){ .type = BACKEND_LOST };
	ev->text = why_lost(d, answer, ret, &ev->refused);
	d->refusal = ev->refused ? ev->text : NULL;
	if (d->unsure)
		ev->doubt = "the messages sent last may not have arrived";
	json_object_put(answer);
	d->announce = d->unsure = false;
	d->state = STATE_CONNECTING;
	look_later(d);
	return 1;
}

void session_take_state(struct daemon_backend *d, struct json_object *answer)
{
	struct place_state s = place_state_of(&d->place, answer);

	d->up = s.up;
	d->held = s.held;
	if (session_look(d) != 0)
		d->refusal = NULL;
	if (!s.bound) {
		look_later(d);
		return;
	}
	/* The daemon accepts, or refuses, connections that were there before its answer. */
	if (session_look(d) == 0) {
		disconnect(d);
		return;
	}
	d->restarts = s.restarts;
	set_bound(d);
}

static void ask_whether_bound(struct daemon_backend *d)
{
	struct json_object *answer = NULL;
	int ret = query_take(&d->query, &answer);

	if (ret > 0)
		session_take_state(d, answer);
	json_object_put(answer);
	/* Asked in vain: not again at once. */
	if (ret < 0 && ret != -ENOTCONN)
		look_later(d);
	if (ret < 0 && cat_now() >= d->look_at && query_ask(&d->query, service_request("list")) < 0)
		look_later(d);
}

/*
 * Not bound: nothing to receive, but the end may come, and so may what says that it is bound. That
 * may be a message, and it may be over by the time that the daemon answers.
 */
static void wait_for_bound(struct daemon_backend *d)
{
	ssize_t n = session_look(d);

	if (n == 0)
		disconnect(d);
	else if (n > 0)
		set_bound(d);
	else
		ask_whether_bound(d);
}

static void connect_again(struct daemon_backend *d)
{
	struct json_object *answer = NULL;

	if (d->state == STATE_EXPORTING) {
		if (query_take(&d->query, &answer) == 0)
			return;
		json_object_put(answer);
		d->state = STATE_CONNECTING;
	}
	if (cat_now() >= d->look_at)
		session_connect(d);
}

int session_next(struct backend *b, struct backend_event *ev)
{
	struct daemon_backend *d = session_of(b);
	int ret = 0;

	if (d->state == STATE_CONNECTING || d->state == STATE_EXPORTING)
		connect_again(d);
	if (d->state == STATE_ASKING)
		wait_for_bound(d);
	if (d->announce) {
		d->announce = false;
		*ev = (struct backend_event){ .type = BACKEND_BOUND };
		return 1;
	}
	if (d->state == STATE_BOUND)
		ret = next_message(d, ev);
	if (d->state == STATE_LOST)
		ret = explain_loss(d, ev);
	return ret;
}
