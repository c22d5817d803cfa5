/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all command-line programs share: exit statuses, messages on stderr that begin with the
 * program's name, and the banner that scripts wait for.
 */
#ifndef ICBMSG_TOOLS_COMMON_TOOL_H
#define ICBMSG_TOOLS_COMMON_TOOL_H

#include <stdarg.h>

#define _printf_(text, first) __attribute__((format(printf, text, first)))

/** Exit statuses of the programs; 128 + n after signal n. */
enum tool_exit {
	TOOL_OK = 0,
	TOOL_ERROR = 1,     /**< at run time */
	TOOL_USAGE = 2,     /**< wrong command line or configuration named by it */
	TOOL_NOT_BOUND = 3, /**< the endpoint was not bound in time */
	TOOL_PEER_LOST = 4, /**< the other side went away */
	TOOL_IDLE = 5,      /**< nothing came for too long */
	TOOL_SIGNAL = 128,
};

/**
 * First call of a program: @name begins every message. SIGPIPE is ignored from here on, so that a
 * closed pipe shows as EPIPE where it is written to.
 */
void tool_init(const char *name);

/** The name given to tool_init(). */
const char *tool_name(void);

/** From here on tool_usage() points to the --help of this command of the program. @name: static. */
void tool_set_command(const char *name);

/** "NAME: message" on stderr. */
void tool_say(const char *format, ...) _printf_(1, 2);
void tool_vsay(const char *format, va_list ap) _printf_(1, 0);

/** tool_say() and exit with @status. */
_Noreturn void tool_fail(enum tool_exit status, const char *format, ...) _printf_(2, 3);

/** Point to --help, exit with TOOL_USAGE: for what getopt(3) has complained about. */
_Noreturn void tool_usage_said(void);

/** tool_say(), then tool_usage_said(). */
_Noreturn void tool_usage(const char *format, ...) _printf_(1, 2);

/** The line of --version. */
void tool_print_version(void);

/** One line on stdout, at once: what a script waits for before it starts the other side. */
void tool_banner(const char *format, ...) _printf_(1, 2);

/**
 * Flush stdout and close it, so that an error of the last write is not lost. @status if all is
 * well, TOOL_ERROR otherwise; a reader that closed the pipe is no error.
 */
int tool_finish_stdout(int status);

#endif
