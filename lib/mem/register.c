// SPDX-License-Identifier: Apache-2.0
/*
 * Each access has a mapping of its own: there are few, and they may be of different devices.
 *
 * Registers are little-endian, as those of all mailboxes that Zephyr and Linux share are. One
 * access is one load or store of exactly its width; nothing else in the page is touched.
 */
#include "mem/register.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem/memory.h"
#include "util/barrier.h"
#include "util/cleanup.h"

struct one {
	struct memory memory;
	volatile void *at;
	enum register_action action;
	unsigned int bits;
	uint64_t value;
};

struct registers {
	unsigned int count;
	struct one one[REGISTER_LIST_MAX];
};

static uint64_t load(const volatile void *at, unsigned int bits)
{
	switch (bits) {
	case 8:
		return *(const volatile uint8_t *)at;
	case 16:
		return le16toh(*(const volatile uint16_t *)at);
	case 32:
		return le32toh(*(const volatile uint32_t *)at);
	default:
		return le64toh(*(const volatile uint64_t *)at);
	}
}

static void store(volatile void *at, unsigned int bits, uint64_t value)
{
	switch (bits) {
	case 8:
		*(volatile uint8_t *)at = (uint8_t)value;
		break;
	case 16:
		*(volatile uint16_t *)at = htole16((uint16_t)value);
		break;
	case 32:
		*(volatile uint32_t *)at = htole32((uint32_t)value);
		break;
	default:
		*(volatile uint64_t *)at = htole64(value);
		break;
	}
}

static void run(const struct one *o)
{
	uint64_t now;

	if (o->action == REGISTER_WRITE) {
		store(o->at, o->bits, o->value);
		return;
	}
	now = load(o->at, o->bits);
	if (o->action == REGISTER_SET)
		store(o->at, o->bits, now | o->value);
	else if (o->action == REGISTER_CLEAR)
		store(o->at, o->bits, now & ~o->value);
	else if (now & o->value)
		store(o->at, o->bits, now & o->value);
}

void registers_run(const struct registers *r)
{
	if (!r)
		return;
	barrier_release();
	for (unsigned int i = 0; i < r->count; i++)
		run(&r->one[i]);
	barrier_full();
}

/* Mapped from the beginning of the place, or physically from the multiple of 4 before the register. */
static int map(struct one *o, const struct register_access *a, const char *root, char *error)
{
	static const enum memory_kind kinds[] = {
		[REGISTER_MEM] = MEMORY_DEVMEM,
		[REGISTER_UIO] = MEMORY_UIO,
		[REGISTER_FILE] = MEMORY_FILE,
	};
	uint64_t lead = a->place == REGISTER_MEM ? a->offset % 4 : a->offset;
	struct memory_spec spec = {
		.kind = kinds[a->place],
		.fd = -1,
		.address = a->offset - lead,
		.sync = true,
		.size = lead + a->bits / 8,
		.user = "the registers",
		.root = root,
	};
	int ret;

	_Static_assert(REGISTER_NAME_MAX <= MEMORY_NAME_MAX && REGISTER_MAP_MAX <= MEMORY_MAP_MAX,
		       "names fit");
	strcpy(spec.name, a->name);
	strcpy(spec.map, a->map);
	ret = memory_map(&o->memory, &spec, false, error);
	if (ret < 0)
		return ret;
	o->at = o->memory.base + lead;
	if ((uintptr_t)o->at % (a->bits / 8) == 0)
		return 0;
	memory_unmap(&o->memory);
	return mem_fail(error, -EINVAL,
			"uio:%.40s: the map begins where an access of %u bits at 0x%llx is not "
			"aligned; use narrower ones",
			a->name, a->bits, (unsigned long long)a->offset);
}

static void close_registers(struct registers **r)
{
	registers_close(*r);
}

int registers_open(struct registers **out, const struct register_list *list, const char *root,
		   char error[MEM_ERROR_SIZE])
{
	_cleanup_(close_registers) struct registers *r = NULL;
	int ret;

	if (list->count > 0) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return mem_fail(error, -ENOMEM, "doorbell: out of memory");
	}
	for (unsigned int i = 0; i < list->count; i++) {
		const struct register_access *a = &list->at[i];

		r->one[i] = (struct one){ .action = a->action, .bits = a->bits, .value = a->value };
		ret = map(&r->one[i], a, root, error);
		if (ret < 0)
			return ret;
		r->count++;
	}
	*out = r;
	r = NULL;
	return 0;
}

void registers_close(struct registers *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->count; i++)
		memory_unmap(&r->one[i].memory);
	free(r);
}
