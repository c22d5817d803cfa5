/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Library clients that mean harm. Each is a process of its own: one that has connected properly,
 * and then does things to its memory, its doorbells and its connection that no program does. What
 * becomes of itself is its own affair.
 */
#ifndef ICBMSG_TESTS_EVIL_H
#define ICBMSG_TESTS_EVIL_H

#include <stdint.h>
#include <sys/types.h>

/*
 * What main() does when it is called as such a client: "evil MODE RUNDIR ENDPOINT SEED". It writes
 * a byte to standard output when it has begun to do harm, and another one after a while of it; the
 * modes that wait to be killed are silent after the first.
 */
int evil_main(char **argv);

/* Those that go on until they are killed, by name; NULL at the end. */
extern const char *const evil_modes[];
/* And the moments of an orderly client's life, at which it waits to be killed. */
extern const char *const evil_moments[];

struct evil {
	pid_t pid;
	int report; /* its standard output */
};

/* Start one, and wait until it has begun. */
struct evil evil_start(const char *mode, const char *rundir, unsigned int endpoint, uint32_t seed);

/* Wait until it has done harm for a while, or has given up. */
void evil_await(struct evil *e);

/* Kill it. It must not have died of something else: the library has to stand what it finds, too. */
void evil_kill(struct evil *e);

#endif
