/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who uses an exported endpoint: gets what the other core sends, and may send to it. There
 * are kinds, told apart by a vtable: a connection to the endpoint's own socket (client.h), and an
 * endpoint of a program that uses libicbmsg (link.h).
 *
 * Shared is here: the outbox and its books, the queue for blocks, exclusivity, draining, the end.
 */
#ifndef ICBMSGD_SUBSCRIBER_H
#define ICBMSGD_SUBSCRIBER_H

#include "exported.h"
#include "outbox.h"

#include <sys/types.h>

/** What became of an attempt to send one of a subscriber's messages to the other core. */
enum forwarded {
	FORWARDED,      /**< one message is done with */
	FORWARD_NONE,   /**< there is none */
	FORWARD_FULL,   /**< blocks are out, or others wait for them */
	FORWARD_PAUSED, /**< the endpoint is not bound any more */
	FORWARD_ENDED,  /**< it will send nothing more, or has been ended */
};

/** One message given to a subscriber. */
enum put {
	PUT_DONE,  /**< its fate has been written */
	PUT_LATER, /**< not now */
	PUT_NEVER, /**< it takes nothing any more; what it has sent still counts */
};

struct subscriber;

struct subscriber_ops {
	bool is_library; /**< of a program that uses libicbmsg */
	/** One word for icbmsgctl. */
	const char *(*state)(const struct subscriber *s);
	/** Whether a message of @size is for it at all; otherwise it is not offered. */
	bool (*carries)(const struct subscriber *s, size_t size);
	enum put (*put)(struct subscriber *s, const void *data, size_t size, enum fate *fate);
	/** The socket that messages for it are sent to as they are; NULL: there is none. */
	int (*socket)(const struct subscriber *s);
	/** What the @result of such a send of @size bytes means: of ring_op. */
	enum put (*judge)(struct subscriber *s, ssize_t result, size_t size, enum fate *fate);
	/** Send one of its messages to the other core. */
	enum forwarded (*forward)(struct subscriber *s);
	/** Look for what its state needs, after any change of it; this may end it. */
	void (*update)(struct subscriber *s);
	/** The program may have gone: end it if so, and if all it has sent is on its way. */
	void (*check_gone)(struct subscriber *s);
	/** The endpoint has been bound, or lost. */
	void (*bound)(struct subscriber *s);
	void (*unbound)(struct subscriber *s, const struct icbmsg_unbound *info);
	/** The daemon stops: take what it has sent until now, and end it when nothing is left. */
	void (*drain)(struct subscriber *s);
	/** Let go of everything; input that has not been sent counts as discarded. */
	void (*close)(struct subscriber *s);
	void (*free)(struct subscriber *s);
};

struct subscriber {
	TAILQ_ENTRY(subscriber) in_export, in_waiters, in_dead;
	const struct subscriber_ops *ops;
	struct exported *exported;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	struct outbox outbox;
	uint64_t offered; /**< number of the message it was offered last, with others */
	bool ended;       /**< to be freed when the loop comes round */
	bool waiting;     /**< in the instance's queue for blocks */
	bool eof;         /**< it will send nothing more */
	bool deaf;        /**< it will take nothing more */
	struct input_stats input;
};

/** Whether another one is let in: -EBUSY if the endpoint is exclusive and taken (counted). */
int subscriber_admit(struct exported *e);

/** Fill @s, whose id, uid and pid are set, and give it what comes from now on. */
void subscriber_init(struct subscriber *s, const struct subscriber_ops *ops, struct exported *e,
		     struct account *account);

/** Whether it is to be given what comes from now on. */
bool subscriber_listens(const struct subscriber *s);

/**
 * Send at once.
 * Returns true if the message is done with (its fate counted), false if it has to be queued.
 */
bool subscriber_send(struct subscriber *s, const void *data, size_t size);

/** The same, when it has been sent to its socket with @result. It may have ended. */
bool subscriber_sent(struct subscriber *s, ssize_t result, size_t size);

/** Send what is queued as far as it is taken. */
void subscriber_flush(struct subscriber *s);

/** Look for what its state needs; nothing if it has ended. */
void subscriber_update(struct subscriber *s);

/**
 * Its turn to send one message to the other core. Returns false if that has to wait for blocks; it
 * is in its instance's queue then, and is not otherwise.
 */
bool subscriber_turn(struct subscriber *s);

/** Whether it may not ask for blocks because others wait for them. */
bool subscriber_must_queue(const struct subscriber *s);

/** What a failed attempt to send means. */
enum forwarded subscriber_failed(struct subscriber *s, int error);

/* Count what it has sent. */
void subscriber_count_message(struct subscriber *s, size_t size);
void subscriber_count_discarded(struct subscriber *s);

/** Leave the queue for blocks, if it is in there. */
void subscriber_leave_queue(struct subscriber *s);

/** End it now. @why is for the log. The struct stays until the loop comes round. */
void subscriber_end(struct subscriber *s, const char *why);

/** Free one that has ended. */
void subscriber_free(struct subscriber *s);

#endif
