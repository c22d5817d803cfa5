/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells with faults. Both cores ring a relay instead of each other, and it loses, delays and
 * merges their rings. libicbmsg writes to its eventfd itself, so between the two is the only place
 * where a ring can go wrong without touching either side.
 *
 * A ring goes through three steps: it is lost or not; it is on its way for a while, in which no
 * later one overtakes it; it arrives, or waits for the end of the window in which rings merge.
 */
#ifndef ICBMSG_SIM_RELAY_H
#define ICBMSG_SIM_RELAY_H

#include <stdint.h>

/* Rings on their way at once; a further one merges with the last of them. */
#define RELAY_LATE_MAX 1024u

struct relay_rules {
	double drop;      /* share of rings that get lost, 0 to below 1 */
	int64_t delay_ns; /* a ring is on its way for up to so long; 0 = none */
	int64_t merge_ns; /* rings that arrive within so long arrive as one, at its end; 0 = never */
};

struct relay_counts {
	uint64_t rung;
	uint64_t dropped;
	uint64_t delayed;
	uint64_t merged; /* delivered together with another one */
	uint64_t delivered;
};

/* The doorbell of one core. */
struct relay {
	struct relay_rules rules;
	int in;  /* eventfd that the core rings; owned */
	int out; /* eventfd that the other one waits on; the caller's */
	uint64_t random;
	int64_t due[RELAY_LATE_MAX]; /* a queue: when each ring arrives */
	unsigned int head, count;
	int64_t window_end; /* of the rings that have arrived but are held back; 0: none */
	struct relay_counts counts;
};

/* The rings of one core, from @in, which is the relay's from now on, to @out. */
void relay_init(struct relay *r, const struct relay_rules *rules, int in, int out, uint64_t random);
void relay_close(struct relay *r);

/* Take what was rung until @now. Returns how many rings. */
uint64_t relay_collect(struct relay *r, int64_t now);

/* Deliver what is due at @now. */
void relay_deliver(struct relay *r, int64_t now);

/* When relay_deliver() has something to do next, INT64_MAX for nothing. */
int64_t relay_due(const struct relay *r);

#endif
