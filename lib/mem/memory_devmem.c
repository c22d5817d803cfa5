// SPDX-License-Identifier: Apache-2.0
/*
 * Physical memory through /dev/mem. What the mapping is depends on the architecture and on whether
 * Linux knows the memory as RAM: device memory where it does not, and with O_SYNC uncached where it
 * does (arm64), so it is taken for device memory unless the configuration knows better.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "mem/devmem.h"
#include "mem/memory_source.h"

static void label(char *out, const struct memory_spec *spec)
{
	snprintf(out, MEMORY_LABEL_SIZE, "mem:0x%" PRIx64, spec->address);
}

static int map(struct memory *m, struct memory_attempt *a)
{
	const struct memory_spec *spec = a->spec;

	if (spec->limit > 0 && spec->limit < spec->size)
		return memory_fail(a, -EINVAL,
				   " has %" PRIu64 " bytes but the regions need %" PRIu64
				   "; correct the regions, or the size behind the +",
				   spec->limit, spec->size);
	m->at = spec->address;
	return devmem_map(&m->window, spec->address, spec->size, spec->sync, a->read_only, a->label,
			  spec->root, a->error);
}

const struct memory_source memory_devmem = { .type = MEM_DEVICE, .label = label, .map = map };
