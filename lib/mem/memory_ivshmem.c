// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of an ivshmem bus, which stays joined for its doorbells. Its size is its server's to
 * say: it is never grown.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "mem/ivshmem.h"
#include "mem/memory_source.h"
#include "util/cleanup.h"

static void free_bus(struct ivshmem **bus)
{
	ivshmem_free(*bus);
}

static int fail_map(const struct memory_attempt *a, int ret)
{
	if (a->spec->kind == MEMORY_IVSHMEM_PCI && ret == -EINVAL)
		return memory_fail(a, ret,
				   ": another program has it by VFIO, and this kernel shows it to "
				   "nobody else; boot it with iomem=relaxed, or ask that program");
	return memory_fail(a, ret, ": mapping %" PRIu64 " bytes: %s", a->spec->size,
			   strerror(-ret));
}

static int map_bus(struct memory *m, const struct memory_attempt *a, const struct ivshmem *bus)
{
	uint64_t size = a->spec->size;
	int ret;

	if (bus->memory_size < size)
		return memory_fail(a, -EINVAL,
				   " has %" PRIu64 " bytes but the regions need %" PRIu64
				   "; correct the regions, or start its server with more",
				   bus->memory_size, size);
	ret = window_map(&m->window, bus->memory_fd, bus->memory_offset, 0, size, a->read_only);
	return ret < 0 ? fail_map(a, ret) : 0;
}

/* Where the object knows no locks that only its users see, something that nobody else has. */
static int lock_object(struct ivshmem *bus)
{
	int fd = take_fd(&bus->lock_fd);

	if (fd < 0)
		fd = memfd_create("icbmsg-unlocked", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Takes @bus over. */
static int use_bus(struct memory *m, const struct memory_attempt *a, struct ivshmem *taken)
{
	_cleanup_(free_bus) struct ivshmem *bus = taken;
	int fd, ret = map_bus(m, a, bus);

	if (ret < 0)
		return ret;
	fd = lock_object(bus);
	if (fd < 0) {
		window_unmap(&m->window);
		return memory_fail(a, fd, ": %s", strerror(-fd));
	}
	if (!a->read_only) {
		m->bus = bus;
		bus = NULL;
	}
	return fd;
}

static void label_socket(char *out, const struct memory_spec *spec)
{
	memory_label(out, "ivshmem:", spec->name);
}

static int map_socket(struct memory *m, struct memory_attempt *a)
{
	struct ivshmem *bus;
	int ret = ivshmem_connect(&bus, a->spec->name, a->error);

	return ret < 0 ? ret : use_bus(m, a, bus);
}

const struct memory_source memory_ivshmem = { .type = MEM_NORMAL,
					      .label = label_socket,
					      .map = map_socket };

static void label_pci(char *out, const struct memory_spec *spec)
{
	memory_label(out, spec->name[0] ? "ivshmem-pci:" : "ivshmem-pci", spec->name);
}

static int map_pci(struct memory *m, struct memory_attempt *a)
{
	const struct memory_spec *spec = a->spec;
	struct ivshmem *bus;
	int ret = ivshmem_open_pci(&bus, spec->name, a->read_only, spec->root, a->error);

	return ret < 0 ? ret : use_bus(m, a, bus);
}

const struct memory_source memory_ivshmem_pci = { .type = MEM_DEVICE,
						  .label = label_pci,
						  .map = map_pci };
