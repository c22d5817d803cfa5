/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder that looks like "/" to code that is given it as its root: sysfs's description of UIO
 * devices, and plain files for /dev/uioN and /dev/mem.
 */
#ifndef ICBMSG_TESTS_UNIT_FAKE_UIO_H
#define ICBMSG_TESTS_UNIT_FAKE_UIO_H

#include "unit/files.h"

#include <ftw.h>
#include <sys/stat.h>

struct fake_root {
	char path[32];
};

static inline void fake_root_make(struct fake_root *r)
{
	strcpy(r->path, "/tmp/icbmsg-root-XXXXXX");
	assert_non_null(mkdtemp(r->path));
	assert_int_equal(chmod(r->path, 0755), 0);
}

static inline int fake_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void fake_root_remove(struct fake_root *r)
{
	assert_int_equal(nftw(r->path, fake_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Write a file below the root, with the folders above it. */
static inline void fake_root_write(const struct fake_root *r, const char *name, const char *text)
{
	char path[256];
	char *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->path, name);
	for (slash = path + strlen(r->path) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void fake_root_chmod(const struct fake_root *r, const char *name, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", r->path, name);
	assert_int_equal(chmod(path, mode), 0);
}

static inline void fake_uio_attribute(const struct fake_root *r, unsigned int number,
				      const char *name, const char *text)
{
	char path[128], line[256];

	snprintf(path, sizeof(path), "sys/class/uio/uio%u/%s", number, name);
	snprintf(line, sizeof(line), "%s\n", text);
	fake_root_write(r, path, line);
}

static inline void fake_uio_add(const struct fake_root *r, unsigned int number, const char *name)
{
	fake_uio_attribute(r, number, "name", name);
	fake_uio_attribute(r, number, "version", "1.0");
	fake_uio_attribute(r, number, "event", "0");
}

static inline void fake_uio_add_map(const struct fake_root *r, unsigned int number,
				    unsigned int map, const char *name, uint64_t address,
				    uint64_t size, uint64_t offset)
{
	char file[64], value[32];

	snprintf(file, sizeof(file), "maps/map%u/name", map);
	fake_uio_attribute(r, number, file, name);
#define FAKE_NUMBER(attribute, v)                                             \
	snprintf(file, sizeof(file), "maps/map%u/" attribute, map);           \
	snprintf(value, sizeof(value), "0x%016llx", (unsigned long long)(v)); \
	fake_uio_attribute(r, number, file, value)
	FAKE_NUMBER("addr", address);
	FAKE_NUMBER("size", size);
	FAKE_NUMBER("offset", offset);
#undef FAKE_NUMBER
}

/* A file of @size bytes at @name. Maps are pages of it from the map's number on, as mmap(2) goes. */
static inline void fake_root_memory(const struct fake_root *r, const char *name, off_t size)
{
	char path[256];

	fake_root_write(r, name, "");
	snprintf(path, sizeof(path), "%s/%s", r->path, name);
	assert_int_equal(truncate(path, size), 0);
}

static inline void fake_uio_add_node(const struct fake_root *r, unsigned int number, off_t size)
{
	char name[32];

	snprintf(name, sizeof(name), "dev/uio%u", number);
	fake_root_memory(r, name, size);
}

#endif
