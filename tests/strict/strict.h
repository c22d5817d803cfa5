/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that behaves like a strict device mapping: the first access that is not naturally aligned,
 * or wider than a limit, or no plain load or store, ends the process with a line that tells which
 * instruction it was. x86-64 only.
 *
 * The pages of guarded memory are not accessible. Each access faults; its instruction is decoded and
 * judged. A plain move is then done in its place, through a second mapping; for other instructions
 * the pages are opened, for one step. Another thread may slip in meanwhile, unjudged: it is judged
 * the next time.
 *
 * System calls do not fault but fail with EFAULT on guarded memory: nothing may be read or written
 * there by one.
 */
#ifndef ICBMSG_TESTS_STRICT_H
#define ICBMSG_TESTS_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit status of a process that was ended for an access. */
#define STRICT_EXIT 86

/* Whether this machine can do it. */
bool strict_possible(void);

/*
 * Guard @length bytes at @pages, whole pages of one shared mapping, from inside a test or its own setup. Accesses are to be at most @limit
 * bytes wide, 1 to 8.
 */
void strict_guard(void *pages, size_t length, unsigned int limit);

/* End the guard of the mapping at @pages; nothing happens if there is none. */
void strict_forget(void *pages);

/* Accesses judged so far, those of @size bytes (1, 2, 4, 8). */
uint64_t strict_count(unsigned int size);

#endif
