// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the files. libicbmsg reads them and checks what concerns instances; here the daemon's own
 * sections are kept, merged over several files, and checked against each other.
 */
#include "settings.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "exported.h"
#include "common/tool.h"

/* What is needed while reading only. */
struct reader {
	struct settings *s;
	struct icbmsg_config *cfg;        /* for messages */
	const char *path;                 /* of the file that is read */
	struct endpoint_section *current; /* NULL: not in an endpoint's section */
	char *error;
};

static int refuse(struct reader *r, const struct icbmsg_config_item *item, const char *format, ...)
	_printf_(3, 4);

static int refuse(struct reader *r, const struct icbmsg_config_item *item, const char *format, ...)
{
	char why[ERROR_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	snprintf(r->error, ERROR_SIZE, "%s:%u: %.*s", item->path, item->line,
		 (int)(ERROR_SIZE - 128), why);
	return -EINVAL;
}

static int no_memory(char *error)
{
	snprintf(error, ERROR_SIZE, "out of memory");
	return -ENOMEM;
}

struct instance_section *settings_find_instance(const struct settings *s, const char *name)
{
	struct instance_section *i;

	STAILQ_FOREACH(i, &s->instances, next)
		if (strcmp(i->name, name) == 0)
			return i;
	return NULL;
}

static int add_instance(struct reader *r, const struct icbmsg_config_item *item)
{
	size_t length = strlen(item->name);
	struct instance_section *i;

	if (strcmp(item->name, "control") == 0 ||
	    (length > 5 && strcmp(item->name + length - 5, ".sock") == 0))
		return refuse(r, item,
			      "[instance %s]: the daemon has a file of this name in its rundir; "
			      "choose another",
			      item->name);
	if (settings_find_instance(r->s, item->name))
		return 0;
	i = calloc(1, sizeof(*i));
	if (!i || icbmsg_config_new(&i->cfg) < 0) {
		free(i);
		return no_memory(r->error);
	}
	snprintf(i->name, sizeof(i->name), "%s", item->name);
	STAILQ_INSERT_TAIL(&r->s->instances, i, next);
	return 0;
}

/* Of an endpoint, however its name is written, or of the same pattern. */
static struct endpoint_section *find_section(const struct settings *s, const char *instance,
					     const char *text, const char *name)
{
	bool pattern = name_is_pattern(text);
	struct endpoint_section *e;

	STAILQ_FOREACH(e, &s->endpoints, next)
		if (strcmp(e->instance, instance) == 0 && e->pattern == pattern &&
		    strcmp(pattern ? e->text : e->name, pattern ? text : name) == 0)
			return e;
	return NULL;
}

static struct endpoint_section *new_section(struct reader *r, const struct icbmsg_config_item *item)
{
	struct endpoint_section *e = calloc(1, sizeof(*e));

	if (!e || asprintf(&e->origin, "%s:%u", item->path, item->line) < 0) {
		free(e);
		no_memory(r->error);
		return NULL;
	}
	e->values.owner = (uid_t)-1;
	e->values.group = (gid_t)-1;
	e->values.hold_blocks = HOLD_AUTO;
	key_defaults(&settings_endpoint_keys, &e->values);
	return e;
}

/* [endpoint INSTANCE/NAME], in this file or in one before. */
static int begin_endpoint(struct reader *r, const struct icbmsg_config_item *item)
{
	const char *slash = strchr(item->name, '/');
	struct endpoint_section *e;
	char instance[64], name[NAME_SIZE];

	if (!slash || slash == item->name || !slash[1] ||
	    (size_t)(slash - item->name) >= sizeof(instance))
		return refuse(r, item, "[endpoint %s]: write [endpoint INSTANCE/NAME]", item->name);
	snprintf(instance, sizeof(instance), "%.*s", (int)(slash - item->name), item->name);
	if (!name_unescape(name, slash + 1))
		return refuse(r, item,
			      "[endpoint %s]: a %% has to be followed by two hexadecimal digits, "
			      "of a byte that is not 0; write %%25 for %% itself",
			      item->name);
	r->current = find_section(r->s, instance, slash + 1, name);
	if (r->current)
		return 0;
	e = new_section(r, item);
	if (!e)
		return -ENOMEM;
	strcpy(e->instance, instance);
	snprintf(e->text, sizeof(e->text), "%s", slash + 1);
	strcpy(e->name, name);
	e->pattern = name_is_pattern(e->text);
	STAILQ_INSERT_TAIL(&r->s->endpoints, e, next);
	r->current = e;
	return 0;
}

static int begin(struct reader *r, const struct icbmsg_config_item *item)
{
	r->current = NULL;
	if (strcmp(item->section, "instance") == 0)
		return add_instance(r, item);
	if (strcmp(item->section, "endpoint") == 0)
		return begin_endpoint(r, item);
	return 0;
}

/* Set one key; a second time in one file is a mistake, in a later file it is an override. */
static int set(struct reader *r, const struct icbmsg_config_item *item,
	       const struct key_table *table, struct key_texts *texts, void *values)
{
	char why[ERROR_SIZE], origin[300];
	int key = key_find(table, item->key, why);
	size_t length = strlen(item->path);

	if (key < 0)
		return refuse(r, item, "%s", why);
	if (texts->origin[key] && strncmp(texts->origin[key], item->path, length) == 0 &&
	    texts->origin[key][length] == ':')
		return refuse(r, item, "%s: set on line %s already; remove one", item->key,
			      texts->origin[key] + length + 1);
	if (!key_parse(&table->keys[key], values, item->value, why))
		return refuse(r, item, "%s", why);
	snprintf(origin, sizeof(origin), "%s:%u", item->path, item->line);
	return key_texts_set(texts, (size_t)key, item->value, origin) ? 0 : no_memory(r->error);
}

static int take(void *user, const struct icbmsg_config_item *item)
{
	struct reader *r = user;

	if (!item->key)
		return begin(r, item);
	if (strcmp(item->section, "daemon") == 0)
		return set(r, item, &settings_daemon_keys, &r->s->texts, &r->s->daemon);
	if (r->current)
		return set(r, item, &settings_endpoint_keys, &r->current->texts,
			   &r->current->values);
	return 0;
}

/* The instances of one file, over what files before have set. */
static int load_instances(struct reader *r)
{
	struct instance_section *i;
	int ret;

	STAILQ_FOREACH(i, &r->s->instances, next) {
		ret = icbmsg_config_load(i->cfg, r->path, i->name);
		if (ret < 0 && ret != -ENOENT) {
			snprintf(r->error, ERROR_SIZE, "%s", icbmsg_config_error(i->cfg));
			return ret;
		}
	}
	return 0;
}

static int read_file(struct reader *r, const char *path)
{
	int ret;

	r->path = path;
	r->current = NULL;
	*r->error = '\0';
	ret = icbmsg_config_scan(r->cfg, path, take, r);
	if (ret < 0) {
		if (!*r->error)
			snprintf(r->error, ERROR_SIZE, "%s", icbmsg_config_error(r->cfg));
		return ret;
	}
	return load_instances(r);
}

static int is_conf(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && strcmp(d->d_name + n - 5, ".conf") == 0;
}

static int read_directory(struct reader *r, const char *directory)
{
	struct dirent **list;
	int count = scandir(directory, &list, is_conf, alphasort);
	int ret = 0;

	if (count < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		ret = -errno;
		snprintf(r->error, ERROR_SIZE, "%s: cannot be read: %s", directory, strerror(-ret));
		return ret;
	}
	for (int i = 0; i < count; i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/%s", directory, list[i]->d_name);
		if (ret == 0)
			ret = read_file(r, path);
		free(list[i]);
	}
	free(list);
	return ret;
}

static int read_options(struct reader *r, char *const *options)
{
	for (; options && *options; options++) {
		const char *equals = strchr(*options, '=');
		char key[64], why[ERROR_SIZE];
		int id;

		if (!equals || (size_t)(equals - *options) >= sizeof(key)) {
			snprintf(r->error, ERROR_SIZE, "--option %s: write KEY=VALUE", *options);
			return -EINVAL;
		}
		snprintf(key, sizeof(key), "%.*s", (int)(equals - *options), *options);
		id = key_find(&settings_daemon_keys, key, why);
		if (id < 0 ||
		    !key_parse(&settings_daemon_keys.keys[id], &r->s->daemon, equals + 1, why)) {
			snprintf(r->error, ERROR_SIZE, "--option %.*s", ERROR_SIZE - 16, why);
			return -EINVAL;
		}
		if (!key_texts_set(&r->s->texts, (size_t)id, equals + 1, "command line"))
			return no_memory(r->error);
	}
	return 0;
}

/* Two endpoints at one path: who connects would reach the one that was exported last. */
static const struct endpoint_section *at_the_same_path(const struct settings *s,
						       const struct endpoint_section *e,
						       const char *path)
{
	const struct endpoint_section *other;
	char taken[SOCKET_PATH_SIZE];

	STAILQ_FOREACH(other, &s->endpoints, next) {
		if (other == e)
			break;
		if (!other->pattern &&
		    exported_path(taken, s->daemon.rundir, other->instance, other->name,
				  &other->values) &&
		    strcmp(taken, path) == 0)
			return other;
	}
	return NULL;
}

/* Every endpoint has a socket of its own, with a path that a socket can have. */
static int check_socket(const struct settings *s, const struct endpoint_section *e, char *error)
{
	const struct endpoint_section *other;
	char path[SOCKET_PATH_SIZE];

	if (e->pattern && *e->values.socket) {
		snprintf(error, ERROR_SIZE,
			 "%s: [endpoint %s/%s]: a pattern stands for many endpoints, which cannot "
			 "have one socket; remove socket, or write a section for the one endpoint",
			 e->origin, e->instance, e->text);
		return -EINVAL;
	}
	if (e->pattern)
		return 0;
	if (!exported_path(path, s->daemon.rundir, e->instance, e->name, &e->values)) {
		snprintf(error, ERROR_SIZE,
			 "%s: [endpoint %s/%s]: the path of its socket would be longer than %zu "
			 "bytes; set socket = NAME in its section",
			 e->origin, e->instance, e->text, SOCKET_PATH_SIZE - 1);
		return -ENAMETOOLONG;
	}
	other = at_the_same_path(s, e, path);
	if (!other)
		return 0;
	snprintf(error, ERROR_SIZE,
		 "%s: [endpoint %s/%s]: its socket would be that of [endpoint %s/%s]; set another "
		 "socket = NAME in either section",
		 e->origin, e->instance, e->text, other->instance, other->text);
	return -EINVAL;
}

static int check(const struct settings *s, const struct settings_source *source, char *error)
{
	const struct endpoint_section *e;
	int ret;

	if (STAILQ_EMPTY(&s->instances)) {
		snprintf(error, ERROR_SIZE,
			 "%s: no instance in it; write an [instance NAME] section, see "
			 "icbmsg.conf(5)",
			 source->path);
		return -ENOENT;
	}
	STAILQ_FOREACH(e, &s->endpoints, next) {
		if (!settings_find_instance(s, e->instance)) {
			snprintf(
				error, ERROR_SIZE,
				"%s: [endpoint %s/%s]: there is no [instance %s]; correct the name "
				"or write that section",
				e->origin, e->instance, e->text, e->instance);
			return -EINVAL;
		}
		ret = check_socket(s, e, error);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int check_instance(const struct instance_section *i, char *error)
{
	int ret = icbmsg_config_check(i->cfg);

	if (ret < 0)
		snprintf(error, ERROR_SIZE, "%s", icbmsg_config_error(i->cfg));
	return ret;
}

static int check_instances(const struct settings *s, char *error)
{
	struct instance_section *i;
	int ret = 0;

	STAILQ_FOREACH(i, &s->instances, next)
		if (ret == 0)
			ret = check_instance(i, error);
	return ret;
}

static struct settings *new_settings(void)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	STAILQ_INIT(&s->endpoints);
	STAILQ_INIT(&s->instances);
	s->daemon.control_owner = (uid_t)-1;
	s->daemon.control_group = (gid_t)-1;
	s->daemon.library_owner = (uid_t)-1;
	s->daemon.library_group = (gid_t)-1;
	key_defaults(&settings_daemon_keys, &s->daemon);
	return s;
}

int settings_load(struct settings **out, const struct settings_source *source,
		  char error[ERROR_SIZE])
{
	struct reader r = { .s = new_settings(), .error = error };
	int ret;

	if (!r.s || icbmsg_config_new(&r.cfg) < 0) {
		settings_free(r.s);
		return no_memory(error);
	}
	ret = read_file(&r, source->path);
	if (ret == 0 && source->directory)
		ret = read_directory(&r, source->directory);
	if (ret == 0)
		ret = read_options(&r, source->options);
	if (ret == 0)
		ret = check(r.s, source, error);
	if (ret == 0)
		ret = check_instances(r.s, error);
	icbmsg_config_free(r.cfg);
	if (ret < 0)
		settings_free(r.s);
	else
		*out = r.s;
	return ret;
}

void settings_free(struct settings *s)
{
	struct endpoint_section *e;
	struct instance_section *i;

	if (!s)
		return;
	while ((e = STAILQ_FIRST(&s->endpoints))) {
		STAILQ_REMOVE_HEAD(&s->endpoints, next);
		key_texts_clear(&e->texts);
		free(e->origin);
		free(e);
	}
	while ((i = STAILQ_FIRST(&s->instances))) {
		STAILQ_REMOVE_HEAD(&s->instances, next);
		icbmsg_config_free(i->cfg);
		free(i);
	}
	key_texts_clear(&s->texts);
	free(s);
}

struct endpoint_section *settings_find_endpoint(const struct settings *s, const char *instance,
						const char *name)
{
	struct endpoint_section *e, *match = NULL;

	STAILQ_FOREACH(e, &s->endpoints, next) {
		if (strcmp(e->instance, instance) != 0)
			continue;
		if (!e->pattern && strcmp(e->name, name) == 0)
			return e;
		if (e->pattern && !match && fnmatch(e->name, name, FNM_NOESCAPE) == 0)
			match = e;
	}
	return match;
}
