// SPDX-License-Identifier: Apache-2.0
/*
 * A message of the other core, given to all that use its endpoint. Sockets that are not behind get it
 * together, in as few system calls as the ring needs; then, one by one, everybody else.
 */
#include "exported.h"
#include "log.h"
#include "ring.h"
#include "subscriber.h"

/* Those that get a message together. */
struct round {
	struct arrival *arrival;
	struct subscriber *who[RING_BATCH];
	struct ring_op ops[RING_BATCH];
	unsigned int count;
};

/* The message is held while it is given out: the memory must not change under the clients. */
static struct arrival arrive(struct exported *e, const void *data, size_t size)
{
	struct instance *i = e->instance;
	struct arrival a = { .pool = &e->pool, .data = data, .size = size, .now = clock_now() };

	if (i->holdable)
		a.holdable = icbmsg_hold_rx(i->link, data, &a.rx) == 0;
	a.blocks = instance_rx_blocks(i, size);
	return a;
}

/* Between two clients the link is used, and may turn out to be lost. */
static bool is_stale(struct arrival *a, struct subscriber *s)
{
	if (arrival_is_current(a))
		return false;
	outbox_count(&s->outbox, FATE_STALE, a->size);
	return true;
}

static void queue(struct arrival *a, struct subscriber *s)
{
	arrival_queue(a, &s->outbox);
	subscriber_update(s);
}

static void offer(struct arrival *a, struct subscriber *s)
{
	if (!is_stale(a, s) && !subscriber_send(s, a->data, a->size))
		queue(a, s);
}

/* What became of it in one socket. */
static void settle(struct arrival *a, struct subscriber *s, ssize_t result)
{
	if (subscriber_sent(s, result, a->size))
		return;
	if (s->ended)
		outbox_count(&s->outbox, FATE_ABANDONED, a->size);
	else if (!is_stale(a, s))
		queue(a, s);
}

/* Until the last of them has been sent to nothing else happens, so the buffer cannot turn stale. */
static void run_round(struct exported *e, struct round *r)
{
	unsigned int n;

	if (r->count > 0 && !arrival_is_current(r->arrival)) {
		for (n = 0; n < r->count; n++)
			outbox_count(&r->who[n]->outbox, FATE_STALE, r->arrival->size);
	} else {
		ring_run(e->instance->server->ring, r->ops, r->count);
		for (n = 0; n < r->count; n++)
			settle(r->arrival, r->who[n], r->ops[n].result);
	}
	r->count = 0;
}

static bool takes_part(const struct subscriber *s, size_t size)
{
	return subscriber_listens(s) && s->ops->carries(s, size);
}

static void offer_together(struct exported *e, struct arrival *a)
{
	struct round r = { .arrival = a };
	struct subscriber *s;

	TAILQ_FOREACH(s, &e->subscribers, in_export) {
		if (!takes_part(s, a->size) || !s->ops->socket || s->outbox.count > 0)
			continue;
		s->offered = e->stats.messages;
		s->outbox.stats.offered++;
		e->pool.stats.offered++;
		r.who[r.count] = s;
		/* send() only reads it. */
		r.ops[r.count++] = (struct ring_op){ .kind = RING_SEND,
						     .fd = s->ops->socket(s),
						     .data = (void *)a->data,
						     .size = a->size };
		if (r.count == RING_BATCH)
			run_round(e, &r);
	}
	run_round(e, &r);
}

static void fan_out(struct exported *e, const void *data, size_t size)
{
	struct arrival a = arrive(e, data, size);
	uint64_t before = e->pool.stats.offered;
	struct subscriber *s;

	if (ring_is_worth(e->instance->server->ring, e->client_count))
		offer_together(e, &a);
	TAILQ_FOREACH(s, &e->subscribers, in_export) {
		if (s->offered == e->stats.messages || !takes_part(s, size))
			continue;
		s->outbox.stats.offered++;
		e->pool.stats.offered++;
		offer(&a, s);
	}
	arrival_done(&a);
	e->stats.no_client += e->pool.stats.offered == before && size > 0;
	exported_arm_spill(e);
}

void exported_received(struct exported *e, const void *data, size_t size)
{
	e->stats.messages++;
	e->stats.bytes += size;
	e->stats.empty += size == 0;
	if (e->client_count == 0)
		e->stats.no_client += size > 0;
	else
		fan_out(e, data, size);
}
