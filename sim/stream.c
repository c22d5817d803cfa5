// SPDX-License-Identifier: Apache-2.0
/*
 * Files as streams of chunks; stream.h tells the format. Read and written with pread and pwrite,
 * not through mappings: a full disk or a file that shrinks is then an error and not a SIGBUS.
 */
#include "stream.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct stream_part *new_parts(unsigned int count)
{
	return calloc(count, sizeof(struct stream_part));
}

static void free_parts(struct stream_part *part, unsigned int count)
{
	unsigned int i;

	for (i = 0; part && i < count; i++)
		free(part[i].buffer);
	free(part);
}

static int need_buffer(struct stream_part *p)
{
	if (!p->buffer)
		p->buffer = malloc(STREAM_HEADER + STREAM_CHUNK);
	return p->buffer ? 0 : -ENOMEM;
}

static void put_header(uint8_t *out, uint64_t offset, uint32_t length)
{
	uint64_t o = htole64(offset);
	uint32_t l = htole32(length), mark = htole32(STREAM_MARK);

	memcpy(out, &o, 8);
	memcpy(out + 8, &l, 4);
	memcpy(out + 12, &mark, 4);
}

static uint64_t get_offset(const uint8_t *header)
{
	uint64_t o;

	memcpy(&o, header, 8);
	return le64toh(o);
}

static uint32_t get_word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return le32toh(w);
}

int stream_tx_init(struct stream_tx *tx, int fd, uint64_t size, unsigned int count)
{
	*tx = (struct stream_tx){ .fd = fd, .size = size, .count = count };
	tx->part = new_parts(count);
	return tx->part ? 0 : -ENOMEM;
}

void stream_tx_deinit(struct stream_tx *tx)
{
	free_parts(tx->part, tx->count);
}

bool stream_tx_pending(const struct stream_tx *tx, unsigned int i)
{
	return !tx->part[i].ended || tx->part[i].at < tx->part[i].size;
}

static int read_all(struct stream_tx *tx, uint8_t *out, uint32_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pread(tx->fd, out, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int ret = n < 0 ? -errno : -EIO;

			snprintf(tx->error, sizeof(tx->error),
				 "reading the file to send at offset %" PRIu64 ": %s", offset,
				 n < 0 ? strerror(-ret) : "it has become shorter meanwhile");
			return ret;
		}
		out += n;
		size -= (uint32_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Put the next chunk, or the end, into the part's buffer. */
static int next_chunk(struct stream_tx *tx, struct stream_part *p)
{
	uint64_t left = tx->size - tx->next;
	uint32_t length = left < STREAM_CHUNK ? (uint32_t)left : STREAM_CHUNK;
	int ret = need_buffer(p);

	if (ret == 0)
		ret = read_all(tx, p->buffer + STREAM_HEADER, length, tx->next);
	if (ret < 0)
		return ret;
	put_header(p->buffer, tx->next, length);
	p->at = 0;
	p->size = STREAM_HEADER + length;
	p->ended = length == 0;
	tx->next += length;
	return 0;
}

int64_t stream_tx_fill(struct stream_tx *tx, unsigned int i, void *out, size_t room)
{
	struct stream_part *p = &tx->part[i];
	uint8_t *at = out;

	while (room > 0 && stream_tx_pending(tx, i)) {
		uint32_t n;

		if (p->at == p->size) {
			int ret = next_chunk(tx, p);

			if (ret < 0)
				return ret;
		}
		n = p->size - p->at < room ? p->size - p->at : (uint32_t)room;
		memcpy(at, p->buffer + p->at, n);
		p->at += n;
		at += n;
		room -= n;
	}
	return at - (uint8_t *)out;
}

int stream_rx_init(struct stream_rx *rx, int fd, unsigned int count)
{
	*rx = (struct stream_rx){ .fd = fd, .count = count };
	rx->part = new_parts(count);
	return rx->part ? 0 : -ENOMEM;
}

void stream_rx_deinit(struct stream_rx *rx)
{
	free_parts(rx->part, rx->count);
}

bool stream_rx_complete(const struct stream_rx *rx)
{
	return rx->ended == rx->count;
}

static int write_all(struct stream_rx *rx, const uint8_t *data, uint32_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(rx->fd, data, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int ret = n < 0 ? -errno : -ENOSPC;

			snprintf(rx->error, sizeof(rx->error),
				 "writing the received file at offset %" PRIu64 ": %s", offset,
				 strerror(-ret));
			return ret;
		}
		data += n;
		size -= (uint32_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int bad_stream(struct stream_rx *rx, unsigned int i, const char *what)
{
	snprintf(rx->error, sizeof(rx->error), "endpoint %u delivers %s", i, what);
	return -EBADMSG;
}

/* A chunk as stream_tx makes them, or the end. */
static bool plausible(const struct stream_rx *rx, const uint8_t *header)
{
	uint64_t offset = get_offset(header);
	uint32_t length = get_word(header + 8);

	if (get_word(header + 12) != STREAM_MARK || offset > rx->expected)
		return false;
	if (length == 0)
		return offset == rx->expected;
	return offset % STREAM_CHUNK == 0 &&
	       (length == STREAM_CHUNK ? length <= rx->expected - offset :
					 length == rx->expected - offset);
}

/* Look for the next header, byte by byte. */
static void skip_byte(struct stream_rx *rx, struct stream_part *p)
{
	memmove(p->buffer, p->buffer + 1, STREAM_HEADER - 1);
	p->at = STREAM_HEADER - 1;
	p->size = 0;
	rx->skipped++;
}

static void take_any_header(struct stream_rx *rx, struct stream_part *p)
{
	if (!plausible(rx, p->buffer)) {
		skip_byte(rx, p);
		return;
	}
	p->size = STREAM_HEADER + get_word(p->buffer + 8);
	p->ended = p->size == STREAM_HEADER;
	rx->ended += p->ended;
}

/* The header is complete: how long is the chunk? */
static int take_header(struct stream_rx *rx, unsigned int i)
{
	struct stream_part *p = &rx->part[i];
	uint32_t length = get_word(p->buffer + 8);

	if (get_word(p->buffer + 12) != STREAM_MARK || length > STREAM_CHUNK)
		return bad_stream(rx, i,
				  "no chunk where one should begin: bytes were lost or damaged");
	p->size = STREAM_HEADER + length;
	if (length > 0)
		return 0;
	if (rx->ended > 0 && get_offset(p->buffer) != rx->size)
		return bad_stream(rx, i, "another file size than the endpoints before");
	rx->size = get_offset(p->buffer);
	rx->ended++;
	p->ended = true;
	if (rx->ended == rx->count && rx->received != rx->size)
		return bad_stream(rx, i, "the last end, but parts of the file are missing");
	return 0;
}

static int finish_chunk(struct stream_rx *rx, struct stream_part *p)
{
	uint32_t length = p->size - STREAM_HEADER;
	int ret = write_all(rx, p->buffer + STREAM_HEADER, length, get_offset(p->buffer));

	if (ret < 0)
		return ret;
	rx->received += length;
	p->at = 0;
	p->size = 0;
	return 0;
}

void stream_rx_reset(struct stream_rx *rx, unsigned int i)
{
	struct stream_part *p = &rx->part[i];

	rx->ended -= p->ended;
	*p = (struct stream_part){ .buffer = p->buffer };
}

int stream_rx_take(struct stream_rx *rx, unsigned int i, const void *data, size_t size)
{
	struct stream_part *p = &rx->part[i];
	const uint8_t *in = data;
	int ret = need_buffer(p);

	while (ret == 0 && size > 0) {
		uint32_t want = (p->at < STREAM_HEADER ? STREAM_HEADER : p->size) - p->at;
		uint32_t n = want < size ? want : (uint32_t)size;

		if (p->ended && !rx->lenient)
			return bad_stream(rx, i, "bytes behind its end");
		if (p->ended)
			stream_rx_reset(rx, i);
		memcpy(p->buffer + p->at, in, n);
		p->at += n;
		in += n;
		size -= n;
		if (p->at == STREAM_HEADER && n > 0 && rx->lenient)
			take_any_header(rx, p);
		else if (p->at == STREAM_HEADER && n > 0)
			ret = take_header(rx, i);
		if (ret == 0 && p->at >= STREAM_HEADER && p->at == p->size)
			ret = finish_chunk(rx, p);
	}
	return ret;
}
