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

static void on_log(void *user, enum icbmsg_log_level level, const char *line)
{
	struct cat *c = user;

	if (level == ICBMSG_LOG_ERROR || level == ICBMSG_LOG_WARNING || c->o->verbose)
		report_note(c, "%s", line);
}

static void open_link(struct cat *c)
{
	struct icbmsg_config *cfg = direct_load(&c->o->direct);
	struct icbmsg_layout layout;
	int ret = icbmsg_open(&c->link, cfg);

	if (ret < 0)
		tool_fail(TOOL_ERROR, "%s",
			  *icbmsg_config_error(cfg) ? icbmsg_config_error(cfg) : strerror(-ret));
	icbmsg_config_free(cfg);
	icbmsg_get_stats(c->link, &c->at_open, sizeof(c->at_open));
	icbmsg_set_log(c->link, on_log, c);
	icbmsg_get_layout(c->link, &layout, sizeof(layout));
	c->block_count = layout.tx.block_count;
}

static void register_endpoint(struct cat *c)
{
	int ret = icbmsg_ept_register(c->link, &c->ept, c->o->endpoint, NULL, NULL);

	if (ret == -ENAMETOOLONG)
		tool_fail(TOOL_ERROR,
			  "the endpoint's name '%s' does not fit into the blocks of "
			  "this link",
			  c->o->endpoint);
	if (ret < 0)
		tool_fail(TOOL_ERROR, "cannot register endpoint '%s': %s", c->o->endpoint,
			  strerror(-ret));
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
	/* Opening may wait (a configuration from a FIFO): until then signals end us as usual. */
	open_link(&c);
	c.signal_fd = open_signals();
	input_init(&c.input, &options, icbmsg_max_size(c.link));
	output_init(&c.output);
	c.started = c.active_at = cat_now();
	register_endpoint(&c);
	report_state(&c, "ready %s", options.endpoint);
	status = cat_run(&c);
	report_end(&c);
	icbmsg_close(c.link);
	output_deinit(&c.output);
	input_deinit(&c.input);
	close(c.signal_fd);
	options_deinit(&options);
	return status;
}
