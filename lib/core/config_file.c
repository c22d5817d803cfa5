// SPDX-License-Identifier: Apache-2.0
/*
 * Reading configuration files with inih.
 *
 * inih splits lines into keys and values and knows comments; but the build that Debian ships tells
 * no line numbers, cuts lines at 200 bytes and headings at 50, takes an indented key for a
 * continued value, and goes on after errors. So it is fed line by line by a reader that counts
 * them, refuses what would be cut, removes indentation, handles headings, and ends the input at the
 * first error.
 */
#include "core/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

#define LINE_SIZE 199u /* longest line + NUL; inih's buffer of 200 also takes a newline */
#define PATH_MAX_SHOWN 160u
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

struct parser {
	FILE *stream;
	const char *path;
	unsigned int line; /* of the line that inih works on */
	bool in_section;
	bool pair_due; /* that line must turn out to be key = value */
	char text[LINE_SIZE];
	struct config_section *list, **tail;
	struct config_section *current; /* NULL in sections that are not for us */
	icbmsg_config_item_fn visit;    /* NULL: nobody else wants to see what is read */
	void *visit_user;
	char kind[LINE_SIZE], name[LINE_SIZE]; /* of the section */
	int ret;
	char *error;
};

static int fail(struct parser *p, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct parser *p, int ret, const char *format, ...)
{
	va_list ap;
	int n;

	if (p->ret < 0)
		return p->ret;
	n = snprintf(p->error, CONFIG_ERROR_SIZE, "%s:%u: ", config_short_path(p->path), p->line);
	va_start(ap, format);
	vsnprintf(p->error + n, CONFIG_ERROR_SIZE - (size_t)n, format, ap);
	va_end(ap);
	p->ret = ret;
	return ret;
}

const char *config_short_path(const char *path)
{
	size_t n = strlen(path);

	return n > PATH_MAX_SHOWN ? path + n - PATH_MAX_SHOWN : path;
}

static char *make_origin(const struct parser *p)
{
	char *out;

	return asprintf(&out, "%s:%u", config_short_path(p->path), p->line) < 0 ? NULL : out;
}

static char *trim(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

/* [instance NAME]: a section for us. */
static int begin_instance(struct parser *p, const char *name)
{
	struct config_section *s;
	char quoted[CONFIG_QUOTE_SIZE];
	size_t n = strlen(name);

	if (n == 0)
		return fail(p, -EINVAL, "[instance]: the name is missing; write [instance NAME]");
	if (n >= CONFIG_NAME_SIZE || strspn(name, NAME_CHARS) != n || *name == '.' || *name == '-')
		return fail(p, -EINVAL,
			    "[instance %s]: not a name; use at most %u letters, digits and _ - . "
			    "(the last two not in front)",
			    config_quote(quoted, name), CONFIG_NAME_SIZE - 1);
	for (s = p->list; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return fail(p, -EINVAL,
				    "[instance %s]: there is one on line %u already; rename or "
				    "remove one",
				    name, s->line);
	s = calloc(1, sizeof(*s));
	if (!s)
		return fail(p, -ENOMEM, "out of memory");
	*p->tail = s;
	p->tail = &s->next;
	p->current = s;
	strcpy(s->name, name);
	s->line = p->line;
	s->origin = make_origin(p);
	return s->origin ? 0 : fail(p, -ENOMEM, "out of memory");
}

static int unknown_section(struct parser *p, const char *kind)
{
	static const char *const kinds[] = { "instance", "endpoint", "daemon" };
	const char *suggestion = config_suggest(kind, kinds, sizeof(kinds) / sizeof(*kinds));
	char quoted[CONFIG_QUOTE_SIZE];

	config_quote(quoted, kind);
	if (suggestion)
		return fail(p, -EINVAL, "[%s]: no such section; did you mean %s?", quoted,
			    suggestion);
	return fail(p, -EINVAL,
		    "[%s]: no such section; there are [instance NAME], "
		    "[endpoint INSTANCE/NAME] and [daemon]",
		    quoted);
}

/* A section for a program that keeps its own in the same file. */
static int begin_foreign(struct parser *p)
{
	if (strcmp(p->kind, "endpoint") == 0)
		return *p->name ? 0 :
				  fail(p, -EINVAL,
				       "[endpoint]: the name is missing; write [endpoint "
				       "INSTANCE/NAME]");
	if (strcmp(p->kind, "daemon") == 0)
		return *p->name ? fail(p, -EINVAL, "[daemon]: takes no name; write [daemon]") : 0;
	return unknown_section(p, p->kind);
}

/* Show the visitor a heading, or with @key what was set to what. */
static int show(struct parser *p, const char *key, const char *value)
{
	struct icbmsg_config_item item = { .section = p->kind,
					   .name = p->name,
					   .key = key,
					   .value = value,
					   .path = p->path,
					   .line = p->line };
	int ret;

	if (!p->visit)
		return 0;
	ret = p->visit(p->visit_user, &item);
	return ret < 0 ? fail(p, ret, "refused") : 0;
}

static int begin_section(struct parser *p, char *heading)
{
	char *end = strchr(heading, ']'), *kind, *name;
	int ret;

	if (!end)
		return fail(p, -EINVAL, "the section's heading has no end; write ] after it");
	*end = '\0';
	end = trim(end + 1);
	if (*end != '\0' && *end != ';' && *end != '#')
		return fail(p, -EINVAL,
			    "text behind the section's heading; put it on a line of "
			    "its own");
	p->in_section = true;
	p->current = NULL;
	kind = trim(heading);
	name = kind + strcspn(kind, " \t");
	if (*name)
		*name++ = '\0';
	strcpy(p->kind, kind);
	strcpy(p->name, trim(name));
	ret = strcmp(kind, "instance") == 0 ? begin_instance(p, p->name) : begin_foreign(p);
	return ret < 0 ? ret : show(p, NULL, NULL);
}

/*
 * Read one line without its newline and surrounding space. Comments may have any length.
 * Returns 1, 0 at the end of the file, or a negative errno.
 */
static int read_line(struct parser *p)
{
	size_t n = 0;
	bool any = false;
	int c, space = 0;

	p->line++;
	while ((c = getc(p->stream)) != EOF && c != '\n') {
		any = true;
		if (c == '\0')
			return fail(p, -EINVAL, "a NUL byte; is this a text file?");
		if (isspace(c)) {
			space += n > 0 && space < (int)LINE_SIZE;
			continue;
		}
		if (n > 0 && (p->text[0] == '#' || p->text[0] == ';'))
			continue;
		if (n + (size_t)space + 1 >= LINE_SIZE)
			return fail(p, -EINVAL, "a line of more than %u bytes; shorten it",
				    LINE_SIZE - 1);
		for (; space > 0; space--)
			p->text[n++] = ' ';
		p->text[n++] = (char)c;
		if (p->line == 1 && n == 3 && memcmp(p->text, "\xEF\xBB\xBF", 3) == 0)
			n = 0; /* the byte order mark that some editors write */
	}
	if (c == EOF && ferror(p->stream))
		return fail(p, -EIO, "cannot be read on: %s", strerror(errno));
	p->text[n] = '\0';
	return any || c == '\n';
}

/* inih found no key in the line it got last. */
static int check_pair(struct parser *p)
{
	char quoted[CONFIG_QUOTE_SIZE];

	if (!p->pair_due)
		return 0;
	return fail(p, -EINVAL,
		    "\"%s\" is neither key = value nor [section]; correct it or make "
		    "it a comment with #",
		    config_quote(quoted, p->text));
}

/* Called by inih for the next line: an fgets() that hands out harmless lines only. */
static char *feed(char *out, int size, void *user)
{
	struct parser *p = user;
	char first;

	if (p->ret < 0 || check_pair(p) < 0)
		return NULL;
	p->pair_due = false;
	if (read_line(p) <= 0)
		return NULL;
	first = p->text[0];
	if (first == '[' && begin_section(p, p->text + 1) < 0)
		return NULL;
	p->pair_due = first != '\0' && first != '[' && first != '#' && first != ';';
	snprintf(out, (size_t)size, "%s\n", p->pair_due ? p->text : "");
	return out;
}

static int take_pair(struct parser *p, const char *name, const char *value)
{
	struct config_section *s = p->current;
	char why[CONFIG_ERROR_SIZE], quoted[CONFIG_QUOTE_SIZE];
	struct config_values scratch;
	int id, ret;

	if (!p->in_section)
		return fail(p, -EINVAL,
			    "%s: outside of any section; write [instance NAME] above it",
			    config_quote(quoted, name));
	if (!s)
		return show(p, name, value);
	id = config_key_find(name, why);
	if (id < 0)
		return fail(p, -EINVAL, "%s", why);
	if (s->entries[id].text)
		return fail(p, -EINVAL, "%s: set on line %u already; remove one", name,
			    s->lines[id]);
	ret = config_key_parse(&scratch, (enum config_key_id)id, value, why);
	if (ret < 0)
		return fail(p, ret, "%s", why);
	s->lines[id] = p->line;
	s->entries[id].text = strdup(value);
	s->entries[id].origin = make_origin(p);
	if (!s->entries[id].text || !s->entries[id].origin)
		return fail(p, -ENOMEM, "out of memory");
	return show(p, name, value);
}

/* Called by inih for each key = value. Its idea of the section is cut short; ours is not. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;

	(void)section;
	p->pair_due = false;
	return take_pair(p, name, value) == 0;
}

/* Read @p->stream; *@list is written on success. */
static int parse_all(struct parser *p, struct config_section **list)
{
	int ret;

	p->tail = &p->list;
	ret = ini_parse_stream(feed, p, handle, p);
	check_pair(p);
	if (ret < 0)
		fail(p, -ENOMEM, "out of memory");
	else if (ret > 0)
		fail(p, -EINVAL, "inih refuses line %d", ret);
	if (p->ret < 0) {
		config_section_free(p->list);
		return p->ret;
	}
	*list = p->list;
	return 0;
}

int config_file_parse(struct config_section **list, FILE *stream, const char *path,
		      char error[CONFIG_ERROR_SIZE])
{
	struct parser p = { .stream = stream, .path = path, .error = error };

	return parse_all(&p, list);
}

int config_file_read(struct config_section **list, const char *path, char error[CONFIG_ERROR_SIZE])
{
	return config_file_scan(list, path, NULL, NULL, error);
}

int config_file_scan(struct config_section **list, const char *path, icbmsg_config_item_fn fn,
		     void *user, char error[CONFIG_ERROR_SIZE])
{
	struct parser p = { .path = path, .error = error, .visit = fn, .visit_user = user };
	_cleanup_(close_file) FILE *stream = fopen(path, "re");
	const char *shown = config_short_path(path);
	struct stat st;
	int ret = 0;

	if (!stream || fstat(fileno(stream), &st) < 0)
		ret = -errno;
	else if (S_ISDIR(st.st_mode))
		ret = -EISDIR;
	if (ret == 0) {
		p.stream = stream;
		return parse_all(&p, list);
	}
	if (ret == -EISDIR)
		snprintf(error, CONFIG_ERROR_SIZE, "%s: is a directory; name a file in it", shown);
	else if (ret == -ENOENT)
		snprintf(error, CONFIG_ERROR_SIZE, "%s: does not exist; check the path", shown);
	else if (ret == -EACCES)
		snprintf(error, CONFIG_ERROR_SIZE,
			 "%s: permission denied; make it readable for this user", shown);
	else
		snprintf(error, CONFIG_ERROR_SIZE, "%s: cannot be opened: %s", shown,
			 strerror(-ret));
	return ret;
}

void config_section_free(struct config_section *list)
{
	struct config_section *s;
	int i;

	while ((s = list)) {
		list = s->next;
		for (i = 0; i < KEY_COUNT; i++)
			config_entry_clear(&s->entries[i]);
		free(s->origin);
		free(s);
	}
}

/* "a, b, c", as many as fit. */
static const char *list_names(char *out, size_t size, const struct config_section *list)
{
	size_t n = 0;

	out[0] = '\0';
	for (; list; list = list->next) {
		if (n + strlen(list->name) + sizeof(", , ...") > size) {
			strcpy(out + n, ", ...");
			break;
		}
		n += (size_t)sprintf(out + n, "%s%s", n ? ", " : "", list->name);
	}
	return out;
}

int config_section_find(struct config_section **found, struct config_section *list,
			const char *name, const char *path, char error[CONFIG_ERROR_SIZE])
{
	const char *shown = config_short_path(path);
	char names[200], quoted[CONFIG_QUOTE_SIZE];
	struct config_section *s = list;

	if (!list) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "%s: no instance in it; write an [instance NAME] section", shown);
		return -ENOENT;
	}
	list_names(names, sizeof(names), list);
	if (!name && list->next) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s: several instances; say which of them: %s",
			 shown, names);
		return -ENOTUNIQ;
	}
	while (name && s && strcmp(s->name, name) != 0)
		s = s->next;
	if (!s) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s: no [instance %s] in it; it has: %s", shown,
			 config_quote(quoted, name), names);
		return -ENOENT;
	}
	*found = s;
	return 0;
}
