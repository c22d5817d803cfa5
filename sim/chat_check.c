// SPDX-License-Identifier: Apache-2.0
/*
 * What arrives: is it whole, the next one, and new? What is known of the sender lies in memory that
 * outlives this process, so that a message that a dead predecessor had is known when it comes
 * again.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "chat_internal.h"
#include "parent.h"
#include "payload.h"

#define LOW(value) ((uint32_t)(value))

static uint64_t pack(uint32_t process, uint32_t number)
{
	return (uint64_t)process << 32 | number;
}

static struct restart_counts *counts(const struct chat *c)
{
	return &c->rc->shared->counts[c->rc->core.side];
}

/* Note what is wrong with a message; while memory is corrupted it is only counted. */
static void __attribute__((format(printf, 3, 4)))
complain(struct chat *c, _Atomic uint64_t *counter, const char *format, ...)
{
	char text[STREAM_ERROR_SIZE];
	va_list ap;

	if (atomic_load(&c->rc->shared->lenient)) {
		atomic_fetch_add(counter, 1);
		return;
	}
	if (c->failed)
		return;
	atomic_fetch_add(counter, 1);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	core_fail(&c->rc->core, "%s", text);
	c->failed = true;
}

static bool whole(const struct chat_message *m, unsigned int ept, const void *data, size_t size)
{
	return size >= CHAT_HEADER && m->ept == ept && m->kind >= CHAT_ASK &&
	       m->kind <= CHAT_TELL &&
	       m->crc == payload_crc32(0, (const uint8_t *)data + 4, size - 4);
}

/* The first one since the endpoint was bound: nothing left out, and later than all before. */
static bool first_is_right(struct chat *c, unsigned int i, const struct chat_message *m)
{
	uint64_t next = atomic_load(&c->rc->shared->next[c->rc->core.side][i]);

	if (pack(m->process, m->number) < next) {
		complain(c, &counts(c)->repeated,
			 "endpoint %u: message %" PRIu32 " of process %" PRIu32
			 " came again after a restart (%" PRIu32 " of process %" PRIu32
			 " was to come next)",
			 i, m->number, m->process, LOW(next), LOW(next >> 32));
		return false;
	}
	if (m->number != m->base) {
		complain(c, &counts(c)->skipped,
			 "endpoint %u: message %" PRIu32 " of process %" PRIu32
			 " is the first of a session that began with %" PRIu32,
			 i, m->number, m->process, m->base);
		return false;
	}
	return true;
}

static bool next_is_right(struct chat *c, unsigned int i, const struct chat_message *m)
{
	const struct chat_ept *e = &c->ept[i];

	if (m->process == e->peer && m->base == e->peer_base && m->number == e->peer_next)
		return true;
	complain(c,
		 m->process == e->peer && m->number < e->peer_next ? &counts(c)->repeated :
								     &counts(c)->skipped,
		 "endpoint %u: message %" PRIu32 " of process %" PRIu32 ", session since %" PRIu32
		 ", instead of %" PRIu32 " of process %" PRIu32 ", session since %" PRIu32,
		 i, m->number, m->process, m->base, e->peer_next, e->peer, e->peer_base);
	return false;
}

static void note_arrival(struct chat *c, unsigned int i, const struct chat_message *m)
{
	struct restart_shared *s = c->rc->shared;
	enum side side = c->rc->core.side;
	uint64_t arrived = atomic_load(&s->arrived[side][i]);
	uint64_t next = pack(m->process, m->number + 1);

	if (next > atomic_load(&s->next[side][i]))
		atomic_store(&s->next[side][i], next);
	if (arrived >> 32 != m->process)
		arrived = pack(m->process, 0);
	atomic_store(&s->arrived[side][i], arrived + 1);
	atomic_fetch_add(&counts(c)->received, 1);
}

uint32_t chat_arrived(const struct chat *c, unsigned int i)
{
	uint64_t arrived = atomic_load(&c->rc->shared->arrived[!c->rc->core.side][i]);

	return arrived >> 32 == c->rc->process ? LOW(arrived) : 0;
}

/* All endpoints had their echoes from this process of the other side: tell the parent. */
static void tell_back(struct chat *c, uint32_t peer)
{
	struct restart_shared *s = c->rc->shared;
	enum side side = c->rc->core.side;
	uint64_t back = pack(c->rc->process, peer);
	unsigned int i;

	for (i = 0; i < c->rc->core.endpoints; i++)
		if (c->ept[i].echoes < RESTART_ECHOES || c->ept[i].peer != peer)
			return;
	if (atomic_load(&s->back[side]) == back)
		return;
	atomic_store(&s->back_ns[side], sim_now());
	atomic_store(&s->back[side], back);
	chat_tell_parent(c);
}

static void take_answer(struct chat *c, unsigned int i, const struct chat_message *m)
{
	struct chat_ept *e = &c->ept[i];
	uint32_t asked;

	if (!chat_pop(&e->asked, &asked) || asked != m->answers) {
		complain(c, &counts(c)->skipped,
			 "endpoint %u: an answer to message %" PRIu32
			 ", which does not wait for one now",
			 i, m->answers);
		return;
	}
	e->tell += chat_random(c, 3);
	e->echoes++;
	atomic_fetch_add(&counts(c)->echoes, 1);
	if (e->echoes == RESTART_ECHOES)
		tell_back(c, m->process);
}

static void take(struct chat *c, unsigned int i, const struct chat_message *m)
{
	struct chat_ept *e = &c->ept[i];

	e->heard = true;
	e->peer = m->process;
	e->peer_base = m->base;
	e->peer_next = m->number + 1;
	note_arrival(c, i, m);
	if (m->kind == CHAT_ANSWER)
		take_answer(c, i, m);
	else if (m->kind == CHAT_ASK && !chat_push(&e->answers, m->number))
		complain(c, &counts(c)->repeated, "endpoint %u: more than %u questions at once", i,
			 CHAT_ASKED_MAX);
}

void chat_received(struct chat *c, unsigned int i, const void *data, size_t size)
{
	struct chat_message m = { 0 };
	bool right;

	if (c->failed)
		return;
	/* A copy: hostile memory changes while it is looked at. */
	memcpy(&m, data, size < sizeof(m) ? size : sizeof(m));
	if (!whole(&m, i, data, size)) {
		complain(c, &counts(c)->damaged,
			 "endpoint %u: a message of %zu bytes is not what was sent (\"%" PRIu32
			 " of process %" PRIu32 "\")",
			 i, size, m.number, m.process);
		return;
	}
	right = c->ept[i].heard ? next_is_right(c, i, &m) : first_is_right(c, i, &m);
	if (right || atomic_load(&c->rc->shared->lenient))
		take(c, i, &m);
}

static void imbalance(struct chat *c, unsigned int i, const char *when, uint64_t lost,
		      uint64_t unknown)
{
	core_fail(&c->rc->core,
		  "endpoint %u: %s, %" PRIu64 " messages had not arrived, but only %" PRIu64
		  " were reported as unknown",
		  i, when, lost, unknown);
	c->failed = true;
}

void chat_unbound(struct chat *c, unsigned int i, uint32_t unknown)
{
	struct chat_ept *e = &c->ept[i];
	uint32_t session = e->next - e->base;
	uint32_t arrived = chat_arrived(c, i) - e->base_arrived;

	e->bound = false;
	e->unknown += unknown;
	atomic_fetch_add(&counts(c)->unknown, unknown);
	if (c->rc->corrupted)
		return;
	atomic_fetch_add(&counts(c)->lost, session - arrived);
	if (session - arrived > unknown || unknown > session)
		imbalance(c, i, "when the link was lost", session - arrived, unknown);
}

void chat_balance(struct chat *c)
{
	unsigned int i;

	for (i = 0; i < c->rc->core.endpoints && !c->rc->corrupted && !c->failed; i++) {
		const struct chat_ept *e = &c->ept[i];
		uint32_t lost = (e->next - e->base) - (chat_arrived(c, i) - e->base_arrived);

		if (e->bound && lost > 0)
			imbalance(c, i, "at the end", lost, 0);
	}
}
