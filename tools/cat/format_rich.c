// SPDX-License-Identifier: Apache-2.0
/*
 * The formats that carry more than the payload: JSON and patterns of the user.
 */
#include "cat/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "common/tool.h"
#include "common/utf8.h"

static bool is_utf8(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t n = utf8_sequence(data + i, size - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

/* A name may be any bytes. */
static json_object *json_name(const char *name)
{
	size_t size = strlen(name), n;
	struct text t = { 0 };
	json_object *out;

	for (size_t i = 0; i < size; i += n ? n : 1) {
		n = utf8_sequence((const uint8_t *)name + i, size - i);
		if (n > 0)
			text_add(&t, name + i, n);
		else
			text_printf(&t, "\\x%02x", (uint8_t)name[i]);
	}
	out = json_object_new_string_len(t.data, (int)t.size);
	text_deinit(&t);
	return out;
}

/* Seconds as a JSON number with the digits of the other formats; a date as a string. */
static json_object *json_time(const struct format *f, const struct message *m)
{
	enum stamp_kind kind = f->stamp == STAMP_NONE ? STAMP_ABSOLUTE : f->stamp;
	struct text t = { 0 };
	json_object *out;

	stamp_add(&t, kind, &m->times, f->utc);
	text_add_char(&t, '\0');
	out = kind == STAMP_DATE ? json_object_new_string(t.data) :
				   json_object_new_double_s(strtod(t.data, NULL), t.data);
	text_deinit(&t);
	return out;
}

void format_json(struct text *out, const struct format *f, const struct message *m)
{
	json_object *object = json_object_new_object();
	struct text hex = { 0 };
	const char *line;

	if (!object)
		tool_fail(TOOL_ERROR, "out of memory");
	format_hex(&hex, m->data, m->size);
	json_object_object_add(object, "number", json_object_new_uint64(m->number));
	json_object_object_add(object, "time", json_time(f, m));
	json_object_object_add(object, "endpoint", json_name(m->endpoint));
	json_object_object_add(object, "size", json_object_new_uint64(m->size));
	if (is_utf8(m->data, m->size))
		json_object_object_add(object, "text",
				       json_object_new_string_len((const char *)m->data,
								  (int)m->size));
	json_object_object_add(object, "hex",
			       json_object_new_string_len(hex.size ? hex.data : "", (int)hex.size));
	line = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							      JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!line)
		tool_fail(TOOL_ERROR, "out of memory");
	text_add_string(out, line);
	json_object_put(object);
	text_deinit(&hex);
}

static const char escape_letters[] = "nrt0\\";
static const char escape_codes[] = { '\n', '\r', '\t', '\0', '\\' };

const char *format_check_template(const char *pattern)
{
	for (const char *p = pattern; *p; p++) {
		if (*p == '%' && (!p[1] || !strchr("elpxtULn%", p[1])))
			return "after % it knows e l p x t U L n and %";
		if (*p == '\\' && (!p[1] || !strchr(escape_letters, p[1])))
			return "after \\ it knows n r t 0 and \\";
		if (*p == '%' || *p == '\\')
			p++;
	}
	return NULL;
}

static void add_field(struct text *out, char field, const struct format *f, const struct message *m)
{
	switch (field) {
	case 'e':
		text_add_string(out, m->endpoint);
		break;
	case 'l':
		text_printf(out, "%zu", m->size);
		break;
	case 'p':
		text_add(out, m->data, m->size);
		break;
	case 'x':
		format_hex(out, m->data, m->size);
		break;
	case 't':
		stamp_add(out, f->stamp == STAMP_NONE ? STAMP_ABSOLUTE : f->stamp, &m->times,
			  f->utc);
		break;
	case 'U':
	case 'L':
		stamp_add(out, STAMP_DATE, &m->times, field == 'U');
		break;
	case 'n':
		text_printf(out, "%" PRIu64, m->number);
		break;
	default:
		text_add_char(out, field);
	}
}

void format_template(struct text *out, const struct format *f, const struct message *m)
{
	for (const char *p = f->pattern; *p; p++) {
		if (*p == '%')
			add_field(out, *++p, f, m);
		else if (*p == '\\')
			text_add_char(out,
				      escape_codes[strchr(escape_letters, *++p) - escape_letters]);
		else
			text_add_char(out, *p);
	}
}
