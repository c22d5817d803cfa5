// SPDX-License-Identifier: Apache-2.0
/*
 * Packets in the ring: a 16-bit big-endian length and two zero bytes, the payload, padding to a
 * word (protocol.md section 2). Words wrap around the end one by one, so a packet may start
 * anywhere. Nearly all packets are control messages of three bytes: payloads move by words, never
 * by bytes.
 */
#include "wire/ring.h"

#include <errno.h>

void ring_init(struct ring *r, void *begin, const struct layout_region *layout)
{
	uint8_t *base = begin;

	r->rd_idx = (uint32_t *)(void *)(base + layout->rd_idx);
	r->wr_idx = (uint32_t *)(void *)(base + layout->wr_idx);
	r->data = (uint32_t *)(void *)(base + layout->ring_data);
	r->len = layout->ring_len;
}

static inline uint32_t advance(const struct ring *r, uint32_t idx)
{
	idx += 4;
	return idx == r->len ? 0 : idx;
}

/* The packet header as the little-endian word that the accessors move. */
static inline uint32_t header_word(uint32_t len)
{
	return (len >> 8 & 0xff) | (len & 0xff) << 8;
}

static inline uint32_t header_length(uint32_t word)
{
	return (word & 0xff) << 8 | (word >> 8 & 0xff);
}

/* One to four payload bytes as the word that the accessors move; the rest of the word is zero. */
static inline uint32_t pack(const uint8_t *src, uint32_t n)
{
	uint32_t word = src[0];

	if (n > 1)
		word |= (uint32_t)src[1] << 8;
	if (n > 2)
		word |= (uint32_t)src[2] << 16;
	if (n > 3)
		word |= (uint32_t)src[3] << 24;
	return word;
}

uint32_t ring_lay(const struct ring *r, uint32_t idx, const void *packet, uint32_t len)
{
	const uint8_t *src = packet;

	idx = advance(r, idx);
	for (; len > 4; len -= 4, src += 4) {
		shm_store32(&r->data[idx / 4], pack(src, 4));
		idx = advance(r, idx);
	}
	shm_store32(&r->data[idx / 4], pack(src, len));
	return advance(r, idx);
}

void ring_arm(const struct ring *r, uint32_t idx, uint32_t len)
{
	shm_store32_release(&r->data[idx / 4], header_word(len));
}

int ring_put(const struct ring *r, uint32_t *wr, const void *packet, uint32_t len)
{
	uint32_t idx = *wr;
	uint32_t rd;

	if (len == 0 || len > RING_PACKET_MAX)
		return -EMSGSIZE;
	rd = shm_load32_acquire(r->rd_idx);
	if (!ring_index_valid(r, rd))
		return -EPROTO;
	if (ring_packet_size(len) > ring_space(r, idx, rd))
		return -ENOBUFS;
	shm_store32(&r->data[idx / 4], header_word(len));
	*wr = ring_lay(r, idx, packet, len);
	return 0;
}

int ring_peek(const struct ring *r, uint32_t rd, uint32_t wr, uint8_t packet[RING_PACKET_MAX],
	      uint32_t *next)
{
	uint32_t available = ring_distance(r, rd, wr);
	uint32_t idx = rd;
	uint32_t len;

	if (available == 0)
		return 0;
	len = header_length(shm_load32(&r->data[idx / 4]));
	if (len == 0 || len > RING_PACKET_MAX || ring_packet_size(len) > available)
		return -EPROTO;
	idx = advance(r, idx);
	for (uint32_t at = 0; at < len; at += 4) {
		uint32_t word = htole32(shm_load32(&r->data[idx / 4]));

		memcpy(packet + at, &word, sizeof(word));
		idx = advance(r, idx);
	}
	*next = idx;
	return (int)len;
}
