// SPDX-License-Identifier: Apache-2.0
/*
 * Where a region lies. The rules are those of Zephyr's build (scripts/dts, edtlib), since its
 * result is what the firmware uses: an address that is in no entry of "ranges", or below a bus that
 * has none, is not translated any further.
 */
#include <errno.h>
#include <inttypes.h>

#include "core/dt_node.h"

/* One entry of "ranges": @size bytes at @child are seen at @parent. */
struct range {
	uint64_t child, parent, size;
};

/* The cells of addresses and sizes below a bus. */
struct cells {
	int address, size;
};

static uint64_t take(const fdt32_t **p, int cells)
{
	uint64_t v = 0;

	while (cells-- > 0)
		v = v << 32 | fdt32_ld((*p)++);
	return v;
}

static int read_cells(const struct dt *dt, int bus, struct cells *out)
{
	const char *wrong = NULL;

	out->address = fdt_address_cells(dt->blob, bus);
	out->size = fdt_size_cells(dt->blob, bus);
	if (out->address < 1 || out->address > DT_CELLS_MAX)
		wrong = "#address-cells";
	else if (out->size < 1 || out->size > DT_CELLS_MAX)
		wrong = "#size-cells";
	if (!wrong)
		return 0;
	dt_fail(dt, bus, -EINVAL, "%s: is not <1> or <2>", wrong);
	return -EINVAL;
}

static int read_reg(const struct dt *dt, int node, int bus, struct dt_region *out)
{
	struct cells cells;
	const fdt32_t *reg;
	int size, ret;

	reg = fdt_getprop(dt->blob, node, "reg", &size);
	if (!reg)
		return dt_fail(dt, node, -EINVAL,
			       "reg: missing; a region needs reg = <ADDRESS SIZE>;");
	ret = read_cells(dt, bus, &cells);
	if (ret != 0)
		return ret;
	if (size == 0 || size % (4 * (cells.address + cells.size)))
		return dt_fail(dt, node, -EINVAL,
			       "reg: has %d bytes, but #address-cells %d and #size-cells %d of its "
			       "parent make entries of %d",
			       size, cells.address, cells.size, 4 * (cells.address + cells.size));
	out->address = take(&reg, cells.address);
	out->size = take(&reg, cells.size);
	if (out->size == 0 || out->size > UINT32_MAX)
		return dt_fail(dt, node, -EINVAL,
			       "reg: a size of 0x%" PRIx64 "; it has to be from 1 to below 4G",
			       out->size);
	return 0;
}

/* The entry of the @size bytes at @ranges that has @address. Returns 1, or 0 if none has. */
static int find_range(const fdt32_t *ranges, int size, const struct cells *child,
		      const struct cells *parent, uint64_t address, struct range *out)
{
	int step = child->address + parent->address + child->size;
	const fdt32_t *end = ranges + size / 4;

	for (; end - ranges >= step;) {
		out->child = take(&ranges, child->address);
		out->parent = take(&ranges, parent->address);
		out->size = take(&ranges, child->size);
		if (address >= out->child && address - out->child < out->size)
			return 1;
	}
	return 0;
}

/* From the addresses below @bus to those of its parent. Returns 1, or 0 to leave it at that. */
static int translate_once(const struct dt *dt, int bus, struct dt_region *r)
{
	struct cells child, parent;
	const fdt32_t *ranges;
	struct range range;
	int size, up, ret;

	ranges = fdt_getprop(dt->blob, bus, "ranges", &size);
	if (!ranges)
		return 0;
	if (size == 0)
		return 1;
	up = fdt_parent_offset(dt->blob, bus);
	if (up < 0)
		return dt_damaged(dt, bus, up);
	ret = read_cells(dt, bus, &child);
	if (ret == 0)
		ret = read_cells(dt, up, &parent);
	if (ret != 0)
		return ret;
	if (size % (4 * (child.address + parent.address + child.size)))
		return dt_fail(dt, bus, -EINVAL, "ranges: %d bytes are no whole number of entries",
			       size);
	if (!find_range(ranges, size, &child, &parent, r->address, &range))
		return 0;
	if (r->size > range.size - (r->address - range.child))
		return dt_fail(dt, bus, -EINVAL,
			       "ranges: 0x%" PRIx64 " + 0x%" PRIx64 " reaches beyond the entry of "
			       "0x%" PRIx64 " + 0x%" PRIx64,
			       r->address, r->size, range.child, range.size);
	if (__builtin_add_overflow(range.parent, r->address - range.child, &r->address))
		return dt_fail(dt, bus, -EINVAL,
			       "ranges: 0x%" PRIx64 " + 0x%" PRIx64 " is beyond 64 bits",
			       range.parent, range.size);
	return 1;
}

static int translate(const struct dt *dt, int node, int bus, struct dt_region *r)
{
	int ret = 1;

	for (; ret == 1 && bus > 0; bus = fdt_parent_offset(dt->blob, bus))
		ret = translate_once(dt, bus, r);
	if (ret < 0)
		return ret;
	if (r->address > UINT64_MAX - r->size)
		return dt_fail(dt, node, -EINVAL,
			       "reg: 0x%" PRIx64 " + 0x%" PRIx64 " is beyond 64 bits", r->address,
			       r->size);
	return 0;
}

int dt_region(const struct dt *dt, int node, const char *property, struct dt_region *out)
{
	struct dt_region r = { 0 };
	uint32_t phandle = 0;
	int target, bus, ret;

	ret = dt_cell(dt, node, property, &phandle);
	if (ret == -ENOENT)
		return dt_fail(dt, node, -EINVAL, "%s: missing; it has to point to a memory node",
			       property);
	if (ret < 0)
		return ret;
	target = fdt_node_offset_by_phandle(dt->blob, phandle);
	if (target < 0)
		return dt_fail(dt, node, -EINVAL, "%s: no node has the phandle %" PRIu32, property,
			       phandle);
	bus = fdt_parent_offset(dt->blob, target);
	if (bus < 0)
		return dt_fail(dt, node, -EINVAL, "%s: points to the root", property);
	ret = read_reg(dt, target, bus, &r);
	if (ret == 0)
		ret = translate(dt, target, bus, &r);
	if (ret == 0)
		*out = r;
	return ret;
}
