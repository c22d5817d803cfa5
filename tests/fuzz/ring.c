// SPDX-License-Identifier: Apache-2.0
/*
 * Input: where we read (2 bytes), where we write (2), how much (1); then a control area with
 * alignment 4: read index, write index, ring data to the end. It is read as a consumer reads what a
 * hostile producer left, then written as a producer writes to a hostile consumer.
 */
#include "fuzz/fuzz.h"

#include <errno.h>

#include "wire/control.h"
#include "wire/ring.h"

#define INDICES 8u
#define SHORTEST 8u

/* The packet by bytes, each at its own place, instead of by words. */
static void check_packet(const struct ring *r, uint32_t at, const uint8_t *packet, uint32_t len)
{
	const uint8_t *bytes = (const uint8_t *)r->data;

	CHECK(bytes[at] == len >> 8 && bytes[at + 1] == (len & 0xff));
	for (uint32_t i = 0; i < len; i++)
		CHECK(packet[i] == bytes[(at + 4 + i) % r->len]);
}

static void decode(const uint8_t *packet, uint32_t len)
{
	/* Of exactly its length: the decoders must not look at what peek copied behind it. */
	uint8_t *exact = malloc(len);
	struct control c;

	CHECK(exact);
	memcpy(exact, packet, len);
	CHECK(control_decode(&c, exact, len) == (len >= 3));
	CHECK(len < 3 || (c.type == packet[0] && c.ept == packet[1] && c.block == packet[2]));
	CHECK(!control_is_magic(exact, len) || (len >= 13 && packet[0] == 0x45));
	free(exact);
}

static void consume_all(const struct ring *r, uint32_t rd)
{
	uint32_t wr = ring_load_wr(r);
	uint32_t turns = 0;

	if (!ring_index_valid(r, wr)) {
		CHECK(ring_is_idle(r, rd));
		return;
	}
	while (rd != wr) {
		uint8_t *packet = malloc(RING_PACKET_MAX);
		uint32_t next = rd;
		int len;

		CHECK(packet);
		len = ring_peek(r, rd, wr, packet, &next);
		CHECK(len == -EPROTO || (len > 0 && len <= (int)RING_PACKET_MAX));
		CHECK(++turns <= r->len / 4);
		if (len > 0) {
			CHECK(next == (rd + ring_packet_size((uint32_t)len)) % r->len);
			CHECK(ring_distance(r, next, wr) < ring_distance(r, rd, wr));
			check_packet(r, rd, packet, (uint32_t)len);
			decode(packet, (uint32_t)len);
		}
		free(packet);
		if (len < 0)
			return;
		rd = next;
	}
}

static void produce(const struct ring *r, uint8_t *memory, uint32_t at, uint32_t len)
{
	size_t size = INDICES + (size_t)r->len;
	uint32_t rd = shm_load32(r->rd_idx), wr = at, next;
	uint8_t *packet = malloc(len ? len : 1), *before = malloc(size);
	uint8_t got[RING_PACKET_MAX];
	int ret;

	CHECK(packet && before);
	memset(packet, 0xc3, len);
	memcpy(before, memory, size);
	ret = ring_put(r, &wr, packet, len);
	if (ret == 0) {
		CHECK(ring_index_valid(r, rd) && wr != rd);
		CHECK(ring_peek(r, at, wr, got, &next) == (int)len && next == wr);
		CHECK(!memcmp(got, packet, len));
		/* Nothing else has changed: put what was there back and compare. */
		for (uint32_t i = 0; i < ring_packet_size(len); i++) {
			size_t byte = INDICES + (at + i) % r->len;

			memory[byte] = before[byte];
		}
	} else {
		CHECK(ret == -EMSGSIZE || ret == -EPROTO || ret == -ENOBUFS);
		CHECK(wr == at);
	}
	CHECK(!memcmp(memory, before, size));
	free(before);
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t rd = (uint32_t)take(&in, 2), wr = (uint32_t)take(&in, 2);
	uint32_t len = take8(&in);
	struct layout_region layout = { .wr_idx = 4, .ring_data = INDICES };
	struct ring r;
	uint8_t *memory;

	if (in.size < INDICES + SHORTEST)
		return 0;
	layout.ring_len = (uint32_t)(in.size - INDICES) / 4 * 4;
	memory = take_memory(&in, INDICES + (size_t)layout.ring_len);
	ring_init(&r, memory, &layout);
	consume_all(&r, rd % r.len / 4 * 4);
	produce(&r, memory, wr % r.len / 4 * 4, len);
	free(memory);
	return 0;
}
