// SPDX-License-Identifier: Apache-2.0
/*
 * Stops a core for real, with SIGSTOP: between any two of its instructions.
 */
#include "stall.h"

#include <signal.h>

#include "random.h"

#define NOBODY 1 /* stands for the process of a core that the caller stops */

static void stop(struct stall *s, int side, int64_t now)
{
	pid_t pid = s->pid ? s->pid[side] : NOBODY;

	if (s->stopped[side] == pid || pid <= 0 || (s->pid && kill(pid, SIGSTOP) < 0))
		return;
	s->stopped[side] = pid;
	s->until[side] = now + s->length_ns;
	s->count[side]++;
}

void stall_draw(struct stall *s, uint64_t rings, int64_t now)
{
	for (; rings > 0 && s->share > 0; rings--)
		if (random_chance(&s->random, s->share))
			stop(s, s->pid ? (int)random_below(&s->random, 2) : 1, now);
}

bool stall_stopped(const struct stall *s, int side, int64_t now)
{
	return s->stopped[side] && now < s->until[side];
}

/* A core that was killed meanwhile is none of ours any more. */
static void go_on(struct stall *s, int side)
{
	if (s->pid && s->pid[side] == s->stopped[side])
		kill(s->stopped[side], SIGCONT);
	s->stopped[side] = 0;
}

void stall_resume(struct stall *s, int64_t now)
{
	int side;

	for (side = 0; side < 2; side++)
		if (s->stopped[side] && s->until[side] <= now)
			go_on(s, side);
}

int64_t stall_due(const struct stall *s)
{
	int64_t due = INT64_MAX;
	int side;

	for (side = 0; side < 2; side++)
		if (s->stopped[side] && s->until[side] < due)
			due = s->until[side];
	return due;
}
