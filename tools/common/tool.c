// SPDX-License-Identifier: Apache-2.0
/*
 * Messages, exit statuses and the end of stdout, the same in all programs.
 */
#include "common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <icbmsg.h>

static const char *program = "icbmsg";
static const char *command; /* NULL: the program has none, or it is not known yet */

/*
 * Whoever starts us without one of the three would have the next file that is opened take its place,
 * and that is a link's memory, or a socket: what is printed went there. Not even reading or
 * writing succeeds on what is there now, as on a descriptor that is closed.
 */
static void occupy_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void tool_init(const char *name)
{
	occupy_standard_descriptors();
	program = name;
	/* Both are errors of a call, which says more than a signal would. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

const char *tool_name(void)
{
	return program;
}

void tool_set_command(const char *name)
{
	command = name;
}

void tool_vsay(const char *format, va_list ap)
{
	/* One write per line where it matters: stderr may be shared with other processes. */
	char line[1024];

	vsnprintf(line, sizeof(line), format, ap);
	fprintf(stderr, "%s: %s\n", program, line);
}

void tool_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tool_vsay(format, ap);
	va_end(ap);
}

void tool_fail(enum tool_exit status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tool_vsay(format, ap);
	va_end(ap);
	exit(status);
}

void tool_usage_said(void)
{
	fprintf(stderr, "Try '%s%s%s --help'.\n", program, command ? " " : "",
		command ? command : "");
	exit(TOOL_USAGE);
}

void tool_usage(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tool_vsay(format, ap);
	va_end(ap);
	tool_usage_said();
}

void tool_print_version(void)
{
	printf("%s %s\n", program, icbmsg_version());
}

void tool_banner(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

/* A write that has failed earlier has left no errno. */
static bool reader_has_gone(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO };

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLERR | POLLHUP));
}

int tool_finish_stdout(int status)
{
	bool failed = ferror(stdout), gone = failed && reader_has_gone();

	errno = 0;
	if (fclose(stdout) == 0 && !failed)
		return status;
	if (errno == EPIPE || gone)
		return status;
	tool_say("cannot write to standard output: %s", errno ? strerror(errno) : "write error");
	return TOOL_ERROR;
}
