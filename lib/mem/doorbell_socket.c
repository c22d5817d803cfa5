// SPDX-License-Identifier: Apache-2.0
/*
 * Rings over a socket that carries other packets, too: whoever owns it reads it, and has the
 * library look when a ring has come. So there is a way out here and none in.
 */
#include "mem/doorbell_kind.h"

#include <errno.h>
#include <sys/socket.h>

#include "util/cleanup.h"

/* A packet of one byte is one only where the socket keeps packets apart. */
static bool keeps_packets(int fd)
{
	socklen_t size = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int open_out(struct doorbell_out *out, const struct doorbell_out_spec *spec, char *error)
{
	_cleanup_(close_fd) int fd = doorbell_duplicate(spec->fd, "socket", error);

	if (fd < 0)
		return fd;
	if (!keeps_packets(fd))
		return mem_fail(error, -EINVAL,
				"doorbell: descriptor %d is not a SEQPACKET socket; pass a "
				"connected one",
				spec->fd);
	out->fd = take_fd(&fd);
	return 0;
}

/* A full socket is no error: what lies unread in it makes the other side look. */
static int ring(struct doorbell_out *out)
{
	const uint8_t packet = DOORBELL_RING;
	ssize_t n;

	do
		n = send(out->fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

const struct doorbell_out_ops doorbell_out_socket = {
	.open = open_out,
	.ring = ring,
};
