/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of a devicetree share: the tree, messages that begin with the place in it, and
 * properties as numbers. Nodes are libfdt's offsets.
 */
#ifndef ICBMSG_CORE_DT_NODE_H
#define ICBMSG_CORE_DT_NODE_H

#include <libfdt.h>
#include <stdbool.h>

#include "core/dt.h"

#define DT_COMPATIBLE "zephyr,ipc-icbmsg"
#define DT_CELLS_MAX 2 /* of an address or a size: 64 bits */

struct dt {
	const void *blob;
	const char *file; /* for messages */
	char *error;      /* CONFIG_ERROR_SIZE bytes */
};

/* "FILE:PATH: text" into the error; passes @ret through. @node < 0: without a path. */
int dt_fail(const struct dt *dt, int node, int ret, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* What libfdt's @error says about @node, which may be negative. Returns -EBADMSG. */
int dt_damaged(const struct dt *dt, int node, int error);

/* The path of @node, "?" if it is too long. Returns @out. */
const char *dt_path(const struct dt *dt, char out[DT_PATH_SIZE], int node);

/* A property that is text: NULL if it is missing, or does not end where it should. */
const char *dt_string(const struct dt *dt, int node, const char *name);

/* The property @name as one cell: 0, -ENOENT without a text if it is missing, or -EINVAL. */
int dt_cell(const struct dt *dt, int node, const char *name, uint32_t *value);

/* The only node that @name (NULL: any) stands for; see dt_parse(). */
int dt_find(const struct dt *dt, const char *name, int *node);

/* The region that the phandle in @property of @node points to. */
int dt_region(const struct dt *dt, int node, const char *property, struct dt_region *out);

/* The word size of all CPUs, 0 if it is not certain, and their names into @cpu. */
uint32_t dt_word_size(const struct dt *dt, char cpu[DT_TEXT_SIZE]);

/* The mailboxes of @node for people; "" if there are none or they make no sense. */
void dt_mailboxes(const struct dt *dt, int node, char out[DT_TEXT_SIZE]);

#endif
