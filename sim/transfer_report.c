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

#include "args.h"
#include "json.h"

#define MB 1e6

/* Bytes of @sender's file that have arrived; where memory is corrupted some come again. */
static uint64_t arrived(const struct transfer *t, enum side sender)
{
	uint64_t received = atomic_load(&t->status[!sender].received);

	return received < t->file[sender].size ? received : t->file[sender].size;
}

static void one_way(const struct transfer *t, enum side sender, double seconds)
{
	uint64_t received = arrived(t, sender);
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
		uint64_t received = arrived(t, (enum side)sender);
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

static void file_summary(const struct transfer_file *f)
{
	printf("%s  %" PRIu64 " bytes, %s", f->label, f->size,
	       f->identical ? "identical" : "DIFFERENT");
	if (f->damaged)
		printf(": %" PRIu64 " of %" PRIu64 " chunks damaged or missing", f->damaged,
		       f->chunks);
	printf("\n  sent      %s  %s\n", f->sent_digest, f->from);
	printf("  received  %s  %s%s\n", f->received_digest, f->to, f->identical ? "" : ".part");
}

static void messages_summary(const struct transfer *t)
{
	const struct traffic_counters *a = &t->status[SIDE_A].counters;
	const struct traffic_counters *b = &t->status[SIDE_B].counters;

	printf("%" PRIu64 " messages (%" PRIu64 " zero-copy, %" PRIu64 " held by the receiver), "
	       "the largest %" PRIu64 " bytes, over %u endpoints\n",
	       a->copied + a->zero_copy + b->copied + b->zero_copy, a->zero_copy + b->zero_copy,
	       a->held + b->held,
	       a->largest_sent > b->largest_sent ? a->largest_sent : b->largest_sent,
	       t->options->endpoints);
	if (t->options->faults.corrupt > 0)
		printf("core A met %" PRIu64 " bytes that belong to no chunk, core B %" PRIu64
		       "; the firmware was restarted %" PRIu64 " times\n",
		       a->skipped, b->skipped, t->reboots);
}

void transfer_summary(const struct transfer *t)
{
	uint64_t bytes = t->file[0].size + t->file[1].size;

	file_summary(&t->file[0]);
	file_summary(&t->file[1]);
	messages_summary(t);
	faults_summary(&t->faults, stdout);
	faults_rescues("core A", &t->status[SIDE_A].bells, stdout);
	if (t->options->both_lib)
		faults_rescues("core B", &t->status[SIDE_B].bells, stdout);
	printf("%.1f MB in %.2f s: %.1f MB/s, seed %" PRIu64 "\n", (double)bytes / MB, t->seconds,
	       t->seconds > 0 ? (double)bytes / MB / t->seconds : 0.0, t->options->faults.seed);
}

static struct json_object *file_json(const struct transfer_file *f)
{
	struct json_object *o = json_object_new_object();

	json_add_string(o, "file", f->from);
	json_add_string(o, "out", f->identical ? f->to : f->part);
	json_add(o, "bytes", f->size);
	json_add_string(o, "sha256_sent", f->sent_digest);
	json_add_string(o, "sha256_received", f->received_digest);
	json_add_bool(o, "identical", f->identical);
	json_add(o, "chunks", f->chunks);
	json_add(o, "chunks_damaged", f->damaged);
	return o;
}

static struct json_object *core_json(const struct core_status *s, const char *kind)
{
	const struct traffic_counters *c = &s->counters;
	struct json_object *o = json_object_new_object();

	json_add_string(o, "kind", kind);
	json_add(o, "copied", c->copied);
	json_add(o, "zero_copy", c->zero_copy);
	json_add(o, "dropped_buffers", c->dropped);
	json_add(o, "received", c->received);
	json_add(o, "held", c->held);
	json_add(o, "sent_bytes", c->sent_bytes);
	json_add(o, "received_bytes", c->received_bytes);
	json_add(o, "largest_sent", c->largest_sent);
	json_add(o, "no_room", c->full);
	json_add(o, "refused", c->refused);
	json_add(o, "changed_while_held", c->changed);
	json_add(o, "skipped_bytes", c->skipped);
	json_add(o, "doorbells", s->bells.rung);
	json_add(o, "rescues", s->bells.rescues);
	json_add(o, "doorbells_lost", s->bells.lost);
	return o;
}

void transfer_json(const struct transfer *t, int status)
{
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "ok", status == SIM_OK);
	json_add(o, "endpoints", t->options->endpoints);
	json_object_object_add(o, "seconds", json_object_new_double(t->seconds));
	json_object_object_add(o, "a_to_b", file_json(&t->file[SIDE_A]));
	json_object_object_add(o, "b_to_a", file_json(&t->file[SIDE_B]));
	if (t->status) {
		json_object_object_add(o, "core_a", core_json(&t->status[SIDE_A], "libicbmsg"));
		json_object_object_add(o, "core_b",
				       core_json(&t->status[SIDE_B],
						 t->options->both_lib ? "libicbmsg" : "firmware"));
	}
	json_add(o, "firmware_restarts", t->reboots);
	faults_json(&t->faults, o);
	json_print(o, stdout);
}
