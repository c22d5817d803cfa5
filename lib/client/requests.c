// SPDX-License-Identifier: Apache-2.0
/*
 * Endpoints as the daemon sees them: asking for one, and giving it back. The socket never blocks: a
 * daemon that lets it fill up with requests has to take them from the next connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "client/link.h"
#include "core/wait.h"

static int send_request(const struct icbmsg *i, enum client_packet type, const char *name)
{
	size_t size = strlen(name);
	uint8_t packet[1 + SESSION_NAME_MAX];

	packet[0] = (uint8_t)type;
	memcpy(packet + 1, name, size);
	return send(i->backend_fd, packet, 1 + size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void ask(struct icbmsg *i, enum request_kind kind, int slot)
{
	struct link *c = link_of(i);

	c->request = (struct request){ .kind = kind,
				       .slot = slot,
				       .registration = i->ept[slot].registration };
	strcpy(c->request.name, i->session->ept[slot].name);
	c->when = clock_now() + HELLO_TIMEOUT_NS;
	wait_tick_at(i, c->when);
	if (send_request(i, CLIENT_REGISTER, c->request.name) < 0)
		link_hang_up(i, "does not read what is sent to it");
}

/* Register the next of the endpoints from before this connection, if there is one. */
static void ask_again(struct icbmsg *i)
{
	struct link *c = link_of(i);
	const struct session *s = i->session;

	c->request.kind = REQUEST_NONE;
	while (c->again < (int)s->ept_count && !s->ept[c->again].registered)
		c->again++;
	if (c->again < (int)s->ept_count)
		ask(i, REQUEST_AGAIN, c->again++);
	else
		wait_notify(i);
}

static void log_refusal(struct icbmsg *i, const struct request *r)
{
	instance_log(i, ICBMSG_LOG_WARNING, "endpoint %s: icbmsgd refuses it: %s", r->name,
		     *r->text ? r->text : strerror(-r->error));
}

/* An endpoint that the program has had for long is refused now. */
static void report_refusal(struct icbmsg *i, const struct request *r)
{
	log_refusal(i, r);
	i->session->ept[r->slot].refusal = r->error;
	session_push(i->session, EVENT_ERROR, r->slot, 0);
	i->link.changed |= PROTO_EVENTS;
}

/* Has the program given the endpoint back meanwhile? Its slot may be another's then. */
static bool is_obsolete(const struct icbmsg *i, const struct request *r)
{
	return !i->session->ept[r->slot].registered ||
	       i->ept[r->slot].registration != r->registration;
}

static void settle_again(struct icbmsg *i, const struct request *r)
{
	if (!is_obsolete(i, r)) {
		link_of(i)->has_it[r->slot] = r->error == 0;
		if (r->error < 0)
			report_refusal(i, r);
	} else if (r->error == 0 && send_request(i, CLIENT_DEREGISTER, r->name) < 0) {
		link_hang_up(i, "does not read what is sent to it");
		return;
	}
	ask_again(i);
}

static void settle_request(struct icbmsg *i)
{
	struct link *c = link_of(i);
	struct request *r = &c->request;

	r->answered = true;
	if (r->kind == REQUEST_AGAIN) {
		settle_again(i, r);
		return;
	}
	c->has_it[r->slot] = r->error == 0;
	wait_notify(i);
}

bool requests_take_answer(struct icbmsg *i, const uint8_t *packet, size_t size)
{
	struct request *r = &link_of(i)->request;
	struct client_answer a;

	if (size < sizeof(a) || r->kind == REQUEST_NONE || r->answered)
		return false;
	memcpy(&a, packet, sizeof(a));
	if (a.error > 0 || a.error < -4095)
		return false;
	r->error = a.error;
	hello_copy_text(r->text, packet + sizeof(a), size - sizeof(a));
	settle_request(i);
	return true;
}

/* Sleep, and read what has come over the socket, also when messages keep everybody busy. */
static void wait_for_packets(struct icbmsg *i)
{
	wait_for_change(i, DEADLINE_NEVER);
	wait_collect(i);
	/* There were doorbells among it. */
	if (i->rung > 0)
		instance_pump(i);
}

/* A turn for a request of ours; 0, or -ESHUTDOWN. */
static int wait_for_turn(struct icbmsg *i)
{
	struct link *c = link_of(i);

	while (!i->closing && c->state == LINK_JOINED && c->request.kind != REQUEST_NONE)
		wait_for_packets(i);
	return i->closing ? -ESHUTDOWN : 0;
}

/* The answer to what was asked on @connection; -EAGAIN if that has ended first. */
static int wait_for_answer(struct icbmsg *i, uint32_t connection)
{
	struct link *c = link_of(i);
	struct request *r = &c->request;

	while (!i->closing && c->connection == connection && !r->answered)
		wait_for_packets(i);
	/* By now the request may be of another connection. */
	if (c->connection != connection)
		return c->timed_out == connection ? -ETIMEDOUT : -EAGAIN;
	if (!r->answered)
		return -ESHUTDOWN;
	r->kind = REQUEST_NONE;
	wait_notify(i);
	if (r->error < 0)
		log_refusal(i, r);
	return r->error;
}

static int join_now(struct icbmsg *i, int slot)
{
	struct link *c = link_of(i);
	int ret = wait_for_turn(i);
	uint32_t connection = c->connection;

	/* Without a daemon it will be asked with all others, once it is back. */
	if (ret < 0 || c->state != LINK_JOINED)
		return ret;
	ask(i, REQUEST_THREAD, slot);
	return wait_for_answer(i, connection);
}

int requests_join(struct icbmsg *i, int slot)
{
	int ret;

	do
		ret = join_now(i, slot);
	while (ret == -EAGAIN);
	return ret;
}

void requests_leave(struct icbmsg *i, int slot)
{
	struct link *c = link_of(i);

	if (!c->has_it[slot])
		return;
	c->has_it[slot] = false;
	if (send_request(i, CLIENT_DEREGISTER, i->session->ept[slot].name) < 0)
		link_hang_up(i, "does not read what is sent to it");
}

void requests_begin(struct icbmsg *i)
{
	link_of(i)->again = 0;
	ask_again(i);
}

bool requests_pending(const struct icbmsg *i)
{
	const struct request *r = &link_of(i)->request;

	return r->kind != REQUEST_NONE && !r->answered;
}
