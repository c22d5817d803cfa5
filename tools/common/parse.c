// SPDX-License-Identifier: Apache-2.0
/*
 * Text to numbers. strtoull() alone would accept signs, blanks, octal and rubbish behind.
 */
#include "common/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/tool.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* The number at the start of @text; what follows it is in @rest. */
static int number_at(const char *text, uint64_t *out, const char **rest)
{
	int base = 10;
	char *end;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') &&
	    isxdigit((unsigned char)text[2]))
		base = 16;
	else if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, base);
	*rest = end;
	return errno == ERANGE ? -ERANGE : 0;
}

int parse_number(const char *text, uint64_t *out)
{
	const char *rest;
	uint64_t value;
	int ret = number_at(text, &value, &rest);

	if (ret == 0 && *rest)
		ret = -EINVAL;
	if (ret == 0)
		*out = value;
	return ret;
}

int parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kMG";
	unsigned int shift = 0;
	const char *rest, *unit;
	uint64_t value;
	int ret = number_at(text, &value, &rest);

	if (ret < 0)
		return ret;
	if (*rest) {
		unit = strchr(units, *rest);
		if (!unit || rest[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (value > UINT64_MAX >> shift)
		return -ERANGE;
	*out = value << shift;
	return 0;
}

static uint64_t unit_ns(const char *unit)
{
	if (strcmp(unit, "us") == 0)
		return NS_PER_US;
	if (strcmp(unit, "ms") == 0)
		return NS_PER_MS;
	if (strcmp(unit, "s") == 0)
		return NS_PER_S;
	return strcmp(unit, "m") == 0 ? 60 * NS_PER_S : 0;
}

int parse_duration(const char *text, int64_t *ns)
{
	uint64_t value, fraction = 0, scale = 1, unit;
	const char *rest;
	int ret = number_at(text, &value, &rest);

	if (ret < 0)
		return ret;
	if (*rest == '.') {
		if (!isdigit((unsigned char)*++rest))
			return -EINVAL;
		/* Nine digits are nanoseconds of a second; more add nothing. */
		for (; isdigit((unsigned char)*rest); rest++) {
			if (scale < NS_PER_S) {
				fraction = fraction * 10 + (uint64_t)(*rest - '0');
				scale *= 10;
			}
		}
	}
	unit = *rest == '\0' && value == 0 && fraction == 0 ? 1 : unit_ns(rest);
	if (unit == 0)
		return -EINVAL;
	if (value >= (uint64_t)INT64_MAX / unit)
		return -ERANGE;
	/* In two steps: 60e9 times nine digits would not fit. */
	*ns = (int64_t)(value * unit + fraction * (unit / 1000) / scale * 1000 +
			fraction * (unit / 1000) % scale * 1000 / scale);
	return 0;
}

static void check_range(const char *option, const char *text, int ret, uint64_t value, uint64_t min,
			uint64_t max)
{
	if (ret != -ERANGE && (ret < 0 || (value >= min && value <= max)))
		return;
	if (max == UINT64_MAX)
		tool_usage("%s: %s is out of range; it starts at %" PRIu64, option, text, min);
	tool_usage("%s: %s is out of range; it goes from %" PRIu64 " to %" PRIu64, option, text,
		   min, max);
}

uint64_t arg_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;
	int ret = parse_number(text, &value);

	check_range(option, text, ret, value, min, max);
	if (ret < 0)
		tool_usage("%s: '%s' is not a number; write for example %s=10", option, text,
			   option);
	return value;
}

uint64_t arg_size(const char *option, const char *text, uint64_t min, uint64_t max)
{
	uint64_t value = 0;
	int ret = parse_size(text, &value);

	check_range(option, text, ret, value, min, max);
	if (ret < 0)
		tool_usage("%s: '%s' is not a size; write for example %s=4k (units k, M, G)",
			   option, text, option);
	return value;
}

int64_t arg_duration(const char *option, const char *text)
{
	int64_t ns = 0;
	int ret = parse_duration(text, &ns);

	if (ret == -ERANGE)
		tool_usage("%s: %s is too long", option, text);
	if (ret < 0)
		tool_usage("%s: '%s' is not a duration; write for example %s=500ms (units us, ms, "
			   "s, m)",
			   option, text, option);
	return ns;
}
