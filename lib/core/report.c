// SPDX-License-Identifier: Apache-2.0
/*
 * What an instance tells about itself: layout and counters, in the public, growing structs.
 */
#include <string.h>

#include "core/counters.h"
#include "core/instance.h"

/* Copy as much as the caller was compiled to know. */
static void copy_out(void *out, size_t size, const void *full, size_t full_size)
{
	memset(out, 0, size);
	memcpy(out, full, size < full_size ? size : full_size);
}

static void region_to_public(struct icbmsg_region_layout *out, const struct layout_region *r)
{
	*out = (struct icbmsg_region_layout){
		.begin = r->begin,
		.total = r->total,
		.rd_idx = r->rd_idx,
		.wr_idx = r->wr_idx,
		.ring_data = r->ring_data,
		.ring_len = r->ring_len,
		.blocks_off = r->blocks_off,
		.block_size = r->block_size,
		.block_count = r->block_count,
		.max_payload = r->max_payload,
	};
}

void layout_to_public(struct icbmsg_layout *out, size_t size, const struct layout_region *tx,
		      const struct layout_region *rx, enum mem_type type)
{
	struct icbmsg_layout full = {
		.alignment = tx->alignment,
		.word_size = tx->header_size,
		.packet_size = layout_packet_size(tx->header_size),
		.initiator = layout_is_initiator(tx, rx),
		.device_memory = type == MEM_DEVICE,
	};

	region_to_public(&full.tx, tx);
	region_to_public(&full.rx, rx);
	copy_out(out, size, &full, sizeof(full));
}

void instance_get_layout(struct icbmsg *i, struct icbmsg_layout *out, size_t size)
{
	struct layout_region tx, rx;
	enum mem_type type;

	pthread_mutex_lock(&i->lock);
	tx = i->link.tx;
	rx = i->link.rx;
	type = i->memory.type;
	pthread_mutex_unlock(&i->lock);
	layout_to_public(out, size, &tx, &rx, type);
}

void instance_get_stats(struct icbmsg *i, struct icbmsg_stats *out, size_t size)
{
	struct icbmsg_stats full;

	pthread_mutex_lock(&i->lock);
	full = counters_stats(i->session);
	pthread_mutex_unlock(&i->lock);
	copy_out(out, size, &full, sizeof(full));
}

size_t instance_get_counters(struct icbmsg *i, uint64_t *values, size_t max)
{
	size_t count;

	pthread_mutex_lock(&i->lock);
	count = counters_read(i->session, values, max);
	pthread_mutex_unlock(&i->lock);
	return count;
}

size_t instance_get_records(struct icbmsg *i, struct icbmsg_record *records, size_t max)
{
	size_t count;

	pthread_mutex_lock(&i->lock);
	count = state_records(i->session, records, max);
	pthread_mutex_unlock(&i->lock);
	return count;
}
