// SPDX-License-Identifier: Apache-2.0
/*
 * Queues, holding and policies of icbmsgd without sockets and links: who gets what, who loses what,
 * and that the books balance after every step, random ones included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "message.h"

#define CLIENTS 4
#define BLOCKS 16u
#define REGION (1u << 16)
#define MS INT64_C(1000000)

static struct limits limits;
static struct pool_share share;
static struct pool pool;
static struct outbox box[CLIENTS];
static bool doomed[CLIENTS];
static unsigned int released, outstanding;
static uint64_t region[REGION]; /* the other core's memory, by message number */
static uint64_t first_current;  /* handles below it are stale */

static void on_release(void *user, struct icbmsg_rx rx)
{
	(void)user;
	region[rx.id % REGION] = UINT64_MAX;
	released++;
	outstanding--;
}

static bool on_is_current(void *user, struct icbmsg_rx rx)
{
	(void)user;
	return rx.id >= first_current;
}

static void on_doom(void *user, struct outbox *o)
{
	(void)user;
	assert_int_equal(o->count, 0);
	doomed[o - box] = true;
}

static const struct pool_ops ops = {
	.release = on_release,
	.is_current = on_is_current,
	.doom = on_doom,
};

static struct endpoint_settings settings(enum policy policy, uint32_t hold, uint64_t messages)
{
	return (struct endpoint_settings){ .policy = policy,
					   .hold_blocks = hold,
					   .hold_time = 100 * MS,
					   .backlog = messages * message_cost(8) };
}

static void begin(enum policy policy, uint32_t hold, uint64_t messages)
{
	static const struct daemon_settings d = { .max_clients = 100,
						  .max_clients_per_uid = 100,
						  .max_bytes = 1 << 20,
						  .max_bytes_per_uid = 1 << 20,
						  .max_held = 100,
						  .max_held_per_uid = 100 };
	struct endpoint_settings s = settings(policy, hold, messages);
	struct account *account;

	limits_init(&limits);
	limits_set(&limits, &d);
	share = (struct pool_share){ .max_held_blocks = BLOCKS / 2 };
	pool_init(&pool, &ops, NULL, &share, &limits);
	pool_set(&pool, &s, BLOCKS);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(limits_enter(&limits, i < 2 ? 1 : 2, false, &account), LIMIT_NONE);
		outbox_init(&box[i], &pool, account);
		doomed[i] = false;
	}
	released = outstanding = 0;
	first_current = 0;
}

/* Every book against every other. */
static void check_books(void)
{
	uint64_t bytes = 0, queued = 0;
	uint32_t held = 0, blocks = 0, forced = 0;
	const struct message *m;

	for (int i = 0; i < CLIENTS; i++) {
		const struct outbox *o = &box[i];
		uint64_t fates = 0, own_bytes = 0;
		uint32_t count = 0, own_held = 0;
		const struct entry *e;

		TAILQ_FOREACH(e, &o->entries, in_outbox) {
			count++;
			own_bytes += e->message->held ? 0 : message_cost(e->message->size);
			own_held += e->message->held;
		}
		for (int f = 0; f < FATE_COUNT; f++)
			fates += o->stats.fates[f];
		assert_int_equal(count, o->count);
		assert_int_equal(own_bytes, o->bytes);
		assert_int_equal(own_held, o->held);
		assert_int_equal(o->stats.offered, fates + count);
		bytes += own_bytes;
		queued += count;
	}
	TAILQ_FOREACH(m, &pool.held_messages, in_pool) {
		held++;
		blocks += m->blocks;
		forced += m->forced;
		assert_true(m->held);
	}
	assert_int_equal(bytes, pool.bytes);
	assert_int_equal(bytes, limits.bytes);
	assert_int_equal(queued, pool.queued);
	assert_int_equal(held, pool.held);
	assert_int_equal(held, limits.held);
	assert_int_equal(held, outstanding);
	assert_int_equal(blocks, pool.held_blocks);
	assert_int_equal(blocks, share.held_blocks);
	assert_true(forced <= pool.forced);
}

/* A message arrives that the clients of @mask do not take at once. */
static void arrive(uint64_t number, unsigned int mask, bool holdable, int64_t now)
{
	struct arrival a = { .pool = &pool,
			     .data = &number,
			     .size = sizeof(number),
			     .holdable = holdable,
			     .rx = { number },
			     .blocks = 1,
			     .now = now };

	/* What is held lies in memory that is overwritten when it is given back. */
	if (holdable) {
		region[number % REGION] = number;
		a.data = &region[number % REGION];
	}
	outstanding += holdable;
	for (int i = 0; i < CLIENTS; i++) {
		if (!(mask & 1u << i) || doomed[i])
			continue;
		box[i].stats.offered++;
		pool.stats.offered++;
		/* Where it is read from is valid for everybody: a buffer that is held, or a copy. */
		assert_memory_equal(a.data, &number, sizeof(number));
		arrival_queue(&a, &box[i]);
	}
	arrival_done(&a);
	check_books();
}

/* The number of the client's next message, which it takes; -1 if there is none. */
static int64_t take(int client)
{
	uint64_t number;
	const void *data;
	size_t size;

	if (!outbox_front(&box[client], &data, &size))
		return -1;
	assert_int_equal(size, sizeof(number));
	memcpy(&number, data, sizeof(number));
	assert_true(number != UINT64_MAX);
	outbox_pop(&box[client], FATE_DELIVERED);
	check_books();
	return (int64_t)number;
}

static void end(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		outbox_clear(&box[i], FATE_ABANDONED);
		check_books();
		limits_leave(&limits, box[i].account, false);
	}
	assert_int_equal(outstanding, 0);
	assert_int_equal(limits.bytes, 0);
	assert_int_equal(pool.forced, 0);
	assert_int_equal(limits.clients, 0);
	assert_true(LIST_EMPTY(&limits.accounts));
}

static uint64_t fate(int client, enum fate f)
{
	return box[client].stats.fates[f];
}

static void held_then_copied(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, 3, 2);
	for (uint64_t n = 0; n < 7; n++)
		arrive(n, 1, true, 0);
	assert_int_equal(pool.held, 3);
	assert_int_equal(box[0].count, 5);
	assert_int_equal(fate(0, FATE_DROPPED_NEWEST), 2);
	assert_int_equal(released, 4);
	for (int64_t n = 0; n < 5; n++)
		assert_int_equal(take(0), n);
	assert_int_equal(take(0), -1);
	assert_int_equal(released, 7);
	end();
}

static void one_buffer_serves_all(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, 1, 0);
	arrive(7, 0xf, true, 0);
	assert_int_equal(pool.held, 1);
	assert_int_equal(pool.queued, 4);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(released, 0);
		assert_int_equal(take(i), 7);
	}
	assert_int_equal(released, 1);
	end();
}

static void the_instance_keeps_half_its_blocks(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, BLOCKS, 0);
	for (uint64_t n = 0; n < BLOCKS; n++)
		arrive(n, 1, true, 0);
	assert_int_equal(share.held_blocks, BLOCKS / 2);
	assert_int_equal(fate(0, FATE_DROPPED_NEWEST), BLOCKS / 2);
	end();
}

static void the_oldest_makes_room(void **state)
{
	(void)state;
	begin(POLICY_DROP_OLDEST, 0, 3);
	for (uint64_t n = 0; n < 10; n++)
		arrive(n, 1, true, 0);
	assert_int_equal(fate(0, FATE_DROPPED_OLDEST), 7);
	for (int64_t n = 7; n < 10; n++)
		assert_int_equal(take(0), n);
	end();
}

static void what_no_dropping_can_help_is_dropped_itself(void **state)
{
	(void)state;
	begin(POLICY_DROP_OLDEST, 0, 3);
	for (uint64_t n = 0; n < 3; n++)
		arrive(n, 1, true, 0);
	limits.max_bytes_per_uid = box[0].bytes;
	/* Another client of the same user: dropping its own nothing would not help. */
	arrive(3, 2, true, 0);
	assert_int_equal(fate(1, FATE_DROPPED_NEWEST), 1);
	assert_int_equal(limits.hit[LIMIT_BYTES_PER_UID], 1);
	assert_int_equal(box[0].count, 3);
	/* Another user has room. */
	arrive(4, 4, true, 0);
	assert_int_equal(take(2), 4);
	end();
}

static void the_client_goes(void **state)
{
	(void)state;
	begin(POLICY_DISCONNECT, 1, 1);
	arrive(0, 3, true, 0);
	arrive(1, 3, true, 0);
	assert_int_equal(take(1), 0);
	assert_int_equal(take(1), 1);
	arrive(2, 3, true, 0);
	assert_true(doomed[0]);
	assert_false(doomed[1]);
	assert_int_equal(fate(0, FATE_ABANDONED), 3);
	assert_int_equal(take(1), 2);
	end();
}

static void block_loses_nothing(void **state)
{
	(void)state;
	begin(POLICY_BLOCK, 2, 1);
	for (uint64_t n = 0; n < BLOCKS; n++)
		arrive(n, 3, true, 0);
	assert_true(pool_is_blocking(&pool));
	assert_int_equal(pool.held, BLOCKS - 1);
	assert_int_equal(pool.forced, BLOCKS - 3);
	assert_int_equal(pool.blocked, BLOCKS - 3);
	for (int64_t n = 0; n < (int64_t)BLOCKS; n++) {
		assert_int_equal(take(0), n);
		assert_int_equal(take(1), n);
	}
	assert_false(pool_is_blocking(&pool));
	assert_int_equal(outstanding, 0);
	end();
}

static void block_without_holding_goes_one_beyond(void **state)
{
	(void)state;
	begin(POLICY_BLOCK, 2, 1);
	arrive(0, 1, false, 0);
	assert_false(pool_is_blocking(&pool));
	arrive(1, 1, false, 0);
	assert_true(pool_is_blocking(&pool));
	assert_int_equal(take(0), 0);
	assert_true(pool_is_blocking(&pool));
	assert_int_equal(take(0), 1);
	assert_false(pool_is_blocking(&pool));
	end();
}

/* Blocks are the other core's: they are held for a short time only. */
static void held_messages_are_copied_in_time(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, 4, 2);
	assert_int_equal(pool_next_spill(&pool), -1);
	for (uint64_t n = 0; n < 4; n++)
		arrive(n, 1, true, (int64_t)n * MS);
	assert_int_equal(pool_next_spill(&pool), 100 * MS);
	pool_spill(&pool, 99 * MS);
	assert_int_equal(pool.held, 4);
	pool_spill(&pool, 101 * MS);
	check_books();
	assert_int_equal(pool.held, 2);
	assert_int_equal(box[0].bytes, 2 * message_cost(8));
	/* The backlog is full: the third and fourth find no room. */
	pool_spill(&pool, 1000 * MS);
	check_books();
	assert_int_equal(pool.held, 0);
	assert_int_equal(fate(0, FATE_DROPPED_NEWEST), 2);
	assert_int_equal(take(0), 0);
	assert_int_equal(take(0), 1);
	end();
}

static void spilling_drops_the_oldest(void **state)
{
	(void)state;
	begin(POLICY_DROP_OLDEST, 2, 2);
	for (uint64_t n = 0; n < 4; n++)
		arrive(n, 1, true, 0);
	assert_int_equal(pool.held, 2);
	pool_spill(&pool, 1000 * MS);
	check_books();
	/* 0 and 1 were held, 2 and 3 fill the backlog: 0 and 1 are the oldest, and go. */
	assert_int_equal(fate(0, FATE_DROPPED_OLDEST), 2);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(0), 3);
	end();
}

static void spilling_disconnects(void **state)
{
	(void)state;
	begin(POLICY_DISCONNECT, 2, 0);
	arrive(0, 3, true, 0);
	assert_int_equal(take(1), 0);
	pool_spill(&pool, 1000 * MS);
	check_books();
	assert_true(doomed[0]);
	assert_false(doomed[1]);
	assert_int_equal(outstanding, 0);
	end();
}

static void blocking_messages_stay_and_are_looked_at_again(void **state)
{
	(void)state;
	begin(POLICY_BLOCK, 1, 1);
	for (uint64_t n = 0; n < 3; n++)
		arrive(n, 1, true, 0);
	pool_spill(&pool, 100 * MS);
	check_books();
	assert_int_equal(pool.held, 2);
	assert_int_equal(pool_next_spill(&pool), 200 * MS);
	assert_int_equal(take(0), 0);
	assert_int_equal(take(0), 1);
	/* Now there is room for the last one. */
	pool_spill(&pool, 200 * MS);
	check_books();
	assert_int_equal(pool.held, 0);
	assert_false(pool_is_blocking(&pool));
	assert_int_equal(take(0), 2);
	end();
}

static void a_user_may_hold_so_many(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, 8, 8);
	limits.max_held_per_uid = 1;
	arrive(0, 1, true, 0);
	arrive(1, 1, true, 0);
	assert_int_equal(pool.held, 1);
	/* Held for user 2; user 1 may not: it is copied for both. */
	arrive(2, 4, true, 0);
	arrive(3, 1, true, 0);
	assert_int_equal(pool.held, 2);
	limits.max_held_per_uid = 2;
	arrive(4, 4 | 1, true, 0);
	assert_int_equal(pool.held, 3);
	arrive(5, 8 | 1, true, 0);
	assert_int_equal(pool.held, 3);
	for (int64_t n = 0; n < 6; n++)
		if (n != 2)
			assert_int_equal(take(0), n);
	end();
}

static void a_restart_loses_what_is_held(void **state)
{
	(void)state;
	begin(POLICY_DROP_NEWEST, 2, 2);
	for (uint64_t n = 0; n < 4; n++)
		arrive(n, 3, true, 0);
	/* Noticed when the client takes it: */
	first_current = 1;
	assert_int_equal(take(0), 1);
	assert_int_equal(fate(0, FATE_STALE), 1);
	/* and when the link says so, for everybody. */
	first_current = 100;
	pool_lose_held(&pool);
	check_books();
	assert_int_equal(fate(1, FATE_STALE), 2);
	assert_int_equal(outstanding, 0);
	assert_int_equal(take(0), 2);
	assert_int_equal(take(1), 2);
	end();
}

/* 0 and 1 are held, 2 and 3 found no room there and were copied: behind a gap nobody wants them. */
static void a_restart_leaves_no_gap_where_nothing_is_dropped(void **state)
{
	(void)state;
	for (int noticed_by_taking = 0; noticed_by_taking < 2; noticed_by_taking++) {
		begin(POLICY_BLOCK, 2, 2);
		arrive(0, 1, true, 0);
		/* In memory, where a restart does not reach it. */
		pool_spill(&pool, 100 * MS);
		assert_int_equal(pool.held, 0);
		for (uint64_t n = 1; n < 4; n++)
			arrive(n, 3, true, 200 * MS);
		assert_int_equal(pool.held, 2);
		first_current = 100;
		if (noticed_by_taking)
			assert_int_equal(take(0), 0);
		else
			pool_lose_held(&pool);
		if (!noticed_by_taking)
			assert_int_equal(take(0), 0);
		assert_int_equal(take(0), -1);
		assert_int_equal(take(1), -1);
		assert_int_equal(fate(0, FATE_STALE), 3);
		assert_int_equal(fate(1, FATE_STALE), 3);
		check_books();
		pool_lose_held(&pool);
		end();
	}
}

static void random_steps(enum policy policy, uint32_t seed)
{
	uint64_t number = 0;
	int64_t last[CLIENTS], now = 0;

	begin(policy, 4, 5);
	limits.max_held_per_uid = 3;
	limits.max_bytes_per_uid = 8 * message_cost(8);
	for (int i = 0; i < CLIENTS; i++)
		last[i] = -1;
	for (int step = 0; step < 3000; step++) {
		uint32_t r = (uint32_t)rand_r(&seed);
		int client = (int)(r >> 8) % CLIENTS;

		now += MS;
		if (r % 8 < 4 && outstanding < BLOCKS) {
			arrive(number++, r >> 12, r % 64 != 0, now);
		} else if (r % 8 < 7) {
			int64_t got = take(client);

			assert_true(got < 0 || got > last[client]);
			if (got >= 0)
				last[client] = got;
		} else if (r % 512 == 7) {
			first_current = number;
			pool_lose_held(&pool);
		} else {
			pool_spill(&pool, now);
		}
		doomed[client] = false;
		check_books();
	}
	if (policy == POLICY_BLOCK)
		for (int i = 0; i < CLIENTS; i++)
			for (int f = 0; f < FATE_COUNT; f++)
				assert_true(f == FATE_DELIVERED || f == FATE_STALE ||
					    fate(i, (enum fate)f) == 0);
	end();
}

static void any_order_of_things(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++)
		for (int policy = POLICY_DROP_OLDEST; policy <= POLICY_BLOCK; policy++)
			random_steps((enum policy)policy, seed);
}

static void users_have_so_many_clients(void **state)
{
	struct account *a, *b;

	(void)state;
	limits_init(&limits);
	limits.max_clients = 3;
	limits.max_clients_per_uid = 2;
	assert_int_equal(limits_enter(&limits, 1, false, &a), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 1, false, &a), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 1, false, &a), LIMIT_CLIENTS_PER_UID);
	assert_int_equal(limits_enter(&limits, 2, false, &b), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 3, false, &b), LIMIT_CLIENTS);
	limits_leave(&limits, a, false);
	assert_int_equal(limits_enter(&limits, 2, false, &b), LIMIT_NONE);
	assert_int_equal(limits.hit[LIMIT_CLIENTS], 1);
	assert_int_equal(limits.hit[LIMIT_CLIENTS_PER_UID], 1);
	limits_leave(&limits, a, false);
	limits_leave(&limits, b, false);
	limits_leave(&limits, b, false);
	assert_true(LIST_EMPTY(&limits.accounts));
}

static void library_clients_are_counted_apart(void **state)
{
	struct account *a, *b;

	(void)state;
	limits_init(&limits);
	limits.max_clients = limits.max_clients_per_uid = 10;
	limits.max_library = 3;
	limits.max_library_per_uid = 2;
	limits.max_library_bytes = 100;
	limits.max_library_bytes_per_uid = 80;
	assert_int_equal(limits_enter(&limits, 1, true, &a), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 1, true, &a), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 1, true, &a), LIMIT_LIBRARY_PER_UID);
	assert_int_equal(limits_enter(&limits, 2, true, &b), LIMIT_NONE);
	assert_int_equal(limits_enter(&limits, 3, true, &b), LIMIT_LIBRARY);
	/* Refused without having had an account: it is not kept. */
	assert_int_equal(limits_most(&limits, LIMIT_CLIENTS_PER_UID), 2);
	assert_int_equal(limits_enter(&limits, 1, false, &a), LIMIT_NONE);
	assert_int_equal(limits_add_memory(&limits, a, 81), LIMIT_LIBRARY_BYTES_PER_UID);
	assert_int_equal(limits_add_memory(&limits, a, 80), LIMIT_NONE);
	assert_int_equal(limits_add_memory(&limits, b, 21), LIMIT_LIBRARY_BYTES);
	assert_int_equal(limits_add_memory(&limits, b, 20), LIMIT_NONE);
	limits_sub_memory(&limits, a, 80);
	assert_int_equal(limits_add_memory(&limits, a, 80), LIMIT_NONE);
	limits_sub_memory(&limits, a, 80);
	limits_sub_memory(&limits, b, 20);
	assert_int_equal(limits.library_bytes, 0);
	for (int n = 0; n < 2; n++)
		limits_leave(&limits, a, true);
	limits_leave(&limits, a, false);
	limits_leave(&limits, b, true);
	assert_true(limits.library == 0 && LIST_EMPTY(&limits.accounts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_then_copied),
		cmocka_unit_test(one_buffer_serves_all),
		cmocka_unit_test(the_instance_keeps_half_its_blocks),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(what_no_dropping_can_help_is_dropped_itself),
		cmocka_unit_test(the_client_goes),
		cmocka_unit_test(block_loses_nothing),
		cmocka_unit_test(block_without_holding_goes_one_beyond),
		cmocka_unit_test(held_messages_are_copied_in_time),
		cmocka_unit_test(spilling_drops_the_oldest),
		cmocka_unit_test(spilling_disconnects),
		cmocka_unit_test(blocking_messages_stay_and_are_looked_at_again),
		cmocka_unit_test(a_user_may_hold_so_many),
		cmocka_unit_test(a_restart_loses_what_is_held),
		cmocka_unit_test(a_restart_leaves_no_gap_where_nothing_is_dropped),
		cmocka_unit_test(any_order_of_things),
		cmocka_unit_test(users_have_so_many_clients),
		cmocka_unit_test(library_clients_are_counted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
