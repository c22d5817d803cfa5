// SPDX-License-Identifier: Apache-2.0
/*
 * The ivshmem device of a guest through VFIO (the kernel's Documentation/driver-api/vfio.rst),
 * which gives a program its interrupts as eventfds: so others can ring us.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "mem/ivshmem_pci.h"
#include "util/barrier.h"
#include "util/cleanup.h"

#define CONTAINER "/dev/vfio/vfio"
#define LIST_SIZE 80u

struct vfio_bus {
	struct ivshmem bus; /* first */
	char address[PCI_ADDRESS_SIZE];
	int container, group, device;
	uint64_t registers; /* offset of BAR0 in the device */
	uint64_t config;    /* of the configuration space */
};

static int fail(const struct vfio_bus *b, int ret, const char *what, char error[MEM_ERROR_SIZE])
{
	return mem_fail(error, ret, "ivshmem-pci:%s: VFIO: %s: %s", b->address, what,
			strerror(-ret));
}

static int open_container(struct vfio_bus *b, const struct pci_place *p, char error[MEM_ERROR_SIZE])
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" CONTAINER, p->root);
	b->container = open(path, O_RDWR | O_CLOEXEC);
	if (b->container < 0)
		return fail(b, -errno, CONTAINER ", is vfio-pci loaded?", error);
	if (ioctl(b->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return fail(b, -EPROTONOSUPPORT, "the kernel's version of it", error);
	return 0;
}

static int open_group(struct vfio_bus *b, const struct pci_place *p, bool *iommu,
		      char error[MEM_ERROR_SIZE])
{
	char path[PATH_MAX], label[64];

	*iommu = true;
	snprintf(path, sizeof(path), "%s/dev/vfio/%d", p->root, p->group);
	b->group = open(path, O_RDWR | O_CLOEXEC);
	if (b->group < 0 && errno == ENOENT) {
		*iommu = false;
		snprintf(path, sizeof(path), "%s/dev/vfio/noiommu-%d", p->root, p->group);
		b->group = open(path, O_RDWR | O_CLOEXEC);
	}
	if (b->group >= 0)
		return 0;
	snprintf(label, sizeof(label), "ivshmem-pci:%s: IOMMU group %d", p->address, p->group);
	if (errno == EACCES)
		return mem_fail_access(error, label, path, false,
				       "give it to a group with a udev rule");
	if (errno == EBUSY)
		return mem_fail(error, -EBUSY,
				"%s is used by another program; end it, or share the link "
				"through icbmsgd",
				label);
	return mem_fail(error, -errno, "%s: %s: %s", label, path, strerror(errno));
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* All other devices of the group. */
static void list_group(char out[LIST_SIZE], const struct pci_place *p)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX + 32];
	struct dirent *entry;
	size_t n;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/iommu_group/devices", p->folder);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		n = strlen(out);
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, p->address) != 0)
			snprintf(out + n, LIST_SIZE - n, "%s%s", n ? ", " : "", entry->d_name);
	}
}

static int check_group(struct vfio_bus *b, const struct pci_place *p, char error[MEM_ERROR_SIZE])
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char others[LIST_SIZE];

	if (ioctl(b->group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return fail(b, -errno, "the group's state", error);
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	list_group(others, p);
	return mem_fail(error, -EPERM,
			"ivshmem-pci:%s: its IOMMU group has other devices with drivers (%s); bind "
			"them to vfio-pci as well, or give the device a slot of its own",
			p->address, others);
}

static int set_iommu(struct vfio_bus *b, bool iommu, char error[MEM_ERROR_SIZE])
{
	if (ioctl(b->group, VFIO_GROUP_SET_CONTAINER, &b->container) < 0)
		return fail(b, -errno, "joining the container", error);
	if (ioctl(b->container, VFIO_SET_IOMMU, iommu ? VFIO_TYPE1_IOMMU : VFIO_NOIOMMU_IOMMU) == 0)
		return 0;
	if (errno == EPERM && iommu)
		return mem_fail(error, -EPERM,
				"ivshmem-pci:%s: VFIO: the IOMMU does not remap interrupts; start "
				"QEMU with -device intel-iommu,intremap=on",
				b->address);
	return fail(b, -errno, iommu ? "the IOMMU (is vfio_iommu_type1 loaded?)" : "no-IOMMU mode",
		    error);
}

static int get_region(struct vfio_bus *b, uint32_t index, struct vfio_region_info *out)
{
	*out = (struct vfio_region_info){ .argsz = sizeof(*out), .index = index };
	return ioctl(b->device, VFIO_DEVICE_GET_REGION_INFO, out) < 0 ? -errno : 0;
}

/* VFIO leaves bus mastering off, and an MSI-X message is a write by the device. */
static int enable(struct vfio_bus *b)
{
	off_t at = (off_t)(b->config + PCI_COMMAND);
	uint16_t command;

	if (pread(b->device, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	command |= htole16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return pwrite(b->device, &command, sizeof(command), at) == sizeof(command) ? 0 : -EIO;
}

static int read_id(struct vfio_bus *b, char error[MEM_ERROR_SIZE])
{
	uint32_t id;

	if (pread(b->device, &id, sizeof(id), (off_t)(b->registers + IVSHMEM_POSITION)) !=
	    sizeof(id))
		return fail(b, -EIO, "reading its id", error);
	id = le32toh(id);
	if (id > IVSHMEM_ID_MAX)
		return mem_fail(error, -ENODEV,
				"ivshmem-pci:%s says that its id is 0x%x: it is not connected to a "
				"server",
				b->address, id);
	b->bus.id = (uint16_t)id;
	return 0;
}

static int open_device(struct vfio_bus *b, char error[MEM_ERROR_SIZE])
{
	struct vfio_region_info registers = { 0 }, memory = { 0 }, config = { 0 };
	int ret;

	b->device = ioctl(b->group, VFIO_GROUP_GET_DEVICE_FD, b->address);
	if (b->device < 0)
		return fail(b, -errno, "opening the device", error);
	ret = get_region(b, VFIO_PCI_BAR0_REGION_INDEX, &registers);
	if (ret == 0)
		ret = get_region(b, VFIO_PCI_BAR2_REGION_INDEX, &memory);
	if (ret == 0)
		ret = get_region(b, VFIO_PCI_CONFIG_REGION_INDEX, &config);
	if (ret < 0)
		return fail(b, ret, "the device's regions", error);
	b->registers = registers.offset;
	b->config = config.offset;
	b->bus.memory_offset = memory.offset;
	b->bus.memory_size = memory.size;
	b->bus.memory_fd = fcntl(b->device, F_DUPFD_CLOEXEC, 0);
	if (b->bus.memory_fd < 0)
		return fail(b, -errno, "duplicating its descriptor", error);
	ret = enable(b);
	return ret < 0 ? fail(b, ret, "switching the device on", error) : read_id(b, error);
}

static int count_vectors(struct vfio_bus *b)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };

	if (ioctl(b->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return -errno;
	return info.count < IVSHMEM_VECTORS_MAX ? (int)info.count : (int)IVSHMEM_VECTORS_MAX;
}

/* All at once: older kernels cannot add vectors to those that are there. */
static int set_vectors(struct vfio_bus *b)
{
	union {
		struct vfio_irq_set set;
		char space[sizeof(struct vfio_irq_set) + sizeof(b->bus.own)];
	} request = { .set = { .argsz = sizeof(request),
			       .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			       .index = VFIO_PCI_MSIX_IRQ_INDEX,
			       .count = b->bus.own_count } };

	memcpy(request.set.data, b->bus.own, b->bus.own_count * sizeof(b->bus.own[0]));
	return ioctl(b->device, VFIO_DEVICE_SET_IRQS, &request) < 0 ? -errno : 0;
}

static int start(struct ivshmem *bus, char error[MEM_ERROR_SIZE])
{
	struct vfio_bus *b = (struct vfio_bus *)bus;
	int n, ret = 0, count = count_vectors(b);

	if (count < 0)
		return fail(b, count, "the device's interrupts", error);
	if (count == 0)
		return mem_fail(error, -ENODEV,
				"doorbell: ivshmem-pci:%s has no vectors; start QEMU with -device "
				"ivshmem-doorbell,vectors=1, or poll",
				b->address);
	for (n = 0; n < count && ret == 0; n++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		ret = fd < 0 ? -errno : ivshmem_add_vector(bus, fd);
	}
	if (ret == 0)
		ret = set_vectors(b);
	return ret < 0 ? fail(b, ret, "taking the device's interrupts", error) : 0;
}

/* The registers are less than a page, which VFIO does not map. */
static int ring(struct ivshmem *bus)
{
	struct vfio_bus *b = (struct vfio_bus *)bus;
	uint32_t value = htole32(ivshmem_doorbell(&bus->target));

	/* What was written for the other side has to be there before the ring. */
	barrier_full();
	return pwrite(b->device, &value, sizeof(value), (off_t)(b->registers + IVSHMEM_DOORBELL)) ==
			       sizeof(value) ?
		       0 :
		       -EIO;
}

static void free_vfio(struct ivshmem *bus)
{
	struct vfio_bus *b = (struct vfio_bus *)bus;

	ivshmem_deinit(bus);
	close_fd(&b->device);
	close_fd(&b->group);
	close_fd(&b->container);
	free(b);
}

static const struct ivshmem_ops vfio_ops = {
	.rung = true, .start = start, .ring = ring, .free = free_vfio
};

static void drop(struct vfio_bus **b)
{
	if (*b)
		free_vfio(&(*b)->bus);
}

/* Who comes by sysfs locks the same file; one without access to it goes without. */
static int open_lock(const struct pci_place *p)
{
	int fd = pci_open(p, "resource2", O_RDWR);

	return fd < 0 ? -1 : fd;
}

int ivshmem_open_vfio(struct ivshmem **out, const struct pci_place *p, char error[MEM_ERROR_SIZE])
{
	_cleanup_(drop) struct vfio_bus *b = calloc(1, sizeof(*b));
	bool iommu = false;
	int ret;

	if (!b)
		return mem_fail(error, -ENOMEM, "ivshmem-pci: not enough memory");
	b->container = b->group = b->device = -1;
	memcpy(b->address, p->address, sizeof(b->address));
	ret = ivshmem_init(&b->bus, &vfio_ops);
	if (ret < 0)
		return fail(b, ret, "a pollable set", error);
	ret = open_container(b, p, error);
	if (ret == 0)
		ret = open_group(b, p, &iommu, error);
	if (ret == 0)
		ret = check_group(b, p, error);
	if (ret == 0)
		ret = set_iommu(b, iommu, error);
	if (ret == 0)
		ret = open_device(b, error);
	if (ret < 0)
		return ret;
	b->bus.lock_fd = open_lock(p);
	*out = &b->bus;
	b = NULL;
	return 0;
}
