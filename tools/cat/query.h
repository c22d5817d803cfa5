/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question at a time to the daemon's control socket, without waiting for the answer. The
 * connection is closed after each answer, as the daemon has few to give.
 */
#ifndef ICBMSG_TOOLS_CAT_QUERY_H
#define ICBMSG_TOOLS_CAT_QUERY_H

#include <stdbool.h>

#include "cat/text.h"

struct json_object;

struct query {
	const char *path; /**< of the control socket; outlives this */
	int fd;           /**< to be polled for input; -1: nothing was asked */
	struct text answer;
};

void query_init(struct query *q, const char *path);
void query_deinit(struct query *q);

/** Ask @request, which is freed. Returns 0, or a negative errno value if nobody can be asked. */
int query_ask(struct query *q, struct json_object *request);

/**
 * What has come: 1 with @answer, the caller's; 0 if it is not there yet; a negative errno value if
 * none will come. Unless it returns 0 the next question may be asked.
 */
int query_take(struct query *q, struct json_object **answer);

/** query_ask() and wait. Returns 0 with @answer, the caller's, or a negative errno value. */
int query_ask_and_wait(struct query *q, struct json_object *request, struct json_object **answer);

#endif
