// SPDX-License-Identifier: Apache-2.0
/*
 * Levenshtein's distance, one row at a time.
 */
#include "cat/near.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define NAME_MAX_LENGTH 63u

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[NAME_MAX_LENGTH + 1];

	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1,
				       diagonal + !same_letter(a[i - 1], b[j - 1]));
			diagonal = above;
		}
	}
	return row[nb];
}

bool near_enough(const char *name, const char *wanted)
{
	size_t na = strlen(name), nb = strlen(wanted);
	size_t few = nb < 3 ? 0 : nb < 6 ? 2 : 3;

	return na <= NAME_MAX_LENGTH && nb <= NAME_MAX_LENGTH &&
	       distance(name, na, wanted, nb) <= few;
}
