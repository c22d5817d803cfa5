/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output that never blocks the program: what cannot be written now is kept, and written
 * when the descriptor polls writable.
 */
#ifndef ICBMSG_TOOLS_CAT_OUTPUT_H
#define ICBMSG_TOOLS_CAT_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "cat/text.h"

struct output {
	struct text pending;
	bool regular; /**< a file: takes everything at once */
	bool watched; /**< a pipe or socket: its reader may go away */
	bool closed;  /**< the reader has gone */
};

void output_init(struct output *out);
void output_deinit(struct output *out);

/** Whether more should be printed now, or what is there written first. */
bool output_has_room(const struct output *out);

/** Write what can be written without waiting. Ends the program on an error. */
void output_flush(struct output *out);

#endif
