/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test needs: cmocka with the headers it wants first, and random numbers that are
 * the same on every run, so that a failure can be repeated.
 */
#ifndef ICBMSG_TESTS_UNIT_H
#define ICBMSG_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* splitmix64 */
static inline uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to @limit - 1 */
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(next_random(state) >> 32) % limit;
}

#endif
