// SPDX-License-Identifier: Apache-2.0
/*
 * A talking core that runs libicbmsg: it lives on while the other side dies, and balances what it
 * sent with what the library tells when an endpoint is lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <icbmsg.h>

#include "args.h"
#include "chat.h"

/* Passes of dispatching before anything is sent. */
#define PASSES_MAX 64u

struct lib_core;

struct lib_endpoint {
	struct lib_core *owner;
	struct icbmsg_ept *ept;
	unsigned int index;
};

struct lib_core {
	const struct restart_core *rc;
	struct icbmsg *link;
	struct lib_endpoint *ept;
	uint32_t blocks;
	struct core_bells before; /* of its predecessors */
	struct chat chat;
};

static int send_message(void *owner, unsigned int i, const void *data, size_t size)
{
	struct lib_core *c = owner;
	int ret = icbmsg_send(c->ept[i].ept, data, size, 0);

	if (ret == -ENOBUFS)
		return -EAGAIN;
	return ret == -ECONNRESET ? -ENOTCONN : ret;
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	struct lib_endpoint *e = user;

	(void)ept;
	chat_bound(&e->owner->chat, e->index);
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	struct lib_endpoint *e = user;

	(void)ept;
	chat_unbound(&e->owner->chat, e->index, info->unknown_tx);
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct lib_endpoint *e = user;

	(void)ept;
	chat_received(&e->owner->chat, e->index, data, size);
}

static const struct icbmsg_ept_callbacks callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
};

static int register_endpoints(struct lib_core *c)
{
	char name[CORE_EPT_NAME_SIZE];
	unsigned int i;
	int ret;

	for (i = 0; i < c->rc->core.endpoints; i++) {
		c->ept[i] = (struct lib_endpoint){ .owner = c, .index = i };
		snprintf(name, sizeof(name), CORE_EPT_NAME, i);
		ret = icbmsg_ept_register(c->link, &c->ept[i].ept, name, &callbacks, &c->ept[i]);
		if (ret < 0) {
			core_fail(&c->rc->core, "registering %s: %s", name, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

static void tell_stats(const struct lib_core *c, const struct icbmsg_stats *s)
{
	struct restart_counts *n = &c->rc->shared->counts[c->rc->core.side];

	n->noticed = s->restarts;
	n->bells_rung = c->before.rung + s->doorbells_sent;
	n->rescues = c->before.rescues + s->rescues;
	n->bells_lost = c->before.lost + s->doorbells_lost;
	n->bad_packets = s->bad_packets;
	n->bad_blocks = s->bad_blocks;
	n->bad_endpoints = s->bad_endpoints;
	n->bad_releases = s->bad_releases;
}

/* Everything is answered, and the other side has given all blocks back? */
static void tell_quiet(const struct lib_core *c, const struct icbmsg_stats *s)
{
	_Atomic bool *quiet = &c->rc->shared->quiet[c->rc->core.side];
	bool now = chat_quiet(&c->chat) && s->tx_blocks_free == c->blocks;

	if (atomic_exchange(quiet, now) != now)
		eventfd_write(c->rc->core.done_fd, 1);
}

/*
 * What has happened, until there is nothing more: only then the application knows of every endpoint
 * in which session it sends.
 */
static int catch_up(struct lib_core *c)
{
	unsigned int pass;
	int ret = 1;

	for (pass = 0; ret > 0 && pass < PASSES_MAX; pass++)
		ret = icbmsg_dispatch(c->link, 0);
	if (ret < 0)
		core_fail(&c->rc->core, "dispatching: %s", strerror(-ret));
	return ret;
}

static int run(struct lib_core *c)
{
	struct icbmsg_stats stats;
	int ret;

	do {
		do {
			ret = catch_up(c);
			if (ret < 0 || c->chat.failed)
				return SIM_ERROR;
		} while (ret > 0 || chat_turn(&c->chat));
		icbmsg_get_stats(c->link, &stats, sizeof(stats));
		tell_stats(c, &stats);
		tell_quiet(c, &stats);
	} while (!c->chat.failed && core_sleep(&c->rc->core, icbmsg_get_fd(c->link)));
	return c->chat.failed ? SIM_ERROR : SIM_OK;
}

/* The library's own sum must be that of its reports. */
static int balance(struct lib_core *c)
{
	struct icbmsg_stats stats;
	uint64_t unknown = 0;
	unsigned int i;

	icbmsg_get_stats(c->link, &stats, sizeof(stats));
	tell_stats(c, &stats);
	for (i = 0; i < c->rc->core.endpoints; i++)
		unknown += c->chat.ept[i].unknown;
	chat_balance(&c->chat);
	if (c->chat.failed)
		return SIM_ERROR;
	if (stats.tx_unknown == unknown || c->rc->corrupted)
		return SIM_OK;
	return core_fail(&c->rc->core,
			 "%" PRIu64
			 " messages were reported as unknown, but tx_unknown is %" PRIu64,
			 unknown, stats.tx_unknown);
}

int restart_lib_run(const struct restart_core *rc)
{
	const struct restart_counts *n = &rc->shared->counts[rc->core.side];
	struct lib_core c = {
		.rc = rc,
		.before = { .rung = n->bells_rung, .rescues = n->rescues, .lost = n->bells_lost },
	};
	struct icbmsg_layout layout;
	int status = SIM_ERROR;

	if (core_lib_open(&rc->core, &c.link) < 0)
		return SIM_ERROR;
	icbmsg_get_layout(c.link, &layout, sizeof(layout));
	c.blocks = layout.tx.block_count;
	c.ept = calloc(rc->core.endpoints, sizeof(c.ept[0]));
	if (c.ept && chat_init(&c.chat, rc, send_message, &c, layout.tx.max_payload) == 0 &&
	    register_endpoints(&c) == 0)
		status = run(&c);
	if (status == SIM_OK)
		status = balance(&c);
	icbmsg_close(c.link);
	chat_deinit(&c.chat);
	free(c.ept);
	return status;
}
