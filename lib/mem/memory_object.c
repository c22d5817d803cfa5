// SPDX-License-Identifier: Apache-2.0
/*
 * What all objects in a file system have in common: a size, which is grown from nothing, reserved,
 * and never changed otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "mem/memory_source.h"
#include "util/cleanup.h"

static int fail_grow(const struct memory_attempt *a, int err)
{
	uint64_t size = a->spec->size;

	if (err == ENOSPC)
		return memory_fail(a, -err, ": no space for %" PRIu64 " bytes; free some%s", size,
				   a->spec->kind == MEMORY_SHM ?
					   ", or mount /dev/shm with a larger size=" :
					   "");
	if (err == EPERM)
		return memory_fail(a, -err,
				   " is empty and sealed against growing; pass one of at least "
				   "%" PRIu64 " bytes",
				   size);
	return memory_fail(a, -err, ": reserving %" PRIu64 " bytes: %s", size, strerror(err));
}

/*
 * Make sure that the needed bytes exist. Reserving them now turns a full file system into an error
 * here instead of a SIGBUS later, and unlike ftruncate(2) cannot shrink what another process that
 * came to the same empty object has just grown.
 */
static int reserve(const struct memory_attempt *a, int fd, bool grow)
{
	int ret;

	do
		ret = fallocate(fd, 0, 0, (off_t)a->spec->size);
	while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return 0;
	if (!grow)
		return errno == ENOSPC ? fail_grow(a, errno) : 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return fail_grow(a, errno);
	return ftruncate(fd, (off_t)a->spec->size) < 0 ? fail_grow(a, errno) : 0;
}

static int check_size(const struct memory_attempt *a, int fd)
{
	uint64_t size = a->spec->size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return memory_fail(a, -errno, ": %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return memory_fail(a, -ENODEV,
				   " is not memory; pass a memfd, shared memory or a file");
	if ((uint64_t)st.st_size >= size)
		return a->read_only ? 0 : reserve(a, fd, false);
	if (st.st_size == 0 && !a->read_only)
		return reserve(a, fd, true);
	if (st.st_size == 0)
		return memory_fail(a, -EINVAL,
				   " is still empty; start a program that uses this instance "
				   "first");
	return memory_fail(a, -EINVAL, " has %jd bytes but %s need %" PRIu64 "; correct %s%s",
			   (intmax_t)st.st_size, memory_user(a), size, memory_user(a),
			   a->spec->kind == MEMORY_SHM ? ", or remove it if it is left over" :
							 " or pass a larger one");
}

static int fail_map(const struct memory_attempt *a, int ret, bool device)
{
	if (ret == -EPERM && device)
		return memory_fail(a, ret,
				   ": the kernel is locked down and gives no access to PCI "
				   "devices; turn Secure Boot off, or use a driver (UIO, VFIO)");
	if (ret == -EPERM)
		return memory_fail(a, ret,
				   " is sealed against writing; both sides write to it, so "
				   "pass one without that seal");
	if (ret == -EINVAL && device)
		return memory_fail(a, ret,
				   ": the kernel does not map it: it is no memory, or a driver has "
				   "claimed it; unbind the driver");
	return memory_fail(a, ret, ": mapping %" PRIu64 " bytes: %s", a->spec->size,
			   strerror(-ret));
}

/* A PCI device's resourceN is a file in sysfs, and its memory behind a bus. */
static bool is_device(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == SYSFS_MAGIC;
}

int memory_map_object(struct memory *m, const struct memory_attempt *a, int fd)
{
	_cleanup_(close_fd) int own = fd;
	bool device = is_device(fd);
	int ret;

	ret = check_size(a, fd);
	if (ret < 0)
		return ret;
	ret = window_map(&m->window, fd, 0, 0, a->spec->size, a->read_only);
	if (ret < 0)
		return fail_map(a, ret, device);
	if (device)
		m->type = MEM_DEVICE;
	return take_fd(&own);
}
