/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of icbmsg-cat.
 */
#ifndef ICBMSG_TOOLS_CAT_OPTIONS_H
#define ICBMSG_TOOLS_CAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cat/cutter.h"
#include "cat/format.h"
#include "common/direct.h"

/** Times are nanoseconds, -1 = for ever. */
struct options {
	struct direct direct;    /**< file: NULL to go through the daemon */
	const char *socket;      /**< the daemon's run folder, or an endpoint's socket */
	bool socket_of_endpoint; /**< the latter */
	char *instance;          /**< NULL: the only one */
	const char *endpoint;    /**< NULL with socket_of_endpoint */

	int64_t wait;
	bool keep;
	uint64_t count; /**< 0: no limit */
	int64_t idle_timeout;
	int64_t quit_after; /**< -1: do not quit at the end of the input */

	struct format format;
	bool receive_only, send_only;

	enum cut_mode cut;
	uint64_t size; /**< 0: the largest the link carries */
	const char **messages;
	size_t message_count;
	const char *file; /**< NULL: standard input, if there are no messages either */

	const char *send_file, *recv_file; /**< --send, --recv: NULL, or "-" */
	uint64_t bytes;                    /**< of these to send and to receive; 0: no limit */
	uint64_t offset;                   /**< in these */
	bool no_io_uring;

	int64_t interval; /**< between bursts; 0: as fast as it goes */
	uint64_t burst;
	int64_t send_timeout;
	bool no_block;

	bool progress, verbose, quiet, banner;
};

/** Read the command line; ends the program if it is wrong, and for --help and --version. */
void options_parse(struct options *o, int argc, char **argv);
void options_deinit(struct options *o);

/** The text of --help. */
extern const char options_help[];

#endif
