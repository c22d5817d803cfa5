/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an ivshmem server says, message by message (QEMU's docs/specs/ivshmem-spec, "Client-Server
 * protocol"): 8-byte little-endian numbers, some with a descriptor. Clients say nothing.
 */
#ifndef ICBMSG_MEM_IVSHMEM_WIRE_H
#define ICBMSG_MEM_IVSHMEM_WIRE_H

#include <stdint.h>

#include "mem/error.h"

#define IVSHMEM_VERSION 0
#define IVSHMEM_MEMORY (-1) /* the number that comes with the memory */
#define IVSHMEM_MESSAGE_SIZE 8u

struct ivshmem_message {
	int64_t number;
	int fd; /* the receiver's; -1 if none came */
};

/* A message of which not everything has come yet. */
struct ivshmem_reader {
	uint8_t bytes[IVSHMEM_MESSAGE_SIZE];
	unsigned int have;
	int fd;
};

#define IVSHMEM_READER_INIT ((struct ivshmem_reader){ .fd = -1 })

void ivshmem_reader_deinit(struct ivshmem_reader *r);

/*
 * Read one message without blocking. Returns 1 with it in @out, 0 if there is none yet, or a
 * negative errno: -ECONNRESET at the end of file, also in the middle of a message; -EPROTO for more
 * than one descriptor; -EMFILE if a descriptor came but there was no room for it.
 */
int ivshmem_read(struct ivshmem_reader *r, int socket, struct ivshmem_message *out);

/*
 * A connection to the server at @path, or a negative errno with a line in @error. Blocks while the
 * server's queue is full, up to @timeout_ms.
 */
int ivshmem_dial(const char *path, int timeout_ms, char error[MEM_ERROR_SIZE]);

#endif
