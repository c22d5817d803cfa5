// SPDX-License-Identifier: Apache-2.0
/*
 * See state.h.
 */
#include "ctl/state.h"

#include <getopt.h>
#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/direct.h"
#include "common/tool.h"
#include "ctl/json_add.h"
#include "ctl/view.h"

#define COUNTERS_MAX 256
#define NS_PER_MS 1000000

bool state_parse(const struct ctl_command *command, struct state_arguments *a, int argc,
		 char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "list", no_argument, NULL, 'l' },
		{ 0 },
	};
	int c;

	*a = (struct state_arguments){ 0 };
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h')
			return false;
		if (c == '?' || (c == 'l' && command != &ctl_counters))
			tool_usage_said();
		a->json |= c == 'j';
		a->list |= c == 'l';
	}
	if (optind < argc)
		a->direct = argv[optind++];
	else if (!a->list)
		tool_usage("%s: FILE[:INSTANCE] is missing", command->name);
	ctl_no_arguments(command, argc, argv);
	return true;
}

struct icbmsg_status *state_load(const char *direct)
{
	struct icbmsg_status *status;
	struct icbmsg_config *cfg;
	struct direct d;

	direct_init(&d, direct);
	cfg = direct_load(&d);
	direct_deinit(&d);
	if (icbmsg_status_load(&status, cfg) < 0)
		tool_fail(TOOL_ERROR, "%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return status;
}

/* ------------------------------------------------------------------------------------------------
 * For people
 */

static void print_retry(uint64_t retry_ns)
{
	struct timespec ts;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	left = ((int64_t)retry_ns - ts.tv_nsec) / NS_PER_MS - ts.tv_sec * 1000;
	if (left >= 0)
		printf("; it is answered in %" PRId64 " ms", left);
	else
		printf("; it was to be answered %" PRId64 " ms ago", -left);
}

static void print_link(const struct icbmsg_status *status)
{
	struct icbmsg_link_status link;

	icbmsg_status_get_link(status, &link);
	printf("this side: %s, %s, %s, session %" PRIu32 "\n",
	       link.open ? "open" : "not open; when it was last",
	       icbmsg_link_state_name(link.state), link.initiator ? "initiator" : "follower",
	       link.session);
	if (link.restarts_in_a_row == 0)
		return;
	printf("the other side restarted %" PRIu32 " times in a row", link.restarts_in_a_row);
	if (link.retry_ns > 0)
		print_retry(link.retry_ns);
	putchar('\n');
}

static void print_ept(const struct icbmsg_ept_status *e)
{
	char name[VIEW_NAME_SIZE], address[8] = "-";

	view_escape(name, e->name, strlen(e->name));
	if (e->has_address)
		snprintf(address, sizeof(address), "%u", e->address);
	printf("  %3s  %-9s  %6" PRIu32 "  %8" PRIu64 " %10" PRIu64 "  %8" PRIu64 " %10" PRIu64
	       "  %s%s\n",
	       address, icbmsg_ept_state_name(e->state), e->queued, e->tx_messages, e->tx_bytes,
	       e->rx_messages, e->rx_bytes, name,
	       e->state == ICBMSG_EPT_BOUND && !e->registered ? " (deregistered)" : "");
}

static void print_epts(const struct icbmsg_status *status)
{
	struct icbmsg_ept_status e;

	for (size_t n = 0; icbmsg_status_get_ept(status, n, &e) == 0; n++) {
		if (n == 0)
			printf("\nendpoints registered: address, state, queued, sent messages and "
			       "bytes, delivered messages and bytes, name\n");
		print_ept(&e);
	}
}

static void print_counters(const struct icbmsg_status *status, bool all)
{
	uint64_t values[COUNTERS_MAX];
	int count = icbmsg_status_get_counters(status, values, COUNTERS_MAX);
	struct icbmsg_counter_info info;

	printf("\ncounters%s\n", all ? "" : " that are not 0");
	for (int n = 0; n < count; n++) {
		icbmsg_counter_info((size_t)n, &info);
		if (all || values[n] != 0)
			printf("  %-20s %12" PRIu64 "  %s\n", info.name, values[n], info.help);
	}
}

void state_print(const struct icbmsg_status *status, bool all)
{
	print_link(status);
	print_epts(status);
	print_counters(status, all);
}

static const char *kind_name(enum icbmsg_counter_kind kind)
{
	switch (kind) {
	case ICBMSG_COUNTER:
		return "counter";
	case ICBMSG_GAUGE:
		return "gauge";
	case ICBMSG_PEAK:
		return "peak";
	}
	return "unknown";
}

void state_print_list(void)
{
	struct icbmsg_counter_info info;

	for (size_t n = 0; icbmsg_counter_info(n, &info) == 0; n++)
		printf("%-20s  %-7s  %-13s  %s\n", info.name, kind_name(info.kind), info.unit,
		       info.help);
}

/* ------------------------------------------------------------------------------------------------
 * For programs
 */

static struct json_object *link_object(const struct icbmsg_status *status)
{
	struct json_object *o = json_object_new_object();
	struct icbmsg_link_status link;

	icbmsg_status_get_link(status, &link);
	json_add_text(o, "state", icbmsg_link_state_name(link.state));
	json_add_bool(o, "open", link.open);
	json_add_text(o, "role", link.initiator ? "initiator" : "follower");
	json_add_number(o, "session", link.session);
	json_add_number(o, "restarts_in_a_row", link.restarts_in_a_row);
	json_add(o, "retry_ns", link.retry_ns ? json_object_new_uint64(link.retry_ns) : NULL);
	return o;
}

static struct json_object *ept_object(const struct icbmsg_ept_status *e)
{
	struct json_object *o = json_object_new_object();
	char name[VIEW_NAME_SIZE];

	view_escape(name, e->name, strlen(e->name));
	json_add_text(o, "name", name);
	json_add(o, "endpoint", e->has_address ? json_object_new_int(e->address) : NULL);
	json_add_text(o, "state", icbmsg_ept_state_name(e->state));
	json_add_bool(o, "registered", e->registered);
	json_add_number(o, "queued", e->queued);
	json_add_number(o, "tx_messages", e->tx_messages);
	json_add_number(o, "tx_bytes", e->tx_bytes);
	json_add_number(o, "rx_messages", e->rx_messages);
	json_add_number(o, "rx_bytes", e->rx_bytes);
	return o;
}

static struct json_object *epts_array(const struct icbmsg_status *status)
{
	struct json_object *array = json_object_new_array();
	struct icbmsg_ept_status e;

	for (size_t n = 0; icbmsg_status_get_ept(status, n, &e) == 0; n++)
		json_object_array_add(array, ept_object(&e));
	return array;
}

static struct json_object *counters_object(const struct icbmsg_status *status)
{
	uint64_t values[COUNTERS_MAX];
	int count = icbmsg_status_get_counters(status, values, COUNTERS_MAX);
	struct json_object *o = json_object_new_object();
	struct icbmsg_counter_info info;

	for (int n = 0; n < count; n++) {
		icbmsg_counter_info((size_t)n, &info);
		json_add_number(o, info.name, values[n]);
	}
	return o;
}

struct json_object *state_object(const struct icbmsg_status *status)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "link", link_object(status));
	json_add(o, "endpoints", epts_array(status));
	json_add(o, "counters", counters_object(status));
	return o;
}

struct json_object *state_list_array(void)
{
	struct json_object *array = json_object_new_array(), *o;
	struct icbmsg_counter_info info;

	for (size_t n = 0; icbmsg_counter_info(n, &info) == 0; n++) {
		o = json_object_new_object();
		json_add_text(o, "name", info.name);
		json_add_text(o, "kind", kind_name(info.kind));
		json_add_text(o, "unit", info.unit);
		json_add_text(o, "help", info.help);
		json_object_array_add(array, o);
	}
	return array;
}
