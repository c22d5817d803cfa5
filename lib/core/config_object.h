/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration is made of, for the files that set it and those that check it.
 */
#ifndef ICBMSG_CORE_CONFIG_OBJECT_H
#define ICBMSG_CORE_CONFIG_OBJECT_H

#include "core/config_dt.h"

struct icbmsg_config {
	struct config_entry entries[KEY_COUNT];
	struct config_dt dt;         /* stands in for what is not in entries */
	char name[CONFIG_NAME_SIZE]; /* of the section loaded last */
	char *origin;                /* "FILE:LINE" of its heading, NULL if none was loaded */
	char error[CONFIG_ERROR_SIZE];
	const char *root; /* instead of "/", or NULL */
};

static inline const struct config_entry *config_entry(const struct icbmsg_config *cfg,
						      enum config_key_id id)
{
	return cfg->entries[id].text ? &cfg->entries[id] : &cfg->dt.entries[id];
}

#endif
