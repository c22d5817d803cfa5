// SPDX-License-Identifier: Apache-2.0
/*
 * Results, each beside its floor.
 */
#include <icbmsg.h>
#include <inttypes.h>
#include <json.h>
#include <stdio.h>

#include "bench/bench.h"

const struct bench_measurement *bench_find(const struct bench_list *list, enum bench_kind kind,
					   enum bench_mode mode, size_t size)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct bench_measurement *m = &list->items[i];

		if (m->kind == kind && m->mode == mode && m->size == size)
			return m;
	}
	return NULL;
}

const char *bench_mode_name(enum bench_mode mode)
{
	return mode == BENCH_BUSY ? "poll:busy" : "doorbell";
}

double bench_ratio(const struct bench_list *list, const struct bench_measurement *m)
{
	const struct bench_measurement *floor;

	if (m->kind == BENCH_ROUND_TRIP) {
		floor = bench_find(list, m->mode == BENCH_BUSY ? BENCH_CACHE_LINE : BENCH_EVENTFD,
				   0, 0);
		return floor ? m->result.median_ns / floor->result.median_ns : 0;
	}
	floor = bench_find(list, BENCH_MEMCPY, 0, m->size);
	return floor ? floor->result.per_second / m->result.per_second : 0;
}

static double mega_bytes(const struct bench_measurement *m)
{
	return m->result.per_second * (double)m->size / 1e6;
}

/* ------------------------------------------------------------------------------------------------
 * Text
 */

static void print_time(double ns)
{
	if (ns < 10000)
		printf(" %8.0f ns", ns);
	else
		printf(" %8.1f us", ns / 1000);
}

static void print_floor(const struct bench_measurement *m, const char *name)
{
	if (!m)
		return;
	printf("%-22s", name);
	print_time(m->result.median_ns);
	print_time(m->result.p99_ns);
	putchar('\n');
}

static void print_round_trips(const struct bench_settings *s, const struct bench_list *list,
			      enum bench_mode mode)
{
	printf("\nround trips, %s\n%10s %11s %11s   x %s\n", bench_mode_name(mode), "bytes",
	       "median", "p99", mode == BENCH_BUSY ? "cache line" : "eventfd");
	for (size_t i = 0; i < s->size_count; i++) {
		const struct bench_measurement *m =
			bench_find(list, BENCH_ROUND_TRIP, mode, s->sizes[i]);

		printf("%10zu", m->size);
		print_time(m->result.median_ns);
		print_time(m->result.p99_ns);
		printf("   %.2f\n", bench_ratio(list, m));
	}
}

static void print_rate(const struct bench_list *list, const struct bench_measurement *m)
{
	printf(" %11.0f %9.1f %9.2f", m->result.per_second, mega_bytes(m), bench_ratio(list, m));
}

static void print_streams(const struct bench_settings *s, const struct bench_list *list,
			  enum bench_mode mode)
{
	printf("\nstreams, %s\n%10s %31s  %31s\n%10s %11s %9s %9s  %11s %9s %9s\n",
	       bench_mode_name(mode), "", "copied", "in place", "bytes", "messages/s", "MB/s",
	       "x memcpy", "messages/s", "MB/s", "x memcpy");
	for (size_t i = 0; i < s->size_count; i++) {
		printf("%10zu", s->sizes[i]);
		print_rate(list, bench_find(list, BENCH_COPY, mode, s->sizes[i]));
		putchar(' ');
		print_rate(list, bench_find(list, BENCH_NOCOPY, mode, s->sizes[i]));
		putchar('\n');
	}
}

static void print_settings(const struct bench_settings *s)
{
	printf("libicbmsg %s: medians of %u rounds, %.0f ms each; 2 regions of %" PRIu64
	       " bytes, %" PRIu64 " blocks, word size %" PRIu64 ", dcache-alignment %" PRIu64 "; ",
	       icbmsg_version(), s->rounds, (double)s->duration_ns / 1e6, s->region_size, s->blocks,
	       s->word_size, s->alignment);
	if (s->one_cpu)
		printf("only one CPU\n");
	else if (s->cpu[0] < 0)
		printf("not pinned\n");
	else
		printf("pinned to CPUs %d and %d\n", s->cpu[0], s->cpu[1]);
}

void bench_print_text(const struct bench_settings *s, const struct bench_list *list)
{
	print_settings(s);
	printf("\n%-22s %11s %11s\n", "floors", "median", "p99");
	print_floor(bench_find(list, BENCH_CACHE_LINE, 0, 0), "cache line ping-pong");
	print_floor(bench_find(list, BENCH_EVENTFD, 0, 0), "eventfd ping-pong");
	for (size_t i = 0; i < s->size_count; i++)
		printf("memcpy %10zu %15.1f MB/s\n", s->sizes[i],
		       mega_bytes(bench_find(list, BENCH_MEMCPY, 0, s->sizes[i])));
	for (int mode = 0; mode < (s->one_cpu ? 1 : BENCH_MODES); mode++) {
		print_round_trips(s, list, (enum bench_mode)mode);
		print_streams(s, list, (enum bench_mode)mode);
	}
}

/* ------------------------------------------------------------------------------------------------
 * JSON
 */

static void add_number(struct json_object *o, const char *key, double value)
{
	char text[32];

	/* Three digits behind the point are more than the clock gives. */
	snprintf(text, sizeof(text), "%.3f", value);
	json_object_object_add(o, key, json_object_new_double_s(value, text));
}

static void add_integer(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *settings_object(const struct bench_settings *s)
{
	struct json_object *o = json_object_new_object();

	add_integer(o, "rounds", s->rounds);
	add_integer(o, "duration_ns", (uint64_t)s->duration_ns);
	add_integer(o, "region_size", s->region_size);
	add_integer(o, "blocks", s->blocks);
	add_integer(o, "word_size", s->word_size);
	add_integer(o, "dcache_alignment", s->alignment);
	json_object_object_add(o, "pinned", json_object_new_boolean(s->cpu[0] >= 0));
	json_object_object_add(o, "one_cpu", json_object_new_boolean(s->one_cpu));
	return o;
}

static const char *kind_name(enum bench_kind kind)
{
	static const char *const names[] = {
		[BENCH_CACHE_LINE] = "floor cache line", [BENCH_EVENTFD] = "floor eventfd",
		[BENCH_MEMCPY] = "floor memcpy",         [BENCH_ROUND_TRIP] = "round trip",
		[BENCH_COPY] = "stream copied",          [BENCH_NOCOPY] = "stream in place",
	};

	return names[kind];
}

static struct json_object *result_object(const struct bench_list *list,
					 const struct bench_measurement *m)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "kind", json_object_new_string(kind_name(m->kind)));
	if (m->kind >= BENCH_ROUND_TRIP)
		json_object_object_add(o, "mode", json_object_new_string(bench_mode_name(m->mode)));
	if (m->kind >= BENCH_MEMCPY)
		add_integer(o, "size", m->size);
	if (m->result.per_second > 0) {
		add_number(o, "per_second", m->result.per_second);
		add_number(o, "mb_per_second", mega_bytes(m));
	} else {
		add_number(o, "median_ns", m->result.median_ns);
		add_number(o, "p99_ns", m->result.p99_ns);
	}
	if (m->kind >= BENCH_ROUND_TRIP)
		add_number(o, "floor_ratio", bench_ratio(list, m));
	return o;
}

void bench_print_json(const struct bench_settings *s, const struct bench_list *list)
{
	struct json_object *o = json_object_new_object(), *results = json_object_new_array();

	json_object_object_add(o, "version", json_object_new_string(icbmsg_version()));
	json_object_object_add(o, "settings", settings_object(s));
	for (size_t i = 0; i < list->count; i++)
		json_object_array_add(results, result_object(list, &list->items[i]));
	json_object_object_add(o, "results", results);
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
