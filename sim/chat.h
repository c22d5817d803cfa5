/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cores of `icbmsg-sim restart-loop` say to each other, and how each checks what it hears.
 * Both sides ask (to be echoed), answer, and tell (one way), on every endpoint. Each message
 * carries
 *
 *	bytes 0-3    CRC-32 of all that follows
 *	bytes 4-5    enum chat_kind
 *	bytes 6-7    number of the endpoint
 *	bytes 8-11   the process that sent it; a core that is started again is a new one
 *	bytes 12-15  its number: counts what that process has sent on that endpoint, from 0
 *	bytes 16-19  the number of the first message since the endpoint was bound last
 *	bytes 20-23  of an answer: the number of the message that it answers
 *
 * and random bytes. So a receiver knows whether a message is the next one, and the first after a
 * restart also that none was left out since the endpoint was bound and that it has not come before.
 */
#ifndef ICBMSG_SIM_CHAT_H
#define ICBMSG_SIM_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "restart.h"

#define CHAT_HEADER 24u
#define CHAT_ASKED_MAX 4u /* questions that wait for their answers, per endpoint */

enum chat_kind { CHAT_ASK = 1, CHAT_ANSWER, CHAT_TELL };

/* Sends: 0, -EAGAIN for no room, -ENOTCONN if the link was lost meanwhile. */
typedef int (*chat_send_fn)(void *owner, unsigned int ept, const void *data, size_t size);

struct chat_queue {
	uint32_t number[CHAT_ASKED_MAX];
	unsigned int head, count;
};

struct chat_ept {
	bool bound;
	uint32_t next;            /* number of the message to send next, over all sessions */
	uint32_t base;            /* of the first one of this session */
	uint32_t base_arrived;    /* what the other side had got then */
	bool heard;               /* something has come in this session */
	uint32_t peer, peer_base; /* if so: whose, and since when */
	uint32_t peer_next;
	struct chat_queue asked;   /* not answered yet by the other side */
	struct chat_queue answers; /* due here */
	unsigned int tell;         /* one-way messages to send */
	uint32_t echoes;           /* in this session */
	uint64_t unknown;          /* reported by the library, all sessions */
};

struct chat {
	const struct restart_core *rc;
	chat_send_fn send;
	void *owner;
	struct chat_ept *ept;
	unsigned int turn; /* the endpoint whose it is */
	uint8_t *buffer;
	size_t max_size;
	uint64_t random;
	bool failed; /* noted with core_fail() */
};

int chat_init(struct chat *c, const struct restart_core *rc, chat_send_fn send, void *owner,
	      size_t max_size);
void chat_deinit(struct chat *c);

void chat_bound(struct chat *c, unsigned int ept);
/* The library lost the endpoint; @unknown messages may have arrived or not. */
void chat_unbound(struct chat *c, unsigned int ept, uint32_t unknown);
void chat_received(struct chat *c, unsigned int ept, const void *data, size_t size);

/* Send what is due until there is no room. Returns whether anything went out. */
bool chat_turn(struct chat *c);

/* All answers are here and given. */
bool chat_quiet(const struct chat *c);

/* At the end: has everything of the last session arrived? */
void chat_balance(struct chat *c);

#endif
