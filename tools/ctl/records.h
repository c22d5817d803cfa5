/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flight recorder's part of icbmsgctl inspect.
 */
#ifndef ICBMSG_TOOLS_CTL_RECORDS_H
#define ICBMSG_TOOLS_CTL_RECORDS_H

#include "ctl/view.h"

struct json_object;

/** Fill @v's records from the state-file that @cfg names; without one there are none. */
void records_load(struct view *v, struct icbmsg_config *cfg);

void records_print(const struct view *v);

/** An array; NULL if there are no records. */
struct json_object *records_array(const struct view *v);

#endif
