// SPDX-License-Identifier: Apache-2.0
/*
 * Answers of icbmsgd for people. Counters are printed by the names they have, whatever their number:
 * a newer daemon's are shown, too.
 */
#include <inttypes.h>
#include <json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"
#include "ctl/service.h"

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value;
}

static const char *text(struct json_object *o, const char *key)
{
	struct json_object *value = member(o, key);

	return value ? json_object_get_string(value) : "?";
}

#define LABEL_SIZE (4 * NAME_SIZE + 64)

/* The name of an endpoint, behind @prefix; some were made up by whoever asked for them. */
static const char *label(char out[LABEL_SIZE], const char *prefix, const char *name)
{
	char whole[LABEL_SIZE];

	snprintf(whole, sizeof(whole), "%s%s%s", prefix, *prefix ? "/" : "", name);
	name_printable(out, LABEL_SIZE, whole);
	return out;
}

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(member(o, key));
}

static bool truth(struct json_object *o, const char *key)
{
	return json_object_get_boolean(member(o, key));
}

static size_t length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

/* "NAME: key value, key value", of the members that are no objects. */
static void print_counters(const char *indent, const char *name, struct json_object *o)
{
	const char *separator = "";

	printf("%s%-10s", indent, name);
	json_object_object_foreach(o, key, value)
	{
		printf("%s %s %s", separator, key, json_object_get_string(value));
		separator = ",";
	}
	putchar('\n');
}

static void print_list_endpoint(struct json_object *e)
{
	char name[LABEL_SIZE];

	printf("  %-16s %-8s %7" PRIu64 "  %-11s  %s%s%s\n", label(name, "", text(e, "name")),
	       truth(e, "bound") ? "bound" : "waiting", number(e, "clients"), text(e, "policy"),
	       text(e, "socket"), truth(e, "exclusive") ? ", exclusive" : "",
	       truth(e, "blocking") ? ", BLOCKING" : "");
}

void service_print_list(struct json_object *answer)
{
	struct json_object *instances = member(answer, "instances");

	for (size_t n = 0; n < length(instances); n++) {
		struct json_object *i = json_object_array_get_idx(instances, n);
		struct json_object *endpoints = member(i, "endpoints");

		printf("%s: %s, %s, messages up to %" PRIu64 " bytes out and %" PRIu64
		       " in, %" PRIu64 " restarts of the other side%s\n",
		       text(i, "name"), text(i, "state"),
		       truth(i, "initiator") ? "initiator" : "follower", number(i, "max_send"),
		       number(i, "max_receive"), number(i, "restarts"),
		       truth(i, "stalled") ? ", STALLED by a client" : "");
		if (strcmp(text(i, "state"), "held") == 0)
			printf("  The firmware is in a session with an earlier program of this side; "
			       "restart it.\n");
		if (length(endpoints) > 0)
			printf("  %-16s %-8s %7s  %-11s  %s\n", "ENDPOINT", "STATE", "CLIENTS",
			       "POLICY", "SOCKET");
		for (size_t k = 0; k < length(endpoints); k++)
			print_list_endpoint(json_object_array_get_idx(endpoints, k));
	}
}

static void print_stats_endpoint(const char *instance, struct json_object *e)
{
	char name[LABEL_SIZE];

	puts(label(name, instance, text(e, "name")));
	json_object_object_foreach(e, key, value)
	{
		if (json_object_is_type(value, json_type_object))
			print_counters("  ", key, value);
		else if (strcmp(key, "name") != 0)
			printf("  %-10s %s\n", key, json_object_get_string(value));
	}
}

static void print_stats_instance(struct json_object *i)
{
	struct json_object *endpoints = member(i, "endpoints");

	printf("%s\n", text(i, "name"));
	print_counters("  ", "link", member(i, "link"));
	printf("  %-10s %" PRIu64 " clients wait for blocks, %" PRIu64 " messages ever had to\n",
	       "blocks", number(i, "waiting"), number(i, "waits"));
	for (size_t k = 0; k < length(endpoints); k++)
		print_stats_endpoint(text(i, "name"), json_object_array_get_idx(endpoints, k));
}

static void print_io_uring(struct json_object *o)
{
	printf("io_uring  %s, %" PRIu64 " operations in %" PRIu64 " submissions, %" PRIu64
	       " by plain calls\n",
	       truth(o, "used") ? "used" : "not used", number(o, "operations"),
	       number(o, "submissions"), number(o, "plain"));
}

void service_print_stats(struct json_object *answer)
{
	struct json_object *instances = member(answer, "instances");

	for (size_t n = 0; n < length(instances); n++)
		print_stats_instance(json_object_array_get_idx(instances, n));
	print_io_uring(member(answer, "io_uring"));
	printf("%-28s %12s %12s %12s\n", "LIMIT", "USED", "MAX", "REFUSED");
	json_object_object_foreach(member(answer, "limits"), key, value)
		printf("%-28s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", key,
		       number(value, "used"), number(value, "max"), number(value, "refused"));
}

static void print_client(struct json_object *c)
{
	struct json_object *delivery = member(c, "delivery"), *input = member(c, "to_core");
	char endpoint[LABEL_SIZE];

	label(endpoint, text(c, "instance"), text(c, "endpoint"));
	printf("%6" PRIu64 "  %-7s  %-20s %8" PRIu64 " %6" PRIu64 "  %-9s %7" PRIu64 " %5" PRIu64
	       " %9" PRIu64 " %10" PRIu64 " %8" PRIu64 " %10" PRIu64 "\n",
	       number(c, "id"), text(c, "kind"), endpoint, number(c, "pid"), number(c, "uid"),
	       truth(c, "waiting") ? "waiting" : text(c, "state"), number(c, "queued"),
	       number(c, "held"), number(c, "bytes"), number(delivery, "delivered"),
	       number(delivery, "dropped_oldest") + number(delivery, "dropped_newest"),
	       number(input, "messages"));
}

void service_print_clients(struct json_object *answer)
{
	struct json_object *clients = member(answer, "clients");

	printf("%6s  %-7s  %-20s %8s %6s  %-9s %7s %5s %9s %10s %8s %10s\n", "ID", "KIND",
	       "ENDPOINT", "PID", "UID", "STATE", "QUEUED", "HELD", "BYTES", "DELIVERED", "DROPPED",
	       "SENT");
	for (size_t n = 0; n < length(clients); n++)
		print_client(json_object_array_get_idx(clients, n));
}

static void print_lines(const char *heading, struct json_object *lines)
{
	char line[LABEL_SIZE];

	for (size_t n = 0; n < length(lines); n++)
		printf("%s %s\n", heading,
		       label(line, "",
			     json_object_get_string(json_object_array_get_idx(lines, n))));
}

bool service_has_failed(struct json_object *answer)
{
	return length(member(answer, "failed")) > 0;
}

void service_print_changes(struct json_object *answer)
{
	struct json_object *changed = member(answer, "changed");
	struct json_object *restart = member(answer, "needs_restart");
	struct json_object *failed = member(answer, "failed");

	print_lines("changed:", changed);
	print_lines("needs a restart of icbmsgd:", restart);
	print_lines("failed:", failed);
	if (length(changed) + length(restart) + length(failed) == 0)
		printf("nothing has changed\n");
}

void service_print_socket(struct json_object *answer)
{
	printf("%s\n", text(answer, "socket"));
}
