// SPDX-License-Identifier: Apache-2.0
/*
 * Delivery. Events leave the queue one at a time, in wire order, and only in the thread that
 * dispatches; callbacks are one user of the event iterator.
 */
#include "core/receive.h"

#include <errno.h>
#include <inttypes.h>

#include "core/wait.h"

static void give_back(struct icbmsg *i, uint32_t block)
{
	if (!i->closed)
		i->link.ops->release(&i->link, block);
}

void receive_done(struct icbmsg *i, uint8_t block)
{
	if (session_rx_done(i->session, block))
		give_back(i, block);
}

static void finish_current(struct icbmsg *i)
{
	/* A buffer of a session past is not ours to give back. */
	if (i->current.kind == EVENT_DATA && i->current_generation == i->session->generation)
		receive_done(i, i->current.block);
	i->current.kind = EVENT_NONE;
}

/* Where the payload of a received buffer can be read by the application. */
static const void *payload(struct icbmsg *i, uint32_t block, uint32_t size)
{
	const struct proto_link *l = &i->link;
	const uint8_t *data = (uint8_t *)proto_rx_block(l, block) + l->rx.header_size;

	if (l->type == MEM_NORMAL)
		return data;
	shm_copy_from(i->bounce, data, size, l->type);
	return i->bounce;
}

static void fill_error(struct session_ept *e, struct icbmsg_event *out)
{
	out->type = ICBMSG_EVENT_ERROR;
	out->error = e->refusal ? e->refusal : -EBADMSG;
	out->message = e->refusal ? "icbmsgd is back, and refuses this endpoint" :
				    "the other side sent a message that reaches beyond its region";
	e->refusal = 0;
}

static void fill_event(struct icbmsg *i, const struct session_event *ev, struct icbmsg_event *out)
{
	struct session_ept *e = &i->session->ept[ev->ept];

	*out = (struct icbmsg_event){ .ept = &i->ept[ev->ept] };
	switch (ev->kind) {
	case EVENT_BOUND:
		out->type = ICBMSG_EVENT_BOUND;
		break;
	case EVENT_UNBOUND:
		out->type = ICBMSG_EVENT_UNBOUND;
		out->unbound.reason = e->unbound_reason;
		out->unbound.unknown_tx = e->unknown_tx;
		e->unknown_tx = 0;
		break;
	case EVENT_WRITABLE:
		out->type = ICBMSG_EVENT_WRITABLE;
		break;
	case EVENT_RELEASED:
		out->type = ICBMSG_EVENT_RELEASED;
		break;
	case EVENT_ERROR:
		fill_error(e, out);
		break;
	default:
		out->type = ICBMSG_EVENT_RECEIVED;
		out->size = i->session->rx[ev->block].size;
		out->data = payload(i, ev->block, (uint32_t)out->size);
		i->session->count.rx_messages++;
		i->session->count.rx_bytes += out->size;
		e->rx_messages++;
		e->rx_bytes += out->size;
	}
}

/* The next event, the one before being finished with; lock held. */
static int next_event(struct icbmsg *i, struct icbmsg_event *event, int64_t timeout_ns)
{
	int64_t deadline = 0;
	bool timed_out = false;

	finish_current(i);
	for (;;) {
		if (i->closing)
			return -ESHUTDOWN;
		if (session_pop(i->session, &i->current)) {
			i->current_generation = i->session->generation;
			fill_event(i, &i->current, event);
			wait_ring(i);
			return 1;
		}
		instance_pump(i);
		if (session_has_events(i->session))
			continue;
		if (timed_out || timeout_ns == 0)
			return 0;
		if (deadline == 0)
			deadline = deadline_after(timeout_ns);
		timed_out = wait_for_change(i, deadline) == -ETIMEDOUT;
	}
}

static int begin(struct icbmsg *i, int64_t timeout_ns)
{
	int ret = instance_enter(i);

	if (ret < 0)
		return ret;
	if (i->dispatching) {
		bool self = i->in_callback && pthread_equal(i->dispatcher, pthread_self());

		instance_leave(i);
		return self ? -EDEADLK : -EBUSY;
	}
	i->dispatching = true;
	i->dispatcher = pthread_self();
	/* Who does not wait here waits on the descriptor: it must not stay readable for nothing. */
	if (timeout_ns == 0 && !session_has_events(i->session))
		wait_collect(i);
	/*
	 * What was rung for has to be looked at, also if there are events by now: the ring is taken,
	 * and where no doorbell gets lost nobody repeats it.
	 */
	if (i->rung > 0 && session_has_events(i->session))
		instance_pump(i);
	return 0;
}

static void end(struct icbmsg *i)
{
	i->dispatching = false;
	wait_update_ready(i);
	instance_leave(i);
}

int receive_next_event(struct icbmsg *i, struct icbmsg_event *event, int64_t timeout_ns)
{
	int ret = begin(i, timeout_ns);

	if (ret < 0)
		return ret;
	ret = next_event(i, event, timeout_ns);
	end(i);
	return ret;
}

int receive_event_done(struct icbmsg *i)
{
	int ret = begin(i, ICBMSG_FOREVER);

	if (ret < 0)
		return ret;
	finish_current(i);
	end(i);
	return 0;
}

static bool run_callback(const struct icbmsg_event *ev, const struct icbmsg_ept_callbacks *cb,
			 void *user)
{
	switch (ev->type) {
	case ICBMSG_EVENT_BOUND:
		return cb->bound ? cb->bound(ev->ept, user), true : false;
	case ICBMSG_EVENT_UNBOUND:
		return cb->unbound ? cb->unbound(ev->ept, &ev->unbound, user), true : false;
	case ICBMSG_EVENT_RECEIVED:
		return cb->received ? cb->received(ev->ept, ev->data, ev->size, user), true : false;
	case ICBMSG_EVENT_WRITABLE:
		return cb->writable ? cb->writable(ev->ept, user), true : false;
	case ICBMSG_EVENT_RELEASED:
		return cb->released ? cb->released(ev->ept, user), true : false;
	case ICBMSG_EVENT_ERROR:
		return cb->error ? cb->error(ev->ept, ev->error, ev->message, user), true : false;
	}
	return false;
}

/* Run one callback without the lock; lock held on entry and return. */
static bool deliver(struct icbmsg *i, const struct icbmsg_event *ev)
{
	struct icbmsg_ept_callbacks callbacks = ev->ept->callbacks;
	void *user = ev->ept->user;
	bool ran;

	i->in_callback = ev->ept;
	i->callbacks++;
	pthread_mutex_unlock(&i->lock);
	ran = run_callback(ev, &callbacks, user);
	pthread_mutex_lock(&i->lock);
	i->in_callback = NULL;
	i->link.now_ns = clock_coarse();
	if (i->waiters > 0)
		pthread_cond_broadcast(&i->changed);
	return ran;
}

int receive_dispatch(struct icbmsg *i, int64_t timeout_ns)
{
	struct icbmsg_event ev;
	uint32_t last = 0;
	int count = 0;
	int ret = begin(i, timeout_ns);

	if (ret < 0)
		return ret;
	/* Who asks may have taken a ring for us, and will not come again for it. */
	if (i->rung_elsewhere && timeout_ns == 0 && session_has_events(i->session))
		instance_pump(i);
	/* One pass: what is queued when the first event comes, not what arrives meanwhile. */
	ret = next_event(i, &ev, timeout_ns);
	if (ret > 0)
		last = i->session->event_tail;
	while (ret > 0) {
		count += deliver(i, &ev);
		finish_current(i);
		if ((int32_t)(last - i->session->event_head) <= 0)
			break;
		ret = next_event(i, &ev, 0);
	}
	end(i);
	return ret < 0 ? ret : count;
}

/* Session, arrival and block: no two uses of a block share a handle for 16 million messages. */
static uint64_t handle_of(const struct session *s, uint8_t block)
{
	return (uint64_t)s->generation << 32 | (s->rx[block].arrival & 0xffffff) << 8 | block;
}

/* Blocks of the other side that a received buffer takes. */
static uint32_t blocks_of(const struct icbmsg *i, uint8_t block)
{
	return (uint32_t)layout_blocks_for(&i->link.rx, i->session->rx[block].size);
}

/* Hold the buffer being delivered. */
static void hold(struct icbmsg *i, uint8_t block)
{
	struct session *s = i->session;

	session_rx_hold(s, block, blocks_of(i, block));
	i->holds++;
	if (s->rx_hold_blocks >= i->link.rx.block_count)
		proto_complain(&i->link, &s->count.held_full,
			       "buffers held here take all %" PRIu32
			       " blocks of the other side: it "
			       "cannot send before some are released with icbmsg_release_rx()",
			       i->link.rx.block_count);
}

int receive_hold(struct icbmsg *i, const void *data, struct icbmsg_rx *rx)
{
	const struct proto_link *l = &i->link;
	int ret = instance_enter(i);

	if (ret < 0)
		return ret;
	if (l->type != MEM_NORMAL) {
		ret = -EOPNOTSUPP;
	} else if (i->current.kind != EVENT_DATA) {
		ret = -ENOENT;
	} else if (i->current_generation != i->session->generation) {
		ret = -ESTALE;
	} else if (data != payload(i, i->current.block, 0)) {
		ret = -ENOENT;
	} else {
		hold(i, i->current.block);
		rx->id = handle_of(i->session, i->current.block);
	}
	instance_leave(i);
	return ret;
}

/* One hold less, lock held. */
static int unhold(struct icbmsg *i, struct icbmsg_rx rx)
{
	struct session *s = i->session;
	uint8_t block = (uint8_t)rx.id;

	/* The first session is number 1. */
	if (rx.id >> 32 == 0 || rx.id >> 32 > s->generation)
		return -ENOENT;
	if (rx.id >> 32 != s->generation) {
		/* Of a session past: it only kept the mapping. */
		if (i->holds > session_rx_holds(s))
			i->holds--;
		s->count.stale_releases++;
		return -ESTALE;
	}
	if (rx.id != handle_of(s, block) || s->rx[block].holds == 0)
		return -ENOENT;
	i->holds--;
	if (session_rx_unhold(s, block, blocks_of(i, block)))
		give_back(i, block);
	return 0;
}

bool receive_is_current(struct icbmsg *i, struct icbmsg_rx rx)
{
	bool current;

	pthread_mutex_lock(&i->lock);
	current = rx.id == handle_of(i->session, (uint8_t)rx.id) &&
		  i->session->rx[(uint8_t)rx.id].holds > 0;
	pthread_mutex_unlock(&i->lock);
	return current;
}

int receive_release(struct icbmsg *i, struct icbmsg_rx rx)
{
	bool last;
	int ret;

	pthread_mutex_lock(&i->lock);
	ret = unhold(i, rx);
	if (!i->closed) {
		instance_settle(i);
		wait_ring(i);
	}
	last = i->closed && i->holds == 0;
	pthread_mutex_unlock(&i->lock);
	if (last && ret != -ENOENT)
		instance_free(i);
	return ret;
}
