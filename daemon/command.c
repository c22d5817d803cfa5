// SPDX-License-Identifier: Apache-2.0
/*
 * The commands of the control protocol.
 */
#include "command.h"

#include <json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/control.h"
#include "confine.h"
#include "exported.h"
#include "instance.h"
#include "log.h"
#include "reload.h"
#include "report.h"

/* A request that has been understood. */
struct request {
	struct server *server;
	struct json_object *object;
	uid_t uid;
};

static struct json_object *reply(bool ok)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_int(CONTROL_VERSION));
	json_object_object_add(o, "ok", json_object_new_boolean(ok));
	return o;
}

struct json_object *command_error(const char *format, ...)
{
	struct json_object *o = reply(false);
	char text[ERROR_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_object_object_add(o, "error", json_object_new_string(text));
	return o;
}

/* A text of the request, or NULL. */
static const char *text_of(const struct request *r, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(r->object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static struct json_object *list(const struct request *r)
{
	struct json_object *o = reply(true);

	json_object_object_add(o, "instances", report_list(r->server));
	return o;
}

static struct json_object *stats(const struct request *r)
{
	struct json_object *o = reply(true);

	json_object_object_add(o, "instances", report_stats(r->server));
	json_object_object_add(o, "limits", report_limits(r->server));
	json_object_object_add(o, "io_uring", report_io_uring(r->server));
	return o;
}

static struct json_object *clients(const struct request *r)
{
	struct json_object *o = reply(true);

	json_object_object_add(o, "clients", report_clients(r->server));
	json_object_object_add(o, "connections", report_connections(r->server));
	return o;
}

static struct json_object *lines_of(const struct changes *changes, enum change_kind kind)
{
	struct json_object *list = json_object_new_array();
	const struct change *c;

	STAILQ_FOREACH(c, changes, next)
		if (c->kind == kind)
			json_object_array_add(list, json_object_new_string(c->text));
	return list;
}

static struct json_object *run_reload(const struct request *r)
{
	struct changes changes;
	char error[ERROR_SIZE];
	struct json_object *o;
	int ret;

	if (r->uid != 0 && r->uid != geteuid())
		return command_error("reload: only for root and the user that the daemon runs as");
	if (r->server->draining)
		return command_error("reload: the daemon is stopping");
	ret = reload(r->server, &changes, error);
	if (ret < 0) {
		log_error("reload: nothing changes: %s%s", error, confine_hint(ret));
		return command_error("nothing changes: %s%s", error, confine_hint(ret));
	}
	o = reply(true);
	json_object_object_add(o, "changed", lines_of(&changes, CHANGE_DONE));
	json_object_object_add(o, "needs_restart", lines_of(&changes, CHANGE_NEEDS_RESTART));
	json_object_object_add(o, "failed", lines_of(&changes, CHANGE_FAILED));
	changes_clear(&changes);
	return o;
}

static struct json_object *export(const struct request *r)
{
	const char *instance = text_of(r, "instance"), *name = text_of(r, "endpoint");
	char error[ERROR_SIZE];
	struct exported *e;
	struct instance *i;
	struct json_object *o;

	if (!instance || !name)
		return command_error("export: \"instance\" and \"endpoint\" are needed");
	if (r->server->draining)
		return command_error("export: the daemon is stopping");
	i = server_find(r->server, instance);
	if (!i)
		return command_error("there is no instance %.63s", instance);
	if (exported_provide(&e, i, name, r->uid, error) < 0)
		return command_error("%s", error);
	o = reply(true);
	json_object_object_add(o, "socket", json_object_new_string(e->listener.path));
	return o;
}

static const struct {
	const char *name;
	struct json_object *(*run)(const struct request *r);
} commands[] = {
	{ "list", list },         { "stats", stats },   { "clients", clients },
	{ "reload", run_reload }, { "export", export },
};

static struct json_object *run(const struct request *r)
{
	const char *name = text_of(r, "command");
	struct json_object *version;

	if (!json_object_object_get_ex(r->object, "version", &version) ||
	    json_object_get_int(version) != CONTROL_VERSION)
		return command_error("this daemon speaks version %d of the control protocol",
				     CONTROL_VERSION);
	for (size_t n = 0; name && n < sizeof(commands) / sizeof(*commands); n++)
		if (strcmp(name, commands[n].name) == 0)
			return commands[n].run(r);
	return command_error("there is no command \"%.60s\"", name ? name : "");
}

struct json_object *command_run(struct server *s, const char *line, uid_t uid)
{
	struct request r = { .server = s, .object = json_tokener_parse(line), .uid = uid };
	struct json_object *o;

	if (json_object_is_type(r.object, json_type_object))
		o = run(&r);
	else
		o = command_error("the request is no JSON object on one line");
	json_object_put(r.object);
	return o;
}
