/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One open link: its events go to the exported endpoints, and clients that want to send wait here,
 * in one queue, for the blocks that all of them share.
 */
#ifndef ICBMSGD_INSTANCE_H
#define ICBMSGD_INSTANCE_H

#include <event2/event_struct.h>
#include <icbmsg.h>

#include "listener.h"
#include "outbox.h"
#include "server.h"

/** Refused connections that stay open until others come, so that they can hear why. */
#define REFUSED_KEPT 8

struct exported;
struct link_client;

struct instance {
	TAILQ_ENTRY(instance) next;
	struct server *server;
	char name[64];
	struct icbmsg *link;
	struct icbmsg_layout layout;
	bool holdable; /**< received buffers can be held */
	bool stalled;  /**< no events are taken: what would come could neither be held nor kept */
	struct pool_share share;
	struct event event, resume, retry, stall;
	TAILQ_HEAD(, exported) exports;
	struct listener library; /**< for clients that use libicbmsg */
	TAILQ_HEAD(, link_client) links;
	int refused[REFUSED_KEPT]; /**< connections that were told so; -1: none */
	unsigned int refused_next;
	struct log_limit log;             /**< about all these */
	TAILQ_HEAD(, subscriber) waiters; /**< whose message waits for blocks, oldest first */
	uint64_t waits;                   /**< messages that ever had to */
};

/**
 * Open the link and export the endpoints that @server's settings name.
 * Returns 0 or a negative errno with a text in @error.
 */
int instance_open(struct instance **out, struct server *server,
		  const struct instance_section *section, char error[ERROR_SIZE]);
void instance_close(struct instance *i);

/** Serve the clients that wait for blocks, soon. */
void instance_resume_later(struct instance *i);

/** The other core does not read its control messages: try again after a while. */
void instance_retry_later(struct instance *i);

/** Clients have taken something: a stalled instance may go on. */
void instance_unstall(struct instance *i);

/** Blocks of the other core that a message takes. */
uint32_t instance_rx_blocks(const struct instance *i, size_t size);

struct exported *instance_find(const struct instance *i, const char *name);

#endif
