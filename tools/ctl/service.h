/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of icbmsgctl that ask icbmsgd.
 */
#ifndef ICBMSG_TOOLS_CTL_SERVICE_H
#define ICBMSG_TOOLS_CTL_SERVICE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/service.h"

/** A connection to the control socket of a daemon. */
struct service {
	const char *path;
	FILE *in, *out;
};

/** Connect; the program ends with a message if that is not possible. */
void service_open(struct service *s, const char *path);
void service_close(struct service *s);

/**
 * Send @request, which is freed, and return the answer, the caller's. The program ends with a message
 * if there is none, or if it says that something is wrong.
 */
struct json_object *service_ask(struct service *s, struct json_object *request);

/** Whether the answer tells of something that was tried and failed. */
bool service_has_failed(struct json_object *answer);

/* service_text.c: answers for people. */
void service_print_list(struct json_object *answer);
void service_print_stats(struct json_object *answer);
void service_print_clients(struct json_object *answer);
void service_print_changes(struct json_object *answer);
void service_print_socket(struct json_object *answer);

#endif
