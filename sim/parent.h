/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parents of simulated cores have in common: the clock, memory, signals and a core's first
 * steps. Functions that can fail say why and return -1 or NULL.
 */
#ifndef ICBMSG_SIM_PARENT_H
#define ICBMSG_SIM_PARENT_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECOND_NS INT64_C(1000000000)

/* CLOCK_MONOTONIC in ns, as all times of the simulator. */
int64_t sim_now(void);

/* A memfd of @size bytes that nobody can shrink or grow. */
int parent_memory(uint64_t size);

/* @size bytes of zeros that children share with their parent. */
void *parent_shared(size_t size);

/* An eventfd. */
int parent_bell(void);

/*
 * A signalfd for SIGCHLD, SIGINT, SIGTERM, SIGHUP and @also (0: none), which are blocked from now
 * on. Children that stop do not ring it. *@before: what was blocked before, unless NULL.
 */
int parent_signals(int also, sigset_t *before);

/*
 * In the child of @parent: the parent alone decides what ^C means, and nobody survives it. @mask is
 * what is blocked from now on.
 */
void parent_become_core(pid_t parent, const sigset_t *mask);

#endif
