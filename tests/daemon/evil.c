// SPDX-License-Identifier: Apache-2.0
/*
 * See evil.h: the processes.
 */
#include "evil.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void run(const char *mode, const char *rundir, unsigned int endpoint, uint32_t seed)
{
	char name[16], number[16];

	snprintf(name, sizeof(name), "evil%u", endpoint);
	snprintf(number, sizeof(number), "%u", seed);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl("/proc/self/exe", "evil", "evil", mode, rundir, name, number, (char *)NULL);
	_exit(127);
}

static bool report_of(const struct evil *e)
{
	char byte;
	ssize_t n;

	do
		n = read(e->report, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

struct evil evil_start(const char *mode, const char *rundir, unsigned int endpoint, uint32_t seed)
{
	struct evil e;
	int report[2];

	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	e.pid = fork();
	assert_true(e.pid >= 0);
	if (e.pid == 0) {
		if (dup2(report[1], STDOUT_FILENO) < 0)
			_exit(126);
		run(mode, rundir, endpoint, seed);
	}
	close(report[1]);
	e.report = report[0];
	if (!report_of(&e))
		fail_msg("the client %s did not get as far as doing harm", mode);
	return e;
}

void evil_await(struct evil *e)
{
	/* False: the daemon has put it out, and that was the end of it. */
	(void)report_of(e);
}

void evil_kill(struct evil *e)
{
	int status;

	kill(e->pid, SIGKILL);
	assert_int_equal(waitpid(e->pid, &status, 0), e->pid);
	close(e->report);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGKILL);
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}
