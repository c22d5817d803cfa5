/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a file crosses over several endpoints: the application protocol of `icbmsg-sim transfer`.
 *
 * Each endpoint carries a stream of chunks. A chunk is a header and that many bytes of the file;
 * the stream is cut into messages anywhere, so that a message may have any size from one byte,
 * headers included. Chunks of one file go over whichever endpoint has room; each tells where it
 * belongs.
 *
 *	bytes 0-7    offset of the chunk in the file
 *	bytes 8-11   its length; 0 ends this endpoint's stream, the offset is then the file's size
 *	bytes 12-15  STREAM_MARK, so that lost framing is noticed at once
 *
 * All little-endian. Memory is bounded: one chunk per endpoint and direction.
 */
#ifndef ICBMSG_SIM_STREAM_H
#define ICBMSG_SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MARK 0x4b4e4843u /* "CHNK" */
#define STREAM_HEADER 16u
#define STREAM_CHUNK 65536u /* bytes of the file in one chunk at most */
#define STREAM_ERROR_SIZE 256u

/* One endpoint's place in its stream. */
struct stream_part {
	uint8_t *buffer; /* header and data of the current chunk; allocated when first needed */
	uint32_t at;     /* bytes of it sent or received */
	uint32_t size;   /* bytes it has, as far as is known */
	bool ended;      /* the end has been taken into @buffer (tx), or has arrived (rx) */
};

struct stream_tx {
	int fd;
	uint64_t size;
	uint64_t next; /* first byte that is in no chunk yet */
	unsigned int count;
	struct stream_part *part;
	char error[STREAM_ERROR_SIZE];
};

struct stream_rx {
	int fd;
	/*
	 * The bytes may be anything: what is no chunk of a file of @expected bytes is skipped, and
	 * a stream may begin anew. Then only files make errors.
	 */
	bool lenient;
	uint64_t expected;
	uint64_t skipped;  /* bytes */
	uint64_t size;     /* known when a part has ended */
	uint64_t received; /* bytes written */
	unsigned int count;
	unsigned int ended;
	struct stream_part *part;
	char error[STREAM_ERROR_SIZE];
};

/* Send the first @size bytes of @fd over @count endpoints. -ENOMEM. */
int stream_tx_init(struct stream_tx *tx, int fd, uint64_t size, unsigned int count);
void stream_tx_deinit(struct stream_tx *tx);

/* Whether endpoint @i has anything left to send. */
bool stream_tx_pending(const struct stream_tx *tx, unsigned int i);

/*
 * Write the next bytes of endpoint @i, at most @room. Returns how many: fewer only at the stream's
 * end; a negative errno with a sentence in @tx->error if the file cannot be read.
 */
int64_t stream_tx_fill(struct stream_tx *tx, unsigned int i, void *out, size_t room);

/* Receive into @fd over @count endpoints. -ENOMEM. */
int stream_rx_init(struct stream_rx *rx, int fd, unsigned int count);
void stream_rx_deinit(struct stream_rx *rx);

/* Take a message of endpoint @i. 0, or a negative errno with a sentence in @rx->error. */
int stream_rx_take(struct stream_rx *rx, unsigned int i, const void *data, size_t size);

/* Endpoint @i begins anew, the rest of its chunk will not come. */
void stream_rx_reset(struct stream_rx *rx, unsigned int i);

/* Whether the whole file is there. */
bool stream_rx_complete(const struct stream_rx *rx);

#endif
