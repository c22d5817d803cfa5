// SPDX-License-Identifier: Apache-2.0
/*
 * Endpoints of library clients, as subscribers. An endpoint is announced to the client when the
 * other core has bound it; from the core to the client a message is sent into the client's memory,
 * and into the outbox, under the endpoint's policy, while that is full.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static const char *state(const struct subscriber *s)
{
	const struct link_ept *p = link_ept_of(s);

	if (p->client->eof || p->closing)
		return "finishing";
	return p->bound ? "connected" : "waiting";
}

static bool carries(const struct subscriber *s, size_t size)
{
	const struct link_ept *p = link_ept_of(s);

	(void)size;
	return !p->closing && !p->client->eof;
}

static enum put put(struct subscriber *s, const void *data, size_t size, enum fate *fate)
{
	struct link_ept *p = link_ept_of(s);
	int ret;

	/* An event tells when this changes: bound or writable. */
	if (!p->bound)
		return PUT_LATER;
	ret = icbmsg_send(p->ept, data, size, 0);
	p->full = ret < 0 && ret != -EMSGSIZE;
	p->client->deadlocked |= ret == -EPROTO;
	/* For blocks the call reads what the client has sent. */
	if (link_must_look(p->client) || p->client->deadlocked)
		link_turn_later(p->client);
	if (p->full)
		return PUT_LATER;
	*fate = ret < 0 ? FATE_OVERSIZE : FATE_DELIVERED;
	return PUT_DONE;
}

/* The rest of what is queued, where that was too much for one turn. */
static void update(struct subscriber *s)
{
	struct link_ept *p = link_ept_of(s);

	if (s->outbox.count == 0 || !p->bound || p->full)
		return;
	p->client->flush = true;
	link_turn_later(p->client);
}

static void ignore(struct subscriber *s)
{
	(void)s;
}

void link_ept_announce(struct link_ept *p)
{
	struct link_client *c = p->client;

	if (p->ept || p->closing || !c->link || !p->sub.exported->bound)
		return;
	c->announced = true;
	if (icbmsg_ept_register(c->link, &p->ept, p->sub.exported->name, NULL, p) < 0)
		link_end_badly(c, "its endpoint cannot be announced to it");
	else
		link_turn_later(c);
}

static void bound(struct subscriber *s)
{
	link_ept_announce(link_ept_of(s));
}

/* The instance restarts the links of all its clients. */
static void unbound(struct subscriber *s, const struct icbmsg_unbound *info)
{
	(void)s;
	(void)info;
}

static void close_ept(struct subscriber *s)
{
	struct link_ept *p = link_ept_of(s);
	struct link_client *c = p->client;

	TAILQ_REMOVE(&c->epts, p, in_client);
	if (p->ept)
		icbmsg_ept_deregister(p->ept);
	p->ept = NULL;
	/*
	 * It cannot be told of one endpoint only, nor of messages that wait, although it has given
	 * that back: the protocol has no message for that.
	 */
	if (!p->closed)
		link_end(c, "one of its endpoints is closed");
}

static void free_ept(struct subscriber *s)
{
	free(link_ept_of(s));
}

static const struct subscriber_ops link_ept_ops = {
	.is_library = true,
	.state = state,
	.carries = carries,
	.put = put,
	.forward = link_forward,
	.update = update,
	.check_gone = ignore,
	.bound = bound,
	.unbound = unbound,
	.drain = ignore,
	.close = close_ept,
	.free = free_ept,
};

int link_ept_new(struct link_client *c, struct exported *e, char why[ERROR_SIZE])
{
	struct link_ept *p;

	if (subscriber_admit(e) < 0) {
		snprintf(why, ERROR_SIZE, "the endpoint is exclusive and has a client");
		return -EBUSY;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		snprintf(why, ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	p->client = c;
	p->sub.id = ++c->instance->server->clients_ever;
	p->sub.uid = c->uid;
	p->sub.pid = c->pid;
	TAILQ_INSERT_TAIL(&c->epts, p, in_client);
	subscriber_init(&p->sub, &link_ept_ops, e, c->account);
	return 0;
}

struct link_ept *link_ept_find(const struct link_client *c, const char *name)
{
	struct link_ept *p;

	TAILQ_FOREACH(p, &c->epts, in_client)
		if (strcmp(p->sub.exported->name, name) == 0)
			return p;
	return NULL;
}

void link_ept_close(struct link_ept *p)
{
	struct link_client *c = p->client;

	if (p->closing)
		return;
	p->closing = true;
	c->closing++;
	/* Each message that lies in the memory now has a block. */
	c->closing_left = c->shape.to_daemon_blocks;
	outbox_clear(&p->sub.outbox, FATE_ABANDONED);
	instance_unstall(c->instance);
	link_turn_later(c);
}

void link_epts_closed(struct link_client *c)
{
	struct link_ept *p, *next;

	for (p = TAILQ_FIRST(&c->epts); p && c->closing > 0; p = next) {
		next = TAILQ_NEXT(p, in_client);
		if (!p->closing)
			continue;
		c->closing--;
		p->closed = true;
		subscriber_end(&p->sub, "it has deregistered the endpoint");
	}
}

void link_flush(struct link_client *c)
{
	struct link_ept *p;

	c->flush = false;
	TAILQ_FOREACH(p, &c->epts, in_client)
		if (p->bound && p->sub.outbox.count > 0)
			subscriber_flush(&p->sub);
}
