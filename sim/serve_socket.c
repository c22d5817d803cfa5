// SPDX-License-Identifier: Apache-2.0
/*
 * The socket of `icbmsg-sim serve`. A server that was killed leaves its file behind; the next one
 * takes its place, but never that of a server that runs, nor of a file that is no socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "args.h"
#include "serve.h"
#include "util/cleanup.h"

static int fail(const char *path, const char *what)
{
	tool_say("%s: %s: %s", path, what, strerror(errno));
	return SIM_ERROR;
}

/*
 * The folder, locked: two servers that both find the file of a dead one must not both remove it, or
 * the second one removes the first one's.
 */
static int lock_folder(const char *path)
{
	_cleanup_(free_ptr) char *copy = strdup(path);
	_cleanup_(close_fd) int fd = -1;

	if (!copy)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fail(path, "its folder");
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		tool_say("%s: another program is at work in its folder; try again", path);
	else
		return take_fd(&fd);
	return -1;
}

/* True if nobody listens at @address: who did is gone. */
static bool abandoned(const struct sockaddr_un *address)
{
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

static int make_room(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? SIM_OK : fail(path, "cannot be looked at");
	if (!S_ISSOCK(st.st_mode)) {
		tool_say("%s is there already and is no socket; choose another place", path);
		return SIM_ERROR;
	}
	if (!abandoned(address)) {
		tool_say("%s: another server listens there; end it, or choose another place", path);
		return SIM_ERROR;
	}
	return unlink(path) < 0 ? fail(path, "cannot be removed") : SIM_OK;
}

/* Nobody gets in before it has its mode. */
static int bind_and_listen(struct serve_socket *s, const struct sockaddr_un *address, mode_t mode)
{
	mode_t mask = umask(0777);
	int ret = bind(s->fd, (const struct sockaddr *)address, sizeof(*address));
	struct stat st;

	umask(mask);
	if (ret < 0)
		return fail(s->path, "cannot be made");
	if (lstat(s->path, &st) < 0)
		return fail(s->path, "cannot be looked at");
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (listen(s->fd, SOMAXCONN) < 0)
		return fail(s->path, "cannot be listened on");
	return chmod(s->path, mode) < 0 ? fail(s->path, "cannot get its mode") : SIM_OK;
}

int serve_socket_open(struct serve_socket *s, const char *path, mode_t mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(close_fd) int folder = -1;
	int status;

	*s = (struct serve_socket){ .path = path, .fd = -1 };
	if (strlen(path) >= sizeof(address.sun_path)) {
		tool_say("%s: a socket's path has at most %zu bytes; use a shorter one", path,
			 sizeof(address.sun_path) - 1);
		return SIM_ERROR;
	}
	strcpy(address.sun_path, path);
	folder = lock_folder(path);
	if (folder < 0)
		return SIM_ERROR;
	status = make_room(&address);
	if (status != SIM_OK)
		return status;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fail(path, "cannot be made");
	return bind_and_listen(s, &address, mode);
}

void serve_socket_close(struct serve_socket *s)
{
	struct stat st;

	if (s->inode && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
	close_fd(&s->fd);
}
