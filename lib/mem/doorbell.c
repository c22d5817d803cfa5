// SPDX-License-Identifier: Apache-2.0
/*
 * The front of all kinds of doorbells.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/cleanup.h"

#define KINDS(table) (sizeof(table) / sizeof((table)[0]))

static const struct doorbell_in_ops *const in_kinds[] = {
	[DOORBELL_IN_EVENTFD] = &doorbell_in_eventfd, [DOORBELL_IN_POLL] = &doorbell_in_poll,
	[DOORBELL_IN_BUSY] = &doorbell_in_busy,       [DOORBELL_IN_UIO] = &doorbell_in_uio,
	[DOORBELL_IN_IVSHMEM] = &doorbell_in_ivshmem,
};

static const struct doorbell_out_ops *const out_kinds[] = {
	[DOORBELL_OUT_EVENTFD] = &doorbell_out_eventfd,
	[DOORBELL_OUT_SOCKET] = &doorbell_out_socket,
	[DOORBELL_OUT_REGISTER] = &doorbell_out_register,
	[DOORBELL_OUT_IVSHMEM] = &doorbell_out_ivshmem,
};

int doorbell_duplicate(int fd, const char *role, char *error)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own >= 0)
		return own;
	if (errno == EBADF)
		return mem_fail(error, -EBADF,
				"doorbell: %s descriptor %d is not open in this process; "
				"whoever starts it must pass it on",
				role, fd);
	return mem_fail(error, -errno, "doorbell: %s descriptor %d: %s", role, fd, strerror(errno));
}

static int open_in(struct doorbell_in *in, const struct doorbell_in_spec *spec, char *error)
{
	const struct doorbell_in_ops *ops =
		(size_t)spec->kind < KINDS(in_kinds) ? in_kinds[spec->kind] : NULL;
	int ret;

	if (spec->kind == DOORBELL_IN_ELSEWHERE)
		return 0;
	if (!ops)
		return mem_fail(error, -EINVAL, "doorbell: none is configured");
	in->rung = ops->rung;
	ret = ops->open(in, spec, error);
	if (ret == 0)
		in->ops = ops;
	return ret;
}

static int open_out(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error)
{
	const struct doorbell_out_ops *ops =
		(size_t)spec->kind < KINDS(out_kinds) ? out_kinds[spec->kind] : NULL;
	int ret;

	if (spec->kind == DOORBELL_OUT_NOBODY)
		return 0;
	if (!ops)
		return mem_fail(error, -EINVAL, "doorbell: none to ring is configured");
	ret = ops->open(out, spec, error);
	if (ret == 0)
		out->ops = ops;
	return ret;
}

/* Mailboxes are to be told once that they may interrupt. */
static int set_up(const struct doorbell_spec *spec, char *error)
{
	struct registers *setup;
	int ret = registers_open(&setup, &spec->setup, spec->in.root, error);

	if (ret < 0)
		return ret;
	registers_run(setup);
	registers_close(setup);
	return 0;
}

int doorbell_open(struct doorbell *d, const struct doorbell_spec *spec,
		  const struct doorbell_host *host, char error[MEM_ERROR_SIZE])
{
	_cleanup_(doorbell_close) struct doorbell opened = DOORBELL_CLOSED;
	int ret;

	opened.in.host = *host;
	ret = set_up(spec, error);
	if (ret == 0)
		ret = open_in(&opened.in, &spec->in, error);
	if (ret == 0)
		ret = open_out(&opened.out, &spec->out, error);
	if (ret < 0)
		return ret;
	*d = opened;
	opened = DOORBELL_CLOSED;
	return 0;
}

void doorbell_close(struct doorbell *d)
{
	if (d->in.ops && d->in.ops->close)
		d->in.ops->close(&d->in);
	if (d->out.ops && d->out.ops->close)
		d->out.ops->close(&d->out);
	if (d->in.ops)
		close_fd(&d->in.fd);
	if (d->out.ops)
		close_fd(&d->out.fd);
	*d = DOORBELL_CLOSED;
}

int doorbell_ring(struct doorbell *d)
{
	return d->out.ops ? d->out.ops->ring(&d->out) : 0;
}

bool doorbell_is_rung(const struct doorbell *d)
{
	return d->in.rung;
}

bool doorbell_is_busy(const struct doorbell *d)
{
	return d->in.ops && d->in.ops->busy;
}

uint64_t doorbell_clear(struct doorbell *d)
{
	return d->in.ops ? d->in.ops->clear(&d->in) : 0;
}

void doorbell_looked(struct doorbell *d, uint64_t rung, bool found)
{
	if (d->in.adapts)
		d->in.ops->looked(&d->in, rung, found);
}
