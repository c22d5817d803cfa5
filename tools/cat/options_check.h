/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between reading the command line and using it: options.c reads, options_check.c refuses what
 * contradicts itself and finds the link.
 */
#ifndef ICBMSG_TOOLS_CAT_OPTIONS_CHECK_H
#define ICBMSG_TOOLS_CAT_OPTIONS_CHECK_H

#include "cat/options.h"

/* What is needed while reading only. */
struct reading {
	struct options *o;
	const char *direct, *socket, *rate;
	bool format_given, burst_given, timeout_given, zone_given, input_given, offset_given;
};

/** All options are read; @argv: what follows them. A usage error ends the program. */
void options_check(struct reading *r, int argc, char **argv);

#endif
