/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kind of doorbell consists of; for the files in mem that are one. A new kind is a member of
 * the enum in mem/doorbell.h, what it needs in the spec, a file with its vtable, and a line in
 * doorbell.c's table.
 */
#ifndef ICBMSG_MEM_DOORBELL_KIND_H
#define ICBMSG_MEM_DOORBELL_KIND_H

#include "mem/doorbell.h"

struct doorbell_in_ops {
	bool rung; /* doorbell_is_rung() from the beginning */
	bool busy; /* doorbell_is_busy() */

	/* Fill in @in, which is closed but has its host and rung, on success; the caller sets ops. */
	int (*open)(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error);

	/* Free what is in state; fd is closed by the caller. NULL: nothing to do. */
	void (*close)(struct doorbell_in *in);

	/* As doorbell_clear(). */
	uint64_t (*clear)(struct doorbell_in *in);

	/* As doorbell_looked(); open() sets in->adapts if it is to be called. */
	void (*looked)(struct doorbell_in *in, uint64_t rung, bool found);
};

struct doorbell_out_ops {
	int (*open)(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error);
	void (*close)(struct doorbell_out *out);

	/* As doorbell_ring(). */
	int (*ring)(struct doorbell_out *out);
};

extern const struct doorbell_in_ops doorbell_in_eventfd, doorbell_in_poll, doorbell_in_busy;
extern const struct doorbell_in_ops doorbell_in_uio, doorbell_in_ivshmem;
extern const struct doorbell_out_ops doorbell_out_eventfd, doorbell_out_socket;
extern const struct doorbell_out_ops doorbell_out_register, doorbell_out_ivshmem;

/* Our own descriptor for @fd, whose @role is for the message, or a negative errno. */
int doorbell_duplicate(int fd, const char *role, char *error);

/*
 * Read a counter of 8 bytes, an eventfd's or a timer's, without blocking whatever @blocks says.
 * Returns 0 if it has nothing to give.
 */
uint64_t doorbell_read_counter(int fd, bool blocks);

/* Add 1 to an eventfd, likewise. Returns 0, also if it is full, or a negative errno. */
int doorbell_write_counter(int fd, bool blocks);

/* Whether @fd is an eventfd; true where that cannot be found out. */
bool doorbell_is_eventfd(int fd);

#endif
