/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classic generation's inside: three parts of one protocol, for each other only.
 */
#ifndef ICBMSG_PROTO_CLASSIC_H
#define ICBMSG_PROTO_CLASSIC_H

#include "proto/proto.h"
#include "wire/control.h"

/* What the magic takes in the ring: `ml` in protocol.md section 3. */
#define CLASSIC_MAGIC_PACKET 20u

/* A control message that every version ignores: fills the ring where nothing is to be said. */
#define CLASSIC_FILLER 0x7fu

/* Bytes of a packet that is laid behind our announcement to see whether it is read. */
#define CLASSIC_PING 8u

/* classic.c: the control path */

/*
 * Append a control message that says nothing to a ring that is empty, before the link is up.
 */
void classic_append(struct proto_link *l, uint8_t type);

/* Put a control message into the ring; -ECONNRESET if the link is not up, -EPROTO if it is full. */
int classic_put(struct proto_link *l, enum control_type type, uint8_t ept, uint32_t block);

/* Publish the buffer at @first: record the intent, publish, record the completion. */
int classic_put_buffer(struct proto_link *l, enum control_type type, uint8_t address,
		       uint32_t first);

/* The other side named a block that it cannot send. */
void classic_bad_block(struct proto_link *l, uint32_t block);

/* classic_bind.c: endpoints */

void classic_register(struct proto_link *l, int slot);

/* Initiator: send the names that are due, in the order of registration, as far as blocks go. */
void classic_announce(struct proto_link *l);

/* The other side's BOUND and RELEASE_BOUND. */
void classic_on_bound(struct proto_link *l, struct control c);
void classic_on_release_bound(struct proto_link *l, struct control c);

/* Initiator: something came for an endpoint that was announced, so it is bound. */
void classic_bind_announced(struct proto_link *l, int slot);

/* classic_magic.c: where our magic lies in the ring */

/*
 * Empty lengths everywhere, word 0 first: a reader that is under way, by a write index of before,
 * must not run past what is laid out now. A magic that lies at 0 keeps its bytes, as it will lie
 * there again: who is just reading it reads all of it.
 */
void classic_magic_clear(const struct ring *r);

/*
 * R3, in a cleared ring: a magic at 0, for a reader that starts, armed by one store of its header.
 * T.rd = @x stays what it is, as it tells where the reader of now may stand, and the end of the
 * announcement, which is returned, must differ from it. A reader at x is reached as well: behind
 * the last magic by a second one there, further on by filler up to the end of the ring, behind
 * which the magic at 0 is next. Where neither is possible the magic is made longer if it would end
 * at x.
 */
uint32_t classic_magic_at_start(const struct ring *r, uint32_t x);

/* Does that reach a reader that stands at @x? */
bool classic_magic_reaches(const struct ring *r, uint32_t x);

/* Is the packet at @at of @r, where packets lie up to @wr, a magic? */
bool classic_magic_lies(const struct ring *r, uint32_t at, uint32_t wr);

/* R7, in a cleared ring: where the reader stands. Returns the end. */
uint32_t classic_magic_at_reader(const struct ring *r, uint32_t x);

/* classic_open.c: opening a session */

void classic_start(struct proto_link *l);
void classic_stop(struct proto_link *l);

/* (1) Who we are now; nothing else is written before it is sure that nobody is in a session. */
void classic_open(struct proto_link *l);

/* (2) May memory hold a live session of firmware, which a new layout would damage? */
bool classic_is_held(struct proto_link *l);

/* (3) Lay our announcement out, and acknowledge the other side's id. */
void classic_lay_out(struct proto_link *l);

/* classic_handshake.c: coming up */

/* Take what may be taken while the link is not up, and let it come up. */
void classic_handshake(struct proto_link *l);

/* Does R begin with an announcement? */
bool classic_begins_with_magic(const struct proto_link *l);

/* Has all been read that lies in T? */
bool classic_announcement_read(const struct proto_link *l);

/* Does a reader that starts find our announcement? Otherwise it has to be offered it anew. */
bool classic_announcement_stands(const struct proto_link *l);

/* classic_link.c: signs of a restart, and what is done about silence */

/*
 * Is the session still the one that is up, as the session word and R.rd tell? NULL, or the counter
 * of the sign that it is not.
 */
uint64_t *classic_sign(const struct proto_link *l);

/*
 * The signs of a restart that words and indices show (R2), to be looked for before anything is
 * believed. True if the link is fine; otherwise it has been given up.
 */
bool classic_look(struct proto_link *l);

/* (8) Give back what was read of an announcement, so that it can be read again. */
void classic_withdraw(struct proto_link *l);

/* Give the session up. @sign: which counter of signs of a restart this is. */
void classic_lose(struct proto_link *l, uint8_t reason, uint64_t *sign);

/* The daemon that the link goes through is gone. */
void classic_lose_daemon(struct proto_link *l);

/* Make what was read up to @rd the other side's again; false (link given up) if it started anew. */
bool classic_consume(struct proto_link *l, uint32_t rd);

/*
 * Is a magic on a link that is up no sign? Another libicbmsg may have laid out two, and its session
 * word tells when it starts anew.
 */
bool classic_ignores_magic(const struct proto_link *l);

void classic_rescue(struct proto_link *l);
const char *classic_diagnose(const struct proto_link *l);

#endif
