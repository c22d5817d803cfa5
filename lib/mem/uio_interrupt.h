/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interrupt of a UIO device: counted by the kernel, and disabled by most drivers until it is
 * enabled again ("The Userspace I/O HOWTO").
 */
#ifndef ICBMSG_MEM_UIO_INTERRUPT_H
#define ICBMSG_MEM_UIO_INTERRUPT_H

#include <stdint.h>

#include "mem/uio.h"

enum uio_enable {
	UIO_ENABLE_WRITE, /* by writing to the device: uio_pdrv_genirq */
	UIO_ENABLE_PCI,   /* in the PCI command register: uio_pci_generic */
	UIO_ENABLE_NONE,  /* the driver never disables it */
};

struct uio_interrupt {
	int fd; /* polls readable for an interrupt; O_NONBLOCK */
	enum uio_enable enable;
	int config_fd;  /* PCI configuration space, or -1 */
	uint32_t count; /* the kernel's, as read last */
};

/*
 * Open @u's interrupt; it is not enabled yet. @root: as uio_find()'s.
 * Returns 0 or a negative errno with one line in @error that names the thing and the remedy.
 */
int uio_interrupt_open(struct uio_interrupt *irq, const struct uio_device *u, const char *root,
		       char error[MEM_ERROR_SIZE]);
void uio_interrupt_close(struct uio_interrupt *irq);

/*
 * Take what has happened since the last time.
 * Returns 1 with the number of interrupts, more than one if they have merged, in *@count; 0 if
 * there was none; a negative errno if there will be none any more.
 */
int uio_interrupt_take(struct uio_interrupt *irq, uint64_t *count);

/* Let the next one come. Returns 0 or a negative errno. */
int uio_interrupt_enable(const struct uio_interrupt *irq);

#endif
