// SPDX-License-Identifier: Apache-2.0
/*
 * Files as streams of chunks (sim/stream.h): they arrive whole however they are cut, and what was
 * lost or damaged on the way is noticed before the digests are.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "payload.h"
#include "stream.h"

#define PARTS 3u
#define FILE_SIZE (3u * STREAM_CHUNK + 17u)
#define MORE_THAN_ALL ((size_t)10 * STREAM_CHUNK)

struct pair {
	uint8_t *content;
	int in, out;
	struct stream_tx tx;
	struct stream_rx rx;
};

static int start(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->content = malloc(FILE_SIZE);
	assert_non_null(p->content);
	payload_fill(p->content, FILE_SIZE, 1, 1);
	p->in = memfd_create("in", MFD_CLOEXEC);
	p->out = memfd_create("out", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(p->in, p->content, FILE_SIZE), FILE_SIZE);
	assert_int_equal(stream_tx_init(&p->tx, p->in, FILE_SIZE, PARTS), 0);
	assert_int_equal(stream_rx_init(&p->rx, p->out, PARTS), 0);
	*state = p;
	return 0;
}

static int stop(void **state)
{
	struct pair *p = *state;

	stream_tx_deinit(&p->tx);
	stream_rx_deinit(&p->rx);
	close(p->in);
	close(p->out);
	free(p->content);
	free(p);
	return 0;
}

/* Move one message of @room bytes at most over part @i. */
static void move(struct pair *p, unsigned int i, size_t room)
{
	uint8_t *message = malloc(room);
	int64_t n;

	assert_non_null(message);
	n = stream_tx_fill(&p->tx, i, message, room);
	assert_true(n > 0);
	assert_int_equal(stream_rx_take(&p->rx, i, message, (size_t)n), 0);
	free(message);
}

static void assert_arrived(struct pair *p)
{
	uint8_t *got = malloc(FILE_SIZE + 1);

	assert_non_null(got);
	assert_true(stream_rx_complete(&p->rx));
	assert_int_equal(p->rx.received, FILE_SIZE);
	assert_int_equal(pread(p->out, got, FILE_SIZE + 1, 0), FILE_SIZE);
	assert_memory_equal(got, p->content, FILE_SIZE);
	free(got);
}

/* All parts by turns, each turn with another size. */
static void move_all(struct pair *p, const size_t *rooms, unsigned int count)
{
	unsigned int turn = 0, i, pending;

	do {
		pending = 0;
		for (i = 0; i < PARTS; i++) {
			if (!stream_tx_pending(&p->tx, i))
				continue;
			move(p, i, rooms[turn++ % count]);
			pending++;
		}
	} while (pending > 0);
	assert_arrived(p);
}

static void cut_into_bytes(void **state)
{
	move_all(*state, (const size_t[]){ 1 }, 1);
}

/* Through headers, at their ends, and beyond whole chunks. */
static void cut_anywhere(void **state)
{
	static const size_t rooms[] = {
		15, 1, 17, 65536, 3, 16, 65535, 2, 70000, 65552, 5,
	};

	move_all(*state, rooms, sizeof(rooms) / sizeof(rooms[0]));
}

static void one_message(void **state)
{
	struct pair *p = *state;

	move(p, 1, MORE_THAN_ALL);
	assert_false(stream_tx_pending(&p->tx, 1));
	assert_false(stream_rx_complete(&p->rx));
	/* The others have nothing but their ends. */
	move(p, 0, 100);
	move(p, 2, 100);
	assert_arrived(p);
}

static void lost_byte(void **state)
{
	struct pair *p = *state;
	uint8_t message[100];

	assert_int_equal(stream_tx_fill(&p->tx, 0, message, sizeof(message)), sizeof(message));
	assert_int_equal(stream_rx_take(&p->rx, 0, message + 1, sizeof(message) - 1), -EBADMSG);
	assert_non_null(strstr(p->rx.error, "endpoint 0 delivers no chunk"));
}

static void endless_chunk(void **state)
{
	struct pair *p = *state;
	uint8_t header[STREAM_HEADER] = { [8] = 1, [10] = 1, [12] = 'C', 'H', 'N', 'K' };

	/* 0x10001 bytes: one more than a chunk may have. */
	assert_int_equal(stream_rx_take(&p->rx, 0, header, sizeof(header)), -EBADMSG);
}

static void more_behind_the_end(void **state)
{
	struct pair *p = *state;

	move(p, 0, MORE_THAN_ALL);
	assert_int_equal(stream_rx_take(&p->rx, 0, "x", 1), -EBADMSG);
	assert_non_null(strstr(p->rx.error, "behind its end"));
}

static void lost_chunk(void **state)
{
	struct pair *p = *state;
	uint8_t end[STREAM_HEADER];
	uint8_t *lost = malloc(STREAM_HEADER + STREAM_CHUNK);

	assert_non_null(lost);
	assert_int_equal(stream_tx_fill(&p->tx, 0, lost, STREAM_HEADER + STREAM_CHUNK),
			 STREAM_HEADER + STREAM_CHUNK);
	free(lost);
	move(p, 1, MORE_THAN_ALL);
	move(p, 2, 100);
	assert_int_equal(stream_tx_fill(&p->tx, 0, end, sizeof(end)), sizeof(end));
	assert_int_equal(stream_rx_take(&p->rx, 0, end, sizeof(end)), -EBADMSG);
	assert_non_null(strstr(p->rx.error, "parts of the file are missing"));
}

static void sizes_that_differ(void **state)
{
	struct pair *p = *state;
	uint8_t end[STREAM_HEADER] = { [0] = 1, [12] = 'C', 'H', 'N', 'K' };

	move(p, 1, MORE_THAN_ALL);
	assert_int_equal(stream_rx_take(&p->rx, 0, end, sizeof(end)), -EBADMSG);
	assert_non_null(strstr(p->rx.error, "another file size"));
}

static void file_that_shrinks(void **state)
{
	struct pair *p = *state;
	uint8_t message[100];

	assert_int_equal(ftruncate(p->in, STREAM_CHUNK - 1), 0);
	assert_int_equal(stream_tx_fill(&p->tx, 0, message, sizeof(message)), -EIO);
	assert_non_null(strstr(p->tx.error, "at offset 65535: it has become shorter"));
}

static void file_that_cannot_be_written(void **state)
{
	struct pair *p = *state;
	uint8_t *message = malloc(STREAM_HEADER + STREAM_CHUNK);

	assert_non_null(message);
	assert_int_equal(stream_tx_fill(&p->tx, 0, message, STREAM_HEADER + STREAM_CHUNK),
			 STREAM_HEADER + STREAM_CHUNK);
	assert_int_equal(fcntl(p->out, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(stream_rx_take(&p->rx, 0, message, STREAM_HEADER + STREAM_CHUNK), -EPERM);
	assert_non_null(strstr(p->rx.error, "writing the received file at offset 0"));
	free(message);
}

/* ------------------------------------------------------------------------------------------------
 * A receiver that expects damage
 */

static int start_lenient(void **state)
{
	struct pair *p;

	start(state);
	p = *state;
	p->rx.lenient = true;
	p->rx.expected = FILE_SIZE;
	return 0;
}

static void feed(struct pair *p, unsigned int i, const void *data, size_t size)
{
	assert_int_equal(stream_rx_take(&p->rx, i, data, size), 0);
}

/* Chunks of the file that have arrived whole. */
static unsigned int chunks_right(struct pair *p)
{
	uint8_t *got = calloc(1, FILE_SIZE);
	unsigned int right = 0;
	size_t at;

	assert_non_null(got);
	assert_true(pread(p->out, got, FILE_SIZE, 0) >= 0);
	for (at = 0; at < FILE_SIZE; at += STREAM_CHUNK) {
		size_t left = FILE_SIZE - at;

		right += memcmp(got + at, p->content + at,
				left < STREAM_CHUNK ? left : STREAM_CHUNK) == 0;
	}
	free(got);
	return right;
}

static void undamaged_nothing_is_skipped(void **state)
{
	struct pair *p = *state;

	move_all(p, (const size_t[]){ 16, 1, 30000 }, 3);
	assert_int_equal(p->rx.skipped, 0);
}

/* Of bytes lost in one chunk the next but one does not suffer. */
static void lost_bytes_cost_their_chunk(void **state)
{
	struct pair *p = *state;
	uint8_t *all = malloc(MORE_THAN_ALL);
	int64_t n;

	assert_non_null(all);
	n = stream_tx_fill(&p->tx, 0, all, MORE_THAN_ALL);
	assert_int_equal(n, FILE_SIZE + 5 * STREAM_HEADER);
	feed(p, 0, all, 1000);
	feed(p, 0, all + 1005, (size_t)n - 1005);
	assert_in_range(chunks_right(p), 2, 3);
	assert_true(p->rx.skipped > 0);
	assert_int_equal(p->rx.ended, 1);
	free(all);
}

static void a_damaged_header_is_passed_over(void **state)
{
	struct pair *p = *state;
	uint8_t *all = malloc(MORE_THAN_ALL);
	unsigned int byte;

	assert_non_null(all);
	for (byte = 0; byte < STREAM_HEADER; byte++) {
		size_t n;

		assert_int_equal(ftruncate(p->out, 0), 0);
		stream_tx_deinit(&p->tx);
		assert_int_equal(stream_tx_init(&p->tx, p->in, FILE_SIZE, PARTS), 0);
		n = (size_t)stream_tx_fill(&p->tx, 0, all, MORE_THAN_ALL);
		all[byte] ^= 0x40;
		feed(p, 0, all, n);
		assert_int_equal(chunks_right(p), 3);
		assert_int_equal(p->rx.skipped, STREAM_HEADER + STREAM_CHUNK);
		p->rx.skipped = 0;
	}
	free(all);
}

/* Whatever a header says, nothing is written beyond the file. */
static void no_header_writes_elsewhere(void **state)
{
	static const uint8_t headers[][STREAM_HEADER] = {
		{ [7] = 0x10, [8] = 17, [12] = 'C', 'H', 'N', 'K' },
		{ [2] = 4, [10] = 1, [12] = 'C', 'H', 'N', 'K' },
		{ [0] = 1, [10] = 1, [12] = 'C', 'H', 'N', 'K' },
		{ [2] = 3, [10] = 1, [12] = 'C', 'H', 'N', 'K' },
		{ [2] = 3, [8] = 16, [12] = 'C', 'H', 'N', 'K' },
		{ [8] = 16, [12] = 'C', 'H', 'N', 'K' },
	};
	struct pair *p = *state;
	static const uint8_t body[STREAM_CHUNK];
	unsigned int k;

	for (k = 0; k < sizeof(headers) / sizeof(headers[0]); k++) {
		feed(p, 1, headers[k], STREAM_HEADER);
		feed(p, 1, body, sizeof(body));
	}
	assert_int_equal(p->rx.received, 0);
	assert_int_equal(lseek(p->out, 0, SEEK_END), 0);
}

static void a_stream_that_begins_anew_is_followed(void **state)
{
	struct pair *p = *state;
	uint8_t head[100];

	assert_int_equal(stream_tx_fill(&p->tx, 0, head, sizeof(head)), sizeof(head));
	feed(p, 0, head, sizeof(head));
	stream_rx_reset(&p->rx, 0);
	/* As a sender that was started again. */
	stream_tx_deinit(&p->tx);
	assert_int_equal(stream_tx_init(&p->tx, p->in, FILE_SIZE, PARTS), 0);
	move_all(p, (const size_t[]){ 50000 }, 1);
	assert_int_equal(p->rx.skipped, 0);
	/* And once more, behind the end. */
	stream_tx_deinit(&p->tx);
	assert_int_equal(stream_tx_init(&p->tx, p->in, FILE_SIZE, PARTS), 0);
	p->rx.received = 0;
	move_all(p, (const size_t[]){ 50000 }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cut_into_bytes, start, stop),
		cmocka_unit_test_setup_teardown(cut_anywhere, start, stop),
		cmocka_unit_test_setup_teardown(one_message, start, stop),
		cmocka_unit_test_setup_teardown(lost_byte, start, stop),
		cmocka_unit_test_setup_teardown(endless_chunk, start, stop),
		cmocka_unit_test_setup_teardown(more_behind_the_end, start, stop),
		cmocka_unit_test_setup_teardown(lost_chunk, start, stop),
		cmocka_unit_test_setup_teardown(sizes_that_differ, start, stop),
		cmocka_unit_test_setup_teardown(file_that_shrinks, start, stop),
		cmocka_unit_test_setup_teardown(file_that_cannot_be_written, start, stop),
		cmocka_unit_test_setup_teardown(undamaged_nothing_is_skipped, start_lenient, stop),
		cmocka_unit_test_setup_teardown(lost_bytes_cost_their_chunk, start_lenient, stop),
		cmocka_unit_test_setup_teardown(a_damaged_header_is_passed_over, start_lenient,
						stop),
		cmocka_unit_test_setup_teardown(no_header_writes_elsewhere, start_lenient, stop),
		cmocka_unit_test_setup_teardown(a_stream_that_begins_anew_is_followed,
						start_lenient, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
