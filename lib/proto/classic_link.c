// SPDX-License-Identifier: Apache-2.0
/*
 * The classic link that is up, or is to come up: signs that the other side has started anew, losing
 * a session, and what is done about silence. R1 to R7 are the rules of protocol.md section 3;
 * numbers in brackets are the rules of SESSIONS.md, which tests/model verifies. T is our tx region,
 * R our rx region.
 */
#include "proto/classic.h"
#include "proto/classic_words.h"

/* Fruitless rescues after which the announcement is laid out anew (7). */
#define RESCUES_PER_LAYOUT 4

/* Fruitless rescues after which a reader that has read it is given up, where that is right. */
#define RESCUES_IN_VAIN 10

/* ------------------------------------------------------------------------------------------------
 * Signs of a restart (R2, 6)
 */

uint64_t *classic_sign(const struct proto_link *l)
{
	struct session *s = l->s;

	if (word_load(l->tx_word) != s->peer_word)
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
void classic_withdraw(struct proto_link *l)
{
	struct session *s = l->s;

	if (s->magic_consumed && !word_acknowledges(l, s->peer_word))
		shm_replace32(l->rx_ring.rd_idx, s->rx_rd, 0, l->type);
	s->magic_consumed = false;
}

void classic_lose(struct proto_link *l, uint8_t reason, uint64_t *sign)
{
	struct session_losses losses = session_reset(l->s, reason);

	classic_withdraw(l);
	l->s->count.tx_unknown += losses.unknown_tx;
	l->s->count.rx_dropped += losses.dropped_rx;
	l->s->count.restarts++;
	++*sign;
	proto_record(l, RECORDER_RX, RECORD_LOST, reason);
	l->changed |= PROTO_LINK | PROTO_EVENTS | PROTO_FREED;
}

void classic_lose_daemon(struct proto_link *l)
{
	/* What it has given back or sent before is to be had still. */
	if (l->s->phase == PHASE_UP)
		l->ops->pump(l);
	if (l->s->phase == PHASE_UP)
		classic_lose(l, PROTO_REASON_GONE, &l->s->count.restarts_daemon);
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
	return word_acknowledges(l, l->s->peer_word);
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

	classic_withdraw(l);
	l->s->at_reader = at_reader;
	classic_open(l);
	/* What lies in T is ours, and nobody has been in a session with us. */
	if (shm_load32_acquire(l->rx_ring.rd_idx) == 0)
		classic_lay_out(l);
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
	bool offered = s->pinged && classic_announcement_stands(l);

	return (s->phase == PHASE_WAITING || (s->phase == PHASE_SHAKING && !offered)) &&
	       !classic_announcement_read(l) && !word_acknowledges(l, word_load(l->tx_word));
}

/* Is there nothing in R but an announcement, which has been read? */
static bool has_only_announced(const struct proto_link *l)
{
	uint32_t wr = ring_load_wr(&l->rx_ring), next = 0;
	uint8_t packet[RING_PACKET_MAX];
	int len;

	if (wr != l->s->rx_rd)
		return false;
	len = ring_peek(&l->rx_ring, 0, wr, packet, &next);
	return len > 0 && control_is_magic(packet, (uint32_t)len) && next == wr;
}

/*
 * R5: on device memory the sign of a restart can be overwritten, as R.rd cannot be swapped there.
 * Who has sent more since is alive, and would be heard twice. Elsewhere silence is no sign: a core
 * that is halted in a debugger must not be disturbed.
 */
static bool may_have_restarted(const struct proto_link *l)
{
	return l->s->phase == PHASE_UP && l->type != MEM_NORMAL &&
	       !word_acknowledges(l, l->s->peer_word) && has_only_announced(l);
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
