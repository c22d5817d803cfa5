// SPDX-License-Identifier: Apache-2.0
/*
 * What went wrong on purpose, in numbers.
 */
#include <inttypes.h>

#include "faults.h"
#include "json.h"

/* Of both sides together. */
static struct relay_counts doorbells(const struct faults *f)
{
	const struct relay_counts *a = &f->relay[0].counts, *b = &f->relay[1].counts;

	return (struct relay_counts){
		.rung = a->rung + b->rung,
		.dropped = a->dropped + b->dropped,
		.delayed = a->delayed + b->delayed,
		.merged = a->merged + b->merged,
		.delivered = a->delivered + b->delivered,
	};
}

static void corruption(const struct corrupt_counts *c, FILE *out)
{
	fprintf(out,
		"corrupted: %" PRIu64 " indices, %" PRIu64 " ring words, %" PRIu64
		" headers, %" PRIu64
		" payload words; what is wrong, repeated or out of order meanwhile is no failure\n",
		c->writes[CORRUPT_INDICES], c->writes[CORRUPT_RINGS], c->writes[CORRUPT_HEADERS],
		c->writes[CORRUPT_PAYLOAD]);
}

void faults_summary(const struct faults *f, FILE *out)
{
	const struct fault_options *o = f->options;
	struct relay_counts c = doorbells(f);

	if (f->relayed)
		fprintf(out,
			"doorbells: %" PRIu64 " rung, %" PRIu64 " lost, %" PRIu64
			" delayed, %" PRIu64 " merged with others, %" PRIu64 " delivered\n",
			c.rung, c.dropped, c.delayed, c.merged, c.delivered);
	if (o->stall > 0)
		fprintf(out,
			"stalls: core A %" PRIu64 " times, core B %" PRIu64
			" times, %.1f ms each\n",
			f->stall.count[0], f->stall.count[1], (double)o->stall_ns * 1e-6);
	if (o->corrupt > 0)
		corruption(&f->corrupt.counts, out);
}

static struct json_object *corruption_json(const struct corrupt_counts *c)
{
	struct json_object *o = json_object_new_object();
	int kind;

	for (kind = 0; kind < CORRUPT_KINDS; kind++)
		json_add(o, corrupt_name((enum corrupt_what)kind), c->writes[kind]);
	return o;
}

void faults_json(const struct faults *f, struct json_object *object)
{
	struct relay_counts c = doorbells(f);

	json_add(object, "seed", f->options->seed);
	json_add(object, "doorbells_relayed", c.rung);
	json_add(object, "doorbells_dropped", c.dropped);
	json_add(object, "doorbells_delayed", c.delayed);
	json_add(object, "doorbells_merged", c.merged);
	json_add(object, "doorbells_delivered", c.delivered);
	json_add(object, "stalls_a", f->stall.count[0]);
	json_add(object, "stalls_b", f->stall.count[1]);
	if (f->options->corrupt > 0)
		json_object_object_add(object, "corrupted", corruption_json(&f->corrupt.counts));
}

void faults_rescues(const char *core, const struct core_bells *bells, FILE *out)
{
	fprintf(out,
		"%s: %" PRIu64 " doorbells, %" PRIu64 " of them rescues, %" PRIu64
		" of those with effect\n",
		core, bells->rung, bells->rescues, bells->lost);
}
