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
 * empty length there and stops. No packet starts at 0 or in the last word; one that would is
 * avoided by lengthening the packet before it, with zero bytes over word 0. Receivers use the first
 * three.
 */
static uint32_t packet_length(const struct ring *r, uint32_t idx)
{
	uint32_t next = idx + RING_PACKET_HEADER + 4;

	if (next == r->len)
		return 8;
	return next == r->len - 4 ? 12 : CONTROL_SIZE;
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
 * Put a control message into the ring, after a look at the signs of a restart. The ring has room
 * for all that a working peer can cause (section 2): no room is a broken peer, not a state to wait
 * in. The room counts from where the reader was seen last: nothing could be told from its index
 * otherwise.
 */
static int put(struct proto_link *l, uint8_t type, uint8_t ept, uint32_t block)
{
	const struct ring *r = &l->tx_ring;
	struct session *s = l->s;
	uint32_t before = s->tx_wr;
	uint32_t len = packet_length(r, before);
	uint8_t packet[12] = { 0 };

	control_encode(packet,
		       (struct control){ .type = type, .ept = ept, .block = (uint8_t)block });
	if (ring_packet_size(len) > ring_space(r, before, s->tx_rd)) {
		proto_complain(
			l, &s->count.bad_readers,
			"the other side does not read its control messages: the ring is full");
		return -EPROTO;
	}
	s->tx_wr = ring_lay(r, before, packet, len);
	ring_arm(r, before, len);
	ring_publish(r, s->tx_wr);
	record(l, RECORDER_TX, before, packet, CONTROL_SIZE);
	s->count.tx_packets++;
	counters_peak(&s->count.tx_ring_peak, ring_distance(r, s->tx_rd, s->tx_wr));
	if (l->doorbell_due)
		return 0;
	if (ring_needs_doorbell(r, before))
		l->doorbell_due = true;
	else
		s->count.doorbells_elided++;
	return 0;
}

void classic_append(struct proto_link *l, uint8_t type)
{
	put(l, type, 0, 0);
}

static bool is_up(struct proto_link *l)
{
	return l->s->phase == PHASE_UP && classic_look(l);
}

int classic_put(struct proto_link *l, enum control_type type, uint8_t ept, uint32_t block)
{
	return is_up(l) ? put(l, (uint8_t)type, ept, block) : -ECONNRESET;
}

int classic_put_buffer(struct proto_link *l, enum control_type type, uint8_t address,
		       uint32_t first)
{
	struct session_tx *t = &l->s->tx[first];
	int ret;

	if (!is_up(l))
		return -ECONNRESET;
	t->state = TX_SENDING;
	ret = put(l, (uint8_t)type, address, first);
	t->state = ret < 0 ? TX_OWNED : TX_SENT;
	return ret;
}

/* ------------------------------------------------------------------------------------------------
 * Receiving
 */

/* A received buffer that cannot be delivered is released all the same (section 4). */
static void reject(struct proto_link *l, uint32_t block)
{
	classic_put(l, CONTROL_RELEASE_DATA, 0, block);
}

void classic_bad_block(struct proto_link *l, uint32_t block)
{
	proto_complain(l, &l->s->count.bad_blocks,
		       "the other side sent block %" PRIu32
		       ", which it does not have or has sent already",
		       block);
}

/* A message that reaches beyond the region. */
static void reject_size(struct proto_link *l, int slot, uint32_t block, uint64_t size)
{
	proto_complain(l, &l->s->count.bad_blocks,
		       "the other side sent %" PRIu64 " bytes from block %" PRIu32
		       ", beyond its region",
		       size, block);
	if (l->s->ept[slot].registered) {
		session_push(l->s, EVENT_ERROR, slot, 0);
		l->changed |= PROTO_EVENTS;
	}
	reject(l, block);
}

/* Queue a message for the bound endpoint in @slot. */
static void deliver(struct proto_link *l, int slot, uint32_t block)
{
	uint64_t size = block_header_load(proto_rx_block(l, block), l->rx.header_size);

	if (!block_payload_valid(&l->rx, block, size)) {
		reject_size(l, slot, block, size);
	} else if (!l->s->ept[slot].registered) {
		l->s->count.rx_dropped++;
		reject(l, block);
	} else {
		session_push_data(l->s, slot, (uint8_t)block, (uint32_t)size);
		l->changed |= PROTO_EVENTS;
	}
}

static void on_data(struct proto_link *l, struct control c)
{
	int slot = session_ept_by_address(l->s, c.ept);

	/* Any message with its address binds an endpoint (section 5). */
	if (slot >= 0)
		classic_bind_announced(l, slot);
	if (c.block >= l->rx.block_count || session_rx_ours(&l->s->rx[c.block])) {
		classic_bad_block(l, c.block);
		return;
	}
	if (slot >= 0 && l->s->ept[slot].state == EPT_BOUND) {
		deliver(l, slot, c.block);
		return;
	}
	proto_complain(l, &l->s->count.bad_endpoints,
		       "the other side sent to endpoint address %u, which is not bound", c.ept);
	reject(l, c.block);
}

/*
 * Free a buffer of ours by our own record of it; @announcement: one with a name, as the two kinds
 * are released by messages of their own.
 */
static void on_release(struct proto_link *l, struct control c, bool announcement)
{
	const struct session_tx *t = &l->s->tx[c.block];

	if (t->state == TX_SENT && (t->ept == SESSION_NO_EPT) == announcement) {
		if (session_tx_released(l->s, c.block))
			l->changed |= PROTO_EVENTS;
		proto_free(l, c.block, 0);
		return;
	}
	proto_complain(l, &l->s->count.bad_releases,
		       "the other side released block %u, which it does not have", c.block);
}

static void dispatch(struct proto_link *l, struct control c)
{
	switch (c.type) {
	case CONTROL_DATA:
		on_data(l, c);
		break;
	case CONTROL_RELEASE_DATA:
		on_release(l, c, false);
		break;
	case CONTROL_BOUND:
		classic_on_bound(l, c);
		break;
	case CONTROL_RELEASE_BOUND:
		on_release(l, c, true);
		classic_on_release_bound(l, c);
		break;
	case CLASSIC_FILLER:
		/* A ping that came after we were up: who has sent it waits until it is read (5). */
		l->doorbell_due = true;
		break;
	default:
		/* Ignored, as by everybody else (section 4). */
		proto_complain(l, &l->s->count.bad_types,
			       "the other side sent control messages of type 0x%02x, which this "
			       "version does not know: ignored",
			       c.type);
		break;
	}
}

/* One packet of a link that is up; false if the link is lost over it. */
static bool handle(struct proto_link *l, const uint8_t *packet, uint32_t len)
{
	struct control c;

	l->s->count.rx_packets++;
	if (control_is_magic(packet, len)) {
		if (!classic_ignores_magic(l))
			classic_lose(l, PROTO_REASON_RESTART, &l->s->count.restarts_magic);
	} else if (control_decode(&c, packet, len)) {
		dispatch(l, c);
	} else {
		proto_complain(l, &l->s->count.bad_packets,
			       "the other side sent a control message of %" PRIu32 " bytes", len);
	}
	return l->s->phase == PHASE_UP;
}

/* Read what lies between our index and @wr; false if the link is lost over it. */
static bool drain_to(struct proto_link *l, uint32_t wr)
{
	uint8_t packet[RING_PACKET_MAX];
	uint32_t rd = l->s->rx_rd, next;
	uint64_t *sign;
	bool valid = ring_index_valid(&l->rx_ring, wr);
	int len = -EPROTO;

	if (valid)
		counters_peak(&l->s->count.rx_ring_peak, ring_distance(&l->rx_ring, rd, wr));
	while (valid && (len = ring_peek(&l->rx_ring, rd, wr, packet, &next)) > 0) {
		/* Copied first, then looked: what is handled is of the session we are in. */
		barrier_acquire();
		sign = classic_sign(l);
		if (sign) {
			classic_lose(l, PROTO_REASON_RESTART, sign);
			return false;
		}
		record(l, RECORDER_RX, rd, packet, (uint32_t)len);
		/* Before it is answered: the room it took must be there for what the answer causes. */
		if (!classic_consume(l, next) || !handle(l, packet, (uint32_t)len))
			return false;
		rd = next;
	}
	if (len < 0) {
		proto_complain(l, &l->s->count.bad_packets,
			       "what the other side wrote at %" PRIu32
			       " of its ring, up to %" PRIu32 ", is no control message",
			       rd, wr);
		classic_lose(l, PROTO_REASON_ERROR, &l->s->count.restarts_packet);
		return false;
	}
	return true;
}

/*
 * Read until the ring is empty, publishing each packet as read, and look again behind a full fence
 * (section 6).
 */
static void drain(struct proto_link *l)
{
	for (int pass = 0; pass < PUMP_PASSES; pass++) {
		uint32_t wr = ring_load_wr(&l->rx_ring);

		if (wr == l->s->rx_rd)
			return;
		if (!drain_to(l, wr) || ring_is_idle(&l->rx_ring, l->s->rx_rd))
			return;
	}
	l->changed |= PROTO_MORE;
}

static void pump(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->phase < PHASE_UP)
		classic_handshake(l);
	if (is_up(l))
		drain(l);
	if (s->phase == PHASE_UP && s->announce_due)
		classic_announce(l);
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
	block_header_store(proto_tx_block(l, first), l->tx.header_size, size);
	s->tx[first].ept = (uint8_t)slot;
	ret = classic_put_buffer(l, CONTROL_DATA, e->address, first);
	if (ret < 0)
		return ret;
	proto_free(l, first, (uint32_t)layout_blocks_for(&l->tx, size));
	s->count.tx_messages++;
	s->count.tx_bytes += size;
	e->tx_messages++;
	e->tx_bytes += size;
	return 0;
}

static void release(struct proto_link *l, uint32_t first)
{
	classic_put(l, CONTROL_RELEASE_DATA, 0, first);
}

static bool unread(const struct proto_link *l)
{
	if (l->s->phase < PHASE_UP)
		return true;
	return l->s->phase == PHASE_UP && shm_load32(l->tx_ring.rd_idx) != l->s->tx_wr;
}

static uint32_t progress(const struct proto_link *l)
{
	return shm_load32(l->tx_ring.rd_idx);
}

static bool watch(const struct proto_link *l, const void **word, uint32_t *idle)
{
	if (l->s->phase == PHASE_SHAKING) {
		*word = l->tx_ring.rd_idx;
		*idle = shm_load32(*word);
		return true;
	}
	*word = l->rx_ring.wr_idx;
	*idle = l->s->rx_rd;
	return l->s->phase == PHASE_UP;
}

static uint32_t *session_word(uint8_t *begin, const struct layout_region *r)
{
	return r->session_word ? (uint32_t *)(void *)(begin + r->session_word) : NULL;
}

static void remap(struct proto_link *l)
{
	ring_init(&l->tx_ring, l->tx_begin, &l->tx);
	ring_init(&l->rx_ring, l->rx_begin, &l->rx);
	l->tx_word = session_word(l->tx_begin, &l->tx);
	l->rx_word = session_word(l->rx_begin, &l->rx);
	session_forget_tx(l->s, l->tx.block_count);
}

static void init(struct proto_link *l)
{
	remap(l);
	session_init(l->s, l->tx.block_count, layout_is_initiator(&l->tx, &l->rx));
}

const struct proto_ops proto_classic = {
	.name = "classic",
	.layout = layout_classic,
	.init = init,
	.remap = remap,
	.start = classic_start,
	.lose = classic_lose_daemon,
	.stop = classic_stop,
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
