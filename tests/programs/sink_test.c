// SPDX-License-Identifier: Apache-2.0
/*
 * The file of icbmsg-cat --recv over a backend whose buffers turn stale when a test says so: what is in
 * the file is the beginning of what was received, through io_uring and by plain calls.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cat/sink.h"

#define SIZE 1000u

static struct backend backend;
static struct io io;
static struct sink sink;
static unsigned int kept, looks, stale_after;
static char path[] = "/tmp/icbmsg-sink-XXXXXX";

static int keep(struct backend *b, const struct backend_event *ev, struct backend_message *m)
{
	(void)b;
	*m = (struct backend_message){ .data = malloc(ev->size), .size = ev->size, .held = 1 };
	memcpy(m->data, ev->data, ev->size);
	kept++;
	return 0;
}

/* Each message is looked at before it is written and after. */
static bool is_current(struct backend *b, const struct backend_message *m)
{
	(void)b;
	(void)m;
	return looks++ < stale_after;
}

static void release(struct backend *b, const struct backend_message *m)
{
	(void)b;
	free(m->data);
	kept--;
}

static const struct backend_ops ops = {
	.keep = keep,
	.is_current = is_current,
	.release = release,
};

static void begin(const char *file, bool uring)
{
	const struct options o = { .recv_file = file };

	backend.ops = &ops;
	looks = 0;
	stale_after = UINT_MAX;
	io_init(&io, uring);
	if (uring && !io.uring) {
		print_message("no io_uring: %s\n", io.why_not);
		skip();
	}
	sink_open(&sink, &o, -1);
	sink_attach(&sink, &backend, &io);
}

static void end(void)
{
	sink_close(&sink);
	io_deinit(&io);
	assert_int_equal(kept, 0);
}

static void add(unsigned char number)
{
	unsigned char data[SIZE];

	memset(data, number, sizeof(data));
	assert_int_equal(sink_add(&sink,
				  &(struct backend_event){ .data = data, .size = sizeof(data) },
				  sizeof(data)),
			 0);
}

/* Until all is written, or nothing more will be. */
static void run(void)
{
	while (sink_turn(&sink) && !sink_is_empty(&sink)) {
		struct pollfd fds[] = { { .fd = io_poll_fd(&io), .events = POLLIN },
					{ .fd = sink_poll_fd(&sink), .events = POLLOUT } };

		poll(fds, 2, -1);
		if (fds[1].revents)
			sink_writable(&sink);
	}
}

static off_t file_size(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* Messages 0 and 1 are written; while 2 to 4 are, they turn stale. */
static void stale_while_written(bool uring)
{
	begin(path, uring);
	add(0);
	add(1);
	run();
	assert_int_equal(looks, 4);
	assert_int_equal(file_size(), 2 * SIZE);
	stale_after = looks + 3;
	for (unsigned char n = 2; n < 5; n++)
		add(n);
	run();
	assert_int_equal(kept, 0);
	assert_int_equal(sink.error, 0);
	assert_int_equal(sink.end, 2 * SIZE);
	assert_int_equal(file_size(), 2 * SIZE);
	end();
}

/* The second of three is known to be stale before the write begins. */
static void stale_before_it_is_written(bool uring)
{
	begin(path, uring);
	stale_after = 1;
	for (unsigned char n = 0; n < 3; n++)
		add(n);
	/* The first was current when the write began, but not any more when it had ended. */
	run();
	assert_int_equal(kept, 0);
	assert_int_equal(file_size(), 0);
	end();
}

static void *read_slowly(int fd, size_t size)
{
	unsigned char *data = malloc(size);
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, data + have, size - have < 77 ? size - have : 77);

		assert_true(n > 0 || sink_turn(&sink));
		if (n > 0)
			have += (size_t)n;
		if (sink_poll_fd(&sink) >= 0)
			sink_writable(&sink);
		sink_turn(&sink);
	}
	return data;
}

/* A pipe of a page, whose end does not wait: writes that are short, or refused. */
static void through_a_narrow_pipe(bool uring)
{
	unsigned char *data;
	char name[32];
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
	snprintf(name, sizeof(name), "/dev/fd/%d", ends[1]);
	begin(name, uring);
	fcntl(sink.fd, F_SETFL, O_WRONLY | O_NONBLOCK);
	for (unsigned char n = 0; n < 40; n++)
		add(n);
	data = read_slowly(ends[0], 40 * SIZE);
	for (unsigned int n = 0; n < 40 * SIZE; n++)
		assert_int_equal(data[n], n / SIZE);
	free(data);
	run();
	assert_true(sink_is_empty(&sink));
	end();
	close(ends[0]);
	close(ends[1]);
}

static void stale_while_written_in_ring(void **state)
{
	(void)state;
	stale_while_written(true);
}

static void stale_while_written_plainly(void **state)
{
	(void)state;
	stale_while_written(false);
}

static void stale_before_in_ring(void **state)
{
	(void)state;
	stale_before_it_is_written(true);
}

static void stale_before_plainly(void **state)
{
	(void)state;
	stale_before_it_is_written(false);
}

static void narrow_pipe_in_ring(void **state)
{
	(void)state;
	through_a_narrow_pipe(true);
}

static void narrow_pipe_plainly(void **state)
{
	(void)state;
	through_a_narrow_pipe(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stale_while_written_in_ring),
		cmocka_unit_test(stale_while_written_plainly),
		cmocka_unit_test(stale_before_in_ring),
		cmocka_unit_test(stale_before_plainly),
		cmocka_unit_test(narrow_pipe_in_ring),
		cmocka_unit_test(narrow_pipe_plainly),
	};
	int fd = mkstemp(path), ret;

	if (fd < 0)
		return 1;
	close(fd);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return ret;
}
