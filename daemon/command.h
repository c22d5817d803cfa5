/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the control protocol, from text to answer.
 */
#ifndef ICBMSGD_COMMAND_H
#define ICBMSGD_COMMAND_H

#include "common/tool.h"
#include "server.h"

struct json_object;

/** Carry out the request @line of user @uid. Returns the answer, the caller's. */
struct json_object *command_run(struct server *s, const char *line, uid_t uid);

/** The answer that says what is wrong. */
struct json_object *command_error(const char *format, ...) _printf_(1, 2);

#endif
