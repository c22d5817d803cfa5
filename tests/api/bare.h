/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A classic link without the core around it: nothing happens but what a test calls, and every word
 * of both rings can be looked at. The peer is a Zephyr-like reader and writer made by hand. All of
 * it lies in shared memory, so that it can be watched while another process runs the link.
 */
#ifndef ICBMSG_TESTS_BARE_H
#define ICBMSG_TESTS_BARE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/classic.h"

#define BARE_BLOCKS 4u
#define BARE_RING_MIN 32u
#define BARE_RING_MAX 512u

struct bare {
	struct proto_link l;
	struct session s;
	struct ring in, out; /* the peer reads (T), the peer writes (R) */
	uint32_t rd, wr;     /* the peer's own indices */
	bool bound;          /* it has read a magic */
	unsigned int magics; /* read */
	unsigned int stopped;
	unsigned int packets; /* control messages read, and the last of them */
	struct control last;
	uint8_t region[2][12 + 4 + BARE_RING_MAX + BARE_BLOCKS * 32] __attribute__((aligned(8)));
};

/* Memory filled with @fill, rings of @ring_len bytes each; not started. */
struct bare *bare_new(uint32_t ring_len, bool initiator, uint8_t fill);
/* The same for an initiator, with room for session words. */
struct bare *bare_new_words(uint32_t ring_len, uint8_t fill);
void bare_free(struct bare *b);

/* The peer starts: wr_idx and rd_idx of its ring 0, a magic, nothing else. */
void bare_boot(struct bare *b);

/* The peer reads until the ring is empty, or it is stopped by a length of 0 or over 128. */
void bare_read(struct bare *b);

/* The peer writes a packet; its words. */
void bare_put(struct bare *b, const void *packet, uint32_t len);
void bare_control(struct bare *b, uint8_t type, uint8_t ept, uint32_t block);

/* bare_new() on zeroed memory, started, and both sides have read what makes the link come up. */
struct bare *bare_up(uint32_t ring_len, bool initiator);

/* The peer, which has started, and libicbmsg read until the link is up. */
void bare_come_up(struct bare *b);

/* Start libicbmsg's side; let it find @times that nothing was read. */
void bare_start(struct bare *b);
void bare_rescue(struct bare *b, int times);

/* libicbmsg sends a control message, which starts neither at 0 nor in the last word (R1). */
void bare_send(struct bare *b, uint32_t block);

/* The link has just been given up, once, and for this reason; frees @b. */
void bare_assert_lost(struct bare *b, enum proto_reason reason);

/* The header of a packet of @len bytes, as it lies in memory. */
uint32_t bare_header(uint32_t len);

/* The words of T. */
uint32_t bare_word(const struct bare *b, uint32_t idx);
uint32_t bare_tx_wr(const struct bare *b);
uint32_t bare_tx_rd(const struct bare *b);
uint32_t bare_rx_rd(const struct bare *b);

/* Does the packet with the magic start at @idx of T, whole? */
bool bare_magic_at(const struct bare *b, uint32_t idx);

/*
 * Run @run in another process, one instruction at a time, and call @look behind each until it
 * returns false; then the rest of @run at once. Returns the instructions, or 0 where that cannot be
 * done (then nothing was run). All that @run is to leave behind has to be in @b.
 */
unsigned long bare_step(struct bare *b, void (*run)(struct bare *b),
			bool (*look)(struct bare *b, unsigned long step, void *arg), void *arg);

#endif
