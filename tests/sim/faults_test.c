// SPDX-License-Identifier: Apache-2.0
/*
 * Faults one by one, with the clock in the test's hands: what happens to each ring of a doorbell,
 * that a core is stopped for real, and that corruption stays where it belongs.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "corrupt.h"
#include "random.h"
#include "relay.h"
#include "stall.h"

#define MS INT64_C(1000000)
#define HOUR (INT64_C(3600000) * MS)

struct bell {
	struct relay relay;
	int out;
};

static void bell_open(struct bell *b, const struct relay_rules *rules, uint64_t seed)
{
	b->out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(b->out >= 0);
	relay_init(&b->relay, rules, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), b->out, seed);
	assert_true(b->relay.in >= 0);
}

static void bell_close(struct bell *b)
{
	relay_close(&b->relay);
	close(b->out);
}

static void ring(struct bell *b, uint64_t rings, int64_t now)
{
	assert_int_equal(eventfd_write(b->relay.in, rings), 0);
	assert_int_equal(relay_collect(&b->relay, now), rings);
}

/* What has arrived since the last time. */
static uint64_t heard(struct bell *b, int64_t now)
{
	eventfd_t count = 0;

	relay_deliver(&b->relay, now);
	if (eventfd_read(b->out, &count) < 0)
		return 0;
	return count;
}

static void without_faults_every_ring_arrives(void **state)
{
	const struct relay_rules none = { 0 };
	struct bell b;

	(void)state;
	bell_open(&b, &none, 1);
	assert_int_equal(relay_collect(&b.relay, 0), 0);
	ring(&b, 3, 5);
	assert_int_equal(heard(&b, 5), 3);
	assert_int_equal(heard(&b, 6), 0);
	assert_true(relay_due(&b.relay) == INT64_MAX);
	assert_int_equal(b.relay.counts.delivered, 3);
	bell_close(&b);
}

static uint64_t lost_of_1000(uint64_t seed, double share)
{
	const struct relay_rules rules = { .drop = share };
	struct bell b;
	uint64_t dropped;

	bell_open(&b, &rules, seed);
	ring(&b, 1000, 0);
	dropped = b.relay.counts.dropped;
	assert_int_equal(heard(&b, 0), 1000 - dropped);
	bell_close(&b);
	return dropped;
}

static void as_many_get_lost_as_are_to(void **state)
{
	(void)state;
	assert_int_equal(lost_of_1000(1, 0), 0);
	assert_in_range(lost_of_1000(1, 0.2), 140, 260);
	assert_in_range(lost_of_1000(2, 0.99), 960, 1000);
	/* The seed alone decides. */
	assert_int_equal(lost_of_1000(3, 0.5), lost_of_1000(3, 0.5));
	assert_int_not_equal(lost_of_1000(3, 0.5), lost_of_1000(4, 0.5));
}

static void late_rings_keep_their_order(void **state)
{
	const struct relay_rules rules = { .delay_ns = 10 * MS };
	struct bell b;
	int64_t now, due = 0;
	uint64_t arrived = 0;
	unsigned int k, late = 0;

	(void)state;
	bell_open(&b, &rules, 7);
	for (k = 0; k < 100; k++)
		ring(&b, 1, k * MS / 10);
	for (k = 0; k < 100; k++) {
		assert_true(b.relay.due[k] >= due);
		due = b.relay.due[k];
		assert_true(due >= k * MS / 10 && due <= k * MS / 10 + 10 * MS);
		late += due > k * MS / 10;
	}
	assert_true(late > 90);
	for (now = relay_due(&b.relay); now != INT64_MAX; now = relay_due(&b.relay)) {
		assert_int_equal(heard(&b, now - 1), 0);
		arrived += heard(&b, now);
	}
	assert_int_equal(arrived, 100);
	assert_int_equal(b.relay.counts.delayed, 100);
	bell_close(&b);
}

static void what_is_too_many_at_once_merges(void **state)
{
	const struct relay_rules rules = { .delay_ns = MS };
	struct bell b;

	(void)state;
	bell_open(&b, &rules, 1);
	ring(&b, RELAY_LATE_MAX + 10, 0);
	assert_int_equal(b.relay.counts.merged, 10);
	assert_int_equal(heard(&b, MS), RELAY_LATE_MAX);
	ring(&b, 1, 2 * MS);
	assert_int_equal(heard(&b, 3 * MS), 1);
	bell_close(&b);
}

static void rings_within_the_window_arrive_as_one(void **state)
{
	const struct relay_rules rules = { .merge_ns = 5 * MS };
	struct bell b;

	(void)state;
	bell_open(&b, &rules, 1);
	ring(&b, 2, 0);
	assert_int_equal(heard(&b, 0), 0);
	assert_int_equal(relay_due(&b.relay), 5 * MS);
	ring(&b, 1, 4 * MS);
	assert_int_equal(heard(&b, 4 * MS), 0);
	assert_int_equal(heard(&b, 5 * MS), 1);
	assert_true(relay_due(&b.relay) == INT64_MAX);
	/* The next one opens a window of its own. */
	ring(&b, 1, 6 * MS);
	assert_int_equal(heard(&b, 6 * MS), 0);
	assert_int_equal(heard(&b, 10 * MS), 0);
	assert_int_equal(heard(&b, 11 * MS), 1);
	assert_int_equal(b.relay.counts.merged, 2);
	assert_int_equal(b.relay.counts.delivered, 2);
	bell_close(&b);
}

static void every_ring_is_accounted_for(void **state)
{
	const struct relay_rules rules = { .drop = 0.3, .delay_ns = 3 * MS, .merge_ns = MS };
	struct relay_counts *n;
	struct bell b;
	int64_t now;

	(void)state;
	bell_open(&b, &rules, 11);
	n = &b.relay.counts;
	for (now = 0; now < 200 * MS; now += MS / 4) {
		ring(&b, 1, now);
		heard(&b, now);
	}
	heard(&b, now + 10 * MS);
	heard(&b, now + 20 * MS);
	assert_int_equal(n->rung, 800);
	assert_int_equal(n->dropped + n->merged + n->delivered, 800);
	assert_int_equal(n->delayed, 800 - n->dropped);
	assert_true(n->dropped > 100 && n->merged > 100 && n->delivered > 50);
	bell_close(&b);
}

/* ------------------------------------------------------------------------------------------------
 * Stalls
 */

static pid_t start_core(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end_core(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Wait until the core has changed, and say whether it stands. */
static bool stands(pid_t pid)
{
	int how;

	assert_int_equal(waitpid(pid, &how, WUNTRACED | WCONTINUED), pid);
	assert_true(WIFSTOPPED(how) || WIFCONTINUED(how));
	return WIFSTOPPED(how);
}

/* Of so many rings some stop each core. */
#define MANY 100

static void a_core_stops_and_goes_on(void **state)
{
	pid_t pid[2] = { start_core(), start_core() };
	struct stall s = { .length_ns = 5 * MS, .share = 0.9, .pid = pid, .random = 1 };

	(void)state;
	assert_true(stall_due(&s) == INT64_MAX);
	stall_draw(&s, MANY, MS);
	assert_true(stands(pid[0]) && stands(pid[1]));
	assert_true(stall_stopped(&s, 0, 5 * MS) && stall_stopped(&s, 1, 5 * MS));
	assert_false(stall_stopped(&s, 0, 6 * MS));
	/* Whoever stands is not stopped again. */
	assert_int_equal(s.count[0], 1);
	assert_int_equal(s.count[1], 1);
	assert_int_equal(stall_due(&s), 6 * MS);
	stall_resume(&s, 6 * MS - 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | WUNTRACED | WCONTINUED), 0);
	stall_resume(&s, 6 * MS);
	assert_false(stands(pid[0]));
	assert_false(stands(pid[1]));
	assert_true(stall_due(&s) == INT64_MAX);
	end_core(pid[0]);
	end_core(pid[1]);
}

static void a_core_that_was_restarted_is_another_one(void **state)
{
	pid_t pid[2] = { -1, start_core() };
	struct stall s = { .length_ns = 5 * MS, .share = 0.9, .pid = pid, .random = 1 };

	(void)state;
	stall_draw(&s, MANY, 0);
	assert_true(stands(pid[1]));
	assert_int_equal(s.count[0], 0);
	end_core(pid[1]);
	pid[1] = start_core();
	stall_draw(&s, MANY, MS);
	assert_true(stands(pid[1]));
	assert_int_equal(s.count[1], 2);
	stall_resume(&s, INT64_MAX);
	assert_false(stands(pid[1]));
	end_core(pid[1]);
}

static void without_a_share_nothing_stops(void **state)
{
	const pid_t pid[2] = { getpid(), getpid() };
	struct stall s = { .length_ns = MS, .pid = pid, .random = 1 };

	(void)state;
	stall_draw(&s, MANY, 0);
	assert_int_equal(s.count[0] + s.count[1], 0);
}

static void who_is_core_b_itself_is_told_when_to_stop(void **state)
{
	struct stall s = { .length_ns = MS, .share = 0.9, .random = 1 };

	(void)state;
	stall_draw(&s, MANY, 0);
	assert_true(stall_stopped(&s, 1, 0));
	assert_false(stall_stopped(&s, 0, 0));
	stall_resume(&s, MS);
	assert_false(stall_stopped(&s, 1, 0));
	assert_int_equal(s.count[1], 1);
}

/* ------------------------------------------------------------------------------------------------
 * Corruption
 */

struct area {
	uint8_t *bytes;
	uint64_t size;
	int fd;
	struct corrupt corrupt;
};

static void area_open(struct area *a, unsigned int what)
{
	struct geometry g = GEOMETRY_DEFAULT;

	g.tx_size = 4096;
	g.rx_size = 8000;
	g.word_size = 8;
	*a = (struct area){
		.size = geometry_memory_size(&g),
		.corrupt = { .what = what, .random = 5 },
	};
	a->fd = memfd_create("area", MFD_CLOEXEC);
	assert_int_equal(ftruncate(a->fd, (off_t)a->size), 0);
	a->bytes = mmap(NULL, a->size, PROT_READ, MAP_SHARED, a->fd, 0);
	assert_true(a->bytes != MAP_FAILED);
	assert_int_equal(corrupt_open(&a->corrupt, a->fd, &g), 0);
}

static void area_close(struct area *a)
{
	corrupt_close(&a->corrupt);
	munmap(a->bytes, a->size);
	close(a->fd);
}

/* What lies at byte @at of the memory, as a bit of enum corrupt_what; 0 for none of these. */
static unsigned int kind_at(const struct area *a, uint64_t at)
{
	int i;

	for (i = 0; i < 2; i++) {
		const struct layout_region *r = &a->corrupt.region[i];
		uint64_t off = at - r->begin;

		if (at < r->begin || off >= r->total)
			continue;
		if (off / 4 == r->rd_idx / 4 || off / 4 == r->wr_idx / 4)
			return 1u << CORRUPT_INDICES;
		if (off >= r->ring_data && off < r->ring_data + r->ring_len)
			return 1u << CORRUPT_RINGS;
		if (off < r->blocks_off)
			return 0;
		if ((off - r->blocks_off) % r->block_size < r->header_size)
			return 1u << CORRUPT_HEADERS;
		return 1u << CORRUPT_PAYLOAD;
	}
	return 0;
}

static void corrupt_for_a_second(struct area *a)
{
	int64_t now = 0, due;

	corrupt_start(&a->corrupt, 20000, 1000 * MS, 0);
	for (due = 0; due != INT64_MAX; due = corrupt_due(&a->corrupt)) {
		now = due;
		corrupt_work(&a->corrupt, now);
	}
	/* It has stopped by itself. */
	assert_int_equal(now, 1000 * MS);
}

static void corruption_stays_where_it_belongs(void **state)
{
	unsigned int kind;

	(void)state;
	for (kind = 0; kind < CORRUPT_KINDS; kind++) {
		/* Headers are part of the blocks, where payload may be written anywhere. */
		unsigned int may = kind == CORRUPT_PAYLOAD ?
					   1u << CORRUPT_PAYLOAD | 1u << CORRUPT_HEADERS :
					   1u << kind;
		struct area a;
		uint64_t at, changed = 0;

		area_open(&a, 1u << kind);
		corrupt_for_a_second(&a);
		for (at = 0; at < a.size; at++) {
			if (a.bytes[at] == 0)
				continue;
			assert_true(kind_at(&a, at) & may);
			changed++;
		}
		assert_true(changed > 0);
		assert_in_range(a.corrupt.counts.writes[kind], 19000, 20001);
		area_close(&a);
	}
}

static uint64_t writes(const struct area *a)
{
	uint64_t sum = 0;
	int kind;

	for (kind = 0; kind < CORRUPT_KINDS; kind++)
		sum += a->corrupt.counts.writes[kind];
	return sum;
}

static void who_was_late_makes_up_for_some(void **state)
{
	struct area a;

	(void)state;
	area_open(&a, CORRUPT_ALL);
	/* Too late for all of it, which is no reason for none. */
	corrupt_start(&a.corrupt, 1000000, MS, 0);
	corrupt_work(&a.corrupt, HOUR);
	assert_in_range(writes(&a), 1, 200);
	assert_true(corrupt_due(&a.corrupt) == INT64_MAX);
	corrupt_start(&a.corrupt, 1000000, 0, 0);
	corrupt_work(&a.corrupt, HOUR);
	assert_in_range(writes(&a), 2, 400);
	assert_true(corrupt_due(&a.corrupt) > HOUR);
	corrupt_stop(&a.corrupt);
	assert_true(corrupt_due(&a.corrupt) == INT64_MAX);
	area_close(&a);
}

/* ------------------------------------------------------------------------------------------------
 * Random numbers
 */

static void streams_of_one_seed_differ(void **state)
{
	uint64_t a = random_stream(1, 1), b = random_stream(1, 2), c = random_stream(2, 1);
	uint64_t again = random_stream(1, 1);
	unsigned int k, heads = 0;

	(void)state;
	assert_true(random_next(&a) == random_next(&again));
	assert_true(a != b && b != c && a != c);
	assert_int_equal(random_below(&a, 0), 0);
	for (k = 0; k < 1000; k++) {
		assert_true(random_below(&a, 7) < 7);
		heads += random_chance(&b, 0.5);
	}
	assert_in_range(heads, 400, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_faults_every_ring_arrives),
		cmocka_unit_test(as_many_get_lost_as_are_to),
		cmocka_unit_test(late_rings_keep_their_order),
		cmocka_unit_test(what_is_too_many_at_once_merges),
		cmocka_unit_test(rings_within_the_window_arrive_as_one),
		cmocka_unit_test(every_ring_is_accounted_for),
		cmocka_unit_test(a_core_stops_and_goes_on),
		cmocka_unit_test(a_core_that_was_restarted_is_another_one),
		cmocka_unit_test(without_a_share_nothing_stops),
		cmocka_unit_test(who_is_core_b_itself_is_told_when_to_stop),
		cmocka_unit_test(corruption_stays_where_it_belongs),
		cmocka_unit_test(who_was_late_makes_up_for_some),
		cmocka_unit_test(streams_of_one_seed_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
