/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaching icbmsgd: its sockets, what it means if they cannot be reached, and requests of the
 * protocol that client/control.h describes.
 */
#ifndef ICBMSG_TOOLS_COMMON_SERVICE_H
#define ICBMSG_TOOLS_COMMON_SERVICE_H

#include <stddef.h>

struct json_object;

/**
 * Connect to the Unix socket @path. @type as for socket(2), with flags. Returns a descriptor, the
 * caller's, or a negative errno value: -ENAMETOOLONG if @path is too long for a socket.
 */
int service_connect(const char *path, int type);

/** One line into @out on why service_connect(@path) returned @error, and what to do about it. */
void service_explain(char *out, size_t size, const char *path, int error);

/** A request for @command, without arguments; the caller's. */
struct json_object *service_request(const char *command);

/**
 * NULL if @answer says that all is well; else one line about what is not, which belongs to @answer.
 */
const char *service_refusal(struct json_object *answer);

#endif
