/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The argument FILE[:INSTANCE] of --direct and of icbmsgctl: which section of which file.
 */
#ifndef ICBMSG_TOOLS_COMMON_DIRECT_H
#define ICBMSG_TOOLS_COMMON_DIRECT_H

#include <icbmsg.h>

/** A file and an instance in it. */
struct direct {
	char *file;
	char *instance; /**< NULL: the only one in the file */
};

/**
 * Split FILE[:INSTANCE] at the last colon, unless a file of the whole name exists. What is wrong is
 * a usage error. The caller frees @out with direct_deinit().
 */
void direct_init(struct direct *out, const char *text);
void direct_deinit(struct direct *d);

/**
 * The configuration that @d names, read; the program ends with a message if it cannot be. The
 * caller frees it with icbmsg_config_free().
 */
struct icbmsg_config *direct_load(const struct direct *d);

#endif
