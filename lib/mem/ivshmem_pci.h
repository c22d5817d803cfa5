/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ivshmem device of a guest (QEMU's docs/specs/ivshmem-spec, "Device's PCI interface"), for the
 * two ways to it: sysfs and VFIO.
 */
#ifndef ICBMSG_MEM_IVSHMEM_PCI_H
#define ICBMSG_MEM_IVSHMEM_PCI_H

#include <limits.h>

#include "mem/ivshmem.h"
#include "mem/window.h"

/* BAR0: registers of 32 bits. */
#define IVSHMEM_POSITION 8  /* our own id */
#define IVSHMEM_DOORBELL 12 /* written: whom to ring, and on which vector */

#define PCI_ADDRESS_SIZE 16u /* "0000:00:04.0" */
#define PCI_DRIVER_SIZE 32u

struct pci_place {
	const char *root; /* "" for the system's own */
	char address[PCI_ADDRESS_SIZE];
	char folder[PATH_MAX];        /* of the device in sysfs */
	char driver[PCI_DRIVER_SIZE]; /* that it is bound to, "" for none */
	int group;                    /* of the IOMMU; -1 for none */
};

/* Find the device at @address, or the only one for "". 0 or a negative errno with a text. */
int pci_find_ivshmem(struct pci_place *out, const char *address, const char *root,
		     char error[MEM_ERROR_SIZE]);

/* A file of the device in sysfs. A descriptor or a negative errno, without a text. */
int pci_open(const struct pci_place *p, const char *name, int flags);

/* What is written to the doorbell register. */
static inline uint32_t ivshmem_doorbell(const struct ivshmem_target *target)
{
	return (uint32_t)target->peer << 16 | target->vector;
}

/* One of the two ways; as ivshmem_open_pci(). */
int ivshmem_open_vfio(struct ivshmem **out, const struct pci_place *p, char error[MEM_ERROR_SIZE]);

#endif
