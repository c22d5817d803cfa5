// SPDX-License-Identifier: Apache-2.0
/*
 * The way of a ring; relay.h tells it.
 */
#include "relay.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#include "random.h"
#include "util/cleanup.h"

void relay_init(struct relay *r, const struct relay_rules *rules, int in, int out, uint64_t random)
{
	*r = (struct relay){ .rules = *rules, .in = in, .out = out, .random = random };
}

void relay_close(struct relay *r)
{
	close_fd(&r->in);
}

static int64_t last_due(const struct relay *r)
{
	return r->count ? r->due[(r->head + r->count - 1) % RELAY_LATE_MAX] : 0;
}

static void set_off(struct relay *r, int64_t now)
{
	int64_t due = now;

	if (r->rules.delay_ns > 0) {
		due += (int64_t)random_below(&r->random, (uint64_t)r->rules.delay_ns + 1);
		r->counts.delayed++;
	}
	if (due < last_due(r))
		due = last_due(r);
	if (r->count == RELAY_LATE_MAX)
		r->counts.merged++;
	else
		r->due[(r->head + r->count++) % RELAY_LATE_MAX] = due;
}

uint64_t relay_collect(struct relay *r, int64_t now)
{
	struct pollfd in = { .fd = r->in, .events = POLLIN };
	eventfd_t rung, k;

	/* An inherited one may block. */
	if (poll(&in, 1, 0) != 1 || eventfd_read(r->in, &rung) < 0)
		return 0;
	r->counts.rung += rung;
	for (k = 0; k < rung; k++) {
		if (random_chance(&r->random, r->rules.drop))
			r->counts.dropped++;
		else
			set_off(r, now);
	}
	return rung;
}

static void deliver(struct relay *r, eventfd_t rings)
{
	if (rings == 0)
		return;
	r->counts.delivered += rings;
	eventfd_write(r->out, rings);
}

/* @rings have arrived: into the window, which the first of them opens. */
static void arrive(struct relay *r, uint64_t rings, int64_t now)
{
	if (r->rules.merge_ns == 0) {
		deliver(r, rings);
		return;
	}
	if (rings == 0)
		return;
	r->counts.merged += rings - (r->window_end == 0);
	if (r->window_end == 0)
		r->window_end = now + r->rules.merge_ns;
}

void relay_deliver(struct relay *r, int64_t now)
{
	uint64_t rings = 0;

	if (r->window_end != 0 && r->window_end <= now) {
		r->window_end = 0;
		deliver(r, 1);
	}
	for (; r->count > 0 && r->due[r->head] <= now; r->count--, rings++)
		r->head = (r->head + 1) % RELAY_LATE_MAX;
	arrive(r, rings, now);
}

int64_t relay_due(const struct relay *r)
{
	int64_t due = r->count ? r->due[r->head] : INT64_MAX;

	return r->window_end != 0 && r->window_end < due ? r->window_end : due;
}
