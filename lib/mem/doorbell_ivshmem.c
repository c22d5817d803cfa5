// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells of the ivshmem bus that the memory is on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mem/doorbell_kind.h"
#include "mem/ivshmem.h"

bool doorbell_needs_bus(const struct doorbell_spec *spec)
{
	return spec->in.kind == DOORBELL_IN_IVSHMEM || spec->out.kind == DOORBELL_OUT_IVSHMEM;
}

int doorbell_join_bus(struct doorbell_spec *spec, struct ivshmem *bus, char error[MEM_ERROR_SIZE])
{
	if (!bus)
		return mem_fail(
			error, -EINVAL,
			"doorbell: ivshmem rings through the ivshmem bus that the memory is "
			"on; write memory = ivshmem:SOCKET, or another doorbell");
	spec->in.bus = spec->out.bus = bus;
	return ivshmem_start(bus, &spec->target, error);
}

static int open_in(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	int fd = fcntl(spec->bus->poll_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return mem_fail(error, -errno, "doorbell: ivshmem: %s", strerror(errno));
	spec->bus->heard = true;
	in->fd = fd;
	in->rung = ivshmem_is_rung(spec->bus);
	in->state = spec->bus;
	return 0;
}

static uint64_t clear(struct doorbell_in *in)
{
	uint64_t rings = ivshmem_clear(in->state);
	char notice[IVSHMEM_NOTICE_SIZE];

	if (ivshmem_take_notice(in->state, notice))
		in->host.log(in->host.user, notice);
	return rings;
}

const struct doorbell_in_ops doorbell_in_ivshmem = {
	.rung = true,
	.open = open_in,
	.clear = clear,
};

static int open_out(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error)
{
	(void)error;
	out->state = spec->bus;
	return 0;
}

/* Whom to ring is news that somebody has to read, where nobody listens to the bus. */
static int ring(struct doorbell_out *out)
{
	struct ivshmem *bus = out->state;

	if (!bus->heard)
		ivshmem_clear(bus);
	return ivshmem_ring(bus);
}

const struct doorbell_out_ops doorbell_out_ivshmem = {
	.open = open_out,
	.ring = ring,
};
