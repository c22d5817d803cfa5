// SPDX-License-Identifier: Apache-2.0
/*
 * The ivshmem device of a guest through sysfs, where a program can map it without a driver: memory,
 * and a register to ring others by. Nobody can ring us without VFIO: the device knows MSI-X only,
 * and an interrupt needs a driver that takes it.
 */
#include "mem/ivshmem_pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "mem/doorbell_kind.h"
#include "util/access.h"
#include "util/cleanup.h"

#define VFIO_DRIVER "vfio-pci"
#define REGISTERS_SIZE 16u
#define LOOK_NS 1000000 /* as DOORBELL_POLL_DEFAULT_NS */

struct sysfs_bus {
	struct ivshmem bus; /* first */
	struct window registers;
	int timer;
};

static int start(struct ivshmem *bus, char error[MEM_ERROR_SIZE])
{
	const struct itimerspec look = { .it_interval.tv_nsec = LOOK_NS,
					 .it_value.tv_nsec = LOOK_NS };
	struct sysfs_bus *b = (struct sysfs_bus *)bus;
	int ret;

	b->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (b->timer < 0 || timerfd_settime(b->timer, 0, &look, NULL) < 0)
		ret = -errno;
	else
		ret = ivshmem_watch(bus, b->timer);
	return ret < 0 ? mem_fail(error, ret, "doorbell: a timer for polling: %s", strerror(-ret)) :
			 0;
}

static void work(struct ivshmem *bus)
{
	doorbell_read_counter(((struct sysfs_bus *)bus)->timer, false);
}

static int ring(struct ivshmem *bus)
{
	struct sysfs_bus *b = (struct sysfs_bus *)bus;

	/* What was written for the other side has to be there before the ring. */
	shm_store32_release(b->registers.base + IVSHMEM_DOORBELL, ivshmem_doorbell(&bus->target));
	return 0;
}

static void free_sysfs(struct ivshmem *bus)
{
	struct sysfs_bus *b = (struct sysfs_bus *)bus;

	close_fd(&b->timer);
	window_unmap(&b->registers);
	ivshmem_deinit(bus);
	free(b);
}

static const struct ivshmem_ops sysfs_ops = {
	.start = start,
	.work = work,
	.ring = ring,
	.free = free_sysfs,
};

static void drop(struct sysfs_bus **b)
{
	if (*b)
		free_sysfs(&(*b)->bus);
}

static int fail_resource(const struct pci_place *p, const char *name, bool read_only, int ret,
			 char error[MEM_ERROR_SIZE])
{
	char path[PATH_MAX + 64], label[64];

	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	snprintf(label, sizeof(label), "ivshmem-pci:%s: %s", p->address, name);
	if (ret == -EACCES)
		return mem_fail_access(error, label, path, read_only,
				       "give it to a group with a udev rule");
	if (ret == -EPERM)
		return mem_fail(error, ret,
				"%s: the kernel is locked down and gives no access to PCI devices; "
				"turn Secure Boot off, or bind the device to vfio-pci",
				label);
	return mem_fail(error, ret, "%s: %s", label, strerror(-ret));
}

/* Nobody else has switched it on where it has no driver; reads as ones until then. */
static int enable(const struct pci_place *p, bool read_only, char error[MEM_ERROR_SIZE])
{
	_cleanup_(close_fd) int fd = pci_open(p, "enable", O_RDONLY);
	char state = '0';

	if (fd >= 0 && read(fd, &state, 1) == 1 && state != '0')
		return 0;
	close_fd(&fd);
	fd = pci_open(p, "enable", O_WRONLY);
	if (!read_only && fd >= 0 && write(fd, "1", 1) == 1)
		return 0;
	return mem_fail(error, -ENODEV,
			"ivshmem-pci:%s is switched off; as root: echo 1 > "
			"/sys/bus/pci/devices/%s/enable",
			p->address, p->address);
}

static int open_resource(const struct pci_place *p, const char *name, bool read_only,
			 uint64_t *size, char error[MEM_ERROR_SIZE])
{
	_cleanup_(close_fd) int fd = pci_open(p, name, read_only ? O_RDONLY : O_RDWR);
	struct stat st;

	if (fd < 0)
		return fail_resource(p, name, read_only, fd, error);
	if (fstat(fd, &st) < 0)
		return fail_resource(p, name, read_only, -errno, error);
	*size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

static int map_registers(struct sysfs_bus *b, const struct pci_place *p, char error[MEM_ERROR_SIZE])
{
	_cleanup_(close_fd) int fd = -1;
	uint64_t size = 0;
	uint32_t id;
	int ret;

	fd = open_resource(p, "resource0", false, &size, error);
	if (fd < 0)
		return fd;
	ret = size < REGISTERS_SIZE ? -ENODEV :
				      window_map(&b->registers, fd, 0, 0, REGISTERS_SIZE, false);
	if (ret < 0)
		return fail_resource(p, "resource0", false, ret, error);
	id = shm_load32(b->registers.base + IVSHMEM_POSITION);
	if (id > IVSHMEM_ID_MAX)
		return mem_fail(error, -ENODEV,
				"ivshmem-pci:%s says that its id is 0x%x: it is not connected to a "
				"server, or switched off",
				p->address, id);
	b->bus.id = (uint16_t)id;
	return 0;
}

static int open_sysfs(struct ivshmem **out, const struct pci_place *p, bool read_only,
		      char error[MEM_ERROR_SIZE])
{
	_cleanup_(drop) struct sysfs_bus *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return mem_fail(error, -ENOMEM, "ivshmem-pci: not enough memory");
	b->timer = -1;
	ret = ivshmem_init(&b->bus, &sysfs_ops);
	if (ret < 0)
		return mem_fail(error, ret, "ivshmem-pci:%s: %s", p->address, strerror(-ret));
	ret = enable(p, read_only, error);
	if (ret == 0 && !read_only)
		ret = map_registers(b, p, error);
	if (ret < 0)
		return ret;
	b->bus.memory_fd = open_resource(p, "resource2", read_only, &b->bus.memory_size, error);
	if (b->bus.memory_fd < 0)
		return b->bus.memory_fd;
	b->bus.lock_fd = read_only ? -1 : fcntl(b->bus.memory_fd, F_DUPFD_CLOEXEC, 0);
	*out = &b->bus;
	b = NULL;
	return 0;
}

/* Whoever could be rung should know. */
static void tell_how_to_be_rung(struct ivshmem *bus, const struct pci_place *p)
{
	if (p->group < 0)
		ivshmem_tell(
			bus,
			"ivshmem-pci:%s: there is no IOMMU, so nobody can ring this side and it "
			"polls; QEMU has one: -device intel-iommu,intremap=on, and intel_iommu=on "
			"on the kernel's command line",
			p->address);
	else
		ivshmem_tell(bus,
			     "ivshmem-pci:%s: polls, as it is not bound to vfio-pci; as root: cd "
			     "/sys/bus/pci; echo vfio-pci >devices/%s/driver_override; echo %s "
			     ">drivers_probe",
			     p->address, p->address, p->address);
}

int ivshmem_open_pci(struct ivshmem **out, const char *address, bool read_only, const char *root,
		     char error[MEM_ERROR_SIZE])
{
	struct pci_place p;
	int ret;

	ret = pci_find_ivshmem(&p, address, root, error);
	if (ret < 0)
		return ret;
	if (strcmp(p.driver, VFIO_DRIVER) == 0) {
		ret = ivshmem_open_vfio(out, &p, error);
		/* Its group serves one program at a time: look past it. */
		if (ret != -EBUSY || !read_only)
			return ret;
	}
	ret = open_sysfs(out, &p, read_only, error);
	if (ret == 0 && !read_only)
		tell_how_to_be_rung(*out, &p);
	return ret;
}
