// SPDX-License-Identifier: Apache-2.0
/*
 * Starting and stopping everything.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/uring.h"
#include "control.h"
#include "descriptors.h"
#include "exported.h"
#include "instance.h"
#include "link.h"
#include "log.h"
#include "ring.h"
#include "subscriber.h"

#define NS_PER_S INT64_C(1000000000)

static void on_reap(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	server_reap(user);
}

void server_bury(struct server *s, struct subscriber *sub)
{
	TAILQ_INSERT_TAIL(&s->dead, sub, in_dead);
	event_active(s->reaper, EV_TIMEOUT, 0);
}

void server_bury_link(struct server *s, struct link_client *c)
{
	TAILQ_INSERT_TAIL(&s->dead_links, c, in_dead);
	event_active(s->reaper, EV_TIMEOUT, 0);
}

static void on_turn(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	link_turns(user);
}

void server_reap(struct server *s)
{
	struct link_client *c;
	struct subscriber *sub;

	while ((sub = TAILQ_FIRST(&s->dead))) {
		TAILQ_REMOVE(&s->dead, sub, in_dead);
		subscriber_free(sub);
	}
	while ((c = TAILQ_FIRST(&s->dead_links))) {
		TAILQ_REMOVE(&s->dead_links, c, in_dead);
		link_free(c);
	}
	if (s->draining && s->limits.clients == 0)
		event_base_loopbreak(s->base);
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *user)
{
	struct server *s = user;

	(void)fd;
	(void)what;
	log_warning("%u clients have not taken their last messages within drain-timeout",
		    s->limits.clients);
	event_base_loopbreak(s->base);
}

void server_drain(struct server *s)
{
	int64_t ns = s->settings->daemon.drain_timeout;
	struct timeval limit = { .tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000 };
	struct instance *i;
	struct exported *e;

	s->draining = true;
	s->drain_timer = event_new(s->base, -1, 0, on_drain_timeout, s);
	if (s->drain_timer)
		event_add(s->drain_timer, &limit);
	TAILQ_FOREACH(i, &s->instances, next) {
		TAILQ_FOREACH(e, &i->exports, next)
			exported_drain(e);
		link_drain_all(i);
	}
	/* It looks whether anybody is left. */
	event_active(s->reaper, EV_TIMEOUT, 0);
}

struct instance *server_find(const struct server *s, const char *name)
{
	struct instance *i;

	TAILQ_FOREACH(i, &s->instances, next)
		if (strcmp(i->name, name) == 0)
			return i;
	return NULL;
}

/* One daemon per rundir: whatever sockets lie there are left over then. */
static int lock_rundir(struct server *s, char error[ERROR_SIZE])
{
	const char *rundir = s->settings->daemon.rundir;
	char path[KEY_PATH_SIZE + 8];
	int ret;

	snprintf(path, sizeof(path), "%s/.lock", rundir);
	if (mkdir(rundir, 0755) < 0 && errno != EEXIST) {
		ret = -errno;
		snprintf(error, ERROR_SIZE,
			 "%s: cannot be made: %s; run as a service with "
			 "RuntimeDirectory=, or choose another rundir",
			 rundir, strerror(-ret));
		return ret;
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	ret = -errno;
	if (ret == -EWOULDBLOCK)
		snprintf(error, ERROR_SIZE,
			 "%s: another icbmsgd serves it; stop that one, or choose another rundir",
			 rundir);
	else
		snprintf(error, ERROR_SIZE,
			 "%s: %s; choose another rundir, or make it a folder that this user can "
			 "write to",
			 path, strerror(-ret));
	return ret;
}

static int make_base(struct server *s, char error[ERROR_SIZE])
{
	struct event_config *config = event_config_new();

	if (config && event_config_require_features(config, EV_FEATURE_ET) == 0)
		s->base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	if (s->base)
		s->reaper = event_new(s->base, -1, 0, on_reap, s);
	if (s->base)
		s->turn = event_new(s->base, -1, 0, on_turn, s);
	if (s->reaper && s->turn)
		return 0;
	snprintf(error, ERROR_SIZE, "cannot make an event loop (epoll)");
	return -ENOMEM;
}

static int open_ring(struct server *s, char error[ERROR_SIZE])
{
	static const unsigned int from[] = { RING_WORTH, RING_ALWAYS, RING_NEVER };
	unsigned int wish = s->settings->daemon.io_uring;
	int why = 0, ret = ring_open(&s->ring, from[wish], &why);

	if (ret == 0 && why < 0 && wish == IO_URING_YES)
		ret = why;
	if (ret == -ENOMEM && !s->ring)
		snprintf(error, ERROR_SIZE, "out of memory");
	else if (ret < 0)
		snprintf(error, ERROR_SIZE,
			 "there is no io_uring: %s; allow it, or set io-uring = auto",
			 uring_why_not(why));
	else if (why < 0)
		log_info("plain calls move the payloads of sockets: no io_uring: %s",
			 uring_why_not(why));
	else
		log_info("%s the payloads of sockets",
			 ring_is_used(s->ring) ? "io_uring moves" : "plain calls move");
	return ret;
}

void server_set_limits(struct server *s)
{
	limits_set(&s->limits, &s->settings->daemon);
	descriptors_provide(s->settings, &s->limits);
}

int server_init(struct server *s, char error[ERROR_SIZE])
{
	const struct instance_section *section;
	struct instance *i;
	int ret;

	TAILQ_INIT(&s->instances);
	TAILQ_INIT(&s->dead);
	TAILQ_INIT(&s->dead_links);
	TAILQ_INIT(&s->turns);
	TAILQ_INIT(&s->readers);
	s->lock_fd = -1;
	limits_init(&s->limits);
	server_set_limits(s);
	ret = make_base(s, error);
	if (ret == 0)
		ret = lock_rundir(s, error);
	if (ret == 0)
		ret = open_ring(s, error);
	STAILQ_FOREACH(section, &s->settings->instances, next)
		if (ret == 0)
			ret = instance_open(&i, s, section, error);
	if (ret == 0)
		ret = control_open(&s->control, s, error);
	return ret;
}

void server_deinit(struct server *s)
{
	struct instance *i;

	control_close(s->control);
	while ((i = TAILQ_FIRST(&s->instances)))
		instance_close(i);
	if (s->drain_timer)
		event_free(s->drain_timer);
	if (s->turn)
		event_free(s->turn);
	if (s->reaper)
		event_free(s->reaper);
	if (s->base)
		event_base_free(s->base);
	ring_close(s->ring);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
}
