// SPDX-License-Identifier: Apache-2.0
/*
 * The simple formats, and which one is used.
 */
#include "cat/format.h"

#include <string.h>

#include "common/utf8.h"

static const char *const names[] = {
	[FORMAT_TEXT] = "text", [FORMAT_LINE] = "line", [FORMAT_QUOTED] = "quoted",
	[FORMAT_HEX] = "hex",   [FORMAT_DUMP] = "dump", [FORMAT_RAW] = "raw",
	[FORMAT_JSON] = "json", [FORMAT_NONE] = "none",
};

bool format_find(const char *name, enum format_kind *kind)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*kind = (enum format_kind)i;
			return true;
		}
	}
	return false;
}

/* Bytes of a character that does no harm to a terminal, or 0. */
static size_t printable(const uint8_t *p, size_t size)
{
	size_t n = utf8_sequence(p, size);

	if (n == 1)
		return p[0] == '\t' || (p[0] >= 0x20 && p[0] < 0x7f);
	/* U+0080 to U+009f are control characters, too. */
	return n == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : n;
}

void format_printable(struct text *out, const uint8_t *data, size_t size)
{
	size_t i = 0;

	/* What was typed as a line is one. */
	if (size > 0 && data[size - 1] == '\n')
		size--;
	while (i < size) {
		size_t n = printable(data + i, size - i);

		if (n > 0) {
			text_add(out, data + i, n);
			i += n;
		} else {
			text_add_char(out, '.');
			i++;
		}
	}
}

static void add_escaped(struct text *out, uint8_t c)
{
	static const char codes[] = "\n\r\t\\\"";
	static const char letters[] = "nrt\\\"";
	const char *code = c ? strchr(codes, c) : NULL;

	if (code)
		text_printf(out, "\\%c", letters[code - codes]);
	else
		text_printf(out, "\\x%02x", c);
}

void format_quoted(struct text *out, const uint8_t *data, size_t size)
{
	text_add_char(out, '"');
	for (size_t i = 0; i < size;) {
		size_t n = printable(data + i, size - i);

		if (n == 0 || data[i] == '\t' || data[i] == '\\' || data[i] == '"') {
			add_escaped(out, data[i]);
			i++;
		} else {
			text_add(out, data + i, n);
			i += n;
		}
	}
	text_add_char(out, '"');
}

void format_hex(struct text *out, const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		text_add_char(out, digits[data[i] >> 4]);
		text_add_char(out, digits[data[i] & 15]);
	}
}

static void add_dump_line(struct text *out, const uint8_t *data, size_t size, size_t offset)
{
	text_printf(out, "%08zx ", offset);
	for (size_t i = 0; i < 16; i++) {
		if (i == 8)
			text_add_char(out, ' ');
		if (i < size)
			text_printf(out, " %02x", data[i]);
		else
			text_add_string(out, "   ");
	}
	text_add_string(out, "  |");
	for (size_t i = 0; i < size; i++)
		text_add_char(out, data[i] >= 0x20 && data[i] < 0x7f ? (char)data[i] : '.');
	text_add_string(out, "|\n");
}

void format_dump(struct text *out, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i += 16)
		add_dump_line(out, data + i, size - i < 16 ? size - i : 16, i);
}

static void add_prefix(struct text *out, const struct format *f, const struct message *m)
{
	if (f->stamp == STAMP_NONE)
		return;
	stamp_add(out, f->stamp, &m->times, f->utc);
	text_add_char(out, ' ');
}

void format_message(struct text *out, const struct format *f, const struct message *m)
{
	if (f->kind == FORMAT_NONE)
		return;
	if (f->kind != FORMAT_RAW && f->kind != FORMAT_JSON && f->kind != FORMAT_TEMPLATE)
		add_prefix(out, f, m);
	switch (f->kind) {
	case FORMAT_NONE:
		return;
	case FORMAT_TEXT:
		format_printable(out, m->data, m->size);
		break;
	case FORMAT_QUOTED:
		format_quoted(out, m->data, m->size);
		break;
	case FORMAT_HEX:
		format_hex(out, m->data, m->size);
		break;
	case FORMAT_DUMP:
		text_add_string(out, m->endpoint);
		text_printf(out, " %zu bytes\n", m->size);
		format_dump(out, m->data, m->size);
		return;
	case FORMAT_JSON:
		format_json(out, f, m);
		break;
	case FORMAT_TEMPLATE:
		format_template(out, f, m);
		break;
	case FORMAT_LINE:
	case FORMAT_RAW:
		text_add(out, m->data, m->size);
		break;
	}
	if (f->kind != FORMAT_RAW)
		text_add_char(out, '\n');
}
