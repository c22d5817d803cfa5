/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A /dev/uio0 that behaves as the kernel's does (drivers/uio/uio.c), by FUSE in a process of its
 * own: read(2) of 4 bytes tells the count when it has changed since the last read of this
 * descriptor, poll(2) tells when that is, write(2) of 1 enables the interrupt. What can go wrong
 * there can be made to.
 */
#ifndef ICBMSG_TESTS_UIO_FUSE_H
#define ICBMSG_TESTS_UIO_FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Shared between the test and the device; begins a file of a page, its registers. */
struct uio_fuse_device {
	_Atomic uint32_t status; /* a register: not 0 while the line is active, if it is level */
	_Atomic uint32_t scratch[15];
	_Atomic bool level;          /* the line stays active until status is 0 */
	_Atomic bool enabled;        /* the next interrupt is counted; it disables itself */
	_Atomic bool pending;        /* one came while it was disabled */
	_Atomic uint32_t count;      /* of interrupts, as read(2) tells it */
	_Atomic uint32_t enables;    /* by write(2) */
	_Atomic uint32_t bad_writes; /* other than 4 bytes with a 1 */
	_Atomic uint32_t reads;
	_Atomic int read_error, write_error; /* errno, or 0 */
	_Atomic uint32_t read_size;          /* bytes that read(2) gives: 4 */
};

struct uio_fuse {
	pid_t pid;
	struct uio_fuse_device *device;
	char registers[64]; /* the file's path */
	char kick[64];
};

/*
 * Mount on @root/dev, which exists. False if this machine has no FUSE, or not for us: then the test
 * cannot be run.
 */
bool uio_fuse_start(struct uio_fuse *u, const char *root);
void uio_fuse_stop(struct uio_fuse *u);

/* Raise the interrupt: count it and wake who waits if it is enabled, else keep it pending. */
void uio_fuse_interrupt(struct uio_fuse *u);

/* Let who polls look again: something else has changed. */
void uio_fuse_wake(struct uio_fuse *u);

#endif
