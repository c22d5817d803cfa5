/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an io_uring that does only what its program needs: no filter of system calls sees what is
 * asked of a ring, so each is told itself which operations it may carry out.
 */
#ifndef ICBMSG_TOOLS_COMMON_URING_H
#define ICBMSG_TOOLS_COMMON_URING_H

#include <liburing.h>
#include <stddef.h>
#include <stdint.h>

#define URING_OPCODES_MAX 16u

/** What a ring may do; everything else fails with -EACCES, registering anything included. */
struct uring_rules {
	uint8_t opcodes[URING_OPCODES_MAX]; /**< IORING_OP_... */
	unsigned int opcode_count;
	uint8_t flags; /**< IOSQE_... that operations may have */
};

/**
 * Make a ring with room for @entries operations. @flags: IORING_SETUP_...
 * Returns 0 with @ring, to be given to io_uring_queue_exit(), or a negative errno value for which
 * uring_why_not() has words.
 */
int uring_open(struct io_uring *ring, unsigned int entries, unsigned int flags,
	       const struct uring_rules *rules);

/** Why uring_open() returned @error, and what would help; static, part of a line. */
const char *uring_why_not(int error);

#endif
