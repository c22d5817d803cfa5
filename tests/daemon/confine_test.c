// SPDX-License-Identifier: Apache-2.0
/*
 * What icbmsgd cannot do any more once it is confined, layer by layer, each in a child of its own:
 * there is no way back. A child ends with 0, or with the line that failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "confine.h"

#define CHECK(condition)                   \
	do {                               \
		if (!(condition))          \
			fail_at(__LINE__); \
	} while (0)

static void fail_at(int line)
{
	fprintf(stderr, "confine_test.c:%d: not so (%s)\n", line, strerror(errno));
	_exit(1);
}

static char folder[] = "/tmp/icbmsgd-confine-XXXXXX";
static int unavailable; /* in a child: the layer is not to be had here */

#define UNAVAILABLE 77

static void in_child(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		run();
		_exit(unavailable ? UNAVAILABLE : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNAVAILABLE)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool refused(long ret, int error)
{
	return ret == -1 && errno == error;
}

/* Sanitizers need some calls more. */
static bool sanitized(void)
{
	const char *value = getenv("ICBMSG_SANITIZE");

	return value && *value;
}

static void path_in(char out[64], const char *where, const char *name)
{
	snprintf(out, 64, "%s/%s", where, name);
}

/* ------------------------------------------------------------------------------------------------
 * System calls
 */

static void confine_calls_or_skip(void)
{
	int ret = confine_calls();

	unavailable = ret == -ENOSYS || ret == -EINVAL;
	CHECK(ret == 0 || unavailable);
}

static void call_what_is_forbidden(void)
{
	char name[] = "true", *arguments[] = { name, NULL };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit limit;

	confine_calls_or_skip();
	if (unavailable)
		return;
	CHECK(refused(execve("/bin/true", arguments, arguments + 1), EPERM));
	CHECK(refused(socket(AF_INET, SOCK_STREAM, 0), EPERM));
	CHECK(refused(socket(AF_NETLINK, SOCK_RAW, 0), EPERM));
	CHECK(sanitized() || refused(fork(), EPERM));
	CHECK(refused(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL), EPERM));
	CHECK(refused(syscall(SYS_bpf, 0, NULL, 0), EPERM));
	CHECK(refused(syscall(SYS_unshare, 0), EPERM));
	CHECK(refused(syscall(SYS_keyctl, 0), EPERM));
	CHECK(refused(syscall(SYS_init_module, NULL, 0, ""), EPERM));
	CHECK(refused(syscall(SYS_setuid, 0), EPERM));
	CHECK(refused(syscall(SYS_io_uring_setup, 8, NULL), EPERM));
	CHECK(refused(syscall(SYS_prlimit64, 1, RLIMIT_NOFILE, NULL, &limit), EPERM));
	/* What was written is not to be run. */
	CHECK(refused(mprotect(page, 4096, PROT_READ | PROT_EXEC), EPERM));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	      MAP_FAILED);
	/* Once filtered, always filtered. */
	CHECK(refused(syscall(SYS_seccomp, 0, 0, NULL), EPERM));
}

static void call_what_is_needed(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char buffer[8];
	int fds[2], fd;

	confine_calls_or_skip();
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	CHECK(send(fds[0], "x", 1, MSG_NOSIGNAL) == 1 && recv(fds[1], buffer, 8, 0) == 1);
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && ftruncate(fd, 4096) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHECK(epoll_create1(EPOLL_CLOEXEC) >= 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	path_in(name.sun_path, folder, "socket");
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(fd, 1) == 0);
	CHECK(chmod(name.sun_path, 0600) == 0 && unlink(name.sun_path) == 0);
}

static void forbidden_calls_fail(void **state)
{
	(void)state;
	in_child(call_what_is_forbidden);
}

static void needed_calls_work(void **state)
{
	(void)state;
	in_child(call_what_is_needed);
}

static void abort_now(void)
{
	signal(SIGABRT, SIG_DFL);
	confine_calls_or_skip();
	abort();
}

static void a_crash_still_is_one(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		abort_now();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ------------------------------------------------------------------------------------------------
 * Files
 */

static void reach_files(void)
{
	struct confine_path paths[] = {
		{ "/proc", CONFINE_READ },
		{ folder, CONFINE_MAKE },
		{ "/dev/null", CONFINE_WRITE },
		{ "/nowhere/at/all", CONFINE_MAKE },
	};
	char inside[64], outside[64];
	int ret = confine_files(paths, sizeof(paths) / sizeof(*paths));

	unavailable = ret == -ENOSYS || ret == -EOPNOTSUPP;
	if (unavailable)
		return;
	CHECK(ret == 0);
	path_in(inside, folder, "file");
	path_in(outside, "/tmp", "icbmsgd-confine-outside");
	CHECK(open(inside, O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
	CHECK(unlink(inside) == 0);
	CHECK(open("/proc/self/status", O_RDONLY | O_CLOEXEC) >= 0);
	CHECK(open("/dev/null", O_RDWR | O_CLOEXEC) >= 0);
	CHECK(refused(open(outside, O_RDWR | O_CREAT | O_CLOEXEC, 0600), EACCES));
	CHECK(refused(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES));
	CHECK(refused(open("/proc/self/comm", O_RDWR | O_CLOEXEC), EACCES));
	CHECK(refused(mkdir("/tmp/icbmsgd-confine-outside", 0700), EACCES));
	CHECK(refused(mkfifo(inside, 0600), EACCES));
	CHECK(refused(symlink("/etc", inside), EACCES));
}

static void other_files_are_out_of_reach(void **state)
{
	(void)state;
	in_child(reach_files);
}

/* ------------------------------------------------------------------------------------------------
 * Capabilities and new privileges
 */

/* The line of /proc/self/status that begins with @name, as a hexadecimal number. */
static uint64_t status_mask(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
	uint64_t value = UINT64_MAX;
	char line[128];

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 16);
	fclose(file);
	return value;
}

static void drop_all(void)
{
	CHECK(confine_capabilities(0) == 0);
	CHECK(status_mask("CapEff:") == 0);
	CHECK(status_mask("CapPrm:") == 0);
	CHECK(status_mask("CapInh:") == 0);
	CHECK(status_mask("CapBnd:") == 0 || geteuid() != 0);
	CHECK(confine_capabilities(0) == 0); /* nothing more to drop is no error */
}

static void drop_all_but_one(void)
{
	uint64_t kept = UINT64_C(1) << CAP_NET_ADMIN, had = status_mask("CapPrm:");

	CHECK(confine_capabilities(kept) == 0);
	CHECK(status_mask("CapPrm:") == (kept & had));
	CHECK(status_mask("CapEff:") == (kept & had));
	CHECK(status_mask("CapInh:") == 0);
}

static void capabilities_are_dropped(void **state)
{
	(void)state;
	in_child(drop_all);
	in_child(drop_all_but_one);
}

static void gain_nothing(void)
{
	CHECK(confine_privileges() == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void no_privileges_come_back(void **state)
{
	(void)state;
	in_child(gain_nothing);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forbidden_calls_fail),
		cmocka_unit_test(needed_calls_work),
		cmocka_unit_test(a_crash_still_is_one),
		cmocka_unit_test(other_files_are_out_of_reach),
		cmocka_unit_test(capabilities_are_dropped),
		cmocka_unit_test(no_privileges_come_back),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
