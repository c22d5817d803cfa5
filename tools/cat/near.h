/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that may be what somebody meant to write.
 */
#ifndef ICBMSG_TOOLS_CAT_NEAR_H
#define ICBMSG_TOOLS_CAT_NEAR_H

#include <stdbool.h>

/**
 * Whether @name differs from @wanted by few letters: letters that are missing, too many, wrong, or
 * written in the other case. Names of up to 63 bytes.
 */
bool near_enough(const char *name, const char *wanted);

#endif
