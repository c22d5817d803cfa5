// SPDX-License-Identifier: Apache-2.0
/*
 * See json_add.h.
 */
#include "ctl/json_add.h"

#include <json.h>

void json_add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

void json_add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_add(o, key, json_object_new_uint64(value));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_add(o, key, json_object_new_boolean(value));
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	json_add(o, key, json_object_new_string(text));
}
