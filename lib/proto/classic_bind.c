// SPDX-License-Identifier: Apache-2.0
/*
 * Binding of endpoints in the classic generation (protocol.md section 5): the initiator announces
 * names with addresses, the follower matches them.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/classic.h"
#include "wire/blocks.h"

/* Initiator: send an endpoint's name. False if that is not possible now. */
static bool announce(struct proto_link *l, int slot)
{
	struct session_ept *e = &l->s->ept[slot];
	uint32_t size = (uint32_t)strlen(e->name) + 1;
	int first = session_tx_take(l->s, (uint32_t)layout_blocks_for(&l->tx, size));
	uint8_t *block;

	if (first < 0)
		return false;
	block = proto_tx_block(l, (uint32_t)first);
	block_header_store(block, l->tx.header_size, size);
	shm_copy_to(block + l->tx.header_size, e->name, size, l->type);
	if (classic_put_buffer(l, CONTROL_BOUND, e->address, (uint32_t)first) < 0) {
		proto_free(l, (uint32_t)first, 0);
		return false;
	}
	e->state = EPT_ANNOUNCED;
	return true;
}

void classic_announce(struct proto_link *l)
{
	struct session *s = l->s;

	for (uint32_t i = 0; i < s->ept_count; i++)
		if (s->ept[i].state == EPT_UNBOUND && s->ept[i].registered && !announce(l, (int)i))
			return;
	s->announce_due = false;
}

/*
 * The name in a BOUND buffer. Bytes behind its NUL do not matter; one that is longer than any name
 * of ours reads as "", which matches nothing. -EBADMSG if it has no end.
 */
static int read_name(struct proto_link *l, uint32_t first, char name[SESSION_NAME_MAX + 1])
{
	const uint8_t *block = proto_rx_block(l, first);
	uint64_t size = block_header_load(block, l->rx.header_size);
	size_t n;

	if (!block_payload_valid(&l->rx, first, size))
		return -EBADMSG;
	n = size < SESSION_NAME_MAX + 1 ? (size_t)size : SESSION_NAME_MAX + 1;
	shm_copy_from(name, block + l->rx.header_size, n, l->type);
	if (memchr(name, '\0', n))
		return 0;
	if (size <= SESSION_NAME_MAX)
		return -EBADMSG;
	name[0] = '\0';
	return 0;
}

static void bind(struct proto_link *l, int slot, uint8_t address)
{
	session_bind(l->s, slot, address);
	l->changed |= PROTO_LINK | PROTO_EVENTS;
}

/* Follower: match a parked announcement with a local endpoint that waits for it. */
static bool match(struct proto_link *l, uint8_t address)
{
	struct session *s = l->s;
	uint32_t first = s->parked[address] - 1u;
	char name[SESSION_NAME_MAX + 1];
	int slot;

	if (read_name(l, first, name) < 0) {
		s->parked[address] = 0;
		proto_complain(
			l, &s->count.bad_blocks,
			"the other side announced an endpoint in a malformed buffer (block %" PRIu32
			")",
			first);
		classic_put(l, CONTROL_RELEASE_DATA, 0, first);
		return false;
	}
	slot = session_find_ept(s, name);
	if (slot < 0 || s->ept[slot].state != EPT_UNBOUND || !s->ept[slot].registered)
		return false;
	s->parked[address] = 0;
	bind(l, slot, address);
	classic_put(l, CONTROL_RELEASE_BOUND, address, first);
	return true;
}

void classic_register(struct proto_link *l, int slot)
{
	struct session *s = l->s;

	if (s->ept[slot].state == EPT_BOUND) {
		session_push(s, EVENT_BOUND, slot, 0);
		l->changed |= PROTO_EVENTS;
		return;
	}
	if (s->initiator) {
		s->announce_due = true;
		if (s->phase == PHASE_UP)
			classic_announce(l);
		return;
	}
	for (uint32_t a = 0; a < SESSION_EPT_MAX; a++)
		if (s->parked[a] && match(l, (uint8_t)a))
			return;
}

/* Mark the blocks of the buffer at @first, as its header says now; how many were not yet. */
static uint32_t mark_kept(const struct proto_link *l, uint32_t first, bool kept[LAYOUT_BLOCKS_MAX])
{
	uint64_t size = block_header_load(proto_rx_block(l, first), l->rx.header_size);
	bool valid = block_payload_valid(&l->rx, first, size);
	uint32_t end = first + (valid ? (uint32_t)layout_blocks_for(&l->rx, size) : 1);
	uint32_t count = 0;

	for (uint32_t i = first; i < end; i++) {
		count += !kept[i];
		kept[i] = true;
	}
	return count;
}

/* Where announcements that wait leave the other side no more than one block in so many. */
#define PARKED_MOST 8

/* Waiting for an endpoint costs us nothing, but the other side its blocks. */
static void note_parked(struct proto_link *l)
{
	bool kept[LAYOUT_BLOCKS_MAX] = { false };
	uint32_t left = l->rx.block_count, parked = 0;
	struct session *s = l->s;

	for (uint32_t a = 0; a < SESSION_EPT_MAX; a++)
		if (s->parked[a]) {
			left -= mark_kept(l, s->parked[a] - 1u, kept);
			parked++;
		}
	s->count.parked_total++;
	counters_peak(&s->count.parked_peak, parked);
	if (left * PARKED_MOST <= l->rx.block_count)
		proto_complain(l, &s->count.parked_full,
			       "%" PRIu32 " endpoints that the other side announced are not "
			       "registered here, and their names leave it %" PRIu32
			       " of its %" PRIu32 " blocks: register them, or give it more blocks",
			       parked, left, l->rx.block_count);
}

void classic_on_bound(struct proto_link *l, struct control c)
{
	struct session *s = l->s;

	if (c.block >= l->rx.block_count) {
		classic_bad_block(l, c.block);
		return;
	}
	if (s->initiator || c.ept >= SESSION_EPT_MAX || s->parked[c.ept] ||
	    session_ept_by_address(s, c.ept) >= 0) {
		proto_complain(
			l, &s->count.bad_bounds,
			s->initiator ?
				"both sides announce endpoints (address %u): tx-address and "
				"rx-address must be the addresses that the firmware sees" :
				"the other side announced endpoint address %u, which is taken",
			c.ept);
		classic_put(l, CONTROL_RELEASE_DATA, 0, c.block);
		return;
	}
	s->parked[c.ept] = (uint16_t)(c.block + 1);
	match(l, c.ept);
	if (s->parked[c.ept])
		note_parked(l);
}

void classic_bind_announced(struct proto_link *l, int slot)
{
	if (l->s->ept[slot].state == EPT_ANNOUNCED)
		bind(l, slot, l->s->ept[slot].address);
}

void classic_on_release_bound(struct proto_link *l, struct control c)
{
	int slot = session_ept_by_address(l->s, c.ept);

	if (slot < 0)
		return;
	/*
	 * Whatever block it names, it binds (section 3, rules). It may answer the session before, if
	 * only we have lost that: another announcement would not be answered.
	 */
	if (l->s->ept[slot].state == EPT_UNBOUND && l->s->ept[slot].registered)
		bind(l, slot, c.ept);
	else
		classic_bind_announced(l, slot);
}
