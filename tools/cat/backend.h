/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carries the messages: a link of our own, or the daemon. The loop above knows this table and
 * nothing below it.
 */
#ifndef ICBMSG_TOOLS_CAT_BACKEND_H
#define ICBMSG_TOOLS_CAT_BACKEND_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/options.h"

#define NEVER INT64_MAX

/** Descriptors that a backend waits for. */
#define BACKEND_FDS 2

enum backend_event_type {
	BACKEND_BOUND,
	BACKEND_LOST, /**< after BOUND: unbound; else the daemon wants nothing to do with us */
	BACKEND_MESSAGE,
	BACKEND_TROUBLE, /**< something that could not be delivered */
};

/** Valid until the next call on the backend. */
struct backend_event {
	enum backend_event_type type;
	const uint8_t *data; /**< MESSAGE */
	size_t size;
	const char *text;  /**< LOST: the reason, TROUBLE: what; part of a line */
	const char *doubt; /**< LOST: which messages may not have arrived, or NULL */
	bool refused;      /**< LOST: there was never a connection worth the name */
};

/** A message that was kept. */
struct backend_message {
	uint8_t *data;
	size_t size;
	size_t wanted; /**< bytes of it that its user wants */
	uint64_t held; /**< the received buffer that it lies in; 0: memory of its own */
};

struct backend;

struct backend_ops {
	/** The next event: 1 with @ev, 0 if there is none now, or a negative errno value. */
	int (*next)(struct backend *b, struct backend_event *ev);

	/**
	 * 0; -ENOBUFS: no room now; -ENOTCONN: lost, which next() will say; other negative errno
	 * values are errors.
	 */
	int (*send)(struct backend *b, const void *data, size_t size);

	/**
	 * Memory to put a message of @size bytes into: a block of the link if it can be one. It is
	 * the caller's, over any loss of the link, until it is sent or dropped. Errors as of send().
	 */
	int (*get_buffer)(struct backend *b, size_t size, void **data);

	/** Send the first @size bytes of such memory, as send(); the caller's again on an error. */
	int (*send_buffer)(struct backend *b, void *data, size_t size);
	void (*drop_buffer)(struct backend *b, void *data);

	/**
	 * Keep the message of the event returned last, until release(): where it lies if possible.
	 * 0, -ESTALE: it is lost already; -ENOMEM.
	 */
	int (*keep)(struct backend *b, const struct backend_event *ev, struct backend_message *m);

	/**
	 * Whether a message that is kept still is what it was; if not, what was read from it since
	 * it was asked last may not have been.
	 */
	bool (*is_current)(struct backend *b, const struct backend_message *m);
	void (*release)(struct backend *b, const struct backend_message *m);

	/** Whether nothing that was sent depends on this program any more. */
	bool (*all_taken)(struct backend *b);

	/**
	 * Whether the other side knows that what it sent was taken: if the link is closed before,
	 * it cannot tell.
	 */
	bool (*all_told)(struct backend *b);

	/**
	 * Fill in what to poll for: if @reading next(), if @sending room after an -ENOBUFS; and
	 * always all_taken(). Returns when to look even if nothing happens, NEVER for not at all.
	 */
	int64_t (*watch)(struct backend *b, struct pollfd fds[BACKEND_FDS], bool reading,
			 bool sending);

	/** Why there was no BOUND yet: the rest of a line that says what was waited for. */
	const char *(*why_not_bound)(struct backend *b);

	/** Lines of statistics on stderr, if there are any. */
	void (*statistics)(struct backend *b);

	void (*close)(struct backend *b);
};

/** What is common; each backend has more behind it. */
struct backend {
	const struct backend_ops *ops;
	const char *endpoint; /**< its name */
	size_t max_size;      /**< bytes of the largest message to send */
	size_t file_size;     /**< bytes of messages that carry a file best */
};

/** Called with what the user should know; @warning: even without --verbose. */
typedef void backend_log(void *user, bool warning, const char *line);

/** Open what @o asks for. Ends the program with a message if that is not possible. */
struct backend *direct_open(const struct options *o, backend_log *log, void *user);
struct backend *daemon_open(const struct options *o, backend_log *log, void *user);

/**
 * Files are sent in messages of which four can be on their way, but of no more than this: larger
 * ones gain nothing, and do not stay in the processor's cache between one copy and the next.
 */
#define FILE_MESSAGES 4u
#define FILE_SIZE_MAX ((size_t)65536)

/** Monotonic clock in ns. */
int64_t cat_now(void);

/**
 * For why_not_bound(): the other side has been heard of, or not, or cannot be talked to before it has
 * started anew (@held).
 */
const char *backend_why_not_bound(bool up, bool held);

#endif
