/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program connected to an exported endpoint's socket. One packet is one message, both ways.
 */
#ifndef ICBMSGD_CLIENT_H
#define ICBMSGD_CLIENT_H

#include <event2/event_struct.h>

#include "exported.h"
#include "outbox.h"

/** How a client's socket is looked at for input. */
enum reading {
	READING_OFF,
	READING_ON,   /**< whenever there is something */
	READING_EDGE, /**< only when something changes: to notice that the program has gone */
};

struct client {
	TAILQ_ENTRY(client) in_export, in_waiters, in_dead;
	struct exported *exported;
	uint64_t id;
	int fd; /**< -1: ended */
	uid_t uid;
	pid_t pid;
	struct outbox outbox;
	struct event in, out, linger;
	enum reading reading;
	bool waiting;   /**< in the instance's queue for blocks */
	bool eof;       /**< it will send nothing more */
	bool deaf;      /**< it will take nothing more */
	bool draining;  /**< ends when all input is sent on and all output taken */
	bool finishing; /**< gets what it is owed, and then an end of file */
	void *carry;    /**< a filled transmit buffer that could not be sent yet, or NULL */
	size_t carry_size;
	struct input_stats input;
	struct log_limit log;
};

/** A new connection; takes @fd over, and closes it if it is refused. */
void client_accept(struct exported *e, int fd);

/** Whether it is to be given what comes from now on. */
bool client_listens(const struct client *c);

/**
 * Send at once.
 * Returns true if the message is done with (its fate counted), false if it has to be queued.
 */
bool client_send(struct client *c, const void *data, size_t size);

/** Send what is queued as far as the socket takes it. */
void client_flush(struct client *c);

/** Look at the socket for what the client's state needs, after any change of it. */
void client_update(struct client *c);

/**
 * Its turn to send one message to the other core. Returns false if that has to wait for blocks; the
 * client is in its instance's queue then, and is not otherwise.
 */
bool client_turn(struct client *c);

/** No more input: send what is queued, then end the client; after drain-timeout in any case. */
void client_finish(struct client *c);

/** Take what it has sent until now, nothing more, and end it when nothing is left. */
void client_drain(struct client *c);

/** Close the connection now. @why is for the log. The struct stays until the loop comes round. */
void client_end(struct client *c, const char *why);

/** Free a client that has ended. */
void client_free(struct client *c);

/* client_input.c */

enum forwarded {
	FORWARDED,      /**< one packet is done with */
	FORWARD_NONE,   /**< there is none */
	FORWARD_FULL,   /**< blocks are out, or others wait for them */
	FORWARD_PAUSED, /**< the endpoint is not bound any more */
	FORWARD_ENDED,  /**< the client will send nothing more, or has been ended */
};

/** Send one of the client's messages to the other core. */
enum forwarded client_forward(struct client *c);

/** What could not be forwarded counts as discarded. The socket must have been shut down. */
void client_discard_input(struct client *c);

/** Whether packets of the client lie in its socket unread. */
bool client_has_input(const struct client *c);

#endif
