// SPDX-License-Identifier: Apache-2.0
/*
 * drivers/uio/uio.c: read(2) of 4 bytes gives the number of interrupts since the driver was loaded,
 * and waits until it has changed since this descriptor's last read; EIO: the device is gone, or has
 * no interrupt. write(2) of 4 bytes, 1, enables it where the driver can (uio_pdrv_genirq,
 * uio_dmem_genirq); ENOSYS where it cannot. uio_pci_generic then wants the bit that it has set in
 * the command register to be cleared; other drivers see to it themselves.
 */
#include "mem/uio_interrupt.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* Linux's linux/pci_regs.h has them, too. */
#define PCI_COMMAND 4 /* 2 bytes */
#define PCI_COMMAND_INTX_DISABLE 0x400u

/* The count so far, so that the first read tells how many were merged; 0 if it cannot be told. */
static uint32_t read_event(const struct uio_device *u, const char *root)
{
	_cleanup_(close_file) FILE *f = NULL;
	char path[PATH_MAX];
	unsigned int count;

	snprintf(path, sizeof(path), "%s/sys/class/uio/uio%u/event", root ? root : "", u->number);
	f = fopen(path, "re");
	return f && fscanf(f, "%u", &count) == 1 ? count : 0;
}

/*
 * All of the register is written, though the bit is in its upper half and the kernel's HOWTO writes
 * no more: QEMU (7.2) looks at the interrupt line anew only if the lower half is written, too, and
 * otherwise loses interrupts that are pending, and counts wrongly until the line sticks.
 */
static int enable_pci(int fd)
{
	uint16_t command;

	if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		return -EIO;
	command &= htole16((uint16_t)~PCI_COMMAND_INTX_DISABLE);
	return pwrite(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command) ? 0 : -EIO;
}

static int open_config(struct uio_interrupt *irq, const struct uio_device *u, const char *root,
		       char *error)
{
	_cleanup_(close_fd) int fd = -1;
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), "%s/sys/class/uio/uio%u/device/config", root ? root : "",
		 u->number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == EACCES)
		return mem_fail_access(error, "PCI configuration space", path, false,
				       "give it to a group with a udev rule");
	ret = fd < 0 ? -errno : enable_pci(fd);
	if (ret < 0)
		return mem_fail(error, ret, "uio%u \"%s\": %s, which enables its interrupt: %s",
				u->number, u->name, path, strerror(-ret));
	irq->config_fd = take_fd(&fd);
	irq->enable = UIO_ENABLE_PCI;
	return 0;
}

/* Returns 0 or a negative errno. */
static int write_one(int fd)
{
	const uint32_t one = 1;
	ssize_t n;

	do
		n = write(fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == sizeof(one) ? 0 : -EIO;
}

/* Find out by doing it how the interrupt is enabled. */
static int probe_enable(struct uio_interrupt *irq, const struct uio_device *u, const char *root,
			char *error)
{
	int ret = write_one(irq->fd);

	if (ret == -EIO)
		return mem_fail(error, ret,
				"uio%u \"%s\" has no interrupt; give its devicetree node one, or "
				"set doorbell-in = poll",
				u->number, u->name);
	if (ret == -ENOSYS && strcmp(u->name, "uio_pci_generic") == 0)
		return open_config(irq, u, root, error);
	irq->enable = ret == 0 ? UIO_ENABLE_WRITE : UIO_ENABLE_NONE;
	if (ret < 0 && ret != -ENOSYS)
		return mem_fail(error, ret, "uio%u \"%s\": enabling its interrupt: %s", u->number,
				u->name, strerror(-ret));
	return 0;
}

int uio_interrupt_open(struct uio_interrupt *irq, const struct uio_device *u, const char *root,
		       char error[MEM_ERROR_SIZE])
{
	_cleanup_(uio_interrupt_close) struct uio_interrupt opened = { .fd = -1, .config_fd = -1 };
	int ret;

	opened.fd = uio_open(u, false, root, error);
	if (opened.fd < 0)
		return opened.fd;
	/* A description of our own. */
	if (fcntl(opened.fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return mem_fail(error, -errno, "uio%u \"%s\": %s", u->number, u->name,
				strerror(errno));
	opened.count = read_event(u, root);
	ret = probe_enable(&opened, u, root, error);
	if (ret < 0)
		return ret;
	*irq = opened;
	opened = (struct uio_interrupt){ .fd = -1, .config_fd = -1 };
	return 0;
}

void uio_interrupt_close(struct uio_interrupt *irq)
{
	close_fd(&irq->fd);
	close_fd(&irq->config_fd);
}

/* A count that has gone back, or not changed, is a driver's that was loaded anew: one came. */
static uint64_t difference(uint32_t before, uint32_t now)
{
	uint32_t d = now - before;

	return d == 0 || d > INT32_MAX ? 1 : d;
}

int uio_interrupt_take(struct uio_interrupt *irq, uint64_t *count)
{
	uint32_t now;
	ssize_t n;

	do
		n = read(irq->fd, &now, sizeof(now));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n != sizeof(now))
		return -EBADMSG;
	*count = difference(irq->count, now);
	irq->count = now;
	return 1;
}

int uio_interrupt_enable(const struct uio_interrupt *irq)
{
	if (irq->enable == UIO_ENABLE_WRITE)
		return write_one(irq->fd);
	return irq->enable == UIO_ENABLE_PCI ? enable_pci(irq->config_fd) : 0;
}
