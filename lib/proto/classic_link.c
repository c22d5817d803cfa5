// SPDX-License-Identifier: Apache-2.0
/*
 * The classic link: coming up on memory of any history, and coming back after the other side has
 * restarted at any moment. R1 to R7 are the rules of protocol.md section 3, found by experiment
 * with Zephyr's own code; T is our tx region, R our rx region.
 */
#include "proto/classic.h"

#include <string.h>

/* Fruitless rescues after which another layout of the announcement is tried (R7). */
#define RESCUES_PER_LAYOUT 4

/*
 * R5: fruitless rescues after which something is done about a link that seems to be up. What
 * consumed our announcement may have died before we looked, and its successor waits for another
 * one: that is offered soon, as it disturbs nobody. Once the other side has read on silence is no
 * sign, and a halted core must not be disturbed; but on device memory, where R.rd cannot be
 * swapped, a sign can have been overwritten.
 */
#define RESCUES_TO_OFFER 3
#define RESCUES_IN_VAIN 10

/* A magic may have zero bytes behind it, here to make the packet one word longer. */
#define LONG_MAGIC_SIZE 17u

/* ------------------------------------------------------------------------------------------------
 * Signs of a restart (R2)
 */

void classic_lose(struct proto_link *l, uint8_t reason, uint64_t *sign)
{
	struct session_losses losses = session_reset(l->s, reason);

	l->s->count.tx_unknown += losses.unknown_tx;
	l->s->count.rx_dropped += losses.dropped_rx;
	l->s->count.restarts++;
	++*sign;
	proto_record(l, RECORDER_RX, RECORD_LOST, reason);
	l->changed |= PROTO_LINK | PROTO_EVENTS | PROTO_FREED;
}

bool classic_read_index_moved(const struct proto_link *l)
{
	return l->s->rx_rd != 0 && shm_load32_acquire(l->rx_ring.rd_idx) != l->s->rx_rd;
}

/*
 * Take note of how far the other side has read. False if it cannot have got there: T.rd may only
 * move forward, and not beyond what was written. Places are compared modulo the ring, so this is to
 * be done before every packet of ours.
 */
static bool follow_reader(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t rd = shm_load32_acquire(l->tx_ring.rd_idx);

	if (rd == s->tx_rd)
		return true;
	if (!ring_index_valid(&l->tx_ring, rd) ||
	    ring_distance(&l->tx_ring, s->tx_rd, rd) >
		    ring_distance(&l->tx_ring, s->tx_rd, s->tx_wr))
		return false;
	s->tx_rd = rd;
	s->rescues = 0;
	s->confirmed = true;
	if (s->rearmed) {
		shm_store32(&l->tx_ring.data[0], 0);
		s->rearmed = false;
	}
	return true;
}

bool classic_look(struct proto_link *l)
{
	struct counters *c = &l->s->count;
	bool moved = classic_read_index_moved(l);

	if (!moved && follow_reader(l))
		return true;
	classic_lose(l, PROTO_REASON_RESTART,
		     moved ? &c->restarts_rx_index : &c->restarts_tx_index);
	return false;
}

bool classic_consume(struct proto_link *l, uint32_t rd)
{
	if (!ring_consume(&l->rx_ring, l->s->rx_rd, rd, l->type)) {
		classic_lose(l, PROTO_REASON_RESTART, &l->s->count.restarts_rx_index);
		return false;
	}
	l->s->rx_rd = rd;
	return true;
}

/* ------------------------------------------------------------------------------------------------
 * Announcing ourselves (R3, R7)
 */

static uint32_t lay_packet(const struct ring *r, uint32_t idx, const void *packet, uint32_t len)
{
	uint32_t next = ring_lay(r, idx, packet, len);

	ring_arm(r, idx, len);
	return next;
}

static uint32_t lay_magic(const struct ring *r, uint32_t idx)
{
	return lay_packet(r, idx, control_magic, CONTROL_MAGIC_SIZE);
}

/*
 * Empty lengths everywhere, word 0 first: a reader that is under way, by a write index of before,
 * must not run past what is laid out now.
 */
static void clear(const struct ring *r)
{
	for (uint32_t i = 0; i < r->len / 4; i++)
		shm_store32(&r->data[i], 0);
	barrier_full();
}

/* Fill the ring from @from to @to, none or at least eight bytes, with packets to be ignored. */
static void lay_filler(const struct ring *r, uint32_t from, uint32_t to)
{
	static const uint8_t filler[RING_PACKET_MAX] = { CLASSIC_FILLER };

	while (from < to) {
		uint32_t size = to - from < RING_PACKET_MAX ? to - from : RING_PACKET_MAX;

		/* Leave nothing that is too small for a packet. */
		if (to - from - size == 4)
			size -= 4;
		lay_packet(r, from, filler, size - RING_PACKET_HEADER);
		from += size;
	}
}

/* Can an announcement at @at be followed by packets that respect word 0 (R1)? */
static bool fits(const struct ring *r, uint32_t at)
{
	return at + CLASSIC_MAGIC_PACKET <= r->len - 8;
}

/* Does an announcement at 0 reach a reader that stands at @x? See announce_at_start(). */
static bool reached(const struct ring *r, uint32_t x)
{
	if (x == CLASSIC_MAGIC_PACKET)
		return fits(r, x);
	return x == 0 || (x > CLASSIC_MAGIC_PACKET && x <= r->len - 8);
}

/*
 * R3: a magic at 0, for a reader that starts, armed by one store of its header. T.rd = x stays what
 * it is, as it tells where the reader of now may stand, and the end of the announcement must differ
 * from it. A reader at x is reached as well: behind the last magic by a second one there, further
 * on by filler up to the end of the ring, behind which the magic at 0 is next. Where neither is
 * possible the magic is made longer if it would end at x.
 */
static void announce_at_start(struct proto_link *l, uint32_t x)
{
	const struct ring *r = &l->tx_ring;
	bool second = x == CLASSIC_MAGIC_PACKET && fits(r, x);
	uint32_t len = x == CLASSIC_MAGIC_PACKET && !second ? LONG_MAGIC_SIZE : CONTROL_MAGIC_SIZE;
	uint8_t magic[LONG_MAGIC_SIZE] = { 0 };
	uint32_t end;

	memcpy(magic, control_magic, sizeof(control_magic));
	clear(r);
	end = ring_lay(r, 0, magic, len);
	if (second)
		end = lay_magic(r, x);
	else if (x > end && reached(r, x))
		lay_filler(r, x, r->len);
	l->s->tx_wr = end;
	l->s->magic_len = (uint8_t)len;
	ring_publish(r, end);
	barrier_full();
	ring_arm(r, 0, len);
}

/* R7: where the reader stands, for one that cannot be reached from 0. */
static void announce_at_reader(struct proto_link *l, uint32_t x)
{
	const struct ring *r = &l->tx_ring;

	clear(r);
	ring_publish(r, x);
	l->s->tx_wr = lay_magic(r, x);
	ring_publish(r, l->s->tx_wr);
}

/* What the reader has published last; an index that cannot be is garbage and becomes 0. */
static uint32_t reader_position(struct proto_link *l)
{
	uint32_t rd = shm_load32_acquire(l->tx_ring.rd_idx);

	if (ring_index_valid(&l->tx_ring, rd))
		return rd;
	shm_store32(l->tx_ring.rd_idx, 0);
	return 0;
}

static void await(struct proto_link *l)
{
	struct session *s = l->s;

	s->phase = PHASE_WAITING;
	proto_record(l, RECORDER_TX, RECORD_ANNOUNCED, 0);
	s->count.announcements++;
	s->magic_consumed = false;
	s->rx_rd = 0;
	s->rescues = 0;
	s->at_reader = false;
	barrier_full();
	l->doorbell_due = true;
}

void classic_start(struct proto_link *l)
{
	l->s->laid_for = reader_position(l);
	announce_at_start(l, l->s->laid_for);
	await(l);
}

/*
 * The link seems to be up, and nothing that was sent since is read. For a reader that waits at 0
 * the announcement is armed once more: it is still there, and what follows it has been read by
 * nobody. A reader that stands behind it does not see the difference.
 */
static void offer_again(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->confirmed || s->at_reader || s->tx_wr < s->tx_rd)
		return;
	ring_arm(&l->tx_ring, 0, s->magic_len);
	s->rearmed = true;
}

static void doubt(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->rescues == RESCUES_TO_OFFER)
		offer_again(l);
	if (s->rescues <= RESCUES_IN_VAIN || s->rearmed)
		return;
	if (!s->confirmed || l->type != MEM_NORMAL)
		classic_lose(l, PROTO_REASON_RESTART, &s->count.restarts_silence);
}

/*
 * Rung in vain: the reader may stand where the announcement does not reach it. Otherwise the same
 * once more, byte for byte, in case the other side has written over it or over T.wr: nobody else
 * would put that right, and it would wait for ever, restarts included.
 */
static void announce_again(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t x = reader_position(l);
	bool again = x == s->laid_for && !s->at_reader;

	s->laid_for = x;
	s->at_reader = again && !reached(&l->tx_ring, x) && fits(&l->tx_ring, x);
	if (s->at_reader)
		announce_at_reader(l, x);
	else
		announce_at_start(l, x);
}

bool classic_unproven(const struct proto_link *l)
{
	const struct session *s = l->s;

	return s->phase == PHASE_UP && !s->confirmed && s->rx_rd == s->rx_up &&
	       shm_load32(l->tx_ring.rd_idx) == s->tx_wr;
}

void classic_rescue(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->phase == PHASE_UP && !classic_look(l))
		return;
	if (classic_unproven(l)) {
		/* Something to read, which says nothing: whether it is read is what we want to know. */
		classic_put(l, (enum control_type)CLASSIC_FILLER, 0, 0);
		return;
	}
	s->rescues++;
	if (s->phase == PHASE_UP)
		doubt(l);
	if (s->phase == PHASE_WAITING && s->rescues % RESCUES_PER_LAYOUT == 0)
		announce_again(l);
}

/* ------------------------------------------------------------------------------------------------
 * Coming up (R4)
 */

/* May @packet be taken before the link is up? The magic first, then whatever says nothing. */
static bool harmless(const struct session *s, const uint8_t *packet, int len)
{
	if (control_is_magic(packet, (uint32_t)len))
		return true;
	return s->magic_consumed && packet[0] == CLASSIC_FILLER;
}

static bool announcement_read(const struct proto_link *l)
{
	return shm_load32_acquire(l->tx_ring.rd_idx) == l->s->tx_wr;
}

/*
 * Is what lies in R surely not a live session of the other side, that a new read index would
 * damage? Fresh firmware has R.rd 0, and it sets its ring up before it reads ours. Another
 * libicbmsg leaves R.rd alone and may wait as we do, so of two one has to begin: the follower.
 */
static bool may_begin(const struct proto_link *l)
{
	return !l->s->initiator || shm_load32(l->rx_ring.rd_idx) == 0 || announcement_read(l);
}

/* Read the other side's announcement, as far as it is there. */
static void read_announcement(struct proto_link *l)
{
	struct session *s = l->s;
	uint8_t packet[RING_PACKET_MAX];
	uint32_t wr, next;
	int len;

	if (s->magic_consumed && shm_load32_acquire(l->rx_ring.rd_idx) != s->rx_rd) {
		/* It has started since: what we read was left from before. */
		s->magic_consumed = false;
		s->rx_rd = 0;
	}
	if (!s->magic_consumed && !may_begin(l))
		return;
	wr = ring_load_wr(&l->rx_ring);
	if (!ring_index_valid(&l->rx_ring, wr))
		return;
	while ((len = ring_peek(&l->rx_ring, s->rx_rd, wr, packet, &next)) > 0 &&
	       harmless(s, packet, len)) {
		/* At the first one R.rd may still be anything: another libicbmsg leaves it alone. */
		uint32_t rd = s->magic_consumed ? s->rx_rd : shm_load32(l->rx_ring.rd_idx);

		if (!ring_consume(&l->rx_ring, rd, next, l->type))
			return;
		s->rx_rd = next;
		s->magic_consumed = true;
		proto_record(l, RECORDER_RX, RECORD_MAGIC, 0);
		l->doorbell_due = true;
	}
}

void classic_handshake(struct proto_link *l)
{
	struct session *s = l->s;

	read_announcement(l);
	if (!s->magic_consumed || !announcement_read(l))
		return;
	/*
	 * It has consumed something new of ours, so its own ring is set up. If R.rd is not what we
	 * made it, that was a third one: the one we read from is gone. One that starts from now on
	 * finds word 0 disarmed, so this comes before the look.
	 */
	shm_store32(&l->tx_ring.data[0], 0);
	barrier_full();
	if (classic_read_index_moved(l)) {
		classic_lose(l, PROTO_REASON_RESTART, &s->count.restarts_rx_index);
		return;
	}
	s->tx_rd = s->tx_wr;
	s->rescues = 0;
	s->confirmed = false;
	s->rearmed = false;
	s->rx_up = s->rx_rd;
	s->phase = PHASE_UP;
	l->changed |= PROTO_LINK;
	proto_record(l, RECORDER_RX, RECORD_UP, 0);
}

const char *classic_diagnose(const struct proto_link *l)
{
	if (!l->s->magic_consumed)
		return "the other side has not announced itself: is it running, and are regions, "
		       "block counts, dcache-alignment and word-size the same there?";
	return "the other side has announced itself but does not read our announcement: does the "
	       "doorbell reach it? Firmware that was bound to an earlier session of this side "
	       "must be restarted";
}
