// SPDX-License-Identifier: Apache-2.0
/*
 * The files of --send and --recv in the life of the program: opened, served once a turn, brought to
 * an end, reported.
 */
#include "cat/cat.h"

#include <inttypes.h>
#include <poll.h>

#include "common/tool.h"

void transfer_open_source(struct cat *c)
{
	static struct source source;

	io_init(&c->io, (c->o->send_file || c->o->recv_file) && !c->o->no_io_uring);
	if (!c->o->send_file)
		return;
	source_open(&source, c->o);
	c->source = &source;
}

void transfer_open_sink(struct cat *c)
{
	static struct sink sink;

	if (c->source)
		source_attach(c->source, c->o, c->backend, &c->io);
	if (!c->o->recv_file)
		return;
	sink_open(&sink, c->o, c->source ? c->source->fd : -1);
	sink_attach(&sink, c->backend, &c->io);
	c->sink = &sink;
}

void transfer_turn(struct cat *c)
{
	if (c->sink && !sink_turn(c->sink) && !c->finished)
		cat_finish(c, TOOL_ERROR);
}

/* Sleep until something happens to the sink; a signal stops what a reader keeps waiting. */
static void wait_for_sink(struct cat *c)
{
	struct pollfd fds[] = { { .fd = io_poll_fd(&c->io), .events = POLLIN },
				{ .fd = sink_poll_fd(c->sink), .events = POLLOUT },
				{ .fd = c->signal_fd, .events = POLLIN } };

	if (!c->sink->seekable && c->status >= TOOL_SIGNAL) {
		sink_cancel(c->sink);
		return;
	}
	poll(fds, 3, -1);
	if (fds[1].revents)
		sink_writable(c->sink);
	if (fds[2].revents)
		cat_take_signal(c);
}

void transfer_finish(struct cat *c)
{
	if (!c->sink)
		return;
	for (int pass = 0; pass < 2; pass++) {
		while (sink_turn(c->sink) && !sink_is_empty(c->sink))
			wait_for_sink(c);
		if (pass == 0)
			sink_sync(c->sink);
	}
	if (c->sink->error < 0 && c->status < TOOL_SIGNAL)
		c->status = TOOL_ERROR;
}

static void report_progress_made(struct cat *c)
{
	if (c->sink && c->sink->seekable && c->received > 0)
		report_note(c,
			    "%s has %" PRIu64 " bytes that are good; --offset %" PRIu64
			    " would go on behind them",
			    c->sink->name, c->sink->end, c->sink->end);
	if (c->source && !c->source->stream && c->sent > 0)
		report_note(c,
			    "%s was sent up to byte %" PRIu64 "; how much has arrived is known "
			    "to the receiver, and --offset would go on there",
			    c->source->name, c->source->begin + c->sent_bytes);
}

void transfer_report(struct cat *c)
{
	if (!c->source && !c->sink)
		return;
	if (c->status != TOOL_OK)
		report_progress_made(c);
	if (!c->o->verbose)
		return;
	if (c->io.uring)
		tool_say("files: io_uring, %" PRIu64 " operations in %" PRIu64 " submissions",
			 c->io.operations, c->io.submissions);
	else
		tool_say("files: plain calls, %" PRIu64 " operations%s%s", c->io.operations,
			 c->io.why_not ? "; no io_uring: " : "",
			 c->io.why_not ? c->io.why_not : "");
}

void transfer_close(struct cat *c)
{
	if (c->source)
		source_close(c->source);
	if (c->sink)
		sink_close(c->sink);
	io_deinit(&c->io);
}
