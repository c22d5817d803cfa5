// SPDX-License-Identifier: Apache-2.0
/*
 * What firmware does when it is started again on memory that nobody cleared (protocol.md section 3,
 * facts): these are the traps that libicbmsg's restart rules are made for, so they must be here
 * exactly as they are in the field.
 *
 * Packet positions follow from the sizes: a magic takes 20 bytes of ring, every other packet here
 * 8. After the binding and n round trips a write index stands at (28 + 8n) modulo the ring's
 * length.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pair.h"
#include "payload.h"

#define MAGIC_END 20u

/* Ring lengths of F and I: 440 and 504, 632 and 632, 284 and 284, 252 and 252, all as recorded. */
static const struct pair_geometry doc800 = { 2048, 16, 32, 0, 4, 0 };
static const struct pair_geometry doc800_64 = { 2048, 16, 32, 0, 8, 0 };
static const struct pair_geometry a32 = { 4096, 16, 16, 32, 4, 0 };
static const struct pair_geometry a64_64 = { 4096, 16, 16, 64, 8, 0 };

enum fill { ZEROS, A5, RANDOM };

static void fill_memory(struct pair *p, enum fill fill, uint32_t seed)
{
	if (fill == RANDOM)
		payload_fill(p->memory, p->size, seed, 7);
	else
		memset(p->memory, fill == A5 ? 0xa5 : 0, p->size);
}

/* A session of @round_trips messages of 20 bytes from I to F; at its end all blocks are free. */
static void session(struct pair *p, unsigned int round_trips)
{
	uint8_t message[20];
	unsigned int n;

	pair_bind(p, "ep0");
	for (n = 0; n < round_trips; n++) {
		payload_fill(message, sizeof(message), n, 1);
		assert_int_equal(firmware_send(&p->i.fw, "ep0", message, sizeof(message)),
				 sizeof(message));
		pair_settle(p);
	}
	assert_int_equal(p->f.received, round_trips);
	assert_int_equal(firmware_used_blocks(&p->i.fw), 0);
}

static void expected_open(struct pair *p, const struct layout_region *tx, uint8_t *image)
{
	static const uint8_t packet[17] = { 0,    13,   0,    0,    0x45, 0x6d, 0x31, 0x6c, 0x31,
					    0x4b, 0x30, 0x72, 0x6e, 0x33, 0x6c, 0x69, 0x34 };
	static const uint8_t zero[4], end[4] = { MAGIC_END };

	memcpy(image, p->memory, p->size);
	memcpy(image + tx->begin + tx->rd_idx, zero, 4);
	memcpy(image + tx->begin + tx->wr_idx, end, 4);
	memcpy(image + tx->begin + tx->ring_data, packet, sizeof(packet));
}

/* Open writes two indices and 17 bytes, not one byte more, whatever was there; and rings once. */
static void open_clears_nothing_else(void **state)
{
	static const struct pair_geometry *const geometries[] = { &doc800, &doc800_64, &a32,
								  &a64_64 };
	static const unsigned int round_trips[] = { 0, 5, 33, 70 };
	unsigned int g, n, k, initiator;

	(void)state;
	for (g = 0; g < 4; g++)
		for (n = 0; n < 4; n++)
			for (k = ZEROS; k <= RANDOM; k++)
				for (initiator = 0; initiator < 2; initiator++) {
					struct pair p;
					struct pair_side *side = initiator ? &p.i : &p.f;
					uint8_t *image;

					pair_start(&p, geometries[g]);
					fill_memory(&p, k, 100 + n);
					if (round_trips[n])
						session(&p, round_trips[n]);
					image = malloc(p.size);
					assert_non_null(image);
					pair_restart(&p, side);
					side->other->doorbells = 0;
					expected_open(&p, &side->fw.config.tx, image);
					assert_int_equal(firmware_open(&side->fw), 0);
					assert_memory_equal(p.memory, image, p.size);
					assert_int_equal(side->fw.counters.rings, 1);
					assert_int_equal(side->other->doorbells, 1);
					assert_int_equal(firmware_open(&side->fw), -EALREADY);
					free(image);
					pair_end(&p);
				}
}

struct stale {
	const char *what;
	const struct pair_geometry *geometry;
	unsigned int round_trips;
	bool initiator;  /* which side restarts, with a doorbell pending, the other one stays */
	uint32_t wr_idx; /* where the ring that it reads ends */
	/* What becomes of it: */
	uint32_t rd_idx;
	enum firmware_link link;
	unsigned int packets, errors;
};

static const struct stale stale[] = {
	/* Not wrapped: the old magic binds, what follows is replayed. F finds the name's block
	 * reused, parks the announcement and has no endpoint for the data. */
	{ "young session, follower", &doc800, 5, false, 68, 68, FIRMWARE_LINK_BOUND, 7, 5 },
	{ "young session, follower", &doc800_64, 5, false, 68, 68, FIRMWARE_LINK_BOUND, 7, 5 },
	{ "young session, follower", &a32, 31, false, 276, 276, FIRMWARE_LINK_BOUND, 33, 31 },
	/* I announces ep0 in block 0 again, and the old releases are wrong but for the first, which
	 * takes the announcement for answered. */
	{ "young session, initiator", &doc800, 5, true, 68, 68, FIRMWARE_LINK_BOUND, 7, 5 },
	{ "young session, initiator", &doc800_64, 5, true, 68, 68, FIRMWARE_LINK_BOUND, 7, 5 },
	/* Just bound, or just opened. */
	{ "nothing but the binding", &doc800, 0, true, 28, 28, FIRMWARE_LINK_BOUND, 2, 0 },

	/* Wrapped with a packet across the end: its second word reads as a length. DATA of address 0
	 * is length 0, RELEASE_DATA is 256: either stops the reader where it is. */
	{ "length 0", &doc800, 60, false, 4, 0, FIRMWARE_LINK_OPENING, 0, 0 },
	{ "length 0", &doc800, 63, false, 28, 0, FIRMWARE_LINK_OPENING, 0, 0 },
	{ "length 0, second lap", &doc800_64, 130, false, 436, 0, FIRMWARE_LINK_OPENING, 0, 0 },
	{ "length 256", &doc800, 52, true, 4, 0, FIRMWARE_LINK_OPENING, 0, 0 },
	{ "length 256", &doc800, 60, true, 68, 0, FIRMWARE_LINK_OPENING, 0, 0 },

	/* Wrapped with packets that start at 0 (the length is 4 modulo 8): each is consumed. */
	{ "one old packet", &a32, 33, false, 8, 8, FIRMWARE_LINK_OPENING, 1, 1 },
	{ "one old packet", &a32, 33, true, 8, 8, FIRMWARE_LINK_OPENING, 1, 1 },
	{ "eight old packets", &a32, 40, false, 64, 64, FIRMWARE_LINK_OPENING, 8, 8 },
	{ "eight old packets", &a32, 40, true, 64, 64, FIRMWARE_LINK_OPENING, 8, 8 },
	/* The lap ends at 0 exactly: nothing to read. */
	{ "empty at 0", &a32, 32, false, 0, 0, FIRMWARE_LINK_OPENING, 0, 0 },
};

static void restart_with_doorbell(struct pair *p, const struct stale *s, enum fill fill)
{
	struct pair_side *side = s->initiator ? &p->i : &p->f;

	pair_start(p, s->geometry);
	fill_memory(p, fill, 3);
	session(p, s->round_trips);
	pair_restart(p, side);
	side->doorbells = 1;
	firmware_register(&side->fw, "ep0");
	firmware_open(&side->fw);
	assert_int_equal(pair_load(p, &side->fw.config.rx, side->fw.config.rx.wr_idx), s->wr_idx);
	pair_pump(side);
}

static void pending_doorbell_reads_the_old_ring(void **state)
{
	struct pair p;
	unsigned int k, fill;

	(void)state;
	for (k = 0; k < sizeof(stale) / sizeof(stale[0]); k++)
		for (fill = ZEROS; fill <= RANDOM; fill++) {
			const struct stale *s = &stale[k];
			struct pair_side *side = s->initiator ? &p.i : &p.f;
			const struct layout_region *rx;

			restart_with_doorbell(&p, s, fill);
			rx = &side->fw.config.rx;
			if (side->fw.link != s->link || side->fw.rx_rd != s->rd_idx ||
			    side->fw.counters.packets != s->packets ||
			    side->fw.counters.errors != s->errors)
				fail_msg("%s (row %u): link %d, rd_idx %u, %u packets, %u errors",
					 s->what, k, side->fw.link, side->fw.rx_rd,
					 (unsigned int)side->fw.counters.packets,
					 (unsigned int)side->fw.counters.errors);
			/* Its place is published once something was consumed; before, it is what
			 * the side that died left there. */
			if (s->packets)
				assert_int_equal(pair_load(&p, rx, rx->rd_idx), s->rd_idx);
			else
				assert_int_equal(pair_load(&p, rx, rx->rd_idx), s->wr_idx);
			pair_end(&p);
		}
}

/* Stopped at 0 is the lucky case: the next magic takes the place of the word it stopped at. */
static void stopped_at_zero_binds_later(void **state)
{
	static const struct stale s = { "", &doc800, 63, false, 28, 0, 0, 0, 0 };
	struct pair p;

	(void)state;
	restart_with_doorbell(&p, &s, A5);
	pair_restart(&p, &p.i);
	pair_bind(&p, "ep1");
	assert_int_equal(p.f.fw.counters.errors, 0);
	pair_end(&p);
}

/* The unlucky one: having consumed one packet it stands inside the new magic, for ever. */
static void stops_inside_the_new_magic(void **state)
{
	static const struct stale s = { "", &a32, 33, false, 8, 8, 0, 0, 0 };
	struct pair p;
	int n;

	(void)state;
	restart_with_doorbell(&p, &s, ZEROS);
	pair_restart(&p, &p.i);
	firmware_open(&p.i.fw);
	for (n = 0; n < 10; n++) {
		firmware_ring(&p.i.fw);
		pair_settle(&p);
	}
	assert_int_equal(p.f.fw.link, FIRMWARE_LINK_OPENING);
	assert_int_equal(p.f.fw.rx_rd, 8);
	assert_int_equal(p.f.fw.counters.packets, 1);
	pair_end(&p);
}

/* With the name's block intact a young session is replayed whole: old messages arrive again. */
static void young_session_is_delivered_again(void **state)
{
	struct pair p;
	uint8_t last[20];
	uint32_t got;
	void *block0;

	(void)state;
	pair_start(&p, &doc800);
	assert_int_equal(firmware_alloc(&p.i.fw, 1, &block0, &got), 0);
	pair_bind(&p, "ep0");
	assert_int_equal(firmware_drop(&p.i.fw, block0), 0);
	for (got = 0; got < 5; got++) {
		payload_fill(last, sizeof(last), got, 1);
		firmware_send(&p.i.fw, "ep0", last, sizeof(last));
		pair_settle(&p);
	}

	pair_restart(&p, &p.f);
	firmware_register(&p.f.fw, "ep0");
	firmware_open(&p.f.fw);
	p.f.doorbells = 1;
	pair_pump(&p.f);
	assert_int_equal(p.f.bound, 1);
	assert_int_equal(p.f.received, 5);
	assert_memory_equal(p.f.data[0], last, sizeof(last));
	assert_memory_equal(p.f.data[4], last, sizeof(last));
	/* And it answered them all: RELEASE_BOUND and five times RELEASE_DATA. */
	assert_int_equal(pair_load(&p, &p.lo, p.lo.wr_idx), MAGIC_END + 8 + 5 * 8);
	pair_end(&p);
}

/* Memory in which no peer ever ran: nothing that looks like a packet is believed. */
static void foreign_memory_is_quiet(void **state)
{
	static const struct pair_geometry *const geometries[] = { &doc800, &doc800_64, &a32,
								  &a64_64 };
	struct pair p;
	unsigned int g, fill, seed;

	(void)state;
	for (g = 0; g < 4; g++)
		for (fill = ZEROS; fill <= RANDOM; fill++)
			for (seed = 0; seed < (fill == RANDOM ? 50u : 1u); seed++) {
				pair_start(&p, geometries[g]);
				fill_memory(&p, fill, seed);
				firmware_open(&p.f.fw);
				p.f.doorbells = 1;
				pair_pump(&p.f);
				assert_int_equal(p.f.fw.link, FIRMWARE_LINK_OPENING);
				assert_int_equal(p.f.fw.counters.packets, 0);
				pair_bind(&p, "ep0");
				pair_end(&p);
			}
}

/* R3 of protocol.md as this firmware sees it: laid out behind a zero word, armed by one store. */
static void zero_word_holds_the_reader_until_armed(void **state)
{
	struct pair p;
	uint32_t armed;

	(void)state;
	pair_start(&p, &doc800);
	firmware_open(&p.i.fw);
	armed = pair_load(&p, &p.hi, p.hi.ring_data);
	pair_store(&p, &p.hi, p.hi.ring_data, 0);
	firmware_open(&p.f.fw);
	assert_int_equal(firmware_pump(&p.f.fw), 0);
	assert_int_equal(p.f.fw.link, FIRMWARE_LINK_OPENING);
	pair_store(&p, &p.hi, p.hi.ring_data, armed);
	assert_int_equal(p.f.fw.link, FIRMWARE_LINK_OPENING);
	assert_int_equal(firmware_pump(&p.f.fw), 1);
	assert_int_equal(p.f.fw.link, FIRMWARE_LINK_BOUND);
	assert_int_equal(pair_load(&p, &p.hi, p.hi.rd_idx), MAGIC_END);
	pair_end(&p);
}

/*
 * A live side does not notice a peer that starts again: it stays at its old place in the ring,
 * where the new magic never comes. The new peer is bound by the live side's old magic and blames it
 * for releases of buffers that it never sent.
 */
static void live_side_stays_where_it_was(void **state)
{
	struct pair p;

	(void)state;
	pair_start(&p, &a32);
	session(&p, 3);
	assert_int_equal(p.f.fw.rx_rd, 52);
	pair_restart(&p, &p.i);
	firmware_open(&p.i.fw);
	p.i.doorbells = 1;
	pair_settle(&p);
	assert_int_equal(p.f.fw.link, FIRMWARE_LINK_BOUND);
	assert_int_equal(p.f.fw.rx_rd, 52);
	assert_int_equal(p.f.fw.counters.errors, 0);
	assert_int_equal(p.i.fw.link, FIRMWARE_LINK_BOUND);
	assert_int_equal(p.i.fw.rx_rd, 52);
	assert_int_equal(p.i.fw.counters.packets, 5);
	assert_int_equal(p.i.fw.counters.errors, 4);
	pair_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_clears_nothing_else),
		cmocka_unit_test(pending_doorbell_reads_the_old_ring),
		cmocka_unit_test(stopped_at_zero_binds_later),
		cmocka_unit_test(stops_inside_the_new_magic),
		cmocka_unit_test(young_session_is_delivered_again),
		cmocka_unit_test(foreign_memory_is_quiet),
		cmocka_unit_test(zero_word_holds_the_reader_until_armed),
		cmocka_unit_test(live_side_stays_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
