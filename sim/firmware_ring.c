// SPDX-License-Identifier: Apache-2.0
/*
 * The packet rings as the firmware uses them (protocol.md section 2). Private indices are the truth
 * and start at 0 with every new object, whatever memory says: that is how restarted firmware comes
 * to read old bytes (section 3).
 */
#include <errno.h>
#include <string.h>

#include "firmware_internal.h"
#include "util/access.h"
#include "util/barrier.h"

#define PACKET_HEADER 4u
#define READ_LIMIT 128u /* the firmware's read buffer: what is longer is never consumed */

static uint32_t round_up4(uint32_t n)
{
	return (n + 3) & ~UINT32_C(3);
}

/* The length field is big-endian, in the first two bytes of a word. */
static uint32_t length_to_word(uint32_t size)
{
	return (size >> 8 & 0xff) | (size & 0xff) << 8;
}

static uint32_t length_from_word(uint32_t word)
{
	return (word & 0xff) << 8 | (word >> 8 & 0xff);
}

void firmware_ring_reset(struct firmware *fw)
{
	const struct layout_region *tx = &fw->config.tx;

	fw->tx_wr = 0;
	fw->rx_rd = 0;
	shm_store32(firmware_at(fw, tx, tx->wr_idx), 0);
	shm_store32(firmware_at(fw, tx, tx->rd_idx), 0);
}

/* Padding is left as it was in memory. */
int firmware_ring_put(struct firmware *fw, const void *packet, uint32_t size)
{
	const struct layout_region *tx = &fw->config.tx;
	uint32_t need = PACKET_HEADER + round_up4(size);
	uint32_t rd = shm_load32_acquire(firmware_at(fw, tx, tx->rd_idx));
	uint32_t free, at, part;

	if (rd % 4 != 0 || rd >= tx->ring_len)
		return -EINVAL;
	free = (rd + tx->ring_len - fw->tx_wr - 4) % tx->ring_len;
	if (size > UINT16_MAX || need > free)
		return -ENOMEM;

	shm_store32(firmware_at(fw, tx, tx->ring_data + fw->tx_wr), length_to_word(size));
	at = (fw->tx_wr + PACKET_HEADER) % tx->ring_len;
	part = size < tx->ring_len - at ? size : tx->ring_len - at;
	memcpy(firmware_at(fw, tx, tx->ring_data + at), packet, part);
	memcpy(firmware_at(fw, tx, tx->ring_data), (const uint8_t *)packet + part, size - part);

	fw->tx_wr = (fw->tx_wr + need) % tx->ring_len;
	shm_store32_release(firmware_at(fw, tx, tx->wr_idx), fw->tx_wr);
	return (int)size;
}

/* Copy what is looked at of the packet whose first byte is at @at, across the end of the ring. */
static void read_head(const struct firmware *fw, uint32_t at, struct firmware_packet *packet)
{
	const struct layout_region *rx = &fw->config.rx;
	uint32_t size = packet->size < FIRMWARE_PACKET_HEAD ? packet->size : FIRMWARE_PACKET_HEAD;
	uint32_t part = size < rx->ring_len - at ? size : rx->ring_len - at;

	memcpy(packet->head, firmware_at(fw, rx, rx->ring_data + at), part);
	memcpy(packet->head + part, firmware_at(fw, rx, rx->ring_data), size - part);
}

/*
 * Take one packet. False if there is none: empty, a write index that cannot be, or a length that
 * stops this reader until the peer replaces it.
 */
bool firmware_ring_get(struct firmware *fw, struct firmware_packet *packet)
{
	const struct layout_region *rx = &fw->config.rx;
	uint32_t wr = shm_load32_acquire(firmware_at(fw, rx, rx->wr_idx));
	uint32_t size;

	if (wr % 4 != 0 || wr == fw->rx_rd)
		return false;
	size = length_from_word(shm_load32(firmware_at(fw, rx, rx->ring_data + fw->rx_rd)));
	if (size == 0 || size > READ_LIMIT)
		return false;

	packet->size = size;
	read_head(fw, (fw->rx_rd + PACKET_HEADER) % rx->ring_len, packet);

	fw->rx_rd = (fw->rx_rd + PACKET_HEADER + round_up4(size)) % rx->ring_len;
	shm_store32_release(firmware_at(fw, rx, rx->rd_idx), fw->rx_rd);
	/* The caller looks at wr_idx again: a producer may have relied on it (section 6). */
	barrier_full();
	fw->counters.packets++;
	return true;
}
