/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ivshmem server's knowledge (QEMU's docs/specs/ivshmem-spec): who is there, with which
 * doorbells, and what each has been told of the others. It shares no code with libicbmsg's client
 * of such a server: a common mistake must not cancel itself out.
 *
 * There is no queue: what a client is to be told next follows from what is and what it was told. So
 * a client that reads slowly, or never, costs nothing and stops nobody.
 */
#ifndef ICBMSG_SIM_BUS_H
#define ICBMSG_SIM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_CLIENTS_MAX 256u
#define BUS_VECTORS_MAX 64u
#define BUS_MESSAGE_SIZE 8u

/* What a client was told of one id. */
struct bus_told {
	uint64_t serial; /* whose vectors they are: an id is used again */
	unsigned int vectors;
};

struct bus_member {
	int fd;          /* -1: the slot, and so the id, is free */
	uint64_t serial; /* one for each client ever */
	int bell[BUS_VECTORS_MAX];
	unsigned int greeted;           /* messages of the greeting that it has got */
	unsigned int own;               /* of its own vectors */
	struct bus_told *told;          /* by id */
	uint8_t rest[BUS_MESSAGE_SIZE]; /* of a message that was sent in part */
	unsigned int rest_size;
};

struct bus_counts {
	uint64_t joined, left, refused;
	unsigned int present, peak;
};

struct bus {
	int memory_fd; /* the caller's */
	unsigned int vectors;
	uint64_t serial;
	struct bus_member member[BUS_CLIENTS_MAX]; /* by id */
	struct bus_counts counts;
};

void bus_init(struct bus *b, int memory_fd, unsigned int vectors);
void bus_deinit(struct bus *b);

/*
 * Let the connection @fd, which does not block, take part; it is the bus's from now on, also after
 * an error. Returns its id, the lowest that is free, or -EBUSY if none is, or -EMFILE, -ENOMEM.
 */
int bus_join(struct bus *b, int fd);

/* The client of this id is gone. */
void bus_leave(struct bus *b, unsigned int id);

/* Whether it has not been told everything yet. */
bool bus_pending(const struct bus *b, unsigned int id);

/*
 * Tell it what its socket takes. Returns 0, or a negative errno: -ETOOMANYREFS if the system wants
 * some descriptors received first (try again a little later); else it has to leave.
 */
int bus_tell(struct bus *b, unsigned int id);

/* Take what it said, which means nothing. False if it hung up. */
bool bus_listen(struct bus *b, unsigned int id);

#endif
