/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program connected to an exported endpoint's socket. One packet is one message, both ways.
 */
#ifndef ICBMSGD_CLIENT_H
#define ICBMSGD_CLIENT_H

#include <event2/event_struct.h>

#include "subscriber.h"

/** How a client's socket is looked at for input. */
enum reading {
	READING_OFF,
	READING_ON,   /**< whenever there is something */
	READING_EDGE, /**< only when something changes: to notice that the program has gone */
};

struct client {
	struct subscriber sub;
	int fd;
	struct event in, out, linger;
	enum reading reading;
	bool draining;  /**< ends when all input is sent on and all output taken */
	bool finishing; /**< gets what it is owed, and then an end of file */
	void *carry;    /**< a message that could not be sent yet, in memory of ours, or NULL */
	size_t carry_size;

	/* With others that have sent something, in one turn of the loop: server.h's readers. */
	TAILQ_ENTRY(client) in_readers;
	bool reader;        /**< in that queue */
	unsigned int turns; /**< how many it still has in this turn of the loop */
	bool looked;        /**< @front is what recv() said of the packet in front */
	ssize_t front;      /**< of struct ring_op */
	void *fill;         /**< a transmit buffer to receive that packet into, or NULL */
	size_t fill_size;   /**< of the packet: @front can be an error, and the packet behind it */
	bool filled;        /**< the packet is in it */
};

/** A new connection; takes @fd over, and closes it if it is refused. */
void client_accept(struct exported *e, int fd);

static inline struct client *client_of(const struct subscriber *s)
{
	return (void *)((char *)s - offsetof(struct client, sub));
}

/* client_input.c */

/** Its socket is readable: it sends some of its messages at the end of this turn of the loop. */
void client_has_turn(struct client *c);
void client_has_no_turn(struct client *c);

/** Those that have their turn send a few messages each, one at a time and by turns. */
void client_take_turns(struct server *s);

/** Send one of the client's messages to the other core. */
enum forwarded client_forward(struct subscriber *s);

/** What could not be forwarded counts as discarded. The socket must have been shut down. */
void client_discard_input(struct client *c);

/** Whether packets of the client lie in its socket unread. */
bool client_has_input(const struct client *c);

#endif
