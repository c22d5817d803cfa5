// SPDX-License-Identifier: Apache-2.0
/*
 * A classic link that comes up: who is at the other side, Zephyr or another libicbmsg, and whether
 * both have read what the other has announced. Numbers in brackets are the rules of SESSIONS.md; T
 * is our tx region, R our rx region.
 */
#include "proto/classic.h"
#include "proto/classic_words.h"

/* Does R begin with an announcement? */
bool classic_begins_with_magic(const struct proto_link *l)
{
	return classic_magic_lies(&l->rx_ring, 0, ring_load_wr(&l->rx_ring));
}

bool classic_announcement_read(const struct proto_link *l)
{
	return shm_load32_acquire(l->tx_ring.rd_idx) == l->s->tx_wr;
}

/* A reader that starts finds the announcement, or would have to be offered it anew. */
bool classic_announcement_stands(const struct proto_link *l)
{
	return classic_magic_lies(&l->tx_ring, 0, l->tx_ring.len - 4);
}

/*
 * Zephyr has read it: another libicbmsg reads nothing before it has acknowledged (4c). Where no
 * word tells, firmware's own rule: a magic on a ring that was just set up is enough, or two
 * libicbmsg ends would wait for each other.
 */
static bool reader_is_firmware(const struct proto_link *l, bool read)
{
	return !l->peer_is_library && (read || (!l->tx_word && classic_begins_with_magic(l))) &&
	       shm_load32_acquire(l->rx_ring.rd_idx) == 0;
}

static void begin_shaking(struct proto_link *l, uint32_t word)
{
	l->s->peer_word = word;
	l->s->phase = PHASE_SHAKING;
}

/* It has started while we wait: what we have rung so far it has not heard. */
static void ring_for_newcomer(struct proto_link *l)
{
	uint32_t wr = ring_load_wr(&l->rx_ring);

	l->doorbell_due |= wr != l->s->rx_wr;
	l->s->rx_wr = wr;
}

/* (4) Who is it? The index is read before the word. */
static void wait_for_reader(struct proto_link *l)
{
	struct session *s = l->s;
	bool read = classic_announcement_read(l);
	uint32_t word = word_load(l->tx_word);

	ring_for_newcomer(l);
	if (word_id(word) != s->acked) {
		s->library = true;
		classic_lay_out(l);
	} else if (word_acknowledges(l, word)) {
		s->library = true;
		if (s->at_reader)
			classic_lay_out(l);
		else
			begin_shaking(l, word);
	} else if (reader_is_firmware(l, read)) {
		begin_shaking(l, word);
	}
}

/* May @packet be taken before the link is up? The magic first, then whatever says nothing (R4). */
static bool is_harmless(const struct session *s, const uint8_t *packet, int len)
{
	if (control_is_magic(packet, (uint32_t)len))
		return true;
	return s->magic_consumed && packet[0] == CLASSIC_FILLER;
}

/* Take what was copied up to @next, if the session still is the one it was written in. */
static bool take_announcement(struct proto_link *l, uint32_t next)
{
	struct session *s = l->s;
	/* Another libicbmsg leaves R.rd as it is, so at first it may be anything. */
	uint32_t rd = s->magic_consumed ? s->rx_rd : shm_load32(l->rx_ring.rd_idx);

	barrier_acquire();
	if (word_load(l->tx_word) != s->peer_word || !ring_consume(&l->rx_ring, rd, next, l->type))
		return false;
	if (!s->magic_consumed)
		proto_record(l, RECORDER_RX, RECORD_MAGIC, 0);
	s->rx_rd = next;
	s->magic_consumed = true;
	l->doorbell_due = true;
	return true;
}

/* Read the other side's announcement as far as it is there. False if that is of a session past. */
static bool read_announcement(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t wr = ring_load_wr(&l->rx_ring), next;
	uint8_t packet[RING_PACKET_MAX];
	int len;

	if (!ring_index_valid(&l->rx_ring, wr))
		return true;
	while ((len = ring_peek(&l->rx_ring, s->rx_rd, wr, packet, &next)) > 0 &&
	       is_harmless(s, packet, len))
		if (!take_announcement(l, next))
			return false;
	return true;
}

/*
 * Does the announcement lie as it was laid out? Firmware reads over a magic that somebody has
 * written into, as if it were none, and waits for another.
 */
static bool announcement_is_whole(const struct proto_link *l)
{
	const struct session *s = l->s;
	const struct ring *r = &l->tx_ring;

	if (s->at_reader)
		return classic_magic_lies(r, s->tx_rd, s->tx_laid);
	return classic_magic_lies(r, 0, s->tx_laid) &&
	       (s->tx_laid < 2 * CLASSIC_MAGIC_PACKET ||
		classic_magic_lies(r, CLASSIC_MAGIC_PACKET, s->tx_laid));
}

/*
 * (5) Who has read our announcement may have died since: something more to read shows whether its
 * reader is the one whose announcement we have read.
 */
static void ping(struct proto_link *l)
{
	l->s->tx_rd = l->s->tx_wr;
	l->s->pinged = true;
	l->s->rescues = 0;
	classic_append(l, CLASSIC_FILLER);
}

static bool is_intact_so_far(const struct proto_link *l)
{
	return l->s->magic_consumed ? !classic_sign(l) : word_load(l->tx_word) == l->s->peer_word;
}

/*
 * Firmware has started since, and what we read was left from before. Ours stands as it is, for one
 * more ping: a side that starts all the time is to be answered more and more slowly.
 */
static bool begins_again(const struct proto_link *l)
{
	return l->s->magic_consumed && classic_announcement_stands(l) &&
	       l->s->tx_wr <= l->s->tx_laid + CLASSIC_PING &&
	       l->s->tx_wr + 2 * CLASSIC_PING <= l->tx_ring.len - 8 &&
	       word_load(l->tx_word) == l->s->peer_word &&
	       shm_load32_acquire(l->rx_ring.rd_idx) == 0;
}

static void wait_again(struct session *s)
{
	s->magic_consumed = false;
	s->pinged = false;
	s->rx_rd = 0;
	s->phase = PHASE_WAITING;
}

/* Before the link is up there is nothing to lose. */
static void fail_handshake(struct proto_link *l)
{
	classic_withdraw(l);
	l->s->phase = PHASE_LOST;
	l->changed |= PROTO_LINK;
}

/* Word 0 is disarmed before the look: firmware that starts in between is seen, or waits there. */
static void come_up(struct proto_link *l)
{
	struct session *s = l->s;

	shm_store32(&l->tx_ring.data[0], 0);
	barrier_full();
	if (classic_sign(l)) {
		fail_handshake(l);
		return;
	}
	s->tx_rd = s->tx_wr;
	s->rescues = 0;
	s->phase = PHASE_UP;
	l->changed |= PROTO_LINK;
	proto_record(l, RECORDER_RX, RECORD_UP, 0);
}

static void shake(struct proto_link *l)
{
	struct session *s = l->s;

	if (begins_again(l)) {
		wait_again(s);
		return;
	}
	if (!is_intact_so_far(l) || !read_announcement(l)) {
		fail_handshake(l);
		return;
	}
	if (!s->magic_consumed || !classic_announcement_read(l))
		return;
	if (s->pinged)
		come_up(l);
	else if (announcement_is_whole(l))
		ping(l);
	else
		fail_handshake(l);
}

void classic_handshake(struct proto_link *l)
{
	if (l->s->phase == PHASE_HOLDING && !classic_is_held(l))
		classic_lay_out(l);
	/* Twice: what was laid out anew may have been acknowledged already. */
	for (int i = 0; i < 2 && l->s->phase == PHASE_WAITING; i++)
		wait_for_reader(l);
	if (l->s->phase == PHASE_SHAKING)
		shake(l);
}
