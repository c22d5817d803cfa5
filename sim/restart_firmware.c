// SPDX-License-Identifier: Apache-2.0
/*
 * A talking core that runs the stand-in for Zephyr firmware. It knows nothing of what was before
 * it: each start finds the memory as its predecessor left it when it was killed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "args.h"
#include "chat.h"
#include "firmware.h"

struct firmware_core {
	const struct restart_core *rc;
	struct firmware fw;
	unsigned int registered;
	bool failed;
	struct chat chat;
};

static void name_of(unsigned int i, char name[CORE_EPT_NAME_SIZE])
{
	snprintf(name, CORE_EPT_NAME_SIZE, CORE_EPT_NAME, i);
}

static int send_message(void *owner, unsigned int i, const void *data, size_t size)
{
	struct firmware_core *c = owner;
	char name[CORE_EPT_NAME_SIZE];
	int ret;

	name_of(i, name);
	ret = firmware_send(&c->fw, name, data, (uint32_t)size);
	if (ret == -ENOMEM)
		return -EAGAIN;
	return ret < 0 ? ret : 0;
}

static void ring(void *user)
{
	struct firmware_core *c = user;

	eventfd_write(c->rc->core.bell_tx, 1);
}

static void register_next(struct firmware_core *c)
{
	char name[CORE_EPT_NAME_SIZE];
	int ret;

	if (c->registered == c->rc->core.endpoints)
		return;
	name_of(c->registered++, name);
	ret = firmware_register(&c->fw, name);
	if (ret == 0)
		return;
	core_fail(&c->rc->core, "registering %s: %s", name, strerror(-ret));
	c->failed = true;
}

/* In the order of registration, one after the other: an announcement without a block is lost. */
static void on_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	struct firmware_core *c = user;

	chat_bound(&c->chat, (unsigned int)(ept - fw->ept));
	register_next(c);
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct firmware_core *c = user;

	chat_received(&c->chat, (unsigned int)(ept - fw->ept), data, size);
	return false;
}

static void tell_quiet(const struct firmware_core *c)
{
	bool now = chat_quiet(&c->chat) && firmware_used_blocks(&c->fw) == 0;

	if (atomic_exchange(&c->rc->shared->quiet[c->rc->core.side], now) != now)
		eventfd_write(c->rc->core.done_fd, 1);
}

static int run(struct firmware_core *c)
{
	const struct core *core = &c->rc->core;
	eventfd_t count;

	do {
		bool moved = true;

		eventfd_read(core->bell_rx, &count);
		while (moved && !c->failed && !c->chat.failed) {
			moved = firmware_pump(&c->fw) > 0;
			atomic_store(&c->rc->shared->errors, c->fw.counters.errors);
			moved |= chat_turn(&c->chat);
		}
		if (c->failed || c->chat.failed)
			return SIM_ERROR;
		tell_quiet(c);
	} while (core_sleep(core, core->bell_rx));
	chat_balance(&c->chat);
	return c->chat.failed ? SIM_ERROR : SIM_OK;
}

static int start(struct firmware_core *c, void *map)
{
	const struct core *core = &c->rc->core;
	struct firmware_config config = {
		.map = map,
		.num_ep = core->endpoints,
		.ring = ring,
		.bound = on_bound,
		.received = on_received,
		.user = c,
	};
	char error[LAYOUT_ERROR_SIZE];
	eventfd_t count;
	int ret = geometry_layout(core->geometry, core->side, &config.tx, &config.rx, error);

	if (ret < 0) {
		core_fail(core, "%s", error);
		return ret;
	}
	ret = chat_init(&c->chat, c->rc, send_message, c, config.tx.max_payload);
	if (ret == 0)
		ret = firmware_init(&c->fw, &config);
	if (c->rc->forget)
		eventfd_read(core->bell_rx, &count);
	if (ret == 0)
		ret = firmware_open(&c->fw);
	if (ret < 0)
		core_fail(core, "starting the firmware: %s", strerror(-ret));
	else
		register_next(c);
	return ret;
}

int restart_firmware_run(const struct restart_core *rc)
{
	struct firmware_core c = { .rc = rc };
	size_t size = geometry_memory_size(rc->core.geometry);
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, rc->core.memory_fd, 0);
	int status = SIM_ERROR;

	if (map == MAP_FAILED)
		return core_fail(&rc->core, "mapping the shared memory: %s", strerror(errno));
	if (start(&c, map) == 0)
		status = run(&c);
	chat_deinit(&c.chat);
	munmap(map, size);
	return status;
}
