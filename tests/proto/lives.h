/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lives at an end of a link: libicbmsg's protocol without the core around it, or the stand-in
 * for Zephyr. Both tell the other side numbered messages and check what they are told: within a
 * life of a session each message arrives once, in order, from one life of the other side.
 */
#ifndef ICBMSG_TESTS_LIVES_H
#define ICBMSG_TESTS_LIVES_H

#include "coop.h"
#include "firmware.h"
#include "proto/proto.h"

enum kind { LIBRARY, ZEPHYR };

struct life {
	struct coop_end end;
	const struct world *world;
	int side;
	enum kind kind; /* from its next start on */
	/* From here on lost when it is killed. */
	enum kind lives_as;
	uint32_t number; /* of all lives */
	uint32_t session;
	bool bound;
	uint32_t sent;     /* in this session */
	uint32_t received; /* in this session */
	uint64_t from;     /* life << 32 | session of the sender */
	bool in_pump;
	struct proto_link link;
	struct session s;
	struct firmware fw;
};

/* Both ends and the memory between them. */
struct world {
	struct layout_region region[2]; /* that side 0, that side 1 writes; begin = offset in map */
	bool told;                      /* peer = libicbmsg */
	uint8_t map[8192] __attribute__((aligned(8)));
	struct life life[2];
	uint32_t lives;
	char error[160]; /* the first thing that was not as it should be */
};

/* Begin with two ends of these kinds, on memory as it is. */
void lives_begin(struct world *w);

/* The end dies and starts again, as what its kind says, when its turn comes. */
void lives_kill(struct world *w, int side);

/* Both are bound and have had at least @count messages of the other's present session. */
bool lives_talk(const struct world *w, uint32_t count);

/* The library end has found a session that it must not touch. */
bool lives_held(const struct world *w, int side);

#endif
