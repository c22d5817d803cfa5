/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, sizes and durations as users write them, the same in all programs and as in
 * icbmsg.conf(5).
 */
#ifndef ICBMSG_TOOLS_COMMON_PARSE_H
#define ICBMSG_TOOLS_COMMON_PARSE_H

#include <stdint.h>

/* These return 0, or -EINVAL for what is not such a value, or -ERANGE for one too large. */

/** Decimal, or hexadecimal after 0x. */
int parse_number(const char *text, uint64_t *out);

/** As parse_number(), and k M G at the end multiply by 1024, 1024^2 or 1024^3. */
int parse_size(const char *text, uint64_t *out);

/**
 * Decimal, with a fraction if wanted, and a unit: us, ms, s or m. Only 0 may do without one.
 * @ns: nanoseconds.
 */
int parse_duration(const char *text, int64_t *ns);

/* The same for the argument of a program's @option ("--count"): what is wrong is a usage error. */

uint64_t arg_number(const char *option, const char *text, uint64_t min, uint64_t max);
uint64_t arg_size(const char *option, const char *text, uint64_t min, uint64_t max);
int64_t arg_duration(const char *option, const char *text);

#endif
