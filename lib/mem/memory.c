// SPDX-License-Identifier: Apache-2.0
/*
 * Mapping POSIX shared memory and inherited descriptors. What goes wrong here is what users of such
 * links meet first (a missing group, a stale object, a full /dev/shm), so every failure says which
 * object it is about and what would help.
 */
#include "mem/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/cleanup.h"

#define SHM_DIR "/dev/shm" /* where Linux keeps POSIX shared memory */
#define LABEL_SIZE 96u
#define CREATE_ATTEMPTS 16 /* others may create and remove the object meanwhile */

/* What is being mapped and where complaints go. */
struct attempt {
	const struct memory_spec *spec;
	bool read_only;
	bool created;
	char label[LABEL_SIZE]; /* how the configuration names the object */
	char *error;
};

static int fail(const struct attempt *a, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct attempt *a, int ret, const char *format, ...)
{
	va_list ap;
	int n;

	n = snprintf(a->error, MEM_ERROR_SIZE, "%s", a->label);
	va_start(ap, format);
	vsnprintf(a->error + n, MEM_ERROR_SIZE - (size_t)n, format, ap);
	va_end(ap);
	return ret;
}

/* Long names are cut in the middle of a message, never at the end of it. */
static void set_label(struct attempt *a)
{
	if (a->spec->kind == MEMORY_FD)
		snprintf(a->label, sizeof(a->label), "fd:%d", a->spec->fd);
	else if (strlen(a->spec->name) < 80)
		snprintf(a->label, sizeof(a->label), "shm:%s", a->spec->name);
	else
		snprintf(a->label, sizeof(a->label), "shm:%.77s...", a->spec->name);
}

static int fail_access(const struct attempt *a)
{
	char path[sizeof(SHM_DIR) + MEMORY_NAME_MAX + 1];

	snprintf(path, sizeof(path), "%s%s", SHM_DIR, a->spec->name);
	return mem_fail_access(a->error, a->label, path, a->read_only,
			       "have it created with memory-mode = 0660");
}

static int fail_open(const struct attempt *a, int err)
{
	switch (err) {
	case EACCES:
		return fail_access(a);
	case ENOENT:
		if (a->read_only)
			return fail(a, -err,
				    " does not exist; start a program that uses this "
				    "instance first");
		return fail(a, -err,
			    " does not exist; start the other side first, or set "
			    "memory-create = yes");
	case EINVAL:
	case ENAMETOOLONG:
		return fail(a, -err,
			    " is not a possible name; use one of at most %u bytes "
			    "without further slashes",
			    MEMORY_NAME_MAX - 1);
	default:
		return fail(a, -err, " cannot be opened: %s", strerror(err));
	}
}

/* Returns a descriptor or a negative errno; without any text for -EEXIST. */
static int create_shm(struct attempt *a)
{
	_cleanup_(close_fd) int fd = -1;

	fd = shm_open(a->spec->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, a->spec->mode);
	if (fd < 0)
		return errno == EEXIST ? -EEXIST : fail_open(a, errno);
	a->created = true;
	if (fchmod(fd, a->spec->mode) < 0)
		return fail(a, -errno, ": setting mode %04o: %s", a->spec->mode, strerror(errno));
	return take_fd(&fd);
}

static int open_shm(struct attempt *a)
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
		return fail(a, fd, " comes and goes; find out which program removes it");
	return fd;
}

static int open_fd(const struct attempt *a)
{
	_cleanup_(close_fd) int fd = fcntl(a->spec->fd, F_DUPFD_CLOEXEC, 0);
	int mode;

	if (fd < 0 && errno == EBADF)
		return fail(a, -EBADF,
			    " is not open in this process; whoever starts it must pass "
			    "the descriptor on");
	if (fd < 0)
		return fail(a, -errno, " cannot be duplicated: %s", strerror(errno));
	mode = fcntl(fd, F_GETFL) & O_ACCMODE;
	if (mode == O_WRONLY || (mode == O_RDONLY && !a->read_only))
		return fail(a, -EACCES,
			    " is open for %s only; pass one opened for reading and "
			    "writing",
			    mode == O_WRONLY ? "writing" : "reading");
	return take_fd(&fd);
}

static int fail_grow(const struct attempt *a, int err)
{
	uint64_t size = a->spec->size;

	if (err == ENOSPC)
		return fail(a, -err, ": no space for %" PRIu64 " bytes; free some%s", size,
			    a->spec->kind == MEMORY_SHM ? ", or mount " SHM_DIR
							  " with a larger size=" :
							  "");
	if (err == EPERM)
		return fail(a, -err,
			    " is empty and sealed against growing; pass one of at least "
			    "%" PRIu64 " bytes",
			    size);
	return fail(a, -err, ": reserving %" PRIu64 " bytes: %s", size, strerror(err));
}

/*
 * Make sure that the needed bytes exist. Reserving them now turns a full file system into an error
 * here instead of a SIGBUS later, and unlike ftruncate(2) cannot shrink what another process that
 * came to the same empty object has just grown.
 */
static int reserve(const struct attempt *a, int fd, bool grow)
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

static int check_size(const struct attempt *a, int fd)
{
	uint64_t size = a->spec->size;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(a, -errno, ": %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(a, -ENODEV, " is not memory; pass a memfd, shared memory or a file");
	if ((uint64_t)st.st_size >= size)
		return a->read_only ? 0 : reserve(a, fd, false);
	if (st.st_size == 0 && !a->read_only)
		return reserve(a, fd, true);
	if (st.st_size == 0)
		return fail(a, -EINVAL,
			    " is still empty; start a program that uses this instance "
			    "first");
	return fail(a, -EINVAL, " has %jd bytes but the regions need %" PRIu64 "; %s",
		    (intmax_t)st.st_size, size,
		    a->spec->kind == MEMORY_SHM ?
			    "correct the regions, or remove it if it is left over" :
			    "correct the regions or pass a larger one");
}

static int map_fd(struct memory *m, const struct attempt *a, int fd)
{
	int prot = a->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	void *base;
	int ret;

	ret = check_size(a, fd);
	if (ret < 0)
		return ret;
	base = mmap(NULL, (size_t)a->spec->size, prot, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED && errno == EPERM)
		return fail(a, -EPERM,
			    " is sealed against writing; both sides write to it, so "
			    "pass one without that seal");
	if (base == MAP_FAILED)
		return fail(a, -errno, ": mapping %" PRIu64 " bytes: %s", a->spec->size,
			    strerror(errno));
	*m = (struct memory){
		.base = base, .size = (size_t)a->spec->size, .type = a->spec->type, .fd = -1
	};
	return 0;
}

int memory_map(struct memory *m, const struct memory_spec *spec, bool read_only,
	       char error[MEM_ERROR_SIZE])
{
	struct attempt a = { .spec = spec, .read_only = read_only, .error = error };
	_cleanup_(close_fd) int fd = -1;
	int ret;

	set_label(&a);
	if (spec->kind != MEMORY_SHM && spec->kind != MEMORY_FD)
		return fail(&a, -EINVAL, ": no memory is configured");
	if (spec->size == 0 || spec->size > INT64_MAX || spec->size > SIZE_MAX)
		return fail(&a, -EINVAL,
			    ": %" PRIu64 " bytes cannot be mapped; correct the regions",
			    spec->size);
	fd = spec->kind == MEMORY_SHM ? open_shm(&a) : open_fd(&a);
	ret = fd < 0 ? fd : map_fd(m, &a, fd);
	if (ret == 0 && !read_only)
		m->fd = take_fd(&fd);
	if (ret < 0 && a.created)
		shm_unlink(spec->name); /* an empty one would only be in the way */
	return ret;
}

static int lock(const struct memory *m, short type, uint64_t offset, uint64_t size)
{
	struct flock range = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = (off_t)size
	};

	return fcntl(m->fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
}

int memory_claim(struct memory *m, uint64_t offset, uint64_t size)
{
	int ret = lock(m, F_WRLCK, offset, size);

	if (ret == -EAGAIN || ret == -EACCES)
		return -EBUSY;
	m->claimed_offset = offset;
	m->claimed_size = size;
	return 0;
}

void memory_disown(struct memory *m)
{
	/* Closing is not enough: the mapping keeps the open file, and so the lock. */
	if (m->claimed_size > 0)
		lock(m, F_UNLCK, m->claimed_offset, m->claimed_size);
	m->claimed_size = 0;
	close_fd(&m->fd);
}

void memory_unmap(struct memory *m)
{
	if (m->base) {
		memory_disown(m);
		munmap(m->base, m->size);
	}
	*m = (struct memory){ 0 };
}
