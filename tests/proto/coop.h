/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends that take turns at every access to shared memory, in one thread: a seed decides whose
 * turn it is, and when one is killed. So a run can be repeated.
 */
#ifndef ICBMSG_TESTS_COOP_H
#define ICBMSG_TESTS_COOP_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define COOP_STACK ((size_t)256 * 1024)

struct coop_end {
	ucontext_t context;
	jmp_buf start;       /* where a killed end goes on, with its memory lost */
	uint64_t steps;      /* accesses since it was started */
	bool kill;           /* at its next turn */
	bool alone;          /* takes all turns until it says otherwise */
	uint64_t *stack;     /* COOP_STACK bytes */
	void (*run)(void *); /* one life; never returns */
	void *arg;
};

/* Numbers from 0 to @below - 1, the same for each seed. */
uint32_t coop_random(uint32_t below);

void coop_seed(uint64_t seed);

/* Let both ends live from now on; what happens then is up to coop_turns(). */
void coop_start(struct coop_end *a, struct coop_end *b);

/* Take @accesses turns. */
void coop_turns(uint64_t accesses);

void coop_end(void);

/* To be called by who has nothing to do: the other end may go on. */
void coop_idle(void);

/* The end whose turn it is, 0 or 1. */
int coop_self(void);

#endif
