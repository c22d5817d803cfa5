// SPDX-License-Identifier: Apache-2.0
/*
 * Source is compiled by dtc, as nothing else understands all of it. It is started directly, without
 * a shell, and its output goes into memory files, so that no end of a pipe has to be served while
 * it runs.
 */
#include "core/dt_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <spawn.h>
#include <stdbool.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/config_file.h"
#include "util/cleanup.h"

#define BLOB_MAX (16u << 20)
#define SAID_SIZE 240u

extern char **environ;

static void destroy_actions(posix_spawn_file_actions_t *actions)
{
	posix_spawn_file_actions_destroy(actions);
}

static void destroy_attributes(posix_spawnattr_t *attributes)
{
	posix_spawnattr_destroy(attributes);
}

static int refuse(char error[CONFIG_ERROR_SIZE], const char *path, int ret, const char *text)
{
	snprintf(error, CONFIG_ERROR_SIZE, "%s: %.300s", config_short_path(path), text);
	return ret;
}

static int refuse_errno(char error[CONFIG_ERROR_SIZE], const char *path, int err)
{
	if (err == ENOENT)
		return refuse(error, path, -err, "does not exist; check the path");
	if (err == EACCES && strcmp(path, "/sys/firmware/fdt") == 0)
		return refuse(error, path, -err,
			      "only root may read it; others can take /proc/device-tree");
	if (err == EACCES)
		return refuse(error, path, -err,
			      "permission denied; make it readable for this user");
	return refuse(error, path, -err, strerror(err));
}

/* All of @fd from its start. */
static int read_all(int fd, void **out, size_t *out_size, const char *path, char *error)
{
	_cleanup_(free_ptr) char *data = NULL;
	size_t size = 0, room = 0;
	ssize_t n;
	char *more;

	do {
		if (size == room) {
			room = room ? 2 * room : 64 << 10;
			if (room > BLOB_MAX)
				return refuse(error, path, -EFBIG,
					      "more than 16M; that is no devicetree");
			more = realloc(data, room);
			if (!more)
				return refuse(error, path, -ENOMEM, "out of memory");
			data = more;
		}
		n = pread(fd, data + size, room - size, (off_t)size);
		if (n < 0 && errno != EINTR)
			return refuse_errno(error, path, errno);
		size += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	*out = data;
	*out_size = size;
	data = NULL;
	return 0;
}

/* Standard input is empty; no signal is blocked, whatever the caller blocks. */
static int spawn(pid_t *pid, const char *const argv[], int out, int err)
{
	_cleanup_(destroy_attributes) posix_spawnattr_t attributes;
	_cleanup_(destroy_actions) posix_spawn_file_actions_t actions;
	sigset_t none;
	int ret;

	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	ret = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (ret == 0)
		ret = posix_spawn_file_actions_adddup2(&actions, err, 2);
	if (ret == 0)
		ret = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv,
				   environ);
	return -ret;
}

/*
 * Returns whether the child did well. A program that reaps all children, or ignores SIGCHLD, leaves
 * nothing to wait for: then the output has to tell.
 */
static bool succeeded(pid_t pid)
{
	int status;
	pid_t got;

	do {
		got = waitpid(pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	return got < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The first line of what dtc said. */
static int refuse_source(char *error, const char *path, int err)
{
	char said[SAID_SIZE], whole[SAID_SIZE + 80];
	ssize_t n = pread(err, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	snprintf(whole, sizeof(whole), "dtc refuses it: %s", *said ? said : "without a word");
	return refuse(error, path, -EINVAL, whole);
}

/* As in a daemon that has given up privileges. */
static int refuse_start(char *error, const char *path, int ret)
{
	char text[120];

	snprintf(text, sizeof(text), "dtc cannot be started: %s; a .dtb can be read without it",
		 strerror(-ret));
	return refuse(error, path, ret, text);
}

static int compile(void **blob, size_t *size, const char *path, bool folder, char *error)
{
	/* -@ keeps labels; warnings are for whoever wrote the tree. */
	const char *const argv[] = { "dtc", "-q", "-@", "-I", folder ? "fs" : "dts", "-O",
				     "dtb", "-o", "-",  "--", (char *)path,          NULL };
	_cleanup_(close_fd) int out = memfd_create("dtc", MFD_CLOEXEC);
	_cleanup_(close_fd) int err = memfd_create("dtc", MFD_CLOEXEC);
	_cleanup_(free_ptr) void *data = NULL;
	pid_t pid = -1;
	size_t n = 0;
	int ret;

	if (out < 0 || err < 0)
		return refuse_errno(error, path, errno);
	ret = spawn(&pid, argv, out, err);
	if (ret == -ENOENT)
		return refuse(
			error, path, -ENOPKG,
			"needs the program dtc; install the package device-tree-compiler, or "
			"give a .dtb that was made with it: dtc -@ -O dtb -o FILE.dtb FILE.dts");
	if (ret < 0)
		return refuse_start(error, path, ret);
	if (!succeeded(pid))
		return refuse_source(error, path, err);
	ret = read_all(out, &data, &n, path, error);
	if (ret == 0 && n == 0)
		return refuse_source(error, path, err);
	if (ret < 0)
		return ret;
	*blob = data;
	*size = n;
	data = NULL;
	return 0;
}

static bool is_blob(int fd)
{
	fdt32_t magic;

	return pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	       fdt32_to_cpu(magic) == FDT_MAGIC;
}

int dt_file_read(void **blob, size_t *size, const char *path, char error[CONFIG_ERROR_SIZE])
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return refuse_errno(error, path, errno);
	if (S_ISDIR(st.st_mode))
		return compile(blob, size, path, true, error);
	if (!S_ISREG(st.st_mode))
		return refuse(error, path, -EINVAL, "is neither a file nor a folder");
	if (is_blob(fd))
		return read_all(fd, blob, size, path, error);
	return compile(blob, size, path, false, error);
}
