// SPDX-License-Identifier: Apache-2.0
/*
 * --print-config: the whole configuration as one file, with the place each value comes from.
 */
#include "settings.h"

#define PLACE 40 /* column of the comments */

static void print_value(FILE *out, const char *key, const char *value, const char *origin)
{
	int n = fprintf(out, "%s = %s", key, value);

	fprintf(out, "%*s ; %s\n", n < PLACE ? PLACE - n : 0, "", origin);
}

static void print_section(FILE *out, const struct key_table *table, const struct key_texts *texts)
{
	for (size_t i = 0; i < table->count; i++) {
		if (texts->text[i])
			print_value(out, table->keys[i].name, texts->text[i], texts->origin[i]);
		else if (table->keys[i].fallback)
			print_value(out, table->keys[i].name, table->keys[i].fallback, "default");
	}
}

static void print_instance(FILE *out, const struct instance_section *i)
{
	const char *key, *fallback, *value;

	fprintf(out, "\n[instance %s]\n", i->name);
	for (unsigned int n = 0; (key = icbmsg_config_key(n, &fallback)); n++) {
		value = icbmsg_config_get(i->cfg, key);
		if (value)
			print_value(out, key, value, icbmsg_config_origin(i->cfg, key));
		else if (fallback)
			print_value(out, key, fallback, "default");
	}
}

void settings_print(const struct settings *s, FILE *out)
{
	const struct endpoint_section *e;
	const struct instance_section *i;

	fprintf(out, "[daemon]\n");
	print_section(out, &settings_daemon_keys, &s->texts);
	STAILQ_FOREACH(i, &s->instances, next)
		print_instance(out, i);
	STAILQ_FOREACH(e, &s->endpoints, next) {
		fprintf(out, "\n[endpoint %s/%s] ; %s\n", e->instance, e->text, e->origin);
		print_section(out, &settings_endpoint_keys, &e->texts);
	}
}
