// SPDX-License-Identifier: Apache-2.0
/*
 * The firmware core behind `icbmsg-sim echo`. What comes is held and queued until there are blocks
 * to send it back from, so the queue never has more entries than the other side has blocks.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "args.h"
#include "echo_core.h"
#include "payload.h"

/* Messages a source sends before it looks at what came. */
#define SOURCE_TURN 16u

/* Packets, and rounds of packets and answers, in one turn. */
#define PACKETS_TURN 256u
#define PASSES_TURN 16u

/* Of each message in --record. */
#define RECORD_BYTES 32u

static void ring(void *user)
{
	struct echo_core *c = user;

	if (c->link->ring_fd >= 0)
		eventfd_write(c->link->ring_fd, 1);
}

/* Written by a full buffer, or in the end: a file that took every line by itself would set the pace. */
static void record(const struct echo_core *c, const char *name, const unsigned char *data,
		   uint32_t size)
{
	fprintf(c->record, "%" PRIu64 " %" PRIu32 " ", c->reboots, size);
	for (uint32_t i = 0; i < size && i < RECORD_BYTES; i++)
		fprintf(c->record, "%02x", data[i]);
	fprintf(c->record, "%s %s\n", size > 0 ? "" : "-", name);
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct echo_core *c = user;

	if (c->record)
		record(c, ept->name, data, size);
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

void echo_work(struct echo_core *c)
{
	unsigned int pass;

	c->more = true;
	for (pass = 0; c->more && pass < PASSES_TURN; pass++)
		c->more = work_once(c);
}

int echo_start(struct echo_core *c)
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

void echo_restart(struct echo_core *c)
{
	c->head = 0;
	c->count = 0;
	c->reboots++;
	c->received += c->fw.counters.received;
	c->sent += c->fw.counters.sent;
	c->errors += c->fw.counters.errors;
	if (echo_start(c) < 0)
		c->status = SIM_ERROR;
	else
		echo_link_banner(c->link);
}
