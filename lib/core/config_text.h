/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking the text of values apart. What is called take_ reads from the front of *@text and moves it
 * behind what it has read; what is called parse_ wants all of @text. All return false, with nothing
 * written, if the text is something else.
 */
#ifndef ICBMSG_CORE_CONFIG_TEXT_H
#define ICBMSG_CORE_CONFIG_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S (1000 * NS_PER_MS)
#define DURATION_MAX (60 * NS_PER_S)

bool text_take_prefix(const char **text, const char *prefix);

/* Digits; no sign, no space. */
bool text_take_digits(uint64_t *out, const char **text, unsigned int base);

/* Decimal or 0x hexadecimal with an optional k, M or G. */
bool text_take_number(uint64_t *out, const char **text);
bool text_parse_number(uint64_t *out, const char *text, uint64_t min, uint64_t max);

bool text_take_fd(int *out, const char **text);

/* A decimal number and its unit, at least @min and at most DURATION_MAX; in ns. */
bool text_take_duration(int64_t *out, const char **text, int64_t min);
bool text_parse_duration(int64_t *out, const char *text, int64_t min);

#define CONFIG_WHY_SIZE 256u /* bytes of what is wrong with a part of a value */

/* Write what is wrong with a value into @why; false, for parsers to return. */
bool config_why(char why[CONFIG_WHY_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
