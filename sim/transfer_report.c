// SPDX-License-Identifier: Apache-2.0
/*
 * What a transfer shows: a line that keeps itself current on a terminal, a summary for people, an
 * object for programs.
 */
#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "args.h"

#define MB 1e6

static void one_way(const struct transfer *t, enum side sender, double seconds)
{
	uint64_t received = atomic_load(&t->status[!sender].received);
	const struct transfer_file *f = &t->file[sender];
	double percent = f->size ? 100.0 * (double)received / (double)f->size : 100.0;

	fprintf(stderr, "%s %6.1f/%.1f MB %3.0f%% %6.1f MB/s   ", f->label, (double)received / MB,
		(double)f->size / MB, percent, seconds > 0 ? (double)received / MB / seconds : 0.0);
}

/* Seconds until the slower direction is through; negative if it cannot be told. */
static double remaining(const struct transfer *t, double seconds)
{
	double worst = 0;
	int sender;

	for (sender = 0; sender < 2; sender++) {
		uint64_t received = atomic_load(&t->status[!sender].received);
		uint64_t left = t->file[sender].size - received;
		double time;

		if (left == 0)
			continue;
		if (received == 0)
			return -1;
		time = seconds * (double)left / (double)received;
		if (time > worst)
			worst = time;
	}
	return worst;
}

void transfer_progress(const struct transfer *t, double seconds, bool last)
{
	bool terminal = isatty(STDERR_FILENO);
	double eta;

	if (!t->status || t->options->quiet || !(terminal || t->options->progress))
		return;
	eta = remaining(t, seconds);
	fputs(terminal ? "\r" : "", stderr);
	one_way(t, SIDE_A, seconds);
	one_way(t, SIDE_B, seconds);
	if (last)
		fprintf(stderr, "%.1f s", seconds);
	else if (eta >= 0)
		fprintf(stderr, "ETA %.0f s", eta);
	else
		fputs("ETA --", stderr);
	fputs(terminal ? "\033[K" : "\n", stderr);
	if (terminal && last)
		fputc('\n', stderr);
	fflush(stderr);
}

static uint64_t messages(const struct core_status *s)
{
	return s->counters.copied + s->counters.zero_copy;
}

void transfer_summary(const struct transfer *t)
{
	const struct core_status *a = &t->status[SIDE_A], *b = &t->status[SIDE_B];
	uint64_t bytes = t->file[0].size + t->file[1].size;
	int i;

	for (i = 0; i < 2; i++) {
		const struct transfer_file *f = &t->file[i];

		printf("%s  %" PRIu64 " bytes, %s\n", f->label, f->size,
		       f->identical ? "identical" : "DIFFERENT");
		printf("  sent      %s  %s\n", f->sent_digest, f->from);
		printf("  received  %s  %s\n", f->received_digest, f->to);
	}
	printf("%" PRIu64 " messages (%" PRIu64 " zero-copy, %" PRIu64 " held by the receiver), "
	       "the largest %" PRIu64 " bytes, over %u endpoints\n",
	       messages(a) + messages(b), a->counters.zero_copy + b->counters.zero_copy,
	       a->counters.held + b->counters.held,
	       a->counters.largest_sent > b->counters.largest_sent ? a->counters.largest_sent :
								     b->counters.largest_sent,
	       t->options->endpoints);
	if (t->options->drop > 0)
		printf("%" PRIu64 " of %" PRIu64 " doorbells lost, %" PRIu64 " repeated\n",
		       t->bells_dropped, t->bells_relayed, a->rescues + b->rescues);
	printf("%.1f MB in %.2f s: %.1f MB/s\n", (double)bytes / MB, t->seconds,
	       t->seconds > 0 ? (double)bytes / MB / t->seconds : 0.0);
}

static struct json_object *number(uint64_t n)
{
	return json_object_new_int64((int64_t)n);
}

static void add_string(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text[0] ? json_object_new_string(text) : NULL);
}

static struct json_object *file_json(const struct transfer_file *f)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "file", f->from);
	add_string(o, "out", f->identical ? f->to : f->part);
	json_object_object_add(o, "bytes", number(f->size));
	add_string(o, "sha256_sent", f->sent_digest);
	add_string(o, "sha256_received", f->received_digest);
	json_object_object_add(o, "identical", json_object_new_boolean(f->identical));
	return o;
}

static struct json_object *core_json(const struct core_status *s, const char *kind)
{
	struct json_object *o = json_object_new_object();

	add_string(o, "kind", kind);
	json_object_object_add(o, "copied", number(s->counters.copied));
	json_object_object_add(o, "zero_copy", number(s->counters.zero_copy));
	json_object_object_add(o, "dropped_buffers", number(s->counters.dropped));
	json_object_object_add(o, "received", number(s->counters.received));
	json_object_object_add(o, "held", number(s->counters.held));
	json_object_object_add(o, "sent_bytes", number(s->counters.sent_bytes));
	json_object_object_add(o, "received_bytes", number(s->counters.received_bytes));
	json_object_object_add(o, "largest_sent", number(s->counters.largest_sent));
	json_object_object_add(o, "no_room", number(s->counters.full));
	json_object_object_add(o, "doorbells", number(s->rung));
	json_object_object_add(o, "rescues", number(s->rescues));
	return o;
}

void transfer_json(const struct transfer *t, int status)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ok", json_object_new_boolean(status == SIM_OK));
	json_object_object_add(o, "endpoints", number(t->options->endpoints));
	json_object_object_add(o, "seed", number(t->options->seed));
	json_object_object_add(o, "seconds", json_object_new_double(t->seconds));
	json_object_object_add(o, "a_to_b", file_json(&t->file[SIDE_A]));
	json_object_object_add(o, "b_to_a", file_json(&t->file[SIDE_B]));
	if (t->status) {
		json_object_object_add(o, "core_a", core_json(&t->status[SIDE_A], "libicbmsg"));
		json_object_object_add(o, "core_b",
				       core_json(&t->status[SIDE_B],
						 t->options->both_lib ? "libicbmsg" : "firmware"));
	}
	json_object_object_add(o, "doorbells_relayed", number(t->bells_relayed));
	json_object_object_add(o, "doorbells_dropped", number(t->bells_dropped));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
