/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of outbox.h, shared by outbox.c (queues), message.c (messages and pools) and policy.c
 * (what happens where there is no room).
 */
#ifndef ICBMSGD_MESSAGE_H
#define ICBMSGD_MESSAGE_H

#include "outbox.h"

struct message {
	TAILQ_ENTRY(message) in_pool; /**< while held */
	TAILQ_HEAD(, entry) entries;  /**< who waits for it */
	struct pool *pool;
	unsigned int refs; /**< entries, and who works on it */
	bool held;
	bool forced; /**< held although there was no room for it anywhere */
	struct icbmsg_rx rx;
	uint32_t blocks;
	int64_t since; /**< held; CLOCK_MONOTONIC ns */
	const void *data;
	size_t size;
	void *copy; /**< @data, unless held */
};

/** One message in one outbox. */
struct entry {
	TAILQ_ENTRY(entry) in_outbox;
	TAILQ_ENTRY(entry) in_message;
	struct outbox *outbox;
	struct message *message;
	uint64_t bytes; /**< paid; 0: paid as held */
};

/** What a message in memory costs; the books are not free. */
static inline uint64_t message_cost(size_t size)
{
	return size + sizeof(struct message) + sizeof(struct entry);
}

/** Messages with one reference, the caller's, who has checked that there is room. NULL: no memory. */
struct message *message_hold(const struct arrival *a);
struct message *message_copy(struct pool *p, const void *data, size_t size);
void message_unref(struct message *m);

/** Move a held message into memory for everybody who waits; false if there is none, or too little. */
bool message_to_memory(struct message *m);

bool outbox_add(struct outbox *o, struct message *m);
void entry_end(struct entry *e, enum fate fate);

/** The message of @e was lost. If the policy drops none, what is behind it is dropped: no gaps. */
void entry_lose(struct entry *e);
void entry_pay_held(struct entry *e);
void entry_pay_bytes(struct entry *e);
void entry_unpay(struct entry *e);

/** policy.c: whether a message of this size may be copied for the client of @o. */
enum limit outbox_room(const struct outbox *o, size_t size);

/** policy.c: as message_to_memory(), and who has no room for it gets what the policy says. */
void message_spill(struct message *m);

#endif
