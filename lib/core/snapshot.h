/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the shared memory of a link at one moment, decoded from a copy. snapshot_new() and
 * the functions below it are those of icbmsg.h.
 */
#ifndef ICBMSG_CORE_SNAPSHOT_H
#define ICBMSG_CORE_SNAPSHOT_H

#include "core/config.h"
#include "icbmsg.h"
#include "util/access.h"
#include "wire/layout.h"

/* The copy of one region. */
struct snapshot_region {
	struct layout_region layout;
	struct icbmsg_snapshot_ring ring;
	uint8_t *data;   /* the ring's data twice in a row, so that no packet is in two pieces */
	uint8_t *blocks; /* all blocks */
	struct snapshot_packet {
		uint32_t offset; /* in the ring's data */
		uint32_t size;   /* payload bytes */
	} * packets;             /* history, then what is pending */
	size_t count;            /* of packets */
	size_t history;          /* how many of them are history */
};

/*
 * Copy the region whose aligned start is mapped at @begin and find its packets.
 * Returns 0 or -ENOMEM. The caller frees @out with snapshot_region_deinit().
 */
int snapshot_region_init(struct snapshot_region *out, const void *begin,
			 const struct layout_region *layout, enum mem_type type);
void snapshot_region_deinit(struct snapshot_region *r);
int snapshot_region_packet(const struct snapshot_region *r, size_t n,
			   struct icbmsg_snapshot_packet *out);
int snapshot_region_buffer(const struct snapshot_region *r, uint32_t block,
			   struct icbmsg_snapshot_buffer *out);

int snapshot_new(struct icbmsg_snapshot **out, struct icbmsg_config *cfg);
void snapshot_free(struct icbmsg_snapshot *s);
/* NULL if there is no such direction. */
const struct snapshot_region *snapshot_get_region(const struct icbmsg_snapshot *s,
						  enum icbmsg_direction dir);

#endif
