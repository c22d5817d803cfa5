/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control socket tells: the state of everything as JSON.
 */
#ifndef ICBMSGD_REPORT_H
#define ICBMSGD_REPORT_H

#include "server.h"

struct json_object;

/** The arrays and objects that client/control.h describes; the caller owns them. */
struct json_object *report_list(const struct server *s);
struct json_object *report_stats(const struct server *s);
struct json_object *report_io_uring(const struct server *s);
struct json_object *report_limits(const struct server *s);
struct json_object *report_clients(const struct server *s);
struct json_object *report_connections(const struct server *s);

#endif
