// SPDX-License-Identifier: Apache-2.0
/*
 * The two cores of a transfer as processes: their start, their end, and what it means.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "parent.h"
#include "transfer.h"
#include "util/cleanup.h"

static _Noreturn void be_core(struct transfer_watch *w, enum side side, pid_t parent)
{
	const struct transfer_options *o = w->t->options;
	const struct transfer *t = w->t;
	struct core core = {
		.side = side,
		.geometry = &o->geometry,
		.endpoints = o->endpoints,
		.seed = o->faults.seed,
		.rescue_ns = o->faults.rescue_ns,
		.corrupted = o->faults.corrupt > 0,
		.memory_fd = t->memory_fd,
		.bell_rx = t->bell[side],
		.bell_tx = faults_bell(&t->faults, side, t->bell[!side]),
		.stop_fd = w->stop[0],
		.done_fd = w->done_fd,
		.send_fd = t->file[side].in_fd,
		.send_size = t->file[side].size,
		.receive_fd = t->file[!side].out_fd,
		.receive_size = t->file[!side].size,
		.status = &t->status[side],
	};

	parent_become_core(parent, &w->mask);
	close_fd(&w->stop[1]);
	if (side == SIDE_A || o->both_lib)
		exit(core_lib_run(&core));
	exit(core_firmware_run(&core));
}

int transfer_start_core(struct transfer_watch *w, enum side side)
{
	pid_t parent = getpid();

	fflush(NULL);
	w->t->pid[side] = fork();
	if (w->t->pid[side] == 0)
		be_core(w, side, parent);
	return w->t->pid[side] < 0 ? sim_fail_errno("a core") : SIM_OK;
}

const char *transfer_core_name(const struct transfer_watch *w, int side)
{
	if (side == SIDE_A)
		return "core A (libicbmsg)";
	return w->t->options->both_lib ? "core B (libicbmsg)" : "core B (firmware)";
}

/* The first failure decides; what follows from it is not told. */
static void core_ended(struct transfer_watch *w, int side, int how)
{
	struct core_status *s = &w->t->status[side];

	w->t->pid[side] = -1;
	if (w->status != SIM_OK || (WIFEXITED(how) && WEXITSTATUS(how) == 0))
		return;
	w->status = SIM_ERROR;
	if (WIFSIGNALED(how))
		tool_say("%s was killed by signal %d (%s); the transfer is not complete",
			 transfer_core_name(w, side), WTERMSIG(how), strsignal(WTERMSIG(how)));
	else if (atomic_load(&s->state) == CORE_FAILED)
		tool_say("%s: %s", transfer_core_name(w, side), s->error);
	else
		tool_say("%s ended with status %d", transfer_core_name(w, side), WEXITSTATUS(how));
}

void transfer_reap(struct transfer_watch *w)
{
	int side, how;

	for (side = 0; side < 2; side++)
		if (w->t->pid[side] > 0 && waitpid(w->t->pid[side], &how, WNOHANG) > 0)
			core_ended(w, side, how);
}

void transfer_kill_core(struct transfer_watch *w, enum side side)
{
	int how = 0;

	if (w->t->pid[side] <= 0)
		return;
	kill(w->t->pid[side], SIGKILL);
	while (waitpid(w->t->pid[side], &how, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL)
		w->t->pid[side] = -1;
	else
		core_ended(w, side, how); /* it had found something wrong before */
}
