// SPDX-License-Identifier: Apache-2.0
/*
 * See utf8.h.
 */
#include "common/utf8.h"

/* Table 3-7 of the Unicode standard: no overlong forms, surrogates or values above 10ffff. */
size_t utf8_sequence(const uint8_t *p, size_t size)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (size == 0 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (size < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}
