// SPDX-License-Identifier: Apache-2.0
/*
 * The application of a simulated core. It chooses a message and sticks to it until it is sent: a
 * large one would otherwise never find room beside small ones.
 */
#include "traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define ONE_IN_SMALLEST 32u
#define ONE_IN_LARGEST 32u
#define ONE_IN_DROPPED 64u
#define ONE_IN_HELD 4u

static uint32_t below(struct traffic *t, uint64_t limit)
{
	return (uint32_t)random_below(&t->random, limit);
}

/* Every magnitude is as likely as any other, and both ends come up on purpose. */
static size_t random_size(struct traffic *t)
{
	unsigned int bits = 1;
	size_t size;

	if (below(t, ONE_IN_SMALLEST) == 0)
		return 1;
	if (below(t, ONE_IN_LARGEST) == 0)
		return t->max_size;
	while (bits < 31 && (UINT32_C(1) << bits) < t->max_size)
		bits++;
	size = 1 + (random_next(&t->random) & ((UINT64_C(1) << (1 + below(t, bits))) - 1));
	return size < t->max_size ? size : t->max_size;
}

int traffic_init(struct traffic *t, const struct traffic_port *port, void *core, size_t max_size,
		 uint64_t seed)
{
	t->port = port;
	t->core = core;
	t->max_size = max_size;
	t->random = seed;
	t->copy = malloc(max_size);
	return t->copy ? 0 : -ENOMEM;
}

void traffic_deinit(struct traffic *t)
{
	free(t->copy);
	stream_tx_deinit(&t->tx);
	stream_rx_deinit(&t->rx);
}

/* Choose endpoint, size and way of the next message. False if nothing is left to send. */
static bool choose(struct traffic *t)
{
	unsigned int start, k;

	if (t->chosen)
		return true;
	start = below(t, t->tx.count);
	for (k = 0; k < t->tx.count; k++) {
		t->ept = (start + k) % t->tx.count;
		if (!stream_tx_pending(&t->tx, t->ept))
			continue;
		t->size = random_size(t);
		t->mode = (enum traffic_mode)below(t, 3);
		t->chosen = true;
		return true;
	}
	return false;
}

static int fail(struct traffic *t, int ret, const char *what)
{
	snprintf(t->error, sizeof(t->error), "%s: %s", what, strerror(-ret));
	return ret;
}

/* The next bytes of the chosen endpoint's stream. */
static int64_t fill(struct traffic *t, void *out, size_t room)
{
	int64_t n = stream_tx_fill(&t->tx, t->ept, out, room);

	if (n < 0)
		snprintf(t->error, sizeof(t->error), "%s", t->tx.error);
	return n;
}

static int count_sent(struct traffic *t, uint64_t *counter, size_t size)
{
	t->chosen = false;
	t->counters.sent_bytes += size;
	if (size > t->counters.largest_sent)
		t->counters.largest_sent = size;
	(*counter)++;
	return 1;
}

static int no_room(struct traffic *t)
{
	t->counters.full++;
	return 0;
}

/* A failure, or, where those are to be expected, one more reason to wait. */
static int refused(struct traffic *t, int ret, const char *what)
{
	if (!t->lenient)
		return fail(t, ret, what);
	t->counters.refused++;
	return 0;
}

static int send_copy(struct traffic *t)
{
	int64_t n;
	int ret;

	if (t->copy_size == 0) {
		n = fill(t, t->copy, t->size);
		if (n < 0)
			return (int)n;
		t->copy_size = (size_t)n;
	}
	ret = t->port->send(t->core, t->ept, t->copy, t->copy_size);
	if (ret == -EAGAIN)
		return no_room(t);
	if (ret < 0)
		return refused(t, ret, "sending a copy");
	ret = count_sent(t, &t->counters.copied, t->copy_size);
	t->copy_size = 0;
	return ret;
}

static int send_zero_copy(struct traffic *t)
{
	size_t room = t->mode == TRAFFIC_LONGEST ? 0 : t->size;
	void *data;
	int64_t n;
	int ret = t->port->take(t->core, t->ept, &room, &data);

	if (ret == -EAGAIN)
		return no_room(t);
	if (ret < 0)
		return refused(t, ret, "taking a buffer");
	if (below(t, ONE_IN_DROPPED) == 0) {
		t->counters.dropped++;
		ret = t->port->drop(t->core, data);
		return ret < 0 ? refused(t, ret, "giving a buffer back") : 1;
	}
	n = fill(t, data, t->size < room ? t->size : room);
	if (n < 0)
		return (int)n;
	ret = t->port->send_taken(t->core, t->ept, data, (size_t)n);
	if (ret < 0) {
		t->port->drop(t->core, data);
		return refused(t, ret, "sending without a copy");
	}
	return count_sent(t, &t->counters.zero_copy, (size_t)n);
}

int traffic_send(struct traffic *t, unsigned int limit)
{
	unsigned int sent = 0;

	while (sent < limit && choose(t)) {
		int ret = t->mode == TRAFFIC_COPY ? send_copy(t) : send_zero_copy(t);

		if (ret < 0)
			return ret;
		if (ret == 0)
			break;
		sent++;
	}
	return (int)sent;
}

/* Enough to notice a buffer that is overwritten while it is held. */
static uint64_t sum(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t s = size, word;

	for (; size >= sizeof(word); size -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		s = (s ^ word) * UINT64_C(0x9fb21c651e98df25);
		s ^= s >> 29;
	}
	while (size-- > 0)
		s = (s ^ *p++) * UINT64_C(0x9fb21c651e98df25);
	return s;
}

int traffic_receive(struct traffic *t, unsigned int ept, const void *data, size_t size, bool *hold)
{
	uint64_t skipped = t->rx.skipped;
	int ret = stream_rx_take(&t->rx, ept, data, size);

	t->counters.skipped += t->rx.skipped - skipped;
	if (ret < 0) {
		snprintf(t->error, sizeof(t->error), "%s", t->rx.error);
		return ret;
	}
	t->counters.received++;
	t->counters.received_bytes += size;
	*hold = t->held_count < TRAFFIC_HELD_MAX && below(t, ONE_IN_HELD) == 0;
	return 0;
}

void traffic_hold(struct traffic *t, uint64_t id, const void *data, size_t size)
{
	t->counters.held++;
	t->held[t->held_count++] = (struct traffic_held){
		.id = id,
		.data = data,
		.size = size,
		.sum = sum(data, size),
	};
}

static int release_one(struct traffic *t, const struct traffic_held *held)
{
	bool changed = sum(held->data, held->size) != held->sum;
	int ret;

	if (changed && !t->lenient)
		return fail(t, -EBADMSG, "a received buffer changed while it was held");
	t->counters.changed += changed;
	ret = t->port->release(t->core, held->id);
	return ret < 0 ? refused(t, ret, "releasing a held buffer") : 0;
}

int traffic_release(struct traffic *t, unsigned int keep)
{
	int count = 0;

	for (; t->held_count > keep; count++) {
		unsigned int k = below(t, t->held_count);
		struct traffic_held held = t->held[k];
		int ret;

		t->held[k] = t->held[--t->held_count];
		ret = release_one(t, &held);
		if (ret < 0)
			return ret;
	}
	return count;
}

bool traffic_sent(const struct traffic *t)
{
	unsigned int i;

	for (i = 0; i < t->tx.count; i++)
		if (stream_tx_pending(&t->tx, i))
			return false;
	return t->copy_size == 0;
}

bool traffic_done(const struct traffic *t)
{
	return traffic_sent(t) && t->held_count == 0 && stream_rx_complete(&t->rx);
}
