// SPDX-License-Identifier: Apache-2.0
/*
 * A core that runs the stand-in for Zephyr firmware. Like Zephyr it wakes for doorbells only and
 * never repeats one: if a doorbell gets lost, the other side has to notice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "args.h"
#include "core.h"
#include "firmware.h"

struct firmware_core {
	const struct core *core;
	struct firmware fw;
	unsigned int registered;
	unsigned int bound;
	bool failed;
	struct traffic traffic;
};

static void name_of(unsigned int i, char name[CORE_EPT_NAME_SIZE])
{
	snprintf(name, CORE_EPT_NAME_SIZE, CORE_EPT_NAME, i);
}

static int again(int ret)
{
	return ret == -ENOMEM ? -EAGAIN : ret;
}

static int port_send(void *owner, unsigned int i, const void *data, size_t size)
{
	struct firmware_core *c = owner;
	char name[CORE_EPT_NAME_SIZE];

	name_of(i, name);
	return again(firmware_send(&c->fw, name, data, (uint32_t)size));
}

static int port_take(void *owner, unsigned int i, size_t *size, void **data)
{
	struct firmware_core *c = owner;
	uint32_t got;
	int ret = firmware_alloc(&c->fw, (uint32_t)*size, data, &got);

	(void)i;
	if (ret == 0)
		*size = got;
	return again(ret);
}

static int port_send_taken(void *owner, unsigned int i, void *data, size_t size)
{
	struct firmware_core *c = owner;
	char name[CORE_EPT_NAME_SIZE];

	name_of(i, name);
	return firmware_send_nocopy(&c->fw, name, data, (uint32_t)size);
}

static int port_drop(void *owner, void *data)
{
	struct firmware_core *c = owner;

	return firmware_drop(&c->fw, data);
}

static int port_release(void *owner, uint64_t held)
{
	struct firmware_core *c = owner;

	return firmware_release(&c->fw, (const void *)(uintptr_t)held);
}

static const struct traffic_port port = {
	.send = port_send,
	.take = port_take,
	.send_taken = port_send_taken,
	.drop = port_drop,
	.release = port_release,
};

static void ring(void *user)
{
	struct firmware_core *c = user;

	eventfd_write(c->core->bell_tx, 1);
}

static void register_next(struct firmware_core *c)
{
	char name[CORE_EPT_NAME_SIZE];
	int ret;

	if (c->registered == c->core->endpoints)
		return;
	name_of(c->registered++, name);
	ret = firmware_register(&c->fw, name);
	if (ret == 0)
		return;
	core_fail(c->core, "registering %s: %s", name, strerror(-ret));
	c->failed = true;
}

/*
 * The endpoints are registered one after the other: an initiator that finds no block for an
 * announcement never repeats it, so eight at once over four blocks would hang, as on Zephyr.
 */
static void on_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	struct firmware_core *c = user;

	(void)fw;
	(void)ept;
	c->bound++;
	register_next(c);
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct firmware_core *c = user;
	bool hold = false;

	if (c->failed)
		return false;
	/* In the order of registration. */
	if (traffic_receive(&c->traffic, (unsigned int)(ept - fw->ept), data, size, &hold) < 0) {
		core_fail(c->core, "%s", c->traffic.error);
		c->failed = true;
		return false;
	}
	if (hold)
		traffic_hold(&c->traffic, (uint64_t)(uintptr_t)data, data, size);
	return hold;
}

/* Handle packets and send by turns until there is nothing to do. 0 or an error. */
static int work(struct firmware_core *c)
{
	int moved = 1;

	while (moved > 0) {
		moved = firmware_pump(&c->fw) > 0;
		if (c->failed)
			return -EIO;
		if (c->fw.counters.errors > 0 && !c->core->corrupted) {
			core_fail(c->core, "the firmware met %llu messages that it logs as errors",
				  (unsigned long long)c->fw.counters.errors);
			return -EPROTO;
		}
		if (c->bound == c->core->endpoints) {
			int turn = core_turn(c->core, &c->traffic);

			if (turn < 0)
				return turn;
			moved |= turn;
		}
	}
	return 0;
}

static int run(struct firmware_core *c)
{
	const struct core *core = c->core;
	struct core_bells *bells = &core->status->bells;
	uint64_t before = bells->rung;
	bool done = false;
	eventfd_t count;

	do {
		eventfd_read(core->bell_rx, &count);
		if (work(c) < 0)
			return SIM_ERROR;
		if (!done && c->bound == core->endpoints && traffic_done(&c->traffic)) {
			done = true;
			core_done(core, &c->traffic);
		}
		bells->rung = before + c->fw.counters.rings;
	} while (core_sleep(core, core->bell_rx));
	return SIM_OK;
}

static int start(struct firmware_core *c, void *map)
{
	struct firmware_config config = {
		.map = map,
		.num_ep = c->core->endpoints,
		.ring = ring,
		.bound = on_bound,
		.received = on_received,
		.user = c,
	};
	char error[LAYOUT_ERROR_SIZE];
	int ret = geometry_layout(c->core->geometry, c->core->side, &config.tx, &config.rx, error);

	if (ret < 0) {
		core_fail(c->core, "%s", error);
		return ret;
	}
	ret = core_traffic_init(c->core, &c->traffic, &port, c, config.tx.max_payload);
	if (ret == 0)
		ret = firmware_init(&c->fw, &config);
	if (ret == 0)
		ret = firmware_open(&c->fw);
	if (ret < 0)
		core_fail(c->core, "starting the firmware: %s", strerror(-ret));
	register_next(c);
	return ret;
}

int core_firmware_run(const struct core *core)
{
	struct firmware_core c = { .core = core };
	size_t size = geometry_memory_size(core->geometry);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, core->memory_fd, 0);
	int status = SIM_ERROR;

	if (map == MAP_FAILED)
		return core_fail(core, "mapping the shared memory: %s", strerror(errno));
	if (start(&c, map) == 0)
		status = run(&c);
	traffic_deinit(&c.traffic);
	munmap(map, size);
	return status;
}
