// SPDX-License-Identifier: Apache-2.0
/*
 * A transfer over memory that somebody writes into. What is damaged or lost is not sent again, and
 * a firmware that has lost its link, or runs in circles, stays like that: Zephyr's watchdog would
 * reset it, and so does the parent. The application goes on where it was, what was on its way is
 * lost. The corruption has an end, so the transfer has one, too.
 */
#include <inttypes.h>

#include "args.h"
#include "parent.h"
#include "transfer.h"

/* Nothing was sent for so long: sent is all there is, or nobody can. */
#define STILL_NS SECOND_NS

/* Reboots that may not help once memory is left alone. */
#define IN_VAIN_MAX 10u

/* Cores that are stopped and doorbells that are late are not still for ever. */
static int64_t still_ns(const struct transfer_watch *w)
{
	const struct fault_options *o = &w->t->options->faults;

	return STILL_NS + 4 * (o->stall_ns + o->rules.delay_ns + o->rules.merge_ns + o->rescue_ns);
}

static bool moves(struct transfer_watch *w, int64_t now)
{
	const struct core_status *s = w->t->status;
	uint64_t moved = atomic_load(&s[SIDE_A].moved) + atomic_load(&s[SIDE_B].moved);

	if (moved != w->moved) {
		w->moved = moved;
		w->moved_at = now;
		w->in_vain = 0;
	}
	return now < w->moved_at + still_ns(w);
}

static void reboot(struct transfer_watch *w, int64_t now)
{
	transfer_kill_core(w, SIDE_B);
	if (w->status != SIM_OK)
		return;
	w->t->reboots++;
	w->status = transfer_start_core(w, SIDE_B);
	w->moved_at = now;
}

bool transfer_settled(struct transfer_watch *w, int64_t now)
{
	const struct core_status *s = w->t->status;

	if (moves(w, now))
		return false;
	if (atomic_load(&s[SIDE_A].sent_all) && atomic_load(&s[SIDE_B].sent_all))
		return true;
	if (w->t->faults.corrupt.step == 0 && w->in_vain++ == IN_VAIN_MAX) {
		tool_say("the corruption has ended, but the link did not come back, although the "
			 "firmware was restarted %u times",
			 IN_VAIN_MAX);
		w->status = SIM_ERROR;
		return false;
	}
	reboot(w, now);
	return false;
}
