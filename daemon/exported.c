// SPDX-License-Identifier: Apache-2.0
/*
 * Opening, changing and closing an exported endpoint, and what its link tells about it.
 */
#include "exported.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "link.h"
#include "log.h"
#include "subscriber.h"

#define NS_PER_S INT64_C(1000000000)

static struct subscriber *subscriber_of(struct outbox *o)
{
	return (void *)((char *)o - offsetof(struct subscriber, outbox));
}

static void release(void *user, struct icbmsg_rx rx)
{
	const struct exported *e = user;

	icbmsg_release_rx(e->instance->link, rx);
}

static bool is_current(void *user, struct icbmsg_rx rx)
{
	const struct exported *e = user;

	return icbmsg_rx_is_current(e->instance->link, rx);
}

static void doom(void *user, struct outbox *o)
{
	struct subscriber *s = subscriber_of(o);
	struct exported *e = user;

	log_limited(&e->log, "%s/%s: process %d is disconnected: it does not take its messages",
		    e->instance->name, e->name, (int)s->pid);
	subscriber_end(s, "its backlog is full");
}

static const struct pool_ops pool_ops = {
	.release = release,
	.is_current = is_current,
	.doom = doom,
};

static void on_accept(void *user, int fd)
{
	client_accept(user, fd);
}

void exported_arm_spill(struct exported *e)
{
	int64_t at = pool_next_spill(&e->pool), delay;
	struct timeval tv;

	if (at < 0) {
		event_del(&e->spill);
		return;
	}
	if (event_pending(&e->spill, EV_TIMEOUT, NULL))
		return; /* early is as good: it looks, and is set again */
	delay = at - clock_now();
	if (delay < 0)
		delay = 0;
	tv = (struct timeval){ .tv_sec = delay / NS_PER_S, .tv_usec = delay % NS_PER_S / 1000 };
	event_add(&e->spill, &tv);
}

static void on_spill(evutil_socket_t fd, short what, void *user)
{
	struct exported *e = user;
	struct subscriber *s;

	(void)fd;
	(void)what;
	pool_spill(&e->pool, clock_now());
	TAILQ_FOREACH(s, &e->subscribers, in_export)
		subscriber_update(s);
	exported_arm_spill(e);
}

bool exported_path(char out[SOCKET_PATH_SIZE], const char *rundir, const char *instance,
		   const char *name, const struct endpoint_settings *settings)
{
	char escaped[NAME_ESCAPED_SIZE];
	const char *file = settings->socket;

	if (!*file) {
		name_escape(escaped, name);
		file = escaped;
	}
	return (size_t)snprintf(out, SOCKET_PATH_SIZE, "%s/%s/%s", rundir, instance, file) <
	       SOCKET_PATH_SIZE;
}

/* What a socket's buffer really gets, and so the largest packet: known only by asking for it. */
static void check_buffers(const struct exported *e)
{
	size_t largest = icbmsg_max_rx_size(e->instance->link);
	int size = (int)(largest + SOCKET_OVERHEAD), got = 0;
	socklen_t length = sizeof(got);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &length);
	close(fd);
	if (got > 0 && (size_t)got < largest + SOCKET_OVERHEAD)
		log_warning("%s/%s: messages can have %zu bytes, but those over %zu do not fit "
			    "through a socket and will be dropped; raise net.core.wmem_max, or "
			    "run with CAP_NET_ADMIN",
			    e->instance->name, e->name, largest, (size_t)got - SOCKET_OVERHEAD);
}

static int register_endpoint(struct exported *e, char error[ERROR_SIZE])
{
	int ret = icbmsg_ept_register(e->instance->link, &e->ept, e->name, NULL, e);

	if (ret == -ENOSPC)
		snprintf(error, ERROR_SIZE, "%s/%.100s: an instance has at most %d endpoints",
			 e->instance->name, e->name, ICBMSG_EPT_COUNT_MAX);
	else if (ret < 0)
		snprintf(error, ERROR_SIZE, "%s/%.100s: cannot be registered: %s",
			 e->instance->name, e->name, strerror(-ret));
	return ret;
}

static struct access access_of(const struct endpoint_settings *s)
{
	return (struct access){ .mode = s->mode, .owner = s->owner, .group = s->group };
}

static int open_socket(struct exported *e, char error[ERROR_SIZE])
{
	const struct server *s = e->instance->server;
	struct access access = access_of(&e->settings);
	const struct exported *other;
	char path[SOCKET_PATH_SIZE];

	if (!exported_path(path, s->settings->daemon.rundir, e->instance->name, e->name,
			   &e->settings)) {
		snprintf(error, ERROR_SIZE,
			 "%s/%.100s: the path of its socket would be longer than %zu bytes; set "
			 "socket = NAME in its section",
			 e->instance->name, e->name, SOCKET_PATH_SIZE - 1);
		return -ENAMETOOLONG;
	}
	TAILQ_FOREACH(other, &e->instance->exports, next) {
		if (strcmp(other->listener.path, path) != 0)
			continue;
		snprintf(error, ERROR_SIZE,
			 "%s/%.100s: its socket would be that of %.100s; set another socket = NAME "
			 "in either section",
			 e->instance->name, e->name, other->name);
		return -EADDRINUSE;
	}
	return listener_open(&e->listener, s->base, path, SOCK_SEQPACKET, &access, error);
}

int exported_open(struct exported **out, struct instance *i, const char *name,
		  const struct endpoint_settings *settings, char error[ERROR_SIZE])
{
	struct exported *e = calloc(1, sizeof(*e));
	int ret;

	if (!e) {
		snprintf(error, ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	e->instance = i;
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->settings = *settings;
	TAILQ_INIT(&e->forwardings);
	TAILQ_INIT(&e->subscribers);
	pool_init(&e->pool, &pool_ops, e, &i->share, &i->server->limits);
	pool_set(&e->pool, settings, i->layout.rx.block_count);
	event_assign(&e->spill, i->server->base, -1, 0, on_spill, e);
	e->listener = (struct listener){ .fd = -1, .accepted = on_accept, .user = e };
	ret = register_endpoint(e, error);
	if (ret == 0)
		ret = open_socket(e, error);
	if (ret < 0) {
		icbmsg_ept_deregister(e->ept);
		free(e);
		return ret;
	}
	check_buffers(e);
	TAILQ_INSERT_TAIL(&i->exports, e, next);
	*out = e;
	return 0;
}

int exported_provide(struct exported **out, struct instance *i, const char *name, uid_t uid,
		     char error[ERROR_SIZE])
{
	const struct endpoint_section *section;
	int ret;

	*out = instance_find(i, name);
	if (*out)
		return 0;
	section = settings_find_endpoint(i->server->settings, i->name, name);
	if (!section || strlen(name) > ICBMSG_EPT_NAME_MAX) {
		snprintf(error, ERROR_SIZE,
			 "%s/%.100s: no section of the configuration allows this endpoint; write "
			 "[endpoint %s/NAME or pattern]",
			 i->name, name, i->name);
		return -ENOENT;
	}
	ret = exported_open(out, i, name, &section->values, error);
	if (ret < 0)
		return ret;
	(*out)->on_demand = true;
	log_info("%s/%s: exported on demand of user %u", i->name, name, (unsigned int)uid);
	return 0;
}

void exported_close(struct exported *e)
{
	struct forwarding *f;
	struct subscriber *s;

	listener_close(&e->listener);
	TAILQ_FOREACH(s, &e->subscribers, in_export)
		subscriber_end(s, "the endpoint is closed");
	/* Of clients that have deregistered it. */
	while ((f = TAILQ_FIRST(&e->forwardings)))
		link_end(f->client, "the endpoint is closed");
	server_reap(e->instance->server);
	event_del(&e->spill);
	icbmsg_ept_deregister(e->ept);
	TAILQ_REMOVE(&e->instance->exports, e, next);
	free(e);
}

void exported_drain(struct exported *e)
{
	struct subscriber *s;

	listener_close(&e->listener);
	TAILQ_FOREACH(s, &e->subscribers, in_export)
		if (!s->ended)
			s->ops->drain(s);
}

int exported_set(struct exported *e, const struct endpoint_settings *settings,
		 char error[ERROR_SIZE])
{
	struct access access = access_of(settings);
	char socket[KEY_PATH_SIZE];

	strcpy(socket, e->settings.socket);
	e->settings = *settings;
	strcpy(e->settings.socket, socket);
	pool_set(&e->pool, settings, e->instance->layout.rx.block_count);
	/* It may be due sooner than the timer thinks. */
	event_del(&e->spill);
	exported_arm_spill(e);
	return listener_set_access(&e->listener, &access, error);
}

static void update_all(struct exported *e)
{
	struct subscriber *s;

	TAILQ_FOREACH(s, &e->subscribers, in_export)
		subscriber_update(s);
}

void exported_bound(struct exported *e)
{
	struct subscriber *s;

	e->bound = true;
	log_info("%s/%s: bound", e->instance->name, e->name);
	TAILQ_FOREACH(s, &e->subscribers, in_export)
		if (!s->ended)
			s->ops->bound(s);
}

void exported_lost(struct exported *e)
{
	e->bound = false;
	update_all(e);
}

void exported_unbound(struct exported *e, const struct icbmsg_unbound *info)
{
	struct subscriber *s;

	e->bound = false;
	e->stats.unbound++;
	e->stats.unknown += info->unknown_tx;
	log_info("%s/%s: unbound: %s; of %u messages it is not known whether they were handled",
		 e->instance->name, e->name, icbmsg_unbound_reason_name(info->reason),
		 info->unknown_tx);
	pool_lose_held(&e->pool);
	exported_arm_spill(e);
	TAILQ_FOREACH(s, &e->subscribers, in_export) {
		if (!s->ended)
			s->ops->unbound(s, info);
	}
}

void exported_error(struct exported *e, const char *message)
{
	e->stats.errors++;
	log_limited(&e->log, "%s/%s: %s", e->instance->name, e->name, message);
}
