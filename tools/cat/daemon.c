// SPDX-License-Identifier: Apache-2.0
/*
 * The backend that goes through icbmsgd: a SEQPACKET socket for the messages, and questions to the
 * control socket for what the first does not tell: whether the endpoint is bound, and why a
 * connection has ended. Who may not ask takes it as bound while connected.
 */
#include <errno.h>
#include <json.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cat/session.h"
#include "common/service.h"
#include "common/tool.h"

static int daemon_send(struct backend *b, const void *data, size_t size)
{
	struct daemon_backend *d = session_of(b);

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

static int daemon_get_buffer(struct backend *b, size_t size, void **data)
{
	void *memory = malloc(size);

	(void)b;
	if (!memory)
		return -ENOMEM;
	*data = memory;
	return 0;
}

static int daemon_send_buffer(struct backend *b, void *data, size_t size)
{
	int ret = daemon_send(b, data, size);

	if (ret == 0)
		free(data);
	return ret;
}

static void daemon_drop_buffer(struct backend *b, void *data)
{
	(void)b;
	free(data);
}

/* The next message gets a buffer of its own. */
static int daemon_keep(struct backend *b, const struct backend_event *ev, struct backend_message *m)
{
	struct daemon_backend *d = session_of(b);

	*m = (struct backend_message){ .data = d->buffer, .size = ev->size };
	d->buffer = NULL;
	d->capacity = 0;
	return 0;
}

static bool daemon_is_current(struct backend *b, const struct backend_message *m)
{
	(void)b;
	(void)m;
	return true;
}

static void daemon_release(struct backend *b, const struct backend_message *m)
{
	(void)b;
	free(m->data);
}

/* Whether the daemon has read all. At the end of a connection it may also have thrown it away. */
static void check_taken(struct daemon_backend *d)
{
	int left = 0;

	if (d->unsure && d->state == STATE_BOUND && !d->send_closed &&
	    ioctl(d->fd, SIOCOUTQ, &left) == 0 && left == 0)
		d->unsure = session_look(d) == 0;
}

static bool daemon_all_taken(struct backend *b)
{
	check_taken(session_of(b));
	return !session_of(b)->unsure;
}

/* The daemon tells it. */
static bool daemon_all_told(struct backend *b)
{
	(void)b;
	return true;
}

/* When to ask next whether the daemon has read all. */
static int64_t next_check(struct daemon_backend *d)
{
	int64_t now = cat_now();

	if (now >= d->check_at) {
		check_taken(d);
		d->check_at = now + session_back_off(&d->check_delay);
	}
	return d->unsure && d->state == STATE_BOUND ? d->check_at : NEVER;
}

static int64_t daemon_watch(struct backend *b, struct pollfd fds[BACKEND_FDS], bool reading,
			    bool sending)
{
	struct daemon_backend *d = session_of(b);
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
	const struct daemon_backend *d = session_of(b);

	if (d->refusal)
		return d->refusal;
	if (d->fd < 0)
		return "the daemon is not there, or does not export it";
	return backend_why_not_bound(d->up, d->held);
}

static void daemon_statistics(struct backend *b)
{
	tool_say("through %s, connections: %u", session_of(b)->place.path,
		 session_of(b)->connections);
}

static void daemon_close(struct backend *b)
{
	struct daemon_backend *d = session_of(b);

	query_deinit(&d->query);
	if (d->fd >= 0)
		close(d->fd);
	free(d->buffer);
	free(d);
}

static const struct backend_ops daemon_ops = {
	.next = session_next,
	.send = daemon_send,
	.get_buffer = daemon_get_buffer,
	.send_buffer = daemon_send_buffer,
	.drop_buffer = daemon_drop_buffer,
	.keep = daemon_keep,
	.is_current = daemon_is_current,
	.release = daemon_release,
	.all_taken = daemon_all_taken,
	.all_told = daemon_all_told,
	.watch = daemon_watch,
	.why_not_bound = daemon_why_not_bound,
	.statistics = daemon_statistics,
	.close = daemon_close,
};

/* The first connection: that it is not possible is an error, unless there is a queue. */
static void connect_first(struct daemon_backend *d)
{
	char why[1024];
	int ret = session_connect(d);

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
		session_take_state(d, answer);
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
	/* Whoever owns a link hears this of the library. */
	if (d->state == STATE_ASKING && d->held)
		log(user, true, backend_why_not_bound(false, true));
	if (d->fd >= 0 && d->base.max_size < d->place.max_send) {
		snprintf(line, sizeof(line),
			 "messages over %zu bytes do not fit into the socket; raise "
			 "net.core.wmem_max to send up to %zu",
			 d->base.max_size, d->place.max_send);
		log(user, !o->receive_only, line);
	}
	return &d->base;
}
