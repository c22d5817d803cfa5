// SPDX-License-Identifier: Apache-2.0
/*
 * A peer of an ivshmem server: what it makes of servers that are in order, slow, broken or hostile,
 * and of other peers that come and go.
 */
#include "unit/ivshmem_server.h"

#include <errno.h>
#include <poll.h>

#include "mem/ivshmem.h"
#include "mem/ivshmem_peers.h"
#include "unit/unit.h"

static char error[MEM_ERROR_SIZE];
static char notice[IVSHMEM_NOTICE_SIZE];
static struct server server;
static struct ivshmem *bus;
static int fds_before;

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	strcpy(error, "untouched");
	server_init(&server);
	bus = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ivshmem_free(bus);
	server_deinit(&server);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

static void greet_with_a_vector(struct server *s)
{
	server_greet(s);
	server_give_vectors(s, 1);
}

static int dial(void (*greet)(struct server *s))
{
	int ret;

	server_start(&server, greet);
	ret = ivshmem_connect(&bus, server.path, error);
	server_join(&server);
	return ret;
}

static int start(int peer, uint16_t vector)
{
	const struct ivshmem_target target = { .peer = peer, .vector = vector };

	return ivshmem_start(bus, &target, error);
}

static void join(int peer)
{
	assert_int_equal(dial(greet_with_a_vector), 0);
	assert_int_equal(start(peer, 0), 0);
	assert_string_equal(error, "untouched");
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static uint64_t rings(int fd)
{
	eventfd_t count = 0;

	return readable(fd, 0) && eventfd_read(fd, &count) == 0 ? count : 0;
}

/* Let the client read everything that the server has said. */
static void settle(void)
{
	for (int turn = 0; turn < 10; turn++)
		ivshmem_clear(bus);
}

static void assert_told(const char *text)
{
	assert_true(ivshmem_take_notice(bus, notice));
	if (!strstr(notice, text))
		fail_msg("\"%s\" lacks \"%s\"", notice, text);
	assert_false(ivshmem_take_notice(bus, notice));
}

static void memory_and_id_come_first(void **state)
{
	struct stat theirs, ours;

	(void)state;
	assert_int_equal(dial(server_greet), 0);
	assert_int_equal(bus->id, 3);
	assert_true(bus->memory_size == SERVER_MEMORY && bus->memory_offset == 0);
	assert_int_equal(fstat(bus->memory_fd, &ours), 0);
	assert_int_equal(fstat(server.memory, &theirs), 0);
	assert_true(ours.st_ino == theirs.st_ino);
	assert_true(fcntl(bus->memory_fd, F_GETFD) & FD_CLOEXEC);
}

/* A description that came over a socket is everybody's, and so would its locks be. */
static void memory_can_be_locked_against_others(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 16 };

	(void)state;
	assert_int_equal(dial(server_greet), 0);
	assert_int_equal(fcntl(bus->lock_fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(fcntl(server.memory, F_OFD_SETLK, &lock), -1);
}

static void rings_go_both_ways(void **state)
{
	int bell;

	(void)state;
	join(IVSHMEM_ANY);
	assert_false(readable(bus->poll_fd, 0));
	assert_int_equal(ivshmem_ring(bus), 0); /* nobody is there */
	bell = server_add_vector(&server, 0, EFD_NONBLOCK);
	assert_true(readable(bus->poll_fd, -1));
	assert_true(ivshmem_clear(bus) == 0);
	assert_true(rings(bell) == 1); /* what it had missed */
	assert_int_equal(ivshmem_ring(bus), 0);
	assert_int_equal(ivshmem_ring(bus), 0);
	assert_true(rings(bell) == 2);
	assert_int_equal(eventfd_write(server.bell[0], 3), 0);
	assert_true(readable(bus->poll_fd, -1));
	assert_true(ivshmem_clear(bus) == 3);
	assert_false(readable(bus->poll_fd, 0));
	assert_true(ivshmem_clear(bus) == 0);
	close(bell);
}

/* Nobody who is not to be rung is. */
static void one_peer_and_vector_is_rung(void **state)
{
	int bell[4];

	(void)state;
	assert_int_equal(dial(server_greet), 0);
	for (int i = 0; i < 4; i++)
		bell[i] = server_add_vector(&server, i < 2 ? 0 : 7, EFD_NONBLOCK);
	server_give_vectors(&server, 2);
	assert_int_equal(start(7, 1), 0);
	settle();
	assert_int_equal(ivshmem_ring(bus), 0);
	for (int i = 0; i < 4; i++) {
		assert_true(rings(bell[i]) == (i == 3));
		close(bell[i]);
	}
}

static void all_own_vectors_wake(void **state)
{
	(void)state;
	assert_int_equal(dial(server_greet), 0);
	server_give_vectors(&server, 40);
	assert_int_equal(start(IVSHMEM_ANY, 0), 0);
	settle();
	assert_int_equal(bus->own_count, IVSHMEM_VECTORS_MAX);
	for (unsigned int v = 0; v < 40; v++)
		eventfd_write(server.bell[v], 1);
	assert_true(readable(bus->poll_fd, 0));
	assert_true(ivshmem_clear(bus) == IVSHMEM_VECTORS_MAX);
	assert_false(readable(bus->poll_fd, 0));
}

static void the_configured_peer_is_followed(void **state)
{
	int first, other, again;

	(void)state;
	join(1);
	first = server_add_vector(&server, 1, EFD_NONBLOCK);
	other = server_add_vector(&server, 2, EFD_NONBLOCK);
	settle();
	ivshmem_ring(bus);
	assert_true(rings(first) == 1 && rings(other) == 0);
	server_say(&server, 1, -1);
	settle();
	assert_told("peer 1, the other side, left");
	ivshmem_ring(bus);
	assert_true(rings(first) == 0 && rings(other) == 0);
	again = server_add_vector(&server, 9, EFD_NONBLOCK);
	settle();
	assert_told("peer 9 joined and is taken for the other side");
	assert_true(rings(again) == 1);
	ivshmem_ring(bus);
	assert_true(rings(again) == 1 && rings(other) == 0);
	close(first);
	close(other);
	close(again);
}

/* Servers that give a free id again, as icbmsg-sim's does. */
static void an_id_is_used_again(void **state)
{
	int before, after;

	(void)state;
	join(IVSHMEM_ANY);
	before = server_add_vector(&server, 1, EFD_NONBLOCK);
	server_say(&server, 1, -1);
	after = server_add_vector(&server, 1, EFD_NONBLOCK);
	settle();
	ivshmem_ring(bus);
	assert_true(rings(before) == 0 && rings(after) == 1);
	close(before);
	close(after);
}

static void full_doorbells_do_not_block(void **state)
{
	int bell[2];

	(void)state;
	join(IVSHMEM_ANY);
	bell[0] = server_add_vector(&server, 0, 0);
	bell[1] = server_add_vector(&server, 1, EFD_NONBLOCK);
	settle();
	eventfd_write(bell[0], UINT64_MAX - 1);
	eventfd_write(bell[1], UINT64_MAX - 1);
	assert_int_equal(ivshmem_ring(bus), 0);
	assert_false(fcntl(bell[0], F_GETFL) & O_NONBLOCK);
	/* Whoever is on the bus can change that when it suits him. */
	assert_int_equal(fcntl(bell[1], F_SETFL, 0), 0);
	assert_int_equal(ivshmem_ring(bus), 0);
	close(bell[0]);
	close(bell[1]);
}

/* Our own vector may block as well, and somebody else may read it before us. */
static void own_vectors_may_block(void **state)
{
	(void)state;
	join(IVSHMEM_ANY);
	assert_int_equal(fcntl(server.bell[0], F_SETFL, 0), 0);
	assert_true(ivshmem_clear(bus) == 0);
	eventfd_write(server.bell[0], 1);
	assert_true(ivshmem_clear(bus) == 1);
	assert_true(ivshmem_clear(bus) == 0);
}

static void too_many_peers_are_bounded(void **state)
{
	int before, bell;

	(void)state;
	join(IVSHMEM_ANY);
	for (int id = 100; id < 100 + (int)IVSHMEM_PEERS_MAX; id++)
		close(server_add_vector(&server, id, EFD_NONBLOCK));
	settle();
	assert_false(ivshmem_take_notice(bus, notice));
	before = count_fds();
	for (int id = 300; id < 340; id++)
		close(server_add_vector(&server, id, EFD_NONBLOCK));
	settle();
	assert_told("more than 64 other peers");
	assert_int_equal(count_fds(), before);
	for (int id = 300; id < 340; id++)
		server_say(&server, id, -1);
	server_say(&server, 120, -1);
	bell = server_add_vector(&server, 400, EFD_NONBLOCK);
	settle();
	ivshmem_ring(bus);
	assert_true(rings(bell) == 1);
	close(bell);
}

static void the_link_outlives_its_server(void **state)
{
	int bell;

	(void)state;
	join(IVSHMEM_ANY);
	bell = server_add_vector(&server, 0, EFD_NONBLOCK);
	server_hang_up(&server);
	assert_true(readable(bus->poll_fd, -1));
	settle();
	assert_told("the server is gone; the link goes on");
	assert_false(readable(bus->poll_fd, 0));
	ivshmem_ring(bus);
	assert_true(rings(bell) == 1);
	eventfd_write(server.bell[0], 1);
	assert_true(ivshmem_clear(bus) == 1);
	close(bell);
}

static void a_broken_server_is_left(void **state)
{
	static const int64_t numbers[] = { -1, -2, 65536, INT64_MAX, INT64_MIN, 3 };
	int bell;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		join(IVSHMEM_ANY);
		bell = server_add_vector(&server, 0, EFD_NONBLOCK);
		server_say(&server, numbers[i], -1);
		settle();
		assert_told("the server broke the protocol; the link goes on");
		ivshmem_ring(bus);
		assert_true(rings(bell) == 1);
		close(bell);
		close(server.bell[--server.vectors]);
		ivshmem_free(bus);
		bus = NULL;
		server_hang_up(&server);
	}
}

/* Eight bytes into somebody's file would damage it. */
static void what_is_no_eventfd_is_not_rung(void **state)
{
	int pipes[2];

	(void)state;
	join(IVSHMEM_ANY);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	server_say(&server, 0, pipes[1]);
	settle();
	assert_told("broke the protocol");
	ivshmem_ring(bus);
	assert_false(readable(pipes[0], 0));
	close(pipes[0]);
	close(pipes[1]);
}

static void several_descriptors_break_the_protocol(void **state)
{
	uint64_t number = 0;
	int fds[3] = { server.memory, server.memory, server.memory };

	(void)state;
	for (size_t n = 2; n <= 3; n++) {
		join(IVSHMEM_ANY);
		server_send(&server, &number, sizeof(number), fds, n);
		settle();
		assert_true(ivshmem_take_notice(bus, notice));
		close(server.bell[--server.vectors]);
		ivshmem_free(bus);
		bus = NULL;
		server_hang_up(&server);
	}
}

static void greet_byte_by_byte(struct server *s)
{
	static const int64_t numbers[] = { 0, 3, -1 };

	for (int i = 0; i < 3; i++) {
		uint64_t wire = htole64((uint64_t)numbers[i]);

		for (size_t b = 0; b < sizeof(wire); b++)
			server_send(s, (char *)&wire + b, 1, &s->memory, i == 2 && b == 0);
	}
	server_give_vectors(s, 1);
}

static void short_reads_are_put_together(void **state)
{
	uint64_t number = htole64(5);
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)state;
	assert_int_equal(dial(greet_byte_by_byte), 0);
	assert_int_equal(start(IVSHMEM_ANY, 0), 0);
	server_send(&server, &number, 3, &bell, 1);
	settle();
	ivshmem_ring(bus);
	assert_true(rings(bell) == 0);
	server_send(&server, (char *)&number + 3, 5, NULL, 0);
	settle();
	assert_true(rings(bell) == 1);
	close(bell);
}

static void say_version_1(struct server *s)
{
	server_say(s, 1, -1);
}

static void say_no_id(struct server *s)
{
	server_say(s, 0, -1);
	server_say(s, 65536, -1);
}

static void give_no_memory(struct server *s)
{
	server_say(s, 0, -1);
	server_say(s, 3, -1);
	server_say(s, -1, -1);
}

static void give_a_socket(struct server *s)
{
	server_say(s, 0, -1);
	server_say(s, 3, -1);
	server_say(s, -1, s->client);
}

static void give_nothing_but_a_vector(struct server *s)
{
	server_say(s, 0, -1);
	server_say(s, 3, -1);
	close(server_add_vector(s, 3, 0));
}

static void hang_up_early(struct server *s)
{
	server_send(s, "\0\0\0\0\0\0\0\0\3\0\0", 11, NULL, 0);
	server_hang_up(s);
}

static void bad_greetings_are_refused(void **state)
{
	static const struct {
		void (*greet)(struct server *s);
		int ret;
		const char *text;
	} cases[] = {
		{ say_version_1, -EPROTONOSUPPORT, "does not speak version 0" },
		{ say_no_id, -EPROTO, "is not an ivshmem server" },
		{ give_no_memory, -EPROTO, "is not an ivshmem server" },
		{ give_a_socket, -EPROTO, "is not an ivshmem server" },
		{ give_nothing_but_a_vector, -EPROTO, "is not an ivshmem server" },
		{ hang_up_early, -ECONNRESET, "the server hung up" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int before = count_fds();

		assert_int_equal(dial(cases[i].greet), cases[i].ret);
		if (!strstr(error, cases[i].text))
			fail_msg("\"%s\" lacks \"%s\"", error, cases[i].text);
		assert_null(bus);
		server_hang_up(&server);
		assert_int_equal(count_fds(), before);
	}
}

static void a_target_must_make_sense(void **state)
{
	(void)state;
	assert_int_equal(dial(greet_with_a_vector), 0);
	assert_int_equal(start(3, 0), -EINVAL);
	assert_non_null(strstr(error, "peer 3 of "));
	assert_non_null(strstr(error, "is this side itself"));
	assert_int_equal(start(IVSHMEM_ANY, 1), -EINVAL); /* after two seconds */
	assert_non_null(strstr(error, "gives 1 vectors, and vector 1 is to be rung"));
}

static void nobody_listens(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/none", server.folder);
	assert_int_equal(ivshmem_connect(&bus, path, error), -ENOENT);
	assert_non_null(strstr(error, "/none does not exist; start the server first"));
	close(server.listener);
	assert_int_equal(ivshmem_connect(&bus, server.path, error), -ECONNREFUSED);
	assert_non_null(strstr(error, "no server listens there"));
	server.listener = -1;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ivshmem_connect(&bus, path, error), -ENAMETOOLONG);
}

static int connect_as_nobody(void *arg)
{
	(void)arg;
	return ivshmem_connect(&bus, server.path, error) == -EACCES &&
			       strstr(error, "--socket-mode 0660") ?
		       0 :
		       1;
}

static void access_is_explained(void **state)
{
	(void)state;
	assert_int_equal(chmod(server.folder, 0755), 0);
	assert_int_equal(chmod(server.path, 0600), 0);
	assert_int_equal(as_nobody(connect_as_nobody, NULL), 0);
}

/* Anything a server may say, in any order: nothing leaks, nothing blocks, nobody else is hurt. */
static void babble(struct server *s, uint64_t *random)
{
	static const int64_t numbers[] = { 0, 1, 3, 65535, 65536, -1, INT64_MAX };
	char junk[24];
	int fds[3];

	for (uint32_t n = random_below(random, 40); n > 0; n--) {
		size_t count = random_below(random, 8) ? random_below(random, 2) : 3;

		for (size_t i = 0; i < 3; i++)
			fds[i] = random_below(random, 16) ? eventfd(0, EFD_CLOEXEC) :
							    dup(s->memory);
		if (random_below(random, 12)) {
			uint64_t wire = htole64((uint64_t)numbers[random_below(
				random, random_below(random, 30) ? 4 : 7)]);

			server_send(s, &wire, 8, fds, count);
		} else {
			memset(junk, (int)random_below(random, 2), sizeof(junk));
			server_send(s, junk, 1 + random_below(random, sizeof(junk) - 1), fds,
				    count);
		}
		for (int i = 0; i < 3; i++)
			close(fds[i]);
	}
}

/* With those of the connection and of the test. */
#define MOST_DESCRIPTORS ((int)(IVSHMEM_VECTORS_MAX + IVSHMEM_PEERS_MAX) + 7)

static void babbling_servers_are_survived(void **state)
{
	uint64_t random = 1;
	int before, survived = 0;

	(void)state;
	for (int n = 0; n < 300; n++) {
		before = count_fds();
		join(IVSHMEM_ANY);
		babble(&server, &random);
		settle();
		survived += !ivshmem_take_notice(bus, notice);
		assert_int_equal(ivshmem_ring(bus), 0);
		assert_true(count_fds() <= before + MOST_DESCRIPTORS);
		close(server.bell[--server.vectors]);
		ivshmem_free(bus);
		bus = NULL;
		server_hang_up(&server);
		assert_int_equal(count_fds(), before);
	}
	assert_in_range(survived, 1, 299); /* some of it made sense to the end, some did not */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(memory_and_id_come_first),
		T(memory_can_be_locked_against_others),
		T(rings_go_both_ways),
		T(one_peer_and_vector_is_rung),
		T(all_own_vectors_wake),
		T(the_configured_peer_is_followed),
		T(an_id_is_used_again),
		T(full_doorbells_do_not_block),
		T(own_vectors_may_block),
		T(too_many_peers_are_bounded),
		T(the_link_outlives_its_server),
		T(a_broken_server_is_left),
		T(what_is_no_eventfd_is_not_rung),
		T(several_descriptors_break_the_protocol),
		T(short_reads_are_put_together),
		T(bad_greetings_are_refused),
		T(a_target_must_make_sense),
		T(nobody_listens),
		T(access_is_explained),
		T(babbling_servers_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
