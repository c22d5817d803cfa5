// SPDX-License-Identifier: Apache-2.0
/*
 * Comparing two configurations, and going from one to the other.
 */
#include "reload.h"

#include <stdlib.h>
#include <string.h>

#include "confine.h"
#include "control.h"
#include "exported.h"
#include "instance.h"
#include "link.h"
#include "log.h"

struct reloading {
	struct server *server;
	struct settings *old, *new;
	struct changes *changes;
};

static void note(struct reloading *r, enum change_kind kind, const char *format, ...)
	_printf_(3, 4);

static void note(struct reloading *r, enum change_kind kind, const char *format, ...)
{
	static const char *const prefixes[CHANGE_KINDS] = {
		[CHANGE_DONE] = "changed",
		[CHANGE_NEEDS_RESTART] = "needs a restart",
		[CHANGE_FAILED] = "failed",
	};
	struct change *c = calloc(1, sizeof(*c));
	va_list ap;

	if (!c)
		return;
	c->kind = kind;
	va_start(ap, format);
	vsnprintf(c->text, sizeof(c->text), format, ap);
	va_end(ap);
	STAILQ_INSERT_TAIL(r->changes, c, next);
	log_line(kind == CHANGE_DONE ? ICBMSG_LOG_INFO : ICBMSG_LOG_WARNING, "reload: %s: %s",
		 prefixes[kind], c->text);
}

void changes_clear(struct changes *changes)
{
	struct change *c;

	while ((c = STAILQ_FIRST(changes))) {
		STAILQ_REMOVE_HEAD(changes, next);
		free(c);
	}
}

static const char *or_unset(const char *text)
{
	return text ? text : "(not set)";
}

static const char *effective(const struct key_table *table, const struct key_texts *texts, size_t k)
{
	return or_unset(texts->text[k] ? texts->text[k] : table->keys[k].fallback);
}

/* What is in force stays so: the next configuration is compared with it, and not with this one. */
static void keep(struct key_texts *to, const struct key_texts *from, size_t k)
{
	if (from->text[k]) {
		key_texts_set(to, k, from->text[k], from->origin[k]);
		return;
	}
	free(to->text[k]);
	free(to->origin[k]);
	to->text[k] = to->origin[k] = NULL;
}

/* Note what differs; returns whether anything of it takes effect now. */
static bool compare(struct reloading *r, const char *what, const struct key_table *table,
		    const struct key_texts *from, struct key_texts *to)
{
	bool live = false;

	for (size_t k = 0; k < table->count; k++) {
		const char *a = effective(table, from, k), *b = effective(table, to, k);
		bool fixed = table->keys[k].fixed;

		if (strcmp(a, b) == 0)
			continue;
		note(r, fixed ? CHANGE_NEEDS_RESTART : CHANGE_DONE, "%s: %s: %s -> %s", what,
		     table->keys[k].name, a, b);
		live |= !fixed;
		if (fixed)
			keep(to, from, k);
	}
	return live;
}

/* An open link keeps its configuration. */
static void compare_link(struct reloading *r, struct instance_section *from,
			 struct instance_section *to)
{
	struct icbmsg_config *unused = to->cfg;
	const char *key;

	for (unsigned int n = 0; (key = icbmsg_config_key(n, NULL)); n++) {
		const char *a = or_unset(icbmsg_config_get(from->cfg, key));
		const char *b = or_unset(icbmsg_config_get(to->cfg, key));

		if (strcmp(a, b) != 0)
			note(r, CHANGE_NEEDS_RESTART, "[instance %s]: %s: %s -> %s", to->name, key,
			     a, b);
	}
	to->cfg = from->cfg;
	from->cfg = unused;
}

static void close_instances(struct reloading *r)
{
	struct instance *i, *next;

	for (i = TAILQ_FIRST(&r->server->instances); i; i = next) {
		next = TAILQ_NEXT(i, next);
		if (settings_find_instance(r->new, i->name))
			continue;
		note(r, CHANGE_DONE, "[instance %s]: closed", i->name);
		instance_close(i);
	}
}

static void open_instances(struct reloading *r)
{
	struct instance_section *section;
	char error[ERROR_SIZE];
	struct instance *i;
	int ret;

	STAILQ_FOREACH(section, &r->new->instances, next) {
		if (server_find(r->server, section->name)) {
			compare_link(r, settings_find_instance(r->old, section->name), section);
			continue;
		}
		ret = instance_open(&i, r->server, section, error);
		if (ret < 0)
			note(r, CHANGE_FAILED, "%.250s%s", error, confine_hint(ret));
		else
			note(r, CHANGE_DONE, "[instance %s]: opened", section->name);
	}
}

static void change_endpoint(struct reloading *r, struct exported *e, struct endpoint_section *to)
{
	const struct endpoint_section *from =
		settings_find_endpoint(r->old, e->instance->name, e->name);
	char what[160], error[ERROR_SIZE];
	int ret;

	snprintf(what, sizeof(what), "%s/%.90s", e->instance->name, e->name);
	if (from && !compare(r, what, &settings_endpoint_keys, &from->texts, &to->texts))
		return;
	ret = exported_set(e, &to->values, error);
	if (ret < 0)
		note(r, CHANGE_FAILED, "%.250s%s", error, confine_hint(ret));
}

static void change_endpoints(struct reloading *r, struct instance *i)
{
	struct endpoint_section *section;
	struct exported *e, *next;

	for (e = TAILQ_FIRST(&i->exports); e; e = next) {
		next = TAILQ_NEXT(e, next);
		section = settings_find_endpoint(r->new, i->name, e->name);
		if (section && (e->on_demand || !section->pattern)) {
			change_endpoint(r, e, section);
		} else {
			note(r, CHANGE_DONE, "%s/%.90s: not exported any more", i->name, e->name);
			exported_close(e);
		}
	}
}

static void open_endpoints(struct reloading *r)
{
	const struct endpoint_section *section;
	char error[ERROR_SIZE];
	struct exported *e;
	struct instance *i;
	int ret;

	STAILQ_FOREACH(section, &r->new->endpoints, next) {
		i = server_find(r->server, section->instance);
		if (!i || section->pattern || instance_find(i, section->name))
			continue;
		ret = exported_open(&e, i, section->name, &section->values, error);
		if (ret < 0)
			note(r, CHANGE_FAILED, "%.250s%s", error, confine_hint(ret));
		else
			note(r, CHANGE_DONE, "%s/%.90s: exported", i->name, section->name);
	}
}

static void apply(struct reloading *r)
{
	struct server *s = r->server;
	char error[ERROR_SIZE];
	struct instance *i;
	int ret;

	/* Nobody is at work now, and what is closed has to be free of those that have ended. */
	server_reap(s);
	strcpy(r->new->daemon.rundir, r->old->daemon.rundir);
	s->settings = r->new;
	if (compare(r, "[daemon]", &settings_daemon_keys, &r->old->texts, &r->new->texts)) {
		server_set_limits(s);
		ret = control_set_access(s->control, error);
		if (ret < 0)
			note(r, CHANGE_FAILED, "%.250s%s", error, confine_hint(ret));
		TAILQ_FOREACH(i, &s->instances, next) {
			ret = link_set_access(i, error);
			if (ret < 0)
				note(r, CHANGE_FAILED, "%.250s%s", error, confine_hint(ret));
		}
	}
	close_instances(r);
	TAILQ_FOREACH(i, &s->instances, next)
		change_endpoints(r, i);
	open_instances(r);
	open_endpoints(r);
}

int reload(struct server *s, struct changes *changes, char error[ERROR_SIZE])
{
	struct reloading r = { .server = s, .old = s->settings, .changes = changes };
	int ret = settings_load(&r.new, &s->source, error);

	STAILQ_INIT(changes);
	if (ret < 0)
		return ret;
	apply(&r);
	settings_free(r.old);
	return 0;
}
