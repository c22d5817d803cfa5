// SPDX-License-Identifier: Apache-2.0
/*
 * Two cores as processes, and what their parent does meanwhile: it waits for signals and shows
 * progress. With --drop-doorbells it also sits between the two doorbell pairs: each core rings the
 * parent, which passes a ring on or loses it. libicbmsg writes to its eventfd itself, so this is
 * the only place where one can be lost without touching either side.
 */
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "util/cleanup.h"

#define PROGRESS_MS 200

struct watch {
	struct transfer *t;
	int signal_fd;
	int stop_fd;  /* the parent's end: closing it ends the cores */
	int done_fd;  /* rung by a core that has everything */
	int relay[2]; /* eventfds the cores ring if doorbells are to be lost, else -1 */
	unsigned int running;
	uint64_t random;
	double started;
	int status;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int fail_errno(const char *what)
{
	sim_say("%s: %s", what, strerror(errno));
	return SIM_ERROR;
}

static int make_memory(struct transfer *t)
{
	uint64_t size = geometry_memory_size(&t->options->geometry);

	t->memory_fd = memfd_create("icbmsg-sim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->memory_fd < 0 || ftruncate(t->memory_fd, (off_t)size) < 0 ||
	    fcntl(t->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return fail_errno("shared memory");
	t->status = mmap(NULL, 2 * sizeof(*t->status), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->status == MAP_FAILED) {
		t->status = NULL;
		return fail_errno("shared memory");
	}
	return SIM_OK;
}

/* A core waits on bell[side][0] and rings bell[side][1]: the other's, or the parent's. */
static int make_bells(struct watch *w)
{
	struct transfer *t = w->t;
	int side;

	for (side = 0; side < 2; side++) {
		t->bell[side][0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (t->options->drop > 0)
			w->relay[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (t->bell[side][0] < 0 || (t->options->drop > 0 && w->relay[side] < 0))
			return fail_errno("doorbells");
	}
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->done_fd < 0)
		return fail_errno("an eventfd");
	for (side = 0; side < 2; side++)
		t->bell[side][1] = w->relay[side] >= 0 ? w->relay[side] : t->bell[!side][0];
	return SIM_OK;
}

/* Signals are read, not handled; the cores get their own back. */
static int watch_signals(struct watch *w, sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, before);
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signal_fd < 0 ? fail_errno("signals") : SIM_OK;
}

static _Noreturn void be_core(struct watch *w, enum side side, int stop_fd, const sigset_t *mask,
			      pid_t parent)
{
	const struct transfer_options *o = w->t->options;
	struct core core = {
		.side = side,
		.geometry = &o->geometry,
		.endpoints = o->endpoints,
		.seed = o->seed,
		.rescue_ns = o->rescue_ns,
		.memory_fd = w->t->memory_fd,
		.bell_rx = w->t->bell[side][0],
		.bell_tx = w->t->bell[side][1],
		.stop_fd = stop_fd,
		.done_fd = w->done_fd,
		.send_fd = w->t->file[side].in_fd,
		.send_size = w->t->file[side].size,
		.receive_fd = w->t->file[!side].out_fd,
		.status = &w->t->status[side],
	};

	/* The parent decides what ^C means, and nobody survives it. */
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(SIM_ERROR);
	sigprocmask(SIG_SETMASK, mask, NULL);
	close_fd(&w->stop_fd);
	if (side == SIDE_A || o->both_lib)
		exit(core_lib_run(&core));
	exit(core_firmware_run(&core));
}

static int start_cores(struct watch *w, const sigset_t *mask)
{
	_cleanup_(close_fd) int stop_read = -1;
	pid_t parent = getpid();
	int ends[2], side;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_errno("a pipe");
	stop_read = ends[0];
	w->stop_fd = ends[1];
	fflush(NULL);
	for (side = 0; side < 2; side++) {
		w->t->pid[side] = fork();
		if (w->t->pid[side] < 0)
			return fail_errno("a core");
		if (w->t->pid[side] == 0)
			be_core(w, (enum side)side, stop_read, mask, parent);
		w->running++;
	}
	return SIM_OK;
}

static const char *core_name(const struct watch *w, int side)
{
	if (side == SIDE_A)
		return "core A (libicbmsg)";
	return w->t->options->both_lib ? "core B (libicbmsg)" : "core B (firmware)";
}

/* The first failure decides; what follows from it is not told. */
static void core_ended(struct watch *w, int side, int how)
{
	struct core_status *s = &w->t->status[side];

	w->t->pid[side] = -1;
	w->running--;
	if (w->status != SIM_OK || (WIFEXITED(how) && WEXITSTATUS(how) == 0))
		return;
	w->status = SIM_ERROR;
	if (WIFSIGNALED(how))
		sim_say("%s was killed by signal %d (%s); the transfer is not complete",
			core_name(w, side), WTERMSIG(how), strsignal(WTERMSIG(how)));
	else if (atomic_load(&s->state) == CORE_FAILED)
		sim_say("%s: %s", core_name(w, side), s->error);
	else
		sim_say("%s ended with status %d", core_name(w, side), WEXITSTATUS(how));
}

static void reap(struct watch *w)
{
	int side, how;

	for (side = 0; side < 2; side++)
		if (w->t->pid[side] > 0 && waitpid(w->t->pid[side], &how, WNOHANG) > 0)
			core_ended(w, side, how);
}

static void read_signals(struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(w);
		else if (w->status == SIM_OK)
			w->status = SIM_SIGNAL + (int)info.ssi_signo;
	}
}

static bool lose_one(struct watch *w)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(w->random >> 11) * 0x1p-53 < w->t->options->drop;
}

/* Pass on what @side rang, ring by ring. */
static void relay(struct watch *w, int side)
{
	struct transfer *t = w->t;
	eventfd_t rung, k, passed = 0;

	if (eventfd_read(w->relay[side], &rung) < 0)
		return;
	for (k = 0; k < rung; k++)
		passed += !lose_one(w);
	t->bells_relayed += rung;
	t->bells_dropped += rung - passed;
	if (passed > 0)
		eventfd_write(t->bell[!side][0], passed);
}

static bool both_done(const struct transfer *t)
{
	return atomic_load(&t->status[0].state) == CORE_DONE &&
	       atomic_load(&t->status[1].state) == CORE_DONE;
}

static void watch(struct watch *w)
{
	struct pollfd fds[] = {
		{ .fd = w->signal_fd, .events = POLLIN },
		{ .fd = w->relay[0], .events = POLLIN },
		{ .fd = w->relay[1], .events = POLLIN },
		{ .fd = w->done_fd, .events = POLLIN },
	};
	double next = w->started;
	eventfd_t count;

	while (w->status == SIM_OK && !both_done(w->t)) {
		if (poll(fds, 4, PROGRESS_MS) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			read_signals(w);
		if (fds[1].revents)
			relay(w, 0);
		if (fds[2].revents)
			relay(w, 1);
		eventfd_read(w->done_fd, &count);
		if (now() >= next) {
			transfer_progress(w->t, now() - w->started, false);
			next = now() + PROGRESS_MS * 1e-3;
		}
	}
}

/* After a success the cores end by themselves, otherwise they have to. */
static void end_cores(struct watch *w)
{
	int side, how;

	close_fd(&w->stop_fd);
	for (side = 0; side < 2; side++) {
		if (w->t->pid[side] <= 0)
			continue;
		if (w->status != SIM_OK)
			kill(w->t->pid[side], SIGKILL);
		while (waitpid(w->t->pid[side], &how, 0) < 0 && errno == EINTR)
			;
		core_ended(w, side, how);
	}
}

static void clean_up(struct watch *w)
{
	int side;

	close_fd(&w->signal_fd);
	close_fd(&w->done_fd);
	close_fd(&w->t->memory_fd);
	for (side = 0; side < 2; side++) {
		close_fd(&w->relay[side]);
		close_fd(&w->t->bell[side][0]);
	}
}

int transfer_run(struct transfer *t)
{
	struct watch w = {
		.t = t,
		.signal_fd = -1,
		.stop_fd = -1,
		.done_fd = -1,
		.relay = { -1, -1 },
		.random = t->options->seed,
		.started = now(),
	};
	sigset_t mask;

	w.status = make_memory(t);
	if (w.status == SIM_OK)
		w.status = make_bells(&w);
	if (w.status == SIM_OK)
		w.status = watch_signals(&w, &mask);
	if (w.status == SIM_OK)
		w.status = start_cores(&w, &mask);
	if (w.status == SIM_OK) {
		if (t->options->banner)
			sim_say("core A is process %d, core B is process %d", (int)t->pid[0],
				(int)t->pid[1]);
		watch(&w);
	}
	end_cores(&w);
	t->seconds = now() - w.started;
	transfer_progress(t, t->seconds, true);
	clean_up(&w);
	return w.status;
}
