/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the daemon backend: its state, and the connection's way from connecting to lost and back
 * (session.c), of which daemon.c makes a backend.
 */
#ifndef ICBMSG_TOOLS_CAT_SESSION_H
#define ICBMSG_TOOLS_CAT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cat/backend.h"
#include "cat/place.h"
#include "cat/query.h"

/* What nothing tells about is looked at again after these times, twice as long each time; in ns. */
#define DELAY_MIN INT64_C(1000000)
#define DELAY_MAX INT64_C(200000000)

enum session_state {
	STATE_CONNECTING, /**< not connected; again at look_at */
	STATE_EXPORTING,  /**< the same, and the daemon was asked to export the endpoint */
	STATE_ASKING,     /**< connected, not bound for all we know; ask again at look_at */
	STATE_BOUND,
	STATE_LOST, /**< disconnected, the daemon was asked why */
};

struct daemon_backend {
	struct backend base;
	struct place place;
	struct query query;
	enum session_state state;
	int fd;
	bool announce; /**< bound, and next() has not said so yet */

	int64_t look_at, delay;
	bool bound;        /**< this connection was bound */
	bool used;         /**< this connection has carried something */
	bool up, held;     /**< as of the last answer */
	uint64_t restarts; /**< when bound */
	unsigned int connections;
	const char *refusal; /**< why the last connection was refused; NULL: it was not */

	bool send_closed;
	bool unsure; /**< something sent may still be in the socket, as of check_at at the latest */
	int64_t check_at, check_delay;

	uint8_t *buffer;
	size_t capacity;
};

static inline struct daemon_backend *session_of(struct backend *b)
{
	return (void *)b; /* its first member */
}

/** The delay to use now; the next one is longer. */
int64_t session_back_off(int64_t *delay);

/** Connect, or see to it that it is tried later. Returns 0 or a negative errno value. */
int session_connect(struct daemon_backend *d);

/** Bound or not, as @answer to "list" says. */
void session_take_state(struct daemon_backend *d, struct json_object *answer);

/**
 * Size of the packet in front, 0 at the end, -EAGAIN if there is none. An end with packets of ours
 * unread is told by an error first; what came before it can be read after it.
 */
ssize_t session_look(const struct daemon_backend *d);

/** backend_ops.next. */
int session_next(struct backend *b, struct backend_event *ev);

#endif
