/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files: from text to [instance NAME] sections whose keys are each valid in
 * themselves.
 */
#ifndef ICBMSG_CORE_CONFIG_FILE_H
#define ICBMSG_CORE_CONFIG_FILE_H

#include <stdio.h>

#include "core/config_keys.h"
#include "icbmsg.h"

struct config_section {
	struct config_section *next;
	char name[CONFIG_NAME_SIZE];
	char *origin;      /* "FILE:LINE" of its heading */
	unsigned int line; /* of its heading */
	unsigned int lines[KEY_COUNT];
	struct config_entry entries[KEY_COUNT];
};

/*
 * Read all instance sections of @path, in the order of the file. The caller owns *@list.
 * Returns 0 or a negative errno with a text in @error.
 */
int config_file_read(struct config_section **list, const char *path, char error[CONFIG_ERROR_SIZE]);

/* The same of an open stream; @path is for messages. */
int config_file_parse(struct config_section **list, FILE *stream, const char *path,
		      char error[CONFIG_ERROR_SIZE]);

/* The same of a file; every heading and every key is shown to @fn, which ends it with an error. */
int config_file_scan(struct config_section **list, const char *path, icbmsg_config_item_fn fn,
		     void *user, char error[CONFIG_ERROR_SIZE]);

void config_section_free(struct config_section *list);

/*
 * The section of the instance @name, or with NULL the only one.
 * Returns 0, -ENOENT or -ENOTUNIQ with a text in @error.
 */
int config_section_find(struct config_section **found, struct config_section *list,
			const char *name, const char *path, char error[CONFIG_ERROR_SIZE]);

/* The end of a long path says more than its beginning. Returns @path or a place inside it. */
const char *config_short_path(const char *path);

#endif
