// SPDX-License-Identifier: Apache-2.0
/*
 * What a tree tells beside the geometry: the CPU, whose word size is part of the layout, and the
 * mailboxes that the firmware uses as doorbells.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dt_node.h"

#define MAILBOXES_MAX 8
#define MAILBOX_CELLS_MAX 4

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Cortex-A: Zephyr runs those that have 64 bits in 64 bits. */
static uint32_t cortex_a_word(const char *number)
{
	static const int narrow[] = { 5, 7, 8, 9, 12, 15, 17, 32 };
	int n = atoi(number);
	size_t i;

	for (i = 0; i < sizeof(narrow) / sizeof(*narrow); i++)
		if (n == narrow[i])
			return 4;
	return n > 32 ? 8 : 0;
}

/*
 * Only where there is no doubt. Cortex-R82 and x86 run either way, "zephyr,native-sim-cpu" is
 * whatever the build machine's compiler was told.
 */
static uint32_t compatible_word(const char *compatible)
{
	static const char *const narrow[] = { "arm,cortex-m",          "arm,cortex-r4",
					      "arm,cortex-r5",         "arm,cortex-r7",
					      "arm,cortex-r8f",        "nordic,vpr",
					      "cdns,tensilica-xtensa", "espressif,xtensa" };
	size_t i;

	for (i = 0; i < sizeof(narrow) / sizeof(*narrow); i++)
		if (begins(compatible, narrow[i]))
			return 4;
	if (begins(compatible, "arm,cortex-a"))
		return cortex_a_word(compatible + strlen("arm,cortex-a"));
	return 0;
}

static uint32_t isa_word(const char *isa)
{
	if (isa && begins(isa, "rv32"))
		return 4;
	return isa && begins(isa, "rv64") ? 8 : 0;
}

static uint32_t cpu_word(const struct dt *dt, int cpu)
{
	uint32_t word = isa_word(dt_string(dt, cpu, "riscv,isa"));
	const char *compatible;
	int i;

	if (word == 0)
		word = isa_word(dt_string(dt, cpu, "riscv,isa-base"));
	for (i = 0; word == 0; i++) {
		compatible = fdt_stringlist_get(dt->blob, cpu, "compatible", i, NULL);
		if (!compatible)
			break;
		word = compatible_word(compatible);
	}
	return word;
}

/* Append @text behind a comma, if it fits; control characters become '?'. */
static void append(char out[DT_TEXT_SIZE], const char *text)
{
	size_t n = strlen(out);

	if (n + strlen(text) + sizeof(", ") > DT_TEXT_SIZE)
		return;
	n += (size_t)sprintf(out + n, "%s%s", n ? ", " : "", text);
	for (; n-- > 0;)
		if ((unsigned char)out[n] < 0x20 || (unsigned char)out[n] > 0x7e)
			out[n] = '?';
}

static bool is_cpu(const struct dt *dt, int node)
{
	const char *type = dt_string(dt, node, "device_type");
	const char *name = fdt_get_name(dt->blob, node, NULL);

	return type ? strcmp(type, "cpu") == 0 : name && begins(name, "cpu@");
}

uint32_t dt_word_size(const struct dt *dt, char cpu[DT_TEXT_SIZE])
{
	int cpus = fdt_path_offset(dt->blob, "/cpus"), node;
	bool first = true, same = true;
	uint32_t word = 0, other;
	const char *compatible, *last = "";

	cpu[0] = '\0';
	if (cpus < 0)
		return 0;
	fdt_for_each_subnode(node, dt->blob, cpus)
	{
		if (!is_cpu(dt, node))
			continue;
		other = cpu_word(dt, node);
		same = same && (first || other == word);
		word = other;
		first = false;
		compatible = fdt_stringlist_get(dt->blob, node, "compatible", 0, NULL);
		if (!compatible || strcmp(compatible, last) == 0)
			continue;
		append(cpu, compatible);
		last = compatible;
	}
	return same ? word : 0;
}

/* The mailbox at @cells: "NAME: /path 1 2". Returns the cells it takes, 0 if it makes no sense. */
static int describe(const struct dt *dt, int node, const fdt32_t *cells, int left, int index,
		    char out[DT_TEXT_SIZE])
{
	const char *name = fdt_stringlist_get(dt->blob, node, "mbox-names", index, NULL);
	int target = fdt_node_offset_by_phandle(dt->blob, fdt32_ld(cells)), n, i;
	char path[DT_PATH_SIZE];
	uint32_t count = 0;

	if (target < 0 || dt_cell(dt, target, "#mbox-cells", &count) < 0 ||
	    count > MAILBOX_CELLS_MAX || (int)count >= left)
		return 0;
	n = snprintf(out, DT_TEXT_SIZE, "%.40s%s%.160s", name ? name : "", name ? ": " : "",
		     dt_path(dt, path, target));
	for (i = 1; i <= (int)count; i++)
		n += snprintf(out + n, DT_TEXT_SIZE - (size_t)n, " %" PRIu32, fdt32_ld(cells + i));
	return 1 + (int)count;
}

void dt_mailboxes(const struct dt *dt, int node, char out[DT_TEXT_SIZE])
{
	char error[CONFIG_ERROR_SIZE], one[DT_TEXT_SIZE];
	/* It is for information: what is wrong with it is no error. */
	const struct dt quiet = { .blob = dt->blob, .file = "", .error = error };
	int size, used, i;
	const fdt32_t *cells = fdt_getprop(dt->blob, node, "mboxes", &size);

	out[0] = '\0';
	for (i = 0; cells && size >= 4 && i < MAILBOXES_MAX; i++) {
		used = describe(&quiet, node, cells, size / 4, i, one);
		if (used == 0)
			break;
		append(out, one);
		cells += used;
		size -= 4 * used;
	}
}
