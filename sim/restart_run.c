// SPDX-License-Identifier: Apache-2.0
/*
 * The parent of `icbmsg-sim restart-loop`: it starts and kills the cores, relays or loses their
 * doorbells, and writes into their memory if that is wanted. One thread, and the memory and the
 * doorbells are its own, so that they outlive every core.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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
#include "restart.h"
#include "util/cleanup.h"

#define SECOND INT64_C(1000000000)

/* Writes that are made up for at once when the parent was late. */
#define CORRUPT_BURST 100

int64_t restart_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

uint64_t restart_random(struct restart_run *r, uint64_t below)
{
	r->random = r->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return below ? (r->random >> 11) % below : 0;
}

static bool chance(struct restart_run *r, double share)
{
	return (double)restart_random(r, UINT64_C(1) << 53) * 0x1p-53 < share;
}

/* The first failure decides. */
void restart_failed(struct restart_run *r, const char *format, ...)
{
	char text[2 * STREAM_ERROR_SIZE];
	va_list ap;

	if (r->status != SIM_OK)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	r->status = SIM_ERROR;
	sim_say("restart %llu (seed %llu): %s", (unsigned long long)r->result.done + 1,
		(unsigned long long)r->options->seed, text);
}

static int fail_errno(const char *what)
{
	sim_say("%s: %s", what, strerror(errno));
	return SIM_ERROR;
}

static int open_memory(struct restart_run *r)
{
	const struct geometry *g = &r->options->geometry;
	uint64_t size = geometry_memory_size(g);
	char error[LAYOUT_ERROR_SIZE];

	r->memory_fd = memfd_create("icbmsg-sim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (r->memory_fd < 0 || ftruncate(r->memory_fd, (off_t)size) < 0 ||
	    fcntl(r->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return fail_errno("shared memory");
	r->shared = mmap(NULL, sizeof(*r->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->shared == MAP_FAILED) {
		r->shared = NULL;
		return fail_errno("shared memory");
	}
	if (r->options->corrupt == 0)
		return SIM_OK;
	r->corrupt.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory_fd, 0);
	if (r->corrupt.map == MAP_FAILED) {
		r->corrupt.map = NULL;
		return fail_errno("shared memory");
	}
	geometry_layout(g, SIDE_A, &r->corrupt.region[0], &r->corrupt.region[1], error);
	return SIM_OK;
}

static int open_bells(struct restart_run *r)
{
	int side;

	for (side = 0; side < 2; side++) {
		r->bell[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->options->drop > 0)
			r->relay[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->bell[side] < 0 || (r->options->drop > 0 && r->relay[side] < 0))
			return fail_errno("doorbells");
	}
	r->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->done_fd < 0 || pipe2(r->stop, O_CLOEXEC) < 0)
		return fail_errno("descriptors");
	return SIM_OK;
}

/* Signals are read, not handled. */
static int open_signals(struct restart_run *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? fail_errno("signals") : SIM_OK;
}

int restart_open(struct restart_run *r)
{
	int status = open_memory(r);

	if (status == SIM_OK)
		status = open_bells(r);
	return status == SIM_OK ? open_signals(r) : status;
}

void restart_close(struct restart_run *r)
{
	int *fds[] = { &r->memory_fd, &r->signal_fd, &r->done_fd,  &r->stop[0], &r->stop[1],
		       &r->bell[0],   &r->bell[1],   &r->relay[0], &r->relay[1] };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close_fd(fds[i]);
	if (r->corrupt.map)
		munmap(r->corrupt.map, geometry_memory_size(&r->options->geometry));
}

/* ------------------------------------------------------------------------------------------------
 * Cores
 */

static _Noreturn void be_core(struct restart_run *r, enum side side, pid_t parent)
{
	const struct restart_options *o = r->options;
	struct restart_core rc = {
		.core = {
			.side = side,
			.geometry = &o->geometry,
			.peer_is_library = o->both_lib,
			.endpoints = o->endpoints,
			.seed = o->seed,
			.rescue_ns = o->rescue_ns,
			.memory_fd = r->memory_fd,
			.bell_rx = r->bell[side],
			.bell_tx = r->relay[side] >= 0 ? r->relay[side] : r->bell[!side],
			.stop_fd = r->stop[0],
			.done_fd = r->done_fd,
			.send_fd = -1,
			.receive_fd = -1,
			.status = &r->shared->status[side],
		},
		.shared = r->shared,
		.process = r->process[side],
		.forget = o->forget,
		.corrupted = o->corrupt > 0,
	};
	sigset_t none;

	signal(SIGINT, SIG_IGN); /* the parent decides what ^C means, and nobody survives it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(SIM_ERROR);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_fd(&r->stop[1]);
	exit(side == SIDE_A || o->both_lib ? restart_lib_run(&rc) : restart_firmware_run(&rc));
}

int restart_start(struct restart_run *r, enum side side)
{
	pid_t parent = getpid();

	fflush(NULL);
	r->process[side] = ++r->processes;
	atomic_store(&r->shared->quiet[side], false);
	if (side == SIDE_B)
		atomic_store(&r->shared->errors, 0);
	r->started[side] = restart_now();
	r->pid[side] = fork();
	if (r->pid[side] == 0)
		be_core(r, side, parent);
	if (r->pid[side] > 0)
		return SIM_OK;
	r->status = fail_errno("a core");
	return r->status;
}

static const char *core_name(const struct restart_run *r, int side)
{
	if (side == SIDE_A)
		return "core A (libicbmsg)";
	return r->options->both_lib ? "core B (libicbmsg)" : "core B (firmware)";
}

static void core_ended(struct restart_run *r, int side, int how)
{
	const struct core_status *s = &r->shared->status[side];

	r->pid[side] = -1;
	if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
		return;
	if (atomic_load(&s->state) == CORE_FAILED)
		restart_failed(r, "%s: %s", core_name(r, side), s->error);
	else if (WIFSIGNALED(how))
		restart_failed(r, "%s was killed by signal %d (%s)", core_name(r, side),
			       WTERMSIG(how), strsignal(WTERMSIG(how)));
	else
		restart_failed(r, "%s ended with status %d", core_name(r, side), WEXITSTATUS(how));
}

/* One start's errors: a second magic costs one line at most (protocol.md section 3). */
static void count_errors(struct restart_run *r)
{
	uint64_t errors = atomic_load(&r->shared->errors);

	r->result.errors += errors;
	if (errors > r->result.errors_max)
		r->result.errors_max = errors;
	if (errors > 1 && r->options->corrupt == 0)
		restart_failed(r, "the firmware met %llu messages that it logs as errors",
			       (unsigned long long)errors);
}

static void await_end(struct restart_run *r, enum side side, int *how)
{
	while (waitpid(r->pid[side], how, 0) < 0 && errno == EINTR)
		;
	if (side == SIDE_B && !r->options->both_lib)
		count_errors(r);
}

void restart_kill(struct restart_run *r, enum side side)
{
	int how = 0;

	if (r->pid[side] <= 0)
		return;
	kill(r->pid[side], SIGKILL);
	await_end(r, side, &how);
	r->result.killed++;
	if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL)
		r->pid[side] = -1;
	else
		core_ended(r, side, how); /* it had found something wrong before */
}

void restart_end(struct restart_run *r)
{
	int side, how;

	close_fd(&r->stop[1]);
	for (side = 0; side < 2; side++) {
		if (r->pid[side] <= 0)
			continue;
		if (r->status != SIM_OK)
			kill(r->pid[side], SIGKILL);
		await_end(r, (enum side)side, &how);
		core_ended(r, side, how);
	}
}

/* ------------------------------------------------------------------------------------------------
 * Watching
 */

static void reap(struct restart_run *r)
{
	int side, how;

	for (side = 0; side < 2; side++)
		if (r->pid[side] > 0 && waitpid(r->pid[side], &how, WNOHANG) > 0) {
			core_ended(r, side, how);
			restart_failed(r, "%s ended by itself", core_name(r, side));
		}
}

static void read_signals(struct restart_run *r)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(r);
		else if (r->status == SIM_OK)
			r->status = SIM_SIGNAL + (int)info.ssi_signo;
	}
}

/* Pass on what @side rang, ring by ring. */
static void relay(struct restart_run *r, int side)
{
	eventfd_t rung, k, passed = 0;

	if (r->relay[side] < 0 || eventfd_read(r->relay[side], &rung) < 0)
		return;
	for (k = 0; k < rung; k++)
		passed += !chance(r, r->options->drop);
	r->result.bells_relayed += rung;
	r->result.bells_dropped += rung - passed;
	if (passed > 0)
		eventfd_write(r->bell[!side], passed);
}

static void corrupt_some(struct restart_run *r, int64_t now)
{
	int64_t step = SECOND / (int64_t)r->options->corrupt;

	if (r->corrupt_at < now - CORRUPT_BURST * step)
		r->corrupt_at = now - CORRUPT_BURST * step;
	for (; r->corrupt_at <= now; r->corrupt_at += step)
		corrupt_once(&r->corrupt);
}

/* Until @until, or until the next write is due: at least 100 us, so that the cores get to run. */
static int sleep_until(struct restart_run *r, struct pollfd *fds, nfds_t count, int64_t until)
{
	int64_t left = until - restart_now();
	struct timespec ts;

	if (r->corrupting && r->corrupt_at - restart_now() < left)
		left = r->corrupt_at - restart_now();
	if (left < (r->corrupting ? 100000 : 0))
		left = r->corrupting ? 100000 : 0;
	ts = (struct timespec){ .tv_sec = left / SECOND, .tv_nsec = left % SECOND };
	return ppoll(fds, count, &ts, NULL);
}

bool restart_watch(struct restart_run *r, bool (*done)(const struct restart_run *r), int64_t until)
{
	struct pollfd fds[] = {
		{ .fd = r->signal_fd, .events = POLLIN },
		{ .fd = r->done_fd, .events = POLLIN },
		{ .fd = r->relay[0], .events = POLLIN },
		{ .fd = r->relay[1], .events = POLLIN },
	};
	eventfd_t count;

	for (;;) {
		read_signals(r);
		eventfd_read(r->done_fd, &count);
		relay(r, 0);
		relay(r, 1);
		if (r->corrupting)
			corrupt_some(r, restart_now());
		if (r->status != SIM_OK)
			return false;
		if (done && done(r))
			return true;
		if (restart_now() >= until)
			return false;
		if (sleep_until(r, fds, sizeof(fds) / sizeof(fds[0]), until) < 0 &&
		    errno != EINTR) {
			r->status = fail_errno("waiting");
			return false;
		}
	}
}
