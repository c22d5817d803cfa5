// SPDX-License-Identifier: Apache-2.0
/*
 * The first connection to icbmsgd, which a program waits for, and what to tell a person when it does
 * not come about.
 */
#include "client/connect.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/hello.h"
#include "client/link.h"
#include "core/wait.h"
#include "util/cleanup.h"

/* ------------------------------------------------------------------------------------------------
 * What went wrong
 */

/* What keeps us out: @path itself, or the innermost folder on the way that can be looked at. */
static void find_obstacle(char out[PATH_MAX], struct stat *st, const char *path)
{
	char *slash;

	snprintf(out, PATH_MAX, "%s", path);
	while (stat(out, st) < 0) {
		slash = strrchr(out, '/');
		if (!slash || slash == out) {
			*st = (struct stat){ 0 };
			return;
		}
		*slash = '\0';
	}
}

static int fail_access(struct icbmsg_config *cfg, const char *path, int error)
{
	char obstacle[PATH_MAX], buffer[4096];
	struct group entry, *group = NULL;
	char number[16];
	struct stat st;

	find_obstacle(obstacle, &st, path);
	snprintf(number, sizeof(number), "%u", (unsigned int)st.st_gid);
	getgrgid_r(st.st_gid, &entry, buffer, sizeof(buffer), &group);
	return config_fail(
		cfg, error,
		"%.150s: permission denied: %.150s is for its owner and the group %.40s; "
		"become a member of that group, and log in again",
		path, obstacle, group ? group->gr_name : number);
}

/* No socket there: is there no daemon, or does it not have this instance? */
static int fail_absent(struct icbmsg_config *cfg, const char *path, int error)
{
	char control[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) : 0;

	snprintf(control, sizeof(control), "%.*s/control", length, path);
	if (slash && access(control, F_OK) == 0)
		return config_fail(cfg, error,
				   "%.200s: icbmsgd has no such instance; 'icbmsgctl list' shows "
				   "those it has",
				   path);
	return config_fail(cfg, error,
			   "%.200s: no daemon is there; start icbmsgd, with this instance in its "
			   "configuration, or name another socket",
			   path);
}

static int fail_dial(struct icbmsg_config *cfg, const char *path, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return fail_access(cfg, path, error);
	case -ENOENT:
	case -ENOTDIR:
		return fail_absent(cfg, path, error);
	case -ECONNREFUSED:
		return config_fail(cfg, error,
				   "%.200s: nobody listens there any more; start icbmsgd again",
				   path);
	case -ENAMETOOLONG:
		return config_fail(cfg, error, "%.200s: the path is too long for a socket", path);
	case -EPROTOTYPE:
		return config_fail(cfg, error,
				   "%.200s: this is another kind of socket; name that of an "
				   "instance, RUNDIR/INSTANCE" CLIENT_SOCKET_SUFFIX,
				   path);
	case -EAGAIN:
		return config_fail(cfg, -ETIMEDOUT,
				   "%.200s: icbmsgd does not accept connections; is it stopped?",
				   path);
	default:
		return config_fail(cfg, error, "%.200s: %s", path, strerror(-error));
	}
}

static int fail_answer(struct icbmsg_config *cfg, const char *path, int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return config_fail(cfg, error,
				   "%.200s: what listens there does not answer; is it icbmsgd, and "
				   "does it run?",
				   path);
	case -ECONNRESET:
		return config_fail(cfg, error,
				   "%.200s: closed without an answer; icbmsgd's log may tell why",
				   path);
	case -EPROTO:
		return config_fail(cfg, error,
				   "%.200s: what answers there does not speak the client protocol "
				   "of icbmsgd",
				   path);
	default:
		return config_fail(cfg, error, "%.200s: %s", path, strerror(-error));
	}
}

static int fail_refused(struct icbmsg_config *cfg, const char *path, const struct hello_answer *a)
{
	const char *text = a->text[0] ? a->text : strerror(-a->error);

	if (a->version_min > CLIENT_VERSION_MAX || a->version_max < CLIENT_VERSION_MIN)
		return config_fail(
			cfg, a->error,
			"%.100s: icbmsgd refuses this program: %.200s (it speaks versions "
			"%u to %u of the client protocol, this libicbmsg %u to %u: update "
			"the older one)",
			path, text, a->version_min, a->version_max, CLIENT_VERSION_MIN,
			CLIENT_VERSION_MAX);
	return config_fail(cfg, a->error, "%.200s: icbmsgd refuses this program: %s", path, text);
}

/* ------------------------------------------------------------------------------------------------
 * Connecting
 */

/* The socket of @target: a path where it has a slash, else the name of an instance. */
static int find_socket(char path[PATH_MAX], struct icbmsg_config *cfg, const char *target)
{
	if (!target)
		target = config_name(cfg);
	if (*target == '\0')
		return config_fail(
			cfg, -EINVAL,
			"no instance is named; give its name, the path of its socket, or "
			"load its section");
	if (strchr(target, '/'))
		snprintf(path, PATH_MAX, "%s", target);
	else
		snprintf(path, PATH_MAX, ICBMSG_RUNDIR "/%s" CLIENT_SOCKET_SUFFIX, target);
	return 0;
}

/* As hello_read(), but wait for it. */
static int await_answer(int fd, struct hello_answer *out)
{
	int64_t deadline = deadline_after(HELLO_TIMEOUT_NS);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec left;
	int64_t remaining;
	int ret;

	while ((ret = hello_read(fd, out)) == 0) {
		remaining = deadline - clock_now();
		if (remaining <= 0)
			return -ETIMEDOUT;
		left = (struct timespec){ .tv_sec = remaining / 1000000000,
					  .tv_nsec = remaining % 1000000000 };
		ppoll(&p, 1, &left, NULL);
	}
	return ret;
}

static void close_instance(struct icbmsg **i)
{
	if (*i)
		instance_close(*i);
}

/* An instance on the memory of a welcome, over the connection @fd, which becomes its own. */
static int open_on(struct icbmsg **link, struct icbmsg_config *cfg, const char *path, int *fd,
		   const struct hello_answer *a)
{
	_cleanup_(close_instance) struct icbmsg *i = NULL;
	char error[CONFIG_ERROR_SIZE];
	struct config_values v;
	int ret;

	ret = hello_resolve(&v, a, *fd, cfg, error);
	if (ret < 0)
		return config_fail(cfg, ret, "%.150s: icbmsgd cannot be talked to: %.300s", path,
				   error);
	ret = instance_open_values(&i, cfg, &v);
	if (ret < 0)
		return config_fail(cfg, ret, "%.100s: icbmsgd cannot be talked to: %.350s", path,
				   config_error(cfg));
	ret = link_begin(i, path, *fd, a);
	if (ret < 0)
		return config_fail(cfg, ret, "%.200s: %s", path, strerror(-ret));
	take_fd(fd);
	*link = i;
	i = NULL;
	return 0;
}

int connect_instance(struct icbmsg **link, struct icbmsg_config *cfg, const char *target)
{
	_cleanup_(hello_answer_clear) struct hello_answer answer = { .memory = -1 };
	_cleanup_(close_fd) int fd = -1;
	char path[PATH_MAX];
	int ret;

	ret = find_socket(path, cfg, target);
	if (ret < 0)
		return ret;
	fd = hello_dial(path, -1, HELLO_TIMEOUT_NS);
	if (fd < 0)
		return fail_dial(cfg, path, fd);
	ret = await_answer(fd, &answer);
	if (ret < 0)
		return fail_answer(cfg, path, ret);
	if (answer.error)
		return fail_refused(cfg, path, &answer);
	return open_on(link, cfg, path, &fd, &answer);
}
