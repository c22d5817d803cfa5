/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of one session of a link, common to all wire generations: who owns which block, which
 * endpoints are bound, what has arrived and was not delivered.
 *
 * One plain struct without pointers, locks or descriptors, so that it can live in a file-backed
 * mapping and outlast the process. Functions here touch this struct only, never shared memory.
 */
#ifndef ICBMSG_PROTO_SESSION_H
#define ICBMSG_PROTO_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/counters.h"
#include "proto/recorder.h"
#include "wire/blocks.h"
#include "wire/control.h"

#define SESSION_EPT_MAX CONTROL_EPT_MAX
#define SESSION_NAME_MAX 255u
#define SESSION_NO_EPT 0xffu

/* At most one event of each kind but data is queued per endpoint, and one data event per block. */
#define SESSION_EVENTS 2048u

/* In the order in which a link comes up; what is below PHASE_UP has still to do so. */
enum session_phase {
	PHASE_HOLDING, /* memory may hold a live session: nothing is written before that is over */
	PHASE_WAITING, /* announced; who the other side is does not show yet */
	PHASE_SHAKING, /* nothing but announcements may be believed */
	PHASE_UP,
	PHASE_LOST,   /* the other side started anew or broke; to be announced to again */
	PHASE_CLOSED, /* by our own wish */
};

/* Who owns the buffer that starts at a block of our region. */
enum tx_state {
	TX_FREE,
	TX_OWNED,   /* the caller fills it */
	TX_SENDING, /* intent: being published */
	TX_SENT,    /* the other side has it until it releases it */
};

struct session_tx {
	uint8_t state;  /* enum tx_state */
	uint8_t ept;    /* slot it was sent on, SESSION_NO_EPT for an announcement */
	uint16_t count; /* blocks; our own record is what is freed, never the header */
	/* The tracked message that lies or lay here: kept until the blocks are taken again. */
	uint32_t number; /* 0: there is none */
	bool lost;       /* its session ended before it was released */
};

/* What is known of a tracked message. */
enum tx_fate {
	TX_FATE_NONE, /* it was never sent */
	TX_FATE_OUTSTANDING,
	TX_FATE_RELEASED,
	TX_FATE_LOST, /* with its session, or so long ago that it is not known */
};

/* A buffer of the other side's region, by its first block. Ours while it is pending or held. */
struct session_rx {
	uint32_t size;    /* payload bytes, as checked on arrival */
	uint32_t arrival; /* its number: tells one use of the blocks from the next */
	uint32_t holds;
	bool pending; /* its event is queued or being handled */
};

enum ept_state {
	EPT_UNUSED,
	EPT_UNBOUND,
	EPT_ANNOUNCED, /* initiator: BOUND is out */
	EPT_BOUND,
};

/* The event kinds that can be queued; also bits in session_ept.queued. */
enum session_event_kind {
	EVENT_NONE = 0,
	EVENT_BOUND = 1,
	EVENT_UNBOUND = 2,
	EVENT_WRITABLE = 4,
	EVENT_ERROR = 8,
	EVENT_DATA = 16,
	EVENT_RELEASED = 32,
};

struct session_event {
	uint8_t kind;
	uint8_t ept;
	uint8_t block; /* DATA */
};

struct session_ept {
	uint8_t state; /* enum ept_state */
	uint8_t address;
	bool registered;
	bool joining; /* the daemon is being asked for it: the slot is taken */
	bool wants_writable;
	uint8_t queued;         /* kinds in the event queue, but DATA */
	uint8_t unbound_reason; /* of the UNBOUND event */
	uint32_t unknown_tx;    /* of the UNBOUND event */
	int32_t refusal;        /* of the ERROR event: the daemon's, a negative errno; or 0 */
	uint64_t tx_messages, tx_bytes, rx_messages, rx_bytes;
	char name[SESSION_NAME_MAX + 1];
};

/* What a file with a session in it begins with. */
#define SESSION_MAGIC UINT64_C(0x313047534d424349) /* "ICBMSG01" where words are little-endian */

struct session {
	uint64_t magic; /* SESSION_MAGIC once it is initialised */
	uint64_t size;  /* sizeof(struct session) of the version that wrote it */

	uint32_t generation; /* counts the link's re-initialisations; part of rx handles */
	uint8_t phase;       /* enum session_phase */
	bool initiator;

	/* Classic, our rings: private indices. Whether a TX_SENDING packet is out
	 * shows in shared memory: its wr_idx is tx_wr then. */
	uint32_t tx_wr;
	uint32_t rx_rd;
	uint32_t tx_laid; /* where the announcement ends */
	/* Classic, the other side's reading of our ring. */
	uint32_t tx_rd;      /* last seen in shared memory */
	uint32_t rescues;    /* rung in vain since it last read, or since the announcement */
	bool at_reader;      /* the announcement lies where the reader stands (R7) */
	bool magic_consumed; /* we have read the other side's */
	bool pinged;         /* there is more for it to read than the announcement */
	uint32_t rx_wr;      /* its write index as last seen before the link was up */
	/* Classic, session words (proto/SESSIONS.md). */
	bool library;       /* the other side has shown that it is libicbmsg */
	uint16_t id;        /* ours */
	uint16_t seen;      /* the other side's, when we opened */
	uint16_t acked;     /* the other side's, as we have acknowledged it */
	uint32_t peer_word; /* the other side's word in the session that is coming up, or up */

	/* Restarts in a row, with no working link in between: back off. */
	uint32_t storm;
	int64_t retry_at; /* in PHASE_LOST: when to announce again; CLOCK_MONOTONIC ns */

	struct block_map tx_free;
	uint32_t tx_used; /* blocks not in tx_free */
	struct session_tx tx[LAYOUT_BLOCKS_MAX];
	struct session_rx rx[LAYOUT_BLOCKS_MAX];
	uint32_t rx_ours, rx_pending; /* how many in @rx are ours, are pending */
	uint32_t rx_hold_blocks;      /* blocks of those that are held */

	uint32_t ept_count; /* slots ever used, in order of registration */
	struct session_ept ept[SESSION_EPT_MAX];
	uint8_t ept_of_address[SESSION_EPT_MAX]; /* slot, or SESSION_NO_EPT */

	/* Follower: first block + 1 of an announcement that no local endpoint has matched yet. */
	uint16_t parked[SESSION_EPT_MAX];

	bool announce_due; /* initiator: some registered endpoint's name is still to be sent */
	uint32_t arrivals; /* messages ever queued */
	uint32_t tracked;  /* messages ever tracked */
	uint32_t writers;  /* endpoints with wants_writable */
	uint32_t event_head, event_tail; /* free-running; tail is where the next goes */
	struct session_event events[SESSION_EVENTS];

	/* From here on what outlives the session proper: never cleared. */
	struct counters count;
	struct recorder recorder;
};

/* Does @s, read from a file of @size bytes, hold a session of this version? */
static inline bool session_valid(const struct session *s, size_t size)
{
	return size >= sizeof(*s) && s->magic == SESSION_MAGIC && s->size == sizeof(*s);
}

/* Begin anew; an earlier owner's counters and flight recorder stay and go on. */
void session_init(struct session *s, uint32_t tx_blocks, bool initiator);

/* Slot of the endpoint @name, or -1. */
int session_find_ept(const struct session *s, const char *name);

/*
 * Mark @name registered, in its old slot or the next free one; returns the slot, -EEXIST or
 * -ENOSPC.
 */
int session_register(struct session *s, const char *name);

/*
 * Take a slot for @name as session_register() does, but register nothing before session_joined()
 * says whether it came to that.
 */
int session_join(struct session *s, const char *name);
void session_joined(struct session *s, int slot, bool registered);

/* The slot an address stands for, or -1. */
int session_ept_by_address(const struct session *s, uint8_t address);

/* The endpoint becomes bound under @address; queues the event if it is registered. */
void session_bind(struct session *s, int slot, uint8_t address);

struct session_losses {
	uint32_t unknown_tx; /* sent messages whose fate is not known */
	uint32_t dropped_rx; /* received messages that nobody was given */
};

/*
 * The other side started anew: what it had of ours is lost and counted, what we had of its is void,
 * no endpoint is bound. Buffers that the caller fills stay its own.
 */
struct session_losses session_reset(struct session *s, uint8_t reason);

/* The reason of unbound events that nobody has seen yet is known better now. */
void session_blame(struct session *s, uint8_t reason);

/* Queue an event; one of each kind but DATA per endpoint, a second is merged into the first. */
void session_push(struct session *s, enum session_event_kind kind, int slot, uint8_t block);

/*
 * Queue a message of @size bytes for @slot. The block must not be ours already, which bounds the
 * queue.
 */
void session_push_data(struct session *s, int slot, uint8_t block, uint32_t size);

/*
 * Mark the endpoint in @slot not registered and take its events back. @blocks: of the messages
 * among them, still pending, to be released. Returns how many.
 */
uint32_t session_deregister(struct session *s, int slot, uint8_t blocks[LAYOUT_BLOCKS_MAX]);

/* Take the oldest event. */
bool session_pop(struct session *s, struct session_event *ev);

static inline bool session_has_events(const struct session *s)
{
	return s->event_head != s->event_tail;
}

/* Our region is another one, of @tx_blocks: nothing of it is taken, sent or being filled. */
void session_forget_tx(struct session *s, uint32_t tx_blocks);

/* Take @count consecutive blocks for the caller; the first one's index or -1. */
int session_tx_take(struct session *s, uint32_t count);

/*
 * Free the blocks of a buffer behind its first @keep (0 = all of it), and tell every endpoint that
 * waits for some. Returns whether there was anything to free.
 */
bool session_tx_shrink(struct session *s, uint32_t first, uint32_t keep);

/*
 * Track the message that was sent from block @first. The handle has session, message and block in
 * it: no two messages share one in 16 million.
 */
uint64_t session_tx_track(struct session *s, uint32_t first);

/* What became of it. */
enum tx_fate session_tx_fate(const struct session *s, uint64_t handle);

/*
 * The other side is done with the message at @first, whose blocks are freed next. True if an event
 * was queued.
 */
bool session_tx_released(struct session *s, uint32_t first);

/* The endpoint could not send for want of blocks: it gets an event when some become free. */
void session_want_writable(struct session *s, int slot);

static inline bool session_rx_ours(const struct session_rx *rx)
{
	return rx->pending || rx->holds > 0;
}

/* The message at @block is dealt with. True if the buffer is to be released now. */
bool session_rx_done(struct session *s, uint8_t block);

/*
 * Hold the buffer at @block, of @blocks blocks, once more or once less. The latter returns true if
 * the buffer is to be released now.
 */
void session_rx_hold(struct session *s, uint8_t block, uint32_t blocks);
bool session_rx_unhold(struct session *s, uint8_t block, uint32_t blocks);

/* The sum of all holds. */
uint32_t session_rx_holds(const struct session *s);

#endif
