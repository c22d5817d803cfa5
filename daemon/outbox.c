// SPDX-License-Identifier: Apache-2.0
/*
 * Queues of references, and who pays for what. An entry is paid by its client: as one held message
 * while the message lies in the received buffer, as bytes of the backlog once it is copied.
 */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"

const char *fate_name(enum fate fate)
{
	static const char *const names[FATE_COUNT] = {
		[FATE_DELIVERED] = "delivered",
		[FATE_DROPPED_OLDEST] = "dropped_oldest",
		[FATE_DROPPED_NEWEST] = "dropped_newest",
		[FATE_ABANDONED] = "abandoned",
		[FATE_STALE] = "stale",
		[FATE_OVERSIZE] = "oversize",
	};

	return names[fate];
}

void outbox_init(struct outbox *o, struct pool *pool, struct account *account)
{
	*o = (struct outbox){ .pool = pool, .account = account };
	TAILQ_INIT(&o->entries);
}

static void count(struct delivery_stats *stats, enum fate fate, size_t size)
{
	stats->fates[fate]++;
	if (fate == FATE_DELIVERED)
		stats->bytes += size;
}

void outbox_count(struct outbox *o, enum fate fate, size_t size)
{
	count(&o->stats, fate, size);
	count(&o->pool->stats, fate, size);
}

void entry_pay_bytes(struct entry *e)
{
	struct outbox *o = e->outbox;

	e->bytes = message_cost(e->message->size);
	o->bytes += e->bytes;
	o->pool->bytes += e->bytes;
	limits_add_bytes(o->pool->limits, o->account, e->bytes);
}

void entry_pay_held(struct entry *e)
{
	e->outbox->held++;
	e->outbox->account->held++;
}

void entry_unpay(struct entry *e)
{
	struct outbox *o = e->outbox;

	if (e->bytes > 0) {
		o->bytes -= e->bytes;
		o->pool->bytes -= e->bytes;
		limits_sub_bytes(o->pool->limits, o->account, e->bytes);
		e->bytes = 0;
	} else {
		o->held--;
		o->account->held--;
	}
}

bool outbox_add(struct outbox *o, struct message *m)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return false;
	e->outbox = o;
	e->message = m;
	m->refs++;
	TAILQ_INSERT_TAIL(&o->entries, e, in_outbox);
	TAILQ_INSERT_TAIL(&m->entries, e, in_message);
	o->count++;
	o->pool->queued++;
	if (m->held)
		entry_pay_held(e);
	else
		entry_pay_bytes(e);
	return true;
}

void entry_end(struct entry *e, enum fate fate)
{
	struct outbox *o = e->outbox;
	struct message *m = e->message;

	outbox_count(o, fate, m->size);
	entry_unpay(e);
	TAILQ_REMOVE(&o->entries, e, in_outbox);
	TAILQ_REMOVE(&m->entries, e, in_message);
	o->count--;
	o->pool->queued--;
	free(e);
	message_unref(m);
}

void entry_lose(struct entry *e)
{
	struct entry *behind;

	while (e->outbox->pool->policy == POLICY_BLOCK && (behind = TAILQ_NEXT(e, in_outbox)))
		entry_end(behind, FATE_STALE);
	entry_end(e, FATE_STALE);
}

void outbox_clear(struct outbox *o, enum fate fate)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&o->entries)))
		entry_end(e, fate);
}

bool outbox_front(struct outbox *o, const void **data, size_t *size)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&o->entries))) {
		const struct message *m = e->message;

		if (!m->held || o->pool->ops->is_current(o->pool->user, m->rx)) {
			*data = m->data;
			*size = m->size;
			return true;
		}
		entry_lose(e);
	}
	return false;
}

void outbox_pop(struct outbox *o, enum fate fate)
{
	entry_end(TAILQ_FIRST(&o->entries), fate);
}
