// SPDX-License-Identifier: Apache-2.0
/*
 * What goes to standard error.
 */
#include "cat/cat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/tool.h"

#define PROGRESS_INTERVAL INT64_C(250000000)

/* The line of progress gives way to others. */
static void clear_progress(struct cat *c)
{
	if (c->progress_shown)
		fputs("\r\033[K", stderr);
	c->progress_shown = false;
}

void report_make_way(struct cat *c)
{
	if (c->progress_shown && isatty(STDOUT_FILENO))
		clear_progress(c);
}

void report_note(struct cat *c, const char *format, ...)
{
	va_list ap;

	if (c->o->quiet)
		return;
	clear_progress(c);
	va_start(ap, format);
	tool_vsay(format, ap);
	va_end(ap);
}

void report_state(struct cat *c, const char *format, ...)
{
	va_list ap;

	if (!c->o->banner && !c->o->verbose)
		return;
	clear_progress(c);
	va_start(ap, format);
	tool_vsay(format, ap);
	va_end(ap);
}

/* 1.5 MiB and the like. */
static void add_bytes(struct text *t, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	while (bytes >= 1024 && i + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		i++;
	}
	text_printf(t, i == 0 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
}

static void add_direction(struct text *t, const char *what, uint64_t messages, uint64_t bytes,
			  double seconds)
{
	text_printf(t, "%s %" PRIu64 " messages, ", what, messages);
	add_bytes(t, (double)bytes);
	text_add_string(t, ", ");
	add_bytes(t, seconds > 0 ? (double)bytes / seconds : 0);
	text_add_string(t, "/s");
}

/* How far @done is on the way to @total, which is 0 if nobody knows. */
static void add_eta(struct text *t, uint64_t done, uint64_t total, double seconds)
{
	double left;

	if (total == 0 || done == 0 || done >= total)
		return;
	left = seconds * (double)(total - done) / (double)done;
	text_printf(t, ", %.0f %%, %d:%02d left", 100.0 * (double)done / (double)total,
		    (int)left / 60, (int)left % 60);
}

/* A line that is wrapped could not be replaced by the next one: what the terminal has room for. */
static size_t fitting(size_t length)
{
	struct winsize terminal;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &terminal) < 0 || terminal.ws_col == 0 ||
	    length < terminal.ws_col)
		return length;
	return terminal.ws_col - 1u;
}

void report_progress(struct cat *c, int64_t now)
{
	double seconds = (double)(now - c->started) / 1e9;
	struct text t = { 0 };

	if (now < c->progress_at)
		return;
	c->progress_at = cat_after(now, PROGRESS_INTERVAL);
	if (!isatty(STDERR_FILENO))
		return;
	if (!c->o->receive_only)
		add_direction(&t, "sent", c->sent, c->sent_bytes, seconds);
	add_eta(&t, c->sent_bytes, c->input.total, seconds);
	if (!c->o->send_only)
		add_direction(&t, c->o->receive_only ? "received" : "; received", c->received,
			      c->received_bytes, seconds);
	add_eta(&t, c->received_bytes, c->sink ? c->o->bytes : 0, seconds);
	fprintf(stderr, "\r%.*s\033[K", (int)fitting(t.size), t.data);
	fflush(stderr);
	c->progress_shown = true;
	text_deinit(&t);
}

void report_end(struct cat *c)
{
	if (c->o->progress) {
		c->progress_at = 0;
		report_progress(c, cat_now());
	}
	if (c->progress_shown)
		fputc('\n', stderr);
	c->progress_shown = false;
	if (c->dropped > 0)
		report_note(c, "%" PRIu64 " messages were dropped because the other side was full",
			    c->dropped);
	transfer_report(c);
	if (!c->o->verbose)
		return;
	if (c->surplus > 0)
		tool_say("%" PRIu64 " messages came after --count and were not printed",
			 c->surplus);
	tool_say("sent %" PRIu64 " messages, %" PRIu64 " bytes; received %" PRIu64
		 " messages, %" PRIu64 " bytes",
		 c->sent, c->sent_bytes, c->received, c->received_bytes);
	c->backend->ops->statistics(c->backend);
}
