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
	struct icbmsg_config *cfg;
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	struct icbmsg_layout layout;
	uint32_t held_blocks; /**< of the other side, in messages that are kept */
	bool bounce;          /**< blocks are not handed out */
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

/* Memory that needs aligned accesses is not handed out: a copy of ours is. */
static int direct_get_buffer(struct backend *b, size_t size, void **data)
{
	struct direct_backend *d = direct_of(b);
	int ret = -EOPNOTSUPP;

	if (!d->bounce)
		ret = icbmsg_get_tx_buffer(d->ept, &size, 0, data);
	if (ret != -EOPNOTSUPP)
		return ret == -ECONNRESET ? -ENOTCONN : ret;
	d->bounce = true;
	*data = malloc(size);
	return *data ? 0 : -ENOMEM;
}

static int direct_send_buffer(struct backend *b, void *data, size_t size)
{
	struct direct_backend *d = direct_of(b);
	int ret;

	if (!d->bounce) {
		ret = icbmsg_send_nocopy(d->ept, data, size);
		return ret == -ECONNRESET ? -ENOTCONN : ret;
	}
	ret = direct_send(b, data, size);
	if (ret == 0)
		free(data);
	return ret;
}

static void direct_drop_buffer(struct backend *b, void *data)
{
	struct direct_backend *d = direct_of(b);

	if (d->bounce)
		free(data);
	else
		icbmsg_drop_tx_buffer(d->link, data);
}

static int copy_message(const struct backend_event *ev, struct backend_message *m)
{
	uint8_t *data = malloc(ev->size ? ev->size : 1);

	if (!data)
		return -ENOMEM;
	memcpy(data, ev->data, ev->size);
	*m = (struct backend_message){ .data = data, .size = ev->size };
	return 0;
}

static uint32_t rx_blocks(const struct direct_backend *d, size_t size)
{
	uint32_t block = d->layout.rx.block_size;

	return (uint32_t)((size + d->layout.word_size + block - 1) / block);
}

/* Half of the other side's blocks stay its own. */
static int direct_keep(struct backend *b, const struct backend_event *ev, struct backend_message *m)
{
	struct direct_backend *d = direct_of(b);
	uint32_t blocks = rx_blocks(d, ev->size);
	struct icbmsg_rx rx = { 0 };
	int ret = -EOPNOTSUPP;

	if (d->held_blocks + blocks <= d->layout.rx.block_count / 2)
		ret = icbmsg_hold_rx(d->link, ev->data, &rx);
	if (ret == -EOPNOTSUPP)
		return copy_message(ev, m);
	if (ret < 0)
		return ret;
	d->held_blocks += blocks;
	*m = (struct backend_message){ .data = (uint8_t *)ev->data,
				       .size = ev->size,
				       .held = rx.id };
	return 0;
}

static bool direct_is_current(struct backend *b, const struct backend_message *m)
{
	struct icbmsg_rx rx = { .id = m->held };

	return !m->held || icbmsg_rx_is_current(direct_of(b)->link, rx);
}

static void direct_release(struct backend *b, const struct backend_message *m)
{
	struct direct_backend *d = direct_of(b);
	struct icbmsg_rx rx = { .id = m->held };

	if (m->held) {
		d->held_blocks -= rx_blocks(d, m->size);
		icbmsg_release_rx(d->link, rx);
	} else {
		free(m->data);
	}
}

static bool direct_all_taken(struct backend *b)
{
	return stats_of(b).tx_blocks_free == direct_of(b)->layout.tx.block_count;
}

/* Whether opening the memory a second time, for a look, disturbs nobody: no bus, no device. */
static bool is_plain_memory(const struct icbmsg_config *cfg)
{
	const char *memory = icbmsg_config_get(cfg, "memory");

	return memory && (strncmp(memory, "shm:", 4) == 0 || strncmp(memory, "fd:", 3) == 0);
}

/* Our ring, seen from outside, as it is nothing that a user of a link has to care for. */
static bool direct_all_told(struct backend *b)
{
	const struct direct_backend *d = direct_of(b);
	struct icbmsg_snapshot_ring ring = { 0 };
	struct icbmsg_snapshot *snapshot;

	if (!is_plain_memory(d->cfg) || icbmsg_snapshot_new(&snapshot, d->cfg) < 0)
		return true;
	icbmsg_snapshot_get_ring(snapshot, ICBMSG_TX, &ring);
	icbmsg_snapshot_free(snapshot);
	return !ring.valid || ring.used == 0;
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

	return backend_why_not_bound(state == ICBMSG_LINK_UP, state == ICBMSG_LINK_HELD);
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
		 s.tx_blocks_free, d->layout.tx.block_count, SINCE_OPEN(tx_packets),
		 SINCE_OPEN(rx_packets));
	tool_say("faults of the other side: %" PRIu64 " packets, %" PRIu64 " blocks, %" PRIu64
		 " endpoints, %" PRIu64 " releases; restarts: %" PRIu64,
		 SINCE_OPEN(bad_packets) + SINCE_OPEN(bad_types) + SINCE_OPEN(bad_bounds),
		 SINCE_OPEN(bad_blocks), SINCE_OPEN(bad_endpoints), SINCE_OPEN(bad_releases),
		 SINCE_OPEN(restarts));
}

static void direct_close(struct backend *b)
{
	icbmsg_close(direct_of(b)->link);
	icbmsg_config_free(direct_of(b)->cfg);
	free(b);
}

static const struct backend_ops direct_ops = {
	.next = direct_next,
	.send = direct_send,
	.get_buffer = direct_get_buffer,
	.send_buffer = direct_send_buffer,
	.drop_buffer = direct_drop_buffer,
	.keep = direct_keep,
	.is_current = direct_is_current,
	.release = direct_release,
	.all_taken = direct_all_taken,
	.all_told = direct_all_told,
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

/* A whole number of blocks. */
static size_t file_size(const struct icbmsg_layout *layout)
{
	uint32_t block = layout->tx.block_size, count = layout->tx.block_count / FILE_MESSAGES;

	if (count > (FILE_SIZE_MAX + layout->word_size) / block)
		count = (uint32_t)((FILE_SIZE_MAX + layout->word_size) / block);
	return (size_t)block * (count > 0 ? count : 1) - layout->word_size;
}

static void open_link(struct direct_backend *d, const struct direct *where)
{
	int ret;

	d->cfg = direct_load(where);
	ret = icbmsg_open(&d->link, d->cfg);

	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s",
			  *icbmsg_config_error(d->cfg) ? icbmsg_config_error(d->cfg) :
							 strerror(-ret));
	icbmsg_get_stats(d->link, &d->at_open, sizeof(d->at_open));
	icbmsg_set_log(d->link, on_log, d);
	icbmsg_get_layout(d->link, &d->layout, sizeof(d->layout));
	d->base.file_size = file_size(&d->layout);
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
