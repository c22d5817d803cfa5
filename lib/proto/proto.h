/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link as a wire generation sees it, and the vtable behind which the generations stand.
 *
 * Nothing here waits, locks or makes a system call: the core calls under its lock, and rings the
 * doorbell when `doorbell_due` says so (before any sleep, callback or return to the caller).
 */
#ifndef ICBMSG_PROTO_PROTO_H
#define ICBMSG_PROTO_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/session.h"
#include "wire/layout.h"
#include "wire/ring.h"

struct proto_link;

/* What has changed in a link; a mask. */
enum proto_change {
	PROTO_EVENTS = 2, /* events were queued */
	PROTO_FREED = 4,  /* blocks of ours became free */
	PROTO_LINK = 8,   /* the link or an endpoint changed its state */
	PROTO_MORE = 16,  /* more is there: pump again before sleeping */
};

/* Why a session ended: the values of icbmsg.h's enum icbmsg_unbound_reason. */
enum proto_reason {
	PROTO_REASON_RESTART = 1,
	PROTO_REASON_ERROR = 2,
	PROTO_REASON_GONE = 3, /* what the link goes through, as the core knows */
};

struct proto_ops {
	const char *name; /* as in the configuration key `wire` */

	/*
	 * Initialise our side in shared memory of unknown history and announce it, unless that
	 * would damage a session of firmware: at first, and whenever the link has been lost.
	 */
	void (*start)(struct proto_link *l);

	/* The core knows that the session is over: what `start` begins anew. */
	void (*lose)(struct proto_link *l);

	/* This side ends: tell the other one, if it can be told. */
	void (*stop)(struct proto_link *l);

	/* The layout of one region, as layout_classic(). */
	int (*layout)(struct layout_region *out, const struct layout_geometry *in,
		      char error[LAYOUT_ERROR_SIZE]);

	/* Complete @l, whose regions are laid out and mapped, and begin a session's life. */
	void (*init)(struct proto_link *l);

	/*
	 * The session is lost, and its regions are laid out and mapped anew: what lay in them is
	 * nobody's any more. To be started.
	 */
	void (*remap)(struct proto_link *l);

	/* Read until nothing is there, or for so long that others should have their turn. */
	void (*pump)(struct proto_link *l);

	/* A local endpoint was registered in @slot: announce it, or match what waits for it. */
	void (*register_ept)(struct proto_link *l, int slot);

	/*
	 * Send the buffer at block @first, owned by the caller and filled, shrunk to @size bytes.
	 * 0; -ENOTCONN if the endpoint is not bound; -ECONNRESET if the other side turns out to
	 * have started anew; -EPROTO if it does not read at all. On an error the buffer stays the
	 * caller's.
	 */
	int (*send)(struct proto_link *l, int slot, uint32_t first, uint32_t size);

	/* Give a received buffer back to the other side. */
	void (*release)(struct proto_link *l, uint32_t first);

	/* Has the other side still something to read, so that silence should be followed by a rescue? */
	bool (*unread)(const struct proto_link *l);

	/* A number that changes when the other side reads. */
	uint32_t (*progress)(const struct proto_link *l);

	/*
	 * Where to look without the lock whether something has arrived: the shared word *@word
	 * holds *@idle as long as nothing has. False if looking there tells nothing now.
	 */
	bool (*watch)(const struct proto_link *l, const void **word, uint32_t *idle);

	/* The doorbell is about to be repeated in vain: try what else there is. */
	void (*rescue)(struct proto_link *l);

	/* While the link does not come up: what may be wrong, for a person. */
	const char *(*diagnose)(const struct proto_link *l);
};

typedef void (*proto_log_fn)(void *user, const char *line);

struct proto_link {
	const struct proto_ops *ops;
	struct session *s;
	struct layout_region tx, rx;
	enum mem_type type;
	uint8_t *tx_begin, *rx_begin; /* where the regions' aligned starts are mapped */
	struct ring tx_ring, rx_ring;
	uint32_t *tx_word, *rx_word; /* session words (protocol.md section 3), or NULL */
	bool peer_is_library;        /* we are told so: the other side is never Zephyr */
	bool doorbell_due;
	uint64_t now_ns;      /* for the flight recorder; kept up to date by the core */
	unsigned int changed; /* enum proto_change since the core looked last */
	uint64_t complained;  /* a bit for each of struct counters: logged already */
	proto_log_fn log;     /* misbehaviour; may be NULL */
	void *log_user;
};

extern const struct proto_ops proto_classic;

/* The generation called @name, or NULL. */
const struct proto_ops *proto_find(const char *name);

static inline void *proto_tx_block(const struct proto_link *l, uint32_t n)
{
	return l->tx_begin + l->tx.blocks_off + (size_t)n * l->tx.block_size;
}

static inline void *proto_rx_block(const struct proto_link *l, uint32_t n)
{
	return l->rx_begin + l->rx.blocks_off + (size_t)n * l->rx.block_size;
}

/* Free the blocks of a buffer of ours behind its first @keep (0 = all of it). */
void proto_free(struct proto_link *l, uint32_t first, uint32_t keep);

/* Note what happened in the flight recorder. */
void proto_record(struct proto_link *l, enum recorder_direction dir, enum recorder_kind kind,
		  uint8_t type);

/*
 * Count misbehaviour in @counter, which is one of the session's, and log a line about it unless
 * that was done already: so each kind has its counter, and each counter its line.
 */
void proto_complain(struct proto_link *l, uint64_t *counter, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
