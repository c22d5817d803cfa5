// SPDX-License-Identifier: Apache-2.0
/*
 * From a client's socket to the link. The packet is received into the block itself: its size is
 * looked at first, then blocks are taken, then it is read. Where blocks are out it stays in the
 * socket, which is what makes the client wait.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "log.h"

/* What lies in front in a socket. */
enum packet { PACKET_NONE, PACKET_EMPTY, PACKET_DATA, PACKET_EOF };

/* Both an empty packet and the end read as nothing; but a packet brings its sender's credentials. */
static bool is_packet(int fd)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };

	return recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 && message.msg_controllen > 0;
}

static enum packet look(int fd, size_t *size)
{
	ssize_t n;

	/* An error of the socket (the other end was closed with packets unread) is told once. */
	for (int tries = 0; tries < 2; tries++) {
		n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
		if (n > 0) {
			*size = (size_t)n;
			return PACKET_DATA;
		}
		if (n == 0)
			return is_packet(fd) ? PACKET_EMPTY : PACKET_EOF;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return PACKET_NONE;
	}
	return PACKET_EOF;
}

static void skip_packet(int fd)
{
	recv(fd, NULL, 0, MSG_TRUNC | MSG_DONTWAIT);
}

/* Send the buffer that was filled; on an error it is kept for later. */
static enum forwarded send_buffer(struct client *c, void *data, size_t size)
{
	int ret = icbmsg_send_nocopy(c->sub.exported->ept, data, size);

	c->carry = ret < 0 ? data : NULL;
	c->carry_size = size;
	if (ret < 0)
		return subscriber_failed(&c->sub, ret);
	subscriber_count_message(&c->sub, size);
	return FORWARDED;
}

/* Memory that needs aligned accesses: through a buffer of ours. */
static enum forwarded send_copy(struct client *c, size_t size)
{
	static char buffer[1 << 16]; /* most messages; nobody else runs meanwhile */
	char *data = size <= sizeof(buffer) ? buffer : malloc(size);
	int ret;

	if (!data || recv(c->fd, data, size, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)size)
		ret = -EPROTO;
	else
		ret = icbmsg_send(c->sub.exported->ept, data, size, 0);
	if (data != buffer)
		free(data);
	if (ret < 0)
		return subscriber_failed(&c->sub, ret);
	skip_packet(c->fd);
	subscriber_count_message(&c->sub, size);
	return FORWARDED;
}

static enum forwarded refuse_oversize(struct client *c, size_t size)
{
	skip_packet(c->fd);
	c->sub.input.oversize++;
	c->sub.exported->stats.input.oversize++;
	log_limited(&c->sub.exported->log,
		    "%s/%s: process %d sent %zu bytes, but the link carries messages up to %zu; "
		    "it is disconnected",
		    c->sub.exported->instance->name, c->sub.exported->name, (int)c->sub.pid, size,
		    icbmsg_max_size(c->sub.exported->instance->link));
	subscriber_end(&c->sub, "its message is too large");
	return FORWARD_ENDED;
}

static enum forwarded forward_packet(struct client *c, size_t size)
{
	struct icbmsg *link = c->sub.exported->instance->link;
	size_t room = size;
	void *data;
	int ret;

	if (size > icbmsg_max_size(link))
		return refuse_oversize(c, size);
	ret = icbmsg_get_tx_buffer(c->sub.exported->ept, &room, 0, &data);
	if (ret == -EOPNOTSUPP)
		return send_copy(c, size);
	if (ret < 0)
		return subscriber_failed(&c->sub, ret);
	if (recv(c->fd, data, size, MSG_DONTWAIT) != (ssize_t)size) {
		icbmsg_drop_tx_buffer(link, data);
		return FORWARD_NONE;
	}
	return send_buffer(c, data, size);
}

enum forwarded client_forward(struct subscriber *s)
{
	struct client *c = client_of(s);
	size_t size;

	if (subscriber_must_queue(s))
		return FORWARD_FULL;
	if (c->carry)
		return send_buffer(c, c->carry, c->carry_size);
	switch (look(c->fd, &size)) {
	case PACKET_DATA:
		return forward_packet(c, size);
	case PACKET_EMPTY:
		skip_packet(c->fd);
		c->sub.input.empty++;
		c->sub.exported->stats.input.empty++;
		return FORWARDED;
	case PACKET_EOF:
		s->eof = true;
		return FORWARD_ENDED;
	default:
		return FORWARD_NONE;
	}
}

void client_discard_input(struct client *c)
{
	enum packet packet;
	size_t size;

	if (c->carry) {
		icbmsg_drop_tx_buffer(c->sub.exported->instance->link, c->carry);
		c->carry = NULL;
		subscriber_count_discarded(&c->sub);
	}
	while ((packet = look(c->fd, &size)) == PACKET_DATA || packet == PACKET_EMPTY) {
		skip_packet(c->fd);
		if (packet == PACKET_DATA)
			subscriber_count_discarded(&c->sub);
	}
}

bool client_has_input(const struct client *c)
{
	enum packet packet;
	size_t size;

	if (c->carry)
		return true;
	packet = look(c->fd, &size);
	return packet == PACKET_DATA || packet == PACKET_EMPTY;
}
