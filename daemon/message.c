// SPDX-License-Identifier: Apache-2.0
/*
 * Messages, held or in memory, and the pool that keeps the books of the held ones.
 */
#include "message.h"

#include <stdlib.h>
#include <string.h>

static struct message *message_new(struct pool *p, const void *data, size_t size)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	TAILQ_INIT(&m->entries);
	m->pool = p;
	m->refs = 1;
	m->data = data;
	m->size = size;
	return m;
}

struct message *message_hold(const struct arrival *a)
{
	struct pool *p = a->pool;
	struct message *m = message_new(p, a->data, a->size);

	if (!m)
		return NULL;
	m->held = true;
	m->rx = a->rx;
	m->blocks = a->blocks;
	m->since = a->now;
	TAILQ_INSERT_TAIL(&p->held_messages, m, in_pool);
	p->held++;
	p->held_blocks += m->blocks;
	p->share->held_blocks += m->blocks;
	p->limits->held++;
	return m;
}

static void unhold(struct message *m)
{
	struct pool *p = m->pool;

	TAILQ_REMOVE(&p->held_messages, m, in_pool);
	p->held--;
	p->held_blocks -= m->blocks;
	p->share->held_blocks -= m->blocks;
	p->limits->held--;
	m->held = false;
	p->ops->release(p->user, m->rx);
}

struct message *message_copy(struct pool *p, const void *data, size_t size)
{
	void *copy = malloc(size);
	struct message *m = copy ? message_new(p, copy, size) : NULL;

	if (!m) {
		free(copy);
		return NULL;
	}
	memcpy(copy, data, size);
	m->copy = copy;
	return m;
}

void message_unref(struct message *m)
{
	if (--m->refs > 0)
		return;
	if (m->held)
		unhold(m);
	m->pool->forced -= m->forced;
	free(m->copy);
	free(m);
}

bool message_to_memory(struct message *m)
{
	struct entry *e;

	m->copy = malloc(m->size);
	if (!m->copy)
		return false;
	memcpy(m->copy, m->data, m->size);
	m->data = m->copy;
	TAILQ_FOREACH(e, &m->entries, in_message) {
		entry_unpay(e);
		entry_pay_bytes(e);
	}
	unhold(m);
	m->pool->forced -= m->forced;
	m->forced = false;
	return true;
}

void pool_init(struct pool *p, const struct pool_ops *ops, void *user, struct pool_share *share,
	       struct limits *limits)
{
	*p = (struct pool){ .ops = ops, .user = user, .share = share, .limits = limits };
	TAILQ_INIT(&p->held_messages);
}

void pool_set(struct pool *p, const struct endpoint_settings *settings, uint32_t blocks)
{
	p->policy = settings->policy;
	p->backlog = settings->backlog;
	p->hold_time = settings->hold_time;
	p->quota = settings->hold_blocks;
	if (p->quota == HOLD_AUTO)
		p->quota = blocks / 4;
}

/* Its memory is the other core's again. The caller has a reference. */
static void lose(struct message *m)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&m->entries)))
		entry_lose(e);
	unhold(m);
}

void pool_lose_held(struct pool *p)
{
	struct message *m;

	while ((m = TAILQ_FIRST(&p->held_messages))) {
		m->refs++;
		lose(m);
		message_unref(m);
	}
}

int64_t pool_next_spill(const struct pool *p)
{
	const struct message *m = TAILQ_FIRST(&p->held_messages);

	return m ? m->since + p->hold_time : -1;
}

void pool_spill(struct pool *p, int64_t now)
{
	struct message *m;

	while ((m = TAILQ_FIRST(&p->held_messages)) && m->since + p->hold_time <= now) {
		m->refs++;
		if (p->ops->is_current(p->user, m->rx))
			message_spill(m);
		else
			lose(m);
		if (m->held && !TAILQ_EMPTY(&m->entries)) {
			/* It has to stay; look again later. */
			TAILQ_REMOVE(&p->held_messages, m, in_pool);
			TAILQ_INSERT_TAIL(&p->held_messages, m, in_pool);
			m->since = now;
		}
		message_unref(m);
	}
}
