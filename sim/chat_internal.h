/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sending and checking share. Nothing outside sim/chat*.c includes this.
 */
#ifndef ICBMSG_SIM_CHAT_INTERNAL_H
#define ICBMSG_SIM_CHAT_INTERNAL_H

#include "chat.h"

/* Both cores run on one machine: its byte order will do. */
struct chat_message {
	uint32_t crc;
	uint16_t kind;
	uint16_t ept;
	uint32_t process;
	uint32_t number;
	uint32_t base;
	uint32_t answers;
};

_Static_assert(sizeof(struct chat_message) == CHAT_HEADER, "no padding");

static inline bool chat_push(struct chat_queue *q, uint32_t number)
{
	if (q->count == CHAT_ASKED_MAX)
		return false;
	q->number[(q->head + q->count++) % CHAT_ASKED_MAX] = number;
	return true;
}

static inline bool chat_pop(struct chat_queue *q, uint32_t *number)
{
	if (q->count == 0)
		return false;
	*number = q->number[q->head];
	q->head = (q->head + 1) % CHAT_ASKED_MAX;
	q->count--;
	return true;
}

/* From 0 to below @n. */
uint32_t chat_random(struct chat *c, uint32_t n);

/* Messages of this process that the other side has got on endpoint @i. */
uint32_t chat_arrived(const struct chat *c, unsigned int i);

/* Something changed that the parent waits for. */
void chat_tell_parent(const struct chat *c);

#endif
