/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend of an instance that goes through icbmsgd: its connection over all its lives, and what
 * is asked for over it.
 *
 * One request is under way at a time: a thread's that registers an endpoint, or after a new
 * connection those of all endpoints in turn. There are no threads of our own: everything here runs
 * when somebody who dispatches or waits finds the socket readable, or the timer due.
 */
#ifndef ICBMSG_CLIENT_LINK_H
#define ICBMSG_CLIENT_LINK_H

#include <sys/un.h>

#include "client/hello.h"
#include "core/instance.h"

enum link_state {
	LINK_AWAY,     /* to be tried again at `when` */
	LINK_GREETING, /* hello is said; an answer has to come until `when` */
	LINK_JOINED,   /* a request's answer, too */
};

enum request_kind {
	REQUEST_NONE,
	REQUEST_THREAD, /* a thread waits for the answer, and takes it away */
	REQUEST_AGAIN,  /* an endpoint from before the connection */
};

struct request {
	enum request_kind kind;
	int slot;
	uint32_t registration; /* AGAIN: whose it is */
	char name[SESSION_NAME_MAX + 1];
	bool answered;
	int error;
	char text[HELLO_TEXT_SIZE];
};

struct link {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	enum link_state state;
	int64_t when;        /* CLOCK_MONOTONIC ns */
	int64_t delay;       /* before the next attempt, ns */
	int64_t since;       /* JOINED; CLOCK_MONOTONIC ns */
	int trouble;         /* what the last attempt ended with, as it was logged */
	uint32_t connection; /* counts them */
	uint32_t timed_out;  /* the last one that ended for want of an answer */
	struct request request;
	int again;                    /* JOINED: the next slot to be registered again */
	bool has_it[SESSION_EPT_MAX]; /* slots whose endpoint the daemon has given us */
};

static inline struct link *link_of(const struct icbmsg *i)
{
	return i->backend_data;
}

/*
 * Make @i, which is open on the memory of @a, a client of the daemon at @path. Takes over @fd, the
 * connection, on success.
 * Returns 0 or a negative errno.
 */
int link_begin(struct icbmsg *i, const char *path, int fd, const struct hello_answer *a);

/* The connection is no more; @why completes "icbmsgd at PATH ...". Another is tried for. */
void link_hang_up(struct icbmsg *i, const char *why);

/* requests.c */

/* The connection is new: register all endpoints from before it, one after the other. */
void requests_begin(struct icbmsg *i);

/* Take a CLIENT_ANSWER; false if it is none, or nothing was asked. */
bool requests_take_answer(struct icbmsg *i, const uint8_t *packet, size_t size);

/* An answer is waited for; in vain, if link.when has come. */
bool requests_pending(const struct icbmsg *i);

/* struct backend_ops */
int requests_join(struct icbmsg *i, int slot);
void requests_leave(struct icbmsg *i, int slot);

#endif
