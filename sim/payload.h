/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test messages that prove themselves: numbered, covered by a CRC, and the same for every program
 * that speaks of sequence, size and seed. The recipe is that of the recorded scenarios, so their
 * messages can be made again (tests/conformance/README.md).
 *
 * 64-bit little-endian words mix(seed * 0x100000001b3 + sequence * 0x10001 + i), where mix is the
 * output function of splitmix64; then, where there is room, bytes 0 to 3 are the sequence number
 * and bytes 4 to 7 the CRC-32 (IEEE 802.3) of the bytes behind them.
 */
#ifndef ICBMSG_SIM_PAYLOAD_H
#define ICBMSG_SIM_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_SEED_DEFAULT 1u

void payload_fill(void *out, size_t size, uint32_t sequence, uint64_t seed);

/*
 * Check a message by its own CRC, if it is long enough to have one (8 bytes). Returns 1 and writes
 * *@sequence if it carries a number (4 bytes), 0 if it is too short to, -EBADMSG if it is damaged.
 */
int payload_check(const void *data, size_t size, uint32_t *sequence);

/*
 * What a command line means by `text:STRING`, `hex:DIGITS` or `prng:SEQUENCE:SIZE[:SEED]`. *@out is
 * to be freed with free(), also when *@size is 0. -EINVAL for anything else, -ENOMEM.
 */
int payload_parse(const char *text, uint64_t seed, uint8_t **out, size_t *size);

/* Continue @crc (0 at first) over @size bytes. */
uint32_t payload_crc32(uint32_t crc, const void *data, size_t size);

#endif
