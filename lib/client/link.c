// SPDX-License-Identifier: Apache-2.0
/*
 * See link.h.
 */
#include "client/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/backend.h"
#include "core/wait.h"
#include "util/cleanup.h"

/*
 * From the first attempt to reach a daemon that is gone, each waits twice as long as the last; also
 * over connections that do not last.
 */
#define RETRY_MIN INT64_C(10000000)
#define RETRY_MAX INT64_C(1000000000)

/* Packets per system call, and calls per look: nobody who sends all the time keeps us from the rest. */
#define BATCH 16
#define BATCHES_MAX 4

/* ------------------------------------------------------------------------------------------------
 * The end of a connection
 */

static void retry_later(struct icbmsg *i)
{
	struct link *c = link_of(i);

	c->state = LINK_AWAY;
	c->when = clock_now() + c->delay;
	c->delay = 2 * c->delay < RETRY_MAX ? 2 * c->delay : RETRY_MAX;
	wait_tick_at(i, c->when);
}

void link_hang_up(struct icbmsg *i, const char *why)
{
	struct link *c = link_of(i);

	instance_log(i, ICBMSG_LOG_WARNING, "icbmsgd at %s %s: trying to reach it again", c->path,
		     why);
	backend_detach(i);
	c->connection++;
	if (clock_now() - c->since >= RETRY_MAX)
		c->delay = RETRY_MIN;
	c->trouble = 0;
	memset(c->has_it, 0, sizeof(c->has_it));
	c->request.kind = REQUEST_NONE;
	backend_lose(i);
	retry_later(i);
	wait_notify(i);
}

/* An attempt has failed. Each kind of trouble is told once. */
static void give_up(struct icbmsg *i, int error, const char *text)
{
	struct link *c = link_of(i);

	if (error != c->trouble)
		instance_log(i, ICBMSG_LOG_WARNING, "icbmsgd at %s cannot be reached: %s", c->path,
			     text && *text ? text : strerror(-error));
	c->trouble = error;
	backend_detach(i);
	retry_later(i);
}

/* ------------------------------------------------------------------------------------------------
 * What comes
 */

static bool is_the_same_file(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* Offsets are the addresses between two Linux programs. */
static bool is_the_same_region(const struct layout_region *a, const struct layout_region *b)
{
	return a->begin == b->begin && a->total == b->total && a->blocks_off == b->blocks_off &&
	       a->block_size == b->block_size && a->block_count == b->block_count;
}

static bool lies_as_before(const struct icbmsg *i, const struct config_values *v)
{
	return is_the_same_region(&i->link.tx, &v->tx_layout) &&
	       is_the_same_region(&i->link.rx, &v->rx_layout);
}

/* Go on in our memory if the daemon has taken it, and else in what it sends. */
static int take_memory(struct icbmsg *i, const struct hello_answer *a, char *error)
{
	struct config_values v;
	int ret = hello_resolve(&v, a, i->backend_fd, NULL, error);

	if (ret == 0 && (!is_the_same_file(a->memory, i->memory.fd) || !lies_as_before(i, &v)))
		ret = backend_move(i, &v, error);
	if (ret == 0)
		backend_limit(i, a->welcome.max_to_core, a->welcome.max_from_core);
	return ret;
}

static void begin_connection(struct icbmsg *i)
{
	struct link *c = link_of(i);

	c->state = LINK_JOINED;
	c->since = clock_now();
	requests_begin(i);
}

static void take_welcome(struct icbmsg *i, const struct hello_answer *a)
{
	char error[CONFIG_ERROR_SIZE];
	int ret = a->error ? a->error : take_memory(i, a, error);

	if (ret < 0) {
		give_up(i, ret, a->error ? a->text : error);
		return;
	}
	instance_log(i, ICBMSG_LOG_INFO, "icbmsgd at %s is back", link_of(i)->path);
	/* What we have rung for since the last connection ended it has not heard. */
	i->link.doorbell_due = true;
	begin_connection(i);
}

static void greet(struct icbmsg *i)
{
	_cleanup_(hello_answer_clear) struct hello_answer answer = { .memory = -1 };
	int ret = hello_read(i->backend_fd, &answer);

	if (ret < 0)
		give_up(i, ret, ret == -EPROTO ? "what it sends is not the client protocol" : NULL);
	else if (ret > 0)
		take_welcome(i, &answer);
}

/* False for what no daemon may send. */
static bool take_packet(struct icbmsg *i, const uint8_t *packet, size_t size, uint64_t *rings)
{
	switch (packet[0]) {
	case CLIENT_RING:
		++*rings;
		return size == 1;
	case CLIENT_ANSWER:
		return requests_take_answer(i, packet, size);
	default:
		return false;
	}
}

struct batch {
	uint8_t packets[BATCH][CLIENT_PACKET_MAX];
	struct iovec iov[BATCH];
	struct mmsghdr messages[BATCH];
};

/* Read up to a batch; how many packets, or a negative errno. */
static int receive_batch(int fd, struct batch *b)
{
	int n;

	for (int k = 0; k < BATCH; k++) {
		b->iov[k] =
			(struct iovec){ .iov_base = b->packets[k], .iov_len = CLIENT_PACKET_MAX };
		b->messages[k] =
			(struct mmsghdr){ .msg_hdr = { .msg_iov = &b->iov[k], .msg_iovlen = 1 } };
	}
	do
		n = recvmmsg(fd, b->messages, BATCH, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* NULL, or what is wrong. */
static const char *take_batch(struct icbmsg *i, const struct batch *b, int count, uint64_t *rings)
{
	uint32_t connection = link_of(i)->connection;

	for (int k = 0; k < count; k++) {
		const struct mmsghdr *m = &b->messages[k];

		if (m->msg_len == 0)
			return "is gone";
		if (m->msg_hdr.msg_flags & MSG_TRUNC ||
		    !take_packet(i, b->packets[k], m->msg_len, rings))
			return "sent what is not the client protocol";
		/* Handling it can have ended the connection. */
		if (link_of(i)->connection != connection)
			return NULL;
	}
	return NULL;
}

static uint64_t read_packets(struct icbmsg *i)
{
	struct link *c = link_of(i);
	uint32_t connection = c->connection;
	const char *why = NULL;
	uint64_t rings = 0;
	struct batch b;
	int n = BATCH;

	for (int k = 0; k < BATCHES_MAX && n == BATCH && !why && c->connection == connection; k++) {
		n = receive_batch(i->backend_fd, &b);
		if (n > 0)
			why = take_batch(i, &b, n, &rings);
		else if (n != -EAGAIN)
			why = "is gone";
	}
	if (why)
		link_hang_up(i, why);
	return rings;
}

static uint64_t collect(struct icbmsg *i)
{
	switch (link_of(i)->state) {
	case LINK_JOINED:
		return read_packets(i);
	case LINK_GREETING:
		greet(i);
		return 0;
	default:
		return 0;
	}
}

/* ------------------------------------------------------------------------------------------------
 * Time
 */

static void dial(struct icbmsg *i)
{
	struct link *c = link_of(i);
	_cleanup_(close_fd) int fd = hello_dial(c->path, i->memory.fd, 0);
	int ret = fd < 0 ? fd : backend_attach(i, fd);

	if (ret < 0) {
		give_up(i, ret, NULL);
		return;
	}
	take_fd(&fd);
	c->state = LINK_GREETING;
	c->when = clock_now() + HELLO_TIMEOUT_NS;
	wait_tick_at(i, c->when);
}

/* The daemon has had its time for an answer. */
static void time_out(struct icbmsg *i)
{
	link_of(i)->timed_out = link_of(i)->connection;
	link_hang_up(i, "does not answer");
}

static void tick(struct icbmsg *i, int64_t now)
{
	struct link *c = link_of(i);

	if (c->state == LINK_JOINED && !requests_pending(i))
		return;
	if (now < c->when)
		wait_tick_at(i, c->when);
	else if (c->state == LINK_AWAY)
		dial(i);
	else if (c->state == LINK_GREETING)
		give_up(i, -ETIMEDOUT, "it does not answer");
	else
		time_out(i);
}

static void free_link(struct icbmsg *i)
{
	free(i->backend_data);
}

static const struct backend_ops ops = {
	.collect = collect,
	.tick = tick,
	.join = requests_join,
	.leave = requests_leave,
	.free = free_link,
};

int link_begin(struct icbmsg *i, const char *path, int fd, const struct hello_answer *a)
{
	_cleanup_(free_ptr) struct link *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;
	ret = backend_attach(i, fd);
	if (ret < 0)
		return ret;
	strcpy(c->path, path);
	c->connection = 1;
	c->delay = RETRY_MIN;
	i->backend_data = c;
	i->backend = &ops;
	backend_limit(i, a->welcome.max_to_core, a->welcome.max_from_core);
	begin_connection(i);
	c = NULL;
	return 0;
}
