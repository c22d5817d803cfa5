/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapped shared memory. One mapping holds both regions of a link.
 *
 * Whoever shares an object in RAM is trusted in one respect: shrinking it while it is mapped raises
 * SIGBUS in every process that touches the missing part, and no library can prevent that. A memfd
 * sealed against shrinking cannot be shrunk. Physical memory has its own way there: a bus that
 * answers an access with an error, because the memory has no clock or power.
 */
#ifndef ICBMSG_MEM_MEMORY_H
#define ICBMSG_MEM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mem/error.h"
#include "mem/window.h"
#include "util/access.h"

#define MEMORY_NAME_MAX 255u /* bytes of a POSIX shm name with its leading slash, or a path */
#define MEMORY_MAP_MAX 63u   /* bytes of a UIO map's name */

enum memory_kind {
	MEMORY_NONE,
	MEMORY_SHM,         /* POSIX shared memory by name */
	MEMORY_FD,          /* an inherited descriptor: memfd, file, ... */
	MEMORY_FILE,        /* a file by path: a PCI device's resourceN, ... */
	MEMORY_DEVMEM,      /* physical memory by address, through /dev/mem */
	MEMORY_UIO,         /* a map of a UIO device */
	MEMORY_IVSHMEM,     /* that of an ivshmem server */
	MEMORY_IVSHMEM_PCI, /* that of a guest's ivshmem device */
};

struct ivshmem;

struct memory_spec {
	enum memory_kind kind;
	char name[MEMORY_NAME_MAX + 1]; /* SHM: with its leading slash; FILE: path; UIO: device;
					 * IVSHMEM: socket; IVSHMEM_PCI: address or "" */
	char map[MEMORY_MAP_MAX + 1];   /* UIO: mapN or the map's name, "" for the first */
	int fd;                         /* FD; duplicated, never closed */
	uint64_t address;               /* DEVMEM: of the first byte; a multiple of 4 */
	uint64_t limit;                 /* DEVMEM: bytes that belong to the memory, 0: not known */
	bool sync;                      /* DEVMEM: open with O_SYNC */
	bool create;                    /* SHM: create it if it does not exist; else no effect */
	mode_t mode;                    /* SHM: of a created object, not masked by umask */
	uint64_t size;                  /* bytes needed from the start; an empty object is grown
					 * to it, any other smaller one is refused */
	const char *user;               /* who needs them, for messages; NULL: the regions */
	bool type_given;                /* `type` counts; otherwise the source decides */
	enum mem_type type;
	const char *root; /* a folder to take for "/" in DEVMEM, UIO and IVSHMEM_PCI, for
			   * tests; else NULL */
};

struct memory {
	uint8_t *base; /* a multiple of 4 */
	size_t size;
	enum mem_type type;
	struct window window;
	int fd;      /* of the object; -1 if it was mapped read-only, or disowned */
	uint64_t at; /* where in the object base is, as others who claim parts of it count */
	uint64_t claimed_offset, claimed_size;
	struct ivshmem *bus; /* that it came from, for doorbells; NULL if there is none */
};

/*
 * Map as @spec says, read-write, or read-only (then nothing is created or grown).
 * Returns 0 or a negative errno with one line in @error that names the thing and the remedy.
 */
int memory_map(struct memory *m, const struct memory_spec *spec, bool read_only,
	       char error[MEM_ERROR_SIZE]);

/*
 * Claim @size bytes at @offset for writing, against other programs that do the same: two writers of
 * one region destroy each other's sessions. The claim is a lock on the object that was opened: it
 * is not seen by who came to the same memory by another name (UIO and /dev/mem, the /dev of another
 * container). Where the object knows no locks this claims nothing.
 * Returns 0, or -EBUSY if another program has claimed them. Ends with memory_disown().
 */
int memory_claim(struct memory *m, uint64_t offset, uint64_t size);

/* Leave the bus it came from, if it came from one: nobody will be rung there. */
void memory_leave_bus(struct memory *m);

/* Let others claim what was claimed, and leave the bus; the memory stays mapped. */
void memory_disown(struct memory *m);

void memory_unmap(struct memory *m);

#endif
