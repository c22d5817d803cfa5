// SPDX-License-Identifier: Apache-2.0
/*
 * Finding a link's configuration from FILE[:INSTANCE].
 */
#include "common/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/tool.h"

static char *copy(const char *text, size_t length)
{
	char *out = strndup(text, length);

	if (!out)
		tool_fail(TOOL_ERROR, "out of memory");
	return out;
}

void direct_init(struct direct *out, const char *text)
{
	const char *colon = strrchr(text, ':');

	out->instance = NULL;
	if (!*text)
		tool_usage("the name of the configuration is empty; give FILE[:INSTANCE]");
	if (!colon || strchr(colon, '/') || access(text, F_OK) == 0) {
		out->file = copy(text, strlen(text));
		return;
	}
	if (colon == text || !colon[1])
		tool_usage("'%s' is not of the form FILE[:INSTANCE]", text);
	out->file = copy(text, (size_t)(colon - text));
	out->instance = copy(colon + 1, strlen(colon + 1));
}

void direct_deinit(struct direct *d)
{
	free(d->file);
	free(d->instance);
	d->file = NULL;
	d->instance = NULL;
}

struct icbmsg_config *direct_load(const struct direct *d)
{
	struct icbmsg_config *cfg;
	int ret = icbmsg_config_new(&cfg);

	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s", strerror(-ret));
	ret = icbmsg_config_load(cfg, d->file, d->instance);
	if (ret < 0) {
		const char *why = icbmsg_config_error(cfg);

		if (*why)
			tool_fail(TOOL_ERROR, "%s", why);
		tool_fail(TOOL_ERROR, "%s: %s", d->file, strerror(-ret));
	}
	return cfg;
}
