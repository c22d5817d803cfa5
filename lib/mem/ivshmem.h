/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ivshmem bus (QEMU's docs/specs/ivshmem-spec): one shared memory and a number of peers, each
 * with an id and a few vectors, the doorbells. A process is a peer by the socket of an ivshmem
 * server (ivshmem_socket.c), a guest's program by the guest's PCI device (ivshmem_pci.c). Memory
 * comes from the same place as the doorbells, so one object stands behind both.
 */
#ifndef ICBMSG_MEM_IVSHMEM_H
#define ICBMSG_MEM_IVSHMEM_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/error.h"

#define IVSHMEM_ID_MAX 65535
#define IVSHMEM_PATH_MAX 107u   /* bytes of a Unix socket's path */
#define IVSHMEM_VECTORS_MAX 32u /* listened to; of the further ones no ring is heard */
#define IVSHMEM_VECTOR_MAX 65535
#define IVSHMEM_ANY (-1)
#define IVSHMEM_NOTICE_SIZE 256u

/* Whom to ring, and which of its vectors. */
struct ivshmem_target {
	int peer; /* an id, or IVSHMEM_ANY: every other peer */
	uint16_t vector;
};

struct ivshmem {
	const struct ivshmem_ops *ops;

	/* What to map. */
	int memory_fd;
	uint64_t memory_offset, memory_size;
	int lock_fd; /* a description of our own, for locks on parts of it; -1: there are none */

	uint16_t id; /* our own */
	struct ivshmem_target target;

	/* Our vectors, eventfds, in an epoll set that what opened the bus may add to. */
	int poll_fd;
	int own[IVSHMEM_VECTORS_MAX];
	bool heard; /* somebody polls the set */
	unsigned int own_count;

	char notice[IVSHMEM_NOTICE_SIZE]; /* "" if there is none */
};

struct ivshmem_ops {
	bool sees_peers; /* otherwise somebody has to say whom to ring */
	bool rung;       /* by others; otherwise the epoll set ticks */

	/* Start hearing. Returns 0 or a negative errno with a line in @error. */
	int (*start)(struct ivshmem *bus, char error[MEM_ERROR_SIZE]);

	/* Something else than our vectors made the epoll set readable. */
	void (*work)(struct ivshmem *bus);

	int (*ring)(struct ivshmem *bus);
	void (*free)(struct ivshmem *bus);
};

/*
 * Become a peer of the server that listens at the Unix socket @path, and get the memory. Waits for
 * a server that is slow, some seconds at most.
 * Returns 0, or a negative errno with one line in @error that names the thing and the remedy:
 * -ENOENT, -ECONNREFUSED, -EACCES, -ETIMEDOUT, -EPROTO (it is no ivshmem server), -EMFILE, ...
 */
int ivshmem_connect(struct ivshmem **out, const char *path, char error[MEM_ERROR_SIZE]);

/*
 * Open the ivshmem device of this machine, a guest, at the PCI address @address ("0000:00:04.0"),
 * or the only one if it is "". By VFIO if the device is bound to vfio-pci, else by sysfs: then
 * nobody can ring us. @read_only: just the memory, also beside whoever has it open. @root: a folder
 * to take for "/", for tests; NULL otherwise.
 * Returns 0, or a negative errno with one line in @error that names the thing and the remedy.
 */
int ivshmem_open_pci(struct ivshmem **out, const char *address, bool read_only, const char *root,
		     char error[MEM_ERROR_SIZE]);

/* Leave the bus; what is mapped stays mapped. NULL is allowed. */
void ivshmem_free(struct ivshmem *bus);

/* Whether others can ring us: otherwise poll_fd is readable now and then, to look at the memory. */
bool ivshmem_is_rung(const struct ivshmem *bus);

/*
 * Ring @target from now on and hear who rings us. From now on poll_fd polls readable when
 * ivshmem_clear() has something to do.
 * Returns 0 or a negative errno with a line in @error.
 */
int ivshmem_start(struct ivshmem *bus, const struct ivshmem_target *target,
		  char error[MEM_ERROR_SIZE]);

/*
 * Take what others rang, on whatever vector, and what the server has to tell. Never blocks; does a
 * bounded amount of work. Returns the number of rings.
 */
uint64_t ivshmem_clear(struct ivshmem *bus);

/* Ring the other side. Returns 0, also if nobody is there, or a negative errno. */
int ivshmem_ring(struct ivshmem *bus);

/*
 * Take the last line about what has happened on the bus that a person should know. Returns false if
 * there is none.
 */
bool ivshmem_take_notice(struct ivshmem *bus, char out[IVSHMEM_NOTICE_SIZE]);

/* For what implements a bus. */

/* The epoll set and the rest, empty. 0 or a negative errno. */
int ivshmem_init(struct ivshmem *bus, const struct ivshmem_ops *ops);
void ivshmem_deinit(struct ivshmem *bus);

/* One more vector of ours, an eventfd; it is the bus's from now on, also after an error. */
int ivshmem_add_vector(struct ivshmem *bus, int fd);

/* Let @fd call ops->work. */
int ivshmem_watch(struct ivshmem *bus, int fd);

void ivshmem_tell(struct ivshmem *bus, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
