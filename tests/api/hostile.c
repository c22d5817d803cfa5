// SPDX-License-Identifier: Apache-2.0
/*
 * See hostile.h.
 */
#include "hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"

const char *hostile_rescue_interval = "50ms";

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	struct hostile *h = user;

	assert_true(*line && !strchr(line, '\n'));
	if (level == ICBMSG_LOG_WARNING)
		h->warnings++;
}

void hostile_lay(struct hostile *h, const void *packet, uint32_t len)
{
	assert_int_equal(ring_put(&h->out, &h->wr, packet, len), 0);
}

void hostile_put(struct hostile *h, const void *packet, uint32_t len)
{
	hostile_lay(h, packet, len);
	ring_publish(&h->out, h->wr);
}

void hostile_control(struct hostile *h, uint8_t type, uint8_t ept, uint32_t block)
{
	uint8_t packet[CONTROL_SIZE] = { type, ept, (uint8_t)block };

	hostile_put(h, packet, sizeof(packet));
}

static uint8_t *block_at(struct hostile *h, const struct layout_region *r, uint32_t block)
{
	return h->e.map + r->begin + r->blocks_off + (size_t)block * r->block_size;
}

void hostile_fill(struct hostile *h, uint32_t block, uint64_t claimed, const void *data,
		  size_t size)
{
	uint8_t *p = block_at(h, &h->rx, block);

	shm_store32(p, (uint32_t)claimed);
	if (h->rx.header_size == 8)
		shm_store32(p + 4, (uint32_t)(claimed >> 32));
	if (size)
		memcpy(p + h->rx.header_size, data, size);
}

static void take(struct hostile_read *r, const uint8_t *packet, int len)
{
	r->packets++;
	if (control_is_magic(packet, (uint32_t)len))
		return;
	assert_true(control_decode(&r->last, packet, (uint32_t)len));
	r->data += r->last.type == CONTROL_DATA;
	r->releases += r->last.type == CONTROL_RELEASE_DATA;
	r->bounds += r->last.type == CONTROL_BOUND;
	r->release_bounds += r->last.type == CONTROL_RELEASE_BOUND;
	if (r->last.type == CONTROL_RELEASE_DATA)
		r->released[r->last.block]++;
}

void hostile_read(struct hostile *h)
{
	uint32_t wr = ring_load_wr(&h->in);
	uint8_t packet[RING_PACKET_MAX];
	int len;

	assert_true(ring_index_valid(&h->in, wr));
	while ((len = ring_peek(&h->in, h->rd, wr, packet, &h->rd)) > 0)
		take(&h->read, packet, len);
	assert_int_equal(len, 0);
	shm_store32_release(h->in.rd_idx, h->rd);
}

void hostile_forget(struct hostile *h)
{
	h->read = (struct hostile_read){ 0 };
}

void hostile_settle(struct hostile *h)
{
	/* A broken link may have something to complain about each time. */
	for (int i = 0; i < 3; i++)
		assert_true(icbmsg_dispatch(h->link, 0) >= 0);
	hostile_read(h);
	assert_true(icbmsg_dispatch(h->link, 0) >= 0);
}

void hostile_message(struct hostile *h, uint32_t block, const void *data, uint32_t size)
{
	hostile_fill(h, block, size, data, size);
	hostile_control(h, CONTROL_DATA, 0, block);
	hostile_settle(h);
}

/* Zero the two indices of the own region, write the magic; then both sides read. */
static void bring_up(struct hostile *h)
{
	hostile_forget(h);
	h->rd = h->wr = 0;
	shm_store32(h->out.rd_idx, 0);
	shm_store32(h->out.wr_idx, 0);
	hostile_put(h, control_magic, CONTROL_MAGIC_SIZE);
	hostile_settle(h);
	hostile_settle(h);
	assert_int_equal(ends_stats(h->link).state, ICBMSG_LINK_UP);
}

/* The victim is registered; the peer does its part. */
static void bind_victim(struct hostile *h, struct seen *seen)
{
	int bound = seen->bound;

	if (h->initiator) {
		hostile_settle(h);
		assert_int_equal(h->read.bounds, 1);
		assert_int_equal(h->read.last.ept, 0);
		hostile_control(h, CONTROL_RELEASE_BOUND, 0, h->read.last.block);
	} else {
		hostile_fill(h, 0, sizeof(HOSTILE_NAME), HOSTILE_NAME, sizeof(HOSTILE_NAME));
		hostile_control(h, CONTROL_BOUND, 0, 0);
	}
	hostile_settle(h);
	assert_int_equal(seen->bound, bound + 1);
	assert_int_equal(h->read.release_bounds, h->initiator ? 0 : 1);
}

void hostile_start(struct hostile *h, struct seen *seen, bool initiator)
{
	ends_direct_only("the peer by hand sees what libicbmsg itself answers, and when");
	memset(h, 0, sizeof(*h));
	memset(seen, 0, sizeof(*seen));
	h->initiator = initiator;
	ends_prepare(&h->e, 0xa5);
	ends_layout(initiator, &h->tx, &h->rx);
	ring_init(&h->in, h->e.map + h->tx.begin, &h->tx);
	ring_init(&h->out, h->e.map + h->rx.begin, &h->rx);
	h->link = ends_open_one(&h->e, initiator, hostile_rescue_interval);
	icbmsg_set_log(h->link, on_log, h);
	bring_up(h);
	ends_register(h->link, seen, HOSTILE_NAME);
	bind_victim(h, seen);
	hostile_assert_works(h, seen);
	assert_int_equal(h->warnings, 0);
}

void hostile_restart(struct hostile *h, struct seen *seen)
{
	bring_up(h);
	bind_victim(h, seen);
	hostile_assert_works(h, seen);
}

void hostile_end(struct hostile *h)
{
	ends_close(&h->e);
}

void hostile_assert_works(struct hostile *h, struct seen *seen)
{
	uint32_t size = 2 * h->tx.block_size, back = 2 * h->rx.block_size;
	uint32_t block = h->rx.block_count - 3;
	int received = seen->received;
	static uint8_t data[4096];

	assert_true(size <= sizeof(data) && back <= sizeof(data));
	hostile_forget(h);
	fill_pattern(data, size, size);
	assert_int_equal(icbmsg_send(seen->ept, data, size, 0), 0);
	hostile_settle(h);
	assert_int_equal(h->read.data, 1);
	assert_int_equal(h->read.last.ept, 0);
	assert_memory_equal(block_at(h, &h->tx, h->read.last.block) + h->tx.header_size, data,
			    size);
	hostile_control(h, CONTROL_RELEASE_DATA, 0, h->read.last.block);

	fill_pattern(data, back, back);
	hostile_fill(h, block, back, data, back);
	hostile_control(h, CONTROL_DATA, 0, block);
	hostile_settle(h);
	assert_int_equal(seen->received, received + 1);
	assert_int_equal(seen->size, back);
	assert_memory_equal(seen->data, data, back);
	assert_int_equal(h->read.releases, 1);
	assert_int_equal(h->read.released[block], 1);
	assert_int_equal(ends_stats(h->link).tx_blocks_free, h->tx.block_count);
	assert_int_equal(ends_stats(h->link).rx_held, 0);
	hostile_forget(h);
}

/* What is counted as it changes is what there is. */
static void assert_rx_counts(const struct session *s, const struct layout_region *rx)
{
	uint32_t ours = 0, pending = 0, blocks = 0;

	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++) {
		ours += session_rx_ours(&s->rx[i]);
		pending += s->rx[i].pending;
		blocks += s->rx[i].holds ? (uint32_t)layout_blocks_for(rx, s->rx[i].size) : 0;
	}
	assert_int_equal(ours, s->rx_ours);
	assert_int_equal(pending, s->rx_pending);
	assert_int_equal(blocks, s->rx_hold_blocks);
}

void hostile_assert_sound(struct hostile *h)
{
	const struct session *s = h->link->session;
	struct block_map all;
	uint32_t used = 0;

	blocks_init(&all, h->tx.block_count);
	for (uint32_t i = 0; i < LAYOUT_BLOCKS_MAX; i++) {
		if (s->tx[i].state == TX_FREE)
			continue;
		assert_true(s->tx[i].count > 0 && i + s->tx[i].count <= h->tx.block_count);
		used += s->tx[i].count;
		for (uint32_t k = i; k < i + s->tx[i].count; k++) {
			assert_true(all.free[k / 64] >> (k % 64) & 1);
			assert_false(s->tx_free.free[k / 64] >> (k % 64) & 1);
			blocks_take(&all, k, 1);
		}
	}
	assert_int_equal(used + ends_stats(h->link).tx_blocks_free, h->tx.block_count);
	assert_int_equal(used, s->tx_used);
	assert_memory_equal(&all, &s->tx_free, sizeof(all));
	assert_rx_counts(s, &h->rx);
}
