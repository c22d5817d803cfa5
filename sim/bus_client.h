/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated core as a client of an ivshmem server. Written apart from libicbmsg's client and from
 * the server: a common mistake must not cancel itself out. A core rings everybody else on the bus,
 * on their first vector, and is rung on its own first one.
 */
#ifndef ICBMSG_SIM_BUS_CLIENT_H
#define ICBMSG_SIM_BUS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_CLIENT_PEERS_MAX 64u

struct bus_client_peer {
	int64_t id;
	int bell; /* its first vector */
};

struct bus_client {
	int socket; /* -1: not connected, or the server is gone */
	int64_t id;
	int memory_fd;
	int bell; /* our first vector; -1: none has come */
	struct bus_client_peer peer[BUS_CLIENT_PEERS_MAX];
	unsigned int peers;
	uint8_t bytes[8]; /* of a message, as far as it has come */
	unsigned int have;
	int fd; /* that came with it */
};

void bus_client_init(struct bus_client *c);

/*
 * Join: memory and, unless @polls, our vector are there afterwards. An exit status, having said
 * why.
 */
int bus_client_open(struct bus_client *c, const char *path, bool polls);
void bus_client_close(struct bus_client *c);

/* Take the news that have come; who has joined is rung. */
void bus_client_work(struct bus_client *c);

void bus_client_ring(const struct bus_client *c);

#endif
