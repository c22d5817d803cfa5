// SPDX-License-Identifier: Apache-2.0
/*
 * Timestamps: seconds and microseconds, or dates.
 */
#include "cat/stamp.h"

#include <inttypes.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static void add_seconds(struct text *out, int64_t ns)
{
	/* The clock may be set back while we run. */
	if (ns < 0) {
		text_add_char(out, '-');
		ns = -ns;
	}
	text_printf(out, "%" PRId64 ".%06" PRId64, ns / NS_PER_S, ns % NS_PER_S / 1000);
}

static void add_date(struct text *out, int64_t ns, bool utc)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	char date[32], zone[16];
	struct tm tm;

	if (utc)
		gmtime_r(&seconds, &tm);
	else
		localtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	text_printf(out, "%s.%06" PRId64, date, ns % NS_PER_S / 1000);
	/* ISO 8601 has a colon in both times or in none: +0200 becomes +02:00. */
	if (utc)
		text_add_char(out, 'Z');
	else
		text_printf(out, "%.3s:%s", zone, zone + 3);
}

void stamp_add(struct text *out, enum stamp_kind kind, const struct stamp_times *t, bool utc)
{
	switch (kind) {
	case STAMP_NONE:
		break;
	case STAMP_ABSOLUTE:
		add_seconds(out, t->now);
		break;
	case STAMP_DELTA:
		add_seconds(out, t->now - t->previous);
		break;
	case STAMP_ZERO:
		add_seconds(out, t->now - t->first);
		break;
	case STAMP_DATE:
		add_date(out, t->now, utc);
		break;
	}
}
