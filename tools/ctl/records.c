// SPDX-License-Identifier: Apache-2.0
/*
 * What the flight recorder of a link has noted, live or after its owner died.
 */
#include "ctl/records.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>

#include "common/tool.h"

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

void records_load(struct view *v, struct icbmsg_config *cfg)
{
	int count;

	v->record_count = 0;
	v->no_records = NULL;
	if (!icbmsg_config_get(cfg, "state-file"))
		return;
	count = icbmsg_load_records(cfg, v->records, ICBMSG_RECORDS_MAX);
	if (count < 0)
		v->no_records = icbmsg_config_error(cfg);
	else
		v->record_count = (size_t)count;
}

/* What happened, for entries that are no packets. */
static const char *event_text(const struct icbmsg_record *r)
{
	switch (r->kind) {
	case ICBMSG_RECORD_ANNOUNCED:
		return "announced ourselves";
	case ICBMSG_RECORD_MAGIC:
		return "the other side's announcement read";
	case ICBMSG_RECORD_UP:
		return "link up";
	case ICBMSG_RECORD_LOST:
		return icbmsg_unbound_reason_name((enum icbmsg_unbound_reason)r->type);
	default:
		return "unknown entry";
	}
}

static void print_record(const struct icbmsg_record *r)
{
	printf("  %6" PRIu64 ".%03u  %10" PRIu64 "  %3" PRIu32 "  ", r->time_ns / NS_PER_S,
	       (unsigned int)(r->time_ns % NS_PER_S / NS_PER_MS), r->number, r->session);
	if (r->kind != ICBMSG_RECORD_PACKET) {
		printf("%s\n", event_text(r));
		return;
	}
	printf("%s %6" PRIu32 "  %s", r->direction == ICBMSG_TX ? "tx" : "rx", r->offset,
	       view_type_name(r->type));
	printf(" endpoint %u block %u\n", r->ept, r->block);
}

void records_print(const struct view *v)
{
	if (v->no_records)
		printf("\nflight recorder: %s\n", v->no_records);
	if (v->record_count == 0)
		return;
	printf("\nflight recorder: seconds since boot, entry, session, ring offset\n");
	for (size_t n = 0; n < v->record_count; n++)
		print_record(&v->records[n]);
}

static void add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, json_object_new_string(text));
}

static struct json_object *record_object(const struct icbmsg_record *r)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "number", r->number);
	add_number(o, "time_ns", r->time_ns);
	add_number(o, "session", r->session);
	if (r->kind != ICBMSG_RECORD_PACKET) {
		add_text(o, "event", event_text(r));
		return o;
	}
	add_text(o, "direction", r->direction == ICBMSG_TX ? "tx" : "rx");
	add_number(o, "offset", r->offset);
	add_number(o, "size", r->size);
	add_text(o, "type", view_type_name(r->type));
	add_number(o, "endpoint", r->ept);
	add_number(o, "block", r->block);
	return o;
}

struct json_object *records_array(const struct view *v)
{
	struct json_object *array;

	if (v->record_count == 0)
		return NULL;
	array = json_object_new_array();
	for (size_t n = 0; n < v->record_count; n++)
		json_object_array_add(array, record_object(&v->records[n]));
	return array;
}
