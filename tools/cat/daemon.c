// SPDX-License-Identifier: Apache-2.0
/*
 * The backend that goes through icbmsgd: a SEQPACKET socket for the messages, and questions to the
 * control socket for what the first does not tell: whether the endpoint is bound, and why a
 * connection has ended. Who may not ask takes it as bound while connected.
 */
#include <errno.h>
#include <inttypes.h>
#include <json.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cat/backend.h"
#include "cat/place.h"
#include "cat/query.h"
#include "common/service.h"
#include "common/tool.h"

/* What nothing tells about is looked at again after these times, twice as long each time. */
#define DELAY_MIN INT64_C(1000000)
#define DELAY_MAX INT64_C(200000000)
/* The kernel's own share of a socket's buffer (net/unix/af_unix.c: len > sk_sndbuf - 32). */
#define SOCKET_OVERHEAD 32u
/* Messages that should fit into the socket at a time. */
#define MESSAGES_AHEAD 4u

enum state {
	STATE_CONNECTING, /**< not connected; again at look_at */
	STATE_EXPORTING,  /**< the same, and the daemon was asked to export the endpoint */
	STATE_ASKING,     /**< connected, not bound for all we know; ask again at look_at */
	STATE_BOUND,
	STATE_LOST, /**< disconnected, the daemon was asked why */
};

struct daemon_backend {
	struct backend base;
	struct place place;
	struct query query;
	enum state state;
	int fd;
	bool announce; /**< bound, and next() has not said so yet */

	int64_t look_at, delay;
	bool bound;        /**< this connection was bound */
	bool used;         /**< this connection has carried something */
	bool up;           /**< as of the last answer */
	uint64_t restarts; /**< when bound */
	unsigned int connections;

	bool send_closed;
	bool unsure; /**< something sent may still be in the socket, as of check_at at the latest */
	int64_t check_at, check_delay;

	uint8_t *buffer;
	size_t capacity;
};

static struct daemon_backend *of(struct backend *b)
{
	return (struct daemon_backend *)b;
}

static int64_t back_off(int64_t *delay)
{
	int64_t now = *delay;

	*delay = now * 2 < DELAY_MAX ? now * 2 : DELAY_MAX;
	return now;
}

static void look_later(struct daemon_backend *d)
{
	d->look_at = cat_now() + back_off(&d->delay);
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

static int try_connect(struct daemon_backend *d)
{
	int fd = service_connect(d->place.path, SOCK_SEQPACKET | SOCK_NONBLOCK);

	if (fd >= 0) {
		connected(d, fd);
		return 0;
	}
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

/*
 * Size of the packet in front, 0 at the end, -EAGAIN if there is none. An end with packets of ours
 * unread is told by an error first; what came before it can be read after it.
 */
static ssize_t look(const struct daemon_backend *d)
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
	ssize_t n = look(d);

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
	if (d->unsure)
		ev->doubt = "the messages sent last may not have arrived";
	json_object_put(answer);
	d->announce = d->unsure = false;
	d->state = STATE_CONNECTING;
	look_later(d);
	return 1;
}

static void take_state(struct daemon_backend *d, struct json_object *answer)
{
	struct place_state s = place_state_of(&d->place, answer);

	d->up = s.up;
	if (!s.bound) {
		look_later(d);
		return;
	}
	/* The daemon accepts, or refuses, connections that were there before its answer. */
	if (look(d) == 0) {
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
		take_state(d, answer);
	json_object_put(answer);
	/* Asked in vain: not again at once. */
	if (ret < 0 && ret != -ENOTCONN)
		look_later(d);
	if (ret < 0 && cat_now() >= d->look_at && query_ask(&d->query, service_request("list")) < 0)
		look_later(d);
}

/* Not bound: nothing to receive, but the end may come, and so may what says that it is bound. */
static void wait_for_bound(struct daemon_backend *d)
{
	ssize_t n = look(d);

	if (n == 0)
		disconnect(d);
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
		try_connect(d);
}

static int daemon_next(struct backend *b, struct backend_event *ev)
{
	struct daemon_backend *d = of(b);
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

static int daemon_send(struct backend *b, const void *data, size_t size)
{
	struct daemon_backend *d = of(b);

	if (size == 0)
		tool_fail(TOOL_ERROR, "an empty message cannot go through the daemon, as its "
				      "sockets do not carry any; own the link with --direct");
	if (d->state != STATE_BOUND || d->send_closed)
		return -ENOTCONN;
	if (send(d->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
		d->used = d->unsure = true;
		d->check_delay = DELAY_MIN;
		d->check_at = 0;
		return 0;
	}
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return -ENOBUFS;
	if (errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN)
		return -errno;
	d->send_closed = true;
	return -ENOTCONN;
}

/* Whether the daemon has read all. At the end of a connection it may also have thrown it away. */
static void check_taken(struct daemon_backend *d)
{
	int left = 0;

	if (d->unsure && d->state == STATE_BOUND && !d->send_closed &&
	    ioctl(d->fd, SIOCOUTQ, &left) == 0 && left == 0)
		d->unsure = look(d) == 0;
}

static bool daemon_all_taken(struct backend *b)
{
	check_taken(of(b));
	return !of(b)->unsure;
}

/* When to ask next whether the daemon has read all. */
static int64_t next_check(struct daemon_backend *d)
{
	int64_t now = cat_now();

	if (now >= d->check_at) {
		check_taken(d);
		d->check_at = now + back_off(&d->check_delay);
	}
	return d->unsure && d->state == STATE_BOUND ? d->check_at : NEVER;
}

static int64_t daemon_watch(struct backend *b, struct pollfd fds[BACKEND_FDS], bool reading,
			    bool sending)
{
	struct daemon_backend *d = of(b);
	short events = 0;

	if (d->fd >= 0 && reading)
		events |= POLLIN;
	if (d->state == STATE_BOUND && sending && !d->send_closed)
		events |= POLLOUT;
	fds[0] = (struct pollfd){ .fd = events ? d->fd : -1, .events = events };
	fds[1] = (struct pollfd){ .fd = reading ? d->query.fd : -1, .events = POLLIN };
	if (d->state == STATE_CONNECTING || (d->state == STATE_ASKING && d->query.fd < 0))
		return d->look_at;
	return d->unsure ? next_check(d) : NEVER;
}

static const char *daemon_why_not_bound(struct backend *b)
{
	return of(b)->fd < 0 ? "the daemon is not there, or does not export it" :
			       backend_why_not_bound(of(b)->up);
}

static void daemon_statistics(struct backend *b)
{
	tool_say("through %s, connections: %u", of(b)->place.path, of(b)->connections);
}

static void daemon_close(struct backend *b)
{
	struct daemon_backend *d = of(b);

	query_deinit(&d->query);
	if (d->fd >= 0)
		close(d->fd);
	free(d->buffer);
	free(d);
}

static const struct backend_ops daemon_ops = {
	.next = daemon_next,
	.send = daemon_send,
	.all_taken = daemon_all_taken,
	.watch = daemon_watch,
	.why_not_bound = daemon_why_not_bound,
	.statistics = daemon_statistics,
	.close = daemon_close,
};

/* The first connection: that it is not possible is an error, unless there is a queue. */
static void connect_first(struct daemon_backend *d)
{
	char why[1024];
	int ret = try_connect(d);

	if (ret == 0 || ret == -EAGAIN)
		return;
	service_explain(why, sizeof(why), d->place.path, ret);
	tool_fail(TOOL_ERROR, "%s", why);
}

/* So that --wait 0 is an answer to whether it is bound. */
static void ask_first(struct daemon_backend *d)
{
	struct json_object *answer = NULL;

	if (d->state != STATE_ASKING)
		return;
	if (query_ask_and_wait(&d->query, service_request("list"), &answer) == 0)
		take_state(d, answer);
	json_object_put(answer);
}

struct backend *daemon_open(const struct options *o, backend_log *log, void *user)
{
	struct daemon_backend *d = calloc(1, sizeof(*d));
	char line[160];

	if (!d)
		tool_fail(TOOL_ERROR, "out of memory");
	d->base.ops = &daemon_ops;
	d->base.endpoint = d->place.endpoint;
	d->fd = -1;
	d->delay = DELAY_MIN;
	place_find(&d->place, o);
	query_init(&d->query, d->place.control);
	if (!d->place.asked && o->wait >= 0)
		tool_fail(TOOL_ERROR,
			  "--wait: whether the endpoint is bound is known to the daemon's control "
			  "socket, %s, which cannot be used",
			  d->place.control);
	connect_first(d);
	ask_first(d);
	if (d->fd >= 0 && d->base.max_size < d->place.max_send) {
		snprintf(line, sizeof(line),
			 "messages over %zu bytes do not fit into the socket; raise "
			 "net.core.wmem_max to send up to %zu",
			 d->base.max_size, d->place.max_send);
		log(user, !o->receive_only, line);
	}
	return &d->base;
}
