// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsg_connect() against everything that may listen at a path, or not: it ends with an error that
 * says what is wrong, leaves no descriptor behind, and takes no memory that could hurt.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"
#include "fake_daemon.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct fake f;
static unsigned int fds;

/* Of the thread that connects: it sends its hello when the daemon has hung up already. */
static __thread bool comes_late;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct pollfd hangup = { .fd = fd };

	if (comes_late)
		poll(&hangup, 1, -1);
	return __real_sendmsg(fd, msg, flags);
}

static int setup(void **state)
{
	(void)state;
	fds = count_fds();
	fake_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&f);
	assert_int_equal(count_fds(), fds);
	return 0;
}

static void assert_fails(const char *target, int ret, const char *text)
{
	struct icbmsg *link = (void *)&f;
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	assert_int_equal(icbmsg_connect(&link, cfg, target), ret);
	if (!strstr(icbmsg_config_error(cfg), text))
		fail_msg("\"%s\" lacks \"%s\"", icbmsg_config_error(cfg), text);
	assert_ptr_equal(link, &f);
	icbmsg_config_free(cfg);
}

/* Connect to a daemon that does @instead. */
static void assert_fails_with(bool (*instead)(struct fake *, int), int ret, const char *text)
{
	f.instead = instead;
	fake_start(&f);
	assert_fails(f.path, ret, text);
	fake_stop(&f);
}

/* ------------------------------------------------------------------------------------------------
 * No daemon
 */

static void nobody_is_there(void **state)
{
	char path[200];

	(void)state;
	assert_fails(f.path, -ENOENT, "no daemon is there; start icbmsgd");
	fake_start(&f);
	fake_stop(&f);
	assert_fails(f.path, -ECONNREFUSED, "nobody listens there any more");
	unlink(f.path);
	snprintf(path, sizeof(path), "%s/control", f.folder);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_fails(f.path, -ENOENT, "icbmsgd has no such instance; 'icbmsgctl list'");
	unlink(path);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_fails(path, -ENAMETOOLONG, "too long for a socket");
	assert_fails("", -EINVAL, "no instance is named");
	assert_fails(NULL, -EINVAL, "no instance is named");
	assert_fails("no-such-instance", -ENOENT, "/no-such-instance.sock: ");
}

static void another_kind_of_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	strcpy(address.sun_path, f.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_fails(f.path, -EPROTOTYPE, "another kind of socket; name that of an instance");
	close(fd);
}

/* As somebody who is in no group, if root may become that. */
static void assert_denied(const char *text)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setegid(65534), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_fails(f.path, -EACCES, text);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
}

static void permission_is_denied(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f.folder, 0711), 0);
	fake_start(&f);
	assert_int_equal(chmod(f.path, 0660), 0);
	assert_denied("board.sock is for its owner and the group root; become a member");
	assert_int_equal(chmod(f.folder, 0700), 0);
	assert_denied(" is for its owner and the group root; become a member");
	fake_stop(&f);
}

/* ------------------------------------------------------------------------------------------------
 * Refusals
 */

static void refuse(int fd, int error, uint8_t min, uint8_t max, const char *text)
{
	struct client_refusal r = {
		.type = CLIENT_REFUSAL, .version_min = min, .version_max = max, .error = error
	};
	char packet[CLIENT_PACKET_MAX];
	int n;

	memcpy(packet, &r, sizeof(r));
	n = snprintf(packet + sizeof(r), sizeof(packet) - sizeof(r), "%s", text);
	fake_send(fd, packet, sizeof(r) + (size_t)n, -1);
}

/* The hello is not read: the last words lie behind a reset. */
static bool is_full(struct fake *d, int fd)
{
	(void)d;
	refuse(fd, -EBUSY, 1, 1, "there are 4096 clients already");
	return true;
}

static void take_hello(int fd)
{
	char hello[CLIENT_PACKET_MAX];

	(void)!recv(fd, hello, sizeof(hello), 0);
}

static bool is_newer(struct fake *d, int fd)
{
	(void)d;
	take_hello(fd);
	refuse(fd, -EPROTONOSUPPORT, 2, 3, "your libicbmsg is too old");
	return true;
}

static bool is_older(struct fake *d, int fd)
{
	(void)d;
	take_hello(fd);
	refuse(fd, -EPROTONOSUPPORT, 0, 0, "");
	return true;
}

static bool says_odd_things(struct fake *d, int fd)
{
	(void)d;
	take_hello(fd);
	refuse(fd, -EACCES, 1, 1, "not\n\033[31mfor you");
	return true;
}

static bool refuses_with_success(struct fake *d, int fd)
{
	(void)d;
	take_hello(fd);
	refuse(fd, 0, 1, 1, "");
	return true;
}

static void assert_fails_late_with(bool (*instead)(struct fake *, int), int ret, const char *text)
{
	comes_late = true;
	assert_fails_with(instead, ret, text);
	comes_late = false;
}

static void refusals(void **state)
{
	(void)state;
	assert_fails_late_with(is_full, -EBUSY, "there are 4096 clients already");
	assert_fails_with(is_full, -EBUSY, "refuses this program: there are 4096 clients already");
	assert_fails_with(is_newer, -EPROTONOSUPPORT,
			  "too old (it speaks versions 2 to 3 of the client protocol, this "
			  "libicbmsg 1 to 1: update the older one)");
	assert_fails_with(is_older, -EPROTONOSUPPORT, "versions 0 to 0");
	assert_fails_with(says_odd_things, -EACCES, "not??[31mfor you");
	assert_fails_with(refuses_with_success, -EPROTO, "does not speak the client protocol");
}

/* ------------------------------------------------------------------------------------------------
 * Ends and silence
 */

static bool hangs_up(struct fake *d, int fd)
{
	(void)d;
	(void)fd;
	return true;
}

static bool hangs_up_politely(struct fake *d, int fd)
{
	(void)d;
	take_hello(fd);
	return true;
}

static void end_of_file(void **state)
{
	(void)state;
	assert_fails_with(hangs_up, -ECONNRESET, "closed without an answer");
	assert_fails_late_with(hangs_up, -ECONNRESET, "closed without an answer");
	assert_fails_with(hangs_up_politely, -ECONNRESET, "closed without an answer");
}

static int silent_client = -1;

/* It rings, even, and says nothing. */
static bool keeps_silent(struct fake *d, int fd)
{
	(void)d;
	fake_send(fd, "", 1, -1);
	silent_client = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return true;
}

static void no_answer_comes(void **state)
{
	int64_t start = ends_now();

	(void)state;
	assert_fails_with(keeps_silent, -ETIMEDOUT, "does not answer");
	assert_true(ends_now() - start >= 5 * SECOND);
	close(silent_client);
}

/* ------------------------------------------------------------------------------------------------
 * Wrong answers: one thing in a welcome at a time
 */

static const struct {
	const char *what;
	const char *text;
} wrongs[] = {
	{ "empty packet", "closed without an answer" },
	{ "unknown type", "does not speak" },
	{ "two bytes of ring", "does not speak" },
	{ "short refusal", "does not speak" },
	{ "short welcome", "does not speak" },
	{ "version 0", "does not speak" },
	{ "version 2", "does not speak" },
	{ "long packet", "does not speak" },
	{ "no memory", "does not speak" },
	{ "region of nothing", "does not speak" },
	{ "region outside", "does not speak" },
	{ "region far outside", "does not speak" },
	{ "overlap", "overlaps tx-region" },
	{ "no blocks", "tx-blocks" },
	{ "too many blocks", "rx-blocks" },
	{ "blocks too small", "blocks" },
	{ "wrong way round", "lie the wrong way round" },
	{ "unsealed", "not sealed" },
	{ "not sealed against shrinking", "not sealed" },
	{ "sealed against writing", "sealed against writing" },
	{ "larger than told", "has 65536 bytes" },
	{ "smaller than told", "has 4096 bytes" },
	{ "not a memfd", "not sealed" },
	{ "read-only", "open for reading only" },
	{ NULL, NULL },
};
static int wrong;

static bool is_wrong(const char *what)
{
	return strcmp(wrongs[wrong].what, what) == 0;
}

static void spoil_regions(struct client_welcome *w)
{
	struct client_region swap = w->to_daemon;

	if (is_wrong("region of nothing"))
		w->to_client.size = 0;
	else if (is_wrong("region outside"))
		w->to_client.size++;
	else if (is_wrong("region far outside"))
		w->to_daemon.offset = UINT64_MAX;
	else if (is_wrong("overlap"))
		w->to_client.offset -= 64;
	else if (is_wrong("no blocks"))
		w->to_daemon.blocks = 0;
	else if (is_wrong("too many blocks"))
		w->to_client.blocks = 257;
	else if (is_wrong("blocks too small"))
		w->to_client.size = 600;
	else if (is_wrong("wrong way round")) {
		w->to_daemon = w->to_client;
		w->to_client = swap;
	}
}

static int spoil_memory(struct client_welcome *w)
{
	char path[64];
	int fd, again;

	if (is_wrong("no memory"))
		return -1;
	if (is_wrong("unsealed"))
		return fake_make_memory(w->size, 0);
	if (is_wrong("not sealed against shrinking"))
		return fake_make_memory(w->size, F_SEAL_GROW | F_SEAL_SEAL);
	if (is_wrong("sealed against writing"))
		return fake_make_memory(w->size, SEALS | F_SEAL_WRITE);
	if (is_wrong("larger than told"))
		return fake_make_memory(65536, SEALS);
	if (is_wrong("smaller than told"))
		return fake_make_memory(4096, SEALS);
	if (is_wrong("not a memfd"))
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	fd = fake_make_memory(w->size, SEALS);
	if (!is_wrong("read-only"))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return again;
}

static bool answers_wrongly(struct fake *d, int fd)
{
	struct client_welcome w = fake_welcome(d);
	uint8_t packet[CLIENT_PACKET_MAX + 1] = { 0 };
	size_t size = sizeof(w);
	int memory;

	take_hello(fd);
	spoil_regions(&w);
	memory = spoil_memory(&w);
	if (is_wrong("version 0"))
		w.version = 0;
	if (is_wrong("version 2"))
		w.version = 2;
	memcpy(packet, &w, sizeof(w));
	if (is_wrong("empty packet"))
		size = 0;
	if (is_wrong("unknown type"))
		packet[0] = 99;
	if (is_wrong("two bytes of ring"))
		packet[0] = CLIENT_RING, size = 2;
	if (is_wrong("short refusal"))
		packet[0] = CLIENT_REFUSAL, size = 7;
	if (is_wrong("short welcome"))
		size = sizeof(w) - 1;
	if (is_wrong("long packet"))
		size = sizeof(packet);
	fake_send(fd, packet, size, memory);
	if (memory >= 0)
		close(memory);
	return true;
}

static void wrong_answers(void **state)
{
	struct icbmsg *link = NULL;
	struct icbmsg_config *cfg;

	(void)state;
	f.instead = answers_wrongly;
	fake_start(&f);
	assert_int_equal(icbmsg_config_new(&cfg), 0);
	for (wrong = 0; wrongs[wrong].what; wrong++) {
		int ret = icbmsg_connect(&link, cfg, f.path);
		const char *text = icbmsg_config_error(cfg);

		if (ret >= 0 || !strstr(text, wrongs[wrong].text) || !strstr(text, f.path))
			fail_msg("%s: %d, \"%s\"", wrongs[wrong].what, ret, text);
	}
	icbmsg_config_free(cfg);
	fake_stop(&f);
}

/* ------------------------------------------------------------------------------------------------
 * What is right all the same
 */

/* A later version's welcome of this version: longer, and behind doorbells. */
static bool welcomes_at_length(struct fake *d, int fd)
{
	struct client_welcome w = fake_welcome(d);
	uint8_t packet[sizeof(w) + 40];
	int memory = fake_make_memory(w.size, SEALS);

	take_hello(fd);
	for (int n = 0; n < 3; n++)
		fake_send(fd, "", 1, -1);
	memset(packet, 0xee, sizeof(packet));
	memcpy(packet, &w, sizeof(w));
	fake_send(fd, packet, sizeof(packet), memory);
	close(memory);
	return true;
}

static void longer_answers_are_understood(void **state)
{
	struct icbmsg_config *cfg;
	struct icbmsg *link;

	(void)state;
	f.instead = welcomes_at_length;
	fake_start(&f);
	assert_int_equal(icbmsg_config_new(&cfg), 0);
	if (icbmsg_connect(&link, cfg, f.path) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	assert_int_equal(icbmsg_close(link), 0);
	fake_stop(&f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nobody_is_there),      T(another_kind_of_socket),
		T(permission_is_denied), T(refusals),
		T(end_of_file),          T(no_answer_comes),
		T(wrong_answers),        T(longer_answers_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
