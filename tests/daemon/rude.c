// SPDX-License-Identifier: Apache-2.0
/*
 * See rude.h.
 */
#include "rude.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/protocol.h"

static const struct client_hello good_hello = {
	.type = CLIENT_HELLO,
	.version_min = CLIENT_VERSION_MIN,
	.version_max = CLIENT_VERSION_MAX,
	.magic = CLIENT_MAGIC,
};

/* ------------------------------------------------------------------------------------------------
 * Packets
 */

int rude_connect(const char *rundir)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/ends" CLIENT_SOCKET_SUFFIX, rundir);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

bool rude_put(int fd, const void *packet, size_t size, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * RUDE_FDS_MAX)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)packet, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count > 0) {
		struct cmsghdr *c;

		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	if (sendmsg(fd, &m, MSG_NOSIGNAL) >= 0)
		return true;
	assert_true(errno == EPIPE || errno == ECONNRESET);
	return false;
}

/* One packet, and the descriptor with it, or -1; 0 at the end of the connection. */
static size_t get(int fd, uint8_t packet[CLIENT_PACKET_MAX], int *memory)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { packet, CLIENT_PACKET_MAX };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*memory = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(memory, CMSG_DATA(c), sizeof(int));
	assert_true(n >= 0 || errno == ECONNRESET || errno == EPIPE);
	return n < 0 ? 0 : (size_t)n;
}

void rude_await_end(int fd)
{
	uint8_t packet[CLIENT_PACKET_MAX];
	int memory;

	while (get(fd, packet, &memory) > 0)
		if (memory >= 0)
			close(memory);
	close(fd);
}

/* The answer to a hello: a welcome's memory; -1 after a refusal, or an end without one. */
static int welcomed(int fd)
{
	uint8_t packet[CLIENT_PACKET_MAX];
	int memory;
	size_t n = get(fd, packet, &memory);

	if (n > 0 && packet[0] == CLIENT_WELCOME) {
		assert_true(n >= sizeof(struct client_welcome));
		assert_true(memory >= 0);
		return memory;
	}
	assert_int_equal(memory, -1);
	if (n > 0) {
		struct client_refusal r;

		assert_int_equal(packet[0], CLIENT_REFUSAL);
		assert_true(n > sizeof(r));
		memcpy(&r, packet, sizeof(r));
		assert_true(r.error < 0);
		/* And the end. */
		assert_int_equal(get(fd, packet, &memory), 0);
	}
	return -1;
}

/* A hello with @fds; whether it was welcome. */
static bool greets(const char *rundir, const void *hello, size_t size, const int *fds, size_t count)
{
	int fd = rude_connect(rundir), memory = -1;

	if (rude_put(fd, hello, size, fds, count))
		memory = welcomed(fd);
	close(fd);
	if (memory >= 0)
		close(memory);
	return memory >= 0;
}

int rude_greet(const char *rundir)
{
	int fd = rude_connect(rundir), memory;

	assert_true(rude_put(fd, &good_hello, sizeof(good_hello), NULL, 0));
	memory = welcomed(fd);
	assert_true(memory >= 0);
	close(memory);
	return fd;
}

int rude_memory(const char *rundir, int fd)
{
	int connection = rude_connect(rundir), memory = -1;

	if (rude_put(connection, &good_hello, sizeof(good_hello), &fd, fd >= 0))
		memory = welcomed(connection);
	close(connection);
	return memory;
}

/* ------------------------------------------------------------------------------------------------
 * Hellos
 */

void rude_silence(const char *rundir, unsigned int connections)
{
	int fds[64];

	assert_in_range(connections, 1, sizeof(fds) / sizeof(fds[0]));
	for (unsigned int i = 0; i < connections; i++)
		fds[i] = rude_connect(rundir);
	for (unsigned int i = 0; i < connections; i++)
		rude_await_end(fds[i]);
}

void rude_truncated_hellos(const char *rundir)
{
	/* What comes before the features is no hello yet; what is missing behind it is 0. */
	for (size_t size = 0; size <= sizeof(good_hello); size++) {
		bool welcome = greets(rundir, &good_hello, size, NULL, 0);

		if (size < offsetof(struct client_hello, features))
			assert_false(welcome);
		if (size == sizeof(good_hello))
			assert_true(welcome);
	}
}

void rude_wrong_hellos(const char *rundir)
{
	struct client_hello h = good_hello;
	uint8_t longer[CLIENT_PACKET_MAX + 100] = { 0 };

	h.magic++;
	assert_false(greets(rundir, &h, sizeof(h), NULL, 0));
	h = good_hello;
	h.version_min = CLIENT_VERSION_MAX + 1;
	h.version_max = 255;
	assert_false(greets(rundir, &h, sizeof(h), NULL, 0));
	h.version_min = h.version_max = 0;
	assert_false(greets(rundir, &h, sizeof(h), NULL, 0));
	h.version_min = CLIENT_VERSION_MAX;
	assert_false(greets(rundir, &h, sizeof(h), NULL, 0));
	for (unsigned int type = 0; type < 256; type++) {
		h = good_hello;
		h.type = (uint8_t)type;
		if (type != CLIENT_HELLO)
			assert_false(greets(rundir, &h, sizeof(h), NULL, 0));
	}
	/* From a later version, with wishes that are none. */
	h = good_hello;
	h.version_max = 255;
	h.features = UINT64_MAX;
	h.to_daemon = h.to_client = UINT32_MAX;
	memcpy(longer, &h, sizeof(h));
	assert_true(greets(rundir, longer, CLIENT_PACKET_MAX, NULL, 0));
	(void)greets(rundir, longer, sizeof(longer), NULL, 0);
}

/* ------------------------------------------------------------------------------------------------
 * Garbage
 */

void rude_garbage(const char *rundir, unsigned int rounds, uint32_t seed)
{
	uint8_t packet[2 * CLIENT_PACKET_MAX];

	for (unsigned int i = 0; i < rounds; i++) {
		int fd = i % 2 ? rude_greet(rundir) : rude_connect(rundir);
		bool open = true;

		for (int n = 0; n < 20 && open; n++) {
			seed = seed * 1664525u + 1013904223u;
			for (size_t k = 0; k < sizeof(packet); k++)
				packet[k] = (uint8_t)((seed >> 8) * (k + 1) >> 4);
			if (n % 2)
				packet[0] = (uint8_t)(seed >> 20) % 8;
			open = rude_put(fd, packet, (seed >> 9) % sizeof(packet), NULL, 0);
		}
		close(fd);
	}
}

/* ------------------------------------------------------------------------------------------------
 * Requests
 */

static void ask(int fd, uint8_t type, const char *name, size_t size)
{
	uint8_t packet[CLIENT_PACKET_MAX + 100] = { type };

	memcpy(packet + 1, name, size);
	(void)rude_put(fd, packet, 1 + size, NULL, 0);
}

/* The connection ends with a second request before the first is answered, or with the last. */
void rude_pipelining(const char *rundir)
{
	int fd = rude_greet(rundir);

	for (int i = 0; i < 1000; i++)
		ask(fd, i % 3 ? CLIENT_REGISTER : CLIENT_DEREGISTER, "evil0", 5);
	shutdown(fd, SHUT_WR);
	rude_await_end(fd);
	/* A second hello; an answer, a welcome. */
	for (unsigned int type = CLIENT_HELLO; type <= CLIENT_ANSWER; type++) {
		struct client_hello h = good_hello;

		if (type == CLIENT_REGISTER || type == CLIENT_DEREGISTER)
			continue;
		h.type = (uint8_t)type;
		fd = rude_greet(rundir);
		(void)rude_put(fd, &h, sizeof(h), NULL, 0);
		rude_await_end(fd);
	}
	/* Without a hello. */
	fd = rude_connect(rundir);
	ask(fd, CLIENT_REGISTER, "evil0", 5);
	rude_await_end(fd);
}

/* Names that cannot be: an answer, and never 0; or the end of the connection. */
void rude_names(const char *rundir)
{
	static const char *const names[] = { "",          "..",          "../control",
					     "a/../../b", "/etc/passwd", "socket\nx",
					     "library",   "\xff\xfe\x01" };
	uint8_t packet[CLIENT_PACKET_MAX];
	char longest[CLIENT_PACKET_MAX];
	int fd, memory;

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < 8 + 3; i++) {
		const size_t lengths[] = { 255, 256, sizeof(longest) };
		const char *name = i < 8 ? names[i] : longest;
		size_t n;

		fd = rude_greet(rundir);
		ask(fd, CLIENT_REGISTER, name, i < 8 ? strlen(name) : lengths[i - 8]);
		do
			n = get(fd, packet, &memory);
		while (n > 0 && packet[0] == CLIENT_RING);
		if (n > 0)
			assert_int_equal(packet[0], CLIENT_ANSWER);
		/* Its only user has "library" for itself. */
		if (n > 0 && i < 8 && strcmp(name, "library") == 0) {
			struct client_answer a;

			memcpy(&a, packet, sizeof(a));
			assert_int_equal(a.error, -EBUSY);
		}
		close(fd);
	}
	/* A NUL in the middle; deregistering what was never registered. */
	fd = rude_greet(rundir);
	ask(fd, CLIENT_DEREGISTER, "never", 5);
	ask(fd, CLIENT_REGISTER, "evil\0\0", 6);
	shutdown(fd, SHUT_WR);
	rude_await_end(fd);
}

void rude_comings_and_goings(const char *rundir, unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		int fd = i % 2 ? rude_greet(rundir) : rude_connect(rundir);

		if (i % 4 == 0)
			(void)rude_put(fd, &good_hello, sizeof(good_hello), NULL, 0);
		if (i % 4 == 1)
			ask(fd, CLIENT_REGISTER, "evil1", 5);
		close(fd);
	}
}

void rude_deafness(const char *rundir)
{
	uint8_t packet[6] = { CLIENT_REGISTER, 'e', 'v', 'i', 'l', '2' };
	int fd = rude_greet(rundir);
	int full = 0;

	/* Until the daemon takes no more for long, or has ended it. */
	while (full < 1000) {
		packet[0] = packet[0] == CLIENT_REGISTER ? CLIENT_DEREGISTER : CLIENT_REGISTER;
		if (send(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			continue;
		if (errno != EAGAIN)
			break;
		full++;
	}
	close(fd);
}
