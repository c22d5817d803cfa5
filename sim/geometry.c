// SPDX-License-Identifier: Apache-2.0
/*
 * Where the two regions lie: the initiator's rx region first, because the side whose rx blocks lie
 * lower is the initiator (protocol.md section 5). The second begins at the next multiple of 64, not
 * of the alignment: regions that have to be aligned within are a case worth simulating.
 */
#include "geometry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"

#define SECOND_REGION_ALIGNMENT 64u
#define REGION_MAX (256u << 20)

/* One region as it lies in the memory. */
struct place {
	uint64_t offset;
	uint32_t size;
	uint32_t blocks;
};

static void region_size(struct geometry *g, const char *arg)
{
	const char *comma = strchr(arg, ',');
	char first[32];

	if (!comma) {
		g->tx_size = (uint32_t)arg_size("--region-size", arg, 1, REGION_MAX);
		g->rx_size = g->tx_size;
		return;
	}
	snprintf(first, sizeof(first), "%.*s", (int)(comma - arg), arg);
	g->tx_size = (uint32_t)arg_size("--region-size", first, 1, REGION_MAX);
	g->rx_size = (uint32_t)arg_size("--region-size", comma + 1, 1, REGION_MAX);
}

static uint32_t alignment(const char *arg)
{
	uint64_t a = arg_size("--dcache-alignment", arg, 1, 1u << 20);

	if (a & (a - 1))
		tool_usage("--dcache-alignment: %s is not a power of two", arg);
	return (uint32_t)a;
}

bool geometry_option(struct geometry *g, int c, const char *arg)
{
	switch (c) {
	case GEOMETRY_REGION_SIZE:
		region_size(g, arg);
		return true;
	case GEOMETRY_TX_BLOCKS:
		g->tx_blocks = (uint32_t)arg_number("--tx-blocks", arg, 1, LAYOUT_BLOCKS_MAX);
		return true;
	case GEOMETRY_RX_BLOCKS:
		g->rx_blocks = (uint32_t)arg_number("--rx-blocks", arg, 1, LAYOUT_BLOCKS_MAX);
		return true;
	case GEOMETRY_ALIGNMENT:
		g->alignment = alignment(arg);
		return true;
	case GEOMETRY_WORD_SIZE:
		g->word_size = (uint32_t)arg_number("--word-size", arg, 4, 8);
		if (g->word_size != 4 && g->word_size != 8)
			tool_usage("--word-size: %s is neither 4 nor 8", arg);
		return true;
	case GEOMETRY_INITIATOR:
		if (strcmp(arg, "A") != 0 && strcmp(arg, "B") != 0)
			tool_usage("--initiator: \"%s\" is neither A nor B", arg);
		g->b_initiates = arg[0] == 'B';
		return true;
	default:
		return false;
	}
}

static uint64_t second_offset(uint32_t first_size)
{
	return ((uint64_t)first_size + SECOND_REGION_ALIGNMENT - 1) &
	       ~(uint64_t)(SECOND_REGION_ALIGNMENT - 1);
}

uint64_t geometry_memory_size(const struct geometry *g)
{
	if (g->b_initiates)
		return second_offset(g->tx_size) + g->rx_size;
	return second_offset(g->rx_size) + g->tx_size;
}

/* The regions as A names them. */
static void places(const struct geometry *g, struct place *tx, struct place *rx)
{
	*tx = (struct place){ .size = g->tx_size, .blocks = g->tx_blocks };
	*rx = (struct place){ .size = g->rx_size, .blocks = g->rx_blocks };
	if (g->b_initiates)
		rx->offset = second_offset(g->tx_size);
	else
		tx->offset = second_offset(g->rx_size);
}

static void places_of(const struct geometry *g, enum side side, struct place *tx, struct place *rx)
{
	if (side == SIDE_A)
		places(g, tx, rx);
	else
		places(g, rx, tx);
}

static int lay_out(const struct geometry *g, const struct place *p, uint32_t peer_blocks,
		   struct layout_region *out, char error[LAYOUT_ERROR_SIZE])
{
	struct layout_geometry in = {
		.base = p->offset,
		.size = p->size,
		.blocks = p->blocks,
		.peer_blocks = peer_blocks,
		.alignment = g->alignment,
		.word_size = g->word_size,
	};
	int ret = layout_classic(out, &in, error);

	if (ret == 0 && out->block_size <= out->header_size) {
		snprintf(
			error, LAYOUT_ERROR_SIZE,
			"%u blocks of %u bytes cannot carry a byte behind a header of %u; make the "
			"region larger or its blocks fewer",
			p->blocks, out->block_size, out->header_size);
		return -EINVAL;
	}
	return ret;
}

int geometry_layout(const struct geometry *g, enum side side, struct layout_region *tx,
		    struct layout_region *rx, char error[LAYOUT_ERROR_SIZE])
{
	struct place ptx, prx;
	int ret;

	places_of(g, side, &ptx, &prx);
	ret = lay_out(g, &ptx, prx.blocks, tx, error);
	return ret < 0 ? ret : lay_out(g, &prx, ptx.blocks, rx, error);
}

static void set(struct geometry_setting *s, const char *key, uint64_t value)
{
	s->key = key;
	snprintf(s->value, sizeof(s->value), "%" PRIu64, value);
}

static void set_region(struct geometry_setting *s, const char *key, const struct place *p)
{
	s->key = key;
	snprintf(s->value, sizeof(s->value), "%" PRIu64 " %" PRIu32, p->offset, p->size);
}

void geometry_settings(const struct geometry *g, enum side side,
		       struct geometry_setting out[GEOMETRY_SETTINGS])
{
	struct place tx, rx;

	places_of(g, side, &tx, &rx);
	set_region(&out[0], "tx-region", &tx);
	set_region(&out[1], "rx-region", &rx);
	set(&out[2], "tx-blocks", tx.blocks);
	set(&out[3], "rx-blocks", rx.blocks);
	set(&out[4], "dcache-alignment", g->alignment);
	set(&out[5], "word-size", g->word_size);
}
