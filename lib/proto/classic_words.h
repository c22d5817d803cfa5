/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session words (protocol.md section 3, SESSIONS.md): an end's own id in the low half, the other
 * side's as acknowledged in the high half. Where there is no room for them all of them read as 0.
 */
#ifndef ICBMSG_PROTO_CLASSIC_WORDS_H
#define ICBMSG_PROTO_CLASSIC_WORDS_H

#include "proto/proto.h"

static inline uint32_t word_make(uint16_t id, uint16_t acknowledged)
{
	return (uint32_t)acknowledged << 16 | id;
}

static inline uint16_t word_id(uint32_t word)
{
	return (uint16_t)word;
}

static inline uint16_t word_acknowledged(uint32_t word)
{
	return (uint16_t)(word >> 16);
}

static inline uint32_t word_load(const uint32_t *word)
{
	return word ? shm_load32_acquire(word) : 0;
}

/* Only another libicbmsg acknowledges the id that we have now. */
static inline bool word_acknowledges(const struct proto_link *l, uint32_t word)
{
	return l->tx_word && word_acknowledged(word) == l->s->id;
}

#endif
