// SPDX-License-Identifier: Apache-2.0
/*
 * Bookkeeping of a session; see session.h.
 */
#include "proto/session.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

void session_init(struct session *s, uint32_t tx_blocks, bool initiator)
{
	if (session_valid(s, sizeof(*s)))
		memset(s, 0, offsetof(struct session, recorder));
	else
		memset(s, 0, sizeof(*s));
	s->magic = SESSION_MAGIC;
	s->size = sizeof(*s);
	s->generation = 1;
	s->initiator = initiator;
	blocks_init(&s->tx_free, tx_blocks);
	memset(s->ept_of_address, SESSION_NO_EPT, sizeof(s->ept_of_address));
}

int session_find_ept(const struct session *s, const char *name)
{
	for (uint32_t i = 0; i < s->ept_count; i++)
		if (!strcmp(s->ept[i].name, name))
			return (int)i;
	return -1;
}

int session_register(struct session *s, const char *name)
{
	int slot = session_find_ept(s, name);

	if (slot < 0) {
		if (s->ept_count == SESSION_EPT_MAX)
			return -ENOSPC;
		slot = (int)s->ept_count++;
		strncpy(s->ept[slot].name, name, SESSION_NAME_MAX);
		s->ept[slot].state = EPT_UNBOUND;
		/* The initiator's addresses are the order of registration (protocol.md section 5). */
		if (s->initiator) {
			s->ept[slot].address = (uint8_t)slot;
			s->ept_of_address[slot] = (uint8_t)slot;
		}
	}
	if (s->ept[slot].registered)
		return -EEXIST;
	s->ept[slot].registered = true;
	return slot;
}

int session_ept_by_address(const struct session *s, uint8_t address)
{
	if (address >= SESSION_EPT_MAX || s->ept_of_address[address] == SESSION_NO_EPT)
		return -1;
	return s->ept_of_address[address];
}

void session_bind(struct session *s, int slot, uint8_t address)
{
	struct session_ept *e = &s->ept[slot];

	e->state = EPT_BOUND;
	e->address = address;
	s->ept_of_address[address] = (uint8_t)slot;
	if (e->registered)
		session_push(s, EVENT_BOUND, slot, 0);
}

/* Free what was sent and not released; count it for the endpoints it was sent on. */
static uint32_t forget_sent(struct session *s)
{
	uint32_t unknown = 0;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++) {
		struct session_tx *t = &s->tx[i];

		if (t->state != TX_SENT && t->state != TX_SENDING)
			continue;
		if (t->ept != SESSION_NO_EPT) {
			s->ept[t->ept].unknown_tx++;
			unknown++;
		}
		session_tx_shrink(s, i, 0);
	}
	return unknown;
}

/* Events that nobody has seen and that are not true any more. */
static void forget_events(struct session *s)
{
	for (uint32_t i = s->event_head; i != s->event_tail; i++) {
		struct session_event *ev = &s->events[i % SESSION_EVENTS];

		if (ev->kind != EVENT_DATA && ev->kind != EVENT_BOUND)
			continue;
		s->ept[ev->ept].queued &= (uint8_t)~ev->kind;
		ev->kind = EVENT_NONE;
	}
}

static void unbind(struct session *s, int slot, uint8_t reason)
{
	struct session_ept *e = &s->ept[slot];
	/* Not worth telling to who has neither seen it bound nor used it. */
	bool knows = e->state == EPT_BOUND && (!(e->queued & EVENT_BOUND) || e->unknown_tx > 0);

	e->state = EPT_UNBOUND;
	if (e->wants_writable) {
		e->wants_writable = false;
		s->writers--;
	}
	if (!e->registered || !knows)
		return;
	e->unbound_reason = reason;
	session_push(s, EVENT_UNBOUND, slot, 0);
}

uint32_t session_reset(struct session *s, uint8_t reason)
{
	uint32_t unknown = forget_sent(s);

	s->generation++;
	s->phase = PHASE_LOST;
	memset(s->rx, 0, sizeof(s->rx));
	for (uint32_t i = 0; i < s->ept_count; i++)
		unbind(s, (int)i, reason);
	forget_events(s);
	memset(s->parked, 0, sizeof(s->parked));
	/* The initiator's addresses stay the same over sessions (protocol.md section 3). */
	if (!s->initiator)
		memset(s->ept_of_address, SESSION_NO_EPT, sizeof(s->ept_of_address));
	s->announce_due = s->initiator;
	return unknown;
}

void session_push(struct session *s, enum session_event_kind kind, int slot, uint8_t block)
{
	struct session_ept *e = &s->ept[slot];

	if (kind != EVENT_DATA) {
		if (e->queued & kind)
			return;
		e->queued |= (uint8_t)kind;
	}
	s->events[s->event_tail % SESSION_EVENTS] = (struct session_event){ .kind = (uint8_t)kind,
									    .ept = (uint8_t)slot,
									    .block = block };
	s->event_tail++;
}

static struct session_event *find_event(struct session *s, int slot, bool data)
{
	for (uint32_t i = s->event_head; i != s->event_tail; i++) {
		struct session_event *ev = &s->events[i % SESSION_EVENTS];

		if (ev->kind != EVENT_NONE && (ev->kind == EVENT_DATA) == data && ev->ept == slot)
			return ev;
	}
	return NULL;
}

void session_purge(struct session *s, int slot)
{
	struct session_event *ev;

	while ((ev = find_event(s, slot, false)))
		ev->kind = EVENT_NONE;
	s->ept[slot].queued = 0;
}

int session_purge_data(struct session *s, int slot)
{
	struct session_event *ev = find_event(s, slot, true);

	if (!ev)
		return -1;
	ev->kind = EVENT_NONE;
	return ev->block;
}

bool session_pop(struct session *s, struct session_event *ev)
{
	while (session_has_events(s)) {
		*ev = s->events[s->event_head % SESSION_EVENTS];
		s->event_head++;
		if (ev->kind == EVENT_NONE)
			continue;
		if (ev->kind != EVENT_DATA)
			s->ept[ev->ept].queued &= (uint8_t)~ev->kind;
		return true;
	}
	return false;
}

int session_tx_take(struct session *s, uint32_t count)
{
	int first = blocks_alloc(&s->tx_free, count);

	if (first >= 0)
		s->tx[first] = (struct session_tx){ .state = TX_OWNED,
						    .ept = SESSION_NO_EPT,
						    .count = (uint16_t)count };
	return first;
}

void session_tx_shrink(struct session *s, uint32_t first, uint32_t keep)
{
	struct session_tx *t = &s->tx[first];

	if (keep >= t->count)
		return;
	blocks_free(&s->tx_free, first + keep, t->count - keep);
	t->count = (uint16_t)keep;
	if (keep == 0)
		t->state = TX_FREE;
}

void session_want_writable(struct session *s, int slot)
{
	if (s->ept[slot].wants_writable)
		return;
	s->ept[slot].wants_writable = true;
	s->writers++;
}

void session_wake_writers(struct session *s)
{
	for (uint32_t i = 0; s->writers > 0 && i < s->ept_count; i++) {
		if (!s->ept[i].wants_writable)
			continue;
		s->ept[i].wants_writable = false;
		s->writers--;
		session_push(s, EVENT_WRITABLE, (int)i, 0);
	}
}

uint32_t session_rx_count(const struct session *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++)
		n += session_rx_ours(&s->rx[i]);
	return n;
}

uint32_t session_rx_holds(const struct session *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++)
		n += s->rx[i].holds;
	return n;
}
