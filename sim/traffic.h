/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulated core's application does, whatever carries its messages: it sends one file and
 * receives another, mixes copying and zero-copy sends of random sizes over all endpoints, and holds
 * some of what it receives for a while. libicbmsg and the firmware model plug in below.
 */
#ifndef ICBMSG_SIM_TRAFFIC_H
#define ICBMSG_SIM_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream.h"

#define TRAFFIC_HELD_MAX 16u

/* How messages are sent. Endpoints are numbers from 0. -EAGAIN: no free blocks at the moment. */
struct traffic_port {
	int (*send)(void *core, unsigned int ept, const void *data, size_t size);
	/* *@size 0: the free run there is; out: bytes usable */
	int (*take)(void *core, unsigned int ept, size_t *size, void **data);
	int (*send_taken)(void *core, unsigned int ept, void *data, size_t size);
	int (*drop)(void *core, void *data);
	int (*release)(void *core, uint64_t held); /* of traffic_hold() */
};

struct traffic_counters {
	uint64_t copied; /* messages sent with a copy */
	uint64_t zero_copy;
	uint64_t dropped; /* buffers taken and given back unsent */
	uint64_t received;
	uint64_t held;
	uint64_t sent_bytes; /* of messages, headers of chunks included */
	uint64_t received_bytes;
	uint64_t largest_sent;
	uint64_t full; /* times there was no room */
	/* Only while memory is corrupted: */
	uint64_t refused; /* sends and releases that failed */
	uint64_t changed; /* buffers that were not the same any more when they were given back */
	uint64_t skipped; /* bytes received that belong to no chunk */
};

enum traffic_mode { TRAFFIC_COPY, TRAFFIC_EXACT, TRAFFIC_LONGEST };

/* A received buffer that is held, and a sum over it as it arrived. */
struct traffic_held {
	uint64_t id;
	const void *data;
	size_t size;
	uint64_t sum;
};

struct traffic {
	const struct traffic_port *port;
	void *core;
	struct stream_tx tx;
	struct stream_rx rx;
	uint64_t random;
	bool lenient; /* what comes and goes may be damaged: count, but go on */
	size_t max_size;
	/* The message to send next, kept while there is no room for it. */
	bool chosen;
	unsigned int ept;
	enum traffic_mode mode;
	size_t size;
	uint8_t *copy;    /* max_size bytes: a message to be copied */
	size_t copy_size; /* of a message that waits in there; 0 = none */
	struct traffic_held held[TRAFFIC_HELD_MAX];
	unsigned int held_count;
	struct traffic_counters counters;
	char error[STREAM_ERROR_SIZE];
};

/* @max_size: the largest message the link can send. The streams are set up by the caller. -ENOMEM. */
int traffic_init(struct traffic *t, const struct traffic_port *port, void *core, size_t max_size,
		 uint64_t seed);
void traffic_deinit(struct traffic *t);

/*
 * Send until there is no room, nothing is left, or @limit messages are out. Returns how many; a
 * negative errno with a sentence in @t->error.
 */
int traffic_send(struct traffic *t, unsigned int limit);

/* Take a message. *@hold: keep the buffer and call traffic_hold(). */
int traffic_receive(struct traffic *t, unsigned int ept, const void *data, size_t size, bool *hold);
void traffic_hold(struct traffic *t, uint64_t id, const void *data, size_t size);

/*
 * Give held buffers back in random order until @keep are left. Before a core sleeps it must keep
 * none, since the other side may wait for all its blocks. Returns how many, or a negative errno.
 */
int traffic_release(struct traffic *t, unsigned int keep);

/* Everything sent. */
bool traffic_sent(const struct traffic *t);

/* Everything sent and received. */
bool traffic_done(const struct traffic *t);

#endif
