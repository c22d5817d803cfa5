// SPDX-License-Identifier: Apache-2.0
/*
 * Reaching icbmsgd.
 */
#include "common/service.h"

#include <errno.h>
#include <grp.h>
#include <json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/control.h"

int service_connect(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* What keeps us out: @path itself, or the innermost folder on the way that can be looked at. */
static void find_obstacle(char out[PATH_MAX], struct stat *st, const char *path)
{
	snprintf(out, PATH_MAX, "%s", path);
	while (stat(out, st) < 0) {
		char *slash = strrchr(out, '/');

		if (!slash || slash == out) {
			*st = (struct stat){ 0 };
			return;
		}
		*slash = '\0';
	}
}

static void explain_access(char *out, size_t size, const char *path)
{
	char obstacle[PATH_MAX], number[16];
	const struct group *group;
	struct stat st;

	find_obstacle(obstacle, &st, path);
	if (!(st.st_mode & (S_ISDIR(st.st_mode) ? S_IXGRP : S_IWGRP))) {
		snprintf(out, size,
			 "%.300s: permission denied: %.300s is for its owner alone, mode %04o; run "
			 "as user %u, or let a group in (icbmsgd.conf: group, mode)",
			 path, obstacle, st.st_mode & 07777, (unsigned int)st.st_uid);
		return;
	}
	snprintf(number, sizeof(number), "%u", (unsigned int)st.st_gid);
	group = getgrgid(st.st_gid);
	snprintf(
		out, size,
		"%.300s: permission denied: %.300s is for its owner and the group '%.60s'; become a "
		"member of that group, and log in again",
		path, obstacle, group ? group->gr_name : number);
}

void service_explain(char *out, size_t size, const char *path, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		explain_access(out, size, path);
		break;
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
		snprintf(out, size,
			 "%.300s: no daemon is there; start icbmsgd, or name its socket with "
			 "--socket",
			 path);
		break;
	case -ENAMETOOLONG:
		snprintf(out, size, "%.300s: the path is too long for a socket", path);
		break;
	case -EPROTOTYPE:
		snprintf(out, size,
			 "%.300s: this is another kind of socket; icbmsgctl wants the control "
			 "socket, icbmsg-cat the run folder or the socket of an endpoint",
			 path);
		break;
	default:
		snprintf(out, size, "%.300s: %s", path, strerror(-error));
	}
}

struct json_object *service_request(const char *command)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_int(CONTROL_VERSION));
	json_object_object_add(o, "command", json_object_new_string(command));
	return o;
}

const char *service_refusal(struct json_object *answer)
{
	struct json_object *ok, *error;

	if (!json_object_object_get_ex(answer, "ok", &ok))
		return "what answers there is no icbmsgd";
	if (json_object_get_boolean(ok))
		return NULL;
	if (!json_object_object_get_ex(answer, "error", &error))
		return "refused without a reason";
	return json_object_get_string(error);
}
