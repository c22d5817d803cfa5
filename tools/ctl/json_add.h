/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short forms of what json-c is asked for most: add a member to the object @o.
 */
#ifndef ICBMSG_TOOLS_CTL_JSON_ADD_H
#define ICBMSG_TOOLS_CTL_JSON_ADD_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

/** @value becomes @o's. */
void json_add(struct json_object *o, const char *key, struct json_object *value);

void json_add_number(struct json_object *o, const char *key, uint64_t value);
void json_add_bool(struct json_object *o, const char *key, bool value);
void json_add_text(struct json_object *o, const char *key, const char *text);

#endif
