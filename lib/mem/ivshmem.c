// SPDX-License-Identifier: Apache-2.0
/*
 * What the two ways onto an ivshmem bus have in common: our vectors, in one pollable set.
 */
#include "mem/ivshmem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "mem/doorbell_kind.h"
#include "util/cleanup.h"

#define WORK UINT64_C(0xffffffff) /* in an epoll event: not a vector */
#define EVENTS_PER_TURN (IVSHMEM_VECTORS_MAX + 1)

int ivshmem_init(struct ivshmem *bus, const struct ivshmem_ops *ops)
{
	*bus = (struct ivshmem){
		.ops = ops,
		.memory_fd = -1,
		.lock_fd = -1,
		.target = { .peer = IVSHMEM_ANY },
		.poll_fd = epoll_create1(EPOLL_CLOEXEC),
	};
	return bus->poll_fd < 0 ? -errno : 0;
}

void ivshmem_deinit(struct ivshmem *bus)
{
	while (bus->own_count > 0)
		close_fd(&bus->own[--bus->own_count]);
	close_fd(&bus->poll_fd);
	close_fd(&bus->memory_fd);
	close_fd(&bus->lock_fd);
}

static int watch(struct ivshmem *bus, int fd, uint64_t what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = what };

	return epoll_ctl(bus->poll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int ivshmem_watch(struct ivshmem *bus, int fd)
{
	return watch(bus, fd, WORK);
}

int ivshmem_add_vector(struct ivshmem *bus, int fd)
{
	_cleanup_(close_fd) int own = fd;
	unsigned int n = bus->own_count;
	int ret;

	if (n == IVSHMEM_VECTORS_MAX)
		return 0;
	ret = watch(bus, own, n);
	if (ret < 0)
		return ret;
	bus->own[n] = take_fd(&own);
	bus->own_count++;
	return 0;
}

void ivshmem_tell(struct ivshmem *bus, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(bus->notice, sizeof(bus->notice), format, ap);
	va_end(ap);
}

bool ivshmem_take_notice(struct ivshmem *bus, char out[IVSHMEM_NOTICE_SIZE])
{
	if (!bus->notice[0])
		return false;
	memcpy(out, bus->notice, IVSHMEM_NOTICE_SIZE);
	bus->notice[0] = '\0';
	return true;
}

void ivshmem_free(struct ivshmem *bus)
{
	if (bus)
		bus->ops->free(bus);
}

bool ivshmem_is_rung(const struct ivshmem *bus)
{
	return bus->ops->rung;
}

int ivshmem_start(struct ivshmem *bus, const struct ivshmem_target *target,
		  char error[MEM_ERROR_SIZE])
{
	if (target->peer == IVSHMEM_ANY && !bus->ops->sees_peers)
		return mem_fail(error, -EINVAL,
				"doorbell: a guest cannot see who else is there; give the other "
				"side's id, for example ivshmem:0");
	bus->target = *target;
	return bus->ops->start(bus, error);
}

uint64_t ivshmem_clear(struct ivshmem *bus)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int i, n = epoll_wait(bus->poll_fd, ev, EVENTS_PER_TURN, 0);
	uint64_t what, rings = 0;

	for (i = 0; i < n; i++) {
		what = ev[i].data.u64;
		if (what == WORK)
			bus->ops->work(bus);
		else
			/* Every peer can make it block, at any time. */
			rings += doorbell_read_counter(bus->own[what], true);
	}
	return rings;
}

int ivshmem_ring(struct ivshmem *bus)
{
	return bus->ops->ring(bus);
}
