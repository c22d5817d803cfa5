// SPDX-License-Identifier: Apache-2.0
/*
 * The link under measurement: a memfd with two regions, two eventfds, libicbmsg on both ends, only
 * through its public header. Each message carries its number, which its receiver checks; an empty
 * one ends a measurement.
 */
#include <errno.h>
#include <fcntl.h>
#include <icbmsg.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/pair.h"
#include "common/tool.h"

#define PATIENCE (10 * NS_PER_S) /* for an answer of a process that is there */
#define NUMBER_SIZE sizeof(uint64_t)

/* Shared: when the receiver had everything, and how much that was. */
struct outcome {
	int64_t at;
	uint64_t received;
};

struct channel {
	const struct bench_settings *settings;
	enum bench_mode mode;
	size_t size;
	bool copy, echo;
	int memory, bells[2]; /* [n] wakes process n */
	struct outcome *outcome;
};

struct end {
	const struct channel *channel;
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	uint64_t expected; /* number of the next message */
	uint64_t received;
	uint8_t *buffer; /* private */
	bool finished;
};

/* ------------------------------------------------------------------------------------------------
 * Set-up
 */

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...) _printf_(3, 4);

static void set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	if (icbmsg_config_set(cfg, key, value) < 0)
		tool_fail(TOOL_USAGE, "%s", icbmsg_config_error(cfg));
}

/* The configuration of process @who, 0 or 1. */
static struct icbmsg_config *configure(const struct bench_settings *s, int who)
{
	struct icbmsg_config *cfg;

	if (icbmsg_config_new(&cfg) < 0)
		tool_fail(TOOL_ERROR, "out of memory");
	set(cfg, "tx-region", "%" PRIu64 " %" PRIu64, who == 0 ? 0 : s->region_size,
	    s->region_size);
	set(cfg, "rx-region", "%" PRIu64 " %" PRIu64, who == 0 ? s->region_size : 0,
	    s->region_size);
	set(cfg, "tx-blocks", "%" PRIu64, s->blocks);
	set(cfg, "rx-blocks", "%" PRIu64, s->blocks);
	set(cfg, "word-size", "%" PRIu64, s->word_size);
	set(cfg, "dcache-alignment", "%" PRIu64, s->alignment);
	return cfg;
}

size_t bench_max_size(const struct bench_settings *s)
{
	struct icbmsg_config *cfg = configure(s, 0);
	struct icbmsg_layout layout;

	if (icbmsg_config_layout(cfg, &layout, sizeof(layout)) < 0)
		tool_fail(TOOL_USAGE, "%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return layout.tx.max_payload;
}

static void channel_open(struct channel *c)
{
	uint64_t size = 2 * c->settings->region_size;

	c->memory = memfd_create("icbmsg-bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	c->bells[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->bells[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->memory < 0 || c->bells[0] < 0 || c->bells[1] < 0 ||
	    ftruncate(c->memory, (off_t)size) < 0 ||
	    fcntl(c->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		tool_fail(TOOL_ERROR, "cannot make %" PRIu64 " bytes of shared memory: %s", size,
			  strerror(errno));
	c->outcome = pair_memory(sizeof(*c->outcome));
}

static void channel_close(struct channel *c)
{
	close(c->memory);
	close(c->bells[0]);
	close(c->bells[1]);
	pair_memory_free(c->outcome, sizeof(*c->outcome));
}

/* ------------------------------------------------------------------------------------------------
 * Messages
 */

static void check(int ret, const char *what)
{
	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s: %s", what, strerror(-ret));
}

/* As much of its number as fits, at the front, and its lowest byte at the end. */
static void stamp(uint8_t *data, size_t size, uint64_t number)
{
	memcpy(data, &number, size < NUMBER_SIZE ? size : NUMBER_SIZE);
	if (size > NUMBER_SIZE)
		data[size - 1] = (uint8_t)number;
}

static void verify(struct end *e, const uint8_t *data, size_t size)
{
	uint64_t number = e->expected++;

	if (size != e->channel->size)
		tool_fail(TOOL_ERROR, "message %" PRIu64 " has %zu bytes instead of %zu", number,
			  size, e->channel->size);
	if (memcmp(data, &number, size < NUMBER_SIZE ? size : NUMBER_SIZE) != 0 ||
	    (size > NUMBER_SIZE && data[size - 1] != (uint8_t)number))
		tool_fail(TOOL_ERROR, "message %" PRIu64 " has another's content", number);
	e->received++;
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct end *e = user;

	if (size == 0) {
		*e->channel->outcome =
			(struct outcome){ .at = clock_ns(), .received = e->received };
		e->finished = true;
		return;
	}
	if (e->channel->copy && size == e->channel->size) {
		memcpy(e->buffer, data, size);
		data = e->buffer;
	}
	verify(e, data, size);
	if (e->channel->echo)
		check(icbmsg_send(ept, data, size, PATIENCE), "answering");
}

static void end_open(struct end *e, const struct channel *c, int who)
{
	static const struct icbmsg_ept_callbacks answering = { .received = on_received };
	struct icbmsg_config *cfg = configure(c->settings, who);

	*e = (struct end){ .channel = c, .buffer = malloc(c->size) };
	if (!e->buffer)
		tool_fail(TOOL_ERROR, "out of memory");
	memset(e->buffer, 0, c->size);
	set(cfg, "memory", "fd:%d", c->memory);
	if (c->mode == BENCH_BUSY)
		set(cfg, "doorbell", "poll:busy");
	else
		set(cfg, "doorbell", "eventfd:%d,%d", c->bells[who], c->bells[!who]);
	if (icbmsg_open(&e->link, cfg) < 0)
		tool_fail(TOOL_ERROR, "%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	check(icbmsg_ept_register(e->link, &e->ept, "bench", &answering, e), "registering");
	check(icbmsg_ept_wait_bound(e->ept, PATIENCE), "waiting for the other process");
}

static void end_close(struct end *e)
{
	icbmsg_close(e->link);
	free(e->buffer);
}

/* The other process: receive, and answer if told so, until the empty message. */
static void serve(void *arg)
{
	struct end e;

	end_open(&e, arg, 1);
	while (!e.finished)
		check(icbmsg_dispatch(e.link, ICBMSG_FOREVER), "receiving");
	end_close(&e);
}

/* ------------------------------------------------------------------------------------------------
 * Measuring
 */

/* The empty message, and all @count messages before it must have arrived. */
static void finish(struct end *e, pid_t pid, uint64_t count)
{
	check(icbmsg_send(e->ept, NULL, 0, PATIENCE), "sending");
	pair_finish(pid);
	if (e->channel->outcome->received != count)
		tool_fail(TOOL_ERROR, "%" PRIu64 " of %" PRIu64 " messages arrived",
			  e->channel->outcome->received, count);
}

static void wait_answer(struct end *e, pid_t pid, uint64_t count)
{
	int64_t start = 0;

	while (e->received < count) {
		int ret = icbmsg_dispatch(e->link, PATIENCE);

		check(ret, "receiving");
		/* 0 is also an event that has no callback. */
		if (ret == 0 && start == 0)
			start = clock_ns();
		else if (ret == 0 && clock_ns() - start > PATIENCE)
			pair_fail(pid, "the other process does not answer");
	}
}

struct bench_sample bench_round_trip(const struct bench_settings *s, enum bench_mode mode,
				     size_t size)
{
	struct channel c = { .settings = s, .mode = mode, .size = size, .echo = true };
	struct laps laps;
	uint64_t n = 0;
	struct end e;
	pid_t pid;

	channel_open(&c);
	pid = pair_start(s, serve, &c);
	c.echo = false; /* this end does not answer answers */
	end_open(&e, &c, 0);
	laps_start(&laps, s->duration_ns);
	do {
		stamp(e.buffer, size, n++);
		check(icbmsg_send(e.ept, e.buffer, size, PATIENCE), "sending");
		wait_answer(&e, pid, n);
	} while (laps_next(&laps));
	finish(&e, pid, n);
	end_close(&e);
	channel_close(&c);
	return laps_finish(&laps);
}

static void send_one(struct end *e, uint64_t number, pid_t pid)
{
	size_t size = e->channel->size, room = size;
	void *data;
	int ret;

	if (e->channel->copy) {
		stamp(e->buffer, size, number);
		ret = icbmsg_send(e->ept, e->buffer, size, PATIENCE);
	} else {
		ret = icbmsg_get_tx_buffer(e->ept, &room, PATIENCE, &data);
		if (ret == 0) {
			stamp(data, size, number);
			ret = icbmsg_send_nocopy(e->ept, data, size);
		}
	}
	if (ret == -ETIMEDOUT)
		pair_fail(pid, "the other process does not receive");
	check(ret, "sending");
}

struct bench_sample bench_stream(const struct bench_settings *s, enum bench_mode mode, size_t size,
				 bool copy)
{
	struct channel c = { .settings = s, .mode = mode, .size = size, .copy = copy };
	int64_t start, elapsed;
	uint64_t n = 0;
	struct end e;
	pid_t pid;

	channel_open(&c);
	pid = pair_start(s, serve, &c);
	end_open(&e, &c, 0);
	start = clock_ns();
	do
		for (int batch = 0; batch < 16; batch++)
			send_one(&e, n++, pid);
	while (clock_ns() - start < s->duration_ns);
	finish(&e, pid, n);
	elapsed = c.outcome->at - start;
	end_close(&e);
	channel_close(&c);
	return (struct bench_sample){
		.per_second = (double)n * (double)NS_PER_S / (double)elapsed,
	};
}
