/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lives at an end of a link: libicbmsg's protocol without the core around it, or the stand-in
 * for Zephyr. Both tell the other side numbered messages on each endpoint and check what they are
 * told: within a life of a session each message arrives once, in order, from one life of the other
 * side. Some are held for a while before they are released.
 */
#ifndef ICBMSG_TESTS_LIVES_H
#define ICBMSG_TESTS_LIVES_H

#include "coop.h"
#include "firmware.h"
#include "proto/proto.h"

enum kind { LIBRARY, ZEPHYR };

#define LIVES_EPTS_MAX 3u
#define LIVES_HELD_MAX 4u

/* One endpoint. */
struct talk {
	uint32_t session;
	bool bound;
	uint32_t sent;     /* in this session */
	uint32_t received; /* in this session */
	uint64_t from;     /* life << 32 | session of the sender */
};

struct life {
	struct coop_end end;
	const struct world *world;
	int side;
	enum kind kind; /* from its next start on */
	/* From here on lost when it is killed. */
	enum kind lives_as;
	uint32_t number; /* of all lives */
	struct talk talk[LIVES_EPTS_MAX];
	const void *held[LIVES_HELD_MAX]; /* received, not released yet */
	uint32_t held_count;
	uint32_t generation; /* libicbmsg: of the session that they are of */
	uint32_t retry;      /* libicbmsg: turns until a lost link is announced again */
	bool in_pump;
	bool closing; /* libicbmsg: at its next turn */
	struct proto_link link;
	struct session s;
	struct firmware fw;
};

/* Both ends and the memory between them. */
struct world {
	struct layout_region region[2]; /* that side 0, that side 1 writes; begin = offset in map */
	bool told;                      /* peer = libicbmsg */
	uint32_t epts;                  /* on both ends; 1 to LIVES_EPTS_MAX */
	bool back_off;                  /* libraries let a lost link rest for a while */
	bool quiet;                     /* nobody sends any more */
	bool corrupted; /* only what the latest lives tell each other must be right */
	uint8_t map[8192] __attribute__((aligned(8)));
	struct life life[2];
	uint32_t lives;
	uint32_t right_from; /* the first life in which nobody has written into memory */
	char error[160];     /* the first thing that was not as it should be */
};

/* Begin with two ends of these kinds, on memory as it is. */
void lives_begin(struct world *w);

/* The end dies and starts again, as what its kind says, when its turn comes. */
void lives_kill(struct world *w, int side);

/* As lives_kill(), but a library closes its end first. */
void lives_close(struct world *w, int side);

/* On each endpoint both have had at least @count messages of the other's present session. */
bool lives_talk(const struct world *w, uint32_t count);

/*
 * Nothing is under way: no block is taken, no buffer held and each ring read to its end. To be
 * reached once nobody sends any more.
 */
bool lives_idle(const struct world *w);

/* The library end has found a session that it must not touch. */
bool lives_held(const struct world *w, int side);

#endif
