// SPDX-License-Identifier: Apache-2.0
/*
 * From what a user calls a link to its node. Disabled nodes are no links, as in Zephyr's build.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/config_keys.h"
#include "core/dt_node.h"

#define LIST_SIZE 200u

static int next_node(const struct dt *dt, int node)
{
	return fdt_node_offset_by_compatible(dt->blob, node, DT_COMPATIBLE);
}

static bool is_link(const struct dt *dt, int node)
{
	return fdt_node_check_compatible(dt->blob, node, DT_COMPATIBLE) == 0;
}

static bool is_enabled(const struct dt *dt, int node)
{
	const char *status = dt_string(dt, node, "status");

	return !status || strcmp(status, "okay") == 0 || strcmp(status, "ok") == 0;
}

/* With or without the unit address. */
static bool has_name(const struct dt *dt, int node, const char *name)
{
	const char *own = fdt_get_name(dt->blob, node, NULL);
	size_t length = strlen(name);

	return own && strncmp(own, name, length) == 0 &&
	       (own[length] == '\0' || own[length] == '@');
}

/*
 * What @name is in /aliases or /__symbols__. Not by fdt_path_offset(), which in libfdt 1.6 follows
 * an alias of itself for ever.
 */
static int by_table(const struct dt *dt, const char *table, const char *name)
{
	int node = fdt_path_offset(dt->blob, table);
	const char *path = node < 0 ? NULL : dt_string(dt, node, name);

	return path && *path == '/' ? fdt_path_offset(dt->blob, path) : -FDT_ERR_NOTFOUND;
}

/* The node that whoever wrote the tree calls @name, link or not; negative if there is none. */
static int by_reference(const struct dt *dt, const char *name)
{
	int node;

	if (*name == '/')
		return fdt_path_offset(dt->blob, name);
	node = by_table(dt, "/__symbols__", name);
	return node < 0 ? by_table(dt, "/aliases", name) : node;
}

/* "/ipc/ipc0, /ipc/ipc1": the enabled (or disabled) links, as many as fit. */
static const char *list(const struct dt *dt, bool enabled, char out[LIST_SIZE])
{
	char path[DT_PATH_SIZE];
	int node, n = 0;

	out[0] = '\0';
	for (node = next_node(dt, -1); node >= 0; node = next_node(dt, node)) {
		if (is_enabled(dt, node) != enabled)
			continue;
		n += snprintf(out + n, LIST_SIZE - (size_t)n, "%s%s", n ? ", " : "",
			      dt_path(dt, path, node));
		if (n >= (int)LIST_SIZE) {
			strcpy(out + LIST_SIZE - sizeof("..."), "...");
			break;
		}
	}
	return out;
}

/* The enabled links named @name (NULL: all): how many, and the last of them. */
static int count_links(const struct dt *dt, const char *name, int *found)
{
	int node, count = 0;

	for (node = next_node(dt, -1); node >= 0; node = next_node(dt, node)) {
		if (!is_enabled(dt, node) || (name && !has_name(dt, node, name)))
			continue;
		*found = node;
		count++;
	}
	return node == -FDT_ERR_NOTFOUND ? count : dt_damaged(dt, -1, node);
}

static int none_at_all(const struct dt *dt)
{
	char names[LIST_SIZE];

	if (*list(dt, false, names))
		return dt_fail(dt, -1, -ENOENT,
			       "its ICBMSG nodes are disabled: %s; set status = "
			       "\"okay\"",
			       names);
	return dt_fail(dt, -1, -ENOENT,
		       "no node in it is compatible with \"" DT_COMPATIBLE "\"; is it the tree of "
		       "the firmware that uses ICBMSG?");
}

static int not_unique(const struct dt *dt, const char *name)
{
	char names[LIST_SIZE], quoted[CONFIG_QUOTE_SIZE];

	list(dt, true, names);
	if (!name)
		return dt_fail(dt, -1, -ENOTUNIQ, "several ICBMSG nodes; say which of them: %s",
			       names);
	return dt_fail(dt, -1, -ENOTUNIQ,
		       "several ICBMSG nodes are called %s; say which of them: %s",
		       config_quote(quoted, name), names);
}

/* There is no link @name, though there may be another node that is called so. */
static int not_this(const struct dt *dt, const char *name, int node)
{
	char names[LIST_SIZE], quoted[CONFIG_QUOTE_SIZE];

	if (node >= 0 && is_link(dt, node))
		return dt_fail(dt, node, -ENOENT, "is disabled; set status = \"okay\"");
	if (!*list(dt, true, names))
		return none_at_all(dt);
	if (node >= 0)
		return dt_fail(dt, node, -ENOENT,
			       "is not compatible with \"" DT_COMPATIBLE "\"; these are: %s",
			       names);
	return dt_fail(dt, -1, -ENOENT,
		       "no ICBMSG node has the label, alias, path or name %s; "
		       "there are: %s",
		       config_quote(quoted, name), names);
}

int dt_find(const struct dt *dt, const char *name, int *out)
{
	int node = name ? by_reference(dt, name) : -FDT_ERR_NOTFOUND;
	int count, found = -1;

	if (node >= 0 && is_link(dt, node) && is_enabled(dt, node)) {
		*out = node;
		return 0;
	}
	count = count_links(dt, name, &found);
	if (count > 1)
		return not_unique(dt, name);
	if (count == 0)
		return name ? not_this(dt, name, node) : none_at_all(dt);
	if (count == 1)
		*out = found;
	return count < 0 ? count : 0;
}
