// SPDX-License-Identifier: Apache-2.0
/*
 * What the parent of two cores does: it makes memory and doorbells, waits for signals, shows
 * progress, and makes go wrong what is to go wrong.
 */
#include "transfer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "args.h"
#include "parent.h"
#include "util/cleanup.h"

#define PROGRESS_NS (SECOND_NS / 5)

/* How long the corruption lasts where nobody says: a transfer has to come to an end. */
#define CORRUPT_NS (10 * SECOND_NS)

/* A core that was told to end and does not within this time hangs. */
#define END_NS (60 * SECOND_NS)

static int open_memory(struct transfer *t)
{
	const struct geometry *g = &t->options->geometry;

	t->memory_fd = parent_memory(geometry_memory_size(g));
	t->status = t->memory_fd < 0 ? NULL : parent_shared(2 * sizeof(*t->status));
	if (!t->status)
		return SIM_ERROR;
	if (t->options->faults.corrupt > 0 && corrupt_open(&t->faults.corrupt, t->memory_fd, g) < 0)
		return SIM_ERROR;
	return SIM_OK;
}

static int open_bells(struct transfer_watch *w)
{
	struct transfer *t = w->t;
	int side;

	for (side = 0; side < 2; side++) {
		t->bell[side] = parent_bell();
		if (t->bell[side] < 0)
			return SIM_ERROR;
	}
	w->done_fd = parent_bell();
	if (w->done_fd < 0 ||
	    faults_open(&t->faults, &t->options->faults, t->bell, NULL, t->pid) < 0)
		return SIM_ERROR;
	if (pipe2(w->stop, O_CLOEXEC) < 0)
		return sim_fail_errno("a pipe");
	return SIM_OK;
}

static void read_signals(struct transfer_watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			transfer_reap(w);
		else if (w->status == SIM_OK)
			w->status = SIM_SIGNAL + (int)info.ssi_signo;
	}
}

static bool both_done(const struct transfer *t)
{
	return atomic_load(&t->status[0].state) == CORE_DONE &&
	       atomic_load(&t->status[1].state) == CORE_DONE;
}

static bool is_over(struct transfer_watch *w, int64_t now)
{
	if (w->status != SIM_OK || both_done(w->t))
		return true;
	return w->t->options->faults.corrupt > 0 && transfer_settled(w, now);
}

static void watch(struct transfer_watch *w)
{
	struct pollfd fds[2 + FAULTS_POLLFDS] = {
		{ .fd = w->signal_fd, .events = POLLIN },
		{ .fd = w->done_fd, .events = POLLIN },
	};
	int64_t next = w->started;
	eventfd_t count;

	while (!is_over(w, sim_now())) {
		if (sim_now() >= next) {
			transfer_progress(w->t, (double)(sim_now() - w->started) * 1e-9, false);
			next = sim_now() + PROGRESS_NS;
		}
		w->status = faults_sleep(&w->t->faults, fds, sizeof(fds) / sizeof(fds[0]), next);
		read_signals(w);
		eventfd_read(w->done_fd, &count);
		faults_work(&w->t->faults, sim_now());
	}
}

/* Wait for core @side, which was told to end. */
static void await_end(struct transfer_watch *w, int side)
{
	struct pollfd fd = { .fd = w->signal_fd, .events = POLLIN };
	int64_t until = sim_now() + END_NS;

	while (w->t->pid[side] > 0 && sim_now() < until) {
		poll(&fd, 1, 1000);
		read_signals(w);
	}
	if (w->t->pid[side] <= 0)
		return;
	transfer_kill_core(w, (enum side)side);
	if (w->status == SIM_OK)
		tool_say("%s hangs: it does not end", transfer_core_name(w, side));
	w->status = SIM_ERROR;
}

/*
 * After a success the cores end by themselves, otherwise they have to; and a firmware that met
 * corruption may never come to see that it should.
 */
static void end_cores(struct transfer_watch *w)
{
	int side;

	faults_end(&w->t->faults);
	if (w->t->options->faults.corrupt > 0)
		transfer_kill_core(w, SIDE_B);
	close_fd(&w->stop[1]);
	for (side = 0; side < 2; side++) {
		if (w->status != SIM_OK)
			transfer_kill_core(w, (enum side)side);
		else
			await_end(w, side);
	}
}

static void clean_up(struct transfer_watch *w)
{
	struct transfer *t = w->t;
	int *fds[] = { &w->signal_fd, &w->done_fd, &w->stop[0], &w->stop[1],
		       &t->memory_fd, &t->bell[0], &t->bell[1] };
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close_fd(fds[i]);
	faults_close(&t->faults);
}

static int begin(struct transfer_watch *w)
{
	const struct fault_options *o = &w->t->options->faults;
	int status = open_bells(w);

	if (status == SIM_OK)
		status = open_memory(w->t);
	if (status != SIM_OK)
		return status;
	w->signal_fd = parent_signals(0, &w->mask);
	if (w->signal_fd < 0)
		return SIM_ERROR;
	if (o->corrupt > 0)
		corrupt_start(&w->t->faults.corrupt, o->corrupt,
			      o->duration_ns ? o->duration_ns : CORRUPT_NS, w->started);
	status = transfer_start_core(w, SIDE_A);
	return status == SIM_OK ? transfer_start_core(w, SIDE_B) : status;
}

int transfer_run(struct transfer *t)
{
	struct transfer_watch w = {
		.t = t,
		.signal_fd = -1,
		.stop = { -1, -1 },
		.done_fd = -1,
		.started = sim_now(),
	};

	w.moved_at = w.started;
	w.status = begin(&w);
	if (w.status == SIM_OK) {
		if (t->options->banner)
			tool_say("core A is process %d, core B is process %d", (int)t->pid[0],
				 (int)t->pid[1]);
		watch(&w);
	}
	end_cores(&w);
	t->seconds = (double)(sim_now() - w.started) * 1e-9;
	transfer_progress(t, t->seconds, true);
	clean_up(&w);
	return w.status;
}
