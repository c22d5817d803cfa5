// SPDX-License-Identifier: Apache-2.0
/*
 * A ring is made disabled, restricted (io_uring_register(2), IORING_REGISTER_RESTRICTIONS, Linux
 * 5.10) and enabled, in this order: there is no moment at which it would do more.
 */
#include "common/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* liburing 2.3 declares functions for the two calls below, but its shared library lacks them. */
static int call_register(const struct io_uring *ring, unsigned int opcode, const void *argument,
			 unsigned int count)
{
	long ret = syscall(__NR_io_uring_register, ring->ring_fd, opcode, argument, count);

	return ret < 0 ? -errno : 0;
}

static int restrict_to(const struct io_uring *ring, const struct uring_rules *rules)
{
	struct io_uring_restriction list[URING_OPCODES_MAX + 1] = { 0 };
	unsigned int n = 0;

	for (; n < rules->opcode_count; n++)
		list[n] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP,
							 .sqe_op = rules->opcodes[n] };
	list[n++] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
						   .sqe_flags = rules->flags };
	return call_register(ring, IORING_REGISTER_RESTRICTIONS, list, n);
}

int uring_open(struct io_uring *ring, unsigned int entries, unsigned int flags,
	       const struct uring_rules *rules)
{
	struct io_uring new;
	int ret = io_uring_queue_init(entries, &new, flags | IORING_SETUP_R_DISABLED);

	if (ret < 0)
		return ret;
	ret = restrict_to(&new, rules);
	if (ret == 0)
		ret = call_register(&new, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (ret < 0) {
		io_uring_queue_exit(&new);
		return ret;
	}
	*ring = new;
	return 0;
}

const char *uring_why_not(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "not permitted (sysctl kernel.io_uring_disabled, or a system call filter)";
	case -ENOSYS:
		return "the kernel has none, or a system call filter hides it";
	case -EINVAL:
		return "the kernel's is too old; it has to be Linux 5.10 or newer";
	case -ENOMEM:
		return "too little memory may be locked (ulimit -l, LimitMEMLOCK)";
	default:
		return strerror(-error);
	}
}
