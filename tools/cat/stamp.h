/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of messages as text.
 */
#ifndef ICBMSG_TOOLS_CAT_STAMP_H
#define ICBMSG_TOOLS_CAT_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "cat/text.h"

enum stamp_kind {
	STAMP_NONE,
	STAMP_ABSOLUTE, /**< seconds since 1970 */
	STAMP_DELTA,    /**< seconds since the message before */
	STAMP_ZERO,     /**< seconds since the first message */
	STAMP_DATE,     /**< ISO 8601 */
};

/** Nanoseconds since 1970 of one message and of those that -t compares it with. */
struct stamp_times {
	int64_t now;
	int64_t previous;
	int64_t first;
};

/** As @kind says, with microseconds. @utc: for STAMP_DATE; local time otherwise. */
void stamp_add(struct text *out, enum stamp_kind kind, const struct stamp_times *t, bool utc);

#endif
