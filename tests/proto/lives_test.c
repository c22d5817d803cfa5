// SPDX-License-Identifier: Apache-2.0
/*
 * Restarts of either side at any access to shared memory, over memory with any past: two libicbmsg
 * ends, or one and Zephyr, or one and sometimes this and sometimes that. What tests/model verifies
 * of the rules in all orders with packets as cells, this tries on the code itself and its bytes, in
 * many random orders. The rules are lib/proto/SESSIONS.md's.
 *
 * Usage: proto_lives [RUNS [SEED]]; with SEED, that run alone, in each group.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lives.h"

#define RUNS_DEFAULT 60u
#define KILLS_MAX 6u
#define LIFE_MAX 3000u /* accesses from one kill to the next */
#define ENOUGH 4u      /* messages that show that both talk */
#define TURNS 2000u    /* between two looks at the ends */
#define PATIENCE 2000u /* looks, after which nothing will come of it */

static unsigned int runs = RUNS_DEFAULT;
static bool one_seed;
static uint64_t seed;

struct group {
	const char *name;
	bool library[2], zephyr[2]; /* what a side can be; both: drawn at each start */
	bool told;                  /* with alignment 4, too */
	bool corrupted;             /* somebody writes into memory for a while */
};

struct geometry {
	uint32_t alignment, word_size, size[2], blocks[2];
};

static const struct geometry geometries[] = {
	{ 8, 4, { 0x100, 0x100 }, { 1, 1 } },  { 8, 4, { 0x200, 0x1fc }, { 3, 2 } },
	{ 64, 8, { 0x400, 0x300 }, { 2, 4 } }, { 32, 4, { 0x204, 0x200 }, { 4, 4 } },
	{ 16, 8, { 0x208, 0x20c }, { 1, 3 } },
};

static const struct geometry small_alignment[] = {
	{ 4, 4, { 0x100, 0x104 }, { 2, 1 } },
	{ 4, 8, { 0x200, 0x208 }, { 3, 3 } },
	{ 4, 4, { 0x240, 0x200 }, { 8, 5 } },
};

static struct world world;

static void lay_out_regions(const struct geometry *g, bool b_initiates, bool told)
{
	char error[LAYOUT_ERROR_SIZE];

	for (int side = 0; side < 2; side++) {
		struct layout_geometry in = {
			.base = (side == 0) != b_initiates ? 0x1000 : 0,
			.size = g->size[side],
			.blocks = g->blocks[side],
			.peer_blocks = g->blocks[!side],
			.alignment = g->alignment,
			.word_size = g->word_size,
		};

		assert_int_equal(layout_classic(&world.region[side], &in, error), 0);
		if (told)
			assert_true(layout_reserve_word(&world.region[side]));
	}
}

/* Zero, a pattern, noise, or small numbers, which are good indices and old ids. */
static void fill_memory(void)
{
	uint32_t kind = coop_random(4);

	for (size_t i = 0; i < sizeof(world.map); i += 4) {
		uint32_t words[] = { 0, 0xa5a5a5a5, coop_random(UINT32_MAX), coop_random(16) * 4 };

		memcpy(world.map + i, &words[kind], 4);
	}
}

static enum kind draw_kind(const struct group *g, int side)
{
	if (g->library[side] && g->zephyr[side])
		return coop_random(2) ? LIBRARY : ZEPHYR;
	return g->library[side] ? LIBRARY : ZEPHYR;
}

static void kill_side(const struct group *g, int side)
{
	world.life[side].kind = draw_kind(g, side);
	lives_kill(&world, side);
}

static void kill_or_close(const struct group *g, int side)
{
	world.life[side].kind = draw_kind(g, side);
	if (coop_random(3) == 0)
		lives_close(&world, side);
	else
		lives_kill(&world, side);
}

/* Write into a word of a region; more often than not into one that matters. */
static void corrupt(void)
{
	const struct layout_region *r = &world.region[coop_random(2)];
	uint32_t word, at[] = { r->rd_idx,
				r->rd_idx + 4,
				r->wr_idx,
				r->ring_data,
				r->ring_data + coop_random(r->ring_len / 4) * 4,
				r->blocks_off + coop_random(r->block_count) * r->block_size };
	uint8_t *p = world.map + r->begin + at[coop_random(sizeof(at) / sizeof(at[0]))];

	memcpy(&word, p, sizeof(word));
	switch (coop_random(3)) {
	case 0:
		word ^= 1u << coop_random(32);
		break;
	case 1:
		word = coop_random(UINT32_MAX);
		break;
	default:
		word = coop_random(64) * 4;
		break;
	}
	memcpy(p, &word, sizeof(word));
}

/* Whatever has become of a session: when firmware, or else either end, starts anew all is well. */
static void corrupt_and_restart(const struct group *g)
{
	world.corrupted = true;
	world.right_from = UINT32_MAX;
	for (uint32_t i = 1 + coop_random(5); i > 0; i--) {
		coop_turns(1 + coop_random(LIFE_MAX));
		corrupt();
	}
	coop_turns(1 + coop_random(LIFE_MAX));
	world.right_from = world.lives + 1;
	kill_side(g, g->zephyr[1] ? 1 : (int)coop_random(2));
}

/* Firmware does not take up a new session of the other side: it has to be restarted. */
static bool free_held(const struct group *g)
{
	for (int side = 0; side < 2; side++)
		if (lives_held(&world, side) && world.life[!side].lives_as == ZEPHYR) {
			kill_side(g, !side);
			return true;
		}
	return false;
}

/* Both talk in the end; a held side has once been freed. */
static bool comes_back(const struct group *g)
{
	uint32_t held = 0;

	for (uint32_t i = 0; i < PATIENCE && !world.error[0]; i++) {
		coop_turns(TURNS);
		if (lives_talk(&world, ENOUGH))
			return true;
		held = lives_held(&world, 0) || lives_held(&world, 1) ? held + 1 : 0;
		if (held > 20 && free_held(g))
			held = 0;
	}
	return false;
}

/* Once nobody sends any more nothing stays under way. */
static bool comes_to_rest(void)
{
	world.quiet = true;
	for (uint32_t i = 0; i < PATIENCE && !world.error[0]; i++) {
		coop_turns(TURNS);
		if (lives_idle(&world))
			return true;
	}
	return false;
}

static void fail_run(const struct group *g, const struct geometry *geo, const char *what)
{
	for (int side = 0; side < 2; side++) {
		const struct life *e = &world.life[side];

		print_error("side %d: %s, life %u, bound %d, received %u, phase %d, link %d, "
			    "%u blocks, %u held\n",
			    side, e->lives_as == LIBRARY ? "library" : "zephyr", e->number,
			    e->talk[0].bound, e->talk[0].received, e->s.phase, e->fw.link,
			    e->s.tx_used, e->held_count);
	}
	fail_msg("%s, alignment %u, word %u, %u/%u blocks, seed %llu: %s", g->name, geo->alignment,
		 geo->word_size, geo->blocks[0], geo->blocks[1], (unsigned long long)seed,
		 world.error[0] ? world.error : what);
}

static void run(const struct group *g, const struct geometry *geo, bool told)
{
	uint32_t kills = coop_random(KILLS_MAX);
	uint32_t least = geo->blocks[0] < geo->blocks[1] ? geo->blocks[0] : geo->blocks[1];

	memset(&world, 0, sizeof(world));
	world.told = told;
	lay_out_regions(geo, coop_random(2), told);
	fill_memory();
	for (int side = 0; side < 2; side++)
		world.life[side].kind = draw_kind(g, side);
	world.epts = 1 + coop_random(least < LIVES_EPTS_MAX ? least : LIVES_EPTS_MAX);
	world.back_off = coop_random(2);
	lives_begin(&world);
	while (kills-- > 0 && !world.error[0]) {
		coop_turns(1 + coop_random(coop_random(4) ? LIFE_MAX : 80));
		kill_or_close(g, (int)coop_random(2));
	}
	if (g->corrupted)
		corrupt_and_restart(g);
	if (!comes_back(g))
		fail_run(g, geo, "the two do not talk");
	if (!g->corrupted && !comes_to_rest())
		fail_run(g, geo, "blocks, buffers or packets stay under way");
	coop_end();
}

static void run_all(const struct group *g, const struct geometry *geo, size_t count, bool told)
{
	uint64_t first = one_seed ? seed : 1, last = one_seed ? seed : runs;

	for (seed = first; seed <= last; seed++)
		for (size_t i = 0; i < count; i++) {
			coop_seed(seed * 64 + i);
			run(g, &geo[i], told);
		}
	seed = first;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void lives(void **state)
{
	const struct group *g = *state;

	run_all(g, geometries, COUNT(geometries), false);
	if (g->told)
		run_all(g, small_alignment, COUNT(small_alignment), true);
	if (!g->library[1])
		run_all(g, small_alignment, COUNT(small_alignment), false);
}

int main(int argc, char **argv)
{
	static struct group groups[] = {
		{ "two libraries", { true, true }, { false, false }, true, false },
		{ "a library and Zephyr", { true, false }, { false, true }, false, false },
		{ "a library and either", { true, true }, { false, true }, false, false },
		{ "two libraries, corruption", { true, true }, { false, false }, true, true },
		{ "a library and Zephyr, corruption",
		  { true, false },
		  { false, true },
		  false,
		  true },
	};
	struct CMUnitTest tests[COUNT(groups)];

	if (argc > 1)
		runs = (unsigned int)strtoul(argv[1], NULL, 10);
	one_seed = argc > 2;
	if (one_seed)
		seed = strtoull(argv[2], NULL, 10);
	for (size_t i = 0; i < COUNT(groups); i++)
		tests[i] = (struct CMUnitTest){ groups[i].name, lives, NULL, NULL, &groups[i] };
	return _cmocka_run_group_tests("lives", tests, COUNT(groups), NULL, NULL);
}
