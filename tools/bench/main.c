// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsg-bench: all measurements, round by round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/clock.h"
#include "bench/pair.h"
#include "common/tool.h"

static void add(struct bench_list *list, const struct bench_settings *s, enum bench_kind kind,
		enum bench_mode mode, size_t size)
{
	struct bench_measurement *m;

	list->items = realloc(list->items, (list->count + 1) * sizeof(*list->items));
	if (!list->items)
		tool_fail(TOOL_ERROR, "out of memory");
	m = &list->items[list->count++];
	*m = (struct bench_measurement){ .kind = kind, .mode = mode, .size = size };
	m->rounds = calloc(s->rounds, sizeof(*m->rounds));
	if (!m->rounds)
		tool_fail(TOOL_ERROR, "out of memory");
}

static void plan(struct bench_list *list, const struct bench_settings *s)
{
	/* Two processes that spin on one CPU measure its scheduler's time slice. */
	int modes = s->one_cpu ? 1 : BENCH_MODES;

	if (!s->one_cpu)
		add(list, s, BENCH_CACHE_LINE, 0, 0);
	add(list, s, BENCH_EVENTFD, 0, 0);
	for (size_t i = 0; i < s->size_count; i++) {
		add(list, s, BENCH_MEMCPY, 0, s->sizes[i]);
		for (int mode = 0; mode < modes; mode++)
			for (int kind = BENCH_ROUND_TRIP; kind <= BENCH_NOCOPY; kind++)
				add(list, s, (enum bench_kind)kind, (enum bench_mode)mode,
				    s->sizes[i]);
	}
}

static struct bench_sample measure(const struct bench_settings *s,
				   const struct bench_measurement *m)
{
	switch (m->kind) {
	case BENCH_CACHE_LINE:
		return bench_cache_line(s);
	case BENCH_EVENTFD:
		return bench_eventfd(s);
	case BENCH_MEMCPY:
		return bench_memcpy(s, m->size);
	case BENCH_ROUND_TRIP:
		return bench_round_trip(s, m->mode, m->size);
	default:
		return bench_stream(s, m->mode, m->size, m->kind == BENCH_COPY);
	}
}

/* Long work shows progress on a terminal. */
static void progress(const struct bench_settings *s, size_t done, size_t all)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (done < all)
		fprintf(stderr, "\r%zu %% of %.0f s ", done * 100 / all,
			(double)all * (double)s->duration_ns / (double)NS_PER_S);
	else
		fprintf(stderr, "\r                    \r");
}

static double median_of(const struct bench_settings *s, const struct bench_measurement *m,
			size_t field)
{
	double values[1000]; /* --rounds */

	for (unsigned int i = 0; i < s->rounds; i++)
		values[i] = *(const double *)(const void *)((const char *)&m->rounds[i] + field);
	return median(values, s->rounds);
}

static void run(const struct bench_settings *s, struct bench_list *list)
{
	for (unsigned int round = 0; round < s->rounds; round++)
		for (size_t i = 0; i < list->count; i++) {
			list->items[i].rounds[round] = measure(s, &list->items[i]);
			progress(s, round * list->count + i + 1, s->rounds * list->count);
		}
	for (size_t i = 0; i < list->count; i++) {
		struct bench_measurement *m = &list->items[i];

		m->result = (struct bench_sample){
			.median_ns = median_of(s, m, offsetof(struct bench_sample, median_ns)),
			.p99_ns = median_of(s, m, offsetof(struct bench_sample, p99_ns)),
			.per_second = median_of(s, m, offsetof(struct bench_sample, per_second)),
		};
	}
}

int main(int argc, char **argv)
{
	struct bench_list list = { 0 };
	struct bench_settings s;

	tool_init("icbmsg-bench");
	bench_parse(&s, argc, argv);
	pair_choose_cpus(&s);
	if (s.one_cpu)
		tool_say("there is only one CPU: nothing that spins is measured, and the rest "
			 "measures the scheduler too");
	plan(&list, &s);
	run(&s, &list);
	if (s.json)
		bench_print_json(&s, &list);
	else
		bench_print_text(&s, &list);
	for (size_t i = 0; i < list.count; i++)
		free(list.items[i].rounds);
	free(list.items);
	free(s.sizes);
	return tool_finish_stdout(TOOL_OK);
}
