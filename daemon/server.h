/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole: one event loop, and what everything in it shares.
 */
#ifndef ICBMSGD_SERVER_H
#define ICBMSGD_SERVER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "keys.h"
#include "quota.h"
#include "settings.h"

struct client;
struct control;
struct instance;
struct link_client;
struct ring;
struct subscriber;

struct server {
	struct event_base *base;
	struct settings_source source;
	struct settings *settings;
	struct limits limits;
	TAILQ_HEAD(, instance) instances;
	TAILQ_HEAD(, subscriber) dead; /* ended, to be freed when nobody works on them */
	TAILQ_HEAD(, link_client) dead_links;
	struct event *reaper;
	TAILQ_HEAD(turn_queue, link_client) turns; /* library clients with something to do */
	struct event *turn;
	bool turning;
	struct ring *ring;
	TAILQ_HEAD(reader_queue, client) readers; /* sockets that have a message */
	struct control *control;
	uint64_t clients_ever;
	int lock_fd; /* of the rundir: one daemon at a time */
	bool draining;
	struct event *drain_timer;
};

/**
 * Lock the rundir, open all instances and export their endpoints. @s->source and @s->settings have
 * been set. On an error what has been opened is closed by server_deinit().
 * Returns 0 or a negative errno with a text in @error.
 */
int server_init(struct server *s, char error[ERROR_SIZE]);

/** Close everything. */
void server_deinit(struct server *s);

/** Take over the limits of the settings, as far as there are file descriptors for them. */
void server_set_limits(struct server *s);

/**
 * No new clients; those that are there get what is queued for them, and what they have sent is sent
 * on. The loop ends when that is done, or drain-timeout is over.
 */
void server_drain(struct server *s);

/** Free @sub, or @c, once the loop comes round. */
void server_bury(struct server *s, struct subscriber *sub);

void server_bury_link(struct server *s, struct link_client *c);

/** Free ended clients and subscribers now: nobody may work on one. */
void server_reap(struct server *s);

struct instance *server_find(const struct server *s, const char *name);

#endif
