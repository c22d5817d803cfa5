/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells: "look at the memory", both ways, without data (protocol.md section 6). They merge, get
 * lost and come for nothing; nobody may rely on one per message.
 */
#ifndef ICBMSG_MEM_DOORBELL_H
#define ICBMSG_MEM_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/memory.h"

#define DOORBELL_POLL_DEFAULT_NS INT64_C(1000000)

/* What a ring is on a socket: one packet of one byte. */
#define DOORBELL_RING 0x00

enum doorbell_kind {
	DOORBELL_NONE,
	DOORBELL_EVENTFD, /* two inherited eventfds */
	DOORBELL_SOCKET,  /* packets; who owns the socket reads it, and looks when one has come */
	DOORBELL_POLL,    /* none to ring; look every interval */
	DOORBELL_BUSY,    /* none to ring; look all the time */
};

struct doorbell_spec {
	enum doorbell_kind kind;
	int rx_fd, tx_fd;    /* EVENTFD both, SOCKET tx_fd; duplicated, never closed */
	int64_t interval_ns; /* POLL */
};

struct doorbell {
	enum doorbell_kind kind;
	int rx_fd; /* polls readable when there is a reason to look; -1 of a socket */
	int tx_fd; /* -1 if there is nothing to ring */
	bool rx_blocks, tx_blocks; /* the descriptions lack O_NONBLOCK, which is not ours to set:
				    * it is shared with the other side */
};

/*
 * Open as @spec says.
 * Returns 0 or a negative errno with one line in @error that names the thing and the remedy.
 */
int doorbell_open(struct doorbell *d, const struct doorbell_spec *spec, char error[MEM_ERROR_SIZE]);

/* Close what doorbell_open() opened; also allowed on one that is closed already. */
void doorbell_close(struct doorbell *d);

/*
 * Ring the other side; nothing happens where there is nothing to ring. Does not block, except on a
 * blocking eventfd that a hostile peer fills up between our look and our write: pass non-blocking
 * ones where that matters. A socket whose other end is gone is -EPIPE or -ECONNRESET, every time.
 * Returns 0, also if rings are piled up already, or a negative errno if the ring did not get out.
 */
int doorbell_ring(struct doorbell *d);

/*
 * Take a pending ring or interval, so that rx_fd does not poll readable for it again (a busy one
 * always does). Never blocks.
 * Returns the number of rings that had merged, 0 for none; always 0 where nobody rings.
 */
uint64_t doorbell_clear(struct doorbell *d);

#endif
