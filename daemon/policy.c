// SPDX-License-Identifier: Apache-2.0
/*
 * Where a message goes that a client does not take, and who loses what when there is no room. In
 * this order: held within the quota, copied into the client's backlog, the endpoint's policy.
 */
#include "message.h"

enum limit outbox_room(const struct outbox *o, size_t size)
{
	const struct pool *p = o->pool;
	uint64_t cost = message_cost(size);

	/* The backlog is the client's own; it is no limit of [daemon] that would be counted. */
	if (cost > p->backlog || o->bytes > p->backlog - cost)
		return LIMIT_COUNT;
	return limits_check_bytes(p->limits, o->account, cost);
}

static void note(struct pool *p, enum limit limit)
{
	if (limit < LIMIT_COUNT)
		limits_refused(p->limits, limit);
}

bool pool_is_blocking(const struct pool *p)
{
	return p->forced > 0;
}

static void disconnect(struct outbox *o)
{
	outbox_clear(o, FATE_ABANDONED);
	o->pool->ops->doom(o->pool->user, o);
}

/* Would there be room if everything of @o in memory were dropped? */
static bool dropping_helps(const struct outbox *o, size_t size)
{
	const struct limits *l = o->pool->limits;
	uint64_t cost = message_cost(size);

	return cost <= o->pool->backlog && l->bytes - o->bytes + cost <= l->max_bytes &&
	       o->account->bytes - o->bytes + cost <= l->max_bytes_per_uid;
}

/* Make room by dropping from the front of @o; false if that would be in vain. */
static bool drop_oldest(struct outbox *o, size_t size)
{
	if (!dropping_helps(o, size))
		return false;
	while (outbox_room(o, size) != LIMIT_NONE)
		outbox_pop(o, FATE_DROPPED_OLDEST);
	return true;
}

/* The same, but @e, which is in @o, is dropped when its turn comes. */
static void drop_up_to(struct outbox *o, const struct entry *e, size_t size)
{
	bool itself = false;

	while (!itself && outbox_room(o, size) != LIMIT_NONE) {
		itself = TAILQ_FIRST(&o->entries) == e;
		outbox_pop(o, FATE_DROPPED_OLDEST);
	}
}

/* A held message that has to leave its buffer finds no room in the backlog of @e's client. */
static void evict(struct entry *e, enum limit limit)
{
	struct outbox *o = e->outbox;
	struct message *m = e->message;

	note(o->pool, limit);
	switch (o->pool->policy) {
	case POLICY_DROP_OLDEST:
		if (dropping_helps(o, m->size)) {
			drop_up_to(o, e, m->size);
			return;
		}
		__attribute__((fallthrough));
	case POLICY_DROP_NEWEST:
		entry_end(e, FATE_DROPPED_NEWEST);
		return;
	case POLICY_DISCONNECT:
		disconnect(o);
		return;
	case POLICY_BLOCK:
		return;
	}
}

/* Is there room for @m in every backlog? The policy block drops nothing, so it has to ask first. */
static bool all_have_room(const struct message *m)
{
	const struct entry *e;

	TAILQ_FOREACH(e, &m->entries, in_message)
		if (outbox_room(e->outbox, m->size) != LIMIT_NONE)
			return false;
	return true;
}

void message_spill(struct message *m)
{
	struct entry *e, *next;

	if (m->pool->policy == POLICY_BLOCK) {
		if (all_have_room(m))
			message_to_memory(m);
		return;
	}
	for (e = TAILQ_FIRST(&m->entries); e; e = next) {
		enum limit limit = outbox_room(e->outbox, m->size);

		/* What is done to one client takes nothing from another. */
		next = TAILQ_NEXT(e, in_message);
		if (limit != LIMIT_NONE)
			evict(e, limit);
	}
	if (TAILQ_EMPTY(&m->entries) || message_to_memory(m))
		return;
	note(m->pool, LIMIT_MEMORY);
	while ((e = TAILQ_FIRST(&m->entries)))
		entry_end(e, FATE_DROPPED_NEWEST);
}

static bool may_hold(const struct arrival *a, const struct outbox *o)
{
	const struct pool *p = a->pool;
	bool fresh = !a->message;

	if (fresh && (p->held_blocks + a->blocks > p->quota ||
		      p->share->held_blocks + a->blocks > p->share->max_held_blocks))
		return false;
	return limits_check_held(p->limits, o->account, fresh) == LIMIT_NONE;
}

/* The message as it will wait, held if @hold; NULL if there is no memory. */
static struct message *make(struct arrival *a, bool hold)
{
	if (!a->message) {
		if (hold)
			a->message = message_hold(a);
		else
			a->message = message_copy(a->pool, a->data, a->size);
		if (a->message && hold)
			a->holdable = false; /* the hold is the message's now */
		if (a->message)
			a->data = a->message->data;
	}
	return a->message;
}

static void add(struct arrival *a, struct outbox *o, bool hold)
{
	struct message *m = make(a, hold);

	if (m && outbox_add(o, m))
		return;
	limits_refused(a->pool->limits, LIMIT_MEMORY);
	outbox_count(o, FATE_DROPPED_NEWEST, a->size);
}

/* No room: hold it beyond every limit; what cannot be held is copied beyond every limit. */
static void block(struct arrival *a, struct outbox *o)
{
	struct pool *p = a->pool;

	add(a, o, a->holdable);
	if (a->message && !a->message->forced) {
		a->message->forced = true;
		p->forced++;
		p->blocked++;
	}
}

static void apply_policy(struct arrival *a, struct outbox *o, enum limit limit)
{
	struct pool *p = a->pool;

	note(p, limit);
	switch (p->policy) {
	case POLICY_DROP_OLDEST:
		if (drop_oldest(o, a->size))
			add(a, o, false);
		else
			outbox_count(o, FATE_DROPPED_NEWEST, a->size);
		return;
	case POLICY_DROP_NEWEST:
		outbox_count(o, FATE_DROPPED_NEWEST, a->size);
		return;
	case POLICY_DISCONNECT:
		outbox_count(o, FATE_ABANDONED, a->size);
		disconnect(o);
		return;
	case POLICY_BLOCK:
		block(a, o);
		return;
	}
}

void arrival_queue(struct arrival *a, struct outbox *o)
{
	bool held = a->message && a->message->held;
	enum limit limit;

	if ((held || (a->holdable && !a->message)) && may_hold(a, o)) {
		add(a, o, true);
		return;
	}
	if (held && a->pool->policy == POLICY_BLOCK) {
		add(a, o, true);
		return;
	}
	if (held) {
		/* This client may not have it held: it is copied for all. */
		message_spill(a->message);
		if (a->message->held && !message_to_memory(a->message)) {
			limits_refused(a->pool->limits, LIMIT_MEMORY);
			outbox_count(o, FATE_DROPPED_NEWEST, a->size);
			return;
		}
		/* The buffer has been given back. */
		a->data = a->message->data;
	}
	limit = outbox_room(o, a->size);
	if (limit == LIMIT_NONE)
		add(a, o, false);
	else
		apply_policy(a, o, limit);
}

bool arrival_is_current(const struct arrival *a)
{
	const struct pool *p = a->pool;

	if (a->message ? !a->message->held : !a->holdable)
		return true;
	return p->ops->is_current(p->user, a->rx);
}

void arrival_done(struct arrival *a)
{
	if (a->message)
		message_unref(a->message);
	if (a->holdable)
		a->pool->ops->release(a->pool->user, a->rx);
}
