// SPDX-License-Identifier: Apache-2.0
/*
 * Opening a classic session: who we are, whether memory may be written, and our announcement.
 * Numbers in brackets are the rules of SESSIONS.md; T is our tx region, R our rx region.
 */
#include "proto/classic.h"
#include "proto/classic_words.h"

/* Say who we are and whom we have laid our ring out for; the other side has to look. */
static void say(struct proto_link *l, uint16_t acknowledged)
{
	if (l->rx_word)
		shm_store32_release(l->rx_word, word_make(l->s->id, acknowledged));
	barrier_full();
	l->doorbell_due = true;
}

/* Neither 0, nor the id before, nor the one that the other side has acknowledged last. */
static uint16_t new_id(const struct proto_link *l, uint16_t acknowledged)
{
	uint16_t id = word_id(word_load(l->rx_word));

	do
		id++;
	while (id == 0 || id == acknowledged);
	return id;
}

/* (1) Who we are now; nothing else is written before it is sure that nobody is in a session. */
void classic_open(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = word_load(l->tx_word);

	s->phase = PHASE_HOLDING;
	s->seen = word_id(word);
	s->id = l->rx_word ? new_id(l, word_acknowledged(word)) : 0;
	s->library = false;
	s->magic_consumed = false;
	say(l, 0);
}

static bool indices_valid(const struct ring *r)
{
	return ring_index_valid(r, shm_load32(r->rd_idx)) &&
	       ring_index_valid(r, shm_load32(r->wr_idx));
}

/*
 * Can there be a session of an earlier program of this side? Not where an index cannot be one, nor
 * where T.wr is 0, which it never is in a session (R1).
 */
static bool may_have_been_used(const struct proto_link *l)
{
	return indices_valid(&l->rx_ring) && indices_valid(&l->tx_ring) &&
	       shm_load32(l->tx_ring.wr_idx) != 0;
}

/* Firmware that starts sets R.rd to 0; in a session it can be that, too, at the ring's end. */
static bool has_started(const struct proto_link *l)
{
	return shm_load32_acquire(l->rx_ring.rd_idx) == 0 && classic_begins_with_magic(l);
}

/*
 * (2) May memory hold a live session of firmware with an earlier program of this side, which a new
 * layout would damage?
 */
bool classic_is_held(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = word_load(l->tx_word);

	if (word_id(word) != s->seen || word_acknowledges(l, word))
		s->library = true;
	return !s->library && may_have_been_used(l) && !has_started(l);
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

/*
 * (3) What is acknowledged is that T is laid out for the other side's id: so the id is read first.
 * T.rd stays what it is, and the announcement ends elsewhere: T.rd = w is news.
 */
void classic_lay_out(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = word_load(l->tx_word);

	s->acked = word_id(word);
	s->library |= s->acked != s->seen || word_acknowledges(l, word);
	s->seen = s->acked;
	classic_magic_clear(&l->tx_ring);
	s->tx_rd = reader_position(l);
	s->at_reader = s->at_reader && !s->library && !classic_magic_reaches(&l->tx_ring, s->tx_rd);
	if (s->at_reader)
		s->tx_wr = classic_magic_at_reader(&l->tx_ring, s->tx_rd);
	else
		s->tx_wr = classic_magic_at_start(&l->tx_ring, s->tx_rd);
	s->tx_laid = s->tx_wr;
	s->rx_rd = 0;
	s->rx_wr = ring_load_wr(&l->rx_ring);
	s->rescues = 0;
	s->magic_consumed = false;
	s->pinged = false;
	s->phase = PHASE_WAITING;
	say(l, s->at_reader ? 0 : s->acked);
	proto_record(l, RECORDER_TX, RECORD_ANNOUNCED, 0);
	s->count.announcements++;
}

void classic_start(struct proto_link *l)
{
	l->s->at_reader = false;
	classic_open(l);
	classic_handshake(l);
}

void classic_stop(struct proto_link *l)
{
	/* Another libicbmsg sees that this session is over; Zephyr cannot be told. */
	if (l->rx_word)
		classic_open(l);
	l->s->phase = PHASE_CLOSED;
}
