/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of an instance's configuration, one by one: their names, what a value looks like, and
 * how its text becomes a value. What keys mean to each other is config.c's business.
 */
#ifndef ICBMSG_CORE_CONFIG_KEYS_H
#define ICBMSG_CORE_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/config_text.h"

enum config_key_id {
	KEY_MEMORY,
	KEY_MEMORY_CREATE,
	KEY_MEMORY_MODE,
	KEY_MEMORY_TYPE,
	KEY_MEMORY_SYNC,
	KEY_DOORBELL,
	KEY_DOORBELL_IN,
	KEY_DOORBELL_OUT,
	KEY_DOORBELL_SETUP,
	KEY_DOORBELL_ACK,
	KEY_GEOMETRY,
	KEY_GEOMETRY_PEER,
	KEY_TX_REGION,
	KEY_RX_REGION,
	KEY_TX_ADDRESS,
	KEY_RX_ADDRESS,
	KEY_TX_BLOCKS,
	KEY_RX_BLOCKS,
	KEY_DCACHE_ALIGNMENT,
	KEY_WORD_SIZE,
	KEY_WIRE,
	KEY_PEER,
	KEY_RESCUE_INTERVAL,
	KEY_SPIN,
	KEY_STATE_FILE,
	KEY_COUNT,
};

struct config_key {
	const char *name;
	bool (*parse)(void *out, const char *text); /* NULL: see config_key_parse() */
	size_t field;     /* of struct config_values: what parse() writes to */
	const char *form; /* completes "is not ..." */
	const char *example;
	const char *fallback; /* the default, as text; NULL: none, or not a constant */
};

extern const struct config_key config_keys[KEY_COUNT];

/* The text of one key as it was set. */
struct config_entry {
	char *text;   /* NULL: not set */
	char *origin; /* "FILE:LINE" or "FILE:NODE:PROPERTY", NULL if it was set by a program */
};

void config_entry_clear(struct config_entry *entry);

/* Returns the key's number or -ENOENT with a text in @error. */
int config_key_find(const char *name, char error[CONFIG_ERROR_SIZE]);

/* Returns 0 with the value in @out, or -EINVAL with a text in @error. */
int config_key_parse(struct config_values *out, enum config_key_id id, const char *text,
		     char error[CONFIG_ERROR_SIZE]);

/* Of @count @names the one that @word may be a misspelling of, or NULL. */
const char *config_suggest(const char *word, const char *const *names, size_t count);

/* Copy untrusted @text for a message: short, and without control characters. */
#define CONFIG_QUOTE_SIZE 64u
const char *config_quote(char out[CONFIG_QUOTE_SIZE], const char *text);

#endif
