// SPDX-License-Identifier: Apache-2.0
/*
 * See neighbours.h.
 */
#include "neighbours.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define WINDOW 4u /* messages under way */
#define LARGEST 6000u

static const struct ends_param param = { "classic", 8, 64, 32, 32, 0x20000, 0x20000, NULL, NULL };

static const char endpoints[] = "[endpoint ends/library]\nexclusive = yes\non-unbound = keep\n"
				"[endpoint ends/socket]\nexclusive = yes\non-unbound = keep\n"
				"[endpoint ends/*]\non-unbound = keep\n";

/* cmocka's checks work in the main thread only. */
static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "neighbours: %s\n", what);
	abort();
}

/* ------------------------------------------------------------------------------------------------
 * Messages
 */

struct header {
	uint32_t number;
	char secret[sizeof(NEIGHBOURS_SECRET)];
};

static size_t size_of(uint32_t number)
{
	return sizeof(struct header) + (size_t)number * 7919u % (LARGEST - sizeof(struct header));
}

static void compose(uint8_t *data, uint32_t number)
{
	struct header h = { .number = number, .secret = NEIGHBOURS_SECRET };

	memcpy(data, &h, sizeof(h));
	fill_pattern(data + sizeof(h), size_of(number) - sizeof(h), number);
}

static void came(struct talker *t, const void *data, size_t size)
{
	uint8_t expected[LARGEST];

	check(size == size_of(t->received), "a message of another size");
	compose(expected, t->received);
	check(memcmp(data, expected, size) == 0, "a message damaged, lost or out of order");
	t->received++;
	pthread_mutex_lock(&t->lock);
	t->count++;
	pthread_cond_broadcast(&t->more);
	pthread_mutex_unlock(&t->lock);
}

static void *talk(void *talker)
{
	struct talker *t = talker;
	uint8_t data[LARGEST];

	while (!atomic_load(&t->stop)) {
		while (t->sent - t->received < WINDOW) {
			compose(data, t->sent);
			t->ops->send(t, data, size_of(t->sent));
			t->sent++;
		}
		t->ops->receive(t);
	}
	while (t->received < t->sent)
		t->ops->receive(t);
	return NULL;
}

static void start(struct talker *t, const struct talker_ops *ops)
{
	t->ops = ops;
	assert_int_equal(pthread_mutex_init(&t->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&t->more, NULL), 0);
	assert_int_equal(pthread_create(&t->thread, NULL, talk, t), 0);
}

/* ------------------------------------------------------------------------------------------------
 * The library client
 */

static void library_came(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	(void)ept;
	came(user, data, size);
}

static void library_lost(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)ept;
	(void)user;
	check(false, icbmsg_unbound_reason_name(info->reason));
}

static void library_send(struct talker *t, const void *data, size_t size)
{
	check(icbmsg_send(t->ept, data, size, SURELY) == 0, "cannot send");
}

static void library_receive(struct talker *t)
{
	uint32_t before = t->received;

	while (t->received == before)
		check(icbmsg_dispatch(t->link, ICBMSG_FOREVER) >= 0, "cannot dispatch");
}

static const struct talker_ops library_ops = { library_send, library_receive };

static void start_library(struct neighbours *n)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = library_came,
							.unbound = library_lost };
	struct talker *t = &n->library;

	t->link = n->e.a;
	assert_int_equal(icbmsg_ept_register(t->link, &t->ept, "library", &callbacks, t), 0);
	assert_int_equal(icbmsg_ept_wait_bound(t->ept, SURELY), 0);
	start(t, &library_ops);
}

/* ------------------------------------------------------------------------------------------------
 * The client of a socket
 */

static void socket_send(struct talker *t, const void *data, size_t size)
{
	check(send(t->fd, data, size, MSG_NOSIGNAL) == (ssize_t)size, "cannot send to a socket");
}

static void socket_receive(struct talker *t)
{
	uint8_t data[LARGEST + 1];
	ssize_t size = recv(t->fd, data, sizeof(data), 0);

	check(size > 0, "cannot receive from a socket");
	came(t, data, (size_t)size);
}

static const struct talker_ops socket_ops = { socket_send, socket_receive };

static void start_socket(struct neighbours *n)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct talker *t = &n->socket;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/ends/socket", neighbours_dir(n));
	t->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(t->fd >= 0);
	assert_int_equal(connect(t->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	start(t, &socket_ops);
}

/* ------------------------------------------------------------------------------------------------
 * The other core
 */

/* What the evil ones send comes back to them as far as they are there. */
static void echo(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	int ret = icbmsg_send(ept, data, size, SURELY);

	check(ret == 0 || user, "the daemon does not read");
}

static void register_echo(struct neighbours *n, const char *name, bool evil)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = echo };
	struct icbmsg_ept *ept;

	assert_int_equal(icbmsg_ept_register(n->e.b, &ept, name, &callbacks, evil ? n : NULL), 0);
}

static void *run_core(void *neighbours)
{
	struct neighbours *n = neighbours;

	while (!atomic_load(&n->stop))
		check(icbmsg_dispatch(n->e.b, 20 * MS) >= 0, "the other core cannot dispatch");
	return NULL;
}

static void start_core(struct neighbours *n)
{
	char name[16];

	register_echo(n, "library", false);
	register_echo(n, "socket", false);
	for (unsigned int i = 0; i < NEIGHBOURS_EVILS; i++) {
		snprintf(name, sizeof(name), "evil%u", i);
		register_echo(n, name, true);
	}
	assert_int_equal(pthread_create(&n->core, NULL, run_core, n), 0);
}

/* ------------------------------------------------------------------------------------------------
 * All of them
 */

const char *neighbours_dir(const struct neighbours *n)
{
	return through_dir(n->e.daemon);
}

static const char *const limits[] = { "max-clients", "max-library-clients", "max-library-bytes" };

void neighbours_start(struct neighbours *n)
{
	memset(n, 0, sizeof(*n));
	ends_param = &param;
	ends_client = ENDS_CLIENT_A;
	through_endpoints = endpoints;
	ends_open(&n->e);
	start_core(n);
	start_library(n);
	start_socket(n);
	neighbours_talk(n, 20);
	n->fds = through_fds(n->e.daemon);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		n->used[i] = through_used(n->e.daemon, limits[i]);
}

static void await_count(struct talker *t, uint32_t count)
{
	pthread_mutex_lock(&t->lock);
	while (t->count < count)
		pthread_cond_wait(&t->more, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static uint32_t count_of(struct talker *t)
{
	uint32_t count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}

void neighbours_talk(struct neighbours *n, uint32_t count)
{
	uint32_t library = count_of(&n->library), socket = count_of(&n->socket);

	await_count(&n->library, library + count);
	await_count(&n->socket, socket + count);
}

void neighbours_alone(struct neighbours *n)
{
	int64_t end = ends_now() + SURELY;

	while (through_fds(n->e.daemon) > n->fds) {
		if (ends_now() >= end)
			fail_msg("icbmsgd keeps %u descriptors of others",
				 through_fds(n->e.daemon) - n->fds);
		through_turn(n->e.daemon);
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		assert_int_equal(through_used(n->e.daemon, limits[i]), n->used[i]);
	neighbours_talk(n, 50);
}

void neighbours_end(struct neighbours *n)
{
	atomic_store(&n->library.stop, true);
	atomic_store(&n->socket.stop, true);
	pthread_join(n->library.thread, NULL);
	pthread_join(n->socket.thread, NULL);
	atomic_store(&n->stop, true);
	pthread_join(n->core, NULL);
	close(n->socket.fd);
	ends_close(&n->e);
}
