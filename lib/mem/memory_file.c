// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that is a file already: an inherited descriptor, or a path.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mem/memory_source.h"
#include "util/cleanup.h"

static void label_fd(char *out, const struct memory_spec *spec)
{
	snprintf(out, MEMORY_LABEL_SIZE, "fd:%d", spec->fd);
}

/*
 * The file that @fd is open for, opened anew: who has inherited the same descriptor shares its locks
 * with us, and would not be refused (memory_claim()). -1 where that cannot be had.
 */
static int open_anew(int fd)
{
	char path[32];
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int open_fd(const struct memory_attempt *a)
{
	_cleanup_(close_fd) int fd = fcntl(a->spec->fd, F_DUPFD_CLOEXEC, 0);
	int mode, own = -1;

	if (fd < 0 && errno == EBADF)
		return memory_fail(a, -EBADF,
				   " is not open in this process; whoever starts it must pass "
				   "the descriptor on");
	if (fd < 0)
		return memory_fail(a, -errno, " cannot be duplicated: %s", strerror(errno));
	mode = fcntl(fd, F_GETFL) & O_ACCMODE;
	if (mode == O_WRONLY || (mode == O_RDONLY && !a->read_only))
		return memory_fail(a, -EACCES,
				   " is open for %s only; pass one opened for reading and "
				   "writing",
				   mode == O_WRONLY ? "writing" : "reading");
	if (!a->read_only)
		own = open_anew(fd);
	return own >= 0 ? own : take_fd(&fd);
}

static int map_fd(struct memory *m, struct memory_attempt *a)
{
	int fd = open_fd(a);

	return fd < 0 ? fd : memory_map_object(m, a, fd);
}

const struct memory_source memory_fd = { .type = MEM_NORMAL, .label = label_fd, .map = map_fd };

static void label_file(char *out, const struct memory_spec *spec)
{
	memory_label(out, "file:", spec->name);
}

static int map_file(struct memory *m, struct memory_attempt *a)
{
	const char *path = a->spec->name;
	int fd = open(path, (a->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0)
		return memory_map_object(m, a, fd);
	if (errno == EACCES)
		return mem_fail_access(a->error, a->label, path, a->read_only,
				       "give it to a group with a udev rule");
	if (errno == ENOENT)
		return memory_fail(a, -errno,
				   " does not exist; is the path right, and the device there? "
				   "(lspci -D, ls /sys/bus/pci/devices)");
	return memory_fail(a, -errno, " cannot be opened: %s", strerror(errno));
}

const struct memory_source memory_file = { .type = MEM_NORMAL,
					   .label = label_file,
					   .map = map_file };
