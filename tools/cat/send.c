// SPDX-License-Identifier: Apache-2.0
/*
 * Sending: one message at a time, as pacing and the other side's room allow.
 */
#include "cat/cat.h"

#include <errno.h>
#include <string.h>

#include "common/tool.h"

/* Receiving, timers and signals get their turn after as many. */
#define MESSAGES_PER_TURN 64

bool send_wants_input(const struct cat *c)
{
	return c->phase == PHASE_RUNNING && c->bound && !c->has_data && !c->input.ended;
}

/* Whether pacing lets a message out at @now; if not, c->send_at says when. */
static bool may_send(struct cat *c, int64_t now)
{
	if (c->o->interval == 0)
		return true;
	if (now < c->send_at)
		return false;
	if (c->in_burst == c->o->burst) {
		c->in_burst = 0;
		/* Who was held up does not catch up by more than one burst. */
		c->send_at = cat_after(c->send_at, c->o->interval);
		if (c->send_at < now - c->o->interval)
			c->send_at = now;
		return now >= c->send_at;
	}
	if (c->in_burst == 0 && c->sent == 0 && c->dropped == 0)
		c->send_at = now;
	return true;
}

static void message_done(struct cat *c)
{
	if (c->source)
		source_sent(c->source);
	c->has_data = false;
	c->full_at = NEVER;
	c->in_burst++;
	c->active_at = cat_now();
	if (c->o->send_only && c->sent == c->o->count)
		c->input.ended = true;
}

/* No room for the message: drop it, give up, or false to wait. */
static bool on_full(struct cat *c, int64_t now)
{
	if (c->o->no_block) {
		c->dropped++;
		message_done(c);
		return true;
	}
	if (c->full_at == NEVER)
		c->full_at = now;
	if (now >= cat_after(c->full_at, c->o->send_timeout)) {
		tool_say(
			"a message of %zu bytes could not be sent within --send-timeout: the other "
			"side releases nothing",
			c->size);
		cat_finish(c, TOOL_ERROR);
	}
	return false;
}

static int hand_over(struct cat *c)
{
	const struct backend_ops *ops = c->backend->ops;

	/* Memory of a source is the backend's, and not constant. */
	if (c->source)
		return ops->send_buffer(c->backend, (void *)c->data, c->size);
	return ops->send(c->backend, c->data, c->size);
}

/* Send c->data; false if it has to wait. */
static bool try_send(struct cat *c, int64_t now)
{
	int ret = hand_over(c);

	switch (ret) {
	case 0:
		c->sent++;
		c->sent_bytes += c->size;
		message_done(c);
		return true;
	case -ENOBUFS:
		return on_full(c, now);
	case -ENOTCONN:
		/* The event that says so is on its way. */
		return false;
	default:
		tool_fail(TOOL_ERROR, "cannot send %zu bytes: %s", c->size, strerror(-ret));
	}
}

/* Read on in the file. With no message in hand and no memory for one it waits as for sending. */
static void fill(struct cat *c, int64_t now)
{
	int ret = source_fill(c->source);

	if (ret == -ENOBUFS && c->source->count == 0) {
		c->size = c->backend->file_size;
		on_full(c, now);
	} else if (ret == -ENOMEM) {
		tool_fail(TOOL_ERROR, "out of memory");
	} else if (!c->has_data) {
		c->full_at = NEVER;
	}
}

static bool next_message(struct cat *c, int64_t now)
{
	c->has_data = input_next(&c->input, &c->data, &c->size) > 0;
	if (!c->has_data && c->source && !c->input.ended) {
		fill(c, now);
		c->has_data = input_next(&c->input, &c->data, &c->size) > 0;
	}
	return c->has_data;
}

bool send_step(struct cat *c)
{
	int64_t now = cat_now();

	/* Read ahead also while a message waits for room. */
	if (c->source && c->phase == PHASE_RUNNING && c->bound)
		fill(c, now);
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		if (c->phase != PHASE_RUNNING || !c->bound || c->finished)
			return true;
		if (!c->has_data && !next_message(c, now))
			return true;
		if (!may_send(c, now) || !try_send(c, now))
			return true;
	}
	return false;
}
