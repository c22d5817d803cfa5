/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of mailboxes and interrupt controllers, as far as doorbells need them: a few accesses
 * that are always the same, described in the configuration, at addresses that are mapped once.
 */
#ifndef ICBMSG_MEM_REGISTER_H
#define ICBMSG_MEM_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/error.h"

#define REGISTER_LIST_MAX 4u
#define REGISTER_NAME_MAX 95u
#define REGISTER_MAP_MAX 31u

enum register_place {
	REGISTER_MEM,  /* by physical address */
	REGISTER_UIO,  /* in a map of a UIO device */
	REGISTER_FILE, /* in a file: a PCI device's resourceN */
};

enum register_action {
	REGISTER_WRITE, /* write the value */
	REGISTER_SET,   /* read, write back with the value's bits set */
	REGISTER_CLEAR, /* read, write back with the value's bits clear */
	REGISTER_W1C,   /* read, write back those of the value's bits that were set, if any */
};

struct register_access {
	enum register_place place;
	enum register_action action;
	unsigned int bits;                /* of the one access: 8, 16, 32 or 64 */
	uint64_t offset;                  /* MEM: the address; a multiple of the width */
	uint64_t value;                   /* fits into the width */
	char name[REGISTER_NAME_MAX + 1]; /* UIO: device; FILE: path */
	char map[REGISTER_MAP_MAX + 1];   /* UIO: as uio_find_map() takes it */
};

struct register_list {
	unsigned int count;
	struct register_access at[REGISTER_LIST_MAX];
};

struct registers;

/*
 * Map what @list names. @root: a folder to take for "/", for tests; NULL otherwise.
 * Returns 0 with NULL in *@out for an empty list, or a negative errno with one line in @error.
 */
int registers_open(struct registers **out, const struct register_list *list, const char *root,
		   char error[MEM_ERROR_SIZE]);

/* NULL is allowed. */
void registers_close(struct registers *r);

/*
 * Do the accesses, in order. What was written to memory before is visible before the first, and
 * what is read from memory after it is read after the last. NULL: nothing to do.
 */
void registers_run(const struct registers *r);

#endif
