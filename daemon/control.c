// SPDX-License-Identifier: Apache-2.0
/*
 * Lines in, lines out. Whoever may connect is not trusted to be quick or brief: requests have a
 * largest size, and nobody gets a second answer before the first has left.
 */
#include "control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/control.h"
#include "command.h"
#include "listener.h"

/* Whatever others hold open, some are left for root and our own user. In descriptors.c's reckoning. */
#define CONNECTIONS_MAX 32u
#define PRIVILEGED_MAX 48u
#define REFUSED_MAX 8u /* beyond these, that are told why at a time */
#define PATIENCE_SEC 30

struct connection {
	TAILQ_ENTRY(connection) next;
	struct control *control;
	struct bufferevent *stream;
	uid_t uid;
	bool leaving; /* when the last answer has left */
};

struct control {
	struct server *server;
	struct listener listener;
	TAILQ_HEAD(, connection) connections;
	unsigned int count;
};

static void hang_up(struct connection *n)
{
	TAILQ_REMOVE(&n->control->connections, n, next);
	n->control->count--;
	bufferevent_free(n->stream);
	free(n);
}

static void answer(struct connection *n, struct json_object *reply)
{
	struct evbuffer *out = bufferevent_get_output(n->stream);

	evbuffer_add_printf(out, "%s\n",
			    json_object_to_json_string_ext(reply,
							   JSON_C_TO_STRING_PLAIN |
								   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(reply);
	bufferevent_disable(n->stream, EV_READ);
}

/* One request, if there is a whole one. */
static void take_request(struct connection *n)
{
	struct evbuffer *in = bufferevent_get_input(n->stream);
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);

	if (line) {
		answer(n, command_run(n->control->server, line, n->uid));
		free(line);
	} else if (evbuffer_get_length(in) >= CONTROL_REQUEST_MAX) {
		n->leaving = true;
		answer(n, command_error("the request has more than %u bytes", CONTROL_REQUEST_MAX));
	}
}

static void on_read(struct bufferevent *stream, void *user)
{
	struct connection *n = user;
	struct evbuffer *in = bufferevent_get_input(stream);

	if (n->leaving)
		evbuffer_drain(in, evbuffer_get_length(in));
	else
		take_request(n);
}

/* Closed with input unread, the other end would get an error instead of its last answer. */
static void leave(struct connection *n)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_SEC };

	shutdown(bufferevent_getfd(n->stream), SHUT_WR);
	bufferevent_set_timeouts(n->stream, &patience, &patience);
	bufferevent_enable(n->stream, EV_READ);
	on_read(n->stream, n);
}

/* The answer has left: now the next request. */
static void on_written(struct bufferevent *stream, void *user)
{
	struct connection *n = user;

	if (n->leaving) {
		leave(n);
		return;
	}
	bufferevent_enable(stream, EV_READ);
	take_request(n);
}

static void on_event(struct bufferevent *stream, short what, void *user)
{
	struct connection *n = user;

	/* Who has asked and closed his half still gets the answers. */
	if ((what & BEV_EVENT_EOF) && evbuffer_get_length(bufferevent_get_output(stream)) > 0)
		n->leaving = true;
	else
		hang_up(n);
}

static unsigned int most_for(uid_t uid)
{
	return uid == 0 || uid == geteuid() ? PRIVILEGED_MAX : CONNECTIONS_MAX;
}

static void on_connection(void *user, int fd)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_SEC };
	struct ucred peer = { .uid = (uid_t)-1 };
	struct control *c = user;
	socklen_t size = sizeof(peer);
	struct connection *n;
	unsigned int most;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	most = most_for(peer.uid);
	/* Who does not leave after the answer would cost a descriptor for as long as it likes. */
	if (c->count >= most + REFUSED_MAX) {
		close(fd);
		return;
	}
	n = calloc(1, sizeof(*n));
	if (n)
		n->stream = bufferevent_socket_new(c->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!n || !n->stream) {
		free(n);
		close(fd);
		return;
	}
	n->control = c;
	n->uid = peer.uid;
	TAILQ_INSERT_TAIL(&c->connections, n, next);
	c->count++;
	bufferevent_setwatermark(n->stream, EV_READ, 0, CONTROL_REQUEST_MAX);
	bufferevent_setcb(n->stream, on_read, on_written, on_event, n);
	bufferevent_set_timeouts(n->stream, NULL, &patience);
	bufferevent_enable(n->stream, EV_READ | EV_WRITE);
	if (c->count <= most)
		return;
	n->leaving = true;
	answer(n, command_error("more than %u control connections", most));
}

static struct access access_of(const struct daemon_settings *d)
{
	return (struct access){ .mode = d->control_mode,
				.owner = d->control_owner,
				.group = d->control_group };
}

int control_set_access(struct control *c, char error[ERROR_SIZE])
{
	struct access access = access_of(&c->server->settings->daemon);

	return listener_set_access(&c->listener, &access, error);
}

int control_open(struct control **out, struct server *s, char error[ERROR_SIZE])
{
	struct access access = access_of(&s->settings->daemon);
	struct control *c = calloc(1, sizeof(*c));
	char path[SOCKET_PATH_SIZE];
	int ret;

	if (!c) {
		snprintf(error, ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	c->server = s;
	c->listener = (struct listener){ .fd = -1, .accepted = on_connection, .user = c };
	TAILQ_INIT(&c->connections);
	/* A rundir's longest path leaves room for this. */
	snprintf(path, sizeof(path), "%s/" CONTROL_SOCKET, s->settings->daemon.rundir);
	ret = listener_open(&c->listener, s->base, path, SOCK_STREAM, &access, error);
	if (ret < 0)
		free(c);
	else
		*out = c;
	return ret;
}

void control_close(struct control *c)
{
	struct connection *n;

	if (!c)
		return;
	listener_close(&c->listener);
	while ((n = TAILQ_FIRST(&c->connections)))
		hang_up(n);
	free(c);
}
