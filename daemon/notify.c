// SPDX-License-Identifier: Apache-2.0
/*
 * sd_notify without libsystemd.
 */
#include "notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

static struct sockaddr_un address; /* of family 0: nobody */
static uint64_t watchdog;

static uint64_t number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : 0;
}

void notify_init(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t pid = number("WATCHDOG_PID");

	if (path && (*path == '/' || *path == '@') && strlen(path) < sizeof(address.sun_path)) {
		address.sun_family = AF_UNIX;
		strcpy(address.sun_path, path);
	}
	if (pid == 0 || pid == (uint64_t)getpid())
		watchdog = number("WATCHDOG_USEC");
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* @flags: of send(2). */
static void send_text(const char *text, int flags)
{
	static const struct timeval patience = { .tv_sec = 1 };
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
	struct sockaddr_un to = address;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (*to.sun_path == '@')
		*to.sun_path = '\0'; /* the abstract name space */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    sendto(fd, text, strlen(text), flags | MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
		log_warning("cannot notify systemd (%s): %s", text, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void notify(const char *format, ...)
{
	char text[256];
	va_list ap;

	if (address.sun_family != AF_UNIX)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	send_text(text, 0);
}

void notify_alive(void)
{
	if (address.sun_family == AF_UNIX)
		send_text("WATCHDOG=1", MSG_DONTWAIT);
}

uint64_t notify_watchdog_usec(void)
{
	return address.sun_family == AF_UNIX ? watchdog : 0;
}
