/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon says: lines on stderr about starting, stopping and misbehaviour, never one per
 * message. Under systemd they carry the journal's priorities.
 */
#ifndef ICBMSGD_LOG_H
#define ICBMSGD_LOG_H

#include <icbmsg.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tool.h"

/** Find out where stderr goes; with @verbose ICBMSG_LOG_DEBUG is shown, too. */
void log_init(bool verbose);

void log_line(enum icbmsg_log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_line(ICBMSG_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(ICBMSG_LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(ICBMSG_LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(ICBMSG_LOG_DEBUG, __VA_ARGS__)

/** What somebody can make the daemon say as often as he likes is said once a second at most. */
struct log_limit {
	int64_t next_ns;     /**< CLOCK_MONOTONIC */
	uint64_t suppressed; /**< lines since the last one */
};

/** A warning, unless @limit has seen one less than a second ago. */
void log_limited(struct log_limit *limit, const char *format, ...) _printf_(2, 3);

/** CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_now(void);

#endif
