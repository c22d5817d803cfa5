/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells: "look at the memory", both ways, without data (protocol.md section 6). They merge, get
 * lost and come for nothing; nobody may rely on one per message.
 *
 * What rings us and what we ring are chosen separately: one file per kind beside this one, each
 * behind a vtable of mem/doorbell_kind.h.
 */
#ifndef ICBMSG_MEM_DOORBELL_H
#define ICBMSG_MEM_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/doorbell_counters.h"
#include "mem/error.h"
#include "mem/ivshmem.h"
#include "mem/register.h"
#include "mem/uio.h"

#define DOORBELL_POLL_DEFAULT_NS INT64_C(1000000)

/* What a ring is on a socket: one packet of one byte. */
#define DOORBELL_RING 0x00

enum doorbell_in_kind {
	DOORBELL_IN_NONE,      /* not configured */
	DOORBELL_IN_ELSEWHERE, /* rings come to the caller, who then has the library look */
	DOORBELL_IN_EVENTFD,   /* an inherited eventfd */
	DOORBELL_IN_POLL,      /* nobody rings; look every interval */
	DOORBELL_IN_BUSY,      /* nobody rings; look all the time */
	DOORBELL_IN_UIO,       /* the interrupt of a UIO device */
	DOORBELL_IN_IVSHMEM,   /* our vectors of an ivshmem bus */
};

enum doorbell_out_kind {
	DOORBELL_OUT_NONE,     /* not configured */
	DOORBELL_OUT_NOBODY,   /* nothing to ring: the other side looks by itself */
	DOORBELL_OUT_EVENTFD,  /* an inherited eventfd */
	DOORBELL_OUT_SOCKET,   /* a packet; who owns the socket reads it */
	DOORBELL_OUT_REGISTER, /* a register of the other side's interrupt controller, or the like */
	DOORBELL_OUT_IVSHMEM,  /* other peers of an ivshmem bus */
};

struct doorbell_in_spec {
	enum doorbell_in_kind kind;
	int fd;                   /* EVENTFD; duplicated, never closed */
	int64_t interval_ns;      /* POLL: after traffic; twice as long after every look in vain, */
	int64_t interval_max_ns;  /* up to this */
	char name[UIO_NAME_SIZE]; /* UIO: as uio_find() takes it */
	struct register_list ack; /* UIO: at every interrupt, before it is enabled again */
	struct ivshmem *bus;      /* IVSHMEM: set by doorbell_join_bus() */
	const char *root;         /* as registers_open()'s */
};

struct doorbell_out_spec {
	enum doorbell_out_kind kind;
	int fd;                    /* EVENTFD, SOCKET; duplicated, never closed */
	struct register_list ring; /* REGISTER */
	struct ivshmem *bus;       /* IVSHMEM: as above */
	const char *root;
};

struct doorbell_spec {
	struct doorbell_in_spec in;
	struct doorbell_out_spec out;
	struct register_list setup;   /* once, before anything else */
	struct ivshmem_target target; /* IVSHMEM: whom to ring */
};

/* What the owner of a doorbell gives to it; it outlives the doorbell. */
struct doorbell_host {
	struct doorbell_counters *count;
	void (*log)(void *user, const char *line); /* what a user should know */
	void *user;
};

/* What rings us. Core looks at fd only; the rest is the kind's. */
struct doorbell_in {
	const struct doorbell_in_ops *ops; /* NULL: closed, or elsewhere */
	int fd;      /* polls readable when there is a reason to look; -1 if there never is one */
	bool blocks; /* its description lacks O_NONBLOCK, which is not ours to set: it is shared
		      * with the other side */
	bool rung;   /* doorbell_is_rung(), which can end */
	bool adapts; /* wants to know what came of looking: doorbell_looked() */
	void *state; /* of kinds that need more */
	struct doorbell_host host;
};

/* What we ring. */
struct doorbell_out {
	const struct doorbell_out_ops *ops; /* NULL: closed, or there is nothing to ring */
	int fd;                             /* -1 if the kind needs none */
	bool blocks;                        /* as above */
	void *state;
};

struct doorbell {
	struct doorbell_in in;
	struct doorbell_out out;
};

/* Whether one of the kinds is IVSHMEM. */
bool doorbell_needs_bus(const struct doorbell_spec *spec);

/*
 * Let those be on @bus, which outlives the doorbell; NULL, for memory that came from none, is an
 * error. Returns 0 or a negative errno with one line in @error.
 */
int doorbell_join_bus(struct doorbell_spec *spec, struct ivshmem *bus, char error[MEM_ERROR_SIZE]);

#define DOORBELL_CLOSED ((struct doorbell){ .in = { .fd = -1 }, .out = { .fd = -1 } })

/*
 * Open as @spec says.
 * Returns 0 or a negative errno with one line in @error that names the thing and the remedy.
 */
int doorbell_open(struct doorbell *d, const struct doorbell_spec *spec,
		  const struct doorbell_host *host, char error[MEM_ERROR_SIZE]);

/* Close what doorbell_open() opened; also allowed on one that is closed already. */
void doorbell_close(struct doorbell *d);

/* Whether there is anything to ring. */
static inline bool doorbell_can_ring(const struct doorbell *d)
{
	return d->out.ops;
}

/*
 * Ring the other side; nothing happens where there is nothing to ring. Does not block, except on a
 * blocking eventfd that a hostile peer fills up between our look and our write: pass non-blocking
 * ones where that matters. A socket whose other end is gone is -EPIPE or -ECONNRESET, every time.
 * Returns 0, also if rings are piled up already, or a negative errno if the ring did not get out.
 */
int doorbell_ring(struct doorbell *d);

/* Whether somebody is to ring us: what a timer finds was not rung for. */
bool doorbell_is_rung(const struct doorbell *d);

/* Whether to look all the time instead of sleeping. */
bool doorbell_is_busy(const struct doorbell *d);

/*
 * Take a pending ring or interval, so that in.fd does not poll readable for it again (a busy one
 * always does). Never blocks.
 * Returns the number of rings that had merged, 0 for none; always 0 where nobody rings.
 */
uint64_t doorbell_clear(struct doorbell *d);

/*
 * Tell what came of looking: @rung is what doorbell_clear() has returned since the last time,
 * @found whether there was anything new. A message that was sent is news, too: an answer is likely.
 * Only needed where in.adapts says so.
 */
void doorbell_looked(struct doorbell *d, uint64_t rung, bool found);

#endif
