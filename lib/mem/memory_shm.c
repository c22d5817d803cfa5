// SPDX-License-Identifier: Apache-2.0
/*
 * POSIX shared memory by name. Either side may come first, and create it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mem/memory_source.h"
#include "util/cleanup.h"

#define SHM_DIR "/dev/shm" /* where Linux keeps POSIX shared memory */
#define CREATE_ATTEMPTS 16 /* others may create and remove the object meanwhile */

static void label(char *out, const struct memory_spec *spec)
{
	memory_label(out, "shm:", spec->name);
}

static int fail_access(const struct memory_attempt *a)
{
	char path[sizeof(SHM_DIR) + MEMORY_NAME_MAX + 1];

	snprintf(path, sizeof(path), "%s%s", SHM_DIR, a->spec->name);
	return mem_fail_access(a->error, a->label, path, a->read_only,
			       "have it created with memory-mode = 0660");
}

static int fail_open(const struct memory_attempt *a, int err)
{
	switch (err) {
	case EACCES:
		return fail_access(a);
	case ENOENT:
		if (a->read_only)
			return memory_fail(a, -err,
					   " does not exist; start a program that uses this "
					   "instance first");
		return memory_fail(a, -err,
				   " does not exist; start the other side first, or set "
				   "memory-create = yes");
	case EINVAL:
	case ENAMETOOLONG:
		return memory_fail(a, -err,
				   " is not a possible name; use one of at most %u bytes "
				   "without further slashes",
				   MEMORY_NAME_MAX - 1);
	default:
		return memory_fail(a, -err, " cannot be opened: %s", strerror(err));
	}
}

/* Returns a descriptor or a negative errno; without any text for -EEXIST. */
static int create_shm(struct memory_attempt *a)
{
	_cleanup_(close_fd) int fd = -1;

	fd = shm_open(a->spec->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, a->spec->mode);
	if (fd < 0)
		return errno == EEXIST ? -EEXIST : fail_open(a, errno);
	a->created = true;
	if (fchmod(fd, a->spec->mode) < 0)
		return memory_fail(a, -errno, ": setting mode %04o: %s", a->spec->mode,
				   strerror(errno));
	return take_fd(&fd);
}

static int open_shm(struct memory_attempt *a)
{
	int flags = (a->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	int i, fd = -EEXIST;

	for (i = 0; i < CREATE_ATTEMPTS && fd == -EEXIST; i++) {
		fd = shm_open(a->spec->name, flags, 0);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT || a->read_only || !a->spec->create)
			return fail_open(a, errno);
		fd = create_shm(a);
	}
	if (fd == -EEXIST)
		return memory_fail(a, fd, " comes and goes; find out which program removes it");
	return fd;
}

static int map(struct memory *m, struct memory_attempt *a)
{
	int fd = open_shm(a);

	if (fd >= 0)
		fd = memory_map_object(m, a, fd);
	if (fd < 0 && a->created)
		shm_unlink(a->spec->name); /* an empty one would only be in the way */
	return fd;
}

const struct memory_source memory_shm = { .type = MEM_NORMAL, .label = label, .map = map };
