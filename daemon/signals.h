/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running daemon: signals, readiness, the watchdog.
 */
#ifndef ICBMSGD_SIGNALS_H
#define ICBMSGD_SIGNALS_H

#include <stdbool.h>

#include "server.h"

/**
 * Serve until SIGTERM or SIGINT has come and what was on its way is delivered, or drain-timeout is
 * over; a second signal ends it at once. SIGHUP reloads.
 * @banner: print a line on stdout when ready.
 */
void serve(struct server *s, bool banner);

#endif
