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

/**
 * Send @format, for example "READY=1"; nothing if nobody wants to know. It is said once, so where the
 * manager's queue is full this waits, up to a second.
 */
void notify(const char *format, ...) _printf_(1, 2);

/** Tell the watchdog; never waits, as this is said again and again. */
void notify_alive(void);

/** How often the watchdog wants to hear of us, in microseconds; 0: not at all. */
uint64_t notify_watchdog_usec(void);

#endif
