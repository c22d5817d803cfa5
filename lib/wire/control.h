/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages: three bytes in a ring packet (protocol.md section 4), and the magic that opens
 * a link (section 3).
 */
#ifndef ICBMSG_WIRE_CONTROL_H
#define ICBMSG_WIRE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CONTROL_SIZE 3u
#define CONTROL_EPT_MAX 254u /* endpoint addresses 0 to 253 */
#define CONTROL_MAGIC_SIZE 13u

enum control_type {
	CONTROL_DATA = 0,
	CONTROL_RELEASE_DATA = 1,
	CONTROL_BOUND = 2,
	CONTROL_RELEASE_BOUND = 3,
};

struct control {
	uint8_t type; /* enum control_type, or a value this version does not know */
	uint8_t ept;
	uint8_t block;
};

extern const uint8_t control_magic[CONTROL_MAGIC_SIZE];

static inline void control_encode(uint8_t packet[CONTROL_SIZE], struct control c)
{
	packet[0] = c.type;
	packet[1] = c.ept;
	packet[2] = c.block;
}

/* A longer packet counts by its first three bytes; a shorter one is no control message. */
static inline bool control_decode(struct control *c, const uint8_t *packet, uint32_t len)
{
	if (len < CONTROL_SIZE)
		return false;
	*c = (struct control){ .type = packet[0], .ept = packet[1], .block = packet[2] };
	return true;
}

/* A receiver accepts a longer packet that starts with the magic. */
static inline bool control_is_magic(const uint8_t *packet, uint32_t len)
{
	return len >= CONTROL_MAGIC_SIZE && !memcmp(packet, control_magic, CONTROL_MAGIC_SIZE);
}

#endif
