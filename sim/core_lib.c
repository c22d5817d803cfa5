// SPDX-License-Identifier: Apache-2.0
/*
 * A core that runs libicbmsg, through its public interface only, as a program with one thread and a
 * poll loop of its own would.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <icbmsg.h>

#include "core.h"
#include "args.h"

struct lib_core;

struct lib_endpoint {
	struct lib_core *owner;
	struct icbmsg_ept *ept;
	unsigned int index;
};

struct lib_core {
	const struct core *core;
	struct icbmsg *link;
	struct lib_endpoint *ept;
	unsigned int bound;
	bool failed;
	struct traffic traffic;
};

/* What the application understands by "no room now". */
static int again(int ret)
{
	return ret == -ENOBUFS ? -EAGAIN : ret;
}

static int port_send(void *owner, unsigned int i, const void *data, size_t size)
{
	struct lib_core *c = owner;

	return again(icbmsg_send(c->ept[i].ept, data, size, 0));
}

static int port_take(void *owner, unsigned int i, size_t *size, void **data)
{
	struct lib_core *c = owner;

	return again(icbmsg_get_tx_buffer(c->ept[i].ept, size, 0, data));
}

static int port_send_taken(void *owner, unsigned int i, void *data, size_t size)
{
	struct lib_core *c = owner;

	return icbmsg_send_nocopy(c->ept[i].ept, data, size);
}

static int port_drop(void *owner, void *data)
{
	struct lib_core *c = owner;

	return icbmsg_drop_tx_buffer(c->link, data);
}

static int port_release(void *owner, uint64_t held)
{
	struct lib_core *c = owner;

	return icbmsg_release_rx(c->link, (struct icbmsg_rx){ .id = held });
}

static const struct traffic_port port = {
	.send = port_send,
	.take = port_take,
	.send_taken = port_send_taken,
	.drop = port_drop,
	.release = port_release,
};

static void fail(struct lib_core *c, const char *what, int ret)
{
	core_fail(c->core, "%s: %s", what, strerror(-ret));
	c->failed = true;
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	struct lib_endpoint *e = user;

	(void)ept;
	e->owner->bound++;
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	struct lib_endpoint *e = user;
	struct lib_core *c = e->owner;

	c->bound--;
	if (c->core->corrupted) {
		/* What was on its way will not come, and the other side may be another one. */
		stream_rx_reset(&c->traffic.rx, e->index);
	} else if (!core_stopped(c->core)) {
		core_fail(c->core, "endpoint %s was lost: %s", icbmsg_ept_name(ept),
			  icbmsg_unbound_reason_name(info->reason));
		c->failed = true;
	}
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct lib_endpoint *e = user;
	struct lib_core *c = e->owner;
	struct icbmsg_rx rx;
	bool hold;
	int ret;

	(void)ept;
	if (c->failed)
		return;
	ret = traffic_receive(&c->traffic, e->index, data, size, &hold);
	if (ret < 0) {
		core_fail(c->core, "%s", c->traffic.error);
		c->failed = true;
		return;
	}
	if (!hold)
		return;
	ret = icbmsg_hold_rx(c->link, data, &rx);
	if (ret < 0 && !c->core->corrupted)
		fail(c, "holding a message", ret);
	if (ret == 0)
		traffic_hold(&c->traffic, rx.id, data, size);
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	struct lib_endpoint *e = user;

	(void)error;
	if (e->owner->core->corrupted)
		return;
	core_fail(e->owner->core, "endpoint %s: %s", icbmsg_ept_name(ept), message);
	e->owner->failed = true;
}

static const struct icbmsg_ept_callbacks callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
	.error = on_error,
};

static int set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int set(struct icbmsg_config *cfg, const char *key, const char *format, ...)
{
	char value[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	return icbmsg_config_set(cfg, key, value);
}

static int configure(const struct core *core, struct icbmsg_config *cfg)
{
	struct geometry_setting settings[GEOMETRY_SETTINGS];
	int ret = set(cfg, "memory", "fd:%d", core->memory_fd);
	size_t i;

	if (ret == 0)
		ret = set(cfg, "doorbell", "eventfd:%d,%d", core->bell_rx, core->bell_tx);
	if (ret == 0 && core->rescue_ns > 0)
		ret = set(cfg, "rescue-interval", "%" PRId64 "us", core->rescue_ns / 1000);
	/* With a larger alignment it finds out by itself. */
	if (ret == 0 && core->peer_is_library && core->geometry->alignment < 8)
		ret = set(cfg, "peer", "libicbmsg");
	geometry_settings(core->geometry, core->side, settings);
	for (i = 0; ret == 0 && i < GEOMETRY_SETTINGS; i++)
		ret = icbmsg_config_set(cfg, settings[i].key, settings[i].value);
	return ret;
}

int core_lib_open(const struct core *core, struct icbmsg **link)
{
	struct icbmsg_config *cfg;
	int ret = icbmsg_config_new(&cfg);

	if (ret < 0)
		return ret;
	ret = configure(core, cfg);
	if (ret == 0)
		ret = icbmsg_open(link, cfg);
	if (ret < 0)
		core_fail(core, "%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return ret;
}

static int register_endpoints(struct lib_core *c)
{
	char name[CORE_EPT_NAME_SIZE];
	unsigned int i;
	int ret;

	c->ept = calloc(c->core->endpoints, sizeof(c->ept[0]));
	if (!c->ept)
		return -ENOMEM;
	for (i = 0; i < c->core->endpoints; i++) {
		c->ept[i] = (struct lib_endpoint){ .owner = c, .index = i };
		snprintf(name, sizeof(name), CORE_EPT_NAME, i);
		ret = icbmsg_ept_register(c->link, &c->ept[i].ept, name, &callbacks, &c->ept[i]);
		if (ret < 0) {
			core_fail(c->core, "registering %s: %s", name, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

static void tell_bells(struct lib_core *c)
{
	struct icbmsg_stats stats;

	icbmsg_get_stats(c->link, &stats, sizeof(stats));
	c->core->status->bells = (struct core_bells){
		.rung = stats.doorbells_sent,
		.rescues = stats.rescues,
		.lost = stats.doorbells_lost,
	};
}

/* Dispatch, send, sleep, until the parent hangs up. */
static int run(struct lib_core *c)
{
	const struct core *core = c->core;
	int fd = icbmsg_get_fd(c->link);
	bool done = false;

	do {
		int moved = 1;

		while (moved > 0) {
			moved = icbmsg_dispatch(c->link, 0);
			if (moved < 0)
				fail(c, "dispatching", moved);
			if (!c->failed && c->bound == core->endpoints) {
				int turn = core_turn(core, &c->traffic);

				moved = turn < 0 ? turn : moved + turn;
			}
			if (moved < 0 || c->failed)
				return SIM_ERROR;
		}
		if (!done && c->bound == core->endpoints && traffic_done(&c->traffic)) {
			done = true;
			core_done(core, &c->traffic);
		}
	} while (core_sleep(core, fd));
	return SIM_OK;
}

int core_lib_run(const struct core *core)
{
	struct lib_core c = { .core = core };
	int status = SIM_ERROR;

	if (core_lib_open(core, &c.link) < 0)
		return SIM_ERROR;
	if (core_traffic_init(core, &c.traffic, &port, &c, icbmsg_max_size(c.link)) == 0 &&
	    register_endpoints(&c) == 0)
		status = run(&c);
	tell_bells(&c);
	traffic_release(&c.traffic, 0);
	icbmsg_close(c.link);
	traffic_deinit(&c.traffic);
	free(c.ept);
	return status;
}
