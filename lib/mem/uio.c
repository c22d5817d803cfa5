// SPDX-License-Identifier: Apache-2.0
/*
 * What sysfs tells is taken as text from outside: bounded, printable, and checked when it is a
 * number.
 */
#include "mem/uio.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

#define CLASS_DIR "/sys/class/uio"
#define LIST_SIZE 120u

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static const char *root_path(const char *root)
{
	return root ? root : "";
}

/* The first line of an attribute, without control characters. Returns 0 or a negative errno. */
static int read_line(int dir, const char *name, char out[UIO_NAME_SIZE])
{
	_cleanup_(close_fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n, i;

	if (fd < 0)
		return -errno;
	n = read(fd, out, UIO_NAME_SIZE - 1);
	if (n < 0)
		return -errno;
	for (i = 0; i < n && out[i] != '\n'; i++)
		if (!isprint((unsigned char)out[i]))
			out[i] = '?';
	out[i] = '\0';
	return 0;
}

static int read_number(int dir, const char *name, uint64_t *out)
{
	char text[UIO_NAME_SIZE], *end;
	int ret = read_line(dir, name, text);

	if (ret < 0)
		return ret;
	errno = 0;
	*out = strtoull(text, &end, 16);
	return errno || end == text || *end ? -EINVAL : 0;
}

/* Maps are numbered without gaps. Returns 1 if there is one, 0 behind the last, or an error. */
static int read_map(int dir, unsigned int index, struct uio_map *out)
{
	_cleanup_(close_fd) int map = -1;
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "maps/map%u", index);
	map = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (map < 0)
		return errno == ENOENT ? 0 : -errno;
	*out = (struct uio_map){ 0 };
	read_line(map, "name", out->name);
	ret = read_number(map, "addr", &out->address);
	if (ret == 0)
		ret = read_number(map, "size", &out->size);
	if (ret == 0)
		ret = read_number(map, "offset", &out->offset);
	return ret < 0 ? ret : 1;
}

/* Returns 0, or -ENODEV if there is no such device, or another negative errno. */
static int read_device(struct uio_device *out, unsigned int number, const char *root)
{
	struct uio_device u = { .number = number };
	_cleanup_(close_fd) int dir = -1;
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s" CLASS_DIR "/uio%u", root_path(root), number);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ENODEV : -errno;
	ret = read_line(dir, "name", u.name);
	if (ret < 0)
		return ret == -ENOENT ? -ENODEV : ret; /* it is going away */
	read_line(dir, "version", u.version);
	do
		ret = read_map(dir, u.map_count, &u.maps[u.map_count]);
	while (ret > 0 && ++u.map_count < UIO_MAPS_MAX);
	if (ret < 0)
		return ret;
	*out = u;
	return 0;
}

static bool take_number(const char *text, unsigned int *out)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > INT_MAX)
		return false;
	*out = (unsigned int)v;
	return true;
}

/* Append to a list for a message; a long list ends in dots. */
static void list_add(char list[LIST_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void list_add(char list[LIST_SIZE], const char *format, ...)
{
	size_t used = strlen(list);
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(list + used, LIST_SIZE - used, format, ap);
	va_end(ap);
	if (n >= (int)(LIST_SIZE - used))
		memcpy(list + LIST_SIZE - 4, "...", 4);
}

/* What a walk over all devices has found. */
struct search {
	const char *name;
	unsigned int matches;
	struct uio_device found; /* the first match */
	char all[LIST_SIZE], matching[LIST_SIZE];
};

static void consider(struct search *s, const struct uio_device *u)
{
	list_add(s->all, "%suio%u \"%s\"", s->all[0] ? ", " : "", u->number, u->name);
	if (strcmp(u->name, s->name) != 0)
		return;
	list_add(s->matching, "%suio%u", s->matching[0] ? ", " : "", u->number);
	if (s->matches++ == 0)
		s->found = *u;
}

static void search_all(struct search *s, const char *root)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	const struct dirent *entry;
	struct uio_device u;
	char path[PATH_MAX];
	unsigned int number;

	snprintf(path, sizeof(path), "%s" CLASS_DIR, root_path(root));
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "uio", 3) == 0 &&
		    take_number(entry->d_name + 3, &number) && read_device(&u, number, root) == 0)
			consider(s, &u);
}

int uio_find(struct uio_device *out, const char *which, const char *root,
	     char error[MEM_ERROR_SIZE])
{
	struct search s = { .name = which };
	unsigned int number;
	int ret = -ENODEV;

	/* A number, or what the file in /dev is called. */
	if (take_number(which, &number) ||
	    (strncmp(which, "uio", 3) == 0 && take_number(which + 3, &number)))
		ret = read_device(out, number, root);
	if (ret == 0)
		return 0;
	if (ret != -ENODEV)
		return mem_fail(error, ret, "uio:%.40s: its description in " CLASS_DIR ": %s",
				which, strerror(-ret));
	search_all(&s, root);
	if (s.matches > 1)
		return mem_fail(error, -ENOTUNIQ,
				"uio:%.40s: several devices have this name (%s); give the number",
				which, s.matching);
	if (s.matches == 1) {
		*out = s.found;
		return 0;
	}
	if (s.all[0])
		return mem_fail(error, ret, "uio:%.40s: no such UIO device; there are %s", which,
				s.all);
	return mem_fail(error, ret,
			"uio:%.40s: there are no UIO devices; load a driver: uio_pdrv_genirq for a "
			"devicetree node, uio_pci_generic for a PCI device",
			which);
}

int uio_find_map(const struct uio_device *u, const char *which, char error[MEM_ERROR_SIZE])
{
	char all[LIST_SIZE] = "";
	unsigned int i, number;

	if (u->map_count == 0)
		return mem_fail(error, -ENODEV,
				"uio%u \"%s\" has no memory to map; its driver exports none",
				u->number, u->name);
	if (*which == '\0')
		return 0;
	if (strncmp(which, "map", 3) == 0 && take_number(which + 3, &number) &&
	    number < u->map_count)
		return (int)number;
	for (i = 0; i < u->map_count; i++) {
		if (strcmp(which, u->maps[i].name) == 0)
			return (int)i;
		list_add(all, "%smap%u%s%s", i ? ", " : "", i, u->maps[i].name[0] ? " " : "",
			 u->maps[i].name);
	}
	return mem_fail(error, -ENODEV, "uio%u \"%s\" has no map \"%.40s\"; it has %s", u->number,
			u->name, which, all);
}

int uio_open(const struct uio_device *u, bool read_only, const char *root,
	     char error[MEM_ERROR_SIZE])
{
	char path[PATH_MAX];
	const char *device = path + strlen(root_path(root)); /* as it is called in messages */
	int fd;

	snprintf(path, sizeof(path), "%s/dev/uio%u", root_path(root), u->number);
	fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EACCES)
		return mem_fail_access(error, device, path, read_only,
				       "give it to a group with a udev rule");
	if (errno == ENOENT)
		return mem_fail(error, -ENOENT,
				"%s does not exist, though " CLASS_DIR " knows the device; is udev "
				"running, or is this a container with a /dev of its own?",
				device);
	return mem_fail(error, -errno, "%s cannot be opened: %s", device, strerror(errno));
}

uint64_t uio_map_offset(unsigned int index)
{
	return (uint64_t)index * (uint64_t)sysconf(_SC_PAGESIZE);
}
