// SPDX-License-Identifier: Apache-2.0
/*
 * The other peers of an ivshmem bus. Of each only the descriptor that may have to be rung is kept.
 *
 * A program that starts again is a new peer with another id. If it was the configured one its
 * place is taken by whoever joins next: at worst somebody is woken for nothing, whereas a side that
 * is not rung hears of messages only when it looks by itself.
 */
#include "mem/ivshmem_peers.h"

#include "mem/doorbell_kind.h"
#include "util/cleanup.h"

void ivshmem_peers_init(struct ivshmem_peers *p, const struct ivshmem_target *target)
{
	*p = (struct ivshmem_peers){ .target = *target };
}

void ivshmem_peers_deinit(struct ivshmem_peers *p)
{
	while (p->count > 0)
		close_fd(&p->peer[--p->count].bell);
}

static struct ivshmem_peer *find(struct ivshmem_peers *p, uint16_t id)
{
	unsigned int i;

	for (i = 0; i < p->count; i++)
		if (p->peer[i].id == id)
			return &p->peer[i];
	return NULL;
}

static bool is_target(const struct ivshmem_peers *p, const struct ivshmem_peer *peer)
{
	return p->target.peer == IVSHMEM_ANY || p->target.peer == peer->id;
}

/* Every peer has this descriptor's description, and can make it block at any time. */
static int ring(const struct ivshmem_peer *peer)
{
	return peer->bell < 0 ? 0 : doorbell_write_counter(peer->bell, true);
}

static void add_vector(struct ivshmem_peers *p, struct ivshmem_peer *peer, int *fd)
{
	if (peer->vectors++ != p->target.vector)
		return;
	peer->bell = take_fd(fd);
	if (p->rung && is_target(p, peer))
		ring(peer);
}

enum ivshmem_change ivshmem_peers_add(struct ivshmem_peers *p, uint16_t id, int fd)
{
	_cleanup_(close_fd) int bell = fd;
	enum ivshmem_change change = IVSHMEM_NOTHING;
	struct ivshmem_peer *peer = find(p, id);

	if (!peer) {
		if (p->count == IVSHMEM_PEERS_MAX)
			return IVSHMEM_TOO_MANY;
		peer = &p->peer[p->count++];
		*peer = (struct ivshmem_peer){ .id = id, .bell = -1 };
		if (p->lost) {
			p->lost = false;
			p->target.peer = id;
			change = IVSHMEM_FOLLOWED;
		}
	}
	add_vector(p, peer, &bell);
	return change;
}

enum ivshmem_change ivshmem_peers_remove(struct ivshmem_peers *p, uint16_t id)
{
	struct ivshmem_peer *peer = find(p, id);

	if (!peer)
		return IVSHMEM_NOTHING;
	close_fd(&peer->bell);
	*peer = p->peer[--p->count];
	if (p->target.peer != id)
		return IVSHMEM_NOTHING;
	p->lost = true;
	return IVSHMEM_LOST;
}

int ivshmem_peers_ring(struct ivshmem_peers *p)
{
	unsigned int i;
	int one, ret = 0;

	p->rung = true;
	for (i = 0; i < p->count; i++) {
		if (!is_target(p, &p->peer[i]))
			continue;
		one = ring(&p->peer[i]);
		ret = ret < 0 ? ret : one;
	}
	return ret;
}
