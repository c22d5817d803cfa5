// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl records, and the part of inspect that is the same: what the flight recorder of one side
 * has noted, live or after its owner died.
 */
#include "ctl/records.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>

#include "common/tool.h"
#include "ctl/ctl.h"
#include "ctl/json_add.h"
#include "ctl/state.h"
#include "ctl/view.h"

static const char help_text[] =
	"Usage: icbmsgctl records [--json] FILE[:INSTANCE]\n"
	"Print the flight recorder of the side that has a state-file: the last 256 control messages\n"
	"each way and what happened to the link, oldest first.\n"
	"\n"
	"      --json    print one array\n"
	"  -h, --help\n";

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* All there are, oldest first. */
static size_t get_records(const struct icbmsg_status *status,
			  struct icbmsg_record records[ICBMSG_RECORDS_MAX])
{
	int count = icbmsg_status_get_records(status, records, ICBMSG_RECORDS_MAX);

	return count > 0 ? (size_t)count : 0;
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

void records_print(const struct icbmsg_status *status)
{
	struct icbmsg_record records[ICBMSG_RECORDS_MAX];
	size_t count = get_records(status, records);

	printf("flight recorder: seconds since boot, entry, session, ring offset\n");
	for (size_t n = 0; n < count; n++)
		print_record(&records[n]);
}

static struct json_object *record_object(const struct icbmsg_record *r)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "number", r->number);
	json_add_number(o, "time_ns", r->time_ns);
	json_add_number(o, "session", r->session);
	if (r->kind != ICBMSG_RECORD_PACKET) {
		json_add_text(o, "event", event_text(r));
		return o;
	}
	json_add_text(o, "direction", r->direction == ICBMSG_TX ? "tx" : "rx");
	json_add_number(o, "offset", r->offset);
	json_add_number(o, "size", r->size);
	json_add_text(o, "type", view_type_name(r->type));
	json_add_number(o, "endpoint", r->ept);
	json_add_number(o, "block", r->block);
	return o;
}

struct json_object *records_array(const struct icbmsg_status *status)
{
	struct icbmsg_record records[ICBMSG_RECORDS_MAX];
	struct json_object *array = json_object_new_array();
	size_t count = get_records(status, records);

	for (size_t n = 0; n < count; n++)
		json_object_array_add(array, record_object(&records[n]));
	return array;
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct icbmsg_status *status;
	struct state_arguments a;

	if (!state_parse(command, &a, argc, argv))
		return ctl_help(command);
	status = state_load(a.direct);
	if (a.json)
		ctl_print_json(records_array(status));
	else
		records_print(status);
	icbmsg_status_free(status);
	return tool_finish_stdout(TOOL_OK);
}

const struct ctl_command ctl_records = {
	.name = "records",
	.summary = "the flight recorder of one side, live or dead",
	.help = help_text,
	.run = run,
};
