/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disturbance for tests with threads: linked in, it makes threads stop at the points where they
 * meet (locks, conditions, sleeping, doorbells), so that rare orders of events become frequent; it
 * can lose doorbells; and it lets all maps of one file be one map.
 *
 * For the last: the thread sanitizer knows memory by its address. Two ends that map the same file
 * twice would have nothing in common in its eyes; over one map it sees whether what one end writes
 * is ordered before what the other reads, by the releases and acquires of the indices. What it
 * cannot see:
 * - fences alone (barrier_full() in Dekker's pattern and around announcements): it knows no fences.
 *   Models in tests/model look at these.
 * - wrong order among the words of the rings: they are atomics, which never race. Only payloads,
 *   which are plain memory, tell; nothing is told on device memory, which is words throughout.
 * - a missing release where an eventfd is rung behind it: the system call orders, for it and in
 *   fact. That is what the runs with busy polling are for, where nothing is rung.
 */
#ifndef ICBMSG_TESTS_JITTER_H
#define ICBMSG_TESTS_JITTER_H

/* Stop a thread at one in @n of those points, 0 = nowhere, which is how it begins. */
void jitter_disturb(unsigned int n);

/* Lose one in @n doorbells, 0 = none. */
void jitter_lose_doorbells(unsigned int n);

#endif
