// SPDX-License-Identifier: Apache-2.0
/*
 * From a library client to the other core: one copy, from the client's buffer into blocks of the
 * core. The buffer is held until the core has released the copy: what the client's library counts
 * as of unknown fate when a link is lost is then what really is.
 */
#include "link.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"

static void refuse_oversize(struct link_ept *p, size_t size)
{
	struct exported *e = p->sub.exported;

	p->sub.input.oversize++;
	e->stats.input.oversize++;
	log_limited(&e->log,
		    "%s/%s: process %d sent %zu bytes, but the link carries messages up to %zu; it "
		    "is disconnected",
		    e->instance->name, e->name, (int)p->sub.pid, size,
		    icbmsg_max_size(e->instance->link));
	link_end(p->client, "its message is too large");
}

void link_received(struct link_ept *p, const void *data, size_t size)
{
	struct link_client *c = p->client;

	if (size > icbmsg_max_size(c->instance->link)) {
		refuse_oversize(p, size);
		return;
	}
	/* Stale: the client has begun anew meanwhile. */
	if (icbmsg_hold_rx(c->link, data, &c->pending_rx) < 0) {
		subscriber_count_discarded(&p->sub);
		return;
	}
	c->pending = p;
	c->pending_data = data;
	c->pending_size = size;
	subscriber_turn(&p->sub);
}

/* The message of @f has been sent. */
static void keep(struct link_client *c, struct forwarding *f)
{
	struct link_ept *p = c->pending;

	f->client = c;
	f->exported = p->sub.exported;
	f->original = c->pending_rx;
	TAILQ_INSERT_TAIL(&c->forwardings, f, in_client);
	TAILQ_INSERT_TAIL(&f->exported->forwardings, f, in_export);
	c->outstanding++;
	c->pending = NULL;
	subscriber_count_message(&p->sub, c->pending_size);
	link_turn_later(c);
}

static enum forwarded send_pending(struct link_ept *p)
{
	struct link_client *c = p->client;
	struct forwarding *f;
	int ret;

	if (!icbmsg_rx_is_current(c->link, c->pending_rx)) {
		link_discard_pending(c);
		link_turn_later(c);
		return FORWARDED;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		instance_retry_later(c->instance);
		return FORWARD_FULL;
	}
	ret = icbmsg_send_tracked(p->sub.exported->ept, c->pending_data, c->pending_size, 0,
				  &f->copy);
	if (ret < 0) {
		free(f);
		return subscriber_failed(&p->sub, ret);
	}
	keep(c, f);
	return FORWARDED;
}

enum forwarded link_forward(struct subscriber *s)
{
	struct link_ept *p = link_ept_of(s);

	if (p->client->pending != p)
		return FORWARD_NONE;
	/* Its session ends with the core's, as soon as the event comes that says so. */
	if (!s->exported->bound)
		return FORWARD_PAUSED;
	if (subscriber_must_queue(s))
		return FORWARD_FULL;
	return send_pending(p);
}

void link_discard_pending(struct link_client *c)
{
	struct link_ept *p = c->pending;

	if (!p)
		return;
	c->pending = NULL;
	subscriber_leave_queue(&p->sub);
	subscriber_count_discarded(&p->sub);
	icbmsg_release_rx(c->link, c->pending_rx);
}

static void forget(struct forwarding *f)
{
	struct link_client *c = f->client;

	TAILQ_REMOVE(&c->forwardings, f, in_client);
	TAILQ_REMOVE(&f->exported->forwardings, f, in_export);
	c->outstanding--;
	/* The last one that is held may free a link that has been closed. */
	icbmsg_release_rx(c->link, f->original);
	free(f);
}

void link_released(struct exported *e)
{
	struct forwarding *f, *next;

	for (f = TAILQ_FIRST(&e->forwardings); f; f = next) {
		next = TAILQ_NEXT(f, in_export);
		/* One that was lost stays: the client's session will be, too. */
		if (icbmsg_tx_state(e->instance->link, f->copy) != 0)
			continue;
		if (f->client->draining)
			link_turn_later(f->client);
		forget(f);
	}
}

void link_forget(struct link_client *c)
{
	struct forwarding *f;

	while ((f = TAILQ_FIRST(&c->forwardings)))
		forget(f);
}
