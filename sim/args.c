// SPDX-License-Identifier: Apache-2.0
/*
 * Command-line values and messages. The forms of sizes and durations are those of icbmsg.conf(5).
 */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void vsay(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

static void vsay(const char *format, va_list ap)
{
	fputs(SIM_NAME ": ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

void sim_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(format, ap);
	va_end(ap);
}

void sim_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(format, ap);
	va_end(ap);
	sim_usage_said();
}

void sim_usage_said(void)
{
	fputs("Try '" SIM_NAME " --help'.\n", stderr);
	exit(SIM_USAGE);
}

int sim_finish(int status)
{
	int failed = ferror(stdout);

	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return status;
	if (errno == EPIPE)
		return status;
	sim_say("cannot write to standard output: %s", errno ? strerror(errno) : "write error");
	return SIM_ERROR;
}

_Noreturn void sim_help(const char *text)
{
	fputs(text, stdout);
	exit(sim_finish(SIM_OK));
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

/* A number and what follows it. -EINVAL if it is none. */
static int split(const char *text, uint64_t *number, const char **rest)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*number = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	*rest = end;
	return errno ? -EINVAL : 0;
}

static uint64_t in_range(const char *option, const char *text, uint64_t n, uint64_t min,
			 uint64_t max)
{
	if (n < min || n > max)
		sim_usage("%s: %s is not between %" PRIu64 " and %" PRIu64, option, text, min, max);
	return n;
}

uint64_t arg_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	const char *rest;
	uint64_t n;

	if (split(text, &n, &rest) < 0 || *rest)
		sim_usage("%s: \"%s\" is not a number", option, text);
	return in_range(option, text, n, min, max);
}

uint64_t arg_size(const char *option, const char *text, uint64_t min, uint64_t max)
{
	static const char units[] = "kMG";
	const char *rest, *unit = NULL;
	unsigned int shift = 0;
	uint64_t n;

	if (split(text, &n, &rest) < 0)
		sim_usage("%s: \"%s\" is not a size; write for example 64k", option, text);
	if (*rest)
		unit = strchr(units, *rest);
	if (*rest && (!unit || rest[1]))
		sim_usage("%s: \"%s\": sizes end with k, M, G or nothing", option, text);
	if (unit)
		shift = 10 * (unsigned int)(unit - units + 1);
	if (n > UINT64_MAX >> shift)
		sim_usage("%s: %s is too large", option, text);
	return in_range(option, text, n << shift, min, max);
}

int64_t arg_duration(const char *option, const char *text)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "m", UINT64_C(60000000000) },
	};
	const char *rest;
	uint64_t n;
	size_t i;

	if (split(text, &n, &rest) == 0 && n <= 60000000)
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(rest, units[i].name) == 0 && n * units[i].ns >= 100000 &&
			    n * units[i].ns <= UINT64_C(60000000000))
				return (int64_t)(n * units[i].ns);
	sim_usage("%s: \"%s\" is not a duration from 100us to 1m; write for example 2ms", option,
		  text);
}

double arg_percent(const char *option, const char *text)
{
	char *end;
	double p = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%") != 0) || !(p >= 0 && p < 100))
		sim_usage("%s: \"%s\" is not a percentage from 0 to below 100", option, text);
	return p / 100;
}
