// SPDX-License-Identifier: Apache-2.0
/*
 * Listening sockets.
 */
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "activation.h"

#define ACCEPTS_PER_TURN 16
#define RETRY_USEC 100000

static int fail(char error[ERROR_SIZE], const char *path, const char *what)
{
	int ret = -errno;

	snprintf(error, ERROR_SIZE, "%.200s: %s: %s", path, what, strerror(-ret));
	return ret;
}

/* Out of something: the connection stays in the queue and would wake us for ever. */
static void pause_accepting(struct listener *l)
{
	struct timeval delay = { .tv_usec = RETRY_USEC };
	const char *remedy = errno == EMFILE ? "raise LimitNOFILE" :
			     errno == ENFILE ? "raise the sysctl fs.file-max" :
					       "the machine is short of memory";

	log_limited(&l->log, "%s: cannot accept connections: %s; %s", l->path, strerror(errno),
		    remedy);
	event_del(&l->event);
	event_add(&l->retry, &delay);
}

static void on_retry(evutil_socket_t fd, short what, void *user)
{
	struct listener *l = user;

	(void)fd;
	(void)what;
	event_add(&l->event, NULL);
}

static void on_connection(evutil_socket_t fd, short what, void *user)
{
	struct listener *l = user;

	(void)what;
	for (int n = 0; n < ACCEPTS_PER_TURN && l->fd == fd; n++) {
		int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (connection >= 0)
			l->accepted(l->user, connection);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			return pause_accepting(l);
		else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

int listener_set_access(const struct listener *l, const struct access *a, char error[ERROR_SIZE])
{
	if (l->inherited)
		return 0; /* the socket unit says */
	if ((a->owner != (uid_t)-1 || a->group != (gid_t)-1) &&
	    chown(l->path, a->owner, a->group) < 0)
		return fail(error, l->path, "cannot be given to its owner and group");
	if (chmod(l->path, a->mode) < 0)
		return fail(error, l->path, "cannot get its mode");
	return 0;
}

/* A socket at @l->path that listens, and that its owner and group alone get into. */
static int make(struct listener *l, int type, const struct access *access, char error[ERROR_SIZE])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int ret;

	strcpy(address.sun_path, l->path);
	l->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || (unlink(l->path) < 0 && errno != ENOENT))
		return fail(error, l->path, "cannot be made");
	mask = umask(0777);
	ret = bind(l->fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (ret < 0)
		return fail(error, l->path, "cannot be made");
	if (listen(l->fd, SOMAXCONN) < 0)
		return fail(error, l->path, "cannot be listened on");
	return listener_set_access(l, access, error);
}

/* It gets its name when it is ready: nobody finds one that refuses him. */
static int make_and_rename(struct listener *l, const char *path, int type,
			   const struct access *access, char error[ERROR_SIZE])
{
	const char *slash = strrchr(path, '/');
	int ret;

	if ((size_t)snprintf(l->path, sizeof(l->path), "%.*s/.new", (int)(slash - path), path) >=
	    sizeof(l->path)) {
		errno = ENAMETOOLONG;
		return fail(error, path, "cannot be made");
	}
	ret = make(l, type, access, error);
	if (ret == 0 && rename(l->path, path) < 0)
		ret = fail(error, path, "cannot get its name");
	if (ret < 0)
		unlink(l->path);
	return ret;
}

static int refuse_inherited(char error[ERROR_SIZE], const char *path, int type)
{
	snprintf(error, ERROR_SIZE,
		 "%.200s: systemd's socket is of the wrong kind; write %s= in the socket unit",
		 path, type == SOCK_STREAM ? "ListenStream" : "ListenSequentialPacket");
	return -EPROTOTYPE;
}

int listener_open(struct listener *l, struct event_base *base, const char *path, int type,
		  const struct access *access, char error[ERROR_SIZE])
{
	int ret = 0;

	l->fd = activation_take(path, type);
	l->inherited = l->fd >= 0;
	if (l->fd == -EPROTOTYPE)
		ret = refuse_inherited(error, path, type);
	else if (!l->inherited)
		ret = make_and_rename(l, path, type, access, error);
	if (ret < 0) {
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
		return ret;
	}
	strcpy(l->path, path);
	event_assign(&l->retry, base, -1, 0, on_retry, l);
	event_assign(&l->event, base, l->fd, EV_READ | EV_PERSIST, on_connection, l);
	event_add(&l->event, NULL);
	return 0;
}

void listener_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->event);
	event_del(&l->retry);
	if (!l->inherited)
		unlink(l->path);
	close(l->fd);
	l->fd = -1;
}
