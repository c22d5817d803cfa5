/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icbmsg_connect(): an instance that goes through icbmsgd. The contract is that of icbmsg.h.
 */
#ifndef ICBMSG_CLIENT_CONNECT_H
#define ICBMSG_CLIENT_CONNECT_H

#include "icbmsg.h"

int connect_instance(struct icbmsg **link, struct icbmsg_config *cfg, const char *target);

#endif
