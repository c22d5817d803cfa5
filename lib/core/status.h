/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one side knows of a link, from a copy of its session: the same for a link of this process
 * and for a state-file. The contracts are those of icbmsg.h.
 */
#ifndef ICBMSG_CORE_STATUS_H
#define ICBMSG_CORE_STATUS_H

#include "core/config.h"
#include "icbmsg.h"
#include "proto/session.h"

int status_new(struct icbmsg_status **out, struct icbmsg *i);
int status_load(struct icbmsg_status **out, struct icbmsg_config *cfg);
void status_free(struct icbmsg_status *status);

void status_get_link(const struct icbmsg_status *status, struct icbmsg_link_status *out);
int status_get_ept(const struct icbmsg_status *status, size_t n, struct icbmsg_ept_status *out);

/* What it is a copy of. A file can hold any bytes behind its magic: nothing in it is to be trusted. */
const struct session *status_session(const struct icbmsg_status *status);

#endif
