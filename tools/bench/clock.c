// SPDX-License-Identifier: Apache-2.0
/*
 * Round trips are timed one by one: a mean would hide what a waiting program feels.
 */
#include "bench/clock.h"

#include <stdlib.h>

#include "common/tool.h"

#define LAPS_MAX 262144u

void laps_start(struct laps *l, int64_t duration_ns)
{
	*l = (struct laps){ .ns = calloc(LAPS_MAX, sizeof(*l->ns)) };
	if (!l->ns)
		tool_fail(TOOL_ERROR, "out of memory");
	l->last = clock_ns();
	l->end = l->last + duration_ns;
}

bool laps_next(struct laps *l)
{
	int64_t now = clock_ns(), ns = now - l->last;

	l->ns[l->count++] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
	l->last = now;
	return now < l->end && l->count < LAPS_MAX;
}

static int compare_ns(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

struct bench_sample laps_finish(struct laps *l)
{
	size_t middle = l->count / 2, last = l->count * 99 / 100;
	struct bench_sample s;

	qsort(l->ns, l->count, sizeof(*l->ns), compare_ns);
	s = (struct bench_sample){
		.median_ns = l->ns[middle],
		.p99_ns = l->ns[last],
	};
	free(l->ns);
	return s;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_double);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}
