// SPDX-License-Identifier: Apache-2.0
#include "core/config_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool text_take_prefix(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	return true;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

bool text_take_digits(uint64_t *out, const char **text, unsigned int base)
{
	const char *p = *text;
	uint64_t v = 0;
	unsigned int d;

	for (; (d = (unsigned int)digit_value(*p)) < base; p++)
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*out = v;
	return true;
}

bool text_take_number(uint64_t *out, const char **text)
{
	bool hex = text_take_prefix(text, "0x") || text_take_prefix(text, "0X");
	unsigned int shift = 0;
	uint64_t v;

	if (!text_take_digits(&v, text, hex ? 16 : 10))
		return false;
	if (text_take_prefix(text, "k") || text_take_prefix(text, "K"))
		shift = 10;
	else if (text_take_prefix(text, "M"))
		shift = 20;
	else if (text_take_prefix(text, "G"))
		shift = 30;
	return !__builtin_mul_overflow(v, UINT64_C(1) << shift, out);
}

bool text_parse_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!text_take_number(&v, &text) || *text != '\0' || v < min || v > max)
		return false;
	*out = v;
	return true;
}

bool text_take_fd(int *out, const char **text)
{
	uint64_t v;

	if (!text_take_digits(&v, text, 10) || v > INT32_MAX)
		return false;
	*out = (int)v;
	return true;
}

bool text_take_duration(int64_t *out, const char **text, int64_t min)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "us", NS_PER_US },
		{ "ms", NS_PER_MS },
		{ "s", NS_PER_S },
		{ "m", 60 * NS_PER_S },
	};
	const char *p = *text;
	uint64_t v;
	size_t i;

	if (!text_take_digits(&v, &p, 10) || v > (uint64_t)DURATION_MAX)
		return false;
	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!text_take_prefix(&p, units[i].name))
			continue;
		if ((int64_t)v > DURATION_MAX / units[i].ns || (int64_t)v * units[i].ns < min)
			return false;
		*out = (int64_t)v * units[i].ns;
		*text = p;
		return true;
	}
	return false;
}

bool text_parse_duration(int64_t *out, const char *text, int64_t min)
{
	int64_t v;

	if (!text_take_duration(&v, &text, min) || *text != '\0')
		return false;
	*out = v;
	return true;
}

bool config_why(char why[CONFIG_WHY_SIZE], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, CONFIG_WHY_SIZE, format, ap);
	va_end(ap);
	/* It may quote the value, which nobody has looked at. */
	for (; *why; why++)
		if (!isprint((unsigned char)*why))
			*why = '?';
	return false;
}
