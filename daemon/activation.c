// SPDX-License-Identifier: Apache-2.0
/*
 * Socket activation, without libsystemd: three environment variables.
 */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define FIRST_FD 3
#define FDS_MAX 1024

/* What the process was started with; a taken one is -1. */
static int fds[FDS_MAX];
static int count;

static int number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (!text || !*text)
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end || value < 0 || value > INT_MAX ? -1 : (int)value;
}

int activation_init(void)
{
	int pid = number("LISTEN_PID"), n = number("LISTEN_FDS");

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (pid != getpid() || n <= 0)
		return 0;
	count = n < FDS_MAX ? n : FDS_MAX;
	for (int i = 0; i < count; i++) {
		fds[i] = FIRST_FD + i;
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) | O_NONBLOCK);
	}
	return count;
}

static void path_of(int fd, struct sockaddr_un *out)
{
	socklen_t size = sizeof(*out) - 1;

	memset(out, 0, sizeof(*out));
	if (getsockname(fd, (struct sockaddr *)out, &size) < 0 || out->sun_family != AF_UNIX)
		out->sun_path[0] = '\0';
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

int activation_take(const char *path, int type)
{
	for (int i = 0; i < count; i++) {
		struct sockaddr_un address;
		int fd = fds[i];

		if (fd < 0)
			continue;
		path_of(fd, &address);
		if (strcmp(address.sun_path, path) != 0)
			continue;
		if (option(fd, SO_TYPE) != type || option(fd, SO_ACCEPTCONN) != 1)
			return -EPROTOTYPE;
		fds[i] = -1;
		return fd;
	}
	return -ENOENT;
}

void activation_finish(void)
{
	for (int i = 0; i < count; i++) {
		struct sockaddr_un address;

		if (fds[i] < 0)
			continue;
		path_of(fds[i], &address);
		log_warning("systemd has passed a socket (%s) that no endpoint of the "
			    "configuration has; correct the socket unit or the configuration",
			    *address.sun_path ? address.sun_path : "without a path");
		close(fds[i]);
	}
	count = 0;
}
