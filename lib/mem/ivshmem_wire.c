// SPDX-License-Identifier: Apache-2.0
/*
 * Dialling an ivshmem server and cutting what it says into messages. Exactly the bytes that are
 * missing from a message are asked for, so that each descriptor stays with its number.
 */
#include "mem/ivshmem_wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "util/cleanup.h"

void ivshmem_reader_deinit(struct ivshmem_reader *r)
{
	close_fd(&r->fd);
	r->have = 0;
}

/* Keep the descriptor that came, if any. More than one belongs to no message: close all. */
static int take_descriptors(struct ivshmem_reader *r, struct msghdr *msg)
{
	struct cmsghdr *c;
	int fds[2], n = 0;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	}
	if (n == 1 && r->fd < 0 && !(msg->msg_flags & MSG_CTRUNC)) {
		r->fd = fds[0];
		return 0;
	}
	for (int i = 0; i < n; i++)
		close_fd(&fds[i]);
	if (n == 0)
		return msg->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
	return -EPROTO;
}

/* Room for two descriptors: one more than belongs there. */
static ssize_t receive(struct ivshmem_reader *r, int socket, int *ret)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = r->bytes + r->have,
			     .iov_len = IVSHMEM_MESSAGE_SIZE - r->have };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		*ret = errno == EAGAIN ? 0 : -errno;
	else if (n == 0)
		*ret = -ECONNRESET;
	else
		*ret = take_descriptors(r, &msg);
	return n;
}

int ivshmem_read(struct ivshmem_reader *r, int socket, struct ivshmem_message *out)
{
	uint64_t number;
	ssize_t n;
	int ret;

	while (r->have < IVSHMEM_MESSAGE_SIZE) {
		n = receive(r, socket, &ret);
		if (n <= 0 || ret < 0)
			return ret;
		r->have += (unsigned int)n;
	}
	memcpy(&number, r->bytes, sizeof(number));
	out->number = (int64_t)le64toh(number);
	out->fd = take_fd(&r->fd);
	r->have = 0;
	return 1;
}

static int explain(const char *path, int err, char error[MEM_ERROR_SIZE])
{
	switch (err) {
	case ENOENT:
		return mem_fail(error, -err,
				"ivshmem:%.100s does not exist; start the server first, for "
				"example: icbmsg-sim serve %.100s",
				path, path);
	case ECONNREFUSED:
		return mem_fail(error, -err,
				"ivshmem:%.100s: no server listens there, it is left over; start "
				"the server again, for example: icbmsg-sim serve %.100s",
				path, path);
	case EPROTOTYPE:
		return mem_fail(error, -err,
				"ivshmem:%.100s is not an ivshmem server's socket; give the one "
				"of its server",
				path);
	case EAGAIN:
		return mem_fail(error, -ETIMEDOUT,
				"ivshmem:%.100s: the server does not accept connections; see "
				"whether it hangs",
				path);
	default:
		return mem_fail(error, -err, "ivshmem:%.100s cannot be connected: %s", path,
				strerror(err));
	}
}

int ivshmem_dial(const char *path, int timeout_ms, char error[MEM_ERROR_SIZE])
{
	const struct timeval timeout = { .tv_sec = timeout_ms / 1000,
					 .tv_usec = timeout_ms % 1000 * 1000L };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(close_fd) int fd = -1;
	char label[128];
	int ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return mem_fail(error, -ENAMETOOLONG,
				"ivshmem:%.60s...: a socket's path has at most %zu bytes; use a "
				"shorter one",
				path, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return explain(path, errno, error);
	do
		ret = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return take_fd(&fd);
	if (errno != EACCES)
		return explain(path, errno, error);
	snprintf(label, sizeof(label), "ivshmem:%s", path);
	return mem_fail_access(error, label, path, false,
			       "start the server with --socket-mode 0660");
}
