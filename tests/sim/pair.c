// SPDX-License-Identifier: Apache-2.0
/*
 * Two firmware stand-ins over one memory: see pair.h.
 */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/access.h"

static void on_ring(void *user)
{
	struct pair_side *side = user;

	side->other->doorbells++;
}

static void on_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	struct pair_side *side = user;

	(void)fw;
	(void)ept;
	side->bound++;
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct pair_side *side = user;
	unsigned int at = side->received++ % PAIR_RECORDED;

	(void)fw;
	side->data[at] = data;
	side->size[at] = size;
	if (side->on_message)
		side->on_message(side, ept->name, data, size);
	return side->hold;
}

static void init_side(struct pair *p, struct pair_side *side)
{
	struct firmware_config config = {
		.map = p->memory,
		.tx = side == &p->f ? p->lo : p->hi,
		.rx = side == &p->f ? p->hi : p->lo,
		.num_ep = p->num_ep,
		.ring = on_ring,
		.bound = on_bound,
		.received = on_received,
		.user = side,
	};

	assert_int_equal(firmware_init(&side->fw, &config), 0);
}

static void layout(struct layout_region *out, const struct pair_geometry *g, bool second)
{
	struct layout_geometry in = {
		.base = second ? g->region_size : 0,
		.size = g->region_size,
		.blocks = second ? g->i_blocks : g->f_blocks,
		.peer_blocks = second ? g->f_blocks : g->i_blocks,
		.alignment = g->alignment,
		.word_size = g->word_size,
	};
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &in, error) < 0)
		fail_msg("%s", error);
}

void pair_start(struct pair *p, const struct pair_geometry *g)
{
	*p = (struct pair){ .size = 2 * g->region_size, .num_ep = g->num_ep };
	layout(&p->lo, g, false);
	layout(&p->hi, g, true);
	p->memory = calloc(1, p->size);
	assert_non_null(p->memory);
	p->f.other = &p->i;
	p->i.other = &p->f;
	init_side(p, &p->f);
	init_side(p, &p->i);
}

void pair_end(struct pair *p)
{
	free(p->memory);
}

void pair_restart(struct pair *p, struct pair_side *side)
{
	side->bound = 0;
	side->received = 0;
	init_side(p, side);
}

void pair_pump(struct pair_side *side)
{
	if (side->doorbells == 0)
		return;
	side->doorbells = 0;
	firmware_pump(&side->fw);
}

void pair_settle(struct pair *p)
{
	while (p->f.doorbells || p->i.doorbells) {
		pair_pump(&p->f);
		pair_pump(&p->i);
	}
}

void pair_bind(struct pair *p, const char *name)
{
	firmware_open(&p->f.fw);
	firmware_open(&p->i.fw);
	assert_int_equal(firmware_register(&p->f.fw, name), 0);
	assert_int_equal(firmware_register(&p->i.fw, name), 0);
	pair_settle(p);
	assert_int_equal(firmware_find(&p->f.fw, name)->state, FIRMWARE_EPT_READY);
	assert_int_equal(firmware_find(&p->i.fw, name)->state, FIRMWARE_EPT_READY);
}

uint32_t pair_load(const struct pair *p, const struct layout_region *r, uint32_t offset)
{
	return shm_load32(p->memory + r->begin + offset);
}

void pair_store(struct pair *p, const struct layout_region *r, uint32_t offset, uint32_t value)
{
	shm_store32(p->memory + r->begin + offset, value);
}
