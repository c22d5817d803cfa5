// SPDX-License-Identifier: Apache-2.0
/*
 * The classic link: coming up on memory of any history, and coming back after the other side has
 * restarted at any moment, whether it is Zephyr or another libicbmsg, which is found out at every
 * start. R1 to R7 are the rules of protocol.md section 3; numbers in brackets are the rules of
 * SESSIONS.md, which tests/model verifies. T is our tx region, R our rx region.
 */
#include "proto/classic.h"

/* Fruitless rescues after which the announcement is laid out anew (7). */
#define RESCUES_PER_LAYOUT 4

/* Fruitless rescues after which a reader that has read it is given up, where that is right at all. */
#define RESCUES_IN_VAIN 10

/* ------------------------------------------------------------------------------------------------
 * Session words: the own id in the low half, the other side's as acknowledged in the high half.
 * Where there is no room for them all of them read as 0.
 */

static uint32_t make_word(uint16_t id, uint16_t acknowledged)
{
	return (uint32_t)acknowledged << 16 | id;
}

static uint16_t id_of(uint32_t word)
{
	return (uint16_t)word;
}

static uint16_t acknowledged_by(uint32_t word)
{
	return (uint16_t)(word >> 16);
}

static uint32_t load_word(const uint32_t *word)
{
	return word ? shm_load32_acquire(word) : 0;
}

/* Say who we are and whom we have laid our ring out for; the other side has to look. */
static void say(struct proto_link *l, uint16_t acknowledged)
{
	if (l->rx_word)
		shm_store32_release(l->rx_word, make_word(l->s->id, acknowledged));
	barrier_full();
	l->doorbell_due = true;
}

/* Only another libicbmsg acknowledges the id we have now. */
static bool acknowledges(const struct proto_link *l, uint32_t word)
{
	return l->tx_word && acknowledged_by(word) == l->s->id;
}

/* Neither 0, nor the id before, nor the one that the other side has acknowledged last. */
static uint16_t new_id(const struct proto_link *l, uint16_t acknowledged)
{
	uint16_t id = id_of(load_word(l->rx_word));

	do
		id++;
	while (id == 0 || id == acknowledged);
	return id;
}

/* ------------------------------------------------------------------------------------------------
 * Signs of a restart (R2, 6)
 */

uint64_t *classic_sign(const struct proto_link *l)
{
	struct session *s = l->s;

	if (load_word(l->tx_word) != s->peer_word)
		return &s->count.restarts_word;
	if (shm_load32_acquire(l->rx_ring.rd_idx) != s->rx_rd)
		return &s->count.restarts_rx_index;
	return NULL;
}

/*
 * (8) Only an announcement has been read that nobody can read again, or the other side is Zephyr
 * and sets its ring up itself: R.rd = 0 says that we are not in its way. From another libicbmsg we
 * stay held back instead, until it has seen that we begin anew.
 */
static void withdraw(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->magic_consumed && !acknowledges(l, s->peer_word))
		shm_replace32(l->rx_ring.rd_idx, s->rx_rd, 0, l->type);
	s->magic_consumed = false;
}

void classic_lose(struct proto_link *l, uint8_t reason, uint64_t *sign)
{
	struct session_losses losses = session_reset(l->s, reason);

	withdraw(l);
	l->s->count.tx_unknown += losses.unknown_tx;
	l->s->count.rx_dropped += losses.dropped_rx;
	l->s->count.restarts++;
	++*sign;
	proto_record(l, RECORDER_RX, RECORD_LOST, reason);
	l->changed |= PROTO_LINK | PROTO_EVENTS | PROTO_FREED;
}

/* Before the link is up there is nothing to lose. */
static void fail_handshake(struct proto_link *l)
{
	withdraw(l);
	l->s->phase = PHASE_LOST;
	l->changed |= PROTO_LINK;
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
	return true;
}

bool classic_look(struct proto_link *l)
{
	uint64_t *sign = classic_sign(l);

	if (!sign && follow_reader(l))
		return true;
	classic_lose(l, PROTO_REASON_RESTART, sign ? sign : &l->s->count.restarts_tx_index);
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

bool classic_ignores_magic(const struct proto_link *l)
{
	return acknowledges(l, l->s->peer_word);
}

/* ------------------------------------------------------------------------------------------------
 * Announcing ourselves
 */

/* (1) Who we are now; nothing else is written before it is sure that nobody is in a session. */
static void open_session(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = load_word(l->tx_word);

	s->phase = PHASE_HOLDING;
	s->seen = id_of(word);
	s->id = l->rx_word ? new_id(l, acknowledged_by(word)) : 0;
	s->library = false;
	s->magic_consumed = false;
	say(l, 0);
}

static bool indices_valid(const struct ring *r)
{
	return ring_index_valid(r, shm_load32(r->rd_idx)) &&
	       ring_index_valid(r, shm_load32(r->wr_idx));
}

/* Is the packet at @at of @r, where packets lie up to @wr, a magic? */
static bool magic_lies_at(const struct ring *r, uint32_t at, uint32_t wr)
{
	uint8_t packet[RING_PACKET_MAX];
	uint32_t next;
	int len;

	if (!ring_index_valid(r, wr))
		return false;
	len = ring_peek(r, at, wr, packet, &next);
	return len > 0 && control_is_magic(packet, (uint32_t)len);
}

/* Does R begin with an announcement? */
static bool begins_with_magic(const struct proto_link *l)
{
	return magic_lies_at(&l->rx_ring, 0, ring_load_wr(&l->rx_ring));
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

/* Firmware that has started has set R.rd to 0, which it can also be in a session, at the ring's end. */
static bool has_started(const struct proto_link *l)
{
	return shm_load32_acquire(l->rx_ring.rd_idx) == 0 && begins_with_magic(l);
}

/*
 * (2) May memory hold a live session of firmware with an earlier program of this side, which a new
 * layout would damage?
 */
static bool is_held(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = load_word(l->tx_word);

	if (id_of(word) != s->seen || acknowledges(l, word))
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
static void lay_out(struct proto_link *l)
{
	struct session *s = l->s;
	uint32_t word = load_word(l->tx_word);

	s->acked = id_of(word);
	s->library |= s->acked != s->seen || acknowledges(l, word);
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
	open_session(l);
	classic_handshake(l);
}

void classic_stop(struct proto_link *l)
{
	/* Another libicbmsg sees that this session is over; Zephyr cannot be told. */
	if (l->rx_word)
		open_session(l);
	l->s->phase = PHASE_CLOSED;
}

/* ------------------------------------------------------------------------------------------------
 * Coming up
 */

static bool announcement_read(const struct proto_link *l)
{
	return shm_load32_acquire(l->tx_ring.rd_idx) == l->s->tx_wr;
}

/*
 * Zephyr has read it: another libicbmsg reads nothing before it has acknowledged (4c). Where no
 * word tells, firmware's own rule: a magic on a ring that was just set up is enough, or two
 * libicbmsg ends would wait for each other.
 */
static bool reader_is_firmware(const struct proto_link *l, bool read)
{
	return !l->peer_is_library && (read || (!l->tx_word && begins_with_magic(l))) &&
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
	bool read = announcement_read(l);
	uint32_t word = load_word(l->tx_word);

	ring_for_newcomer(l);
	if (id_of(word) != s->acked) {
		s->library = true;
		lay_out(l);
	} else if (acknowledges(l, word)) {
		s->library = true;
		if (s->at_reader)
			lay_out(l);
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
	if (load_word(l->tx_word) != s->peer_word || !ring_consume(&l->rx_ring, rd, next, l->type))
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
		return magic_lies_at(r, s->tx_rd, s->tx_laid);
	return magic_lies_at(r, 0, s->tx_laid) &&
	       (s->tx_laid < 2 * CLASSIC_MAGIC_PACKET ||
		magic_lies_at(r, CLASSIC_MAGIC_PACKET, s->tx_laid));
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
	return l->s->magic_consumed ? !classic_sign(l) : load_word(l->tx_word) == l->s->peer_word;
}

/* A reader that starts finds the announcement, or would have to be offered it anew. */
static bool announcement_stands(const struct proto_link *l)
{
	return magic_lies_at(&l->tx_ring, 0, l->tx_ring.len - 4);
}

/*
 * Firmware has started since, and what we read was left from before. Ours stands as it is, for one
 * more ping: a side that starts all the time is to be answered more and more slowly.
 */
static bool begins_again(const struct proto_link *l)
{
	return l->s->magic_consumed && announcement_stands(l) &&
	       l->s->tx_wr <= l->s->tx_laid + CLASSIC_PING &&
	       l->s->tx_wr + 2 * CLASSIC_PING <= l->tx_ring.len - 8 &&
	       load_word(l->tx_word) == l->s->peer_word &&
	       shm_load32_acquire(l->rx_ring.rd_idx) == 0;
}

static void wait_again(struct session *s)
{
	s->magic_consumed = false;
	s->pinged = false;
	s->rx_rd = 0;
	s->phase = PHASE_WAITING;
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
	if (!s->magic_consumed || !announcement_read(l))
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
	if (l->s->phase == PHASE_HOLDING && !is_held(l))
		lay_out(l);
	/* Twice: what was laid out anew may have been acknowledged already. */
	for (int i = 0; i < 2 && l->s->phase == PHASE_WAITING; i++)
		wait_for_reader(l);
	if (l->s->phase == PHASE_SHAKING)
		shake(l);
}

/* ------------------------------------------------------------------------------------------------
 * Rescue
 */

/*
 * (7) Rung in vain: the reader may stand where the announcement does not reach it, or somebody has
 * written over it. All of it once more; on every other time where the reader stands (R7).
 */
static void announce_again(struct proto_link *l)
{
	bool at_reader = !l->s->at_reader;

	withdraw(l);
	l->s->at_reader = at_reader;
	open_session(l);
	/* What lies in T is ours, and nobody has been in a session with us. */
	if (shm_load32_acquire(l->rx_ring.rd_idx) == 0)
		lay_out(l);
	classic_handshake(l);
}

/*
 * Who has read our announcement, but not the ping, is slow, or shows itself when it starts anew. Yet
 * T.rd can be of a past life, and the announcement be written over, on the smallest rings by the ping
 * itself: then it is offered anew, later than to who has read nothing.
 */
static uint32_t patience(const struct session *s)
{
	return s->pinged ? RESCUES_IN_VAIN : RESCUES_PER_LAYOUT;
}

static bool may_be_stuck(const struct proto_link *l)
{
	const struct session *s = l->s;
	bool offered = s->pinged && announcement_stands(l);

	return (s->phase == PHASE_WAITING || (s->phase == PHASE_SHAKING && !offered)) &&
	       !announcement_read(l) && !acknowledges(l, load_word(l->tx_word));
}

/*
 * R5: on device memory the sign of a restart can be overwritten, as R.rd cannot be swapped there.
 * Elsewhere silence is no sign: a core that is halted in a debugger must not be disturbed.
 */
static bool may_have_restarted(const struct proto_link *l)
{
	return l->s->phase == PHASE_UP && l->type != MEM_NORMAL &&
	       !acknowledges(l, l->s->peer_word);
}

void classic_rescue(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->phase == PHASE_UP && !classic_look(l))
		return;
	s->rescues++;
	if (may_have_restarted(l) && s->rescues > RESCUES_IN_VAIN)
		classic_lose(l, PROTO_REASON_RESTART, &s->count.restarts_silence);
	else if (may_be_stuck(l) && s->rescues % patience(s) == 0)
		announce_again(l);
	else if (s->phase == PHASE_SHAKING || s->phase == PHASE_UP)
		/* Ours, and yet it may have been written over. */
		ring_publish(&l->tx_ring, s->tx_wr);
}

const char *classic_diagnose(const struct proto_link *l)
{
	if (l->s->phase == PHASE_HOLDING)
		return l->tx_word ?
			       "the memory holds a session of an earlier program of this side, and "
			       "the other side has not started anew since: restart the firmware" :
			       "the memory holds a session of an earlier program of this side, and "
			       "the other side has not started anew since: restart the firmware "
			       "(between two libicbmsg ends dcache-alignment 8, or peer = libicbmsg "
			       "on both, makes this unnecessary)";
	if (l->peer_is_library && !l->s->library)
		return "no libicbmsg answers: is the other side running, with the same geometry "
		       "and with peer = libicbmsg?";
	if (l->s->phase == PHASE_WAITING)
		return "the other side does not read our announcement: is it running, are regions, "
		       "block counts, dcache-alignment and word-size the same there, and does the "
		       "doorbell reach it?";
	return "the other side has read our announcement but has not announced itself: are "
	       "regions, block counts, dcache-alignment and word-size the same there?";
}
