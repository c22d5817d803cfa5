// SPDX-License-Identifier: Apache-2.0
/*
 * Where our magic lies in the ring: such that firmware finds it that starts at 0, and firmware that
 * stands at x, the last index it has published (protocol.md section 3, R3 and R7). T is our tx
 * region.
 */
#include <string.h>

#include "proto/classic.h"

#define MAGIC_WORDS (CLASSIC_MAGIC_PACKET / 4)

/* A magic may have zero bytes behind it, here to make the packet up to two words longer. */
#define MORE_WORDS_MAX 2u

static uint32_t magic_size(uint32_t more_words)
{
	return CONTROL_MAGIC_SIZE + 4 * more_words;
}

/* All of it but its header; returns the index behind it. */
static uint32_t lay_magic(const struct ring *r, uint32_t idx, uint32_t more_words)
{
	uint8_t packet[CONTROL_MAGIC_SIZE + 4 * MORE_WORDS_MAX] = { 0 };

	memcpy(packet, control_magic, CONTROL_MAGIC_SIZE);
	return ring_lay(r, idx, packet, magic_size(more_words));
}

static uint32_t lay_packet(const struct ring *r, uint32_t idx, const void *packet, uint32_t len)
{
	uint32_t next = ring_lay(r, idx, packet, len);

	ring_arm(r, idx, len);
	return next;
}

/* Does a magic lie at 0, but for its header? */
static bool lies_at_start(const struct ring *r)
{
	uint8_t bytes[CLASSIC_MAGIC_PACKET];

	for (uint32_t i = 1; i < MAGIC_WORDS; i++) {
		uint32_t word = htole32(shm_load32(&r->data[i]));

		memcpy(bytes + (size_t)4 * i, &word, sizeof(word));
	}
	return memcmp(bytes + RING_PACKET_HEADER, control_magic, CONTROL_MAGIC_SIZE) == 0;
}

/*
 * An empty length, for who comes upon it. Who has just read the length of an old packet there, and
 * reads this as its contents, finds data in block 255, which it refuses (but where there are 256);
 * 0 would be data in block 0, for endpoint 0.
 */
#define EMPTY 0x00ff0000u

void classic_magic_clear(const struct ring *r)
{
	uint32_t kept = lies_at_start(r) ? MAGIC_WORDS : 1;

	shm_store32(&r->data[0], 0);
	for (uint32_t i = kept; i < r->len / 4; i++)
		shm_store32(&r->data[i], EMPTY);
	barrier_full();
}

/* Fill the ring from @from to @to, none or at least eight bytes, with packets to be ignored. */
static void lay_filler(const struct ring *r, uint32_t from, uint32_t to)
{
	static const uint8_t filler[RING_PACKET_MAX] = { CLASSIC_FILLER };

	while (from < to) {
		uint32_t size = to - from < RING_PACKET_MAX ? to - from : RING_PACKET_MAX;

		/* Leave nothing that is too small for a packet. */
		if (to - from - size == 4)
			size -= 4;
		lay_packet(r, from, filler, size - RING_PACKET_HEADER);
		from += size;
	}
}

/* Can a magic at @at be followed by packets that respect word 0 (R1)? */
static bool fits(const struct ring *r, uint32_t at)
{
	return at + CLASSIC_MAGIC_PACKET <= r->len - 8;
}

bool classic_magic_reaches(const struct ring *r, uint32_t x)
{
	if (x == CLASSIC_MAGIC_PACKET)
		return fits(r, x);
	return x == 0 || (x > CLASSIC_MAGIC_PACKET && x <= r->len - 8);
}

uint32_t classic_magic_at_start(const struct ring *r, uint32_t x)
{
	bool second = x == CLASSIC_MAGIC_PACKET && fits(r, x);
	uint32_t more = x == CLASSIC_MAGIC_PACKET && !second ? 1 : 0;
	uint32_t end = lay_magic(r, 0, more);

	if (second)
		end = lay_packet(r, x, control_magic, CONTROL_MAGIC_SIZE);
	else if (x > end && classic_magic_reaches(r, x))
		lay_filler(r, x, r->len);
	ring_publish(r, end);
	barrier_full();
	ring_arm(r, 0, magic_size(more));
	return end;
}

uint32_t classic_magic_at_reader(const struct ring *r, uint32_t x)
{
	uint32_t more = 0, end;

	ring_publish(r, x);
	/* It may lie over word 0; what comes behind it may neither start there nor just before (R1). */
	while ((end = lay_magic(r, x, more)) == 0 || end == r->len - 4)
		more++;
	ring_arm(r, x, magic_size(more));
	ring_publish(r, end);
	return end;
}

bool classic_magic_lies(const struct ring *r, uint32_t at, uint32_t wr)
{
	uint8_t packet[RING_PACKET_MAX];
	uint32_t next;
	int len;

	if (!ring_index_valid(r, wr))
		return false;
	len = ring_peek(r, at, wr, packet, &next);
	return len > 0 && control_is_magic(packet, (uint32_t)len);
}
