/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Userspace I/O devices, as sysfs describes them (the kernel's "The Userspace I/O HOWTO"): found by
 * name or number, with their maps. Interrupts are the doorbells' business, mapping is window.h's.
 */
#ifndef ICBMSG_MEM_UIO_H
#define ICBMSG_MEM_UIO_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/error.h"

#define UIO_NAME_SIZE 64u
#define UIO_MAPS_MAX 5u /* the kernel's MAX_UIO_MAPS */

struct uio_map {
	char name[UIO_NAME_SIZE]; /* "" if the driver gives none */
	uint64_t address;         /* physical, of the first mapped byte */
	uint64_t size;            /* bytes from there that may be mapped */
	uint64_t offset;          /* where the device's own bytes begin in them */
};

struct uio_device {
	unsigned int number; /* of /dev/uioN */
	char name[UIO_NAME_SIZE];
	char version[UIO_NAME_SIZE]; /* of its driver */
	unsigned int map_count;
	struct uio_map maps[UIO_MAPS_MAX];
};

/*
 * Find the device that @which means: a number, with or without "uio" in front, or the name that its
 * driver or devicetree node gave it. @root: a folder to take for "/", for tests; NULL otherwise.
 * Returns 0, -ENODEV if there is none (the text lists which there are), -ENOTUNIQ if several have
 * this name, or another negative errno.
 */
int uio_find(struct uio_device *out, const char *which, const char *root,
	     char error[MEM_ERROR_SIZE]);

/*
 * The index of the map that @which means: "mapN", its name, or "" for the first one.
 * Returns it or -ENODEV (the text lists which there are).
 */
int uio_find_map(const struct uio_device *u, const char *which, char error[MEM_ERROR_SIZE]);

/*
 * Open /dev/uioN, which every user of an interrupt and of a map may do for itself.
 * Returns a descriptor (CLOEXEC, not O_NONBLOCK), or a negative errno.
 */
int uio_open(const struct uio_device *u, bool read_only, const char *root,
	     char error[MEM_ERROR_SIZE]);

/* mmap(2)'s offset of map @index. */
uint64_t uio_map_offset(unsigned int index);

#endif
