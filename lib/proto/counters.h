/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted on a link. Names, units and meanings are in core/counters.c; a new member needs
 * a line there, and nothing else.
 *
 * Plain numbers, changed under the instance's lock only. Who looks from outside, at a state-file,
 * may see one that is a step behind the others.
 */
#ifndef ICBMSG_PROTO_COUNTERS_H
#define ICBMSG_PROTO_COUNTERS_H

#include <stdint.h>

#include "mem/doorbell_counters.h"

struct counters {
	uint64_t opens;
	uint64_t announcements;

	/* How restarts of the other side were noticed; their sum is `restarts`. */
	uint64_t restarts;
	uint64_t restarts_magic, restarts_word, restarts_rx_index, restarts_tx_index,
		restarts_packet;
	uint64_t restarts_silence, restarts_daemon;
	uint64_t storms, backoffs, unanswered;

	uint64_t tx_messages, tx_bytes, tx_unknown;
	uint64_t rx_messages, rx_bytes, rx_dropped;
	uint64_t tx_packets, rx_packets;
	uint64_t parked_total;

	uint64_t waits, wait_longest, tx_refused;
	uint64_t tx_blocks_peak, rx_held_peak, rx_pending_peak, rx_hold_blocks_peak;
	uint64_t events_peak, tx_ring_peak, rx_ring_peak, parked_peak;

	uint64_t doorbells_sent, doorbells_elided, doorbells_received, doorbells_spurious;
	uint64_t rescues, doorbells_lost, rx_rescues;
	struct doorbell_counters doorbell;
	uint64_t pumps;

	/* Misbehaviour, counted by proto_complain(). */
	uint64_t bad_packets, bad_types, bad_blocks, bad_endpoints, bad_releases, bad_bounds;
	uint64_t bad_readers, parked_full, held_full;

	uint64_t stale_releases;
};

#define COUNTERS (sizeof(struct counters) / sizeof(uint64_t))

static inline void counters_peak(uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

#endif
