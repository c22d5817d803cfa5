// SPDX-License-Identifier: Apache-2.0
/*
 * Memory and doorbells that come from one ivshmem server: as an instance puts them together.
 */
#include "unit/ivshmem_server.h"

#include <errno.h>
#include <poll.h>

#include "mem/doorbell.h"
#include "mem/memory.h"

static char error[MEM_ERROR_SIZE];
static char told[MEM_ERROR_SIZE];
static struct server server;
static struct memory memory;
static struct memory_spec spec;
static struct doorbell_counters counters;
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	told[0] = '\0';
	server_init(&server);
	memory = (struct memory){ 0 };
	spec = (struct memory_spec){ .kind = MEMORY_IVSHMEM, .size = SERVER_MEMORY };
	snprintf(spec.name, sizeof(spec.name), "%s", server.path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	memory_unmap(&memory);
	server_deinit(&server);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static void greet(struct server *s)
{
	server_greet(s);
	server_give_vectors(s, 1);
}

static int map(struct memory *m, bool read_only)
{
	int ret;

	server_start(&server, greet);
	ret = memory_map(m, &spec, read_only, error);
	server_join(&server);
	return ret;
}

static void log_line(void *user, const char *line)
{
	(void)user;
	snprintf(told, sizeof(told), "%s", line);
}

static const struct doorbell_host host = { .count = &counters, .log = log_line };

static void open_bell(struct doorbell *d)
{
	struct doorbell_spec bell = { .in.kind = DOORBELL_IN_IVSHMEM,
				      .out.kind = DOORBELL_OUT_IVSHMEM,
				      .target.peer = IVSHMEM_ANY };

	*d = DOORBELL_CLOSED;
	assert_int_equal(doorbell_join_bus(&bell, memory.bus, error), 0);
	assert_int_equal(doorbell_open(d, &bell, &host, error), 0);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void memory_is_the_server_s(void **state)
{
	const char text[] = "seen by all";
	char seen[sizeof(text)] = "";

	(void)state;
	assert_int_equal(map(&memory, false), 0);
	assert_int_equal(memory.type, MEM_NORMAL);
	assert_true(memory.size == SERVER_MEMORY);
	memcpy(memory.base + 4000, text, sizeof(text));
	assert_int_equal(pread(server.memory, seen, sizeof(seen), 4000), sizeof(seen));
	assert_string_equal(seen, text);
}

static void memory_is_never_grown(void **state)
{
	struct stat st;

	(void)state;
	spec.size = SERVER_MEMORY + 4096;
	assert_int_equal(map(&memory, false), -EINVAL);
	assert_non_null(strstr(error, "has 8192 bytes but the regions need 12288"));
	assert_non_null(strstr(error, "start its server with more"));
	assert_int_equal(fstat(server.memory, &st), 0);
	assert_int_equal(st.st_size, SERVER_MEMORY);
}

static void a_region_has_one_writer(void **state)
{
	struct memory other;
	int first;

	(void)state;
	assert_int_equal(map(&memory, false), 0);
	first = server.client;
	assert_int_equal(memory_claim(&memory, 0, 4096), 0);
	assert_int_equal(map(&other, false), 0);
	assert_int_equal(memory_claim(&other, 0, 4096), -EBUSY);
	memory_disown(&memory);
	assert_int_equal(memory_claim(&other, 0, 4096), 0);
	memory_unmap(&other);
	close(first);
}

static void to_look_is_to_leave_at_once(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(map(&memory, true), 0);
	assert_null(memory.bus);
	assert_true(recv(server.client, &byte, 1, 0) <= 0); /* reset: it left news unread */
}

static void doorbells_are_the_bus_s(void **state)
{
	struct doorbell d;
	int bell;

	(void)state;
	assert_int_equal(map(&memory, false), 0);
	bell = server_add_vector(&server, 0, EFD_NONBLOCK);
	open_bell(&d);
	assert_true(doorbell_is_rung(&d));
	assert_true(doorbell_clear(&d) == 0);
	assert_int_equal(doorbell_ring(&d), 0);
	assert_true(readable(bell));
	assert_int_equal(eventfd_write(server.bell[0], 2), 0);
	assert_true(readable(d.in.fd));
	assert_true(doorbell_clear(&d) == 2);
	assert_false(readable(d.in.fd));
	assert_string_equal(told, "");
	server_hang_up(&server);
	assert_true(readable(d.in.fd));
	assert_true(doorbell_clear(&d) == 0);
	assert_non_null(strstr(told, "the server is gone; the link goes on"));
	assert_false(readable(d.in.fd));
	doorbell_close(&d);
	close(bell);
}

/* What looks by itself must still hear of peers: it rings them. */
static void ringing_alone_follows_peers(void **state)
{
	struct doorbell_spec bell = { .in = { .kind = DOORBELL_IN_POLL, .interval_ns = 1000000 },
				      .out.kind = DOORBELL_OUT_IVSHMEM,
				      .target.peer = IVSHMEM_ANY };
	struct doorbell d = DOORBELL_CLOSED;
	int fd;

	(void)state;
	assert_int_equal(map(&memory, false), 0);
	assert_int_equal(doorbell_join_bus(&bell, memory.bus, error), 0);
	assert_int_equal(doorbell_open(&d, &bell, &host, error), 0);
	fd = server_add_vector(&server, 0, EFD_NONBLOCK);
	assert_int_equal(doorbell_ring(&d), 0);
	assert_true(readable(fd));
	doorbell_close(&d);
	close(fd);
}

static void a_bell_needs_a_bus(void **state)
{
	struct doorbell_spec bell = { .in.kind = DOORBELL_IN_IVSHMEM };

	(void)state;
	assert_true(doorbell_needs_bus(&bell));
	assert_int_equal(doorbell_join_bus(&bell, NULL, error), -EINVAL);
	assert_non_null(strstr(error, "write memory = ivshmem:SOCKET"));
	bell.in.kind = DOORBELL_IN_POLL;
	assert_false(doorbell_needs_bus(&bell));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(memory_is_the_server_s),  T(memory_is_never_grown),
		T(a_region_has_one_writer), T(to_look_is_to_leave_at_once),
		T(doorbells_are_the_bus_s), T(ringing_alone_follows_peers),
		T(a_bell_needs_a_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
