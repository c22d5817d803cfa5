// SPDX-License-Identifier: Apache-2.0
/*
 * What all kinds of subscribers do alike, and their end, which is in one place whatever the reason.
 */
#include "subscriber.h"

#include <errno.h>
#include <inttypes.h>

#include "log.h"

#define SENDS_PER_TURN 64

bool subscriber_listens(const struct subscriber *s)
{
	return !s->ended && !s->deaf;
}

int subscriber_admit(struct exported *e)
{
	if (!e->settings.exclusive || e->client_count == 0)
		return 0;
	e->stats.refused_busy++;
	return -EBUSY;
}

void subscriber_init(struct subscriber *s, const struct subscriber_ops *ops, struct exported *e,
		     struct account *account)
{
	s->ops = ops;
	s->exported = e;
	outbox_init(&s->outbox, &e->pool, account);
	TAILQ_INSERT_TAIL(&e->subscribers, s, in_export);
	e->client_count++;
	e->stats.clients++;
}

static void wait_for_blocks(struct subscriber *s)
{
	struct instance *i = s->exported->instance;

	s->waiting = true;
	i->waits++;
	TAILQ_INSERT_TAIL(&i->waiters, s, in_waiters);
}

static void stop_waiting(struct subscriber *s)
{
	s->waiting = false;
	TAILQ_REMOVE(&s->exported->instance->waiters, s, in_waiters);
}

bool subscriber_must_queue(const struct subscriber *s)
{
	return !s->waiting && !TAILQ_EMPTY(&s->exported->instance->waiters);
}

bool subscriber_turn(struct subscriber *s)
{
	bool full = s->ops->forward(s) == FORWARD_FULL;

	if (s->ended)
		return true;
	if (full && !s->waiting)
		wait_for_blocks(s);
	else if (!full && s->waiting)
		stop_waiting(s);
	if (s->eof)
		s->ops->check_gone(s);
	subscriber_update(s);
	return !full;
}

enum forwarded subscriber_failed(struct subscriber *s, int error)
{
	if (error == -ENOBUFS)
		return FORWARD_FULL;
	if (error == -EPROTO) {
		instance_retry_later(s->exported->instance);
		return FORWARD_FULL;
	}
	exported_lost(s->exported);
	return FORWARD_PAUSED;
}

void subscriber_count_message(struct subscriber *s, size_t size)
{
	struct input_stats *all = &s->exported->stats.input;

	s->input.messages++;
	s->input.bytes += size;
	all->messages++;
	all->bytes += size;
}

void subscriber_count_discarded(struct subscriber *s)
{
	s->input.discarded++;
	s->exported->stats.input.discarded++;
}

void subscriber_update(struct subscriber *s)
{
	if (!s->ended)
		s->ops->update(s);
}

static void become_deaf(struct subscriber *s)
{
	s->deaf = true;
	outbox_clear(&s->outbox, FATE_ABANDONED);
	s->ops->check_gone(s);
}

/* The message at once, which was not in the outbox: whether it is done with. */
static bool settle(struct subscriber *s, enum put put, enum fate fate, size_t size)
{
	if (put == PUT_LATER)
		return false;
	outbox_count(&s->outbox, put == PUT_DONE ? fate : FATE_ABANDONED, size);
	if (put == PUT_NEVER && !s->ended) {
		become_deaf(s);
		subscriber_update(s);
	}
	return true;
}

bool subscriber_send(struct subscriber *s, const void *data, size_t size)
{
	enum fate fate = FATE_ABANDONED;
	enum put put;

	if (s->outbox.count > 0)
		return false;
	put = s->ops->put(s, data, size, &fate);
	return settle(s, put, fate, size);
}

bool subscriber_sent(struct subscriber *s, ssize_t result, size_t size)
{
	enum fate fate = FATE_ABANDONED;
	enum put put = s->ops->judge(s, result, size, &fate);

	return settle(s, put, fate, size);
}

void subscriber_flush(struct subscriber *s)
{
	const void *data;
	size_t size;
	enum fate fate;
	enum put put = PUT_DONE;

	for (int n = 0; n < SENDS_PER_TURN && put == PUT_DONE; n++) {
		if (!outbox_front(&s->outbox, &data, &size))
			break;
		put = s->ops->put(s, data, size, &fate);
		if (put == PUT_DONE)
			outbox_pop(&s->outbox, fate);
	}
	if (put == PUT_NEVER)
		become_deaf(s);
	instance_unstall(s->exported->instance);
	subscriber_update(s);
}

void subscriber_leave_queue(struct subscriber *s)
{
	if (!s->waiting)
		return;
	stop_waiting(s);
	/* The next one may fit, and has not been asked yet. */
	instance_resume_later(s->exported->instance);
}

void subscriber_end(struct subscriber *s, const char *why)
{
	struct exported *e = s->exported;

	if (s->ended)
		return;
	s->ended = true;
	log_debug("%s/%s: client %" PRIu64 " (process %d) ends: %s", e->instance->name, e->name,
		  s->id, (int)s->pid, why);
	subscriber_leave_queue(s);
	outbox_clear(&s->outbox, FATE_ABANDONED);
	s->ops->close(s);
	s->outbox.account = NULL;
	e->client_count--;
	instance_unstall(e->instance);
	server_bury(e->instance->server, s);
}

void subscriber_free(struct subscriber *s)
{
	TAILQ_REMOVE(&s->exported->subscribers, s, in_export);
	s->ops->free(s);
}
