/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way to clients that do not take them at once.
 *
 * All clients of an endpoint share a *pool*; each has an *outbox*, a queue of references to
 * *messages*. A message lies in the received buffer itself, held, as long as the pool's quota of
 * blocks and its time allow; then in memory of the daemon, within the client's backlog; and where
 * that is full the endpoint's policy decides. Every message that was offered to a client has one
 * fate, and all are counted: offered = sum of fates + queued.
 *
 * Knows neither sockets nor libicbmsg: buffers are released through struct pool_ops.
 */
#ifndef ICBMSGD_OUTBOX_H
#define ICBMSGD_OUTBOX_H

#include <icbmsg.h>

#include "quota.h"
#include "settings.h"

/** What became of a message for one client. */
enum fate {
	FATE_DELIVERED,
	FATE_DROPPED_OLDEST, /**< made room for a newer one */
	FATE_DROPPED_NEWEST, /**< found no room */
	FATE_ABANDONED,      /**< the client was disconnected, or went away */
	FATE_STALE,          /**< its buffer was lost when the other core restarted */
	FATE_OVERSIZE,       /**< does not fit through the client's socket */
	FATE_COUNT,
};

/** Name of a counter, as in icbmsgctl's JSON. */
const char *fate_name(enum fate fate);

struct delivery_stats {
	uint64_t offered;
	uint64_t fates[FATE_COUNT];
	uint64_t bytes; /**< delivered */
};

struct outbox;
struct message;

struct pool_ops {
	/** Give a received buffer back. */
	void (*release)(void *user, struct icbmsg_rx rx);
	/** Whether the buffer still is what it was. */
	bool (*is_current)(void *user, struct icbmsg_rx rx);
	/** POLICY_DISCONNECT: the client of @o has to go. Its outbox is empty already. */
	void (*doom)(void *user, struct outbox *o);
};

/** What the pools of one instance share: the blocks of the other core. */
struct pool_share {
	uint32_t held_blocks;
	uint32_t max_held_blocks; /**< for all policies but block */
};

struct pool {
	const struct pool_ops *ops;
	void *user;
	struct pool_share *share;
	struct limits *limits;

	enum policy policy;
	uint32_t quota;    /**< blocks that may be held */
	uint64_t backlog;  /**< bytes per client */
	int64_t hold_time; /**< ns */

	TAILQ_HEAD(, message) held_messages; /**< longest held first */
	uint32_t held;                       /**< messages */
	uint32_t held_blocks;
	uint32_t forced;  /**< messages that wait beyond every limit: the policy is blocking */
	uint64_t bytes;   /**< in memory, once per client */
	uint64_t queued;  /**< messages, once per client */
	uint64_t blocked; /**< messages that ever did so */
	struct delivery_stats stats;
};

void pool_init(struct pool *p, const struct pool_ops *ops, void *user, struct pool_share *share,
	       struct limits *limits);

/** Take over what the configuration says of an endpoint; @blocks of the other core in all. */
void pool_set(struct pool *p, const struct endpoint_settings *settings, uint32_t blocks);

/** The other core has restarted: held messages are lost. */
void pool_lose_held(struct pool *p);

/** When pool_spill() has something to do, CLOCK_MONOTONIC ns; -1: never. */
int64_t pool_next_spill(const struct pool *p);

/** Copy what has been held for too long, or apply the policy to it. */
void pool_spill(struct pool *p, int64_t now);

/** Whether clients make the other core wait, or would where memory cannot be held. */
bool pool_is_blocking(const struct pool *p);

struct outbox {
	struct pool *pool;
	struct account *account;
	TAILQ_HEAD(, entry) entries;
	uint32_t count;
	uint32_t held;  /**< of @count */
	uint64_t bytes; /**< of the others */
	struct delivery_stats stats;
};

void outbox_init(struct outbox *o, struct pool *pool, struct account *account);

/** The fate of all messages in it. */
void outbox_clear(struct outbox *o, enum fate fate);

/**
 * The message to send next, or false if there is none. Messages whose buffers have become stale are
 * counted and skipped. Valid until the next call on the outbox or the instance.
 */
bool outbox_front(struct outbox *o, const void **data, size_t *size);

/** The fate of the front. */
void outbox_pop(struct outbox *o, enum fate fate);

/** Count a message that never was in the outbox. */
void outbox_count(struct outbox *o, enum fate fate, size_t size);

/** A message that has just come, while it is given to all clients. */
struct arrival {
	struct pool *pool;
	const void *data;
	size_t size;
	bool holdable; /**< @rx is held, and the memory can be handed out */
	struct icbmsg_rx rx;
	uint32_t blocks;
	int64_t now;
	struct message *message; /**< once it waits for somebody */
};

/**
 * Whether @a->data, which changes when the message is copied, still is the message: to be asked
 * before it is read, as the other core may have restarted.
 */
bool arrival_is_current(const struct arrival *a);

/** Put the message into @o, or apply the policy. The caller has counted it as offered. */
void arrival_queue(struct arrival *a, struct outbox *o);

/** Everybody had his turn: the buffer is released unless somebody waits for it. */
void arrival_done(struct arrival *a);

#endif
