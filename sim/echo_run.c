// SPDX-License-Identifier: Apache-2.0
/*
 * The main loop of `icbmsg-sim echo`: signals, the command's end, doorbells and faults.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "echo_core.h"
#include "json.h"
#include "parent.h"

static void command_ended(struct echo_core *c)
{
	int how;

	if (c->command <= 0 || waitpid(c->command, &how, WNOHANG) <= 0)
		return;
	c->command = -1;
	c->status = WIFSIGNALED(how) ? SIM_SIGNAL + WTERMSIG(how) : WEXITSTATUS(how);
}

/* With a command the signals that ask for an end are for it; its end is ours. */
static void read_signals(struct echo_core *c, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			command_ended(c);
		else if (info.ssi_signo == SIGUSR1)
			echo_restart(c);
		else if (c->command <= 0)
			c->status = SIM_SIGNAL + (int)info.ssi_signo;
		else if (info.ssi_signo != SIGINT) /* a terminal sends that to both */
			kill(c->command, (int)info.ssi_signo);
	}
}

static bool stopped(const struct echo_core *c)
{
	return stall_stopped(&c->link->faults.stall, SIDE_B, sim_now());
}

/* Until there is something to do. */
static int sleep_some(struct echo_core *c, int signal_fd)
{
	bool still = stopped(c);
	struct pollfd fds[2 + ECHO_BUS_POLLFDS + FAULTS_POLLFDS] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = still ? -1 : c->link->wake_fd, .events = POLLIN },
	};
	int ret;

	echo_link_poll_bus(c->link, fds + 2);
	ret = faults_sleep(&c->link->faults, fds, sizeof(fds) / sizeof(fds[0]),
			   c->more && !still ? 0 : INT64_MAX);

	c->woken = (fds[1].revents & POLLIN) != 0;
	echo_link_work_bus(c->link, fds + 2);
	return ret;
}

/* Without doorbells each look at the memory is a chance to stop. */
static void take_doorbell(struct echo_core *c)
{
	uint64_t count;

	if (read(c->link->wake_fd, &count, sizeof(count)) > 0 && c->link->options->poll_ns > 0)
		stall_draw(&c->link->faults.stall, 1, sim_now());
}

static int start_all(struct echo_core *c)
{
	struct echo_link *l = c->link;
	const struct echo_options *o = l->options;

	if (echo_start(c) < 0)
		return SIM_ERROR;
	if (echo_link_faulty(l))
		tool_say("--seed %" PRIu64 " repeats these faults", o->faults.seed);
	echo_link_banner(l);
	if (o->command) {
		c->command = echo_command_start(l);
		if (c->command < 0)
			return SIM_ERROR;
	}
	if (o->faults.corrupt > 0)
		corrupt_start(&l->faults.corrupt, o->faults.corrupt, o->faults.duration_ns,
			      sim_now());
	return SIM_OK;
}

static void report(const struct echo_core *c)
{
	const struct echo_link *l = c->link;
	struct json_object *o;

	if (!l->options->json) {
		if (echo_link_faulty(l))
			faults_summary(&l->faults, stderr);
		return;
	}
	o = json_object_new_object();
	json_add(o, "received", c->received + c->fw.counters.received);
	json_add(o, "sent", c->sent + c->fw.counters.sent);
	json_add(o, "firmware_errors", c->errors + c->fw.counters.errors);
	json_add(o, "reboots", c->reboots);
	faults_json(&l->faults, o);
	json_print(o, l->options->command ? stderr : stdout);
}

static int record_failed(const struct echo_core *c)
{
	tool_say("--record %s: %s", c->link->options->record, strerror(errno));
	return SIM_ERROR;
}

static int open_record(struct echo_core *c)
{
	const char *path = c->link->options->record;

	if (!path)
		return SIM_OK;
	c->record = fopen(path, "we");
	return c->record ? SIM_OK : record_failed(c);
}

/* A record with gaps is worse than none: an error of any line shows here. */
static int close_record(struct echo_core *c)
{
	bool failed;

	if (!c->record)
		return SIM_OK;
	failed = ferror(c->record) != 0;
	failed = fclose(c->record) != 0 || failed;
	return failed ? record_failed(c) : SIM_OK;
}

static int work_until_ended(struct echo_core *c, int signal_fd)
{
	struct faults *faults = &c->link->faults;

	while (c->status < 0) {
		if (sleep_some(c, signal_fd) != SIM_OK)
			return SIM_ERROR;
		read_signals(c, signal_fd);
		faults_work(faults, sim_now());
		if (stopped(c))
			continue;
		if (c->woken)
			take_doorbell(c);
		if (c->woken || c->more)
			echo_work(c);
		c->woken = false;
	}
	return SIM_OK;
}

int echo_run(struct echo_link *l, int signal_fd)
{
	struct echo_core c = { .link = l, .command = -1, .status = -1 };
	int ret = open_record(&c);

	if (ret == SIM_OK)
		ret = start_all(&c);
	if (ret == SIM_OK)
		ret = work_until_ended(&c, signal_fd);
	if (close_record(&c) != SIM_OK)
		ret = SIM_ERROR;
	if (ret != SIM_OK)
		return ret;
	report(&c);
	return c.status;
}
