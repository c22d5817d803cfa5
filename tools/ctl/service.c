// SPDX-License-Identifier: Apache-2.0
/*
 * Talking to icbmsgd over its control socket.
 */
#include "ctl/service.h"

#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/control.h"
#include "common/tool.h"

static _Noreturn void cannot_connect(const char *path)
{
	if (errno == EACCES || errno == EPERM)
		tool_fail(TOOL_ERROR,
			  "%s: permission denied; become a member of the group it belongs to",
			  path);
	if (errno == ENOENT || errno == ECONNREFUSED)
		tool_fail(TOOL_ERROR,
			  "%s: no daemon is there; start icbmsgd, or name its socket with --socket",
			  path);
	tool_fail(TOOL_ERROR, "%s: %s", path, strerror(errno));
}

void service_open(struct service *s, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, second;

	if (strlen(path) >= sizeof(address.sun_path))
		tool_usage("--socket: '%s' is too long for a socket", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		cannot_connect(path);
	second = dup(fd);
	*s = (struct service){ .path = path, .in = fdopen(fd, "r"), .out = fdopen(second, "w") };
	if (!s->in || !s->out)
		tool_fail(TOOL_ERROR, "out of memory");
}

void service_close(struct service *s)
{
	fclose(s->in);
	fclose(s->out);
}

struct json_object *service_request(const char *command)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_int(CONTROL_VERSION));
	json_object_object_add(o, "command", json_object_new_string(command));
	return o;
}

static void check(const struct service *s, struct json_object *answer)
{
	struct json_object *ok, *error;

	if (!json_object_object_get_ex(answer, "ok", &ok))
		tool_fail(TOOL_ERROR, "%s: what answers there is no icbmsgd", s->path);
	if (json_object_get_boolean(ok))
		return;
	if (!json_object_object_get_ex(answer, "error", &error))
		tool_fail(TOOL_ERROR, "%s: refused without a reason", s->path);
	tool_fail(TOOL_ERROR, "icbmsgd: %s", json_object_get_string(error));
}

struct json_object *service_ask(struct service *s, struct json_object *request)
{
	struct json_object *answer = NULL;
	char *line = NULL;
	size_t size = 0;

	fprintf(s->out, "%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	json_object_put(request);
	if (fflush(s->out) == 0 && getline(&line, &size, s->in) > 0)
		answer = json_tokener_parse(line);
	free(line);
	if (!answer)
		tool_fail(TOOL_ERROR, "%s: the daemon has gone", s->path);
	check(s, answer);
	return answer;
}
