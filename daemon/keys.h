/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the daemon's own sections. One table per kind of section says everything about a key, so
 * that messages, defaults and what is accepted cannot drift apart.
 */
#ifndef ICBMSGD_KEYS_H
#define ICBMSGD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX 32u
#define ERROR_SIZE 768u

/** How a value is written, and what it becomes at its place. */
enum key_kind {
	KEY_NUMBER,   /**< uint32_t */
	KEY_SIZE,     /**< uint64_t, bytes with k, M, G */
	KEY_DURATION, /**< int64_t, nanoseconds with us, ms, s, m */
	KEY_CHOICE,   /**< unsigned int: index into @choices */
	KEY_MODE,     /**< mode_t, octal */
	KEY_USER,     /**< uid_t, by name or number */
	KEY_GROUP,    /**< gid_t, by name or number */
	KEY_PATH,     /**< char[KEY_PATH_SIZE], absolute */
	KEY_FILE,     /**< char[KEY_PATH_SIZE], a name without / */
};

#define KEY_PATH_SIZE 100u

struct key {
	const char *name;
	enum key_kind kind;
	size_t field; /**< of the section's values */
	uint64_t min, max;
	const char *const *choices; /**< NULL-terminated */
	const char *fallback;       /**< the default; NULL: none, the field stays as it is */
	const char *form;           /**< completes "is not ..." */
	bool fixed;                 /**< a change needs a restart of the daemon */
};

struct key_table {
	const char *section; /**< "daemon", "endpoint" */
	const struct key *keys;
	size_t count; /**< at most KEYS_MAX */
};

/** The texts of a section's keys. */
struct key_texts {
	char *text[KEYS_MAX];   /**< NULL: not set */
	char *origin[KEYS_MAX]; /**< "FILE:LINE" or "command line" */
};

/** The key called @name, or -1 with a text in @error. */
int key_find(const struct key_table *table, const char *name, char error[ERROR_SIZE]);

/** Write the value of @text into @values. Returns false with a text in @error. */
bool key_parse(const struct key *key, void *values, const char *text, char error[ERROR_SIZE]);

/** Give every field of @values its default. */
void key_defaults(const struct key_table *table, void *values);

/** Replace one text; both are copied. Returns false if there is no memory. */
bool key_texts_set(struct key_texts *texts, size_t key, const char *text, const char *origin);
void key_texts_clear(struct key_texts *texts);

#endif
