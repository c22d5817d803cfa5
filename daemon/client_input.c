// SPDX-License-Identifier: Apache-2.0
/*
 * From clients' sockets to the link. A packet is received into the block itself: its size is looked
 * at first, then blocks are taken, then it is read. Where blocks are out it stays in the socket,
 * which is what makes the client wait.
 *
 * Clients whose sockets are readable in the same turn of the event loop are looked at together, take
 * blocks one after the other, and are read together: one message each, and another round while they
 * have more, up to MESSAGES_PER_TURN.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "ring.h"

/* Of one client, until the link and everything else is looked at again; on device memory one. */
#define MESSAGES_PER_TURN 8

/* What lies in front in a socket. */
enum packet { PACKET_NONE, PACKET_EMPTY, PACKET_DATA, PACKET_EOF };

/* Both an empty packet and the end read as nothing; but a packet brings its sender's credentials. */
static bool is_packet(int fd)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };

	return recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 && message.msg_controllen > 0;
}

static ssize_t look(int fd)
{
	ssize_t n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* @n: what looking has said. */
static enum packet judge(int fd, ssize_t n, size_t *size)
{
	/* An error of the socket (the other end was closed with packets unread) is told once. */
	if (n < 0 && n != -EAGAIN)
		n = look(fd);
	if (n > 0) {
		*size = (size_t)n;
		return PACKET_DATA;
	}
	if (n == 0)
		return is_packet(fd) ? PACKET_EMPTY : PACKET_EOF;
	return n == -EAGAIN ? PACKET_NONE : PACKET_EOF;
}

static void skip_packet(int fd)
{
	recv(fd, NULL, 0, MSG_TRUNC | MSG_DONTWAIT);
}

/*
 * A message that could not be sent waits in memory of ours. In its blocks it would outlive the
 * session, and where those of several clients are all there are, no endpoint could be announced in
 * the next one.
 */
static void carry(struct client *c, const void *data, size_t size)
{
	c->carry = malloc(size);
	c->carry_size = size;
	if (c->carry)
		memcpy(c->carry, data, size);
	else
		subscriber_count_discarded(&c->sub);
}

/* Send the buffer that was filled. */
static enum forwarded send_buffer(struct client *c, void *data, size_t size)
{
	int ret = icbmsg_send_nocopy(c->sub.exported->ept, data, size);

	if (ret < 0) {
		carry(c, data, size);
		icbmsg_drop_tx_buffer(c->sub.exported->instance->link, data);
		return subscriber_failed(&c->sub, ret);
	}
	subscriber_count_message(&c->sub, size);
	return FORWARDED;
}

static void drop_carry(struct client *c)
{
	free(c->carry);
	c->carry = NULL;
}

static enum forwarded send_carry(struct client *c)
{
	int ret = icbmsg_send(c->sub.exported->ept, c->carry, c->carry_size, 0);

	if (ret < 0)
		return subscriber_failed(&c->sub, ret);
	subscriber_count_message(&c->sub, c->carry_size);
	drop_carry(c);
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

static ssize_t receive(const struct client *c, void *data, size_t size)
{
	struct ring_op op = { .kind = RING_RECEIVE, .fd = c->fd, .data = data, .size = size };

	ring_run(c->sub.exported->instance->server->ring, &op, 1);
	return op.result;
}

/* @n bytes are in the buffer. */
static enum forwarded received(struct client *c, void *data, size_t size, ssize_t n)
{
	if (n == (ssize_t)size)
		return send_buffer(c, data, size);
	icbmsg_drop_tx_buffer(c->sub.exported->instance->link, data);
	return FORWARD_NONE;
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
	if (c->looked) {
		c->fill = data;
		c->fill_size = size;
		return FORWARDED;
	}
	return received(c, data, size, receive(c, data, size));
}

enum forwarded client_forward(struct subscriber *s)
{
	struct client *c = client_of(s);
	size_t size;

	if (subscriber_must_queue(s))
		return FORWARD_FULL;
	if (c->carry)
		return send_carry(c);
	switch (judge(c->fd, c->looked ? c->front : look(c->fd), &size)) {
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

static void drop_fill(struct client *c)
{
	if (c->fill)
		icbmsg_drop_tx_buffer(c->sub.exported->instance->link, c->fill);
	c->fill = NULL;
	c->filled = false;
}

void client_discard_input(struct client *c)
{
	enum packet packet;
	size_t size;

	if (c->carry || c->filled)
		subscriber_count_discarded(&c->sub);
	drop_carry(c);
	drop_fill(c);
	while ((packet = judge(c->fd, look(c->fd), &size)) == PACKET_DATA ||
	       packet == PACKET_EMPTY) {
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
	packet = judge(c->fd, look(c->fd), &size);
	return packet == PACKET_DATA || packet == PACKET_EMPTY;
}

static void join_readers(struct client *c)
{
	struct server *s = c->sub.exported->instance->server;

	if (!c->reader)
		TAILQ_INSERT_TAIL(&s->readers, c, in_readers);
	c->reader = true;
}

void client_has_turn(struct client *c)
{
	c->turns = MESSAGES_PER_TURN;
	join_readers(c);
}

/* It has had one. */
static void has_another_turn(struct client *c)
{
	if (!c->sub.ended && c->reading == READING_ON && --c->turns > 0)
		join_readers(c);
}

void client_has_no_turn(struct client *c)
{
	struct server *s = c->sub.exported->instance->server;

	if (c->reader)
		TAILQ_REMOVE(&s->readers, c, in_readers);
	c->reader = false;
}

/* Take as many from the queue as fit into one batch. */
static unsigned int next_readers(struct server *s, struct client *readers[RING_BATCH])
{
	unsigned int count = 0;
	struct client *c;

	while (count < RING_BATCH && (c = TAILQ_FIRST(&s->readers))) {
		client_has_no_turn(c);
		readers[count++] = c;
	}
	return count;
}

/* See what each has in front. */
static void look_together(struct ring *ring, struct client *const readers[], unsigned int count)
{
	struct ring_op ops[RING_BATCH];

	for (unsigned int n = 0; n < count; n++)
		ops[n] = (struct ring_op){ .kind = RING_LOOK, .fd = readers[n]->fd };
	ring_run(ring, ops, count);
	for (unsigned int n = 0; n < count; n++) {
		readers[n]->looked = true;
		readers[n]->front = ops[n].result;
	}
}

static void receive_together(struct ring *ring, struct client *const who[], unsigned int count)
{
	struct ring_op ops[RING_BATCH];

	for (unsigned int n = 0; n < count; n++)
		ops[n] = (struct ring_op){ .kind = RING_RECEIVE,
					   .fd = who[n]->fd,
					   .data = who[n]->fill,
					   .size = who[n]->fill_size };
	ring_run(ring, ops, count);
	for (unsigned int n = 0; n < count; n++) {
		struct client *c = who[n];

		c->filled = ops[n].result == (ssize_t)c->fill_size;
		if (!c->filled)
			drop_fill(c);
	}
}

/* What has been received; if it cannot be sent it waits as in a turn of its own. */
static void send_received(struct client *c)
{
	void *data = c->fill;
	enum forwarded forwarded;

	c->fill = NULL;
	c->filled = false;
	if (!data)
		return;
	forwarded = send_buffer(c, data, c->fill_size);
	if (forwarded == FORWARD_FULL)
		subscriber_turn(&c->sub);
	else if (forwarded == FORWARDED)
		has_another_turn(c);
}

/* Turns up to where packets are to be received; those whose blocks are there stay in @readers. */
static unsigned int take_blocks(struct client *readers[], unsigned int count)
{
	unsigned int filling = 0;

	for (unsigned int n = 0; n < count; n++) {
		struct client *c = readers[n];

		if (!c->sub.ended && c->reading == READING_ON)
			subscriber_turn(&c->sub);
		c->looked = false;
	}
	/* Later turns may have ended earlier clients. */
	for (unsigned int n = 0; n < count; n++)
		if (readers[n]->fill)
			readers[filling++] = readers[n];
	return filling;
}

void client_take_turns(struct server *s)
{
	struct client *readers[RING_BATCH];
	unsigned int count;

	while ((count = next_readers(s, readers)) > 0) {
		look_together(s->ring, readers, count);
		count = take_blocks(readers, count);
		receive_together(s->ring, readers, count);
		for (unsigned int n = 0; n < count; n++)
			send_received(readers[n]);
	}
}
