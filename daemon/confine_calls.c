// SPDX-License-Identifier: Apache-2.0
/*
 * The filter of system calls. Calls that are not listed fail with EPERM, so that what was forgotten
 * shows up as an error with a name and not as a death; the kernel's audit log has each.
 */
#include "confine.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* clang-format off */
static const char *const allowed[] = {
	/* Descriptors and what comes out of them. */
	"read", "readv", "pread64", "preadv2", "recvfrom", "recvmsg", "recv", "recvmmsg",
	"write", "writev", "pwrite64", "pwritev2", "sendto", "sendmsg", "send", "sendmmsg",
	"close", "fcntl", "fcntl64", "dup", "dup3", "lseek", "_llseek", "flock",
	/* Waiting. */
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"poll", "ppoll", "ppoll_time64", "select", "pselect6", "eventfd2", "pipe2",
	"timerfd_create", "timerfd_settime", "timerfd_settime64", "timerfd_gettime", "signalfd4",
	"io_uring_enter",
	/* Unix sockets; socket() is below. */
	"bind", "listen", "accept", "accept4", "connect", "shutdown",
	"getsockopt", "setsockopt", "getsockname", "getpeername",
	/* Files: configuration, the rundir, memory of links and clients. */
	"open", "openat", "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "fstatat64",
	"newfstatat", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "getdents64",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2",
	"chmod", "fchmod", "fchmodat",
	"chown", "chown32", "lchown", "fchown", "fchown32", "fchownat", "umask",
	"memfd_create", "ftruncate", "ftruncate64", "fallocate",
	/* Memory; mmap() and mprotect() are below. */
	"munmap", "mremap", "madvise", "msync", "brk",
	/* Itself. */
	"getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups",
	"getuid32", "geteuid32", "getgid32", "getegid32", "getgroups32", "getresuid", "getresgid",
	"getrlimit", "ugetrlimit", "setrlimit", "getrusage", "sysinfo", "uname", "getrandom",
	"clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time",
	"nanosleep", "clock_nanosleep", "clock_nanosleep_time64",
	"sched_yield", "sched_getaffinity", "getcpu",
	"futex", "futex_time64", "set_robust_list", "rseq", "membarrier",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait",
	"sigaltstack", "restart_syscall", "exit", "exit_group",
#ifdef SANITIZED
	/* The sanitizers' own: a thread that looks for leaks in a process that it stops. */
	"clone", "clone3", "wait4", "ptrace", "prctl", "arch_prctl", "kill", "tkill",
	"getdents", "process_vm_readv", "set_tid_address", "personality", "sched_getparam",
#endif
};
/* clang-format on */

static int allow(scmp_filter_ctx filter, const char *name)
{
	int call = seccomp_syscall_resolve_name(name);

	/* Below 0: not a call of this architecture. */
	return call < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

/* Memory that was written is never run. */
static int allow_no_execution(scmp_filter_ctx filter, int call)
{
	if (call < 0)
		return 0;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

static int allow_first(scmp_filter_ctx filter, int call, uint64_t value)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, value, 0));
}

static int allow_ioctl(scmp_filter_ctx filter, uint32_t request)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				SCMP_A1_32(SCMP_CMP_EQ, request, 0));
}

static int allow_some_arguments(scmp_filter_ctx filter)
{
	int ret = allow_first(filter, SCMP_SYS(socket), AF_UNIX);

	if (ret == 0)
		ret = allow_first(filter, SCMP_SYS(socketpair), AF_UNIX);
	if (ret == 0)
		ret = allow_first(filter, SCMP_SYS(prlimit64), 0); /* its own limits */
	if (ret == 0)
		ret = allow_first(filter, SCMP_SYS(tgkill), (uint64_t)getpid()); /* abort() */
	if (ret == 0)
		ret = allow_no_execution(filter, SCMP_SYS(mmap));
	if (ret == 0)
		ret = allow_no_execution(filter, SCMP_SYS(mmap2));
	if (ret == 0)
		ret = allow_no_execution(filter, SCMP_SYS(mprotect));
	if (ret == 0)
		ret = allow_ioctl(filter, TCGETS);
	if (ret == 0)
		ret = allow_ioctl(filter, FIONREAD);
	if (ret == 0)
		ret = allow_ioctl(filter, FIONBIO);
	return ret;
}

int confine_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int ret = filter ? 0 : -ENOMEM;

	/* The library may not know its kernel: only the names of the message differ then. */
	if (ret == 0)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (ret == 0)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t n = 0; ret == 0 && n < sizeof(allowed) / sizeof(*allowed); n++)
		ret = allow(filter, allowed[n]);
	if (ret == 0)
		ret = allow_some_arguments(filter);
	if (ret == 0)
		ret = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return ret;
}
