// SPDX-License-Identifier: Apache-2.0
/*
 * See rude.h: descriptors that come with packets.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/protocol.h"
#include "rude.h"

#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

static off_t right_size; /* of the memory that the daemon makes */

static bool same_object(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Bring @fd with a hello: the daemon refuses, or gives memory of its own. */
static void bring_in_vain(const char *rundir, int fd)
{
	int memory = rude_memory(rundir, fd);

	if (memory >= 0) {
		assert_false(same_object(memory, fd));
		assert_int_equal(fcntl(memory, F_GET_SEALS) & SEALS, SEALS);
		close(memory);
	}
	close(fd);
}

static int make_memory(off_t size, unsigned int flags, int seals)
{
	int fd = memfd_create("brought", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd >= 0 && ftruncate(fd, size) == 0) {
		if (seals)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		return fd;
	}
	/* Huge pages: there need not be any. */
	assert_true(flags & MFD_HUGETLB);
	if (fd >= 0)
		close(fd);
	return -1;
}

static void wrong_memory(const char *rundir)
{
	int fd;

	bring_in_vain(rundir, make_memory(right_size, 0, 0));
	bring_in_vain(rundir, make_memory(right_size, 0, F_SEAL_SEAL | F_SEAL_GROW));
	bring_in_vain(rundir, make_memory(right_size, 0, F_SEAL_SHRINK | F_SEAL_GROW));
	bring_in_vain(rundir, make_memory(right_size, 0, SEALS | F_SEAL_WRITE));
	bring_in_vain(rundir, make_memory(right_size, 0, SEALS | F_SEAL_FUTURE_WRITE));
	bring_in_vain(rundir, make_memory(right_size - 1, 0, SEALS));
	bring_in_vain(rundir, make_memory(right_size + 4096, 0, SEALS));
	bring_in_vain(rundir, make_memory(0, 0, SEALS));
	fd = make_memory((right_size + (2 << 20) - 1) & ~(off_t)((2 << 20) - 1), MFD_HUGETLB,
			 SEALS);
	if (fd >= 0)
		bring_in_vain(rundir, fd);
}

static void no_memory_at_all(const char *rundir)
{
	int pipes[2], pair[2];
	char path[] = "/tmp/icbmsg-rude-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, right_size), 0);
	bring_in_vain(rundir, fd);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	bring_in_vain(rundir, pipes[0]);
	bring_in_vain(rundir, pipes[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	bring_in_vain(rundir, pair[0]);
	bring_in_vain(rundir, pair[1]);
	bring_in_vain(rundir, eventfd(0, EFD_CLOEXEC));
	bring_in_vain(rundir, open("/dev/zero", O_RDWR | O_CLOEXEC));
	bring_in_vain(rundir, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	bring_in_vain(rundir, open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	bring_in_vain(rundir, open("/proc/self/exe", O_PATH | O_CLOEXEC));
}

static void read_only_memory(const char *rundir)
{
	int fd = make_memory(right_size, 0, SEALS);
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(again >= 0);
	bring_in_vain(rundir, again);
	close(fd);
}

/* With a hello, and with packets that have none. */
static void too_many(const char *rundir)
{
	const struct client_hello hello = {
		.type = CLIENT_HELLO,
		.version_min = CLIENT_VERSION_MIN,
		.version_max = CLIENT_VERSION_MAX,
		.magic = CLIENT_MAGIC,
	};
	uint8_t request[] = { CLIENT_REGISTER, 'e', 'v', 'i', 'l', '3' };
	int fds[RUDE_FDS_MAX];

	fds[0] = eventfd(0, EFD_CLOEXEC);
	for (unsigned int i = 1; i < RUDE_FDS_MAX; i++)
		fds[i] = fds[0];
	for (unsigned int count = 2; count <= RUDE_FDS_MAX; count = count * 5 - 2) {
		int fd = rude_connect(rundir);

		(void)rude_put(fd, &hello, sizeof(hello), fds, count);
		shutdown(fd, SHUT_WR);
		rude_await_end(fd);
		fd = rude_greet(rundir);
		for (uint8_t type = 0; type < 8; type++) {
			request[0] = type;
			(void)rude_put(fd, request, sizeof(request), fds, count);
		}
		shutdown(fd, SHUT_WR);
		rude_await_end(fd);
	}
	close(fds[0]);
}

/* The one thing that may be brought: the memory of the connection before. Two may not share it. */
static void the_same_memory_again(const char *rundir)
{
	int first = rude_memory(rundir, -1), second;
	struct stat st;

	assert_true(first >= 0);
	assert_int_equal(fstat(first, &st), 0);
	right_size = st.st_size;
	second = rude_memory(rundir, first);
	assert_true(second >= 0);
	assert_true(same_object(first, second));
	close(first);
	close(second);
}

void rude_descriptors(const char *rundir)
{
	the_same_memory_again(rundir);
	wrong_memory(rundir);
	read_only_memory(rundir);
	no_memory_at_all(rundir);
	too_many(rundir);
}
