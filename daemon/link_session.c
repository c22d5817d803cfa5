// SPDX-License-Identifier: Apache-2.0
/*
 * The link between the daemon and one library client: opened on their memory, closed and opened
 * anew when the other core's session is lost, and its events, one a turn.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define BACK_OFF_USEC 100000

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	const struct link_client *c = user;

	/* What a client does to itself is no warning: whoever looks for it asks for more. */
	(void)level;
	log_debug("%s: library client %ju (process %d): %s", c->instance->name, (uintmax_t)c->id,
		  (int)c->pid, line);
}

/* Keys of icbmsg.conf(5); values are printed, as all are texts. */
static int configure(struct icbmsg_config *cfg, const struct link_client *c)
{
	const struct link_shape *s = &c->shape;
	char texts[6][48];
	const struct {
		const char *key, *value;
	} keys[] = {
		{ "memory", texts[0] },    { "doorbell", texts[1] },
		{ "rx-region", texts[2] }, { "tx-region", texts[3] },
		{ "rx-blocks", texts[4] }, { "tx-blocks", texts[5] },
		{ "word-size", "8" },      { "dcache-alignment", "64" },
		{ "peer", "libicbmsg" },   { "rescue-interval", "never" },
		{ "spin", "no" },
	};
	int ret = 0;

	_Static_assert(CLIENT_WORD_SIZE == 8 && CLIENT_ALIGNMENT == 64, "as written above");
	snprintf(texts[0], sizeof(texts[0]), "fd:%d", c->memory_fd);
	snprintf(texts[1], sizeof(texts[1]), "socket:%d", c->fd);
	snprintf(texts[2], sizeof(texts[2]), "0 %u", s->to_daemon);
	snprintf(texts[3], sizeof(texts[3]), "%u %u", s->to_daemon, s->to_client);
	snprintf(texts[4], sizeof(texts[4]), "%u", s->to_daemon_blocks);
	snprintf(texts[5], sizeof(texts[5]), "%u", s->to_client_blocks);
	for (size_t n = 0; ret == 0 && n < sizeof(keys) / sizeof(*keys); n++)
		ret = icbmsg_config_set(cfg, keys[n].key, keys[n].value);
	return ret;
}

int link_open(struct link_client *c, char error[ERROR_SIZE])
{
	struct icbmsg_config *cfg;
	int ret = icbmsg_config_new(&cfg);

	if (ret < 0) {
		snprintf(error, ERROR_SIZE, "out of memory");
		return ret;
	}
	ret = configure(cfg, c);
	if (ret == 0)
		ret = icbmsg_open(&c->link, cfg);
	if (ret < 0)
		snprintf(error, ERROR_SIZE, "%.*s", ERROR_SIZE - 1, icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	if (ret < 0)
		return ret;
	icbmsg_set_log(c->link, on_log, c);
	/* From here on the timer is for back-off, and of this session. */
	event_del(&c->timer);
	link_turn_later(c);
	return 0;
}

void link_close(struct link_client *c)
{
	struct icbmsg *link = c->link;
	struct link_ept *p;

	if (!link)
		return;
	/* What is held is given up after the end of the session: it must not count as handled. */
	icbmsg_close(link);
	link_discard_pending(c);
	link_forget(c);
	c->link = NULL;
	c->announced = false;
	c->read = 0;
	TAILQ_FOREACH(p, &c->epts, in_client) {
		p->ept = NULL;
		p->bound = p->full = false;
		/* Nothing of a session past is given out in the next one. */
		outbox_clear(&p->sub.outbox, FATE_STALE);
	}
}

void link_restart(struct link_client *c)
{
	char error[ERROR_SIZE];

	/* What it has not heard of needs no end. */
	if (c->ended || !c->announced)
		return;
	link_close(c);
	link_epts_closed(c);
	if (link_open(c, error) < 0)
		link_end_badly(c, error);
}

static void handle(struct link_client *c, const struct icbmsg_event *ev)
{
	struct link_ept *p = icbmsg_ept_user(ev->ept);

	switch (ev->type) {
	case ICBMSG_EVENT_BOUND:
		p->bound = true;
		p->full = false;
		subscriber_flush(&p->sub);
		break;
	case ICBMSG_EVENT_UNBOUND:
		/* The client's doing. What it has not got stays queued. */
		p->bound = false;
		break;
	case ICBMSG_EVENT_RECEIVED:
		c->left -= c->left > 0;
		c->closing_left -= c->closing_left > 0;
		link_received(p, ev->data, ev->size);
		break;
	case ICBMSG_EVENT_WRITABLE:
		p->full = false;
		subscriber_flush(&p->sub);
		break;
	case ICBMSG_EVENT_ERROR:
		link_end_badly(c, ev->message);
		break;
	case ICBMSG_EVENT_RELEASED:
		break;
	}
}

/* A link whose other end restarts all the time is looked at again after a while; nobody rings. */
static void watch_back_off(struct link_client *c, const struct icbmsg_stats *stats)
{
	struct timeval delay = { .tv_usec = BACK_OFF_USEC };

	if (stats->state == ICBMSG_LINK_BACKING_OFF && !event_pending(&c->timer, EV_TIMEOUT, NULL))
		event_add(&c->timer, &delay);
}

static bool has_queued(const struct link_client *c)
{
	const struct link_ept *p;

	TAILQ_FOREACH(p, &c->epts, in_client)
		if (p->sub.outbox.count > 0)
			return true;
	return false;
}

/* All that it has sent has been taken: who waited for that goes on. */
static void settle(struct link_client *c)
{
	struct icbmsg_stats stats;

	link_epts_closed(c);
	if (c->eof) {
		link_end(c, "it has closed the connection");
		return;
	}
	icbmsg_get_stats(c->link, &stats, sizeof(stats));
	watch_back_off(c, &stats);
	if (c->draining && c->outstanding == 0 && !has_queued(c) &&
	    stats.tx_blocks_free == c->shape.to_client_blocks)
		link_end(c, "the daemon stops");
}

bool link_must_look(struct link_client *c)
{
	struct icbmsg_stats stats;

	icbmsg_get_stats(c->link, &stats, sizeof(stats));
	/* Where nobody writes any more one look is enough: it is longer than the ring. */
	if (c->eof || stats.rx_packets == c->read)
		return false;
	c->read = stats.rx_packets;
	return true;
}

static bool takes_more(const struct link_client *c)
{
	return c->left > 0 || (!c->eof && !c->draining);
}

/* Read what it has released, and take no message. */
static void take_releases(const struct link_client *c)
{
	const struct link_ept *p;

	TAILQ_FOREACH(p, &c->epts, in_client)
		if (p->ept) {
			/* A wait of no time reads, and delivers nothing. */
			icbmsg_ept_wait_bound(p->ept, 0);
			return;
		}
}

bool link_turn(struct link_client *c)
{
	struct icbmsg_event ev;

	if (!c->link)
		return false;
	if (c->deadlocked) {
		link_end_badly(c, "it does not read its control messages");
		return false;
	}
	if (c->closing > 0 && c->closing_left == 0 && !c->pending)
		link_epts_closed(c);
	/* While nothing more is taken from it, what it has released can be used all the same. */
	if (c->pending || !takes_more(c)) {
		take_releases(c);
		c->flush = true;
	}
	if (c->flush)
		link_flush(c);
	if (c->pending)
		return link_must_look(c);
	if (takes_more(c) && icbmsg_next_event(c->link, &ev, 0) > 0) {
		handle(c, &ev);
		return !c->ended && c->link;
	}
	icbmsg_event_done(c->link);
	if (link_must_look(c))
		return true;
	settle(c);
	return false;
}
