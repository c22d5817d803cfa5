// SPDX-License-Identifier: Apache-2.0
/*
 * The talking half of a core of `icbmsg-sim restart-loop`: what it sends, and when.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "chat_internal.h"
#include "payload.h"
#include "random.h"

#define TELL_MAX 4u

uint32_t chat_random(struct chat *c, uint32_t n)
{
	return (uint32_t)random_below(&c->random, n);
}

void chat_tell_parent(const struct chat *c)
{
	eventfd_write(c->rc->core.done_fd, 1);
}

int chat_init(struct chat *c, const struct restart_core *rc, chat_send_fn send, void *owner,
	      size_t max_size)
{
	*c = (struct chat){
		.rc = rc,
		.send = send,
		.owner = owner,
		.max_size = max_size,
		.random = random_stream(rc->core.seed, rc->process),
	};
	c->ept = calloc(rc->core.endpoints, sizeof(c->ept[0]));
	c->buffer = malloc(max_size);
	if (c->ept && c->buffer)
		return 0;
	core_fail(&rc->core, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

void chat_deinit(struct chat *c)
{
	free(c->ept);
	free(c->buffer);
}

void chat_bound(struct chat *c, unsigned int i)
{
	const struct chat_ept *e = &c->ept[i];

	c->ept[i] = (struct chat_ept){
		.bound = true,
		.next = e->next,
		.base = e->next,
		.base_arrived = chat_arrived(c, i),
		.unknown = e->unknown,
	};
}

/* Mostly short, now and then up to a quarter of what fits. */
static size_t choose_size(struct chat *c)
{
	size_t most = c->max_size / (chat_random(c, 8) == 0 ? 4 : 32);

	return most <= CHAT_HEADER ?
		       CHAT_HEADER :
		       CHAT_HEADER + chat_random(c, (uint32_t)(most - CHAT_HEADER) + 1);
}

/* 0, -EAGAIN for no room, -ENOTCONN; anything else is noted. */
static int say(struct chat *c, unsigned int i, enum chat_kind kind, uint32_t answers)
{
	struct restart_counts *n = &c->rc->shared->counts[c->rc->core.side];
	struct chat_ept *e = &c->ept[i];
	size_t size = choose_size(c);
	struct chat_message m = {
		.kind = (uint16_t)kind,
		.ept = (uint16_t)i,
		.process = c->rc->process,
		.number = e->next,
		.base = e->base,
		.answers = answers,
	};
	int ret;

	payload_fill(c->buffer, size, e->next, c->rc->process);
	memcpy(c->buffer, &m, sizeof(m));
	m.crc = payload_crc32(0, c->buffer + 4, size - 4);
	memcpy(c->buffer, &m.crc, sizeof(m.crc));
	ret = c->send(c->owner, i, c->buffer, size);
	if (ret == 0) {
		e->next++;
		atomic_fetch_add(&n->sent, 1);
	} else if (ret == -ENOTCONN || (ret != -EAGAIN && atomic_load(&c->rc->shared->lenient))) {
		atomic_fetch_add(&n->refused, 1);
		ret = -ENOTCONN;
	} else if (ret != -EAGAIN) {
		core_fail(&c->rc->core, "endpoint %u: sending %zu bytes: %s", i, size,
			  strerror(-ret));
		c->failed = true;
	}
	return ret;
}

/* One message of what is due on endpoint @i; -ENOENT if nothing is. */
static int say_next(struct chat *c, unsigned int i)
{
	struct chat_ept *e = &c->ept[i];
	bool draining = atomic_load(&c->rc->shared->draining);
	uint32_t number;
	int ret;

	if (e->answers.count > 0) {
		ret = say(c, i, CHAT_ANSWER, e->answers.number[e->answers.head]);
		if (ret == 0)
			chat_pop(&e->answers, &number);
		return ret;
	}
	if (draining)
		return -ENOENT;
	if (e->asked.count < CHAT_ASKED_MAX) {
		ret = say(c, i, CHAT_ASK, 0);
		if (ret == 0)
			chat_push(&e->asked, e->next - 1);
		return ret;
	}
	if (e->tell == 0)
		return -ENOENT;
	ret = say(c, i, CHAT_TELL, 0);
	if (ret == 0)
		e->tell--;
	return ret;
}

/* One message per endpoint by turns; who found no room is the first to try again. */
bool chat_turn(struct chat *c)
{
	unsigned int count = c->rc->core.endpoints, idle = 0;
	bool moved = false;

	while (idle < count && !c->failed) {
		struct chat_ept *e = &c->ept[c->turn];
		int ret = -ENOENT;

		if (e->tell > TELL_MAX)
			e->tell = TELL_MAX;
		if (e->bound)
			ret = say_next(c, c->turn);
		if (ret < 0 && ret != -ENOENT) /* the library is to be asked first what happened */
			break;
		idle = ret == 0 ? 0 : idle + 1;
		moved |= ret == 0;
		c->turn = (c->turn + 1) % count;
	}
	return moved;
}

bool chat_quiet(const struct chat *c)
{
	unsigned int i;

	if (!atomic_load(&c->rc->shared->draining))
		return false;
	for (i = 0; i < c->rc->core.endpoints; i++)
		if (!c->ept[i].bound || c->ept[i].asked.count > 0 || c->ept[i].answers.count > 0)
			return false;
	return true;
}
