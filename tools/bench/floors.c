// SPDX-License-Identifier: Apache-2.0
/*
 * Floors: what the machine gives at best for the same purpose, measured in the same run. A number
 * without its floor says more about the machine than about the link.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/pair.h"
#include "common/tool.h"

/* One word that two processes hand to and fro; 0 ends the game. */
#define BALL_SIZE 4096u
#define STOP 0u

static void return_balls(void *arg)
{
	uint32_t *ball = arg, seen = 1, now;

	for (;;) {
		now = __atomic_load_n(ball, __ATOMIC_ACQUIRE);
		if (now == STOP)
			return;
		if (now == seen) {
			pair_relax();
			continue;
		}
		seen = now + 1;
		__atomic_store_n(ball, seen, __ATOMIC_RELEASE);
	}
}

struct bench_sample bench_cache_line(const struct bench_settings *s)
{
	uint32_t *ball = pair_memory(BALL_SIZE), n = 1;
	struct bench_sample sample;
	struct laps laps;
	pid_t pid;

	*ball = n;
	pid = pair_start(s, return_balls, ball);
	laps_start(&laps, s->duration_ns);
	do {
		n++;
		__atomic_store_n(ball, n, __ATOMIC_RELEASE);
		n++;
		while (__atomic_load_n(ball, __ATOMIC_ACQUIRE) != n)
			pair_relax();
	} while (laps_next(&laps));
	__atomic_store_n(ball, STOP, __ATOMIC_RELEASE);
	pair_finish(pid);
	sample = laps_finish(&laps);
	pair_memory_free(ball, BALL_SIZE);
	return sample;
}

struct doors {
	int ask, answer;
};

static eventfd_t pass(int fd)
{
	eventfd_t value;

	if (eventfd_read(fd, &value) < 0)
		tool_fail(TOOL_ERROR, "reading an eventfd: %s", strerror(errno));
	return value;
}

static void knock(int fd, eventfd_t value)
{
	if (eventfd_write(fd, value) < 0)
		tool_fail(TOOL_ERROR, "writing an eventfd: %s", strerror(errno));
}

/* A value of 2 ends the game. */
static void return_knocks(void *arg)
{
	const struct doors *d = arg;

	while (pass(d->ask) == 1)
		knock(d->answer, 1);
}

struct bench_sample bench_eventfd(const struct bench_settings *s)
{
	struct doors d = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	struct laps laps;
	pid_t pid;

	if (d.ask < 0 || d.answer < 0)
		tool_fail(TOOL_ERROR, "eventfd: %s", strerror(errno));
	pid = pair_start(s, return_knocks, &d);
	laps_start(&laps, s->duration_ns);
	do {
		knock(d.ask, 1);
		pass(d.answer);
	} while (laps_next(&laps));
	knock(d.ask, 2);
	pair_finish(pid);
	close(d.ask);
	close(d.answer);
	return laps_finish(&laps);
}

struct bench_sample bench_memcpy(const struct bench_settings *s, size_t size)
{
	size_t batch = size < 65536 ? 65536 / size : 1; /* the clock must not count */
	uint8_t *from = malloc(size), *to = pair_memory(size);
	int64_t start, now;
	uint64_t copies = 0;

	if (!from)
		tool_fail(TOOL_ERROR, "out of memory");
	memset(from, 0x5a, size);
	memset(to, 0, size);
	start = clock_ns();
	do {
		for (size_t i = 0; i < batch; i++) {
			memcpy(to, from, size);
			__asm__ volatile("" ::: "memory"); /* each copy is made */
		}
		copies += batch;
		now = clock_ns();
	} while (now - start < s->duration_ns / 4);
	free(from);
	pair_memory_free(to, size);
	return (struct bench_sample){
		.per_second = (double)copies * (double)NS_PER_S / (double)(now - start),
	};
}
