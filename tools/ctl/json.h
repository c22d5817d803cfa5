/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short forms of what json-c is asked for most.
 */
#ifndef ICBMSG_TOOLS_CTL_JSON_H
#define ICBMSG_TOOLS_CTL_JSON_H

#include <json.h>
#include <stdbool.h>
#include <stdint.h>

static inline void json_add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

static inline void json_add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_add(o, key, json_object_new_uint64(value));
}

static inline void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_add(o, key, json_object_new_boolean(value));
}

static inline void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_add(o, key, json_object_new_string(text));
}

#endif
