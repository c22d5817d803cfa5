/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what is counted, which feeds all forms in which counters are read.
 */
#ifndef ICBMSG_CORE_COUNTERS_H
#define ICBMSG_CORE_COUNTERS_H

#include "icbmsg.h"
#include "proto/session.h"

size_t counters_count(void);

/* As icbmsg_counter_info(). */
int counters_info(size_t n, struct icbmsg_counter_info *info);

/* Write the first @max values of the table; returns how many. */
size_t counters_read(const struct session *s, uint64_t *values, size_t max);

/* The quick form, whole. */
struct icbmsg_stats counters_stats(const struct session *s);

enum icbmsg_link_state counters_link_state(const struct session *s);

#endif
