/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a devicetree says about a link (core/dt.h), as keys of a configuration.
 */
#ifndef ICBMSG_CORE_CONFIG_DT_H
#define ICBMSG_CORE_CONFIG_DT_H

#include "core/config_keys.h"

struct config_dt {
	struct config_entry entries[KEY_COUNT]; /* of keys that the tree tells */
	char *remarks;                          /* lines for people, about what no key can say */
};

/*
 * Read the tree anew if geometry or geometry-peer is among @added, keys that are about to be set
 * over those of @entries.
 * Returns 0, or a negative errno with a text in @error and @dt as it was.
 */
int config_dt_adopt(struct config_dt *dt, const struct config_entry entries[KEY_COUNT],
		    const struct config_entry added[KEY_COUNT], char error[CONFIG_ERROR_SIZE]);

/* The value of geometry. @out: struct config_dt_source. */
bool config_parse_geometry(void *out, const char *text);

void config_dt_clear(struct config_dt *dt);

#endif
