// SPDX-License-Identifier: Apache-2.0
/*
 * Test messages: see payload.h. Made and checked at memory speed or near it, because transfers of
 * hundreds of megabytes use them.
 */
#include "payload.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define CRC_POLYNOMIAL 0xedb88320u /* IEEE 802.3, bits reversed */
#define CRC_SLICES 8

static uint64_t mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* table[k][b]: the CRC of byte b followed by k zero bytes, so that 8 bytes go at a time. */
static const uint32_t (*crc_table(void))[256]
{
	static _Thread_local uint32_t table[CRC_SLICES][256];
	uint32_t i, k, c;

	if (table[0][1])
		return table;
	for (i = 0; i < 256; i++) {
		c = i;
		for (k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ CRC_POLYNOMIAL : c >> 1;
		table[0][i] = c;
	}
	for (k = 1; k < CRC_SLICES; k++)
		for (i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
	return table;
}

uint32_t payload_crc32(uint32_t crc, const void *data, size_t size)
{
	const uint32_t(*t)[256] = crc_table();
	const uint8_t *p = data;

	crc = ~crc;
	for (; size >= 8; size -= 8, p += 8) {
		uint32_t low = crc ^ get_le32(p);
		uint32_t high = get_le32(p + 4);

		crc = t[7][low & 0xff] ^ t[6][low >> 8 & 0xff] ^ t[5][low >> 16 & 0xff] ^
		      t[4][low >> 24] ^ t[3][high & 0xff] ^ t[2][high >> 8 & 0xff] ^
		      t[1][high >> 16 & 0xff] ^ t[0][high >> 24];
	}
	while (size--)
		crc = t[0][(crc ^ *p++) & 0xff] ^ crc >> 8;
	return ~crc;
}

void payload_fill(void *out, size_t size, uint32_t sequence, uint64_t seed)
{
	uint64_t key = seed * UINT64_C(0x100000001b3) + (uint64_t)sequence * 0x10001;
	uint8_t *p = out;
	size_t i;

	for (i = 0; i < size; i += 8) {
		uint64_t word = htole64(mix(key + i / 8));

		memcpy(p + i, &word, size - i < 8 ? size - i : 8);
	}
	if (size >= 4)
		put_le32(p, sequence);
	if (size >= 8)
		put_le32(p + 4, payload_crc32(0, p + 8, size - 8));
}

int payload_check(const void *data, size_t size, uint32_t *sequence)
{
	const uint8_t *p = data;

	if (size >= 8 && get_le32(p + 4) != payload_crc32(0, p + 8, size - 8))
		return -EBADMSG;
	if (size < 4)
		return 0;
	*sequence = get_le32(p);
	return 1;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -EINVAL;
}

static int parse_hex(const char *text, uint8_t *out, size_t *size)
{
	size_t i, n = strlen(text) / 2;

	if (strlen(text) % 2)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	*size = n;
	return 0;
}

/* A decimal number and what ends it: ':' (skipped) or the end of the text. */
static int parse_field(const char **text, uint64_t limit, uint64_t *value)
{
	char *end;
	uint64_t v;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(*text, &end, 10);
	if (errno || v > limit || (*end && *end != ':'))
		return -EINVAL;
	*text = end + (*end == ':');
	*value = v;
	return 0;
}

static int parse_prng(const char *text, uint64_t seed, uint8_t **out, size_t *size)
{
	uint64_t sequence, n;

	if (parse_field(&text, UINT32_MAX, &sequence) < 0 ||
	    parse_field(&text, UINT32_MAX, &n) < 0 ||
	    (*text && parse_field(&text, UINT64_MAX, &seed) < 0) || *text)
		return -EINVAL;
	*out = malloc(n ? n : 1);
	if (!*out)
		return -ENOMEM;
	payload_fill(*out, n, (uint32_t)sequence, seed);
	*size = n;
	return 0;
}

int payload_parse(const char *text, uint64_t seed, uint8_t **out, size_t *size)
{
	_cleanup_(free_ptr) uint8_t *bytes = NULL;
	size_t n = 0;
	int ret = 0;

	if (strncmp(text, "prng:", 5) == 0) {
		ret = parse_prng(text + 5, seed, &bytes, &n);
	} else {
		bytes = malloc(strlen(text) + 1);
		if (!bytes)
			return -ENOMEM;
		if (strncmp(text, "text:", 5) == 0) {
			n = strlen(text + 5);
			memcpy(bytes, text + 5, n);
		} else {
			ret = strncmp(text, "hex:", 4) ? -EINVAL : parse_hex(text + 4, bytes, &n);
		}
	}
	if (ret < 0)
		return ret;
	*out = bytes;
	bytes = NULL;
	*size = n;
	return 0;
}
