// SPDX-License-Identifier: Apache-2.0
/*
 * From texts by key to what they mean together. A geometry that differs from the firmware's
 * corrupts or hangs without a word, so everything that can be recognised as wrong is refused here,
 * with the place where it was written.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/config_object.h"
#include "proto/proto.h"

static bool is_set(const struct icbmsg_config *cfg, enum config_key_id id)
{
	return config_entry(cfg, id)->text != NULL;
}

/* Refuse the value of @id for a reason that involves others. */
static int refuse(struct icbmsg_config *cfg, enum config_key_id id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct icbmsg_config *cfg, enum config_key_id id, const char *format, ...)
{
	const char *origin = config_entry(cfg, id)->origin;
	char why[CONFIG_ERROR_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	return config_fail(cfg, -EINVAL, "%s%s%s: %s", origin ? origin : "", origin ? ": " : "",
			   config_keys[id].name, why);
}

static int fail_missing(struct icbmsg_config *cfg, enum config_key_id id)
{
	const char *origin = cfg->origin, *name = config_keys[id].name;

	return config_fail(cfg, -EINVAL, "%s%s%s: missing; write for example %s = %s",
			   origin ? origin : "", origin ? ": " : "", name, name,
			   config_keys[id].example);
}

/* One key for both directions, or one for each. */
static int check_doorbell(struct icbmsg_config *cfg)
{
	bool in = is_set(cfg, KEY_DOORBELL_IN), out = is_set(cfg, KEY_DOORBELL_OUT);

	if (is_set(cfg, KEY_DOORBELL)) {
		if (!in && !out)
			return 0;
		return refuse(cfg, in ? KEY_DOORBELL_IN : KEY_DOORBELL_OUT,
			      "doorbell is set, too, and stands for both directions; remove one");
	}
	if (!in && !out)
		return fail_missing(cfg, KEY_DOORBELL);
	if (!in || !out)
		return fail_missing(cfg, in ? KEY_DOORBELL_OUT : KEY_DOORBELL_IN);
	return 0;
}

static int check_required(struct icbmsg_config *cfg, bool layout_only)
{
	static const enum config_key_id required[] = { KEY_TX_REGION, KEY_RX_REGION, KEY_TX_BLOCKS,
						       KEY_RX_BLOCKS, KEY_MEMORY };
	size_t i;

	for (i = 0; i < (layout_only ? 4 : sizeof(required) / sizeof(*required)); i++)
		if (!is_set(cfg, required[i]))
			return fail_missing(cfg, required[i]);
	if (is_set(cfg, KEY_GEOMETRY) && !is_set(cfg, KEY_WORD_SIZE))
		return refuse(cfg, KEY_GEOMETRY,
			      "the devicetree does not tell the word size of the firmware's CPU; "
			      "write word-size = 4, or 8 for firmware of 64 bits");
	return layout_only ? 0 : check_doorbell(cfg);
}

/* Doorbells of a bus that the memory is on. */
static int check_bus(struct icbmsg_config *cfg, const struct config_values *v)
{
	const struct doorbell_spec *d = &v->doorbell;
	enum config_key_id id = KEY_DOORBELL;

	if (!doorbell_needs_bus(d))
		return 0;
	if (!is_set(cfg, id))
		id = d->out.kind == DOORBELL_OUT_IVSHMEM ? KEY_DOORBELL_OUT : KEY_DOORBELL_IN;
	if (v->memory.kind != MEMORY_IVSHMEM && v->memory.kind != MEMORY_IVSHMEM_PCI)
		return refuse(cfg, id,
			      "ivshmem rings through the bus that the memory is on; write memory = "
			      "ivshmem:SOCKET, or another doorbell");
	if (v->memory.kind == MEMORY_IVSHMEM_PCI && d->out.kind == DOORBELL_OUT_IVSHMEM &&
	    d->target.peer == IVSHMEM_ANY)
		return refuse(cfg, id,
			      "a guest cannot see who else is there; give the other side's id, for "
			      "example ivshmem:0");
	return 0;
}

/* Keys that are about interrupts only. */
static int check_interrupt(struct icbmsg_config *cfg, const struct config_values *v)
{
	if (is_set(cfg, KEY_DOORBELL_ACK) && v->doorbell.in.kind != DOORBELL_IN_UIO)
		return refuse(cfg, KEY_DOORBELL_ACK,
			      "there is no interrupt to acknowledge; set doorbell-in = uio:DEVICE, "
			      "or remove it");
	return 0;
}

static int parse_all(struct icbmsg_config *cfg, struct config_values *v)
{
	const char *text;
	int i, ret;

	for (i = 0; i < KEY_COUNT; i++) {
		text = config_entry(cfg, (enum config_key_id)i)->text;
		if (!text)
			text = config_keys[i].fallback;
		if (!text)
			continue;
		ret = config_key_parse(v, (enum config_key_id)i, text, cfg->error);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Both ends are below 2^64, as check_range() has made sure. */
static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static int check_range(struct icbmsg_config *cfg, enum config_key_id region_key,
		       enum config_key_id address_key, const struct config_region *r)
{
	if (r->offset > INT64_MAX - r->size)
		return refuse(cfg, region_key,
			      "0x%" PRIx64 " + 0x%" PRIx64
			      " is beyond any memory; the OFFSET counts "
			      "from the start of the memory",
			      r->offset, r->size);
	if (r->address > UINT64_MAX - r->size)
		return refuse(cfg, address_key,
			      "0x%" PRIx64 " + 0x%" PRIx64
			      " is beyond 64 bits; give the firmware's "
			      "address",
			      r->address, r->size);
	return 0;
}

/*
 * Physical addresses are most often what the firmware sees, or differ from it by a multiple of all
 * alignments; of other memory the offsets are all that is known.
 */
static void default_addresses(struct config_values *v)
{
	uint64_t base = v->memory.kind == MEMORY_DEVMEM ? v->memory.address : 0;

	v->tx.address = base + v->tx.offset;
	v->rx.address = base + v->rx.offset;
}

static int check_regions(struct icbmsg_config *cfg, struct config_values *v)
{
	struct config_region *tx = &v->tx, *rx = &v->rx;
	bool given = is_set(cfg, KEY_TX_ADDRESS);
	int ret;

	if (given != is_set(cfg, KEY_RX_ADDRESS))
		return refuse(cfg, given ? KEY_TX_ADDRESS : KEY_RX_ADDRESS,
			      "%s is missing; give both or none, as they decide the roles",
			      given ? "rx-address" : "tx-address");
	if (!given)
		default_addresses(v);
	ret = check_range(cfg, KEY_TX_REGION, KEY_TX_ADDRESS, tx);
	if (ret == 0)
		ret = check_range(cfg, KEY_RX_REGION, KEY_RX_ADDRESS, rx);
	if (ret < 0)
		return ret;
	if (overlap(tx->offset, tx->size, rx->offset, rx->size))
		return refuse(cfg, KEY_RX_REGION,
			      "0x%" PRIx64 " + 0x%" PRIx64 " overlaps tx-region 0x%" PRIx64
			      " + 0x%" PRIx64 "; move or shrink one",
			      rx->offset, rx->size, tx->offset, tx->size);
	if (overlap(tx->address, tx->size, rx->address, rx->size))
		return refuse(cfg, KEY_RX_ADDRESS,
			      "0x%" PRIx64 " + 0x%" PRIx64 " overlaps tx-address 0x%" PRIx64
			      " + 0x%" PRIx64 "; give the firmware's addresses",
			      rx->address, rx->size, tx->address, tx->size);
	v->memory.size = tx->offset + tx->size;
	if (rx->offset + rx->size > v->memory.size)
		v->memory.size = rx->offset + rx->size;
	if (v->memory.limit > 0 && v->memory.limit < v->memory.size)
		return refuse(cfg, KEY_MEMORY,
			      "0x%" PRIx64 " bytes, but the regions need 0x%" PRIx64
			      "; correct the regions, or the size behind the +",
			      v->memory.limit, v->memory.size);
	return 0;
}

static int check_layout(struct icbmsg_config *cfg, enum config_key_id id, struct layout_region *out,
			const struct layout_geometry *geometry, const struct config_region *region,
			const struct proto_ops *ops)
{
	char error[LAYOUT_ERROR_SIZE];
	uint64_t start;

	if (ops->layout(out, geometry, error) < 0)
		return refuse(cfg, id, "%s", error);
	start = region->offset + (out->begin - region->address);
	if (start % 4)
		return refuse(cfg, id,
			      "its first word would be mapped at 0x%" PRIx64
			      ", not a multiple of 4; "
			      "OFFSET and address must be equal modulo 4",
			      start);
	return 0;
}

static int check_block(struct icbmsg_config *cfg, enum config_key_id id,
		       const struct layout_region *r)
{
	if (r->block_size > r->header_size)
		return 0;
	return refuse(cfg, id,
		      "blocks of %" PRIu32 " bytes hold no payload behind their header of %" PRIu32
		      "; use fewer blocks or a larger region",
		      r->block_size, r->header_size);
}

static void fill_geometry(struct config_values *v)
{
	struct layout_geometry *tx = &v->tx_geometry, *rx = &v->rx_geometry;

	rx->alignment = tx->alignment;
	rx->word_size = tx->word_size;
	tx->base = v->tx.address;
	tx->size = v->tx.size;
	tx->peer_blocks = rx->blocks;
	rx->base = v->rx.address;
	rx->size = v->rx.size;
	rx->peer_blocks = tx->blocks;
}

/* Two libicbmsg ends need room for their session words. */
static int reserve_words(struct icbmsg_config *cfg, struct config_values *v)
{
	if (!v->peer_is_library ||
	    (layout_reserve_word(&v->tx_layout) && layout_reserve_word(&v->rx_layout)))
		return 0;
	return refuse(
		cfg, KEY_PEER,
		"the rings of regions with one block each have no room for what libicbmsg ends "
		"tell each other; set dcache-alignment = 8 on both, or use more blocks");
}

static int check_layouts(struct icbmsg_config *cfg, struct config_values *v, bool layout_only)
{
	const struct proto_ops *ops = proto_find(v->wire);
	int ret;

	fill_geometry(v);
	ret = check_layout(cfg, KEY_TX_REGION, &v->tx_layout, &v->tx_geometry, &v->tx, ops);
	if (ret == 0)
		ret = check_layout(cfg, KEY_RX_REGION, &v->rx_layout, &v->rx_geometry, &v->rx, ops);
	if (ret == 0 && !layout_only)
		ret = check_block(cfg, KEY_TX_BLOCKS, &v->tx_layout);
	if (ret == 0 && !layout_only)
		ret = check_block(cfg, KEY_RX_BLOCKS, &v->rx_layout);
	if (ret == 0)
		ret = reserve_words(cfg, v);
	return ret;
}

int config_resolve(struct icbmsg_config *cfg, struct config_values *out, bool layout_only)
{
	struct config_values v = { .memory = { .fd = -1 },
				   .doorbell = { .in.fd = -1, .out.fd = -1 } };
	int ret;

	ret = check_required(cfg, layout_only);
	if (ret == 0)
		ret = parse_all(cfg, &v);
	if (ret == 0 && !layout_only)
		ret = check_interrupt(cfg, &v);
	if (ret == 0 && !layout_only)
		ret = check_bus(cfg, &v);
	if (ret == 0)
		ret = check_regions(cfg, &v);
	if (ret == 0)
		ret = check_layouts(cfg, &v, layout_only);
	if (ret < 0)
		return ret;
	memcpy(v.name, cfg->name, sizeof(v.name));
	v.memory.root = v.doorbell.in.root = v.doorbell.out.root = cfg->root;
	*out = v;
	return 0;
}
