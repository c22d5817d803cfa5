/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The geometry of a link from a flattened devicetree: what a node compatible with
 * "zephyr,ipc-icbmsg" says about regions, blocks and alignment (Zephyr's binding of that name).
 * Blobs are not trusted.
 */
#ifndef ICBMSG_CORE_DT_H
#define ICBMSG_CORE_DT_H

#include <stddef.h>
#include <stdint.h>

#include "core/config.h"

#define DT_PATH_SIZE 256u
#define DT_TEXT_SIZE 256u

struct dt_region {
	uint64_t address; /* translated by all "ranges" up to the root */
	uint64_t size;    /* 1 to below 4G */
};

/* In the words of the side that the tree describes: @tx is what that side writes. */
struct dt_link {
	char path[DT_PATH_SIZE]; /* of the node */
	struct dt_region tx, rx; /* which do not overlap */
	uint32_t tx_blocks, rx_blocks;
	uint32_t alignment;           /* dcache-alignment; 0: the node has none */
	uint32_t word_size;           /* of the tree's CPUs; 0: cannot be told for certain */
	char cpu[DT_TEXT_SIZE];       /* what /cpus says they are; "" for nothing */
	char mailboxes[DT_TEXT_SIZE]; /* for people: "tx: /soc/mbox@1000 1, rx: ..."; or "" */
};

/*
 * Read the node @node of the @size bytes at @blob: its path, label, alias, or name with or without
 * its unit address; NULL for the only one there is. @file is for messages.
 * Returns 0, -ENOENT if there is no such node, -ENOTUNIQ if there are several, -EINVAL for what is
 * missing or contradictory in it, -EBADMSG for a damaged blob; with a text in @error.
 */
int dt_parse(struct dt_link *out, const void *blob, size_t size, const char *node, const char *file,
	     char error[CONFIG_ERROR_SIZE]);

#endif
