/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the firmware stand-in share: its packet ring, its blocks and its link. Nothing
 * outside sim/firmware*.c includes this.
 */
#ifndef ICBMSG_SIM_FIRMWARE_INTERNAL_H
#define ICBMSG_SIM_FIRMWARE_INTERNAL_H

#include "firmware.h"

/* Bytes of a packet that anything looks at: the magic is the longest. */
#define FIRMWARE_PACKET_HEAD 16u

extern const uint8_t firmware_magic[13];

enum firmware_message_type {
	FIRMWARE_DATA = 0,
	FIRMWARE_RELEASE_DATA = 1,
	FIRMWARE_BOUND = 2,
	FIRMWARE_RELEASE_BOUND = 3,
};

struct firmware_packet {
	uint32_t size; /* as its length field says, 1 to 128 */
	uint8_t head[FIRMWARE_PACKET_HEAD];
};

/* Where offset @off of the region lies in this process. */
static inline uint8_t *firmware_at(const struct firmware *fw, const struct layout_region *r,
				   uint32_t off)
{
	return (uint8_t *)fw->config.map + r->begin + off;
}

/* firmware_ring.c: the producer of the own and the consumer of the peer's packet ring. */
void firmware_ring_reset(struct firmware *fw);
int firmware_ring_put(struct firmware *fw, const void *packet, uint32_t size);
bool firmware_ring_get(struct firmware *fw, struct firmware_packet *packet);

/* firmware_blocks.c: the allocator of the own blocks and the check of the peer's. */
int firmware_blocks_alloc(struct firmware *fw, uint32_t size, uint32_t *got);
int firmware_blocks_release(struct firmware *fw, uint32_t block);
int firmware_blocks_shrink(struct firmware *fw, uint32_t block, uint32_t size);
uint8_t *firmware_blocks_payload(const struct firmware *fw, uint32_t block);
int firmware_blocks_index(const struct firmware *fw, const struct layout_region *r,
			  const void *payload);
void firmware_blocks_set_header(struct firmware *fw, uint32_t block, uint32_t size);
const uint8_t *firmware_blocks_received(const struct firmware *fw, uint32_t block, uint32_t *size);

/* firmware_link.c: endpoints, and what arrives. */
int firmware_control(struct firmware *fw, enum firmware_message_type type, uint8_t address,
		     uint32_t block);
struct firmware_endpoint *firmware_ready(struct firmware *fw, const char *name);

#endif
