// SPDX-License-Identifier: Apache-2.0
/*
 * PLACE ACTION VALUE, and more of them behind commas. Whoever writes these has a reference manual
 * open beside the file, and the part that is wrong is to be found there, so each has its message.
 */
#include "core/config_register.h"

#include <inttypes.h>
#include <string.h>

#include "core/config_text.h"

#define SPACE " \t"
#define WORD_SIZE (REGISTER_NAME_MAX + REGISTER_MAP_MAX + 32u)
#define PLACES "mem:ADDRESS, uio:DEVICE[/MAP][+OFFSET] or file:/PATH[+OFFSET]"
#define ACTIONS "write, set, clear or w1c with 8, 16, 32 or 64 behind it"

/* A word that ends at space, or at one of @ends; and the space around it. */
static bool take_word(char out[WORD_SIZE], const char **text, const char *ends,
		      char why[CONFIG_WHY_SIZE])
{
	size_t n;

	*text += strspn(*text, SPACE);
	n = strcspn(*text, ends);
	if (n >= WORD_SIZE)
		return config_why(why, "a word of more than %u bytes", WORD_SIZE - 1);
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	*text += strspn(*text, SPACE);
	return true;
}

/* Cut "+OFFSET" off the end of @word. */
static bool cut_offset(uint64_t *out, char *word, char why[CONFIG_WHY_SIZE])
{
	char *plus = strrchr(word, '+');

	*out = 0;
	if (!plus)
		return true;
	if (!text_parse_number(out, plus + 1, 0, INT64_MAX))
		return config_why(why, "\"%s\" is no offset", plus + 1);
	*plus = '\0';
	return true;
}

static bool parse_mem(struct register_access *out, const char *word, char why[CONFIG_WHY_SIZE])
{
	out->place = REGISTER_MEM;
	if (!text_parse_number(&out->offset, word, 0, INT64_MAX))
		return config_why(why, "\"%s\" is no physical address", word);
	return true;
}

static bool parse_uio(struct register_access *out, char *word, char why[CONFIG_WHY_SIZE])
{
	char *map;

	out->place = REGISTER_UIO;
	if (!cut_offset(&out->offset, word, why))
		return false;
	map = strchr(word, '/');
	if (map)
		*map++ = '\0';
	if (*word == '\0' || strlen(word) > REGISTER_NAME_MAX)
		return config_why(why, "\"%s\" is no name of a UIO device", word);
	if (map && (*map == '\0' || strlen(map) > REGISTER_MAP_MAX))
		return config_why(why, "\"%s\" is no name of a map", map);
	strcpy(out->name, word);
	strcpy(out->map, map ? map : "");
	return true;
}

static bool parse_file(struct register_access *out, char *word, char why[CONFIG_WHY_SIZE])
{
	out->place = REGISTER_FILE;
	if (!cut_offset(&out->offset, word, why))
		return false;
	if (*word != '/' || strlen(word) > REGISTER_NAME_MAX)
		return config_why(why, "\"%s\" is no path from / on with at most %u bytes", word,
				  REGISTER_NAME_MAX);
	strcpy(out->name, word);
	return true;
}

static bool parse_place(struct register_access *out, char *word, char why[CONFIG_WHY_SIZE])
{
	const char *rest = word;

	if (text_take_prefix(&rest, "mem:"))
		return parse_mem(out, rest, why);
	if (text_take_prefix(&rest, "uio:"))
		return parse_uio(out, word + (rest - word), why);
	if (text_take_prefix(&rest, "file:"))
		return parse_file(out, word + (rest - word), why);
	return config_why(why, "\"%s\" is no place of a register: " PLACES, word);
}

static bool parse_action(struct register_access *out, const char *word, char why[CONFIG_WHY_SIZE])
{
	static const struct {
		const char *name;
		enum register_action action;
	} actions[] = {
		{ "write", REGISTER_WRITE },
		{ "set", REGISTER_SET },
		{ "clear", REGISTER_CLEAR },
		{ "w1c", REGISTER_W1C },
	};
	const char *rest = word;
	uint64_t bits;
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!text_take_prefix(&rest, actions[i].name))
			continue;
		if (!text_parse_number(&bits, rest, 8, 64) || (bits & (bits - 1)))
			return config_why(why, "\"%s\": " ACTIONS, word);
		out->action = actions[i].action;
		out->bits = (unsigned int)bits;
		return true;
	}
	return config_why(why, "\"%s\" is no action: " ACTIONS, word);
}

static bool parse_value(struct register_access *out, const char *word, const char *action,
			char why[CONFIG_WHY_SIZE])
{
	if (!text_parse_number(&out->value, word, 0, UINT64_MAX))
		return config_why(why, "%s needs a value, and \"%s\" is none", action, word);
	if (out->bits < 64 && out->value >> out->bits)
		return config_why(why, "%s: 0x%" PRIx64 " has more than %u bits", action,
				  out->value, out->bits);
	if (out->value == 0 && out->action != REGISTER_WRITE)
		return config_why(why, "%s 0 changes no bit", action);
	return true;
}

/* What cannot work on this machine, or on any. */
static bool check_access(const struct register_access *a, const char *action,
			 char why[CONFIG_WHY_SIZE])
{
	if (a->offset % (a->bits / 8))
		return config_why(why, "0x%" PRIx64 " is not a multiple of %u, as %s wants it",
				  a->offset, a->bits / 8, action);
	if (a->bits / 8 > sizeof(void *))
		return config_why(why, "%s: this CPU has no single access of %u bits", action,
				  a->bits);
	return true;
}

static bool take_access(struct register_access *out, const char **text, char why[CONFIG_WHY_SIZE])
{
	char place[WORD_SIZE], action[WORD_SIZE], value[WORD_SIZE];
	struct register_access a = { 0 };

	if (!take_word(place, text, SPACE, why) || !take_word(action, text, SPACE ",", why) ||
	    !take_word(value, text, SPACE ",", why) || !parse_place(&a, place, why) ||
	    !parse_action(&a, action, why) || !parse_value(&a, value, action, why) ||
	    !check_access(&a, action, why))
		return false;
	*out = a;
	return true;
}

bool config_parse_registers(struct register_list *out, const char *text, char why[CONFIG_WHY_SIZE])
{
	struct register_list list = { 0 };

	do {
		if (list.count == REGISTER_LIST_MAX)
			return config_why(why, "more than %u accesses", REGISTER_LIST_MAX);
		if (!take_access(&list.at[list.count], &text, why))
			return false;
		list.count++;
	} while (text_take_prefix(&text, ","));
	if (*text != '\0')
		return config_why(why, "\"%s\" behind the value; a comma separates accesses", text);
	*out = list;
	return true;
}
