// SPDX-License-Identifier: Apache-2.0
/*
 * The backend of --direct: this process owns the link.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <icbmsg.h>

#include "cat/backend.h"
#include "common/tool.h"

struct direct_backend {
	struct backend base;
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	uint32_t block_count; /**< of the direction we send in */
	struct icbmsg_stats at_open;
	backend_log *log;
	void *user;
	char doubt[128];
};

static struct direct_backend *direct_of(struct backend *b)
{
	return (void *)b; /* its first member */
}

static struct icbmsg_stats stats_of(struct backend *b)
{
	const struct direct_backend *d = direct_of(b);
	struct icbmsg_stats stats;

	icbmsg_get_stats(d->link, &stats, sizeof(stats));
	return stats;
}

static void set_lost(struct direct_backend *d, struct backend_event *out,
		     const struct icbmsg_unbound *info)
{
	out->type = BACKEND_LOST;
	out->text = icbmsg_unbound_reason_name(info->reason);
	if (info->unknown_tx == 0)
		return;
	snprintf(d->doubt, sizeof(d->doubt),
		 "%" PRIu32 " sent messages were not released: whether the other side handled "
		 "them is not known",
		 info->unknown_tx);
	out->doubt = d->doubt;
}

/* Returns false for what is of no interest here. */
static bool translate(struct direct_backend *d, struct backend_event *out,
		      const struct icbmsg_event *ev)
{
	*out = (struct backend_event){ 0 };
	switch (ev->type) {
	case ICBMSG_EVENT_BOUND:
		out->type = BACKEND_BOUND;
		return true;
	case ICBMSG_EVENT_UNBOUND:
		set_lost(d, out, &ev->unbound);
		return true;
	case ICBMSG_EVENT_RECEIVED:
		out->type = BACKEND_MESSAGE;
		out->data = ev->data;
		out->size = ev->size;
		return true;
	case ICBMSG_EVENT_ERROR:
		out->type = BACKEND_TROUBLE;
		out->text = ev->message;
		return true;
	case ICBMSG_EVENT_WRITABLE:
		/* Sending is tried again on each turn. */
		return false;
	case ICBMSG_EVENT_RELEASED:
		return false;
	}
	return false;
}

static int direct_next(struct backend *b, struct backend_event *out)
{
	struct direct_backend *d = direct_of(b);
	struct icbmsg_event ev;
	int ret;

	do
		ret = icbmsg_next_event(d->link, &ev, 0);
	while (ret > 0 && !translate(d, out, &ev));
	return ret;
}

static int direct_send(struct backend *b, const void *data, size_t size)
{
	int ret = icbmsg_send(direct_of(b)->ept, data, size, 0);

	return ret == -ECONNRESET ? -ENOTCONN : ret;
}

static bool direct_all_taken(struct backend *b)
{
	return stats_of(b).tx_blocks_free == direct_of(b)->block_count;
}

static int64_t direct_watch(struct backend *b, struct pollfd fds[BACKEND_FDS], bool reading,
			    bool sending)
{
	(void)sending;
	fds[0] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = -1 };
	/* Blocks that are released make it readable, too. */
	if (reading)
		fds[0].fd = icbmsg_get_fd(direct_of(b)->link);
	return NEVER;
}

static const char *direct_why_not_bound(struct backend *b)
{
	enum icbmsg_link_state state = stats_of(b).state;

	if (state == ICBMSG_LINK_HELD)
		return "the firmware is in a session with an earlier program of this side; restart it";
	return backend_why_not_bound(state == ICBMSG_LINK_UP);
}

/* A state-file's counters go on where its last user ended. */
#define SINCE_OPEN(field) (s.field - d->at_open.field)

static void direct_statistics(struct backend *b)
{
	const struct direct_backend *d = direct_of(b);
	struct icbmsg_stats s = stats_of(b);

	tool_say("doorbells: %" PRIu64 " sent, %" PRIu64 " not needed, %" PRIu64
		 " received, %" PRIu64 " repeated, %" PRIu64 " lost",
		 SINCE_OPEN(doorbells_sent), SINCE_OPEN(doorbells_elided),
		 SINCE_OPEN(doorbells_received), SINCE_OPEN(rescues), SINCE_OPEN(doorbells_lost));
	tool_say("blocks free: %" PRIu32 " of %" PRIu32 "; control messages: %" PRIu64
		 " sent, %" PRIu64 " received",
		 s.tx_blocks_free, d->block_count, SINCE_OPEN(tx_packets), SINCE_OPEN(rx_packets));
	tool_say("faults of the other side: %" PRIu64 " packets, %" PRIu64 " blocks, %" PRIu64
		 " endpoints, %" PRIu64 " releases; restarts: %" PRIu64,
		 SINCE_OPEN(bad_packets) + SINCE_OPEN(bad_types) + SINCE_OPEN(bad_bounds),
		 SINCE_OPEN(bad_blocks), SINCE_OPEN(bad_endpoints), SINCE_OPEN(bad_releases),
		 SINCE_OPEN(restarts));
}

static void direct_close(struct backend *b)
{
	icbmsg_close(direct_of(b)->link);
	free(b);
}

static const struct backend_ops direct_ops = {
	.next = direct_next,
	.send = direct_send,
	.all_taken = direct_all_taken,
	.watch = direct_watch,
	.why_not_bound = direct_why_not_bound,
	.statistics = direct_statistics,
	.close = direct_close,
};

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	const struct direct_backend *d = user;

	d->log(d->user, level == ICBMSG_LOG_ERROR || level == ICBMSG_LOG_WARNING, line);
}

static void open_link(struct direct_backend *d, const struct direct *where)
{
	struct icbmsg_config *cfg = direct_load(where);
	struct icbmsg_layout layout;
	int ret = icbmsg_open(&d->link, cfg);

	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s",
			  *icbmsg_config_error(cfg) ? icbmsg_config_error(cfg) : strerror(-ret));
	icbmsg_config_free(cfg);
	icbmsg_get_stats(d->link, &d->at_open, sizeof(d->at_open));
	icbmsg_set_log(d->link, on_log, d);
	icbmsg_get_layout(d->link, &layout, sizeof(layout));
	d->block_count = layout.tx.block_count;
}

static void register_endpoint(struct direct_backend *d, const char *endpoint)
{
	int ret = icbmsg_ept_register(d->link, &d->ept, endpoint, NULL, NULL);

	if (ret == -ENAMETOOLONG)
		tool_fail(TOOL_ERROR,
			  "the endpoint's name '%s' does not fit into the blocks of "
			  "this link",
			  endpoint);
	if (ret < 0)
		tool_fail(TOOL_ERROR, "cannot register endpoint '%s': %s", endpoint,
			  strerror(-ret));
}

struct backend *direct_open(const struct options *o, backend_log *log, void *user)
{
	struct direct_backend *d = calloc(1, sizeof(*d));

	if (!d)
		tool_fail(TOOL_ERROR, "out of memory");
	d->base.ops = &direct_ops;
	d->base.endpoint = o->endpoint;
	d->log = log;
	d->user = user;
	open_link(d, &o->direct);
	register_endpoint(d, o->endpoint);
	d->base.max_size = icbmsg_max_size(d->link);
	return &d->base;
}
