// SPDX-License-Identifier: Apache-2.0
/*
 * Sending: take blocks under the lock, fill them without it, publish under it again. Filling a
 * large buffer therefore never holds up another thread.
 */
#include "core/send.h"

#include <errno.h>

#include "core/endpoint.h"
#include "core/wait.h"

/* Why @ept cannot send now, or 0. @generation, @registration: as they were when the call began. */
static int check(const struct icbmsg_ept *ept, uint32_t generation, uint32_t registration)
{
	const struct icbmsg *i = ept->link;

	if (i->closing)
		return -ESHUTDOWN;
	if (!endpoint_is_current(ept, registration))
		return -ECANCELED;
	if (i->session->generation != generation)
		return -ECONNRESET;
	return endpoint_session(ept)->state == EPT_BOUND ? 0 : -ENOTCONN;
}

/* Blocks for @size bytes, or with @size 0 and @longest the longest free run; -1 if there are none. */
static int try_take(struct icbmsg *i, size_t size, bool longest)
{
	uint32_t count, first;

	if (longest)
		count = blocks_longest(&i->session->tx_free, &first);
	else
		count = (uint32_t)layout_blocks_for(&i->link.tx, size);
	return count > 0 ? session_tx_take(i->session, count) : -1;
}

/* Take blocks, waiting until @deadline if there is a @timeout; the first one's index. */
static int take(struct icbmsg_ept *ept, size_t size, bool longest, int64_t timeout_ns)
{
	struct icbmsg *i = ept->link;
	uint32_t generation = i->session->generation;
	uint32_t registration = ept->registration;
	int64_t deadline = 0, start = 0;
	bool timed_out = false;

	for (;;) {
		int ret = check(ept, generation, registration);

		if (ret == 0)
			ret = try_take(i, size, longest);
		if (ret != -1)
			return ret;
		/* Releases that have arrived already are free to have. */
		if (instance_pump(i) & PROTO_FREED)
			continue;
		if (timeout_ns == 0) {
			session_want_writable(i->session, ept->slot);
			i->session->count.tx_refused++;
			return -ENOBUFS;
		}
		if (timed_out)
			return -ETIMEDOUT;
		if (deadline == 0) {
			start = clock_now();
			deadline = deadline_after(timeout_ns);
			i->session->count.waits++;
		}
		timed_out = wait_for_change(i, deadline) == -ETIMEDOUT;
		counters_peak(&i->session->count.wait_longest, (uint64_t)(clock_now() - start));
	}
}

/* Publish a filled buffer; the caller keeps it on an error. */
static int publish(struct icbmsg_ept *ept, uint32_t first, size_t size, struct icbmsg_tx *tx)
{
	struct proto_link *l = &ept->link->link;
	int ret = l->ops->send(l, ept->slot, first, (uint32_t)size);

	if (ret == 0 && tx)
		tx->id = session_tx_track(l->s, first);
	return ret;
}

int send_copy(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns,
	      struct icbmsg_tx *tx)
{
	struct icbmsg *i = ept->link;
	struct proto_link *l = &i->link;
	uint32_t generation, registration, moves;
	int first, ret;
	void *payload;

	if (size > instance_max_tx(i))
		return -EMSGSIZE;
	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	first = take(ept, size, false, timeout_ns);
	if (first < 0) {
		instance_leave(i);
		return first;
	}
	generation = i->session->generation;
	registration = ept->registration;
	moves = i->moves;
	payload = (uint8_t *)proto_tx_block(l, (uint32_t)first) + l->tx.header_size;
	wait_ring(i);
	pthread_mutex_unlock(&i->lock);

	shm_copy_to(payload, data, size, l->type);

	pthread_mutex_lock(&i->lock);
	ret = check(ept, generation, registration);
	if (ret == 0)
		ret = publish(ept, (uint32_t)first, size, tx);
	/* In other memory the block is somebody else's. */
	if (ret < 0 && i->moves == moves)
		proto_free(l, (uint32_t)first, 0);
	instance_leave(i);
	return ret;
}

/* Bytes of a message that the buffer at @first can carry. */
static size_t usable(const struct icbmsg *i, uint32_t first)
{
	size_t capacity = layout_capacity(&i->link.tx, i->session->tx[first].count);

	return capacity < i->max_tx ? capacity : i->max_tx;
}

int send_get_buffer(struct icbmsg_ept *ept, size_t *size, int64_t timeout_ns, void **data)
{
	struct icbmsg *i = ept->link;
	struct proto_link *l = &i->link;
	int first, ret;

	if (l->type != MEM_NORMAL)
		return -EOPNOTSUPP;
	if (*size > instance_max_tx(i))
		return -EMSGSIZE;
	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	first = take(ept, *size, *size == 0, timeout_ns);
	if (first >= 0) {
		*size = usable(i, (uint32_t)first);
		*data = (uint8_t *)proto_tx_block(l, (uint32_t)first) + l->tx.header_size;
	}
	instance_leave(i);
	return first < 0 ? first : 0;
}

/* The first block of the caller's buffer at @data, or -EINVAL. */
static int find_buffer(const struct icbmsg *i, const void *data)
{
	const struct proto_link *l = &i->link;
	uintptr_t start = (uintptr_t)proto_tx_block(l, 0) + l->tx.header_size;
	uintptr_t offset = (uintptr_t)data - start;
	uintptr_t first = offset / l->tx.block_size;

	if ((uintptr_t)data < start || offset % l->tx.block_size != 0 ||
	    first >= l->tx.block_count || i->session->tx[first].state != TX_OWNED)
		return -EINVAL;
	return (int)first;
}

int send_nocopy(struct icbmsg_ept *ept, void *data, size_t size, struct icbmsg_tx *tx)
{
	struct icbmsg *i = ept->link;
	int first, ret;

	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	first = find_buffer(i, data);
	if (first < 0)
		ret = first;
	else if (size > usable(i, (uint32_t)first))
		ret = -EMSGSIZE;
	else
		ret = publish(ept, (uint32_t)first, size, tx);
	instance_leave(i);
	return ret;
}

int send_get_fate(struct icbmsg *i, struct icbmsg_tx tx)
{
	enum tx_fate fate;

	pthread_mutex_lock(&i->lock);
	fate = session_tx_fate(i->session, tx.id);
	pthread_mutex_unlock(&i->lock);
	switch (fate) {
	case TX_FATE_RELEASED:
		return 0;
	case TX_FATE_OUTSTANDING:
		return -EINPROGRESS;
	case TX_FATE_LOST:
		return -ESTALE;
	default:
		return -ENOENT;
	}
}

int send_drop_buffer(struct icbmsg *i, void *data)
{
	int first, ret;

	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	first = find_buffer(i, data);
	if (first >= 0)
		proto_free(&i->link, (uint32_t)first, 0);
	instance_leave(i);
	return first < 0 ? first : 0;
}
