/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending, with a copy and without. The contracts are those of icbmsg.h.
 */
#ifndef ICBMSG_CORE_SEND_H
#define ICBMSG_CORE_SEND_H

#include "core/instance.h"

/* @tx: NULL, or where the handle of a message goes that is to be tracked. */
int send_copy(struct icbmsg_ept *ept, const void *data, size_t size, int64_t timeout_ns,
	      struct icbmsg_tx *tx);
int send_get_buffer(struct icbmsg_ept *ept, size_t *size, int64_t timeout_ns, void **data);
int send_nocopy(struct icbmsg_ept *ept, void *data, size_t size, struct icbmsg_tx *tx);
int send_get_fate(struct icbmsg *i, struct icbmsg_tx tx);
int send_drop_buffer(struct icbmsg *i, void *data);

#endif
