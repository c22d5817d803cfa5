/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder's part of icbmsgctl inspect.
 */
#ifndef ICBMSG_TOOLS_CTL_RECORDS_H
#define ICBMSG_TOOLS_CTL_RECORDS_H

#include <icbmsg.h>

struct json_object;

void records_print(const struct icbmsg_status *status);
struct json_object *records_array(const struct icbmsg_status *status);

#endif
