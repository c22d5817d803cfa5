// SPDX-License-Identifier: Apache-2.0
/*
 * Memory that a UIO driver exports. The kernel maps whole pages of a map from its beginning on, at
 * most its size, and nothing of a map whose address is not on a page ("The Userspace I/O HOWTO",
 * uio_mmap() in drivers/uio/uio.c); where the device's memory begins in the first page is the
 * map's offset.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem/memory_source.h"
#include "mem/uio.h"
#include "util/cleanup.h"

static void label(char *out, const struct memory_spec *spec)
{
	char name[sizeof(spec->name) + sizeof(spec->map)];

	snprintf(name, sizeof(name), "%s%s%s", spec->name, spec->map[0] ? "/" : "", spec->map);
	memory_label(out, "uio:", name);
}

static int check_map(const struct memory_attempt *a, const struct uio_map *map)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t usable = map->size - map->size % page;

	if (map->address % page)
		return memory_fail(a, -EINVAL,
				   ": the kernel cannot map 0x%" PRIx64
				   ", which is not on a page; the driver must export the page and "
				   "an offset, as uio_pdrv_genirq does",
				   map->address);
	if (usable == 0)
		return memory_fail(a, -EINVAL,
				   ": the map has %" PRIu64
				   " bytes, and less than a page of %" PRIu64
				   " cannot be mapped; make its reg a whole page",
				   map->size, page);
	if (map->offset >= usable || usable - map->offset < a->spec->size)
		return memory_fail(a, -EINVAL,
				   ": the map has %" PRIu64 " bytes at offset 0x%" PRIx64
				   " but %s need %" PRIu64 "; correct %s",
				   map->offset < usable ? usable - map->offset : 0, map->offset,
				   memory_user(a), a->spec->size, memory_user(a));
	return 0;
}

static int fail_map(const struct memory_attempt *a, int ret)
{
	if (ret == -EINVAL || ret == -ENODEV)
		return memory_fail(a, ret, ": the driver does not map this memory: %s",
				   strerror(-ret));
	return memory_fail(a, ret, ": mapping %" PRIu64 " bytes: %s", a->spec->size,
			   strerror(-ret));
}

static int map(struct memory *m, struct memory_attempt *a)
{
	const struct memory_spec *spec = a->spec;
	_cleanup_(close_fd) int fd = -1;
	struct uio_device device;
	int ret, index;

	ret = uio_find(&device, spec->name, spec->root, a->error);
	if (ret < 0)
		return ret;
	index = uio_find_map(&device, spec->map, a->error);
	if (index < 0)
		return index;
	ret = check_map(a, &device.maps[index]);
	if (ret < 0)
		return ret;
	fd = uio_open(&device, a->read_only, spec->root, a->error);
	if (fd < 0)
		return fd;
	ret = window_map(&m->window, fd, uio_map_offset((unsigned int)index),
			 device.maps[index].offset, spec->size, a->read_only);
	if (ret < 0)
		return fail_map(a, ret);
	m->at = device.maps[index].address + device.maps[index].offset;
	return take_fd(&fd);
}

const struct memory_source memory_uio = { .type = MEM_DEVICE, .label = label, .map = map };
