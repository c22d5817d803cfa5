// SPDX-License-Identifier: Apache-2.0
/*
 * Talking to icbmsgd over its control socket.
 */
#include "ctl/service.h"

#include <errno.h>
#include <json.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tool.h"

void service_open(struct service *s, const char *path)
{
	int fd = service_connect(path, SOCK_STREAM);
	char why[1024];

	if (fd < 0) {
		service_explain(why, sizeof(why), path, fd);
		tool_fail(fd == -ENAMETOOLONG ? TOOL_USAGE : TOOL_ERROR, "%s", why);
	}
	*s = (struct service){ .path = path, .in = fdopen(fd, "r"), .out = fdopen(dup(fd), "w") };
	if (!s->in || !s->out)
		tool_fail(TOOL_ERROR, "out of memory");
}

void service_close(struct service *s)
{
	fclose(s->in);
	fclose(s->out);
}

struct json_object *service_ask(struct service *s, struct json_object *request)
{
	struct json_object *answer = NULL;
	const char *refusal;
	char *line = NULL;
	size_t size = 0;

	fprintf(s->out, "%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	json_object_put(request);
	if (fflush(s->out) == 0 && getline(&line, &size, s->in) > 0)
		answer = json_tokener_parse(line);
	free(line);
	if (!answer)
		tool_fail(TOOL_ERROR, "%s: the daemon has gone", s->path);
	refusal = service_refusal(answer);
	if (refusal)
		tool_fail(TOOL_ERROR, "icbmsgd (%s): %s", s->path, refusal);
	return answer;
}
