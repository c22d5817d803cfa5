// SPDX-License-Identifier: Apache-2.0
/*
 * An open link in the event loop.
 */
#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "exported.h"
#include "link.h"
#include "log.h"
#include "subscriber.h"

#define EVENTS_PER_TURN 64
#define RETRY_USEC 50000
#define STALL_USEC 5000

uint32_t instance_rx_blocks(const struct instance *i, size_t size)
{
	uint32_t block = i->layout.rx.block_size;

	return (uint32_t)((size + i->layout.word_size + block - 1) / block);
}

struct exported *instance_find(const struct instance *i, const char *name)
{
	struct exported *e;

	TAILQ_FOREACH(e, &i->exports, next)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

static void resume(struct instance *i)
{
	struct subscriber *s;

	while ((s = TAILQ_FIRST(&i->waiters)) && subscriber_turn(s))
		;
}

static void on_resume(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	resume(user);
}

void instance_resume_later(struct instance *i)
{
	event_active(&i->resume, EV_TIMEOUT, 0);
}

void instance_retry_later(struct instance *i)
{
	struct timeval delay = { .tv_usec = RETRY_USEC };

	if (!event_pending(&i->retry, EV_TIMEOUT, NULL))
		event_add(&i->retry, &delay);
}

/* Memory that cannot be held: nothing more is taken while somebody's backlog is full. */
static bool must_stall(const struct instance *i)
{
	const struct exported *e;

	if (i->holdable)
		return false;
	TAILQ_FOREACH(e, &i->exports, next)
		if (pool_is_blocking(&e->pool))
			return true;
	return false;
}

/*
 * Take no events, but go on reading control messages: the other core's releases are among them, and
 * without those no client could send; one that only reads when it has sent would never make room.
 * The descriptor says nothing while events wait, so there is a look now and then.
 */
static void look_while_stalled(struct instance *i)
{
	static const struct timeval delay = { .tv_usec = STALL_USEC };
	struct exported *e = TAILQ_FIRST(&i->exports);

	/* A wait of no time reads, and delivers nothing. */
	if (e)
		icbmsg_ept_wait_bound(e->ept, 0);
	TAILQ_FOREACH(e, &i->exports, next)
		link_released(e);
	event_add(&i->stall, &delay);
	instance_resume_later(i);
}

static void on_stall(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	look_while_stalled(user);
}

void instance_unstall(struct instance *i)
{
	if (!i->stalled || must_stall(i))
		return;
	i->stalled = false;
	event_del(&i->stall);
	event_add(&i->event, NULL);
}

/* The sessions of clients that have heard of it end with that of the other core. */
static void restart_links(struct instance *i)
{
	struct link_client *c, *next;

	for (c = TAILQ_FIRST(&i->links); c; c = next) {
		next = TAILQ_NEXT(c, in_instance);
		link_restart(c);
	}
}

static void handle(struct instance *i, const struct icbmsg_event *ev)
{
	struct exported *e = icbmsg_ept_user(ev->ept);

	switch (ev->type) {
	case ICBMSG_EVENT_BOUND:
		exported_bound(e);
		break;
	case ICBMSG_EVENT_UNBOUND:
		exported_unbound(e, &ev->unbound);
		restart_links(i);
		instance_resume_later(i);
		break;
	case ICBMSG_EVENT_RECEIVED:
		exported_received(e, ev->data, ev->size);
		break;
	case ICBMSG_EVENT_WRITABLE:
		resume(i);
		break;
	case ICBMSG_EVENT_ERROR:
		exported_error(e, ev->message);
		break;
	case ICBMSG_EVENT_RELEASED:
		link_released(e);
		break;
	}
}

static void on_link(evutil_socket_t fd, short what, void *user)
{
	struct instance *i = user;
	struct icbmsg_event ev;
	int n = 0;

	(void)fd;
	(void)what;
	while (!i->stalled && n++ < EVENTS_PER_TURN && icbmsg_next_event(i->link, &ev, 0) > 0) {
		handle(i, &ev);
		i->stalled = must_stall(i);
	}
	icbmsg_event_done(i->link);
	if (i->stalled) {
		event_del(&i->event);
		look_while_stalled(i);
	}
}

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	const struct instance *i = user;

	log_line(level, "%s: %s", i->name, line);
}

static int make_directory(const struct instance *i, char error[ERROR_SIZE])
{
	const char *rundir = i->server->settings->daemon.rundir;
	char path[200];
	int ret;

	snprintf(path, sizeof(path), "%s/%s", rundir, i->name);
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	ret = -errno;
	snprintf(error, ERROR_SIZE, "%s: cannot be made: %s", path, strerror(-ret));
	return ret;
}

static int export_all(struct instance *i, char error[ERROR_SIZE])
{
	const struct endpoint_section *e;
	struct exported *exported;
	int ret = make_directory(i, error);

	STAILQ_FOREACH(e, &i->server->settings->endpoints, next)
		if (ret == 0 && !e->pattern && strcmp(e->instance, i->name) == 0)
			ret = exported_open(&exported, i, e->name, &e->values, error);
	return ret;
}

static struct instance *new_instance(struct server *server, const char *name)
{
	struct instance *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->server = server;
	snprintf(i->name, sizeof(i->name), "%s", name);
	TAILQ_INIT(&i->exports);
	TAILQ_INIT(&i->links);
	TAILQ_INIT(&i->waiters);
	i->library.fd = -1;
	for (int n = 0; n < REFUSED_KEPT; n++)
		i->refused[n] = -1;
	event_assign(&i->resume, server->base, -1, 0, on_resume, i);
	event_assign(&i->retry, server->base, -1, 0, on_resume, i);
	event_assign(&i->stall, server->base, -1, 0, on_stall, i);
	return i;
}

static int open_link(struct instance *i, const struct instance_section *section,
		     char error[ERROR_SIZE])
{
	int ret = icbmsg_open(&i->link, section->cfg);

	if (ret < 0) {
		snprintf(error, ERROR_SIZE, "%s: %.*s", i->name, ERROR_SIZE - 80,
			 icbmsg_config_error(section->cfg));
		return ret;
	}
	icbmsg_set_log(i->link, on_log, i);
	icbmsg_get_layout(i->link, &i->layout, sizeof(i->layout));
	i->holdable = !i->layout.device_memory;
	i->share.max_held_blocks = i->layout.rx.block_count / 2;
	return 0;
}

int instance_open(struct instance **out, struct server *server,
		  const struct instance_section *section, char error[ERROR_SIZE])
{
	struct instance *i = new_instance(server, section->name);
	int ret;

	if (!i) {
		snprintf(error, ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	ret = open_link(i, section, error);
	if (ret < 0) {
		free(i);
		return ret;
	}
	event_assign(&i->event, server->base, icbmsg_get_fd(i->link), EV_READ | EV_PERSIST, on_link,
		     i);
	event_add(&i->event, NULL);
	TAILQ_INSERT_TAIL(&server->instances, i, next);
	ret = export_all(i, error);
	if (ret == 0)
		ret = link_listen(i, error);
	if (ret < 0)
		instance_close(i);
	else
		*out = i;
	return ret;
}

void instance_close(struct instance *i)
{
	struct exported *e;

	link_close_all(i);
	while ((e = TAILQ_FIRST(&i->exports)))
		exported_close(e);
	server_reap(i->server);
	event_del(&i->event);
	event_del(&i->resume);
	event_del(&i->retry);
	event_del(&i->stall);
	icbmsg_close(i->link);
	TAILQ_REMOVE(&i->server->instances, i, next);
	free(i);
}
