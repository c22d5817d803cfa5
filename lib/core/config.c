// SPDX-License-Identifier: Apache-2.0
/*
 * A configuration: texts by key, from a program or a file, with a devicetree behind them. What they
 * mean together is config_check.c's business.
 */
#include "core/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_file.h"
#include "core/config_object.h"

int config_new(struct icbmsg_config **cfg)
{
	struct icbmsg_config *c;

	if (!cfg)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*cfg = c;
	return 0;
}

void config_free(struct icbmsg_config *cfg)
{
	int i;

	if (!cfg)
		return;
	for (i = 0; i < KEY_COUNT; i++)
		config_entry_clear(&cfg->entries[i]);
	config_dt_clear(&cfg->dt);
	free(cfg->origin);
	free(cfg);
}

int config_fail(struct icbmsg_config *cfg, int ret, const char *format, ...)
{
	char text[CONFIG_ERROR_SIZE]; /* the arguments may point into the last error */
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	memcpy(cfg->error, text, sizeof(text));
	return ret;
}

const char *config_error(const struct icbmsg_config *cfg)
{
	return cfg ? cfg->error : "";
}

static void move_entry(struct config_entry *to, struct config_entry *from)
{
	config_entry_clear(to);
	*to = *from;
	*from = (struct config_entry){ 0 };
}

void config_set_root(struct icbmsg_config *cfg, const char *root)
{
	cfg->root = root;
}

int config_load(struct icbmsg_config *cfg, const char *path, const char *instance)
{
	struct config_section *list, *s;
	int ret, i;

	if (!cfg || !path)
		return -EINVAL;
	ret = config_file_read(&list, path, cfg->error);
	if (ret < 0)
		return ret;
	ret = config_section_find(&s, list, instance, path, cfg->error);
	if (ret == 0)
		ret = config_dt_adopt(&cfg->dt, cfg->entries, s->entries, cfg->error);
	if (ret == 0) {
		for (i = 0; i < KEY_COUNT; i++)
			if (s->entries[i].text)
				move_entry(&cfg->entries[i], &s->entries[i]);
		memcpy(cfg->name, s->name, sizeof(cfg->name));
		free(cfg->origin);
		cfg->origin = s->origin;
		s->origin = NULL;
	}
	config_section_free(list);
	return ret;
}

int config_scan(struct icbmsg_config *cfg, const char *path, icbmsg_config_item_fn fn, void *user)
{
	struct config_section *list;
	int ret = config_file_scan(&list, path, fn, user, cfg->error);

	if (ret == 0)
		config_section_free(list);
	return ret;
}

const char *config_name(const struct icbmsg_config *cfg)
{
	return cfg->name;
}

const char *config_origin(const struct icbmsg_config *cfg, const char *key)
{
	char error[CONFIG_ERROR_SIZE];
	int id = config_key_find(key, error);

	return id < 0 ? NULL : config_entry(cfg, (enum config_key_id)id)->origin;
}

const char *config_remarks(const struct icbmsg_config *cfg)
{
	return cfg->dt.remarks ? cfg->dt.remarks : "";
}

const char *config_key_name(unsigned int n, const char **fallback)
{
	if (n >= KEY_COUNT)
		return NULL;
	if (fallback)
		*fallback = config_keys[n].fallback;
	return config_keys[n].name;
}

int config_set(struct icbmsg_config *cfg, const char *key, const char *value)
{
	struct config_entry added[KEY_COUNT] = { 0 };
	struct config_values scratch;
	int id, ret;

	if (!cfg || !key || !value)
		return -EINVAL;
	id = config_key_find(key, cfg->error);
	if (id < 0)
		return id;
	ret = config_key_parse(&scratch, (enum config_key_id)id, value, cfg->error);
	if (ret < 0)
		return ret;
	added[id].text = strdup(value);
	if (!added[id].text)
		return config_fail(cfg, -ENOMEM, "%s: out of memory", key);
	ret = config_dt_adopt(&cfg->dt, cfg->entries, added, cfg->error);
	if (ret == 0)
		move_entry(&cfg->entries[id], &added[id]);
	else
		config_entry_clear(&added[id]);
	return ret;
}

const char *config_get(const struct icbmsg_config *cfg, const char *key)
{
	char error[CONFIG_ERROR_SIZE];
	int id;

	if (!cfg || !key)
		return NULL;
	id = config_key_find(key, error);
	return id < 0 ? NULL : config_entry(cfg, (enum config_key_id)id)->text;
}
