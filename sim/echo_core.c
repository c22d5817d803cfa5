// SPDX-License-Identifier: Apache-2.0
/*
 * The firmware core behind `icbmsg-sim echo`. What comes is held and queued until there are blocks
 * to send it back from, so the queue never has more entries than the other side has blocks.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "echo.h"
#include "firmware.h"
#include "json.h"
#include "parent.h"
#include "payload.h"

/* Messages a source sends before it looks at what came. */
#define SOURCE_TURN 16u

/* Packets, and rounds of packets and answers, in one turn. */
#define PACKETS_TURN 256u
#define PASSES_TURN 16u

struct queued {
	const void *data; /* held */
	uint32_t size;
	const char *name;
};

struct echo_core {
	struct echo_link *link;
	struct firmware fw;
	struct queued queue[LAYOUT_BLOCKS_MAX];
	unsigned int head, count;
	uint32_t sequence; /* of a source */
	unsigned int next; /* endpoint a source sends on next */
	bool told_too_long;
	bool woken; /* by a doorbell, which is not taken yet */
	bool more;  /* to do, without another doorbell */
	uint64_t reboots;
	uint64_t received, sent, errors; /* before the last of them */
	pid_t command;
	int status; /* -1: going on */
};

static void ring(void *user)
{
	struct echo_core *c = user;

	if (c->link->ring_fd >= 0)
		eventfd_write(c->link->ring_fd, 1);
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct echo_core *c = user;

	if (c->link->options->mode != ECHO_ECHO)
		return false;
	if (size > fw->config.tx.max_payload) {
		if (!c->told_too_long)
			tool_say("%s: %" PRIu32 " bytes do not fit into this core's region of "
				 "messages up to %" PRIu32 "; such are not echoed",
				 ept->name, size, fw->config.tx.max_payload);
		c->told_too_long = true;
		return false;
	}
	if (c->count == LAYOUT_BLOCKS_MAX) /* a peer that sends blocks it has not got back */
		return false;
	c->queue[(c->head + c->count++) % LAYOUT_BLOCKS_MAX] =
		(struct queued){ .data = data, .size = size, .name = ept->name };
	return true;
}

/* An empty message needs a block, too; Zephyr's copying send would take them all and leak them. */
static int send_back(struct firmware *fw, const struct queued *q)
{
	uint32_t got;
	void *data;
	int ret;

	if (q->size > 0)
		return firmware_send(fw, q->name, q->data, q->size);
	ret = firmware_alloc(fw, 1, &data, &got);
	if (ret < 0)
		return ret;
	ret = firmware_send_nocopy(fw, q->name, data, 0);
	if (ret < 0)
		firmware_drop(fw, data);
	return ret;
}

static bool echo_some(struct echo_core *c)
{
	bool moved = false;

	while (c->count > 0) {
		const struct queued *q = &c->queue[c->head];

		if (send_back(&c->fw, q) == -ENOMEM)
			break;
		firmware_release(&c->fw, q->data);
		c->head = (c->head + 1) % LAYOUT_BLOCKS_MAX;
		c->count--;
		moved = true;
	}
	return moved;
}

/* Send to every bound endpoint in turn. */
static bool source_some(struct echo_core *c)
{
	const struct echo_options *o = c->link->options;
	unsigned int k;
	bool moved = false;

	for (k = 0; k < SOURCE_TURN; k++) {
		const char *name = o->endpoint[c->next++ % o->endpoints];
		const struct firmware_endpoint *ept = firmware_find(&c->fw, name);
		uint32_t got;
		void *data;

		if (!ept || ept->state != FIRMWARE_EPT_READY)
			continue;
		if (firmware_alloc(&c->fw, o->size, &data, &got) < 0)
			break;
		payload_fill(data, o->size, c->sequence++, PAYLOAD_SEED_DEFAULT);
		firmware_send_nocopy(&c->fw, name, data, o->size);
		moved = true;
	}
	return moved;
}

/* True if there was something to do, so there may be more. */
static bool work_once(struct echo_core *c)
{
	unsigned int packets = 0;
	bool source = c->link->options->mode == ECHO_SOURCE;

	while (packets < PACKETS_TURN && firmware_step(&c->fw))
		packets++;
	if (source)
		source_some(c);
	/* A source always has something to send, and waits for releases. */
	return (!source && echo_some(c)) || packets > 0;
}

/*
 * A turn, which must not keep signals and faults waiting: Zephyr's reader, and so this one, runs in
 * circles for ever if its peer's write index is damaged.
 */
static void work(struct echo_core *c)
{
	unsigned int pass;

	c->more = true;
	for (pass = 0; c->more && pass < PASSES_TURN; pass++)
		c->more = work_once(c);
}

static void command_ended(struct echo_core *c)
{
	int how;

	if (c->command <= 0 || waitpid(c->command, &how, WNOHANG) <= 0)
		return;
	c->command = -1;
	c->status = WIFSIGNALED(how) ? SIM_SIGNAL + WTERMSIG(how) : WEXITSTATUS(how);
}

static int start(struct echo_core *c)
{
	const struct echo_options *o = c->link->options;
	struct firmware_config config = {
		.map = c->link->map,
		.num_ep = FIRMWARE_ENDPOINTS_MAX,
		.ring = ring,
		.received = on_received,
		.user = c,
	};
	char error[LAYOUT_ERROR_SIZE];
	unsigned int i;
	int ret = geometry_layout(&o->geometry, SIDE_B, &config.tx, &config.rx, error);

	if (ret < 0) {
		tool_say("echo: %s", error);
		return ret;
	}
	ret = firmware_init(&c->fw, &config);
	for (i = 0; ret == 0 && i < o->endpoints; i++)
		ret = firmware_register(&c->fw, o->endpoint[i]);
	if (ret == 0)
		ret = firmware_open(&c->fw);
	if (ret < 0)
		tool_say("echo: starting the firmware: %s", strerror(-ret));
	return ret;
}

/* As a reboot: everything is forgotten but what lies in the shared memory. */
static void restart(struct echo_core *c)
{
	c->head = 0;
	c->count = 0;
	c->reboots++;
	c->received += c->fw.counters.received;
	c->sent += c->fw.counters.sent;
	c->errors += c->fw.counters.errors;
	if (start(c) < 0)
		c->status = SIM_ERROR;
	else
		echo_link_banner(c->link);
}

/* With a command the signals that ask for an end are for it; its end is ours. */
static void read_signals(struct echo_core *c, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			command_ended(c);
		else if (info.ssi_signo == SIGUSR1)
			restart(c);
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
	struct pollfd fds[2 + FAULTS_POLLFDS] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = stopped(c) ? -1 : c->link->wake_fd, .events = POLLIN },
	};
	int64_t due = faults_due(&c->link->faults);
	int64_t left = due == INT64_MAX ? SECOND_NS : due - sim_now();
	struct timespec ts = { 0 };

	if (left > 0 && (!c->more || stopped(c)))
		ts = (struct timespec){ .tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS };
	faults_poll(&c->link->faults, fds + 2);
	if (ppoll(fds, 2 + FAULTS_POLLFDS, &ts, NULL) < 0 && errno != EINTR)
		return sim_fail_errno("waiting");
	c->woken = (fds[1].revents & POLLIN) != 0;
	return SIM_OK;
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

	if (start(c) < 0)
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

int echo_core_run(struct echo_link *l, int signal_fd)
{
	struct echo_core c = { .link = l, .command = -1, .status = -1 };

	if (start_all(&c) != SIM_OK)
		return SIM_ERROR;
	while (c.status < 0) {
		if (sleep_some(&c, signal_fd) != SIM_OK)
			return SIM_ERROR;
		read_signals(&c, signal_fd);
		faults_work(&l->faults, sim_now());
		if (stopped(&c))
			continue;
		if (c.woken)
			take_doorbell(&c);
		if (c.woken || c.more)
			work(&c);
		c.woken = false;
	}
	report(&c);
	return c.status;
}
