/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is UTF-8 and what is not: JSON has nothing else.
 */
#ifndef ICBMSG_TOOLS_COMMON_UTF8_H
#define ICBMSG_TOOLS_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Bytes of the valid UTF-8 sequence at @data, 0 if there is none. */
size_t utf8_sequence(const uint8_t *data, size_t size);

#endif
