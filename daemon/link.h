/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses an instance with libicbmsg, through icbmsg_connect(): a connection to
 * RUNDIR/INSTANCE.sock, and a link of its own over memory that it shares with the daemon
 * (client/protocol.h). Each endpoint that it has registered is a subscriber.
 *
 * Nothing that it does to the memory, the socket or its doorbells is trusted, and all of it ends in
 * the same way: the connection is closed, and nobody else notices. One message is taken from it at
 * a time: one that waits for blocks of the other core stays in the client's own memory, held, and
 * so do all that the other core has not released yet. The client's library therefore knows of every
 * message whether it was handled, over both links.
 */
#ifndef ICBMSGD_LINK_H
#define ICBMSGD_LINK_H

#include <event2/event_struct.h>
#include <sys/socket.h>

#include "client/protocol.h"
#include "subscriber.h"

/** Sizes of a client's memory; regions in bytes. to_daemon lies in front. */
struct link_shape {
	uint32_t to_daemon, to_client;
	uint32_t to_daemon_blocks, to_client_blocks;
};

/** A client's message that the other core has got, and not released yet. */
struct forwarding {
	TAILQ_ENTRY(forwarding) in_export;
	TAILQ_ENTRY(forwarding) in_client;
	struct exported *exported;
	struct link_client *client;
	struct icbmsg_rx original; /**< held in the client's memory */
	struct icbmsg_tx copy;     /**< in the other core's */
};

struct link_client {
	TAILQ_ENTRY(link_client) in_instance, in_turns, in_dead;
	struct instance *instance;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	struct account *account;
	int fd;
	int memory_fd; /**< -1: it has not said hello yet */
	struct link_shape shape;
	struct icbmsg *link; /**< NULL: not open */
	struct event readable, writable, timer;
	TAILQ_HEAD(, link_ept) epts;
	TAILQ_HEAD(, forwarding) forwardings; /**< oldest first */
	uint32_t outstanding;                 /**< of these */
	uint64_t read;    /**< control messages, when link_must_look() was asked the last time */
	bool announced;   /**< endpoints have been announced in this session of @link */
	bool flush;       /**< something is queued that may fit */
	bool deadlocked;  /**< it does not read its control messages: to be ended */
	bool in_turn;     /**< in the server's queue for turns */
	bool ended;       /**< to be freed when the loop comes round */
	bool eof;         /**< it has closed the connection */
	bool draining;    /**< ends when all it has sent is sent on, and all it got is released */
	uint32_t left;    /**< messages that are still taken then */
	uint32_t closing; /**< endpoints that it has deregistered, with messages to come, maybe */
	uint32_t closing_left; /**< messages until there can be none of these */

	/* Its message that waits for blocks, or for the end of a lost session. */
	struct link_ept *pending; /**< whose it is; NULL: there is none */
	struct icbmsg_rx pending_rx;
	const void *pending_data;
	size_t pending_size;

	/* An answer that does not fit into the socket. */
	uint8_t answer[CLIENT_PACKET_MAX];
	size_t answer_size; /**< 0: there is none */
};

/** An endpoint that a library client has registered. */
struct link_ept {
	struct subscriber sub;
	TAILQ_ENTRY(link_ept) in_client;
	struct link_client *client;
	struct icbmsg_ept *ept; /**< on the client's link; NULL: the other core has not bound it */
	bool bound;             /**< on the client's link */
	bool full;              /**< the client's memory: an event will tell when there is room */
	bool closing;           /**< deregistered: ends when all that was sent before is sent on */
	bool closed;            /**< that is done */
};

static inline struct link_ept *link_ept_of(const struct subscriber *s)
{
	return (void *)((char *)s - offsetof(struct link_ept, sub));
}

/* link.c: the life of a client */

/** Listen for library clients of @i. Returns 0 or a negative errno with a text in @error. */
int link_listen(struct instance *i, char error[ERROR_SIZE]);

/** Change who may connect. */
int link_set_access(struct instance *i, char error[ERROR_SIZE]);

/** End all clients of @i and stop listening. */
void link_close_all(struct instance *i);

/** No new clients; those there are end when all is sent on and released. */
void link_drain_all(struct instance *i);

/** End it now; @why is for the log. The struct stays until the loop comes round. */
void link_end(struct link_client *c, const char *why);

/** End it because it broke a rule: the same, and a warning. */
void link_end_badly(struct link_client *c, const char *why);

/** Free a client that has ended. */
void link_free(struct link_client *c);

/** Its turn will come: there may be something in its memory. */
void link_turn_later(struct link_client *c);

/** The turns of all that are in the queue. */
void link_turns(struct server *s);

/* link_hello.c */

/** Tell a new connection that @limit is reached, and close it. */
void link_refuse(struct instance *i, int fd, const struct ucred *peer, enum limit limit);

/** The first packet, with a descriptor (or -1), which is taken over. May end the client. */
void link_hello(struct link_client *c, const void *packet, size_t size, int fd);

/* link_memory.c */

/**
 * Bytes and blocks of a region in which two messages of @largest bytes fit at once; of @wished bytes
 * if that is more.
 */
void link_shape_region(uint64_t largest, uint64_t wished, uint32_t *size, uint32_t *blocks);

/** Sizes for a client that wishes for regions of so many bytes (0: as configured). */
struct link_shape link_shape_for(const struct instance *i, uint32_t to_daemon, uint32_t to_client);

static inline uint64_t link_shape_size(const struct link_shape *shape)
{
	return (uint64_t)shape->to_daemon + shape->to_client;
}

/** New memory, sealed: a descriptor or a negative errno. */
int link_memory_new(const struct link_shape *shape);

/** Whether @fd is memory as link_memory_new() makes it. */
bool link_memory_is_ours(int fd, const struct link_shape *shape);

/* link_session.c: the link over the memory */

/** Open the link. Returns 0 or a negative errno with a text in @error. */
int link_open(struct link_client *c, char error[ERROR_SIZE]);

/** Close it: for the client its peer is gone, and what has not been released is of unknown fate. */
void link_close(struct link_client *c);

/** The other core's session is lost: the client's is, too. */
void link_restart(struct link_client *c);

/**
 * Whether something has been read from its memory since this was asked last: there has to be another
 * look then, as the last one may have left what came meanwhile, for which nobody rings.
 */
bool link_must_look(struct link_client *c);

/** Its turn: one event of the link. Returns false if there is nothing more to do now. */
bool link_turn(struct link_client *c);

/* link_forward.c: from the client to the other core */

/** A message of the client, which is the event last taken from its link. */
void link_received(struct link_ept *p, const void *data, size_t size);

/** Send the message that waits; as subscriber_ops.forward. */
enum forwarded link_forward(struct subscriber *s);

/** The message that waits, if there is one, will not be sent. */
void link_discard_pending(struct link_client *c);

/** The other core has released something of @e: give the originals back. */
void link_released(struct exported *e);

/** Forget all forwardings, giving up what is held. */
void link_forget(struct link_client *c);

/* link_endpoint.c: endpoints as subscribers */

/** Give endpoint @e to @c. Returns 0 or a negative errno with a text in @why. */
int link_ept_new(struct link_client *c, struct exported *e, char why[ERROR_SIZE]);

struct link_ept *link_ept_find(const struct link_client *c, const char *name);

/** Deregistered: it takes no more messages, and ends when those sent before are on their way. */
void link_ept_close(struct link_ept *p);

/** Announce it to the client if the other core has bound it. */
void link_ept_announce(struct link_ept *p);

/** The endpoints that are closing have sent everything. */
void link_epts_closed(struct link_client *c);

/** Send what is queued for the client's endpoints, as far as it fits. */
void link_flush(struct link_client *c);

/* link_request.c */

/** A packet after the hello. May end the client. */
void link_packet(struct link_client *c, const uint8_t *packet, size_t size);

/** Send the answer that did not fit. */
void link_answer_again(struct link_client *c);

#endif
