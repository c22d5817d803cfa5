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
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "parent.h"
#include "random.h"
#include "restart.h"
#include "util/cleanup.h"

uint64_t restart_random(struct restart_run *r, uint64_t below)
{
	return random_below(&r->random, below);
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
	tool_say("restart %llu (seed %llu): %s", (unsigned long long)r->result.done + 1,
		 (unsigned long long)r->options->faults.seed, text);
}

static int open_memory(struct restart_run *r)
{
	const struct geometry *g = &r->options->geometry;

	r->memory_fd = parent_memory(geometry_memory_size(g));
	r->shared = r->memory_fd < 0 ? NULL : parent_shared(sizeof(*r->shared));
	if (!r->shared)
		return SIM_ERROR;
	if (r->options->faults.corrupt > 0 && corrupt_open(&r->faults.corrupt, r->memory_fd, g) < 0)
		return SIM_ERROR;
	return SIM_OK;
}

static int open_bells(struct restart_run *r)
{
	int side;

	for (side = 0; side < 2; side++) {
		r->bell[side] = parent_bell();
		if (r->bell[side] < 0)
			return SIM_ERROR;
	}
	r->done_fd = parent_bell();
	if (r->done_fd < 0 ||
	    faults_open(&r->faults, &r->options->faults, r->bell, NULL, r->pid) < 0)
		return SIM_ERROR;
	return pipe2(r->stop, O_CLOEXEC) < 0 ? sim_fail_errno("a pipe") : SIM_OK;
}

int restart_open(struct restart_run *r)
{
	int status = open_bells(r);

	if (status == SIM_OK)
		status = open_memory(r);
	if (status != SIM_OK)
		return status;
	r->signal_fd = parent_signals(0, NULL);
	return r->signal_fd < 0 ? SIM_ERROR : SIM_OK;
}

void restart_close(struct restart_run *r)
{
	int *fds[] = { &r->memory_fd, &r->signal_fd, &r->done_fd, &r->stop[0],
		       &r->stop[1],   &r->bell[0],   &r->bell[1] };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close_fd(fds[i]);
	faults_close(&r->faults);
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
			.seed = o->faults.seed,
			.rescue_ns = o->faults.rescue_ns,
			.memory_fd = r->memory_fd,
			.bell_rx = r->bell[side],
			.bell_tx = faults_bell(&r->faults, side, r->bell[!side]),
			.stop_fd = r->stop[0],
			.done_fd = r->done_fd,
			.send_fd = -1,
			.receive_fd = -1,
			.status = &r->shared->status[side],
		},
		.shared = r->shared,
		.process = r->process[side],
		.forget = o->forget,
		.corrupted = o->faults.corrupt > 0,
	};
	sigset_t none;

	sigemptyset(&none);
	parent_become_core(parent, &none);
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
	r->started[side] = sim_now();
	r->pid[side] = fork();
	if (r->pid[side] == 0)
		be_core(r, side, parent);
	if (r->pid[side] > 0)
		return SIM_OK;
	r->status = sim_fail_errno("a core");
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

/*
 * What one start may cost in errors: a line for a second magic behind the first (protocol.md section
 * 3), and one for the next announcement, where it has read the whole of the one before but its
 * predecessor had done so already.
 */
#define ERRORS_MAX 2u

static void count_errors(struct restart_run *r)
{
	uint64_t errors = atomic_load(&r->shared->errors);

	r->result.errors += errors;
	if (errors > r->result.errors_max)
		r->result.errors_max = errors;
	if (errors > ERRORS_MAX && r->options->faults.corrupt == 0)
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

	faults_end(&r->faults);
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

bool restart_watch(struct restart_run *r, bool (*done)(const struct restart_run *r), int64_t until)
{
	struct pollfd fds[2 + FAULTS_POLLFDS] = {
		{ .fd = r->signal_fd, .events = POLLIN },
		{ .fd = r->done_fd, .events = POLLIN },
	};
	eventfd_t count;

	for (;;) {
		read_signals(r);
		eventfd_read(r->done_fd, &count);
		faults_work(&r->faults, sim_now());
		if (r->status != SIM_OK)
			return false;
		if (done && done(r))
			return true;
		if (sim_now() >= until)
			return false;
		r->status = faults_sleep(&r->faults, fds, sizeof(fds) / sizeof(fds[0]), until);
	}
}
