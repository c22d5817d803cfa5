/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Well-behaved users of an icbmsgd, while somebody else is not: a library client and a client of a
 * socket, who send numbered messages to the other core all the time and check every byte of the
 * echo. One message that is lost, repeated or damaged ends the test.
 */
#ifndef ICBMSG_TESTS_NEIGHBOURS_H
#define ICBMSG_TESTS_NEIGHBOURS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ends.h"
#include "through_daemon.h"

/* Exported, and echoed by the other core, for whoever wants to misuse them: "evil0", ... */
#define NEIGHBOURS_EVILS 4u

/* In each of the neighbours' messages. */
#define NEIGHBOURS_SECRET "what the neighbours say"

struct talker;

struct talker_ops {
	void (*send)(struct talker *t, const void *data, size_t size);
	/* Wait until one more has come, and checked. */
	void (*receive)(struct talker *t);
};

struct talker {
	const struct talker_ops *ops;
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	int fd;
	uint32_t sent, received;
	pthread_mutex_t lock;
	pthread_cond_t more;
	uint32_t count; /* messages that came back, by @lock */
	atomic_bool stop;
	pthread_t thread;
};

struct neighbours {
	struct ends e; /* A is the library client, B the other core */
	atomic_bool stop;
	pthread_t core;
	struct talker library, socket;
	/* Of the daemon, with these clients. */
	unsigned int fds, used[3];
};

void neighbours_start(struct neighbours *n);

/* Each of them gets @count further messages back. */
void neighbours_talk(struct neighbours *n, uint32_t count);

/* All others are gone, or will be: what the daemon spent for them is given back. */
void neighbours_alone(struct neighbours *n);

void neighbours_end(struct neighbours *n);

/* The daemon's socket for library clients, and its rundir. */
const char *neighbours_dir(const struct neighbours *n);

#endif
