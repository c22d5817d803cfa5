// SPDX-License-Identifier: Apache-2.0
/*
 * One fault at a time, written by the other side into the rings of a live link. Each has to be
 * counted exactly, logged at most once however often it comes, and to leave a link on which
 * well-behaved messages pass; where the ring itself was broken, once it is repaired. See also
 * test_scribble.c and tests/fuzz/receive.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 32, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 4, 16, 12, 0x1000, 0x1000, NULL, "device" },
	{ 0 },
};

#define REPEATS 3

static struct hostile h;
static struct seen seen;

enum role { BOTH, INITIATOR, FOLLOWER };

/* What one fault adds. */
struct effect {
	unsigned int bad_packets, bad_blocks, bad_endpoints, bad_releases, bad_bounds, bad_types;
	unsigned int received, errors; /* callbacks */
	unsigned int releases;         /* RELEASE_DATA that the peer gets */
	bool silent;                   /* not worth a log line */
};

struct fault {
	const char *name;
	void (*commit)(void);
	enum role role; /* of libicbmsg */
	struct effect effect;
};

/* ------------------------------------------------------------------------------------------------
 * DATA
 */

static void data(uint8_t ept, uint32_t block, uint64_t claimed)
{
	hostile_fill(&h, block, claimed, "data", 4);
	hostile_control(&h, CONTROL_DATA, ept, block);
}

static void data_of_no_block(void)
{
	hostile_control(&h, CONTROL_DATA, 0, h.rx.block_count);
}

static void data_of_block_255(void)
{
	hostile_control(&h, CONTROL_DATA, 0, 255);
}

static void data_one_byte_too_long(void)
{
	data(0, 3, layout_capacity(&h.rx, h.rx.block_count - 3) + 1);
}

static void data_one_byte_too_long_in_the_last_block(void)
{
	data(0, h.rx.block_count - 1, layout_capacity(&h.rx, 1) + 1);
}

static void data_of_32_bits(void)
{
	data(0, 1, 0xffffffff);
}

/* Plus the header it wraps to a few bytes. */
static void data_that_wraps_32_bits(void)
{
	data(0, 1, 0xfffffffcu);
}

/* With headers of 4 bytes the upper half is payload that nobody looks at. */
static void data_of_64_bits(void)
{
	data(0, 1, UINT64_MAX);
}

static void data_with_a_high_word(void)
{
	data(0, 1, h.rx.header_size == 8 ? UINT64_C(0x100000004) : 0x80000000u);
}

static void data_twice(void)
{
	data(0, 2, 4);
	hostile_control(&h, CONTROL_DATA, 0, 2);
}

static void data_to_an_unknown_address(void)
{
	data(7, 2, 4);
}

static void data_to_address_253(void)
{
	data(253, 2, 4);
}

static void data_to_address_254(void)
{
	data(254, 2, 4);
}

static void data_to_address_255(void)
{
	data(255, 2, UINT64_MAX);
}

/* ------------------------------------------------------------------------------------------------
 * Releases
 */

static void release_of_a_free_block(void)
{
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, 5);
}

static void release_of_no_block(void)
{
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, h.tx.block_count);
}

static void release_of_block_255(void)
{
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, 255);
}

/* Send a message of two blocks; the first one's index. */
static uint32_t send_two_blocks(void)
{
	uint8_t message[1024] = { 0 };

	assert_int_equal(icbmsg_send(seen.ept, message, h.tx.block_size, 0), 0);
	hostile_settle(&h);
	assert_int_equal(h.read.last.type, CONTROL_DATA);
	return h.read.last.block;
}

static void release_twice(void)
{
	uint32_t block = send_two_blocks();

	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block);
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block);
}

static void release_of_a_middle(void)
{
	uint32_t block = send_two_blocks();

	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block + 1);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count - 2);
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block);
}

/* What is freed follows our own records, not the header in shared memory (protocol.md section 4). */
static void release_with_another_header(void)
{
	uint32_t block = send_two_blocks();
	uint8_t *header = h.e.map + h.tx.begin + h.tx.blocks_off + (size_t)block * h.tx.block_size;

	shm_store32(header, 0xffffffff);
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, block);
}

/* A buffer that the application still fills is not outstanding. */
static void release_of_a_buffer_being_filled(void)
{
	size_t size = 1;
	void *buffer;

	if (icbmsg_get_tx_buffer(seen.ept, &size, 0, &buffer) == -EOPNOTSUPP) {
		release_of_a_free_block();
		return;
	}
	hostile_control(&h, CONTROL_RELEASE_DATA, 0, 0);
	hostile_settle(&h);
	assert_int_equal(ends_stats(h.link).tx_blocks_free, h.tx.block_count - 1);
	assert_int_equal(icbmsg_drop_tx_buffer(h.link, buffer), 0);
}

static void release_bound_again(void)
{
	hostile_control(&h, CONTROL_RELEASE_BOUND, 0, 0);
}

static void release_bound_of_an_unknown_address(void)
{
	hostile_control(&h, CONTROL_RELEASE_BOUND, 200, 3);
}

static void release_bound_of_address_255(void)
{
	hostile_control(&h, CONTROL_RELEASE_BOUND, 255, 255);
}

/* ------------------------------------------------------------------------------------------------
 * BOUND
 */

static void bound(uint8_t address, uint32_t block, uint64_t claimed, const char *name, size_t size)
{
	hostile_fill(&h, block, claimed, name, size);
	hostile_control(&h, CONTROL_BOUND, address, block);
}

static void bound_to_an_initiator(void)
{
	bound(1, 2, 6, "other", 6);
}

static void bound_again(void)
{
	bound(0, 2, sizeof(HOSTILE_NAME), HOSTILE_NAME, sizeof(HOSTILE_NAME));
}

/* The name is bound; under another address it waits for an endpoint that may yet come. */
static void bound_with_a_bound_name(void)
{
	bound((uint8_t)(20 + h.round), 4, sizeof(HOSTILE_NAME), HOSTILE_NAME, sizeof(HOSTILE_NAME));
}

static void bound_twice_while_it_waits(void)
{
	if (h.round == 0) {
		bound(9, 5, 7, "nobody", 7);
		hostile_settle(&h);
		assert_int_equal(h.read.packets, 0);
	}
	bound(9, 6, 7, "nobody", 7);
}

static void bound_address_254(void)
{
	bound(254, 2, 6, "other", 6);
}

static void bound_address_255(void)
{
	bound(255, 2, 6, "other", 6);
}

static void bound_in_no_block(void)
{
	hostile_control(&h, CONTROL_BOUND, 3, h.rx.block_count);
}

static void bound_without_a_nul(void)
{
	bound(3, 2, 6, HOSTILE_NAME, 6);
}

static void bound_without_a_byte(void)
{
	bound(3, 2, 0, HOSTILE_NAME, sizeof(HOSTILE_NAME));
}

static void bound_beyond_the_region(void)
{
	bound(3, 2, 0xffffffff, HOSTILE_NAME, sizeof(HOSTILE_NAME));
}

static void bound_of_64_bits(void)
{
	bound(3, h.rx.block_count - 1, UINT64_MAX, HOSTILE_NAME, sizeof(HOSTILE_NAME));
}

static void bound_with_an_empty_name(void)
{
	bound((uint8_t)(30 + h.round), 2, 1, "", 1);
}

/* Longer than any name of ours can be, and without an end: nothing here can ever match it. */
static void bound_with_a_huge_name(void)
{
	char name[600];

	memset(name, 'x', sizeof(name));
	bound((uint8_t)(40 + h.round), 1, sizeof(name), name, sizeof(name));
}

/* ------------------------------------------------------------------------------------------------
 * Packets
 */

static void packet(uint32_t len, uint8_t first)
{
	uint8_t bytes[RING_PACKET_MAX];

	memset(bytes, 0xff, sizeof(bytes));
	bytes[0] = first;
	hostile_put(&h, bytes, len);
}

static void packet_of_1(void)
{
	packet(1, CONTROL_DATA);
}

static void packet_of_2(void)
{
	packet(2, CONTROL_DATA);
}

static void packet_of_unknown_type(void)
{
	packet(3, 0x7d);
}

static void packet_of_128(void)
{
	packet(128, 0x04);
}

static void long_release(void)
{
	packet(128, CONTROL_RELEASE_DATA);
}

/* ------------------------------------------------------------------------------------------------
 * Running the table
 */

#define FAULT(function) #function, function

static const struct fault faults[] = {
	{ FAULT(data_of_no_block), BOTH, { .bad_blocks = 1 } },
	{ FAULT(data_of_block_255), BOTH, { .bad_blocks = 1 } },
	{ FAULT(data_one_byte_too_long), BOTH, { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_one_byte_too_long_in_the_last_block),
	  BOTH,
	  { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_of_32_bits), BOTH, { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_that_wraps_32_bits), BOTH, { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_of_64_bits), BOTH, { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_with_a_high_word), BOTH, { .bad_blocks = 1, .errors = 1, .releases = 1 } },
	{ FAULT(data_twice), BOTH, { .bad_blocks = 1, .received = 1, .releases = 1 } },
	{ FAULT(data_to_an_unknown_address), BOTH, { .bad_endpoints = 1, .releases = 1 } },
	{ FAULT(data_to_address_253), BOTH, { .bad_endpoints = 1, .releases = 1 } },
	{ FAULT(data_to_address_254), BOTH, { .bad_endpoints = 1, .releases = 1 } },
	{ FAULT(data_to_address_255), BOTH, { .bad_endpoints = 1, .releases = 1 } },

	{ FAULT(release_of_a_free_block), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_of_no_block), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_of_block_255), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_twice), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_of_a_middle), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_with_another_header), BOTH, { .silent = true } },
	{ FAULT(release_of_a_buffer_being_filled), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_bound_again), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_bound_of_an_unknown_address), BOTH, { .bad_releases = 1 } },
	{ FAULT(release_bound_of_address_255), BOTH, { .bad_releases = 1 } },

	{ FAULT(bound_to_an_initiator), INITIATOR, { .bad_bounds = 1, .releases = 1 } },
	{ FAULT(bound_again), FOLLOWER, { .bad_bounds = 1, .releases = 1 } },
	{ FAULT(bound_with_a_bound_name), FOLLOWER, { .silent = true } },
	{ FAULT(bound_twice_while_it_waits), FOLLOWER, { .bad_bounds = 1, .releases = 1 } },
	{ FAULT(bound_address_254), BOTH, { .bad_bounds = 1, .releases = 1 } },
	{ FAULT(bound_address_255), BOTH, { .bad_bounds = 1, .releases = 1 } },
	{ FAULT(bound_in_no_block), BOTH, { .bad_blocks = 1 } },
	{ FAULT(bound_without_a_nul), FOLLOWER, { .bad_blocks = 1, .releases = 1 } },
	{ FAULT(bound_without_a_byte), FOLLOWER, { .bad_blocks = 1, .releases = 1 } },
	{ FAULT(bound_beyond_the_region), FOLLOWER, { .bad_blocks = 1, .releases = 1 } },
	{ FAULT(bound_of_64_bits), FOLLOWER, { .bad_blocks = 1, .releases = 1 } },
	{ FAULT(bound_with_an_empty_name), FOLLOWER, { .silent = true } },
	{ FAULT(bound_with_a_huge_name), FOLLOWER, { .silent = true } },

	{ FAULT(packet_of_1), BOTH, { .bad_packets = 1 } },
	{ FAULT(packet_of_2), BOTH, { .bad_packets = 1 } },
	{ FAULT(packet_of_unknown_type), BOTH, { .bad_types = 1 } },
	{ FAULT(packet_of_128), BOTH, { .bad_types = 1 } },
	{ FAULT(long_release), BOTH, { .bad_releases = 1 } },
};
#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void assert_effect(const struct icbmsg_stats *was, const struct seen *seen_before,
			  const struct effect *e)
{
	struct icbmsg_stats is = ends_stats(h.link);

	assert_int_equal(is.bad_packets - was->bad_packets, e->bad_packets);
	assert_int_equal(is.bad_blocks - was->bad_blocks, e->bad_blocks);
	assert_int_equal(is.bad_endpoints - was->bad_endpoints, e->bad_endpoints);
	assert_int_equal(is.bad_releases - was->bad_releases, e->bad_releases);
	assert_int_equal(is.bad_bounds - was->bad_bounds, e->bad_bounds);
	assert_int_equal(is.bad_types - was->bad_types, e->bad_types);
	assert_int_equal(is.restarts, 0);
	assert_int_equal(is.rx_dropped, 0);
	assert_int_equal(is.tx_blocks_free, h.tx.block_count);
	assert_int_equal(is.rx_held, 0);
	assert_int_equal(seen.received - seen_before->received, e->received);
	assert_int_equal(seen.error - seen_before->error, e->errors);
	assert_int_equal(seen.bound, 1);
	assert_int_equal(seen.unbound, 0);
	assert_int_equal(h.read.releases, e->releases);
	assert_int_equal(h.warnings, e->silent ? 0 : 1);
	hostile_assert_sound(&h);
}

static void run_fault(const struct fault *f, bool initiator)
{
	hostile_start(&h, &seen, initiator);
	for (h.round = 0; h.round < REPEATS; h.round++) {
		struct icbmsg_stats before = ends_stats(h.link);
		static struct seen seen_before;

		seen_before = seen;
		hostile_forget(&h);
		f->commit();
		hostile_settle(&h);
		assert_effect(&before, &seen_before, &f->effect);
		hostile_assert_works(&h, &seen);
	}
	hostile_end(&h);
}

static void fault(void **state)
{
	const struct fault *f = *state;

	if (f->role != FOLLOWER)
		run_fault(f, true);
	if (f->role != INITIATOR)
		run_fault(f, false);
}

int main(void)
{
	struct CMUnitTest tests[FAULTS];

	for (size_t i = 0; i < FAULTS; i++)
		tests[i] = (struct CMUnitTest){
			.name = faults[i].name,
			.test_func = fault,
			.initial_state = (void *)(uintptr_t)&faults[i],
		};
	return ends_run_params(params, "", tests, FAULTS);
}
