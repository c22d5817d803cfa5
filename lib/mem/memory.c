// SPDX-License-Identifier: Apache-2.0
/*
 * The front of all sources of memory. What goes wrong here is what users of such links meet first
 * (a missing group, a stale object, a full /dev/shm), so every failure says which object it is
 * about and what would help.
 */
#include "mem/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mem/ivshmem.h"
#include "mem/memory_source.h"
#include "util/cleanup.h"

static const struct memory_source *const sources[] = {
	[MEMORY_SHM] = &memory_shm,
	[MEMORY_FD] = &memory_fd,
	[MEMORY_FILE] = &memory_file,
	[MEMORY_DEVMEM] = &memory_devmem,
	[MEMORY_UIO] = &memory_uio,
	[MEMORY_IVSHMEM] = &memory_ivshmem,
	[MEMORY_IVSHMEM_PCI] = &memory_ivshmem_pci,
};

int memory_fail(const struct memory_attempt *a, int ret, const char *format, ...)
{
	va_list ap;
	int n;

	n = snprintf(a->error, MEM_ERROR_SIZE, "%s", a->label);
	va_start(ap, format);
	vsnprintf(a->error + n, MEM_ERROR_SIZE - (size_t)n, format, ap);
	va_end(ap);
	return ret;
}

void memory_label(char *out, const char *prefix, const char *name)
{
	if (strlen(name) < 80)
		snprintf(out, MEMORY_LABEL_SIZE, "%s%s", prefix, name);
	else
		snprintf(out, MEMORY_LABEL_SIZE, "%s%.77s...", prefix, name);
}

static int check_alignment(const struct memory_attempt *a, const struct memory *m)
{
	if ((uintptr_t)m->base % 4 == 0)
		return 0;
	return memory_fail(a, -EINVAL,
			   " begins at an address that is not a multiple of 4; ICBMSG regions "
			   "consist of aligned words");
}

int memory_map(struct memory *m, const struct memory_spec *spec, bool read_only,
	       char error[MEM_ERROR_SIZE])
{
	struct memory_attempt a = { .spec = spec, .read_only = read_only, .error = error };
	_cleanup_(close_fd) int fd = -1;
	const struct memory_source *source;
	struct memory out;
	int ret;

	if (spec->kind == MEMORY_NONE || spec->kind >= sizeof(sources) / sizeof(*sources))
		return mem_fail(error, -EINVAL, "no memory is configured");
	source = sources[spec->kind];
	source->label(a.label, spec);
	if (spec->size == 0 || spec->size > INT64_MAX || spec->size > SIZE_MAX)
		return memory_fail(&a, -EINVAL,
				   ": %" PRIu64 " bytes cannot be mapped; correct the regions",
				   spec->size);
	out = (struct memory){ .type = source->type, .fd = -1 };
	fd = source->map(&out, &a);
	if (fd < 0)
		return fd;
	out.base = out.window.base;
	out.size = out.window.size;
	ret = check_alignment(&a, &out);
	if (ret < 0) {
		window_unmap(&out.window);
		memory_leave_bus(&out);
		return ret;
	}
	if (spec->type_given)
		out.type = spec->type;
	if (!read_only)
		out.fd = take_fd(&fd);
	*m = out;
	return 0;
}

static int lock(const struct memory *m, short type, uint64_t offset, uint64_t size)
{
	struct flock range = { .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = (off_t)(m->at + offset),
			       .l_len = (off_t)size };

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

void memory_leave_bus(struct memory *m)
{
	ivshmem_free(m->bus);
	m->bus = NULL;
}

void memory_disown(struct memory *m)
{
	memory_leave_bus(m);
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
		window_unmap(&m->window);
	}
	*m = (struct memory){ 0 };
}
