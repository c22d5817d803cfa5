/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet ring in the control area of a region (protocol.md section 2): one producer, one
 * consumer, one of them in the other domain.
 *
 * Each side keeps its own index privately (in the session) and passes it in; only the other side's
 * index is read from shared memory, once per call, and checked. Everything in a ring is a whole
 * number of 32-bit words, so all accesses are aligned words, on any type of memory.
 */
#ifndef ICBMSG_WIRE_RING_H
#define ICBMSG_WIRE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/access.h"
#include "wire/layout.h"

#define RING_PACKET_HEADER 4u
#define RING_PACKET_MAX 128u /* Zephyr's read buffer: longer packets are never consumed there */

/* A view of one ring in mapped memory. */
struct ring {
	uint32_t *rd_idx; /* shared; written by the consumer */
	uint32_t *wr_idx; /* shared; written by the producer */
	uint32_t *data;   /* shared */
	uint32_t len;     /* bytes of data, a multiple of 4 */
};

/* @begin: where the region's aligned start is mapped; must be aligned to 4 bytes. */
void ring_init(struct ring *r, void *begin, const struct layout_region *layout);

static inline bool ring_index_valid(const struct ring *r, uint32_t idx)
{
	return idx % 4 == 0 && idx < r->len;
}

/* Bytes from @from forward to @to. */
static inline uint32_t ring_distance(const struct ring *r, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + r->len - from;
}

/* Bytes free for packets; one word always stays free, to tell full from empty. */
static inline uint32_t ring_space(const struct ring *r, uint32_t wr, uint32_t rd)
{
	return r->len - 4 - ring_distance(r, rd, wr);
}

/* The bytes a packet of @len payload bytes takes in the ring. */
static inline uint32_t ring_packet_size(uint32_t len)
{
	return RING_PACKET_HEADER + (len + 3) / 4 * 4;
}

/*
 * Producer: lay out one packet at the private index *@wr and advance it, without publishing.
 * Padding is written as zero.
 *
 * Returns 0; -EMSGSIZE for 0 or more than RING_PACKET_MAX bytes; -EPROTO if the consumer's index
 * is invalid; -ENOBUFS if there is no room.
 */
int ring_put(const struct ring *r, uint32_t *wr, const void *packet, uint32_t len);

/*
 * Producer: store the payload of a packet that starts at @idx, whatever the consumer does there;
 * returns the index behind it. The packet counts once ring_arm() has stored its header.
 */
uint32_t ring_lay(const struct ring *r, uint32_t idx, const void *packet, uint32_t len);

/* Producer: store the header of the packet at @idx, with everything before it visible. */
void ring_arm(const struct ring *r, uint32_t idx, uint32_t len);

/* Producer: make everything up to @wr visible to the consumer. */
static inline void ring_publish(const struct ring *r, uint32_t wr)
{
	shm_store32_release(r->wr_idx, wr);
}

/*
 * Producer, after ring_publish: was the ring empty before @wr_before, so that the consumer may be
 * asleep and needs a doorbell? One half of Dekker's pattern (protocol.md section 6).
 *
 * To be asked after every ring_publish, @wr_before being the index published before that one: the
 * consumer can fall asleep behind any index it has seen. Only the ringing itself may be put off and
 * done once for several publishes; or several packets are laid out and published at once.
 */
static inline bool ring_needs_doorbell(const struct ring *r, uint32_t wr_before)
{
	barrier_full();
	return shm_load32_acquire(r->rd_idx) == wr_before;
}

/* Consumer: the producer's index, to be validated with ring_index_valid(). */
static inline uint32_t ring_load_wr(const struct ring *r)
{
	return shm_load32_acquire(r->wr_idx);
}

/*
 * Consumer: copy the packet at @rd out, @wr being a valid producer's index. *@next is the index
 * behind it. Nothing is consumed.
 *
 * Returns the packet's length (1 to RING_PACKET_MAX); 0 if the ring is empty; -EPROTO if what lies
 * there cannot be a packet. The padding is copied too: up to three bytes behind the packet's
 * length.
 */
int ring_peek(const struct ring *r, uint32_t rd, uint32_t wr, uint8_t packet[RING_PACKET_MAX],
	      uint32_t *next);

/*
 * Consumer: give everything before @rd back to the producer. False, with nothing stored, if the
 * shared index is not @expected any more: the producer has started anew (protocol.md, R2).
 */
static inline bool ring_consume(const struct ring *r, uint32_t expected, uint32_t rd,
				enum mem_type type)
{
	return shm_replace32(r->rd_idx, expected, rd, type);
}

/*
 * Consumer, before it sleeps and after ring_consume: is the ring really empty? The other half of
 * Dekker's pattern. A malformed index counts as empty.
 */
static inline bool ring_is_idle(const struct ring *r, uint32_t rd)
{
	uint32_t wr;

	barrier_full();
	wr = shm_load32_acquire(r->wr_idx);
	return wr == rd || !ring_index_valid(r, wr);
}

#endif
