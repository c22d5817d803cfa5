// SPDX-License-Identifier: Apache-2.0
/*
 * See coop.h. An end gives its turn back every few accesses, sometimes after each; killed, it jumps
 * to its start, so that no stack is ever left for good.
 */
#include "coop.h"

#include <stdlib.h>

#include "hooked/util/access.h"

static struct {
	struct coop_end *ends[2];
	ucontext_t scheduler;
	uint64_t random;
	uint64_t left; /* turns */
	int self;      /* -1: the scheduler */
	uint32_t run;  /* accesses until the next change of turns */
	uint32_t longest;
} coop = { .self = -1 };

uint32_t coop_random(uint32_t below)
{
	coop.random = coop.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((coop.random >> 32) * below >> 32);
}

int coop_self(void)
{
	return coop.self;
}

static void yield(void)
{
	struct coop_end *e = coop.ends[coop.self];

	swapcontext(&e->context, &coop.scheduler);
	if (e->kill) {
		e->kill = false;
		longjmp(e->start, 1);
	}
}

void hook_access(void)
{
	struct coop_end *e;

	if (coop.self < 0)
		return;
	e = coop.ends[coop.self];
	e->steps++;
	if (coop.left > 0)
		coop.left--;
	if (e->alone)
		return;
	if (coop.left == 0 || coop.run-- == 0)
		yield();
}

void coop_idle(void)
{
	coop.run = 0;
	hook_access();
}

static void live(unsigned int high, unsigned int low)
{
	struct coop_end *e = (struct coop_end *)(uintptr_t)((uint64_t)high << 32 | low);

	setjmp(e->start);
	e->steps = 0;
	e->alone = false;
	e->run(e->arg);
	abort();
}

static void start(struct coop_end *e)
{
	uint64_t p = (uint64_t)(uintptr_t)e;

	e->stack = malloc(COOP_STACK);
	e->kill = false;
	if (!e->stack || getcontext(&e->context) < 0)
		abort();
	e->context.uc_stack.ss_sp = e->stack;
	e->context.uc_stack.ss_size = COOP_STACK;
	e->context.uc_link = NULL;
	makecontext(&e->context, (void (*)(void))live, 2, (unsigned int)(p >> 32), (unsigned int)p);
}

void coop_seed(uint64_t seed)
{
	coop.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	coop_random(2);
}

void coop_start(struct coop_end *a, struct coop_end *b)
{
	coop.ends[0] = a;
	coop.ends[1] = b;
	/* Runs that change turns all the time, and runs in which each end gets far. */
	coop.longest = 1u << coop_random(8);
	start(a);
	start(b);
}

void coop_turns(uint64_t accesses)
{
	coop.left = accesses;
	while (coop.left > 0) {
		coop.self = (int)coop_random(2);
		coop.run = coop_random(coop.longest);
		swapcontext(&coop.scheduler, &coop.ends[coop.self]->context);
	}
	coop.self = -1;
}

void coop_end(void)
{
	free(coop.ends[0]->stack);
	free(coop.ends[1]->stack);
}
