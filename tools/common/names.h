/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of endpoints as file names. Firmware may call an endpoint anything; a file name must not
 * have a slash and should not have what a terminal acts on. Such bytes are written %XX, as is % and a
 * dot in front. The same writing is understood in the headings of the configuration.
 */
#ifndef ICBMSG_TOOLS_COMMON_NAMES_H
#define ICBMSG_TOOLS_COMMON_NAMES_H

#include <icbmsg.h>
#include <stdbool.h>
#include <stddef.h>

#define NAME_SIZE (ICBMSG_EPT_NAME_MAX + 1)
#define NAME_ESCAPED_SIZE (3 * ICBMSG_EPT_NAME_MAX + 1)

void name_escape(char out[NAME_ESCAPED_SIZE], const char *name);

/** The reverse. Returns false if @text is empty, too long, or has a % without two digits. */
bool name_unescape(char out[NAME_SIZE], const char *text);

/** Whether a name in the configuration stands for many: it has one of * ? [. */
bool name_is_pattern(const char *text);

/**
 * @text for a terminal or a log: control characters, which could pretend to be other lines, become
 * \xNN. Cut off where @out, of @size bytes, is full.
 */
void name_printable(char *out, size_t size, const char *text);

#endif
