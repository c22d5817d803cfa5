// SPDX-License-Identifier: Apache-2.0
/*
 * A thread writes random words all over the mapping, most of them where they hurt, while libicbmsg
 * sends, dispatches, holds and releases. Nothing is promised about what arrives; but every call
 * comes back with one of its errors, no access leaves the regions (the address sanitizer watches),
 * and the account of our own blocks, which is nobody else's to write, stays right.
 *
 * The race is deliberate, so the thread sanitizer sits this one out.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 64, 7, 40, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 4, 4, 4, 0x1000, 0x1000, NULL, "device" },
	{ 0 },
};

/* Fewer where every access of ours faults: the scribbler does not, and keeps the ring full. */
#ifndef SCRIBBLE_LINKS
#define SCRIBBLE_LINKS 60
#define SCRIBBLE_ROUNDS 300
#endif

/* Where the scribbler writes; each goes for more than the one before. */
enum area { BLOCKS, PACKETS, INDICES, EVERYTHING, AREAS };

static struct hostile h;
static struct seen seen;
static uint8_t message[1 << 13];

struct scribbler {
	pthread_t thread;
	bool stop;
	enum area area;
	uint64_t random;
	uint64_t words;
};

/* xorshift64*, one per thread */
static uint32_t below(uint64_t *state, uint32_t limit)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1du) >> 32) % limit;
}

/* A word that may pass for what belongs there. */
static uint32_t plausible(struct scribbler *s, const struct ring *r)
{
	switch (below(&s->random, 6)) {
	case 0:
		return below(&s->random, r->len / 4) * 4; /* an index */
	case 1:
		return below(&s->random, 140) << 8; /* a packet's length */
	case 2:
		/* a control message */
		return below(&s->random, 5) | below(&s->random, 3) << 8 |
		       below(&s->random, 20) << 16;
	case 3:
		return below(&s->random, 5000); /* a buffer's length */
	case 4:
		return 0xffffffffu - below(&s->random, 9);
	default:
		return below(&s->random, UINT32_MAX);
	}
}

static void *anywhere(struct scribbler *s, const struct layout_region *r, uint32_t from)
{
	return h.e.map + r->begin + from + (size_t)below(&s->random, (r->total - from) / 4) * 4;
}

static void *place(struct scribbler *s)
{
	const struct layout_region *r = below(&s->random, 3) ? &h.rx : &h.tx;
	const struct ring *ring = r == &h.rx ? &h.out : &h.in;

	switch (below(&s->random, (uint32_t)s->area + 1)) {
	case BLOCKS:
		/* Headers more often than others. */
		if (below(&s->random, 2))
			return anywhere(s, r, r->blocks_off);
		return h.e.map + r->begin + r->blocks_off +
		       (size_t)below(&s->random, r->block_count) * r->block_size;
	case PACKETS:
		return &ring->data[below(&s->random, ring->len / 4)];
	case INDICES:
		return below(&s->random, 2) ? ring->rd_idx : ring->wr_idx;
	default:
		return anywhere(s, r, 0);
	}
}

/* Between two scribbles the peer also sends something that may mean anything, and reads on. */
static void *scribble(void *user)
{
	struct scribbler *s = user;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint8_t packet[CONTROL_SIZE] = { (uint8_t)below(&s->random, 5),
						 (uint8_t)(below(&s->random, 9) / 8),
						 (uint8_t)below(&s->random, 17) };

		shm_store32(place(s), plausible(s, &h.out));
		if (below(&s->random, 4) == 0 &&
		    ring_put(&h.out, &h.wr, packet, sizeof(packet)) == 0)
			ring_publish(&h.out, h.wr);
		if (below(&s->random, 8) == 0)
			shm_store32_release(h.in.rd_idx, ring_load_wr(&h.in));
		__atomic_add_fetch(&s->words, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void assert_known(int ret)
{
	static const int known[] = { -ENOBUFS,  -ETIMEDOUT,  -EPROTO,
				     -ENOTCONN, -ECONNRESET, -EOPNOTSUPP };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ret == known[i])
			return;
	assert_true(ret >= 0);
}

static void send_one(uint64_t *random)
{
	size_t size = below(random, below(random, 4) ? 100 : (uint32_t)icbmsg_max_size(h.link));
	int64_t timeout = below(random, 50) ? 0 : MS;
	void *buffer;
	int ret;

	if (below(random, 2)) {
		assert_known(icbmsg_send(seen.ept, message, size, timeout));
		return;
	}
	ret = icbmsg_get_tx_buffer(seen.ept, &size, timeout, &buffer);
	assert_known(ret);
	if (ret < 0)
		return;
	memset(buffer, 0x77, size);
	ret = below(random, 8) ? icbmsg_send_nocopy(seen.ept, buffer, size / 2) : -1;
	if (ret < 0)
		assert_int_equal(icbmsg_drop_tx_buffer(h.link, buffer), 0);
}

static void release_one(uint64_t *random)
{
	size_t n;
	int ret;

	if (seen.held_count == 0)
		return;
	n = below(random, (uint32_t)seen.held_count);
	ret = icbmsg_release_rx(h.link, seen.held[n]);
	/* Stale after what was taken for a restart. */
	assert_true(ret == 0 || ret == -ESTALE);
	seen.held[n] = seen.held[--seen.held_count];
}

static void one_round(uint64_t *random)
{
	seen.hold = !ends_param->memory_type && seen.held_count < 8 && below(random, 3) == 0;
	switch (below(random, 6)) {
	case 0:
	case 1:
		send_one(random);
		break;
	case 2:
		release_one(random);
		break;
	case 3:
		icbmsg_ept_deregister(seen.ept);
		ends_register(h.link, &seen, HOSTILE_NAME);
		break;
	default:
		assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	}
	hostile_assert_sound(&h);
}

/* Rounds until the link is lost over it, which ends the interesting part; returns how many. */
static unsigned int run_link(uint64_t seed)
{
	struct scribbler s = { .random = seed, .area = (enum area)(seed % AREAS) };
	uint64_t random = seed * 7919;
	unsigned int rounds;

	hostile_start(&h, &seen, seed / AREAS % 2);
	assert_int_equal(pthread_create(&s.thread, NULL, scribble, &s), 0);
	while (__atomic_load_n(&s.words, __ATOMIC_RELAXED) == 0)
		sched_yield();
	for (rounds = 0; rounds < SCRIBBLE_ROUNDS && ends_stats(h.link).restarts == 0; rounds++)
		one_round(&random);
	for (int i = 0; i < 20; i++)
		one_round(&random);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(s.thread, NULL), 0);
	seen.hold = false;
	while (seen.held_count > 0)
		release_one(&random);
	assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	hostile_assert_sound(&h);
	hostile_end(&h);
	return rounds;
}

static void a_scribbler(void **state)
{
	const char *sanitizer = getenv("ICBMSG_SANITIZE");
	unsigned int rounds = 0;

	(void)state;
	if (sanitizer && strstr(sanitizer, "thread"))
		skip();
	for (uint64_t seed = 1; seed <= SCRIBBLE_LINKS; seed++)
		rounds += run_link(seed);
	/* Where only blocks are written, nothing can look like a restart. */
	assert_true(rounds >= SCRIBBLE_LINKS / AREAS * SCRIBBLE_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scribbler),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
