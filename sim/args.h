/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulator's subcommands share on the command line: numbers, sizes and durations as users
 * write them, and messages that begin with the program's name.
 */
#ifndef ICBMSG_SIM_ARGS_H
#define ICBMSG_SIM_ARGS_H

#include <stdint.h>

#define SIM_NAME "icbmsg-sim"

/* Exit statuses; 128 + n after signal n. */
enum sim_exit { SIM_OK = 0, SIM_ERROR = 1, SIM_USAGE = 2, SIM_SIGNAL = 128 };

/* One line on stderr. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* sim_say(), point to --help, exit with SIM_USAGE. */
_Noreturn void sim_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Point to --help and exit: getopt_long(3) has said what is wrong. */
_Noreturn void sim_usage_said(void);

/* Die of the signal @number, so that a shell knows; only returns if that cannot be. */
void sim_die_of(int number);

/* Close stdout: what was printed and did not arrive is an error, but for a reader who has seen enough. */
int sim_finish(int status);

/* Print a help text and exit. */
_Noreturn void sim_help(const char *text);

/* Values of the option @option; what is wrong is a usage error. Sizes take k, M and G. */
uint64_t arg_number(const char *option, const char *text, uint64_t min, uint64_t max);
uint64_t arg_size(const char *option, const char *text, uint64_t min, uint64_t max);

/* Nanoseconds, from 100 us to 1 min; units us, ms, s and m. */
int64_t arg_duration(const char *option, const char *text);

/* A share from 0 to below 1, written as a percentage with or without the sign. */
double arg_percent(const char *option, const char *text);

#endif
