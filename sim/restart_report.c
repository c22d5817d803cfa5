// SPDX-License-Identifier: Apache-2.0
/*
 * What a run of `icbmsg-sim restart-loop` tells in the end: lines for people, an object for
 * programs.
 */
#include <inttypes.h>
#include <stdio.h>

#include "args.h"
#include "json.h"
#include "restart.h"

/* Milliseconds of the @share quantile of the sorted times; 0 if there are none. */
static double quantile(const struct restart_result *x, double share)
{
	uint64_t i = (uint64_t)(share * (double)x->done);

	if (x->done == 0)
		return 0;
	return x->times[i < x->done ? i : x->done - 1] * 1e3;
}

/* Of messages that the library took: not reported as unknown, so handled by the other side. */
static uint64_t confirmed(const struct restart_counts *n)
{
	return n->sent - n->unknown;
}

/* One direction: @from counts what was sent, @to what arrived. */
static void messages(const char *label, const struct restart_counts *from,
		     const struct restart_counts *to, bool library)
{
	printf("%s  %" PRIu64 " messages sent", label, from->sent);
	if (library)
		printf(" = %" PRIu64 " confirmed + %" PRIu64 " unknown (%" PRIu64
		       " of them lost), %" PRIu64 " refused",
		       confirmed(from), from->unknown, from->lost, from->refused);
	printf("; %" PRIu64 " arrived; %" PRIu64 " wrong, %" PRIu64 " repeated, %" PRIu64
	       " out of order\n",
	       to->received, to->damaged, to->repeated, to->skipped);
}

static void corruption(const struct restart_run *r, const struct restart_counts *a)
{
	printf("libicbmsg met %" PRIu64 " bad packets, %" PRIu64 " bad blocks, %" PRIu64
	       " bad endpoints, %" PRIu64 " bad releases; noticed %" PRIu64 " restarts of %" PRIu64
	       "\n",
	       a->bad_packets, a->bad_blocks, a->bad_endpoints, a->bad_releases, a->noticed,
	       r->result.killed);
	printf("after the corruption the link %s\n",
	       r->result.recovered ? "came back with restarted firmware" : "DID NOT COME BACK");
}

static void rescues(const char *core, const struct restart_counts *n)
{
	const struct core_bells bells = {
		.rung = n->bells_rung,
		.rescues = n->rescues,
		.lost = n->bells_lost,
	};

	faults_rescues(core, &bells, stdout);
}

/* Of two libicbmsg either dies, and takes with it what it has noticed. */
static void restarts(const struct restart_run *r, const struct restart_counts *a)
{
	const struct restart_result *x = &r->result;

	printf("%" PRIu64 " restarts, %" PRIu64 " back; %" PRIu64 " more starts cut short; %" PRIu64
	       " kills",
	       r->options->count, x->done, x->cut, x->killed);
	if (r->options->both_lib)
		printf("\n");
	else
		printf(", %" PRIu64 " noticed\n", a->noticed);
}

void restart_summary(const struct restart_run *r)
{
	const struct restart_result *x = &r->result;
	const struct restart_counts *a = &r->shared->counts[SIDE_A];
	const struct restart_counts *b = &r->shared->counts[SIDE_B];

	if (r->options->faults.corrupt > 0)
		corruption(r, a);
	else
		restarts(r, a);
	printf("from start to %u echoes on %u endpoints: median %.1f ms, p99 %.1f ms, max %.1f ms\n",
	       RESTART_ECHOES, r->options->endpoints, quantile(x, 0.5), quantile(x, 0.99),
	       quantile(x, 1));
	messages("A->B", a, b, true);
	messages("B->A", b, a, r->options->both_lib);
	if (!r->options->both_lib)
		printf("firmware: %" PRIu64 " errors that it logs, at most %" PRIu64 " per start\n",
		       x->errors, x->errors_max);
	faults_summary(&r->faults, stdout);
	rescues("core A", a);
	if (r->options->both_lib)
		rescues("core B", b);
	printf("%.2f s, seed %" PRIu64 "\n", x->seconds, r->options->faults.seed);
}

static void add_ms(struct json_object *o, const char *key, double ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", ms);
	json_object_object_add(o, key, json_object_new_double_s(ms, text));
}

static struct json_object *counts_json(const struct restart_counts *n, bool library)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "sent", n->sent);
	json_add(o, "received", n->received);
	json_add(o, "echoes", n->echoes);
	json_add(o, "refused", n->refused);
	json_add(o, "wrong", n->damaged);
	json_add(o, "repeated", n->repeated);
	json_add(o, "out_of_order", n->skipped);
	if (!library)
		return o;
	json_add(o, "confirmed", confirmed(n));
	json_add(o, "unknown", n->unknown);
	json_add(o, "unknown_lost", n->lost);
	json_add(o, "restarts_noticed", n->noticed); /* by this process of it */
	json_add(o, "doorbells", n->bells_rung);
	json_add(o, "rescues", n->rescues);
	json_add(o, "doorbells_lost", n->bells_lost);
	json_add(o, "bad_packets", n->bad_packets);
	json_add(o, "bad_blocks", n->bad_blocks);
	json_add(o, "bad_endpoints", n->bad_endpoints);
	json_add(o, "bad_releases", n->bad_releases);
	return o;
}

void restart_json(const struct restart_run *r)
{
	const struct restart_result *x = &r->result;
	struct json_object *o = json_object_new_object();

	json_add_bool(o, "ok", r->status == SIM_OK);
	json_add(o, "endpoints", r->options->endpoints);
	json_add(o, "restarts", r->options->count);
	json_add(o, "back", x->done);
	json_add(o, "cut_short", x->cut);
	json_add(o, "killed", x->killed);
	add_ms(o, "median_ms", quantile(x, 0.5));
	add_ms(o, "p99_ms", quantile(x, 0.99));
	add_ms(o, "max_ms", quantile(x, 1));
	if (r->shared) {
		json_object_object_add(o, "core_a", counts_json(&r->shared->counts[SIDE_A], true));
		json_object_object_add(
			o, "core_b", counts_json(&r->shared->counts[SIDE_B], r->options->both_lib));
	}
	json_add(o, "firmware_errors", x->errors);
	json_add(o, "firmware_errors_max", x->errors_max);
	faults_json(&r->faults, o);
	if (r->options->faults.corrupt > 0)
		json_add_bool(o, "recovered", x->recovered);
	json_object_object_add(o, "seconds", json_object_new_double(x->seconds));
	json_print(o, stdout);
}
