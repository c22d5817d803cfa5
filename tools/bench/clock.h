/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, and the times of many round trips.
 */
#ifndef ICBMSG_TOOLS_BENCH_CLOCK_H
#define ICBMSG_TOOLS_BENCH_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "bench/bench.h"

#define NS_PER_S INT64_C(1000000000)

static inline int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/** Round trips one after the other until the duration is over. */
struct laps {
	uint32_t *ns;
	size_t count;
	int64_t last, end;
};

void laps_start(struct laps *l, int64_t duration_ns);

/** One lap is over; false if that was the last. */
bool laps_next(struct laps *l);

/** Median and 99th percentile; frees @l. */
struct bench_sample laps_finish(struct laps *l);

/** Of @count > 0 values, which are sorted by this. */
double median(double *values, size_t count);

#endif
