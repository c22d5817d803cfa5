/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery of what the pump has queued, and holding of received buffers. The contracts are those
 * of icbmsg.h.
 */
#ifndef ICBMSG_CORE_RECEIVE_H
#define ICBMSG_CORE_RECEIVE_H

#include "core/instance.h"

int receive_next_event(struct icbmsg *i, struct icbmsg_event *event, int64_t timeout_ns);
int receive_event_done(struct icbmsg *i);
int receive_dispatch(struct icbmsg *i, int64_t timeout_ns);
int receive_hold(struct icbmsg *i, const void *data, struct icbmsg_rx *rx);
int receive_release(struct icbmsg *i, struct icbmsg_rx rx);
bool receive_is_current(struct icbmsg *i, struct icbmsg_rx rx);

/* The event of a received buffer is over: release the buffer unless it is held. */
void receive_done(struct icbmsg *i, uint8_t block);

#endif
