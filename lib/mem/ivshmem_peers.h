/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else is on an ivshmem bus, as its server tells, and which of them is the other side.
 */
#ifndef ICBMSG_MEM_IVSHMEM_PEERS_H
#define ICBMSG_MEM_IVSHMEM_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/ivshmem.h"

#define IVSHMEM_PEERS_MAX 64u /* known at once; further ones are not rung */

struct ivshmem_peer {
	uint16_t id;
	uint32_t vectors; /* announced so far */
	int bell;         /* the vector that is rung; -1 if it is not announced yet */
};

struct ivshmem_peers {
	struct ivshmem_target target;
	struct ivshmem_peer peer[IVSHMEM_PEERS_MAX];
	unsigned int count;
	bool lost; /* the target has left: whoever joins next takes its place */
	bool rung; /* somebody was, or would have been if there had been anybody */
};

enum ivshmem_change {
	IVSHMEM_NOTHING,
	IVSHMEM_FOLLOWED, /* the one that joined has taken the lost target's place */
	IVSHMEM_LOST,     /* the target has left */
	IVSHMEM_TOO_MANY, /* the one that joined is not known: there is no room */
};

void ivshmem_peers_init(struct ivshmem_peers *p, const struct ivshmem_target *target);
void ivshmem_peers_deinit(struct ivshmem_peers *p);

/*
 * Peer @id has one vector more, the eventfd @fd, which is ours from now on. A ring that it has
 * missed is made up for.
 */
enum ivshmem_change ivshmem_peers_add(struct ivshmem_peers *p, uint16_t id, int fd);

/* Peer @id has left; it need not be known. */
enum ivshmem_change ivshmem_peers_remove(struct ivshmem_peers *p, uint16_t id);

/* Ring the other side, or all while it is not known who that is. 0 or a negative errno. */
int ivshmem_peers_ring(struct ivshmem_peers *p);

#endif
