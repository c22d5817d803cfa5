/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a running icbmsg-cat and the parts of its loop.
 *
 * One thread, one poll: nothing but that poll waits, so that whatever blocks (a reader of our
 * output, the other side, the input) never keeps the rest from going on.
 */
#ifndef ICBMSG_TOOLS_CAT_CAT_H
#define ICBMSG_TOOLS_CAT_CAT_H

#include <stdbool.h>
#include <stdint.h>

#include "cat/backend.h"
#include "cat/input.h"
#include "cat/io.h"
#include "cat/options.h"
#include "cat/output.h"
#include "cat/sink.h"
#include "cat/source.h"

enum cat_phase {
	PHASE_BINDING, /**< not bound yet */
	PHASE_RUNNING,
	PHASE_ENDING, /**< done; only waiting until the other side has taken all */
};

struct cat {
	const struct options *o;
	struct backend *backend;
	struct input input;
	struct output output;
	struct io io;
	struct source *source; /**< of --send, or NULL */
	struct sink *sink;     /**< of --recv, or NULL */
	int signal_fd;

	enum cat_phase phase;
	bool bound;
	const char *lost_why; /**< the last reason that was told, NULL since bound */
	bool finished;        /**< leave the loop with @status */
	int status;

	/* Times on the monotonic clock in ns, NEVER if there is none. */
	int64_t started;
	int64_t active_at;   /**< the last message, or bound */
	int64_t send_at;     /**< when pacing allows the next burst */
	int64_t full_at;     /**< since when @data waits for room, NEVER: it does not */
	int64_t released_by; /**< until when the other side may keep what we sent */
	int64_t quit_at;     /**< all is sent and taken */
	int64_t progress_at; /**< when to show progress next */

	const uint8_t *data; /**< the message to send next */
	size_t size;
	bool has_data;
	uint64_t in_burst; /**< messages of this burst that are out */

	uint64_t sent, sent_bytes, dropped;
	uint64_t received, received_bytes, surplus;
	int64_t first_ns, previous_ns; /**< wall clock of received messages */
	bool progress_shown;
};

/** @time + @duration, NEVER for a negative duration. */
int64_t cat_after(int64_t time, int64_t duration);

/** Leave the loop with @status. */
void cat_finish(struct cat *c, int status);

/** Run until finished; returns the exit status. */
int cat_run(struct cat *c);

/** Take events of the backend and print messages; false if there may be more. */
bool receive_step(struct cat *c);

/** Send what can be sent now; false if there may be more. */
bool send_step(struct cat *c);

/** Whether the input should be read now. */
bool send_wants_input(const struct cat *c);

/** Open the file of --send; and that of --recv, once the link is known. */
void transfer_open_source(struct cat *c);
void transfer_open_sink(struct cat *c);

/** Write what is left, and sync it. Changes c->status if that fails. */
void transfer_finish(struct cat *c);
void transfer_close(struct cat *c);

/** The file of --recv's share of a turn of the loop: write what has come. */
void transfer_turn(struct cat *c);

/** The last words about files. */
void transfer_report(struct cat *c);

/** Whether messages may be taken from the backend. */
bool receive_has_room(const struct cat *c);

/** Read a signal from c->signal_fd. */
void cat_take_signal(struct cat *c);

/** Things worth a line on stderr unless --quiet. */
void report_note(struct cat *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** The lines of --banner, which -v prints as well. */
void report_state(struct cat *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Before something is written to standard output: progress does not share a line with it. */
void report_make_way(struct cat *c);

/** Show progress if it is due, on a terminal only. */
void report_progress(struct cat *c, int64_t now);

/** The last words: progress, what was dropped, statistics. */
void report_end(struct cat *c);

#endif
