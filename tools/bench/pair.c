// SPDX-License-Identifier: Apache-2.0
/*
 * Two processes on two CPUs. A measurement whose processes share a CPU, or wander, says more about
 * the scheduler than about the link.
 */
#include "bench/pair.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/tool.h"

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		tool_fail(TOOL_ERROR, "cannot pin a process to CPU %d: %s; try --no-pin", cpu,
			  strerror(errno));
}

void pair_choose_cpus(struct bench_settings *s)
{
	cpu_set_t set;
	int found = 0;

	s->cpu[0] = s->cpu[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		tool_fail(TOOL_ERROR, "cannot find out which CPUs may be used: %s",
			  strerror(errno));
	s->one_cpu = CPU_COUNT(&set) < 2;
	if (s->one_cpu || !s->pin)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET((size_t)cpu, &set))
			s->cpu[found++] = cpu;
	pin(s->cpu[0]);
}

pid_t pair_start(const struct bench_settings *s, void (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		tool_fail(TOOL_ERROR, "fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(TOOL_ERROR);
	pin(s->cpu[1]);
	fn(arg);
	_exit(TOOL_OK);
}

void pair_finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			tool_fail(TOOL_ERROR, "waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		tool_fail(TOOL_ERROR, "the other process was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != TOOL_OK)
		exit(TOOL_ERROR); /* it has said why */
}

void pair_fail(pid_t pid, const char *what)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) == pid && WIFEXITED(status) &&
	    WEXITSTATUS(status) != TOOL_OK)
		exit(TOOL_ERROR); /* it has said why */
	kill(pid, SIGKILL);
	tool_fail(TOOL_ERROR, "%s", what);
}

void *pair_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tool_fail(TOOL_ERROR, "mapping %zu bytes: %s", size, strerror(errno));
	return p;
}

void pair_memory_free(void *memory, size_t size)
{
	munmap(memory, size);
}
