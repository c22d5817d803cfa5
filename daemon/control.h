/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket; client/control.h is its protocol.
 */
#ifndef ICBMSGD_CONTROL_H
#define ICBMSGD_CONTROL_H

#include "server.h"

struct control;

/** Returns 0 or a negative errno with a text in @error. */
int control_open(struct control **out, struct server *s, char error[ERROR_SIZE]);
void control_close(struct control *c);

/** Change who may connect, as @s's settings say. */
int control_set_access(struct control *c, char error[ERROR_SIZE]);

#endif
