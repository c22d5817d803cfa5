// SPDX-License-Identifier: Apache-2.0
/*
 * Options of the subcommands: one loop over getopt_long(3), and the kinds of values that only the
 * simulator has.
 */
#include "args.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US INT64_C(1000)
#define MINUTE INT64_C(60000000000)
#define DAY (INT64_C(1440) * MINUTE)

_Noreturn void sim_help(const char *text)
{
	fputs(text, stdout);
	exit(tool_finish_stdout(SIM_OK));
}

int sim_fail_errno(const char *what)
{
	tool_say("%s: %s", what, strerror(errno));
	return SIM_ERROR;
}

void sim_die_of(int number)
{
	sigset_t set;

	fflush(stdout);
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int args_parse(const struct args *args, void *options, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, args->short_options, args->long_options, NULL)) != -1) {
		if (c == 'h')
			sim_help(args->help);
		if (!args->take(options, c))
			tool_usage_said();
	}
	return optind;
}

void args_no_operand(const char *command, int index, int argc, char **argv)
{
	if (index < argc)
		tool_usage("%s: \"%s\" is one argument too many", command, argv[index]);
}

static int64_t duration(const char *option, const char *text, int64_t max, const char *range)
{
	int64_t ns = arg_duration(option, text);

	if (ns < 100 * US || ns > max)
		tool_usage("%s: %s is out of range; it goes from %s", option, text, range);
	return ns;
}

int64_t arg_short_duration(const char *option, const char *text)
{
	return duration(option, text, MINUTE, "100us to 1m");
}

int64_t arg_long_duration(const char *option, const char *text)
{
	return duration(option, text, DAY, "100us to 1440m (24 hours)");
}

double arg_percent(const char *option, const char *text)
{
	char *end;
	double p = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(p >= 0 && p < 100))
		tool_usage("%s: \"%s\" is not a percentage from 0 to below 100", option, text);
	return p / 100;
}
