// SPDX-License-Identifier: Apache-2.0
/*
 * The node of a link: its properties, and whether they can be true together. libfdt checks every
 * access against the blob; what is checked here is what the tree means.
 */
#include "core/dt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/config_file.h"
#include "core/dt_node.h"
#include "wire/layout.h"

#define DEPTH_MAX 64 /* of nodes; real trees have fewer than ten */

int dt_fail(const struct dt *dt, int node, int ret, const char *format, ...)
{
	char path[DT_PATH_SIZE];
	va_list ap;
	int n;

	n = snprintf(dt->error, CONFIG_ERROR_SIZE, "%.160s%s%.160s: ", dt->file,
		     node < 0 ? "" : ":", node < 0 ? "" : dt_path(dt, path, node));
	va_start(ap, format);
	vsnprintf(dt->error + n, CONFIG_ERROR_SIZE - (size_t)n, format, ap);
	va_end(ap);
	return ret;
}

int dt_damaged(const struct dt *dt, int node, int error)
{
	return dt_fail(dt, node, -EBADMSG,
		       "the devicetree is damaged (%s); build it again, or take another copy",
		       fdt_strerror(error));
}

const char *dt_path(const struct dt *dt, char out[DT_PATH_SIZE], int node)
{
	if (fdt_get_path(dt->blob, node, out, DT_PATH_SIZE) < 0)
		strcpy(out, "?");
	return out;
}

const char *dt_string(const struct dt *dt, int node, const char *name)
{
	int size;
	const char *text = fdt_getprop(dt->blob, node, name, &size);

	return text && size > 0 && text[size - 1] == '\0' ? text : NULL;
}

int dt_cell(const struct dt *dt, int node, const char *name, uint32_t *value)
{
	int size;
	const fdt32_t *cell = fdt_getprop(dt->blob, node, name, &size);

	if (!cell)
		return size == -FDT_ERR_NOTFOUND ? -ENOENT : dt_damaged(dt, node, size);
	if (size != sizeof(*cell))
		return dt_fail(dt, node, -EINVAL, "%s: has %d bytes; write one number in < >", name,
			       size);
	*value = fdt32_ld(cell);
	return 0;
}

static int read_blocks(const struct dt *dt, int node, const char *name, uint32_t *out)
{
	int ret = dt_cell(dt, node, name, out);

	if (ret == -ENOENT)
		return dt_fail(dt, node, -EINVAL, "%s: missing; write for example %s = <16>;", name,
			       name);
	if (ret == 0 && (*out == 0 || *out > LAYOUT_BLOCKS_MAX))
		return dt_fail(dt, node, -EINVAL, "%s: %" PRIu32 " is not a number from 1 to %u",
			       name, *out, LAYOUT_BLOCKS_MAX);
	return ret;
}

static int read_alignment(const struct dt *dt, int node, uint32_t *out)
{
	int ret = dt_cell(dt, node, "dcache-alignment", out);

	if (ret == -ENOENT) {
		*out = 0;
		return 0;
	}
	if (ret == 0 && (*out == 0 || (*out & (*out - 1))))
		return dt_fail(dt, node, -EINVAL,
			       "dcache-alignment: %" PRIu32 " is not a power of two", *out);
	return ret;
}

static int check_overlap(const struct dt *dt, int node, const struct dt_region *tx,
			 const struct dt_region *rx)
{
	if (tx->address > rx->address + (rx->size - 1) ||
	    rx->address > tx->address + (tx->size - 1))
		return 0;
	return dt_fail(dt, node, -EINVAL,
		       "rx-region 0x%" PRIx64 " + 0x%" PRIx64 " overlaps tx-region 0x%" PRIx64
		       " + 0x%" PRIx64 "; move or shrink one",
		       rx->address, rx->size, tx->address, tx->size);
}

static int read_link(const struct dt *dt, int node, struct dt_link *out)
{
	int ret = dt_region(dt, node, "tx-region", &out->tx);

	if (ret == 0)
		ret = dt_region(dt, node, "rx-region", &out->rx);
	if (ret == 0)
		ret = check_overlap(dt, node, &out->tx, &out->rx);
	if (ret == 0)
		ret = read_blocks(dt, node, "tx-blocks", &out->tx_blocks);
	if (ret == 0)
		ret = read_blocks(dt, node, "rx-blocks", &out->rx_blocks);
	if (ret == 0)
		ret = read_alignment(dt, node, &out->alignment);
	if (ret < 0)
		return ret;
	dt_path(dt, out->path, node);
	out->word_size = dt_word_size(dt, out->cpu);
	dt_mailboxes(dt, node, out->mailboxes);
	return 0;
}

/*
 * One root with everything in it, which libfdt takes for granted (its fdt_get_path() of a node
 * behind the root runs away). Returns 0 or libfdt's error.
 */
static int check_structure(const void *blob)
{
	int offset, next = 0, depth = 0;
	uint32_t tag;

	do {
		offset = next;
		tag = fdt_next_tag(blob, offset, &next);
		if (next < 0)
			return next;
		if (tag == FDT_BEGIN_NODE)
			depth++;
		else if (tag != FDT_NOP && tag != FDT_END && depth == 0)
			return -FDT_ERR_BADSTRUCTURE;
		else if (tag == FDT_END_NODE)
			depth--;
		if (depth > DEPTH_MAX || (tag == FDT_BEGIN_NODE && depth == 1 && offset > 0))
			return -FDT_ERR_BADSTRUCTURE;
	} while (tag != FDT_END);
	return depth == 0 ? 0 : -FDT_ERR_BADSTRUCTURE;
}

/* libfdt looks at no byte behind what the header says, so that has to be within the blob. */
static int check_blob(const struct dt *dt, size_t size)
{
	int ret;

	if (size < sizeof(struct fdt_header) || fdt_magic(dt->blob) != FDT_MAGIC)
		return dt_fail(dt, -1, -EBADMSG,
			       "is no devicetree blob; give a .dtb, or a .dts by that name");
	ret = fdt_check_header(dt->blob);
	if (ret == 0 && fdt_totalsize(dt->blob) > size)
		ret = -FDT_ERR_TRUNCATED;
	if (ret == 0)
		ret = check_structure(dt->blob);
	return ret ? dt_damaged(dt, -1, ret) : 0;
}

int dt_parse(struct dt_link *out, const void *blob, size_t size, const char *name, const char *file,
	     char error[CONFIG_ERROR_SIZE])
{
	const struct dt dt = { .blob = blob, .file = config_short_path(file), .error = error };
	struct dt_link link = { 0 };
	int node, ret;

	ret = check_blob(&dt, size);
	if (ret == 0)
		ret = dt_find(&dt, name, &node);
	if (ret == 0)
		ret = read_link(&dt, node, &link);
	if (ret == 0)
		*out = link;
	return ret;
}
