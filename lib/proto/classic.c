// SPDX-License-Identifier: Apache-2.0
/*
 * The classic generation (Zephyr 3.6 to 4.4): three-byte control messages over an ICMsg packet ring
 * (protocol.md sections 2, 4 and 6). Here is the control path; binding is in classic_bind.c, the
 * link itself in classic_link.c.
 */
#include "proto/classic.h"

#include <errno.h>
#include <inttypes.h>

#include "wire/blocks.h"

/* Laps of the ring that one pump reads at most, so that a flood cannot hold the caller. */
#define PUMP_PASSES 16

/*
 * R1: word 0 of our ring stays zero, so that a firmware that restarts and reads too early finds an
 * empty length there and stops. No packet starts at 0 or in the last word; one that would is avoided
 * by lengthening the packet before it, with zero bytes over word 0. Receivers use the first three.
 */
static uint32_t packet_length(const struct ring *r, uint32_t idx)
{
	uint32_t next = idx + RING_PACKET_HEADER + 4;

	if (next == r->len)
		return 8;
	return next == r->len - 4 ? 12 : CONTROL_SIZE;
}

static int put(struct proto_link *l, const uint8_t *packet, uint32_t len)
{
	const struct ring *r = &l->tx_ring;
	struct session *s = l->s;

	/* Never past the place where the reader was seen last: nothing could be told from its index. */
	classic_follow_reader(l);
	if (ring_distance(r, s->tx_rd, s->tx_wr) + ring_packet_size(len) > r->len - 4)
		return -ENOBUFS;
	return ring_put(r, &s->tx_wr, packet, len);
}

static void record(struct proto_link *l, enum recorder_direction dir, uint32_t offset,
		   const uint8_t *packet, uint32_t len)
{
	recorder_add(&l->s->recorder, dir,
		     &(struct recorder_entry){ .time_ns = l->now_ns,
					       .generation = l->s->generation,
					       .offset = offset,
					       .kind = RECORD_PACKET,
					       .type = packet[0],
					       .ept = len > 1 ? packet[1] : 0,
					       .block = len > 2 ? packet[2] : 0,
					       .size = len });
}

/*
 * The ring has room for all that a working peer can cause (section 2): no room is a broken peer, not
 * a state to wait in.
 */
int classic_put(struct proto_link *l, enum control_type type, uint8_t ept, uint32_t block)
{
	struct session *s = l->s;
	uint32_t before = s->tx_wr;
	uint8_t packet[12] = { (uint8_t)type, ept, (uint8_t)block };

	if (s->phase != PHASE_UP)
		return -ECONNRESET;
	if (put(l, packet, packet_length(&l->tx_ring, before)) < 0) {
		proto_complain(
			l, COMPLAINT_RING,
			"the other side does not read its control messages: the ring is full");
		return -EPROTO;
	}
	ring_publish(&l->tx_ring, s->tx_wr);
	record(l, RECORDER_TX, before, packet, CONTROL_SIZE);
	l->count.tx_packets++;
	if (l->doorbell_due)
		return 0;
	if (ring_needs_doorbell(&l->tx_ring, before))
		l->doorbell_due = true;
	else
		l->count.doorbells_elided++;
	return 0;
}

int classic_put_buffer(struct proto_link *l, enum control_type type, uint8_t address,
		       uint32_t first)
{
	struct session_tx *t = &l->s->tx[first];
	int ret;

	l->s->intent_wr = l->s->tx_wr;
	t->state = TX_SENDING;
	ret = classic_put(l, type, address, first);
	t->state = ret < 0 ? TX_OWNED : TX_SENT;
	return ret;
}

/* ------------------------------------------------------------------------------------------------
 * Receiving
 */

/* A received buffer that cannot be delivered is released all the same (section 4). */
static unsigned int reject(struct proto_link *l, uint32_t block)
{
	classic_put(l, CONTROL_RELEASE_DATA, 0, block);
	return 0;
}

/* Deliver a message for the bound endpoint in @slot. */
static unsigned int deliver(struct proto_link *l, int slot, uint32_t block)
{
	struct session *s = l->s;
	uint64_t size = block_header_load(proto_rx_block(l, block), l->rx.header_size);

	if (!block_payload_valid(&l->rx, block, size)) {
		l->count.bad_blocks++;
		proto_complain(l, COMPLAINT_BLOCK,
			       "the other side sent %" PRIu64 " bytes from block %" PRIu32
			       ", beyond its region",
			       size, block);
		if (!s->ept[slot].registered)
			return reject(l, block);
		session_push(s, EVENT_ERROR, slot, 0);
		return reject(l, block) | PROTO_EVENTS;
	}
	if (!s->ept[slot].registered) {
		l->count.rx_dropped++;
		return reject(l, block);
	}
	s->rx[block] = (struct session_rx){ .size = (uint32_t)size,
					    .ept = (uint8_t)slot,
					    .pending = true };
	session_push(s, EVENT_DATA, slot, (uint8_t)block);
	return PROTO_EVENTS;
}

static unsigned int on_data(struct proto_link *l, struct control c)
{
	struct session *s = l->s;
	int slot = session_ept_by_address(s, c.ept);

	if (c.block >= l->rx.block_count || session_rx_ours(&s->rx[c.block])) {
		l->count.bad_blocks++;
		proto_complain(
			l, COMPLAINT_BLOCK,
			"the other side sent block %u, which it does not have or has sent already",
			c.block);
		return 0;
	}
	/* Any message with its address binds an endpoint (section 5). */
	if (slot >= 0 && s->ept[slot].state == EPT_ANNOUNCED)
		session_bind(s, slot, c.ept);
	if (slot >= 0 && s->ept[slot].state == EPT_BOUND)
		return deliver(l, slot, c.block);
	l->count.bad_endpoints++;
	proto_complain(l, COMPLAINT_ENDPOINT,
		       "the other side sent to endpoint address %u, which is not bound", c.ept);
	return reject(l, c.block);
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

/* One packet of a link that is up; false if it shows that the link is lost. */
static bool handle(struct proto_link *l, const uint8_t *packet, uint32_t len, unsigned int *changed)
{
	struct control c;

	l->count.rx_packets++;
	if (control_is_magic(packet, len)) {
		classic_lose(l, PROTO_REASON_RESTART);
		return false;
	}
	if (!control_decode(&c, packet, len)) {
		l->count.bad_packets++;
		proto_complain(l, COMPLAINT_PACKET,
			       "the other side sent a control message of %" PRIu32 " bytes", len);
		return true;
	}
	switch (c.type) {
	case CONTROL_DATA:
		*changed |= on_data(l, c);
		break;
	case CONTROL_RELEASE_DATA:
		*changed |= on_release(l, c);
		break;
	case CONTROL_BOUND:
		*changed |= classic_on_bound(l, c);
		break;
	case CONTROL_RELEASE_BOUND:
		*changed |= on_release(l, c) | classic_on_release_bound(l, c);
		break;
	default:
		/* Ignored in silence, like everybody else does (section 4). */
		l->count.bad_packets++;
		break;
	}
	return l->s->phase == PHASE_UP;
}

/* Read what lies between our index and @wr; false if the link is lost over it. */
static bool drain_to(struct proto_link *l, uint32_t wr, unsigned int *changed)
{
	uint8_t packet[RING_PACKET_MAX];
	uint32_t rd = l->s->rx_rd, next;
	int len = -EPROTO;

	while (ring_index_valid(&l->rx_ring, wr) &&
	       (len = ring_peek(&l->rx_ring, rd, wr, packet, &next)) > 0) {
		*changed |= PROTO_READ;
		record(l, RECORDER_RX, rd, packet, (uint32_t)len);
		if (!handle(l, packet, (uint32_t)len, changed))
			return false;
		rd = next;
	}
	if (len < 0) {
		l->count.bad_packets++;
		classic_lose(l, PROTO_REASON_ERROR);
		return false;
	}
	return classic_consume(l, rd);
}

/*
 * Read until the ring is empty, publish, look again behind a full fence (section 6). What is read is
 * handled before it is published as read.
 */
static unsigned int drain(struct proto_link *l)
{
	unsigned int changed = 0;

	for (int pass = 0; pass < PUMP_PASSES; pass++) {
		uint32_t wr = ring_load_wr(&l->rx_ring);

		if (wr == l->s->rx_rd)
			return changed;
		if (!drain_to(l, wr, &changed) || ring_is_idle(&l->rx_ring, l->s->rx_rd))
			return changed;
	}
	return changed | PROTO_MORE;
}

static unsigned int pump(struct proto_link *l)
{
	struct session *s = l->s;
	unsigned int changed = 0;

	if (s->phase == PHASE_WAITING && classic_handshake(l))
		changed |= PROTO_LINK;
	if (s->phase == PHASE_UP && classic_look(l))
		changed |= drain(l);
	if (s->phase == PHASE_UP && s->announce_due)
		classic_announce(l);
	if (l->lost) {
		l->lost = false;
		changed |= PROTO_LINK | PROTO_EVENTS | PROTO_FREED;
	}
	return changed;
}

/* ------------------------------------------------------------------------------------------------
 * Sending
 */

static int send(struct proto_link *l, int slot, uint32_t first, uint32_t size)
{
	struct session *s = l->s;
	struct session_ept *e = &s->ept[slot];
	int ret;

	if (s->phase != PHASE_UP || e->state != EPT_BOUND)
		return -ENOTCONN;
	if (!classic_look(l))
		return -ECONNRESET;
	block_header_store(proto_tx_block(l, first), l->tx.header_size, size);
	s->tx[first].ept = (uint8_t)slot;
	ret = classic_put_buffer(l, CONTROL_DATA, e->address, first);
	if (ret < 0)
		return ret;
	session_tx_shrink(s, first, (uint32_t)layout_blocks_for(&l->tx, size));
	l->count.tx_messages++;
	l->count.tx_bytes += size;
	return 0;
}

static void release(struct proto_link *l, uint32_t first)
{
	if (l->s->phase == PHASE_UP && classic_look(l))
		classic_put(l, CONTROL_RELEASE_DATA, 0, first);
}

static bool unread(const struct proto_link *l)
{
	return l->s->phase != PHASE_LOST && shm_load32(l->tx_ring.rd_idx) != l->s->tx_wr;
}

static uint32_t progress(const struct proto_link *l)
{
	return shm_load32(l->tx_ring.rd_idx);
}

static bool watch(const struct proto_link *l, const void **word, uint32_t *idle)
{
	*word = l->rx_ring.wr_idx;
	*idle = l->s->rx_rd;
	return l->s->phase == PHASE_UP;
}

const struct proto_ops proto_classic = {
	.name = "classic",
	.start = classic_start,
	.restart = classic_restart,
	.pump = pump,
	.register_ept = classic_register,
	.send = send,
	.release = release,
	.unread = unread,
	.progress = progress,
	.watch = watch,
	.rescue = classic_rescue,
	.diagnose = classic_diagnose,
};
