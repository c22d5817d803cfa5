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

/* classic.c: the control path */

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

/* classic_link.c: coming up, and restarts of the other side */

void classic_start(struct proto_link *l);

/* Take what may be taken while the link is not up, and let it come up. */
void classic_handshake(struct proto_link *l);

/*
 * Has the other side written a read index of its own into R? Then what was copied from R may be of
 * two sessions. Not to be told while ours is 0.
 */
bool classic_read_index_moved(const struct proto_link *l);

/*
 * The signs of a restart that the indices show (R2), to be looked for before anything is believed.
 * True if the link is fine; otherwise it has been given up.
 */
bool classic_look(struct proto_link *l);

/* Give the session up. @sign: which counter of signs of a restart this is. */
void classic_lose(struct proto_link *l, uint8_t reason, uint64_t *sign);

/* Make what was read up to @rd the other side's again; false (link given up) if it started anew. */
bool classic_consume(struct proto_link *l, uint32_t rd);

/*
 * The link is up, and the other side has neither said nor read anything since. Then it may be a
 * successor of the one that read our announcement, and wait for another.
 */
bool classic_unproven(const struct proto_link *l);

void classic_rescue(struct proto_link *l);
const char *classic_diagnose(const struct proto_link *l);

#endif
