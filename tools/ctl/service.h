/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of icbmsgctl that ask icbmsgd.
 */
#ifndef ICBMSG_TOOLS_CTL_SERVICE_H
#define ICBMSG_TOOLS_CTL_SERVICE_H

#include <stdio.h>

#include "client/control.h"

#define SERVICE_SOCKET ICBMSG_RUNDIR "/" CONTROL_SOCKET

/** What the help of these commands has in common. */
#define SERVICE_HELP                                                                \
	"  -s, --socket PATH    the daemon's control socket (" SERVICE_SOCKET ")\n" \
	"      --json           print the daemon's answer, one object on one line\n"
#define SERVICE_WATCH_HELP \
	"      --watch[=DUR]    again every second, or every DUR, until interrupted\n"

struct json_object;
struct ctl_command;

/** icbmsgctl stats, asked without a file. */
int service_run_stats(const struct ctl_command *command, int argc, char **argv);

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

/** A request for @command, without arguments. */
struct json_object *service_request(const char *command);

/* service_text.c: answers for people. */
void service_print_list(struct json_object *answer);
void service_print_stats(struct json_object *answer);
void service_print_clients(struct json_object *answer);
void service_print_changes(struct json_object *answer);
void service_print_socket(struct json_object *answer);

#endif
