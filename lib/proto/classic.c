// SPDX-License-Identifier: Apache-2.0
/*
 * The classic generation (Zephyr 3.6 to 4.4): three-byte control messages over an ICMsg packet ring
 * (protocol.md sections 2 to 6).
 *
 * Order of belief while the link comes up (section 3, R4): the first packet of the other side counts
 * only if it is the magic, and nothing behind it is read before the other side has consumed ours.
 */
#include "proto/proto.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "wire/blocks.h"
#include "wire/control.h"

/* Laps of the ring that one pump reads at most, so that a flood cannot hold the caller. */
#define PUMP_PASSES 16

static const char bad_packet[] = "the other side sent a malformed control packet (length or type)";

/* ------------------------------------------------------------------------------------------------
 * Sending control messages
 */

/*
 * The ring has room for all that a working peer can cause, so no room, like an index that cannot be,
 * is a broken peer (section 2).
 */
static int put_control(struct proto_link *l, enum control_type type, uint8_t ept, uint32_t block)
{
	struct session *s = l->s;
	uint32_t before = s->tx_wr;
	uint8_t packet[CONTROL_SIZE];

	control_encode(packet, (struct control){ .type = (uint8_t)type,
						 .ept = ept,
						 .block = (uint8_t)block });
	if (ring_put(&l->tx_ring, &s->tx_wr, packet, CONTROL_SIZE) < 0) {
		proto_complain(
			l, COMPLAINT_RING,
			"the other side does not read its control messages, or corrupted rd_idx");
		return -EPROTO;
	}
	ring_publish(&l->tx_ring, s->tx_wr);
	l->count.tx_packets++;
	if (l->doorbell_due)
		return 0;
	if (ring_needs_doorbell(&l->tx_ring, before))
		l->doorbell_due = true;
	else
		l->count.doorbells_elided++;
	return 0;
}

/* Publish the buffer at @first: record the intent, publish, record the completion. */
static int publish_buffer(struct proto_link *l, enum control_type type, uint8_t address,
			  uint32_t first)
{
	struct session_tx *t = &l->s->tx[first];
	int ret;

	l->s->intent_wr = l->s->tx_wr;
	t->state = TX_SENDING;
	ret = put_control(l, type, address, first);
	t->state = ret < 0 ? TX_OWNED : TX_SENT;
	return ret;
}

/* ------------------------------------------------------------------------------------------------
 * Binding
 */

/* Initiator: send an endpoint's name. False if there are no blocks for it now. */
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
	if (publish_buffer(l, CONTROL_BOUND, e->address, (uint32_t)first) < 0) {
		session_tx_shrink(l->s, (uint32_t)first, 0);
		return false;
	}
	e->state = EPT_ANNOUNCED;
	return true;
}

/* Initiator: send the names that are due, in the order of registration, as far as blocks go. */
static void announce_all(struct proto_link *l)
{
	struct session *s = l->s;

	for (uint32_t i = 0; i < s->ept_count; i++)
		if (s->ept[i].state == EPT_UNBOUND && s->ept[i].registered && !announce(l, (int)i))
			return;
	s->announce_due = false;
}

/*
 * The name in a BOUND buffer. Bytes behind its NUL do not matter; one that is longer than any name of
 * ours reads as "", which matches nothing. -EBADMSG if it has no end.
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

/* Follower: match a parked announcement with a local endpoint that waits for it. */
static bool match(struct proto_link *l, uint8_t address)
{
	struct session *s = l->s;
	uint32_t first = s->parked[address] - 1u;
	char name[SESSION_NAME_MAX + 1];
	int slot;

	if (read_name(l, first, name) < 0) {
		s->parked[address] = 0;
		l->count.bad_blocks++;
		proto_complain(
			l, COMPLAINT_BLOCK,
			"the other side announced an endpoint in a malformed buffer (block %" PRIu32
			")",
			first);
		put_control(l, CONTROL_RELEASE_DATA, 0, first);
		return false;
	}
	slot = session_find_ept(s, name);
	if (slot < 0 || s->ept[slot].state != EPT_UNBOUND || !s->ept[slot].registered)
		return false;
	s->parked[address] = 0;
	session_bind(s, slot, address);
	put_control(l, CONTROL_RELEASE_BOUND, address, first);
	return true;
}

static void register_ept(struct proto_link *l, int slot)
{
	struct session *s = l->s;

	if (s->ept[slot].state == EPT_BOUND) {
		session_push(s, EVENT_BOUND, slot, 0);
		return;
	}
	if (s->initiator) {
		s->announce_due = true;
		if (s->phase == PHASE_UP)
			announce_all(l);
		return;
	}
	for (uint32_t a = 0; a < SESSION_EPT_MAX; a++)
		if (s->parked[a] && match(l, (uint8_t)a))
			return;
}

/* ------------------------------------------------------------------------------------------------
 * Receiving
 */

static unsigned int on_data(struct proto_link *l, struct control c)
{
	struct session *s = l->s;
	int slot = session_ept_by_address(s, c.ept);
	struct session_rx *rx = &s->rx[c.block];
	uint64_t size;

	if (c.block >= l->rx.block_count || session_rx_ours(rx)) {
		l->count.bad_blocks++;
		proto_complain(
			l, COMPLAINT_BLOCK,
			"the other side sent block %u, which it does not have or has sent already",
			c.block);
		return 0;
	}
	size = block_header_load(proto_rx_block(l, c.block), l->rx.header_size);
	if (slot >= 0 && s->ept[slot].state == EPT_ANNOUNCED)
		session_bind(s, slot, c.ept);
	if (slot < 0 || s->ept[slot].state != EPT_BOUND) {
		l->count.bad_endpoints++;
		proto_complain(l, COMPLAINT_ENDPOINT,
			       "the other side sent to endpoint address %u, which is not bound",
			       c.ept);
	} else if (!block_payload_valid(&l->rx, c.block, size)) {
		l->count.bad_blocks++;
		proto_complain(l, COMPLAINT_BLOCK,
			       "the other side sent %" PRIu64
			       " bytes from block %u, beyond its region",
			       size, c.block);
		if (s->ept[slot].registered)
			session_push(s, EVENT_ERROR, slot, 0);
	} else if (!s->ept[slot].registered) {
		l->count.rx_dropped++;
	} else {
		*rx = (struct session_rx){ .size = (uint32_t)size,
					   .ept = (uint8_t)slot,
					   .pending = true };
		session_push(s, EVENT_DATA, slot, c.block);
		return PROTO_EVENTS;
	}
	/* Not delivered, but released: otherwise the other side's blocks would leak (section 4). */
	put_control(l, CONTROL_RELEASE_DATA, 0, c.block);
	return PROTO_EVENTS;
}

/* Free a buffer of ours by our own record of it. */
static unsigned int on_release(struct proto_link *l, struct control c)
{
	struct session *s = l->s;

	if (s->tx[c.block].state != TX_SENT) {
		l->count.bad_releases++;
		proto_complain(l, COMPLAINT_RELEASE,
			       "the other side released block %u, which it does not have", c.block);
		return 0;
	}
	session_tx_shrink(s, c.block, 0);
	session_wake_writers(s);
	return PROTO_FREED;
}

static unsigned int on_release_bound(struct proto_link *l, struct control c)
{
	unsigned int changed = on_release(l, c);
	int slot = session_ept_by_address(l->s, c.ept);

	/* Whatever block it names, it binds (section 3, rules). */
	if (slot >= 0 && l->s->ept[slot].state == EPT_ANNOUNCED) {
		session_bind(l->s, slot, c.ept);
		changed |= PROTO_LINK | PROTO_EVENTS;
	}
	return changed;
}

static unsigned int on_bound(struct proto_link *l, struct control c)
{
	struct session *s = l->s;

	if (c.block >= l->rx.block_count) {
		l->count.bad_blocks++;
		return 0;
	}
	if (s->initiator || c.ept >= SESSION_EPT_MAX || s->parked[c.ept] ||
	    session_ept_by_address(s, c.ept) >= 0) {
		l->count.bad_packets++;
		proto_complain(
			l, COMPLAINT_ROLE,
			s->initiator ?
				"both sides announce endpoints: the regions' addresses must be the "
				"firmware's own (tx-address, rx-address)" :
				"the other side announced endpoint address %u twice",
			c.ept);
		put_control(l, CONTROL_RELEASE_DATA, 0, c.block);
		return 0;
	}
	s->parked[c.ept] = (uint16_t)(c.block + 1);
	return match(l, c.ept) ? PROTO_LINK | PROTO_EVENTS : 0;
}

static unsigned int handle(struct proto_link *l, const uint8_t *packet, uint32_t len)
{
	struct control c;

	l->count.rx_packets++;
	if (!control_decode(&c, packet, len)) {
		l->count.bad_packets++;
		proto_complain(l, COMPLAINT_PACKET, "%s", bad_packet);
		return 0;
	}
	switch (c.type) {
	case CONTROL_DATA:
		return on_data(l, c);
	case CONTROL_RELEASE_DATA:
		return on_release(l, c);
	case CONTROL_BOUND:
		return on_bound(l, c);
	case CONTROL_RELEASE_BOUND:
		return on_release_bound(l, c);
	default:
		/* Ignored in silence, like everybody else does (section 4). */
		l->count.bad_packets++;
		return 0;
	}
}

/* Read what lies between our index and @wr; false if it is not packets. */
static bool drain_to(struct proto_link *l, uint32_t wr, unsigned int *changed)
{
	struct session *s = l->s;
	uint8_t packet[RING_PACKET_MAX];
	uint32_t next;
	int len;

	while ((len = ring_peek(&l->rx_ring, s->rx_rd, wr, packet, &next)) > 0) {
		*changed |= PROTO_READ | handle(l, packet, (uint32_t)len);
		s->rx_rd = next;
	}
	return len == 0;
}

static unsigned int drain(struct proto_link *l)
{
	struct session *s = l->s;
	unsigned int changed = 0;

	for (int pass = 0; pass < PUMP_PASSES; pass++) {
		uint32_t wr = ring_load_wr(&l->rx_ring);
		bool good;

		if (wr == s->rx_rd)
			return changed;
		good = ring_index_valid(&l->rx_ring, wr) && drain_to(l, wr, &changed);
		if (!good) {
			l->count.bad_packets++;
			proto_complain(l, COMPLAINT_PACKET, "%s", bad_packet);
			return changed;
		}
		ring_consume(&l->rx_ring, s->rx_rd);
		if (ring_is_idle(&l->rx_ring, s->rx_rd))
			return changed;
	}
	return changed | PROTO_MORE;
}

/* ------------------------------------------------------------------------------------------------
 * The link
 */

static void start(struct proto_link *l)
{
	struct session *s = l->s;

	s->phase = PHASE_WAITING;
	s->tx_wr = 0;
	s->rx_rd = 0;
	shm_store32(l->tx_ring.wr_idx, 0);
	shm_store32(l->tx_ring.rd_idx, 0);
	ring_put(&l->tx_ring, &s->tx_wr, control_magic, CONTROL_MAGIC_SIZE);
	ring_publish(&l->tx_ring, s->tx_wr);
	l->doorbell_due = true;
}

/* Look for the other side's magic; true once it has been consumed. */
static bool find_magic(struct proto_link *l)
{
	struct session *s = l->s;
	uint8_t packet[RING_PACKET_MAX];
	uint32_t wr, next;
	int len;

	/* An index that is not ours any more: the magic we took was an old one's. */
	if (s->rx_rd != 0 && shm_load32_acquire(l->rx_ring.rd_idx) != s->rx_rd)
		s->rx_rd = 0;
	if (s->rx_rd != 0)
		return true;
	wr = ring_load_wr(&l->rx_ring);
	if (!ring_index_valid(&l->rx_ring, wr))
		return false;
	len = ring_peek(&l->rx_ring, 0, wr, packet, &next);
	if (len <= 0 || !control_is_magic(packet, (uint32_t)len))
		return false;
	s->rx_rd = next;
	ring_consume(&l->rx_ring, next);
	l->doorbell_due = true;
	return true;
}

static unsigned int handshake(struct proto_link *l)
{
	struct session *s = l->s;

	if (!find_magic(l) || shm_load32_acquire(l->tx_ring.rd_idx) != s->tx_wr)
		return 0;
	s->phase = PHASE_UP;
	return PROTO_READ | PROTO_LINK;
}

static unsigned int pump(struct proto_link *l)
{
	unsigned int changed = 0;

	if (l->s->phase == PHASE_WAITING)
		changed |= handshake(l);
	if (l->s->phase != PHASE_UP)
		return changed;
	changed |= drain(l);
	if (l->s->announce_due)
		announce_all(l);
	return changed;
}

static int send(struct proto_link *l, int slot, uint32_t first, uint32_t size)
{
	struct session *s = l->s;
	struct session_ept *e = &s->ept[slot];
	int ret;

	if (s->phase != PHASE_UP || e->state != EPT_BOUND)
		return -ENOTCONN;
	block_header_store(proto_tx_block(l, first), l->tx.header_size, size);
	s->tx[first].ept = (uint8_t)slot;
	ret = publish_buffer(l, CONTROL_DATA, e->address, first);
	if (ret < 0)
		return ret;
	session_tx_shrink(s, first, (uint32_t)layout_blocks_for(&l->tx, size));
	l->count.tx_messages++;
	l->count.tx_bytes += size;
	return 0;
}

static void release(struct proto_link *l, uint32_t first)
{
	put_control(l, CONTROL_RELEASE_DATA, 0, first);
}

static bool unread(const struct proto_link *l)
{
	return shm_load32(l->tx_ring.rd_idx) != l->s->tx_wr;
}

static uint32_t progress(const struct proto_link *l)
{
	return shm_load32(l->tx_ring.rd_idx);
}

const struct proto_ops proto_classic = {
	.name = "classic",
	.start = start,
	.pump = pump,
	.register_ept = register_ept,
	.send = send,
	.release = release,
	.unread = unread,
	.progress = progress,
};
