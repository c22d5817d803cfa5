/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what a program printed as JSON: what is missing fails the test.
 */
#ifndef ICBMSG_TESTS_PROGRAMS_JSON_H
#define ICBMSG_TESTS_PROGRAMS_JSON_H

#include "programs/run.h"

#include <json.h>

static inline struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		fail_msg("no \"%s\" in %s", key, json_object_to_json_string(o));
	return value;
}

static inline int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

#endif
