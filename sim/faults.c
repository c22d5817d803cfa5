// SPDX-License-Identifier: Apache-2.0
/*
 * Faults: their options, and all of them together in a parent's loop.
 */
#include "faults.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "args.h"
#include "parent.h"
#include "random.h"

#define MERGE_DEFAULT_NS 1000000

/* With lost doorbells: what one costs at most. */
#define RESCUE_WITH_DROPS_NS 1000000

/* DURATION:PERCENT */
static void stall_option(struct fault_options *o, const char *arg)
{
	const char *colon = strchr(arg, ':');
	char first[32];

	if (!colon || (size_t)(colon - arg) >= sizeof(first))
		tool_usage("--stall: \"%s\" is not a duration and a percentage; write for example "
			   "20ms:5",
			   arg);
	snprintf(first, sizeof(first), "%.*s", (int)(colon - arg), arg);
	o->stall_ns = arg_short_duration("--stall", first);
	o->stall = arg_percent("--stall", colon + 1);
}

static void corrupt_option(struct fault_options *o, const char *arg)
{
	o->corrupt = arg ? arg_number("--corrupt", arg, 1, CORRUPT_RATE_MAX) : CORRUPT_RATE_DEFAULT;
}

static void seed_option(struct fault_options *o, const char *arg)
{
	o->seed = arg_number("--seed", arg, 0, INT64_MAX);
	o->seed_given = true;
}

bool fault_option(struct fault_options *o, int c, const char *arg)
{
	switch (c) {
	case FAULT_DROP:
		o->rules.drop = arg_percent("--drop-doorbells", arg);
		return true;
	case FAULT_DELAY:
		o->rules.delay_ns = arg_short_duration("--delay-doorbells", arg);
		return true;
	case FAULT_MERGE:
		o->rules.merge_ns = arg ? arg_short_duration("--merge-doorbells", arg) :
					  MERGE_DEFAULT_NS;
		return true;
	case FAULT_STALL:
		stall_option(o, arg);
		return true;
	case FAULT_CORRUPT:
		corrupt_option(o, arg);
		return true;
	case FAULT_CORRUPT_WHAT:
		o->corrupt_what = corrupt_parse(arg);
		return true;
	case FAULT_DURATION:
		o->duration_ns = arg_long_duration("--duration", arg);
		return true;
	case FAULT_RESCUE:
		o->rescue_ns = arg_short_duration("--rescue-interval", arg);
		return true;
	case FAULT_SEED:
		seed_option(o, arg);
		return true;
	default:
		return false;
	}
}

/* Short enough to be typed again. */
static uint64_t choose_seed(void)
{
	uint64_t seed = (uint64_t)sim_now();

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0)
		seed = random_stream(seed, 0);
	return seed % 1000000000;
}

void fault_check(struct fault_options *o, const char *command)
{
	if (o->corrupt == 0 && (o->corrupt_what || o->duration_ns > 0))
		tool_usage("%s: --corrupt-what and --duration belong to --corrupt", command);
	if (!o->corrupt_what)
		o->corrupt_what = CORRUPT_ALL;
	if (o->rules.drop > 0 && o->rescue_ns == 0)
		o->rescue_ns = RESCUE_WITH_DROPS_NS;
	if (!o->seed_given)
		o->seed = choose_seed();
}

bool fault_doorbells(const struct fault_options *o)
{
	return o->rules.drop > 0 || o->rules.delay_ns > 0 || o->rules.merge_ns > 0;
}

bool fault_relays(const struct fault_options *o)
{
	return fault_doorbells(o) || o->stall > 0;
}

void faults_init(struct faults *f, const struct fault_options *o)
{
	*f = (struct faults){
		.options = o,
		.relay = { { .in = -1 }, { .in = -1 } },
		.stall = { .length_ns = o->stall_ns,
			   .share = o->stall,
			   .random = random_stream(o->seed, FAULT_STREAM_STALL) },
		.corrupt = { .what = o->corrupt_what,
			     .random = random_stream(o->seed, FAULT_STREAM_CORRUPT) },
	};
}

int faults_open(struct faults *f, const struct fault_options *o, const int bell[2], const int in[2],
		const pid_t *pid)
{
	int side;

	faults_init(f, o);
	f->stall.pid = pid;
	f->relayed = fault_relays(o);
	for (side = 0; side < 2 && f->relayed; side++) {
		int fd = in ? in[side] : parent_bell();

		relay_init(&f->relay[side], &o->rules, fd, bell[!side],
			   random_stream(o->seed, FAULT_STREAM_RELAY_A + (unsigned int)side));
		if (fd < 0)
			return -1;
	}
	return 0;
}

void faults_close(struct faults *f)
{
	relay_close(&f->relay[0]);
	relay_close(&f->relay[1]);
	corrupt_close(&f->corrupt);
}

int faults_bell(const struct faults *f, enum side side, int direct)
{
	return f->relayed ? f->relay[side].in : direct;
}

void faults_work(struct faults *f, int64_t now)
{
	int side;

	for (side = 0; side < 2 && f->relayed; side++) {
		stall_draw(&f->stall, relay_collect(&f->relay[side], now), now);
		relay_deliver(&f->relay[side], now);
	}
	stall_resume(&f->stall, now);
	corrupt_work(&f->corrupt, now);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t faults_due(const struct faults *f)
{
	int64_t due = earlier(stall_due(&f->stall), corrupt_due(&f->corrupt));

	return earlier(due, earlier(relay_due(&f->relay[0]), relay_due(&f->relay[1])));
}

int faults_sleep(const struct faults *f, struct pollfd *fds, nfds_t count, int64_t until)
{
	int64_t due = earlier(until, faults_due(f)), left = due - sim_now();
	struct timespec ts = { 0 };
	int side;

	if (left > 0)
		ts = (struct timespec){ .tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS };
	for (side = 0; side < FAULTS_POLLFDS; side++)
		fds[count - FAULTS_POLLFDS + (nfds_t)side] =
			(struct pollfd){ .fd = f->relay[side].in, .events = POLLIN };
	if (ppoll(fds, count, due == INT64_MAX ? NULL : &ts, NULL) >= 0)
		return SIM_OK;
	for (; count > 0; count--)
		fds[count - 1].revents = 0;
	return errno == EINTR ? SIM_OK : sim_fail_errno("waiting");
}

void faults_end(struct faults *f)
{
	corrupt_stop(&f->corrupt);
	f->stall.share = 0;
	stall_resume(&f->stall, INT64_MAX);
}
