// SPDX-License-Identifier: Apache-2.0
/*
 * What is counted, line by line: name, kind, unit, where it comes from, and where it goes in struct
 * icbmsg_stats if it is one of those.
 */
#include "core/counters.h"

#include <errno.h>
#include <string.h>

struct entry {
	const char *name, *unit, *help;
	enum icbmsg_counter_kind kind;
	uint16_t offset;                            /* in struct counters, unless it is a gauge */
	uint64_t (*gauge)(const struct session *s); /* NULL for what is counted */
	uint16_t quick, quick_size;                 /* in struct icbmsg_stats; size 0 = not there */
};

#define FROM(field) .name = #field, .offset = offsetof(struct counters, field)
#define QUICK(field)                                   \
	.quick = offsetof(struct icbmsg_stats, field), \
	.quick_size = sizeof(((struct icbmsg_stats *)NULL)->field)
#define TEXT(u, h) .unit = (u), .help = (h)

#define COUNT(field, u, h)                                      \
	{                                                       \
		.kind = ICBMSG_COUNTER, FROM(field), TEXT(u, h) \
	}
#define COUNT_QUICK(field, u, h)                                              \
	{                                                                     \
		.kind = ICBMSG_COUNTER, FROM(field), TEXT(u, h), QUICK(field) \
	}
#define COUNT_BELL(field, u, h)                                                 \
	{                                                                       \
		.kind = ICBMSG_COUNTER, .name = #field,                         \
		.offset = offsetof(struct counters, doorbell.field), TEXT(u, h) \
	}
#define PEAK(field, u, h)                                    \
	{                                                    \
		.kind = ICBMSG_PEAK, FROM(field), TEXT(u, h) \
	}
#define GAUGE(n, u, h)                                                           \
	{                                                                        \
		.kind = ICBMSG_GAUGE, .name = #n, .gauge = gauge_##n, TEXT(u, h) \
	}
#define GAUGE_QUICK(n, u, h)                                                               \
	{                                                                                  \
		.kind = ICBMSG_GAUGE, .name = #n, .gauge = gauge_##n, TEXT(u, h), QUICK(n) \
	}

static uint64_t gauge_tx_blocks_free(const struct session *s)
{
	return blocks_available(&s->tx_free);
}

static uint64_t gauge_tx_blocks_used(const struct session *s)
{
	return s->tx_used;
}

static uint64_t gauge_rx_held(const struct session *s)
{
	return s->rx_ours;
}

static uint64_t gauge_rx_pending(const struct session *s)
{
	return s->rx_pending;
}

static uint64_t gauge_rx_hold_blocks(const struct session *s)
{
	return s->rx_hold_blocks;
}

static uint64_t gauge_events(const struct session *s)
{
	return s->event_tail - s->event_head;
}

static uint64_t gauge_parked(const struct session *s)
{
	uint64_t n = 0;

	for (uint32_t a = 0; a < SESSION_EPT_MAX; a++)
		n += s->parked[a] != 0;
	return n;
}

static uint64_t gauge_restarts_in_a_row(const struct session *s)
{
	return s->storm;
}

/* In the order in which people read them. */
static const struct entry table[] = {
	COUNT(opens, "calls", "icbmsg_open() calls that began to use this session"),
	COUNT(announcements, "announcements", "times this side announced itself to the other"),
	COUNT(unanswered, "announcements", "announcements without an answer to ten doorbells"),
	COUNT_QUICK(restarts, "restarts", "restarts of the other side, noticed"),
	COUNT(restarts_magic, "restarts", "noticed by an announcement on a link that is up"),
	COUNT(restarts_word, "restarts", "noticed by the session word of another libicbmsg"),
	COUNT(restarts_rx_index, "restarts", "noticed by the read index of the rx region"),
	COUNT(restarts_tx_index, "restarts", "noticed by the read index of the tx region"),
	COUNT(restarts_packet, "restarts", "noticed by bytes in the ring that are no packet"),
	COUNT(restarts_silence, "restarts", "assumed after doorbells in vain"),
	COUNT(restarts_daemon, "restarts", "noticed by the end of the connection to icbmsgd"),
	GAUGE(restarts_in_a_row, "restarts", "restarts without a working link in between"),
	COUNT(storms, "storms", "rows of restarts so long that answers were delayed"),
	COUNT(backoffs, "announcements", "announcements that had to wait because of a storm"),

	COUNT_QUICK(tx_messages, "messages", "messages sent"),
	COUNT_QUICK(tx_bytes, "bytes", "payload of messages sent"),
	COUNT_QUICK(tx_unknown, "messages", "messages on their way at a restart: fate unknown"),
	COUNT_QUICK(rx_messages, "messages", "messages delivered"),
	COUNT_QUICK(rx_bytes, "bytes", "payload of messages delivered"),
	COUNT_QUICK(rx_dropped, "messages",
		    "received for nobody: not registered, or lost in a restart"),
	COUNT_QUICK(tx_packets, "packets", "control messages written to the ring"),
	COUNT_QUICK(rx_packets, "packets", "control messages read from the ring"),

	GAUGE_QUICK(tx_blocks_free, "blocks", "blocks of ours that are free"),
	GAUGE(tx_blocks_used, "blocks", "blocks of ours being filled, or not released yet"),
	PEAK(tx_blocks_peak, "blocks", "most tx_blocks_used at a time"),
	COUNT_QUICK(waits, "calls", "calls that had to wait for blocks"),
	PEAK(wait_longest, "ns", "longest wait for blocks"),
	COUNT(tx_refused, "calls", "calls that did not want to wait for blocks (-ENOBUFS)"),
	GAUGE_QUICK(rx_held, "buffers", "received buffers not released yet"),
	PEAK(rx_held_peak, "buffers", "most rx_held at a time"),
	GAUGE(rx_pending, "buffers", "received buffers queued or being delivered"),
	PEAK(rx_pending_peak, "buffers", "most rx_pending at a time"),
	GAUGE(rx_hold_blocks, "blocks",
	      "blocks of the other side in buffers held with icbmsg_hold_rx()"),
	PEAK(rx_hold_blocks_peak, "blocks", "most rx_hold_blocks at a time"),
	COUNT(stale_releases, "calls", "icbmsg_release_rx() of buffers that a restart made void"),
	GAUGE(events, "events", "events queued"),
	PEAK(events_peak, "events", "most events at a time"),
	PEAK(tx_ring_peak, "bytes", "most bytes unread in the ring of the tx region"),
	PEAK(rx_ring_peak, "bytes", "most bytes found unread in the ring of the rx region"),
	GAUGE(parked, "announcements",
	      "endpoints announced by the other side that nobody registered"),
	PEAK(parked_peak, "announcements", "most parked at a time"),
	COUNT(parked_total, "announcements",
	      "endpoints announced before they were registered here"),

	COUNT_QUICK(doorbells_sent, "doorbells", "doorbells rung"),
	COUNT_QUICK(doorbells_elided, "doorbells",
		    "doorbells not needed, the other side was awake"),
	COUNT_QUICK(rescues, "doorbells", "doorbells rung again because nothing had moved"),
	COUNT_QUICK(doorbells_lost, "doorbells", "rescues after which it did move"),
	COUNT_QUICK(doorbells_received, "doorbells", "doorbells received"),
	COUNT(doorbells_spurious, "doorbells", "doorbells behind which nothing new was found"),
	COUNT(rx_rescues, "looks", "looks by the timer that found what no doorbell had told of"),
	COUNT_BELL(interrupts_merged, "interrupts",
		   "interrupts that came before the last was taken"),
	COUNT_BELL(interrupt_storms, "storms",
		   "interrupts for nothing, so many that they were left disabled"),
	COUNT_BELL(interrupt_timers, "looks",
		   "looks by a timer while interrupts were disabled or gone"),
	COUNT_BELL(interrupts_gone, "devices",
		   "devices that ceased to interrupt: looked at by a timer now"),
	COUNT(pumps, "looks", "looks at the ring of the rx region"),

	COUNT_QUICK(bad_packets, "packets", "control messages malformed or too short"),
	COUNT_QUICK(bad_types, "packets", "control messages of an unknown type, ignored"),
	COUNT_QUICK(bad_blocks, "packets", "block index or length outside the region"),
	COUNT_QUICK(bad_endpoints, "packets", "messages for an endpoint address that is not bound"),
	COUNT_QUICK(bad_releases, "packets", "releases of a block that was not outstanding"),
	COUNT_QUICK(bad_bounds, "packets", "announcements of endpoints that cannot be accepted"),
	COUNT(bad_readers, "packets",
	      "control messages without room in the ring: they are not read"),
	COUNT(parked_full, "announcements",
	      "announcements parked with hardly a block of theirs left"),
	COUNT(held_full, "calls", "icbmsg_hold_rx() of the last block of the other side"),
};

#define ENTRIES (sizeof(table) / sizeof(table[0]))

size_t counters_count(void)
{
	return ENTRIES;
}

int counters_info(size_t n, struct icbmsg_counter_info *info)
{
	if (n >= ENTRIES)
		return -ENOENT;
	*info = (struct icbmsg_counter_info){
		.name = table[n].name,
		.unit = table[n].unit,
		.help = table[n].help,
		.kind = table[n].kind,
	};
	return 0;
}

static uint64_t value_of(const struct entry *e, const struct session *s)
{
	uint64_t value;

	if (e->gauge)
		return e->gauge(s);
	memcpy(&value, (const uint8_t *)&s->count + e->offset, sizeof(value));
	return value;
}

size_t counters_read(const struct session *s, uint64_t *values, size_t max)
{
	size_t n = max < ENTRIES ? max : ENTRIES;

	for (size_t i = 0; i < n; i++)
		values[i] = value_of(&table[i], s);
	return n;
}

static void fill_quick(struct icbmsg_stats *out, const struct entry *e, uint64_t value)
{
	uint8_t *to = (uint8_t *)out + e->quick;
	uint32_t narrow = (uint32_t)value;

	if (e->quick_size == sizeof(value))
		memcpy(to, &value, sizeof(value));
	else
		memcpy(to, &narrow, e->quick_size);
}

enum icbmsg_link_state counters_link_state(const struct session *s)
{
	switch (s->phase) {
	case PHASE_UP:
		return ICBMSG_LINK_UP;
	case PHASE_LOST:
		return ICBMSG_LINK_BACKING_OFF;
	case PHASE_HOLDING:
		return ICBMSG_LINK_HELD;
	case PHASE_CLOSED:
		return ICBMSG_LINK_CLOSED;
	default:
		return ICBMSG_LINK_WAITING;
	}
}

struct icbmsg_stats counters_stats(const struct session *s)
{
	struct icbmsg_stats out = { .state = counters_link_state(s) };

	for (size_t i = 0; i < ENTRIES; i++)
		if (table[i].quick_size > 0)
			fill_quick(&out, &table[i], value_of(&table[i], s));
	return out;
}
