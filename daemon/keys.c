// SPDX-License-Identifier: Apache-2.0
/*
 * From text to values.
 */
#include "keys.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/parse.h"

int key_find(const struct key_table *table, const char *name, char error[ERROR_SIZE])
{
	size_t n;

	for (size_t i = 0; i < table->count; i++)
		if (strcmp(name, table->keys[i].name) == 0)
			return (int)i;
	n = (size_t)snprintf(error, ERROR_SIZE, "%.60s: no such key in [%s]; there are: ", name,
			     table->section);
	for (size_t i = 0; i < table->count && n < ERROR_SIZE; i++)
		n += (size_t)snprintf(error + n, ERROR_SIZE - n, "%s%s", i ? ", " : "",
				      table->keys[i].name);
	return -1;
}

static bool parse_range(const struct key *key, uint64_t value)
{
	return value >= key->min && value <= key->max;
}

static bool parse_number_key(const struct key *key, uint32_t *out, const char *text)
{
	uint64_t value;

	if (parse_number(text, &value) < 0 || !parse_range(key, value))
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool parse_size_key(const struct key *key, uint64_t *out, const char *text)
{
	uint64_t value;

	if (parse_size(text, &value) < 0 || !parse_range(key, value))
		return false;
	*out = value;
	return true;
}

static bool parse_duration_key(const struct key *key, int64_t *out, const char *text)
{
	int64_t value;

	if (parse_duration(text, &value) < 0 || !parse_range(key, (uint64_t)value))
		return false;
	*out = value;
	return true;
}

static bool parse_choice(const struct key *key, unsigned int *out, const char *text)
{
	for (unsigned int i = 0; key->choices[i]; i++) {
		if (strcmp(text, key->choices[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool parse_mode(mode_t *out, const char *text)
{
	size_t n = strlen(text);

	if (n == 0 || n > 4 || strspn(text, "01234567") != n)
		return false;
	*out = (mode_t)strtoul(text, NULL, 8);
	return *out <= 0777;
}

static bool parse_user(uid_t *out, const char *text)
{
	const struct passwd *user = getpwnam(text);
	uint64_t number;

	if (user)
		*out = user->pw_uid;
	else if (parse_number(text, &number) == 0 && number < UINT32_MAX)
		*out = (uid_t)number;
	else
		return false;
	return true;
}

static bool parse_group(gid_t *out, const char *text)
{
	const struct group *group = getgrnam(text);
	uint64_t number;

	if (group)
		*out = group->gr_gid;
	else if (parse_number(text, &number) == 0 && number < UINT32_MAX)
		*out = (gid_t)number;
	else
		return false;
	return true;
}

static bool parse_path(char *out, const char *text, bool whole)
{
	if (strlen(text) >= KEY_PATH_SIZE)
		return false;
	if (whole ? *text != '/' : !*text || *text == '.' || strchr(text, '/'))
		return false;
	strcpy(out, text);
	return true;
}

static bool parse(const struct key *key, void *field, const char *text)
{
	switch (key->kind) {
	case KEY_NUMBER:
		return parse_number_key(key, field, text);
	case KEY_SIZE:
		return parse_size_key(key, field, text);
	case KEY_DURATION:
		return parse_duration_key(key, field, text);
	case KEY_CHOICE:
		return parse_choice(key, field, text);
	case KEY_MODE:
		return parse_mode(field, text);
	case KEY_USER:
		return parse_user(field, text);
	case KEY_GROUP:
		return parse_group(field, text);
	case KEY_PATH:
	case KEY_FILE:
		return parse_path(field, text, key->kind == KEY_PATH);
	}
	return false;
}

bool key_parse(const struct key *key, void *values, const char *text, char error[ERROR_SIZE])
{
	if (parse(key, (char *)values + key->field, text))
		return true;
	snprintf(error, ERROR_SIZE, "%s: \"%.60s\" is not %s", key->name, text, key->form);
	return false;
}

void key_defaults(const struct key_table *table, void *values)
{
	char error[ERROR_SIZE];

	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].fallback)
			key_parse(&table->keys[i], values, table->keys[i].fallback, error);
}

bool key_texts_set(struct key_texts *texts, size_t key, const char *text, const char *origin)
{
	char *new_text = strdup(text), *new_origin = strdup(origin);

	if (!new_text || !new_origin) {
		free(new_text);
		free(new_origin);
		return false;
	}
	free(texts->text[key]);
	free(texts->origin[key]);
	texts->text[key] = new_text;
	texts->origin[key] = new_origin;
	return true;
}

void key_texts_clear(struct key_texts *texts)
{
	for (size_t i = 0; i < KEYS_MAX; i++) {
		free(texts->text[i]);
		free(texts->origin[i]);
	}
	*texts = (struct key_texts){ 0 };
}
