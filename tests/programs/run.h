/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a program many times from a C test, where one shell per run would take too long.
 */
#ifndef ICBMSG_TESTS_PROGRAMS_RUN_H
#define ICBMSG_TESTS_PROGRAMS_RUN_H

#include "unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_OUTPUT_SIZE 262144u

struct run {
	int status; /* exit status, 128 + signal */
	char out[RUN_OUTPUT_SIZE];
	char err[4096];
};

static inline void run_read(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	if (n == size - 1)
		fail_msg("a program printed more than %zu bytes", size - 1);
	close(fd);
}

/*
 * Run $ICBMSG_BIN_DIR/@argv[0]. Descriptors without close-on-exec are inherited. Its error output
 * must fit into a pipe.
 */
static inline void run_program(struct run *r, const char *const argv[])
{
	char path[4096];
	int out[2], err[2], status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", getenv("ICBMSG_BIN_DIR"), argv[0]);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		for (int i = 0; i < 2; i++) {
			close(out[i]);
			close(err[i]);
		}
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	run_read(out[0], r->out, sizeof(r->out));
	run_read(err[0], r->err, sizeof(r->err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
