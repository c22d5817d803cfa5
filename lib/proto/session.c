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
		memset(s, 0, offsetof(struct session, count));
	else
		memset(s, 0, sizeof(*s));
	s->magic = SESSION_MAGIC;
	s->size = sizeof(*s);
	s->generation = 1;
	s->count.opens++;
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

/*
 * A slot for a new name. The initiator's addresses are the order of registration and stay
 * (protocol.md section 5); a follower's slot is free again when it is neither registered nor bound.
 */
static int new_slot(struct session *s)
{
	for (uint32_t i = 0; !s->initiator && i < s->ept_count; i++)
		if (!s->ept[i].registered && !s->ept[i].joining && s->ept[i].state == EPT_UNBOUND)
			return (int)i;
	if (s->ept_count == SESSION_EPT_MAX)
		return -ENOSPC;
	if (s->initiator)
		s->ept_of_address[s->ept_count] = (uint8_t)s->ept_count;
	return (int)s->ept_count++;
}

int session_join(struct session *s, const char *name)
{
	int slot = session_find_ept(s, name);

	if (slot < 0) {
		slot = new_slot(s);
		if (slot < 0)
			return slot;
		s->ept[slot] =
			(struct session_ept){ .state = EPT_UNBOUND, .address = (uint8_t)slot };
		strncpy(s->ept[slot].name, name, SESSION_NAME_MAX);
	}
	if (s->ept[slot].registered || s->ept[slot].joining)
		return -EEXIST;
	s->ept[slot].joining = true;
	return slot;
}

void session_joined(struct session *s, int slot, bool registered)
{
	s->ept[slot].joining = false;
	s->ept[slot].registered = registered;
}

int session_register(struct session *s, const char *name)
{
	int slot = session_join(s, name);

	if (slot >= 0)
		session_joined(s, slot, true);
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
		t->lost = true;
		session_tx_shrink(s, i, 0);
	}
	return unknown;
}

/*
 * Take the events of the kinds in @kinds out of the queue, of one endpoint or of all (slot -1), and
 * keep the order of the rest. The blocks of messages among them go to @blocks, unless it is NULL.
 */
static uint32_t remove_events(struct session *s, unsigned int kinds, int slot, uint8_t *blocks)
{
	uint32_t to = s->event_head;
	uint32_t messages = 0;

	for (uint32_t i = s->event_head; i != s->event_tail; i++) {
		struct session_event ev = s->events[i % SESSION_EVENTS];

		if (!(ev.kind & kinds) || (slot >= 0 && ev.ept != slot)) {
			s->events[to++ % SESSION_EVENTS] = ev;
		} else if (ev.kind == EVENT_DATA) {
			if (blocks)
				blocks[messages] = ev.block;
			messages++;
		} else {
			s->ept[ev.ept].queued &= (uint8_t)~ev.kind;
		}
	}
	s->event_tail = to;
	return messages;
}

static void forget_writer(struct session *s, int slot)
{
	s->writers -= s->ept[slot].wants_writable;
	s->ept[slot].wants_writable = false;
}

static void unbind(struct session *s, int slot, uint8_t reason)
{
	struct session_ept *e = &s->ept[slot];
	/* Not worth telling to who has neither seen it bound nor used it. */
	bool knows = e->state == EPT_BOUND && (!(e->queued & EVENT_BOUND) || e->unknown_tx > 0);

	e->state = EPT_UNBOUND;
	forget_writer(s, slot);
	/* Who registers it later has lost nothing. */
	if (!e->registered)
		e->unknown_tx = 0;
	if (!e->registered || !knows)
		return;
	e->unbound_reason = reason;
	session_push(s, EVENT_UNBOUND, slot, 0);
}

struct session_losses session_reset(struct session *s, uint8_t reason)
{
	struct session_losses losses = { .unknown_tx = forget_sent(s) };

	s->generation++;
	s->phase = PHASE_LOST;
	memset(s->rx, 0, sizeof(s->rx));
	s->rx_ours = s->rx_pending = s->rx_hold_blocks = 0;
	for (uint32_t i = 0; i < s->ept_count; i++)
		unbind(s, (int)i, reason);
	/* What nobody has seen, and what is not true any more. */
	losses.dropped_rx = remove_events(s, EVENT_DATA | EVENT_BOUND, -1, NULL);
	memset(s->parked, 0, sizeof(s->parked));
	/* The initiator's addresses stay the same over sessions (protocol.md section 3). */
	if (!s->initiator)
		memset(s->ept_of_address, SESSION_NO_EPT, sizeof(s->ept_of_address));
	s->announce_due = s->initiator;
	return losses;
}

void session_blame(struct session *s, uint8_t reason)
{
	for (uint32_t i = 0; i < s->ept_count; i++)
		if (s->ept[i].queued & EVENT_UNBOUND)
			s->ept[i].unbound_reason = reason;
}

uint32_t session_deregister(struct session *s, int slot, uint8_t blocks[LAYOUT_BLOCKS_MAX])
{
	struct session_ept *e = &s->ept[slot];

	e->registered = false;
	e->unknown_tx = 0;
	e->refusal = 0;
	forget_writer(s, slot);
	return remove_events(s, ~0u, slot, blocks);
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
	counters_peak(&s->count.events_peak, s->event_tail - s->event_head);
}

void session_push_data(struct session *s, int slot, uint8_t block, uint32_t size)
{
	s->rx[block] =
		(struct session_rx){ .size = size, .arrival = ++s->arrivals, .pending = true };
	counters_peak(&s->count.rx_held_peak, ++s->rx_ours);
	counters_peak(&s->count.rx_pending_peak, ++s->rx_pending);
	session_push(s, EVENT_DATA, slot, block);
}

bool session_pop(struct session *s, struct session_event *ev)
{
	if (!session_has_events(s))
		return false;
	*ev = s->events[s->event_head++ % SESSION_EVENTS];
	if (ev->kind != EVENT_DATA)
		s->ept[ev->ept].queued &= (uint8_t)~ev->kind;
	return true;
}

void session_forget_tx(struct session *s, uint32_t tx_blocks)
{
	memset(s->tx, 0, sizeof(s->tx));
	s->tx_used = 0;
	blocks_init(&s->tx_free, tx_blocks);
}

int session_tx_take(struct session *s, uint32_t count)
{
	int first = blocks_alloc(&s->tx_free, count);

	if (first < 0)
		return first;
	s->tx[first] = (struct session_tx){ .state = TX_OWNED,
					    .ept = SESSION_NO_EPT,
					    .count = (uint16_t)count };
	s->tx_used += count;
	counters_peak(&s->count.tx_blocks_peak, s->tx_used);
	return first;
}

static void wake_writers(struct session *s)
{
	for (uint32_t i = 0; s->writers > 0 && i < s->ept_count; i++) {
		if (!s->ept[i].wants_writable)
			continue;
		forget_writer(s, (int)i);
		session_push(s, EVENT_WRITABLE, (int)i, 0);
	}
}

bool session_tx_shrink(struct session *s, uint32_t first, uint32_t keep)
{
	struct session_tx *t = &s->tx[first];

	if (keep >= t->count)
		return false;
	blocks_free(&s->tx_free, first + keep, t->count - keep);
	s->tx_used -= t->count - keep;
	t->count = (uint16_t)keep;
	if (keep == 0)
		t->state = TX_FREE;
	wake_writers(s);
	return true;
}

/* Handles have as much room for it. */
#define TX_NUMBER_MASK 0xffffffu

uint64_t session_tx_track(struct session *s, uint32_t first)
{
	if ((++s->tracked & TX_NUMBER_MASK) == 0)
		s->tracked++;
	s->tx[first].number = s->tracked & TX_NUMBER_MASK;
	return (uint64_t)s->generation << 32 | (uint64_t)s->tx[first].number << 8 | first;
}

enum tx_fate session_tx_fate(const struct session *s, uint64_t handle)
{
	const struct session_tx *t = &s->tx[(uint8_t)handle];
	uint32_t number = (uint32_t)handle >> 8;

	if (number == 0 || handle >> 32 > s->generation)
		return TX_FATE_NONE;
	/* Nor was it given to any message, unless they have come round. */
	if (number > s->tracked && s->tracked <= TX_NUMBER_MASK)
		return TX_FATE_NONE;
	/* Blocks are taken again after a release, or after the end of a session. */
	if (t->number != number)
		return handle >> 32 == s->generation ? TX_FATE_RELEASED : TX_FATE_LOST;
	if (t->lost)
		return TX_FATE_LOST;
	return t->state == TX_SENT ? TX_FATE_OUTSTANDING : TX_FATE_RELEASED;
}

bool session_tx_released(struct session *s, uint32_t first)
{
	const struct session_tx *t = &s->tx[first];

	if (t->number == 0 || !s->ept[t->ept].registered)
		return false;
	session_push(s, EVENT_RELEASED, t->ept, 0);
	return true;
}

void session_want_writable(struct session *s, int slot)
{
	s->writers += !s->ept[slot].wants_writable;
	s->ept[slot].wants_writable = true;
}

/* Something that made the buffer at @rx ours is over. */
static bool rx_let_go(struct session *s, const struct session_rx *rx)
{
	if (session_rx_ours(rx))
		return false;
	s->rx_ours--;
	return true;
}

bool session_rx_done(struct session *s, uint8_t block)
{
	s->rx[block].pending = false;
	s->rx_pending--;
	return rx_let_go(s, &s->rx[block]);
}

void session_rx_hold(struct session *s, uint8_t block, uint32_t blocks)
{
	if (s->rx[block].holds++ > 0)
		return;
	s->rx_hold_blocks += blocks;
	counters_peak(&s->count.rx_hold_blocks_peak, s->rx_hold_blocks);
}

bool session_rx_unhold(struct session *s, uint8_t block, uint32_t blocks)
{
	if (--s->rx[block].holds > 0)
		return false;
	s->rx_hold_blocks -= blocks;
	return rx_let_go(s, &s->rx[block]);
}

uint32_t session_rx_holds(const struct session *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++)
		n += s->rx[i].holds;
	return n;
}
