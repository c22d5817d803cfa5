/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a link in one process, over one memfd and two eventfds: what the tests of the API run
 * on. Which wire generation, word size and geometry is a parameter of every test.
 *
 * With ICBMSG_ENDS=daemon in the environment the same tests run with each of the two ends in turn
 * opened by icbmsg_connect(): an icbmsgd has that end's side of the link, and the end is its client
 * (through_daemon.h). There is another process between the two then, and what one end does is seen
 * on the other after a while only. A test has to wait for what it wants to see, by ends_until() and
 * what follows there; ends_settle() is for what must not happen.
 */
#ifndef ICBMSG_TESTS_ENDS_H
#define ICBMSG_TESTS_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icbmsg.h"
#include "wire/layout.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
/* Far longer than anything takes: what waits this long hangs. */
#define SURELY (30 * SECOND)

struct seen;

struct ends_param {
	const char *wire;
	unsigned int word_size;
	unsigned int alignment;
	unsigned int a_blocks, b_blocks; /* of what A, what B transmits in */
	unsigned int a_size, b_size;     /* bytes of those regions */
	const char *doorbell;            /* NULL = a pair of eventfds */
	const char *memory_type;         /* NULL = normal */
};

/* Keys that a program sets for all its ends; NULL = the default. */
extern const char *ends_rescue_interval;
extern const char *ends_spin;

/* Which end is a client of a daemon; decided by ends_run_params(). */
enum ends_client { ENDS_NO_CLIENT, ENDS_CLIENT_A, ENDS_CLIENT_B };
extern enum ends_client ends_client;
/* Where something else always plays one end: the other one, which alone can be a client. */
extern enum ends_client ends_only_client;

/*
 * For tests that look at one process's inside, or at memory that the daemon hides from its clients:
 * with a daemon they are skipped, @why says what they look at.
 */
void ends_direct_only(const char *why);

/* A is the initiator: its rx region lies lower. */
struct ends {
	int memory_fd;
	int bell_to_a, bell_to_b;
	size_t size;
	uint8_t *map;
	struct icbmsg *a, *b;
	struct through *daemon; /* of the end that is a client; NULL if none is, or not yet */
};

/* The parameters that the whole suite runs with; ends with wire NULL. */
extern const struct ends_param ends_params[];
/* The one in force. */
extern const struct ends_param *ends_param;

/* Make memory (filled with @fill) and doorbells; open neither end. */
void ends_prepare(struct ends *e, uint8_t fill);
struct icbmsg *ends_open_a(struct ends *e);
struct icbmsg *ends_open_b(struct ends *e);
struct icbmsg_config *ends_config_a(const struct ends *e);

/*
 * Open one end only, with a rescue interval of its own; something else plays the other. A client's
 * daemon gets the interval.
 */
struct icbmsg *ends_open_one(struct ends *e, bool is_a, const char *rescue_interval);
/* The layout that an end has, for the something else. */
void ends_layout(bool is_a, struct layout_region *tx, struct layout_region *rx);

/*
 * Whether a side that does not move for ten rescues is taken for one that has restarted (R5): on
 * device memory; and while the link comes up where the ring is so small that what is laid behind
 * the announcement wraps over it. Both ends have threads of this process, which may get no CPU for
 * long: rescues are rare there unless a program says.
 */
bool ends_silence_is_doubted(void);

/* ends_prepare() and both ends. */
void ends_open(struct ends *e);
void ends_close(struct ends *e);

/* Blocks that @link transmits in: ends_param's, or those of its link to a daemon. */
unsigned int ends_blocks(struct icbmsg *link);

/* Whether @link lets its users work in the buffers themselves: not on device memory. */
bool ends_in_place(const struct ends *e, const struct icbmsg *link);

/*
 * Whether what @link sends stays in its blocks until the program on the other end has let go of it.
 * Not where a daemon copies it into the memory of its client.
 */
bool ends_lends(const struct ends *e, const struct icbmsg *link);

/* Give the daemon, if there is one, the time to do all it can do. */
void ends_turn(struct ends *e);

/* Dispatch on both ends until neither has anything to do. */
void ends_settle(struct ends *e);

/* Dispatch on @link (and @other, may be NULL) until *@flag >= @value; fails if that takes too long. */
void ends_until(struct icbmsg *link, struct icbmsg *other, const int *flag, int value);

/* Dispatch on both ends until all blocks of @link are free again. */
void ends_until_free(struct ends *e, struct icbmsg *link);

/* Send messages of one byte, until there is no room and will be none. How many. */
int ends_fill(struct ends *e, struct seen *from);

/* How many threads are in calls of @link that may wait; and wait until there are so many. */
unsigned int ends_inside(struct icbmsg *link);
void ends_until_inside(struct icbmsg *link, unsigned int threads);

/* CLOCK_MONOTONIC in ns. */
int64_t ends_now(void);

/* What an endpoint has reported; the user pointer of ends_register(). */
struct seen {
	struct icbmsg_ept *ept;
	int bound, unbound, received, writable, error;
	uint8_t data[1 << 17]; /* of the last message */
	size_t size;
	bool hold; /* hold every message */
	struct icbmsg_rx held[512];
	const void *held_data[512];
	size_t held_count;
	void (*on_received)(struct seen *seen, const void *data, size_t size);
	void (*on_bound)(struct seen *seen);
	void *user;
};

extern const struct icbmsg_ept_callbacks seen_callbacks;

void ends_register(struct icbmsg *link, struct seen *seen, const char *name);

/* Register @name on both ends and settle until both are bound. */
void ends_bind(struct ends *e, struct seen *a, struct seen *b, const char *name);

struct icbmsg_stats ends_stats(struct icbmsg *link);

/* The value of the counter @name. */
uint64_t ends_counter(struct icbmsg *link, const char *name);
/* Of the @count counters in @values. */
uint64_t ends_counter_in(const uint64_t *values, int count, const char *name);
#define ENDS_COUNTERS_MAX 128

/* Deterministic bytes. */
void fill_pattern(uint8_t *data, size_t size, unsigned int seed);

/* Run a group of cmocka tests once for each of ends_params; the sum of failures. */
struct CMUnitTest;
int ends_run_all(const struct CMUnitTest *tests, size_t count);
/* The same for parameters of the caller's own, which end like ends_params; @more is printed with them. */
int ends_run_params(const struct ends_param *params, const char *more,
		    const struct CMUnitTest *tests, size_t count);
#define ENDS_RUN_ALL(tests) ends_run_all(tests, sizeof(tests) / sizeof((tests)[0]))

/* Open descriptors of this process. */
unsigned int count_fds(void);

#endif
