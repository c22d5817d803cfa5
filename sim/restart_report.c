// SPDX-License-Identifier: Apache-2.0
/*
 * What a run of `icbmsg-sim restart-loop` tells in the end: lines for people, an object for
 * programs.
 */
#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

#include "args.h"
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
	const struct corrupt_counts *c = &r->corrupt.counts;

	printf("corrupted: %" PRIu64 " indices, %" PRIu64 " ring words, %" PRIu64
	       " headers, %" PRIu64
	       " payload words; what is wrong, repeated or out of order meanwhile is no failure\n",
	       c->writes[CORRUPT_INDICES], c->writes[CORRUPT_RINGS], c->writes[CORRUPT_HEADERS],
	       c->writes[CORRUPT_PAYLOAD]);
	printf("libicbmsg met %" PRIu64 " bad packets, %" PRIu64 " bad blocks, %" PRIu64
	       " bad endpoints, %" PRIu64 " bad releases; noticed %" PRIu64 " restarts of %" PRIu64
	       "\n",
	       a->bad_packets, a->bad_blocks, a->bad_endpoints, a->bad_releases, a->noticed,
	       r->result.killed);
	printf("after the corruption the link %s\n",
	       r->result.recovered ? "came back with restarted firmware" : "DID NOT COME BACK");
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

	if (r->options->corrupt > 0)
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
	printf("doorbells: %" PRIu64 " of %" PRIu64 " dropped; %" PRIu64 " rescues, %" PRIu64
	       " of them after a lost one\n",
	       x->bells_dropped, x->bells_relayed, a->rescues, a->bells_lost);
	printf("%.2f s, seed %" PRIu64 "\n", x->seconds, r->options->seed);
}

static void add(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)n));
}

static void add_ms(struct json_object *o, const char *key, double ms)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", ms);
	json_object_object_add(o, key, json_object_new_double_s(ms, text));
}

static void add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static struct json_object *counts_json(const struct restart_counts *n, bool library)
{
	struct json_object *o = json_object_new_object();

	add(o, "sent", n->sent);
	add(o, "received", n->received);
	add(o, "echoes", n->echoes);
	add(o, "refused", n->refused);
	add(o, "wrong", n->damaged);
	add(o, "repeated", n->repeated);
	add(o, "out_of_order", n->skipped);
	if (!library)
		return o;
	add(o, "confirmed", confirmed(n));
	add(o, "unknown", n->unknown);
	add(o, "unknown_lost", n->lost);
	add(o, "restarts_noticed", n->noticed); /* by this process of it */
	add(o, "rescues", n->rescues);
	add(o, "doorbells_lost", n->bells_lost);
	add(o, "bad_packets", n->bad_packets);
	add(o, "bad_blocks", n->bad_blocks);
	add(o, "bad_endpoints", n->bad_endpoints);
	add(o, "bad_releases", n->bad_releases);
	return o;
}

static struct json_object *corruption_json(const struct restart_run *r)
{
	struct json_object *o = json_object_new_object();
	int kind;

	for (kind = 0; kind < CORRUPT_KINDS; kind++)
		add(o, corrupt_name((enum corrupt_what)kind), r->corrupt.counts.writes[kind]);
	add_bool(o, "recovered", r->result.recovered);
	return o;
}

void restart_json(const struct restart_run *r)
{
	const struct restart_result *x = &r->result;
	struct json_object *o = json_object_new_object();

	add_bool(o, "ok", r->status == SIM_OK);
	add(o, "seed", r->options->seed);
	add(o, "endpoints", r->options->endpoints);
	add(o, "restarts", r->options->count);
	add(o, "back", x->done);
	add(o, "cut_short", x->cut);
	add(o, "killed", x->killed);
	add_ms(o, "median_ms", quantile(x, 0.5));
	add_ms(o, "p99_ms", quantile(x, 0.99));
	add_ms(o, "max_ms", quantile(x, 1));
	if (r->shared) {
		json_object_object_add(o, "core_a", counts_json(&r->shared->counts[SIDE_A], true));
		json_object_object_add(
			o, "core_b", counts_json(&r->shared->counts[SIDE_B], r->options->both_lib));
	}
	add(o, "firmware_errors", x->errors);
	add(o, "firmware_errors_max", x->errors_max);
	add(o, "doorbells_relayed", x->bells_relayed);
	add(o, "doorbells_dropped", x->bells_dropped);
	if (r->options->corrupt > 0)
		json_object_object_add(o, "corrupted", corruption_json(r));
	json_object_object_add(o, "seconds", json_object_new_double(x->seconds));
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}
