// SPDX-License-Identifier: Apache-2.0
/*
 * Endpoints: the public object is a slot of the session plus callbacks. A slot belongs to a name
 * for the life of the instance (the binding outlives a deregistration, protocol.md section 5); the
 * registration number tells one registration of it from the next.
 */
#include "core/endpoint.h"

#include <errno.h>
#include <string.h>

#include "core/backend.h"
#include "core/receive.h"
#include "core/wait.h"

/* Only the initiator sends names: a follower's come in the other side's blocks. */
static bool fits(const struct icbmsg *i, size_t length)
{
	const struct proto_link *l = &i->link;
	uint32_t room = i->session->initiator ? l->tx.max_payload : l->rx.max_payload;

	return length <= SESSION_NAME_MAX && length + 1 <= room;
}

/* A slot in which @name is registered now, or a negative errno. */
static int join(struct icbmsg *i, const char *name)
{
	int slot, ret;

	if (!fits(i, strlen(name)))
		return -ENAMETOOLONG;
	slot = session_join(i->session, name);
	if (slot < 0)
		return slot;
	ret = i->backend ? i->backend->join(i, slot) : 0;
	session_joined(i->session, slot, ret == 0);
	return ret < 0 ? ret : slot;
}

int endpoint_register(struct icbmsg *i, struct icbmsg_ept **out, const char *name,
		      const struct icbmsg_ept_callbacks *callbacks, void *user)
{
	int slot, ret;

	if (*name == '\0')
		return -EINVAL;
	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	slot = join(i, name);
	if (slot >= 0) {
		struct icbmsg_ept *ept = &i->ept[slot];

		ept->link = i;
		ept->slot = slot;
		ept->callbacks = callbacks ? *callbacks : (struct icbmsg_ept_callbacks){ 0 };
		ept->user = user;
		i->link.ops->register_ept(&i->link, slot);
		*out = ept;
	}
	instance_leave(i);
	return slot < 0 ? slot : 0;
}

/*
 * Another thread may be inside one of its callbacks: afterwards none may run any more. The next
 * callback of the slot, if there is one, is of a later registration and none of our business.
 */
static void wait_for_callback(struct icbmsg_ept *ept)
{
	struct icbmsg *i = ept->link;
	uint64_t running = i->callbacks;

	if (i->in_callback != ept || pthread_equal(i->dispatcher, pthread_self()))
		return;
	wait_ring(i);
	while (i->in_callback && i->callbacks == running) {
		i->waiters++;
		pthread_cond_wait(&i->changed, &i->lock);
		i->waiters--;
	}
}

void endpoint_deregister(struct icbmsg_ept *ept)
{
	struct icbmsg *i = ept->link;
	uint8_t blocks[LAYOUT_BLOCKS_MAX];
	uint32_t count;

	/* A callback may run until the instance is closed. */
	if (instance_enter_closing(i) < 0)
		return;
	if (i->backend)
		i->backend->leave(i, ept->slot);
	ept->registration++;
	count = session_deregister(i->session, ept->slot, blocks);
	i->session->count.rx_dropped += count;
	while (count > 0)
		receive_done(i, blocks[--count]);
	wait_notify(i);
	wait_for_callback(ept);
	instance_leave(i);
}

int endpoint_wait_bound(struct icbmsg_ept *ept, int64_t timeout_ns)
{
	struct icbmsg *i = ept->link;
	int64_t deadline = deadline_after(timeout_ns);
	uint32_t registration;
	bool timed_out = false;
	int ret;

	ret = instance_enter(i);
	if (ret < 0)
		return ret;
	registration = ept->registration;
	if (timeout_ns == 0)
		instance_pump(i);
	for (;;) {
		if (i->closing)
			ret = -ESHUTDOWN;
		else if (!endpoint_is_current(ept, registration))
			ret = -ECANCELED;
		else if (endpoint_session(ept)->state == EPT_BOUND)
			ret = 0;
		else if (timed_out)
			ret = -ETIMEDOUT;
		else {
			timed_out = wait_for_change(i, deadline) == -ETIMEDOUT;
			continue;
		}
		break;
	}
	instance_leave(i);
	return ret;
}

bool endpoint_is_bound(struct icbmsg_ept *ept)
{
	const struct session_ept *e = endpoint_session(ept);
	bool bound;

	pthread_mutex_lock(&ept->link->lock);
	bound = e->registered && e->state == EPT_BOUND;
	pthread_mutex_unlock(&ept->link->lock);
	return bound;
}
