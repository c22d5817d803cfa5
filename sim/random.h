/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-random numbers that can be repeated: splitmix64. One seed makes as many streams as there
 * are things to draw for, so that how often one draws changes nothing for the others.
 */
#ifndef ICBMSG_SIM_RANDOM_H
#define ICBMSG_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* From 0 to below @n, 0 if @n is 0; a bias of @n in 2^64 is accepted. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return n ? random_next(state) % n : 0;
}

/* True with probability @share, 0 to 1. */
static inline bool random_chance(uint64_t *state, double share)
{
	return (double)(random_next(state) >> 11) * 0x1p-53 < share;
}

/* The start of stream @number of @seed. */
static inline uint64_t random_stream(uint64_t seed, uint64_t number)
{
	uint64_t state = seed ^ number * UINT64_C(0xd1342543de82ef95);

	return random_next(&state);
}

#endif
