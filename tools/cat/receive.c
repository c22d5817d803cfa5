// SPDX-License-Identifier: Apache-2.0
/*
 * Events of the backend: bound, lost, messages to print.
 */
#include "cat/cat.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/tool.h"

/* Input, timers and signals get their turn after as many. */
#define EVENTS_PER_TURN 256

static int64_t wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void on_bound(struct cat *c)
{
	c->bound = true;
	c->lost_why = NULL;
	c->active_at = cat_now();
	if (c->phase == PHASE_BINDING)
		c->phase = PHASE_RUNNING;
	report_state(c, "bound %s", c->backend->endpoint);
}

/* With a part of a file on its way nobody knows where it would go on. */
static bool can_go_on(const struct cat *c)
{
	return c->o->keep && !(c->source && c->sent > 0) && !(c->sink && c->received > 0);
}

static void on_lost(struct cat *c, const struct backend_event *ev)
{
	bool was_bound = c->bound;

	c->bound = false;
	/* With --keep it may be tried often. */
	if (ev->text != c->lost_why)
		report_state(c, "unbound %s: %s", c->backend->endpoint, ev->text);
	c->lost_why = ev->text;
	if (ev->doubt)
		report_note(c, "%s", ev->doubt);
	if (c->phase == PHASE_ENDING) {
		cat_finish(c, ev->doubt ? TOOL_PEER_LOST : c->status);
	} else if (!can_go_on(c) && was_bound && !ev->refused) {
		tool_say("the link of '%s' was lost: %s%s", c->backend->endpoint, ev->text,
			 c->source || c->sink ? "" : "; --keep would wait for it to come back");
		cat_finish(c, TOOL_PEER_LOST);
	} else if (!can_go_on(c)) {
		tool_say("'%s': %s; --keep would try again", c->backend->endpoint, ev->text);
		cat_finish(c, TOOL_ERROR);
	}
}

static void print(struct cat *c, const struct backend_event *ev)
{
	struct message m = {
		.endpoint = c->backend->endpoint,
		.data = ev->data,
		.size = ev->size,
		.number = c->received,
		.times.now = wall_clock(),
	};

	if (c->received == 1)
		c->first_ns = c->previous_ns = m.times.now;
	m.times.first = c->first_ns;
	m.times.previous = c->previous_ns;
	c->previous_ns = m.times.now;
	format_message(&c->output.pending, &c->o->format, &m);
}

static void end_receiving(struct cat *c)
{
	c->phase = PHASE_ENDING;
	c->released_by = cat_after(c->active_at, c->o->send_timeout >= 0 ? c->o->send_timeout :
									   INT64_C(1000000000));
}

static void into_file(struct cat *c, const struct backend_event *ev)
{
	uint64_t before = c->received_bytes - ev->size;
	size_t size = ev->size;
	int ret;

	if (c->o->bytes > 0 && c->received_bytes >= c->o->bytes) {
		size = (size_t)(c->o->bytes - before);
		end_receiving(c);
	}
	if (size < ev->size) {
		tool_say("a message goes beyond --bytes; its last %zu bytes are not written",
			 ev->size - size);
		c->status = TOOL_ERROR;
	}
	ret = sink_add(c->sink, ev, size);
	/* Lost already: the event that says so follows. */
	if (ret < 0 && ret != -ESTALE)
		tool_fail(TOOL_ERROR, "cannot keep a message: %s", strerror(-ret));
}

static void on_received(struct cat *c, const struct backend_event *ev)
{
	if (c->phase == PHASE_ENDING) {
		c->surplus++;
		return;
	}
	c->received++;
	c->received_bytes += ev->size;
	c->active_at = cat_now();
	if (c->o->send_only)
		return;
	if (c->sink)
		into_file(c, ev);
	else
		print(c, ev);
	if (c->received == c->o->count)
		end_receiving(c);
}

static void handle(struct cat *c, const struct backend_event *ev)
{
	switch (ev->type) {
	case BACKEND_BOUND:
		on_bound(c);
		break;
	case BACKEND_LOST:
		on_lost(c, ev);
		break;
	case BACKEND_MESSAGE:
		on_received(c, ev);
		break;
	case BACKEND_TROUBLE:
		report_note(c, "%s", ev->text);
		break;
	}
}

bool receive_has_room(const struct cat *c)
{
	return c->sink ? sink_has_room(c->sink) : output_has_room(&c->output);
}

bool receive_step(struct cat *c)
{
	for (int i = 0; i < EVENTS_PER_TURN && !c->finished; i++) {
		struct backend_event ev;
		int ret;

		if (!receive_has_room(c))
			return true;
		ret = c->backend->ops->next(c->backend, &ev);
		if (ret < 0)
			tool_fail(TOOL_ERROR, "cannot receive: %s", strerror(-ret));
		if (ret == 0)
			return true;
		handle(c, &ev);
	}
	return c->finished;
}
