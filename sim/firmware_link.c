// SPDX-License-Identifier: Apache-2.0
/*
 * The firmware's link and endpoints: binding in both roles (protocol.md section 5) and what it does
 * with each packet, mistakes included: a buffer that cannot be delivered is never released.
 */
#include <errno.h>
#include <string.h>

#include "firmware_internal.h"

const uint8_t firmware_magic[13] = {
	0x45, 0x6d, 0x31, 0x6c, 0x31, 0x4b, 0x30, 0x72, 0x6e, 0x33, 0x6c, 0x69, 0x34,
};

int firmware_raw_control(struct firmware *fw, const void *packet, uint32_t size)
{
	int ret;

	if (fw->link != FIRMWARE_LINK_BOUND)
		return -EBUSY;
	ret = firmware_ring_put(fw, packet, size);
	if (ret >= 0)
		firmware_ring(fw);
	return ret;
}

int firmware_control(struct firmware *fw, enum firmware_message_type type, uint8_t address,
		     uint32_t block)
{
	uint8_t packet[3] = { (uint8_t)type, address, (uint8_t)block };

	return firmware_raw_control(fw, packet, sizeof(packet));
}

struct firmware_endpoint *firmware_find(struct firmware *fw, const char *name)
{
	unsigned int i;

	for (i = 0; i < fw->ept_count; i++)
		if (strcmp(fw->ept[i].name, name) == 0)
			return &fw->ept[i];
	return NULL;
}

/* The endpoint of that name if it can send. */
struct firmware_endpoint *firmware_ready(struct firmware *fw, const char *name)
{
	struct firmware_endpoint *ept = firmware_find(fw, name);

	if (!ept || ept->state != FIRMWARE_EPT_READY || ept->deregistered)
		return NULL;
	return ept;
}

/* An endpoint that is waiting for its answer counts: any message with its address is one. */
static struct firmware_endpoint *find_by_address(struct firmware *fw, uint8_t address)
{
	unsigned int i;

	for (i = 0; i < fw->ept_count; i++) {
		struct firmware_endpoint *ept = &fw->ept[i];

		if (ept->address == address &&
		    (ept->state == FIRMWARE_EPT_READY ||
		     (fw->initiator && ept->state == FIRMWARE_EPT_BOUNDING)))
			return ept;
	}
	return NULL;
}

static void tell_bound(struct firmware *fw, struct firmware_endpoint *ept)
{
	ept->bound_count++;
	if (fw->config.bound)
		fw->config.bound(fw, ept, fw->config.user);
}

static void finish_bounding(struct firmware *fw, struct firmware_endpoint *ept)
{
	if (!ept || ept->state != FIRMWARE_EPT_BOUNDING)
		return;
	ept->state = FIRMWARE_EPT_READY;
	tell_bound(fw, ept);
}

/* Initiator: send the name. A failure is final, nothing tries again. */
static void announce(struct firmware *fw, struct firmware_endpoint *ept)
{
	uint32_t size = (uint32_t)strlen(ept->name) + 1;
	uint32_t got;
	int block;

	ept->state = FIRMWARE_EPT_BOUNDING;
	block = firmware_blocks_alloc(fw, size, &got);
	if (block < 0) {
		ept->state = FIRMWARE_EPT_NONE;
		return;
	}
	memcpy(firmware_blocks_payload(fw, (uint32_t)block), ept->name, size);
	firmware_blocks_shrink(fw, (uint32_t)block, size);
	if (firmware_control(fw, FIRMWARE_BOUND, ept->address, (uint32_t)block) < 0)
		ept->state = FIRMWARE_EPT_NONE;
}

/*
 * Whether the buffer at @block holds @name. It ends with a NUL, or with the region if hostile
 * memory has none.
 */
static bool holds_name(const struct firmware *fw, uint32_t block, const char *name)
{
	const struct layout_region *rx = &fw->config.rx;
	uint32_t off = rx->blocks_off + block * rx->block_size + rx->header_size;
	uint32_t room = rx->total - off;
	uint32_t length = (uint32_t)strlen(name);
	const uint8_t *p = firmware_at(fw, rx, off);

	if (length > room || memcmp(p, name, length) != 0)
		return false;
	return length == room || p[length] == 0;
}

/* Follower: bind the announcement parked for @address if its endpoint is registered by now. */
static bool match(struct firmware *fw, unsigned int address)
{
	uint32_t block = (uint32_t)fw->parked[address];
	unsigned int i;

	for (i = 0; i < fw->ept_count; i++) {
		struct firmware_endpoint *ept = &fw->ept[i];

		if (ept->state != FIRMWARE_EPT_CONFIGURED || !holds_name(fw, block, ept->name))
			continue;
		ept->state = FIRMWARE_EPT_READY;
		ept->address = (uint8_t)address;
		fw->parked[address] = -1;
		tell_bound(fw, ept);
		firmware_control(fw, FIRMWARE_RELEASE_BOUND, (uint8_t)address, block);
		return true;
	}
	return false;
}

static void bind_endpoint(struct firmware *fw, struct firmware_endpoint *ept)
{
	unsigned int address;

	if (ept->state != FIRMWARE_EPT_CONFIGURED)
		return;
	if (fw->initiator) {
		announce(fw, ept);
		return;
	}
	for (address = 0; address < fw->config.num_ep; address++)
		if (fw->parked[address] >= 0 && match(fw, address))
			return;
}

int firmware_register(struct firmware *fw, const char *name)
{
	struct firmware_endpoint *ept = firmware_find(fw, name);
	size_t length = strlen(name);

	if (length == 0 || length >= FIRMWARE_NAME_SIZE)
		return -EINVAL;
	if (ept && ept->state == FIRMWARE_EPT_READY && ept->deregistered) {
		ept->deregistered = false;
		tell_bound(fw, ept);
		return 0;
	}
	if (ept)
		return -EALREADY;
	if (fw->ept_count >= fw->config.num_ep)
		return -ENOMEM;

	ept = &fw->ept[fw->ept_count];
	*ept = (struct firmware_endpoint){ .state = FIRMWARE_EPT_CONFIGURED };
	memcpy(ept->name, name, length + 1);
	ept->address = fw->initiator ? (uint8_t)fw->ept_count : 0;
	fw->ept_count++;
	if (fw->link == FIRMWARE_LINK_BOUND)
		bind_endpoint(fw, ept);
	return 0;
}

int firmware_deregister(struct firmware *fw, const char *name)
{
	struct firmware_endpoint *ept = firmware_find(fw, name);

	if (!ept)
		return -ENOENT;
	ept->deregistered = true;
	return 0;
}

static void handle_data(struct firmware *fw, uint8_t address, uint32_t block)
{
	struct firmware_endpoint *ept = find_by_address(fw, address);
	uint32_t size;
	const uint8_t *data = firmware_blocks_received(fw, block, &size);

	if (!data) {
		fw->counters.errors++;
		return;
	}
	finish_bounding(fw, ept);
	if (!ept || ept->deregistered) {
		fw->counters.errors++; /* and the peer's blocks are lost */
		return;
	}
	fw->counters.received++;
	if (!fw->config.received || !fw->config.received(fw, ept, data, size, fw->config.user))
		firmware_control(fw, FIRMWARE_RELEASE_DATA, 0, block);
}

static void handle_bound(struct firmware *fw, uint8_t address, uint32_t block)
{
	uint32_t size;

	if (fw->initiator || !firmware_blocks_received(fw, block, &size)) {
		fw->counters.errors++;
		return;
	}
	fw->parked[address] = (int16_t)block;
	match(fw, address);
}

static void handle_release(struct firmware *fw, uint32_t block)
{
	if (firmware_blocks_release(fw, block) < 0)
		fw->counters.errors++;
}

static void handle_message(struct firmware *fw, const struct firmware_packet *packet)
{
	uint8_t type = packet->head[0], address = packet->head[1], block = packet->head[2];

	if (packet->size < 3 || address >= fw->config.num_ep) {
		fw->counters.errors++;
		return;
	}
	switch (type) {
	case FIRMWARE_DATA:
		handle_data(fw, address, block);
		break;
	case FIRMWARE_RELEASE_DATA:
		handle_release(fw, block);
		break;
	case FIRMWARE_BOUND:
		handle_bound(fw, address, block);
		break;
	case FIRMWARE_RELEASE_BOUND:
		handle_release(fw, block);
		finish_bounding(fw, find_by_address(fw, address));
		break;
	default:
		break; /* unknown types cost nothing */
	}
}

static void handle_magic(struct firmware *fw, const struct firmware_packet *packet)
{
	unsigned int i;

	if (packet->size < sizeof(firmware_magic) ||
	    memcmp(packet->head, firmware_magic, sizeof(firmware_magic)) != 0) {
		fw->counters.errors++;
		return;
	}
	fw->link = FIRMWARE_LINK_BOUND;
	firmware_ring(fw);
	for (i = 0; i < fw->ept_count; i++)
		bind_endpoint(fw, &fw->ept[i]);
}

bool firmware_step(struct firmware *fw)
{
	struct firmware_packet packet = { 0 };

	if (fw->link == FIRMWARE_LINK_OFF || !firmware_ring_get(fw, &packet))
		return false;
	if (fw->link == FIRMWARE_LINK_OPENING)
		handle_magic(fw, &packet);
	else
		handle_message(fw, &packet);
	return true;
}

unsigned int firmware_pump(struct firmware *fw)
{
	unsigned int packets = 0;

	while (firmware_step(fw))
		packets++;
	return packets;
}
