// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a firmware stand-in and what its application calls: open, send, take and give back
 * blocks. See firmware.h for what this is for; ring, blocks and link have files of their own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "firmware_internal.h"

int firmware_init(struct firmware *fw, const struct firmware_config *config)
{
	unsigned int i;

	if (config->num_ep > FIRMWARE_ENDPOINTS_MAX)
		return -EINVAL;
	*fw = (struct firmware){ .config = *config };
	if (config->num_ep == 0)
		fw->config.num_ep = FIRMWARE_ENDPOINTS_DEFAULT;
	fw->initiator = layout_is_initiator(&config->tx, &config->rx);
	for (i = 0; i < FIRMWARE_ENDPOINTS_MAX; i++)
		fw->parked[i] = -1;
	return 0;
}

void firmware_ring(struct firmware *fw)
{
	fw->counters.rings++;
	if (fw->config.ring)
		fw->config.ring(fw->config.user);
}

int firmware_open(struct firmware *fw)
{
	if (fw->link != FIRMWARE_LINK_OFF)
		return -EALREADY;
	firmware_ring_reset(fw);
	fw->link = FIRMWARE_LINK_OPENING;
	firmware_ring_put(fw, firmware_magic, sizeof(firmware_magic));
	firmware_ring(fw);
	return 0;
}

int firmware_alloc(struct firmware *fw, uint32_t size, void **data, uint32_t *got)
{
	int block = firmware_blocks_alloc(fw, size, got);

	if (block < 0)
		return block;
	*data = firmware_blocks_payload(fw, (uint32_t)block);
	return 0;
}

/* Fill fresh blocks; the header is rewritten, blocks beyond it stay taken. Returns the first. */
static int fill_blocks(struct firmware *fw, const void *data, uint32_t size, uint32_t claimed)
{
	uint32_t got;
	int block = firmware_blocks_alloc(fw, size, &got);

	if (block < 0)
		return block;
	if (size > 0)
		memcpy(firmware_blocks_payload(fw, (uint32_t)block), data, size);
	firmware_blocks_set_header(fw, (uint32_t)block, claimed);
	return block;
}

int firmware_send(struct firmware *fw, const char *name, const void *data, uint32_t size)
{
	struct firmware_endpoint *ept = firmware_ready(fw, name);
	int block, ret;

	if (!ept)
		return -ENOENT;
	block = fill_blocks(fw, data, size, size);
	if (block < 0)
		return block;
	ret = firmware_control(fw, FIRMWARE_DATA, ept->address, (uint32_t)block);
	if (ret < 0) {
		firmware_blocks_release(fw, (uint32_t)block);
		return ret;
	}
	fw->counters.sent++;
	return (int)size;
}

int firmware_raw_data(struct firmware *fw, uint8_t address, const void *data, uint32_t size,
		      uint32_t claimed)
{
	int block = fill_blocks(fw, data, size, claimed ? claimed : size);
	int ret;

	if (block < 0)
		return block;
	ret = firmware_control(fw, FIRMWARE_DATA, address, (uint32_t)block);
	return ret < 0 ? ret : (int)size;
}

int firmware_send_nocopy(struct firmware *fw, const char *name, void *data, uint32_t size)
{
	struct firmware_endpoint *ept = firmware_ready(fw, name);
	int block = firmware_blocks_index(fw, &fw->config.tx, data);
	int ret;

	if (!ept)
		return -ENOENT;
	if (block < 0)
		return block;
	ret = firmware_blocks_shrink(fw, (uint32_t)block, size);
	if (ret < 0)
		return ret;
	ret = firmware_control(fw, FIRMWARE_DATA, ept->address, (uint32_t)block);
	if (ret >= 0)
		fw->counters.sent++;
	return ret;
}

int firmware_drop(struct firmware *fw, void *data)
{
	int block = firmware_blocks_index(fw, &fw->config.tx, data);

	return block < 0 ? block : firmware_blocks_release(fw, (uint32_t)block);
}

int firmware_release(struct firmware *fw, const void *data)
{
	int block = firmware_blocks_index(fw, &fw->config.rx, data);
	int ret;

	if (block < 0)
		return block;
	ret = firmware_control(fw, FIRMWARE_RELEASE_DATA, 0, (uint32_t)block);
	return ret < 0 ? ret : 0;
}

unsigned int firmware_used_blocks(const struct firmware *fw)
{
	unsigned int i, used = 0;

	for (i = 0; i < fw->config.tx.block_count; i++)
		used += fw->used[i];
	return used;
}

/* Append to @out as far as there is room; @at counts on regardless. */
static void __attribute__((format(printf, 4, 5)))
append(char *out, size_t size, size_t *at, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(*at < size ? out + *at : NULL, *at < size ? size - *at : 0, format, args);
	va_end(args);
	*at += n > 0 ? (size_t)n : 0;
}

int firmware_report(const struct firmware *fw, char *out, size_t size)
{
	/* The recorded firmware keeps both in one word: top bit bound, the rest a count. */
	uint32_t flags = (fw->link == FIRMWARE_LINK_BOUND ? 0x80000000u : 0) | fw->ept_count;
	size_t at = 0;
	unsigned int i;

	append(out, size, &at,
	       "{\"icmsg_state\":%d,\"flags\":\"0x%x\",\"tx_used\":%u,\"local_sid\":0,"
	       "\"remote_sid\":0,\"ept\":[",
	       fw->link, flags, firmware_used_blocks(fw));
	for (i = 0; i < fw->config.num_ep; i++) {
		const struct firmware_endpoint *ept = &fw->ept[i]; /* zeros if never registered */

		append(out, size, &at, "%s{\"st\":%d,\"reb\":%d,\"addr\":%u,\"wait\":%d}",
		       i ? "," : "", ept->state, ept->deregistered, ept->address, fw->parked[i]);
	}
	append(out, size, &at, "]}");
	return at < size ? (int)at : -ENOSPC;
}
