/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one side knows of a link, from its state-file: for icbmsgctl inspect, stats and records.
 */
#ifndef ICBMSG_TOOLS_CTL_STATE_H
#define ICBMSG_TOOLS_CTL_STATE_H

#include <icbmsg.h>
#include <stdbool.h>

#include "ctl/ctl.h"

struct json_object;

/** What commands about a state-file take. */
struct state_arguments {
	bool json;
	bool list; /**< --list, of stats */
	const char *direct;
};

/** Returns false if help was asked for. */
bool state_parse(const struct ctl_command *command, struct state_arguments *a, int argc,
		 char **argv);

/** Load the state-file that @direct, FILE[:INSTANCE], names. Does not return if that fails. */
struct icbmsg_status *state_load(const char *direct);

/** Link, endpoints and counters; of these all, or only those that are not 0. */
void state_print(const struct icbmsg_status *status, bool all);

/** The same as one object, always all. */
struct json_object *state_object(const struct icbmsg_status *status);

/** Name, kind, unit and meaning of all counters. */
void state_print_list(void);
struct json_object *state_list_array(void);

#endif
