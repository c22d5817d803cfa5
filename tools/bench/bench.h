/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is measured, and what the parts of icbmsg-bench give each other.
 *
 * Every measurement is short and is repeated in rounds, all kinds one after the other in each
 * round, so that whatever else the machine does meets the link and the floors it is compared with
 * alike.
 */
#ifndef ICBMSG_TOOLS_BENCH_BENCH_H
#define ICBMSG_TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_kind {
	BENCH_CACHE_LINE, /**< floor: two CPUs hand a cache line to and fro */
	BENCH_EVENTFD,    /**< floor: two processes wake each other with eventfds */
	BENCH_MEMCPY,     /**< floor: copying within one process */
	BENCH_ROUND_TRIP,
	BENCH_COPY,   /**< stream: icbmsg_send(), and the receiver copies too */
	BENCH_NOCOPY, /**< stream: in place on both sides */
};

enum bench_mode {
	BENCH_DOORBELL, /**< doorbell = eventfd */
	BENCH_BUSY,     /**< doorbell = poll:busy */
	BENCH_MODES,
};

/** What one round gives. */
struct bench_sample {
	double median_ns, p99_ns; /**< of round trips */
	double per_second;        /**< messages or copies of streams and memcpy */
};

struct bench_measurement {
	enum bench_kind kind;
	enum bench_mode mode; /**< of the last three kinds */
	size_t size;          /**< bytes of a message or copy */
	struct bench_sample *rounds;
	struct bench_sample result; /**< medians over the rounds */
};

struct bench_settings {
	size_t *sizes;
	size_t size_count;
	unsigned int rounds;
	int64_t duration_ns; /**< of one measurement in one round */
	uint64_t word_size, blocks, region_size, alignment;
	bool pin, json;
	int cpu[2];   /**< for this process and the other; -1: not pinned */
	bool one_cpu; /**< there is only one: nothing that spins can be measured */
	size_t max_size;
};

struct bench_list {
	struct bench_measurement *items;
	size_t count;
};

/* Measuring: one round of one kind. What fails ends the program. */
struct bench_sample bench_cache_line(const struct bench_settings *s);
struct bench_sample bench_eventfd(const struct bench_settings *s);
struct bench_sample bench_memcpy(const struct bench_settings *s, size_t size);
struct bench_sample bench_round_trip(const struct bench_settings *s, enum bench_mode mode,
				     size_t size);
struct bench_sample bench_stream(const struct bench_settings *s, enum bench_mode mode, size_t size,
				 bool copy);

/** The largest message of a link with these settings. */
size_t bench_max_size(const struct bench_settings *s);

/** The measurement of that kind, or NULL if it was not made. */
const struct bench_measurement *bench_find(const struct bench_list *list, enum bench_kind kind,
					   enum bench_mode mode, size_t size);

/** How many times as long as its floor a measurement takes; 0 if there is no such floor. */
double bench_ratio(const struct bench_list *list, const struct bench_measurement *m);

const char *bench_mode_name(enum bench_mode mode);

void bench_print_text(const struct bench_settings *s, const struct bench_list *list);
void bench_print_json(const struct bench_settings *s, const struct bench_list *list);

/* Options */
void bench_parse(struct bench_settings *s, int argc, char **argv);

#endif
