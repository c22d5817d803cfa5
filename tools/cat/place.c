// SPDX-License-Identifier: Apache-2.0
/*
 * Finding an endpoint. The daemon is asked, as it may call the socket differently; who may not ask
 * finds the socket by its name.
 */
#include "cat/place.h"

#include <dirent.h>
#include <errno.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cat/near.h"
#include "cat/query.h"
#include "cat/text.h"
#include "client/control.h"
#include "common/names.h"
#include "common/service.h"
#include "common/tool.h"

#define LIBRARY_SUFFIX ".sock"

/* A daemon that is asked by too many at a time refuses; it will not last. */
#define ASK_TRIES 100
#define ASK_PAUSE_NS 20000000

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

static uint64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? (uint64_t)json_object_get_int64(value) :
							   0;
}

static struct json_object *list_of(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return json_object_is_type(value, json_type_array) ? value : NULL;
}

static size_t length_of(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static struct json_object *find_named(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < length_of(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (strcmp(text_of(o, "name"), name) == 0)
			return o;
	}
	return NULL;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

struct place_state place_state_of(const struct place *p, struct json_object *answer)
{
	struct json_object *instance = find_named(list_of(answer, "instances"), p->instance);
	struct json_object *endpoint = find_named(list_of(instance, "endpoints"), p->endpoint);

	if (!endpoint)
		return (struct place_state){ 0 };
	return (struct place_state){
		.listed = true,
		.up = strcmp(text_of(instance, "state"), "up") == 0,
		.held = strcmp(text_of(instance, "state"), "held") == 0,
		.bound = number_of(endpoint, "bound") != 0,
		.exclusive = number_of(endpoint, "exclusive") != 0,
		.restarts = number_of(instance, "restarts"),
		.clients = number_of(endpoint, "clients"),
		.max_send = (size_t)number_of(instance, "max_send"),
	};
}

struct json_object *place_export_request(const struct place *p)
{
	struct json_object *o = service_request("export");

	json_object_object_add(o, "instance", json_object_new_string(p->instance));
	json_object_object_add(o, "endpoint", json_object_new_string(p->endpoint));
	return o;
}

/* Names of a list in a line, or what is close to @wanted. */
static void say_names(struct text *line, struct json_object *list, const char *wanted)
{
	const char *close = NULL;

	for (size_t i = 0; wanted && i < length_of(list) && !close; i++) {
		const char *name = text_of(json_object_array_get_idx(list, i), "name");

		if (near_enough(name, wanted))
			close = name;
	}
	if (close) {
		text_printf(line, "; did you mean '%s'?", close);
		return;
	}
	text_add_string(line, length_of(list) ? "; there are: " : "; there is none");
	for (size_t i = 0; i < length_of(list); i++)
		text_printf(line, "%s%s", i ? ", " : "",
			    text_of(json_object_array_get_idx(list, i), "name"));
}

static _Noreturn void fail_with_names(struct text *line, struct json_object *list,
				      const char *wanted)
{
	say_names(line, list, wanted);
	text_add_char(line, '\0');
	tool_fail(TOOL_ERROR, "%s", line->data);
}

static struct json_object *choose_instance(struct place *p, struct json_object *list)
{
	struct text line = { 0 };
	struct json_object *found;

	if (*p->instance) {
		found = find_named(list, p->instance);
		if (found)
			return found;
		text_printf(&line, "the daemon has no instance '%s'", p->instance);
		fail_with_names(&line, list, p->instance);
	}
	if (length_of(list) != 1) {
		text_printf(&line, "which instance? Write INSTANCE:%s", p->endpoint);
		fail_with_names(&line, list, NULL);
	}
	found = json_object_array_get_idx(list, 0);
	snprintf(p->instance, sizeof(p->instance), "%s", text_of(found, "name"));
	return found;
}

/* The endpoint of a socket that was named itself. */
static struct json_object *find_socket(struct place *p, struct json_object *list)
{
	for (size_t i = 0; i < length_of(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (strcmp(last_part(text_of(o, "socket")), last_part(p->path)) != 0)
			continue;
		snprintf(p->endpoint, sizeof(p->endpoint), "%s", text_of(o, "name"));
		return o;
	}
	return NULL;
}

/* The daemon may name its folder by another path than we do. */
static void set_path(struct place *p, const char *rundir, const char *socket)
{
	if (snprintf(p->path, sizeof(p->path), "%s/%s/%s", rundir, p->instance,
		     last_part(socket)) >= (int)sizeof(p->path))
		tool_fail(TOOL_ERROR, "%s: the path is too long for sockets in it", rundir);
}

/* Returns the daemon's answer, NULL if it cannot be asked. What it refuses is in *@refusal. */
static struct json_object *ask(const struct place *p, struct json_object *request, char *refusal,
			       size_t size)
{
	struct json_object *answer = NULL;
	const char *why = "";
	struct query q;
	int ret;

	query_init(&q, p->control);
	ret = query_ask_and_wait(&q, request, &answer);
	query_deinit(&q);
	if (ret == 0)
		why = service_refusal(answer);
	else
		service_explain(refusal, size, p->control, ret);
	if (ret == 0 && why)
		snprintf(refusal, size, "%s", why);
	if (!why)
		return answer;
	json_object_put(answer);
	errno = ret < 0 ? -ret : EAGAIN;
	return NULL;
}

static struct json_object *ask_list(const struct place *p, char *refusal, size_t size)
{
	static const struct timespec pause = { .tv_nsec = ASK_PAUSE_NS };
	struct json_object *answer = NULL;

	for (int i = 0; i < ASK_TRIES; i++) {
		answer = ask(p, service_request("list"), refusal, size);
		if (answer || errno != EAGAIN)
			return answer;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void export(struct place *p, const char *rundir, struct json_object *endpoints)
{
	struct text line = { 0 };
	char refusal[240];
	struct json_object *answer = ask(p, place_export_request(p), refusal, sizeof(refusal));

	if (!answer) {
		text_printf(&line, "the daemon exports no endpoint '%s'; it says: ", p->endpoint);
		text_add_string(&line, refusal);
		fail_with_names(&line, endpoints, p->endpoint);
	}
	set_path(p, rundir, text_of(answer, "socket"));
	json_object_put(answer);
}

static void find_in(struct place *p, const char *rundir, struct json_object *answer)
{
	struct json_object *instance = choose_instance(p, list_of(answer, "instances"));
	struct json_object *endpoints = list_of(instance, "endpoints");
	struct json_object *found;

	if (*p->path) {
		find_socket(p, endpoints);
	} else {
		found = find_named(endpoints, p->endpoint);
		if (found)
			set_path(p, rundir, text_of(found, "socket"));
		else
			export(p, rundir, endpoints);
	}
	p->asked = true;
	p->max_send = (size_t)number_of(instance, "max_send");
}

static int is_folder(const struct dirent *d)
{
	return d->d_name[0] != '.' && (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN);
}

/* Without the daemon's help: the only folder, and the name as a file name. */
static void guess(struct place *p, const char *rundir)
{
	char file[NAME_ESCAPED_SIZE];
	struct dirent **found = NULL;
	int count;

	if (*p->path)
		return;
	if (!*p->instance) {
		count = scandir(rundir, &found, is_folder, alphasort);
		if (count != 1)
			tool_fail(TOOL_ERROR, "which instance? Write INSTANCE:%s", p->endpoint);
		snprintf(p->instance, sizeof(p->instance), "%.63s", found[0]->d_name);
		free(found[0]);
		free(found);
	}
	name_escape(file, p->endpoint);
	set_path(p, rundir, file);
}

/* RUNDIR/INSTANCE.sock, beside the folder of the instance, would take us for a broken library client. */
static void refuse_library_socket(const char *path)
{
	size_t length = strlen(path), suffix = strlen(LIBRARY_SUFFIX);
	char folder[PLACE_PATH_SIZE];
	struct stat st;

	if (length <= suffix || strcmp(path + length - suffix, LIBRARY_SUFFIX) != 0)
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(length - suffix), path);
	if (stat(folder, &st) == 0 && S_ISDIR(st.st_mode))
		tool_fail(
			TOOL_ERROR,
			"%s: this socket is for programs that use libicbmsg; name the folder it is "
			"in and an endpoint, or the socket of an endpoint in %s",
			path, folder);
}

/* RUNDIR/INSTANCE/FILE, which @rundir points to, or a shorter path. */
static void split_socket(struct place *p, char rundir[PLACE_PATH_SIZE], const char *path)
{
	char *real = realpath(path, NULL), *file = real ? strrchr(real, '/') : NULL;
	char *folder;

	if (!file)
		tool_fail(TOOL_ERROR, "%s: %s", path, strerror(errno));
	refuse_library_socket(real);
	snprintf(p->path, sizeof(p->path), "%s", real);
	if (!name_unescape(p->endpoint, file + 1))
		snprintf(p->endpoint, sizeof(p->endpoint), "%s", file + 1);
	*file = '\0';
	folder = strrchr(real, '/');
	if (folder) {
		snprintf(p->instance, sizeof(p->instance), "%.63s", folder + 1);
		*folder = '\0';
	}
	snprintf(rundir, PLACE_PATH_SIZE, "%s", real);
	free(real);
}

void place_find(struct place *p, const struct options *o)
{
	char rundir[PLACE_PATH_SIZE], refusal[1024] = "";
	struct json_object *answer;

	*p = (struct place){ 0 };
	snprintf(rundir, sizeof(rundir), "%s", o->socket);
	if (o->socket_of_endpoint) {
		split_socket(p, rundir, o->socket);
	} else {
		snprintf(p->endpoint, sizeof(p->endpoint), "%s", o->endpoint);
		snprintf(p->instance, sizeof(p->instance), "%s", o->instance ? o->instance : "");
	}
	snprintf(p->control, sizeof(p->control), "%.400s/" CONTROL_SOCKET, rundir);
	answer = ask_list(p, refusal, sizeof(refusal));
	if (answer)
		find_in(p, rundir, answer);
	else if (errno == EACCES || errno == EPERM || *p->path)
		guess(p, rundir);
	else
		tool_fail(TOOL_ERROR, "%s; or own the link yourself with --direct", refusal);
	json_object_put(answer);
}
