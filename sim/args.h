/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulator's subcommands share on the command line, beyond what all programs share
 * (tools/common).
 */
#ifndef ICBMSG_SIM_ARGS_H
#define ICBMSG_SIM_ARGS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/parse.h"
#include "common/tool.h"

#define SIM_NAME "icbmsg-sim"

/* Exit statuses; 128 + n after signal n. */
enum sim_exit {
	SIM_OK = TOOL_OK,
	SIM_ERROR = TOOL_ERROR,
	SIM_USAGE = TOOL_USAGE,
	SIM_SIGNAL = TOOL_SIGNAL
};

/* Print a help text and exit. */
_Noreturn void sim_help(const char *text);

/* "WHAT: reason of errno" on stderr. Returns SIM_ERROR. */
int sim_fail_errno(const char *what);

/* Die of the signal @number, so that a shell knows; only returns if that cannot be. */
void sim_die_of(int number);

/* A subcommand's options, for args_parse(). */
struct args {
	const char *help;
	const char *short_options; /* "h" and, where operands are a command's, "+h" */
	const struct option *long_options;
	/* Take option @c, whose argument is optarg. False: getopt_long(3) has said what is wrong. */
	bool (*take)(void *options, int c);
};

/*
 * Take all options into @options; --help and what is wrong end the program. Returns the index of
 * the first operand.
 */
int args_parse(const struct args *args, void *options, int argc, char **argv);

/* An operand where @command takes none is a usage error. */
void args_no_operand(const char *command, int index, int argc, char **argv);

/* Nanoseconds from 100 us to 1 min, or to 24 h; anything else is a usage error. */
int64_t arg_short_duration(const char *option, const char *text);
int64_t arg_long_duration(const char *option, const char *text);

/* A share from 0 to below 1, written as a percentage with or without the sign. */
double arg_percent(const char *option, const char *text);

#endif
