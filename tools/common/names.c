// SPDX-License-Identifier: Apache-2.0
/*
 * Escaping of names.
 */
#include "common/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool must_escape(const char *name, size_t i)
{
	unsigned char c = (unsigned char)name[i];

	return c < 0x20 || c == 0x7f || c == '/' || c == '%' || (c == '.' && i == 0);
}

void name_escape(char out[NAME_ESCAPED_SIZE], const char *name)
{
	for (size_t i = 0; name[i] && i < ICBMSG_EPT_NAME_MAX; i++) {
		if (must_escape(name, i))
			out += sprintf(out, "%%%02X", (unsigned char)name[i]);
		else
			*out++ = name[i];
	}
	*out = '\0';
}

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c | 0x20) : NULL;

	return found ? (int)(found - digits) : -1;
}

bool name_unescape(char out[NAME_SIZE], const char *text)
{
	size_t n = 0;

	for (; *text; text++) {
		char c = *text;

		if (n == NAME_SIZE - 1)
			return false;
		if (c == '%') {
			int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);

			if (low < 0 || high + low == 0)
				return false;
			c = (char)(high << 4 | low);
			text += 2;
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return n > 0;
}

bool name_is_pattern(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

void name_printable(char *out, size_t size, const char *text)
{
	for (; *text && size > 4; text++) {
		unsigned char c = (unsigned char)*text;
		int n = snprintf(out, size, c < ' ' || c == 0x7f ? "\\x%02x" : "%c", c);

		out += n;
		size -= (size_t)n;
	}
	*out = '\0';
}
