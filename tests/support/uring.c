// SPDX-License-Identifier: Apache-2.0
/*
 * uring probe                whether this kernel lets programs use io_uring: status 0 or 77
 * uring forbid COMMAND...    run COMMAND where io_uring_setup(2) fails, as under a strict container
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int probe(void)
{
	struct io_uring_params params = { 0 };
	long fd = syscall(__NR_io_uring_setup, 1, &params);

	if (fd >= 0)
		return 0;
	fprintf(stderr, "uring: %s\n", strerror(errno));
	return 77;
}

static int forbid(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "probe") == 0)
		return probe();
	if (argc < 3 || strcmp(argv[1], "forbid") != 0) {
		fprintf(stderr, "usage: uring probe | uring forbid COMMAND...\n");
		return 2;
	}
	if (forbid() == 0)
		execvp(argv[2], argv + 2);
	fprintf(stderr, "uring: %s: %s\n", argv[2], strerror(errno));
	return 125;
}
