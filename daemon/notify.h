/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling systemd how we are (sd_notify(3)): a datagram to the socket in $NOTIFY_SOCKET.
 */
#ifndef ICBMSGD_NOTIFY_H
#define ICBMSGD_NOTIFY_H

#include <stdint.h>

#include "common/tool.h"

/** Find out whether somebody wants to know. Once, before the environment is used otherwise. */
void notify_init(void);

/** Send @format, for example "READY=1"; nothing if nobody wants to know. */
void notify(const char *format, ...) _printf_(1, 2);

/** How often the watchdog wants to hear of us, in microseconds; 0: not at all. */
uint64_t notify_watchdog_usec(void);

#endif
