/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the daemon's run folder an endpoint is, and what the daemon says about it.
 */
#ifndef ICBMSG_TOOLS_CAT_PLACE_H
#define ICBMSG_TOOLS_CAT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/options.h"

struct json_object;

#define PLACE_INSTANCE_SIZE 64
#define PLACE_PATH_SIZE 512

struct place {
	char control[PLACE_PATH_SIZE]; /**< the daemon's control socket */
	char path[PLACE_PATH_SIZE];    /**< the endpoint's socket */
	char instance[PLACE_INSTANCE_SIZE];
	char endpoint[ICBMSG_EPT_NAME_MAX + 1];
	bool asked; /**< the daemon has answered; without, all below is unknown */
	size_t max_send;
};

/** What "list" says about one endpoint. */
struct place_state {
	bool listed; /**< it is exported */
	bool up;     /**< the other side is there */
	bool held;   /**< it is in a session with an earlier program of this side */
	bool bound, exclusive;
	uint64_t restarts, clients;
	size_t max_send; /**< bytes */
};

/** Find what @o names. Ends the program with a message if there is no such endpoint. */
void place_find(struct place *p, const struct options *o);

/** What @answer, to "list", says about @p. */
struct place_state place_state_of(const struct place *p, struct json_object *answer);

/** The request to export @p if it is not, the caller's. */
struct json_object *place_export_request(const struct place *p);

#endif
