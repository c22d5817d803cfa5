/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests with many threads on both ends share: messages that can be told from one another,
 * deadlines of every kind, and parameters under which nothing may be left to luck.
 */
#ifndef ICBMSG_TESTS_CROWD_H
#define ICBMSG_TESTS_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ends.h"

/* cmocka's checks work in the main thread only; this one ends the process, in any. */
void crowd_check(bool good, const char *what);

/* 0 to @below - 1; @state is a thread's own. */
uint32_t crowd_random(uint32_t *state, uint32_t below);

/* None, a little, long, or for ever; ns. */
int64_t crowd_timeout(uint32_t *state);

/* What a message begins with; bytes that depend on its number follow. */
struct crowd_message {
	uint32_t sender, number, check;
};

/* A message of @size bytes, at least sizeof(struct crowd_message). */
void crowd_write(void *at, uint32_t sender, uint32_t number, size_t size);

/* Check every byte of a message that came; what it begins with. */
struct crowd_message crowd_read(const void *data, size_t size);

/* A size that fits: mostly of a few blocks. */
size_t crowd_size(const struct icbmsg *link, uint32_t *state);

/* Threads of a test. */
struct crowd {
	pthread_t thread[64];
	unsigned int count;
};

void crowd_start(struct crowd *c, void *(*run)(void *), void *arg);
void crowd_join(struct crowd *c);

/* Dispatch on @link until *@stop, or it is closed; several threads do so in turn. */
struct crowd_dispatcher {
	struct icbmsg *link;
	atomic_bool *stop;
	pthread_mutex_t turn;
};

void crowd_dispatcher_init(struct crowd_dispatcher *d, struct icbmsg *link, atomic_bool *stop);
void *crowd_dispatch(void *dispatcher);

/* The same as a program with a loop of its own does: only when the descriptor says so. */
void *crowd_dispatch_by_fd(void *dispatcher);

/* Setup of a test: what the one before may have left set. */
int crowd_calm(void **state);

/*
 * Run tests with all of ends_params and with busy polling. Threads are disturbed, and a lost wake-up
 * is not put right by a rescue: those come once a minute only (crowd_calm()), so the test hangs.
 */
struct CMUnitTest;
int crowd_run(const struct CMUnitTest *tests, size_t count);
#define CROWD_RUN(tests) crowd_run(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
