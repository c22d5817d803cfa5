/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ICBMSG_TESTS_SET_H
#define ICBMSG_TESTS_SET_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <icbmsg.h>

static inline void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One key of a configuration that the test means to be right: ends the program if it is refused. */
static inline void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[192];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	if (icbmsg_config_set(cfg, key, value) == 0)
		return;
	fprintf(stderr, "%s = %s: %s\n", key, value, icbmsg_config_error(cfg));
	abort();
}

#endif
