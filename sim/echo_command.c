// SPDX-License-Identifier: Apache-2.0
/*
 * The command that `icbmsg-sim echo -- COMMAND` starts: it inherits memory and doorbells, and a
 * configuration that names them by number.
 */
#include "echo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "args.h"

#define PLACEHOLDER "@CONFIG@"
#define NOT_FOUND 127 /* as shells say */

/* @text with every placeholder replaced, on the heap. */
static char *replace(const char *text, const char *path)
{
	size_t count = 0, length = strlen(PLACEHOLDER);
	const char *p, *hit;
	char *out, *at;

	for (p = text; (p = strstr(p, PLACEHOLDER)); p += length)
		count++;
	out = malloc(strlen(text) + count * strlen(path) + 1);
	if (!out)
		return NULL;
	at = out;
	for (p = text; (hit = strstr(p, PLACEHOLDER)); p = hit + length) {
		at = mempcpy(at, p, (size_t)(hit - p));
		at = stpcpy(at, path);
	}
	strcpy(at, p);
	return out;
}

static _Noreturn void be_command(const struct echo_link *l)
{
	const int inherited[] = { l->memory_fd, l->bell_rx, l->bell_tx, l->config_fd };
	char **command = l->options->command;
	char path[32];
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++)
		if (inherited[i] >= 0)
			fcntl(inherited[i], F_SETFD, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l->config_fd);
	setenv("ICBMSG_CONFIG", path, 1);
	for (i = 0; command[i]; i++) {
		command[i] = replace(command[i], path);
		if (!command[i])
			_exit(SIM_ERROR);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* it would talk to nobody */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(command[0], command);
	tool_say("%s: %s", command[0], strerror(errno));
	_exit(NOT_FOUND);
}

pid_t echo_command_start(const struct echo_link *l)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_command(l);
	if (pid < 0)
		tool_say("cannot start %s: %s", l->options->command[0], strerror(errno));
	return pid;
}
