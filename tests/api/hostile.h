/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libicbmsg on one end of a link, and on the other a peer made by hand: it writes whatever a test
 * says, and keeps count of what libicbmsg writes.
 */
#ifndef ICBMSG_TESTS_HOSTILE_H
#define ICBMSG_TESTS_HOSTILE_H

#include "ends.h"
#include "wire/blocks.h"
#include "wire/control.h"
#include "wire/ring.h"

/* What the peer has read of ours since hostile_forget(). */
struct hostile_read {
	unsigned int packets, data, releases, bounds, release_bounds;
	struct control last;                      /* packet */
	unsigned int released[LAYOUT_BLOCKS_MAX]; /* RELEASE_DATA by block */
};

struct hostile {
	struct ends e;
	bool initiator; /* libicbmsg is */
	struct icbmsg *link;
	struct layout_region tx, rx; /* as libicbmsg sees them */
	struct ring in, out;         /* the peer reads, the peer writes */
	uint32_t rd, wr;             /* the peer's own indices */
	struct hostile_read read;
	unsigned int warnings; /* log lines about the peer */
	unsigned int round;    /* how often the fault under test was repeated */
};

/* Of the next hostile_start(); 50ms unless a test says otherwise. */
extern const char *hostile_rescue_interval;

/* The endpoint of libicbmsg that is bound, address 0. */
#define HOSTILE_NAME "victim"

/* Bring the link up and bind; @seen reports. */
void hostile_start(struct hostile *h, struct seen *seen, bool initiator);
void hostile_end(struct hostile *h);

/* The peer starts anew, as firmware does, on a link that libicbmsg has given up; it comes back. */
void hostile_restart(struct hostile *h, struct seen *seen);

/* Write a packet; into the ring's memory only, or also publish it. */
void hostile_lay(struct hostile *h, const void *packet, uint32_t len);
void hostile_put(struct hostile *h, const void *packet, uint32_t len);
void hostile_control(struct hostile *h, uint8_t type, uint8_t ept, uint32_t block);

/* Fill a buffer in the peer's region: header as claimed, @size bytes of @data. */
void hostile_fill(struct hostile *h, uint32_t block, uint64_t claimed, const void *data,
		  size_t size);

/* A message of @size bytes for the bound endpoint from @block on; libicbmsg and the peer read. */
void hostile_message(struct hostile *h, uint32_t block, const void *data, uint32_t size);

/* Let libicbmsg do all it has to do; then the peer reads what came of it. */
void hostile_settle(struct hostile *h);
void hostile_read(struct hostile *h);
void hostile_forget(struct hostile *h);

/* Messages of several blocks go both ways, everything is released, nothing is lost. */
void hostile_assert_works(struct hostile *h, struct seen *seen);

/* Every block of ours is either free or part of one buffer that is accounted for. */
void hostile_assert_sound(struct hostile *h);

#endif
