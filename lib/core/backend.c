// SPDX-License-Identifier: Apache-2.0
/*
 * See backend.h.
 */
#include "core/backend.h"

#include <errno.h>
#include <stdlib.h>

#include "core/wait.h"
#include "util/cleanup.h"

int backend_attach(struct icbmsg *i, int fd)
{
	struct doorbell_spec spec = { .in.kind = DOORBELL_IN_ELSEWHERE,
				      .out = { .kind = DOORBELL_OUT_SOCKET, .fd = fd } };
	const struct doorbell_host host = { 0 };
	char error[MEM_ERROR_SIZE];
	struct doorbell bell;
	int ret;

	ret = doorbell_open(&bell, &spec, &host, error);
	if (ret < 0)
		return ret;
	ret = wait_watch(i, fd);
	if (ret < 0) {
		doorbell_close(&bell);
		return ret;
	}
	doorbell_close(&i->doorbell);
	i->doorbell = bell;
	i->backend_fd = fd;
	/* Who polls does so without it. */
	wait_notify(i);
	return 0;
}

void backend_detach(struct icbmsg *i)
{
	if (i->backend_fd < 0)
		return;
	wait_unwatch(i, i->backend_fd);
	close_fd(&i->backend_fd);
	doorbell_close(&i->doorbell);
}

void backend_lose(struct icbmsg *i)
{
	struct proto_link *l = &i->link;

	l->ops->lose(l);
	/* Its memory may have told of its end before its socket did. */
	session_blame(i->session, PROTO_REASON_GONE);
	l->ops->start(l);
	i->phase = i->session->phase;
	i->link.changed |= PROTO_LINK;
}

static bool fills_a_buffer(const struct session *s)
{
	for (uint32_t b = 0; b < LAYOUT_BLOCKS_MAX; b++)
		if (s->tx[b].state == TX_OWNED)
			return true;
	return false;
}

/* Can a caller be reading or writing a buffer? */
static bool is_held(const struct icbmsg *i)
{
	return i->holds > 0 || i->in_callback || i->current.kind == EVENT_DATA ||
	       fills_a_buffer(i->session);
}

static int retire(struct icbmsg *i)
{
	struct retired *r = malloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	memory_disown(&i->memory);
	*r = (struct retired){ .next = i->retired, .held = is_held(i), .memory = i->memory };
	i->retired = r;
	return 0;
}

static void free_retired(struct icbmsg *i, bool all)
{
	struct retired **at = &i->retired, *r;

	while ((r = *at)) {
		if (r->held && !all) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		memory_unmap(&r->memory);
		free(r);
	}
}

void backend_free_retired(struct icbmsg *i)
{
	free_retired(i, true);
}

int backend_move(struct icbmsg *i, const struct config_values *v, char error[MEM_ERROR_SIZE])
{
	struct memory memory;
	int ret;

	ret = memory_map(&memory, &v->memory, false, error);
	if (ret < 0)
		return ret;
	ret = retire(i);
	if (ret < 0) {
		memory_unmap(&memory);
		return ret;
	}
	/* Who polls may look at an index without the lock. */
	if (!i->polling)
		free_retired(i, false);
	i->memory = memory;
	i->moves++;
	instance_place(i, v);
	i->link.ops->remap(&i->link);
	i->link.ops->start(&i->link);
	i->phase = i->session->phase;
	return 0;
}

static size_t least(uint64_t a, uint32_t b)
{
	return a < b ? (size_t)a : b;
}

void backend_limit(struct icbmsg *i, uint64_t max_tx, uint64_t max_rx)
{
	__atomic_store_n(&i->max_tx, least(max_tx, i->link.tx.max_payload), __ATOMIC_RELAXED);
	__atomic_store_n(&i->max_rx, least(max_rx, i->link.rx.max_payload), __ATOMIC_RELAXED);
}
