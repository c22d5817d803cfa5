// SPDX-License-Identifier: Apache-2.0
/*
 * Memory, signals and children, the same for all subcommands.
 */
#include "parent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "util/cleanup.h"

int64_t sim_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

int parent_memory(uint64_t size)
{
	_cleanup_(close_fd) int fd = memfd_create("icbmsg-sim", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return take_fd(&fd);
	sim_fail_errno("shared memory");
	return -1;
}

void *parent_shared(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map != MAP_FAILED)
		return map;
	sim_fail_errno("shared memory");
	return NULL;
}

int parent_bell(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		sim_fail_errno("doorbells");
	return fd;
}

/* What nohup has had ignored stays so: a blocked signal would come through the descriptor. */
static void add_unless_ignored(sigset_t *set, int number)
{
	struct sigaction old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

int parent_signals(int also, sigset_t *before)
{
	const struct sigaction ends_only = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	add_unless_ignored(&set, SIGHUP);
	if (also)
		sigaddset(&set, also);
	sigaction(SIGCHLD, &ends_only, NULL);
	sigprocmask(SIG_BLOCK, &set, before);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		sim_fail_errno("signals");
	return fd;
}

void parent_become_core(pid_t parent, const sigset_t *mask)
{
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(SIM_ERROR);
	sigprocmask(SIG_SETMASK, mask, NULL);
}
