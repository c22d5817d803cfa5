/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of a client's connection, in a thread of the test: as small as the protocol
 * allows, so that every answer can be made a wrong one. Endpoints echo.
 */
#ifndef ICBMSG_TESTS_FAKE_DAEMON_H
#define ICBMSG_TESTS_FAKE_DAEMON_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/protocol.h"
#include "icbmsg.h"

/* What lies in the memory that it offers. */
struct fake_shape {
	uint32_t to_daemon, to_client; /* bytes of the regions */
	uint32_t blocks_to_daemon, blocks_to_client;
};

/* Counted by the daemon's thread; read with fake_count(). */
struct fake_counts {
	unsigned int connections, brought, taken, registered, deregistered, messages;
};

struct fake {
	/* Set before fake_start(), not changed before fake_stop(). */
	struct fake_shape shape;
	uint64_t max_to_core;
	bool refuses_memory;                     /* what a client brings is not taken */
	bool holds;                              /* messages are kept, and not echoed */
	int (*decide)(const char *name);         /* the answer to REGISTER; NULL: 0; 1: none */
	bool (*instead)(struct fake *f, int fd); /* does something else than to welcome a client */

	char folder[32], path[64];
	struct fake_counts counts;
	int listener, stop;
	pthread_t thread;

	/* The thread's: the one client there is. */
	int client, memory;
	struct icbmsg *link;
	struct icbmsg_ept *ept[256];
	char name[256][256];
	struct icbmsg_rx held[256];
	unsigned int held_count;
};

/* A folder for the socket, and the usual shape. */
void fake_init(struct fake *f);
void fake_deinit(struct fake *f);

void fake_start(struct fake *f);
/* As if it were killed. */
void fake_stop(struct fake *f);

unsigned int fake_count(const unsigned int *count);

/* Pieces for `instead`. */
int fake_make_memory(uint64_t size, unsigned int seals);
struct client_welcome fake_welcome(const struct fake *f);
void fake_send(int fd, const void *packet, size_t size, int memory);

#endif
