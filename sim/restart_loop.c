// SPDX-License-Identifier: Apache-2.0
/*
 * The course of `icbmsg-sim restart-loop`: let the cores talk for a random time, kill one, start it
 * again, wait until all endpoints have had their echoes; now and then kill it before that. In the
 * end the talking ebbs away and everything has to have arrived.
 */
#include <stdlib.h>
#include <sys/eventfd.h>

#include "args.h"
#include "parent.h"
#include "restart.h"

/* A start that is cut short lives up to so long. Binding takes about that. */
#define CUT_NS_MAX 5000000

/* Whether A has had its echoes from the processes that run now. */
static bool is_back(const struct restart_run *r)
{
	return atomic_load(&r->shared->back[SIDE_A]) ==
	       ((uint64_t)r->process[SIDE_A] << 32 | r->process[SIDE_B]);
}

static bool is_quiet(const struct restart_run *r)
{
	return atomic_load(&r->shared->quiet[SIDE_A]) && atomic_load(&r->shared->quiet[SIDE_B]);
}

static bool await_back(struct restart_run *r)
{
	if (restart_watch(r, is_back, sim_now() + r->options->timeout_ns))
		return true;
	if (r->status == SIM_OK)
		restart_failed(r,
			       "within %.1f s not all endpoints had %u echoes: the link did not "
			       "come back",
			       (double)r->options->timeout_ns * 1e-9, RESTART_ECHOES);
	return false;
}

static void talk(struct restart_run *r)
{
	const struct restart_options *o = r->options;
	uint64_t span = (uint64_t)(o->up_max_ns - o->up_min_ns) + 1;

	restart_watch(r, NULL, sim_now() + o->up_min_ns + (int64_t)restart_random(r, span));
}

/* Bits of the sides that are killed: the firmware, or of two libraries either or both. */
static unsigned int victims(struct restart_run *r)
{
	return r->options->both_lib ? 1 + (unsigned int)restart_random(r, 3) : 1u << SIDE_B;
}

static void kill_all(struct restart_run *r, unsigned int sides)
{
	for (int side = SIDE_A; side <= SIDE_B; side++)
		if (sides & 1u << side)
			restart_kill(r, (enum side)side);
}

static bool start_all(struct restart_run *r, unsigned int sides)
{
	for (int side = SIDE_A; side <= SIDE_B; side++)
		if (sides & 1u << side && restart_start(r, (enum side)side) != SIM_OK)
			return false;
	return true;
}

/* Kill and start; some starts are killed again at any moment of their first milliseconds. */
static void restart_once(struct restart_run *r)
{
	unsigned int sides = victims(r);
	uint64_t cut = (uint64_t)(r->options->cut * 0x1p32);

	kill_all(r, sides);
	while (r->status == SIM_OK && start_all(r, sides) &&
	       restart_random(r, UINT64_C(1) << 32) < cut) {
		restart_watch(r, NULL, sim_now() + (int64_t)restart_random(r, CUT_NS_MAX));
		kill_all(r, sides);
		r->result.cut++;
	}
}

static void note_time(struct restart_run *r)
{
	int64_t start = r->started[SIDE_A] > r->started[SIDE_B] ? r->started[SIDE_A] :
								  r->started[SIDE_B];

	r->result.times[r->result.done++] =
		(double)(atomic_load(&r->shared->back_ns[SIDE_A]) - start) * 1e-9;
}

static void restart_all(struct restart_run *r)
{
	while (r->status == SIM_OK && r->result.done < r->options->count) {
		talk(r);
		if (r->status == SIM_OK)
			restart_once(r);
		if (r->status == SIM_OK && await_back(r))
			note_time(r);
	}
}

/* Restart the firmware while memory changes; then once more, which has to bring the link back. */
static void restart_corrupted(struct restart_run *r)
{
	const struct restart_options *o = r->options;
	int64_t end = sim_now() + o->faults.duration_ns;
	uint64_t n;

	atomic_store(&r->shared->lenient, true);
	corrupt_start(&r->faults.corrupt, o->faults.corrupt, 0, sim_now());
	for (n = 0;
	     r->status == SIM_OK && (o->faults.duration_ns > 0 ? sim_now() < end : n < o->count);
	     n++) {
		talk(r);
		if (r->status != SIM_OK)
			break;
		restart_kill(r, SIDE_B);
		restart_start(r, SIDE_B);
	}
	if (r->status == SIM_OK)
		talk(r);
	corrupt_stop(&r->faults.corrupt);
	if (r->status != SIM_OK)
		return;
	restart_kill(r, SIDE_B);
	if (restart_start(r, SIDE_B) == SIM_OK && await_back(r)) {
		note_time(r);
		r->result.recovered = true;
		atomic_store(&r->shared->lenient, false);
	}
}

/* No new questions; wake both to see that. */
static void drain(struct restart_run *r)
{
	if (r->status != SIM_OK)
		return;
	atomic_store(&r->shared->draining, true);
	eventfd_write(r->bell[SIDE_A], 1);
	eventfd_write(r->bell[SIDE_B], 1);
	if (!restart_watch(r, is_quiet, sim_now() + r->options->timeout_ns) && r->status == SIM_OK)
		restart_failed(r,
			       "%.1f s after the last message not everything is answered and "
			       "released",
			       (double)r->options->timeout_ns * 1e-9);
}

/* Sums that no core can see alone. A restart that came back was noticed, and none twice. */
static void check_sums(struct restart_run *r)
{
	uint64_t noticed = atomic_load(&r->shared->counts[SIDE_A].noticed);

	if (r->status != SIM_OK || r->options->faults.corrupt > 0 || r->options->both_lib)
		return;
	if (noticed < r->result.done || noticed > r->result.killed)
		restart_failed(r, "libicbmsg noticed %llu restarts of %llu, %llu of them cut short",
			       (unsigned long long)noticed, (unsigned long long)r->result.killed,
			       (unsigned long long)r->result.cut);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int restart_loop(struct restart_run *r)
{
	int64_t begun = sim_now();

	r->result.times = calloc(r->options->count + 1, sizeof(r->result.times[0]));
	if (!r->result.times) {
		tool_say("not enough memory for %llu restarts",
			 (unsigned long long)r->options->count);
		return SIM_ERROR;
	}
	r->status = restart_open(r);
	if (r->status == SIM_OK && restart_start(r, SIDE_A) == SIM_OK &&
	    restart_start(r, SIDE_B) == SIM_OK && await_back(r)) {
		if (r->options->faults.corrupt > 0)
			restart_corrupted(r);
		else
			restart_all(r);
		drain(r);
	}
	if (r->stop[1] >= 0)
		restart_end(r);
	check_sums(r);
	restart_close(r);
	r->result.seconds = (double)(sim_now() - begun) * 1e-9;
	qsort(r->result.times, r->result.done, sizeof(r->result.times[0]), by_value);
	return r->status;
}
