// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsg-cat: standard input and output as one endpoint of an ICBMSG link.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cat/cat.h"
#include "common/tool.h"

static void on_log(void *user, bool warning, const char *line)
{
	struct cat *c = user;

	if (warning || c->o->verbose)
		report_note(c, "%s", line);
}

/* Those that our parent wants ignored (nohup, shells without job control) stay so. */
static void add_signal(sigset_t *set, int number)
{
	struct sigaction old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	add_signal(&set, SIGINT);
	add_signal(&set, SIGTERM);
	add_signal(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		tool_fail(TOOL_ERROR, "cannot watch signals: %s", strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	struct options options;
	struct cat c = {
		.o = &options,
		.signal_fd = -1,
		.full_at = NEVER,
		.released_by = NEVER,
		.quit_at = NEVER,
	};
	int status;

	tool_init("icbmsg-cat");
	options_parse(&options, argc, argv);
	/* Opening may wait (for whoever writes a FIFO): until then signals end us as usual. */
	transfer_open_source(&c);
	c.backend = (options.direct.file ? direct_open : daemon_open)(&options, on_log, &c);
	transfer_open_sink(&c);
	c.signal_fd = open_signals();
	input_init(&c.input, &options, c.backend->max_size, c.source);
	output_init(&c.output);
	c.started = c.active_at = cat_now();
	report_state(&c, "ready %s", c.backend->endpoint);
	status = cat_run(&c);
	report_end(&c);
	transfer_close(&c);
	c.backend->ops->close(c.backend);
	output_deinit(&c.output);
	input_deinit(&c.input);
	close(c.signal_fd);
	options_deinit(&options);
	return status;
}
