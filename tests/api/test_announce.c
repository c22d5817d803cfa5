// SPDX-License-Identifier: Apache-2.0
/*
 * An announcement reaches firmware wherever it stands in our ring, and is not taken for read before
 * it was (protocol.md section 3). The firmware here is a reader made by hand after Zephyr's: it
 * stops at a length of 0 or over 128, ignores what comes before the magic, and publishes its place
 * behind every packet. Rescues come one by one, when the test says so.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"
#include "hostile.h"

/* Twice what all layouts of the announcement take. */
#define RESCUES 24

struct reader {
	struct ends e;
	struct icbmsg *link;
	struct layout_region tx, rx; /* as libicbmsg sees them */
	struct ring in, out;
	uint32_t rd;
	bool bound;
	unsigned int stopped; /* the same moment counts every time it looks */
};

static struct reader r;
static const char *interval = "50ms"; /* of rescues */

static void map_rings(bool initiator, uint8_t fill)
{
	memset(&r, 0, sizeof(r));
	ends_prepare(&r.e, fill);
	ends_layout(initiator, &r.tx, &r.rx);
	ring_init(&r.in, r.e.map + r.tx.begin, &r.tx);
	ring_init(&r.out, r.e.map + r.rx.begin, &r.rx);
}

/* The reader has booted, rung once, and stands at @at; T.rd says @published. */
static void start(bool initiator, uint8_t fill, uint32_t at, uint32_t published)
{
	uint32_t wr = 0;

	map_rings(initiator, fill);
	r.rd = at;
	shm_store32(r.in.rd_idx, published);
	shm_store32(r.out.rd_idx, 0);
	shm_store32(r.out.wr_idx, 0);
	assert_int_equal(ring_put(&r.out, &wr, control_magic, CONTROL_MAGIC_SIZE), 0);
	ring_publish(&r.out, wr);
	r.link = ends_open_one(&r.e, initiator, interval);
}

static void end(void)
{
	ends_close(&r.e);
}

static void read_ring(void)
{
	uint32_t wr = ring_load_wr(&r.in);
	uint8_t packet[RING_PACKET_MAX];
	int len;

	if (!ring_index_valid(&r.in, wr))
		return;
	while (wr != r.rd) {
		len = ring_peek(&r.in, r.rd, wr, packet, &r.rd);
		if (len <= 0) {
			r.stopped++;
			return;
		}
		r.bound |= control_is_magic(packet, (uint32_t)len);
		shm_store32_release(r.in.rd_idx, r.rd);
	}
}

static void rescue(void)
{
	r.link->link.ops->rescue(&r.link->link);
}

static unsigned int state_now(void)
{
	assert_true(icbmsg_dispatch(r.link, 0) >= 0);
	return ends_stats(r.link).state;
}

/* The reader acts on every doorbell, and on @rescues of them at most, until the link is up. */
static bool comes_up(unsigned int rescues)
{
	for (unsigned int i = 0; i <= rescues; i++) {
		read_ring();
		if (state_now() == ICBMSG_LINK_UP)
			return r.bound;
		rescue();
	}
	return false;
}

static const uint8_t fills[] = { 0, 0xa5, 0xff };

static void a_reader_anywhere_is_reached(bool initiator)
{
	for (size_t f = 0; f < sizeof(fills); f++) {
		map_rings(initiator, 0);
		for (uint32_t at = 0; at < r.tx.ring_len; at += 4) {
			start(initiator, fills[f], at, at);
			if (!comes_up(RESCUES))
				fail_msg("ring of %u, fill %02x: a reader at %u is not reached",
					 r.tx.ring_len, fills[f], at);
			end();
		}
	}
}

static void a_reader_anywhere_is_reached_by_an_initiator(void **state)
{
	(void)state;
	a_reader_anywhere_is_reached(true);
}

static void a_reader_anywhere_is_reached_by_a_follower(void **state)
{
	(void)state;
	a_reader_anywhere_is_reached(false);
}

/* A place left in T.rd by an earlier life says nothing about the life that reads now, from 0. */
static void a_stale_index_is_not_taken_for_read(bool initiator)
{
	map_rings(initiator, 0);
	for (uint32_t stale = 0; stale < r.tx.ring_len; stale += 4) {
		start(initiator, 0xa5, 0, stale);
		for (int i = 0; i < RESCUES; i++) {
			if (state_now() == ICBMSG_LINK_UP)
				fail_msg("ring of %u: %u passes for read", r.tx.ring_len, stale);
			rescue();
		}
		if (!comes_up(RESCUES))
			fail_msg("ring of %u, stale %u: a reader at 0 is not reached",
				 r.tx.ring_len, stale);
		end();
	}
}

static void a_stale_index_is_not_taken_for_read_by_an_initiator(void **state)
{
	(void)state;
	a_stale_index_is_not_taken_for_read(true);
}

static void a_stale_index_is_not_taken_for_read_by_a_follower(void **state)
{
	(void)state;
	a_stale_index_is_not_taken_for_read(false);
}

/*
 * Firmware does not ring for what it reads and ignores. The link comes up all the same before
 * anybody is in need of a rescue.
 */
static void what_is_read_in_silence_is_seen(void **state)
{
	struct pollfd fd = { .events = POLLIN };

	(void)state;
	for (int initiator = 0; initiator < 2; initiator++) {
		interval = "1m";
		start(initiator, 0, 0, 0);
		interval = "50ms";
		fd.fd = icbmsg_get_fd(r.link);
		for (int i = 0; i < 3; i++) {
			read_ring();
			state_now();
		}
		while (state_now() != ICBMSG_LINK_UP) {
			read_ring();
			if (poll(&fd, 1, (int)(SURELY / MS)) != 1)
				fail_msg("nobody looks whether the firmware has read on");
		}
		assert_true(r.bound);
		end();
	}
}

/* Nor does a follower for having read our announcement, when it knows already who we are. */
static void an_announcement_read_in_silence_is_seen(void **state)
{
	struct pollfd fd = { .events = POLLIN };

	(void)state;
	interval = "1m";
	start(true, 0, 0, 0);
	interval = "50ms";
	fd.fd = icbmsg_get_fd(r.link);
	while (state_now() != ICBMSG_LINK_UP) {
		if (poll(&fd, 1, (int)(SURELY / MS)) != 1)
			fail_msg("nobody looks whether the firmware has read the announcement");
		read_ring();
	}
	end();
}

int main(void)
{
	/* Ring lengths 32, 36, 40, 44, 48, 52, 56, 60, 64 and 312; one with session words. */
	static const struct ends_param params[] = {
		{ "classic", 4, 4, 1, 1, 0x200, 0x200, NULL, NULL },
		{ "classic", 4, 8, 1, 1, 0x200, 0x200, NULL, NULL },
		{ "classic", 4, 4, 2, 1, 0x200, 0x200, NULL, NULL },
		{ "classic", 4, 4, 2, 1, 0x204, 0x204, NULL, NULL },
		{ "classic", 4, 4, 2, 2, 0x200, 0x200, NULL, NULL },
		{ "classic", 4, 4, 2, 2, 0x204, 0x204, NULL, NULL },
		{ "classic", 4, 4, 3, 2, 0x400, 0x400, NULL, NULL },
		{ "classic", 4, 4, 3, 2, 0x404, 0x404, NULL, NULL },
		{ "classic", 4, 4, 3, 3, 0x400, 0x400, NULL, NULL },
		{ "classic", 4, 4, 16, 21, 0x1000, 0x1000, NULL, NULL },
		{ "classic", 4, 32, 3, 3, 0x400, 0x400, NULL, NULL },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_anywhere_is_reached_by_an_initiator),
		cmocka_unit_test(a_reader_anywhere_is_reached_by_a_follower),
		cmocka_unit_test(a_stale_index_is_not_taken_for_read_by_an_initiator),
		cmocka_unit_test(a_stale_index_is_not_taken_for_read_by_a_follower),
		cmocka_unit_test(what_is_read_in_silence_is_seen),
		cmocka_unit_test(an_announcement_read_in_silence_is_seen),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
