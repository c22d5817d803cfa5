// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgd: one process owns the links, many programs use them.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "activation.h"
#include "common/tool.h"
#include "log.h"
#include "options.h"
#include "server.h"

static void on_stop(evutil_socket_t number, short what, void *user)
{
	struct server *s = user;

	(void)what;
	log_info("stopping: %s", strsignal((int)number));
	event_base_loopbreak(s->base);
}

static int serve(struct server *s, const struct options *o)
{
	struct event *term = evsignal_new(s->base, SIGTERM, on_stop, s);
	struct event *interrupt = evsignal_new(s->base, SIGINT, on_stop, s);

	event_add(term, NULL);
	event_add(interrupt, NULL);
	if (o->banner)
		tool_banner("icbmsgd: ready: %s", s->settings->daemon.rundir);
	event_base_dispatch(s->base);
	event_free(term);
	event_free(interrupt);
	return TOOL_OK;
}

static int start(struct server *s, const struct options *o)
{
	char error[ERROR_SIZE];
	int status = TOOL_ERROR;

	activation_init();
	if (server_init(s, error) == 0) {
		activation_finish();
		status = serve(s, o);
	} else {
		log_error("%s", error);
	}
	server_deinit(s);
	return status;
}

int main(int argc, char **argv)
{
	struct server server = { 0 };
	struct options options;
	char error[ERROR_SIZE];
	int status = TOOL_OK;

	tool_init("icbmsgd");
	options_parse(&options, argc, argv);
	log_init(options.verbose);
	server.source = (struct settings_source){ .path = options.config,
						  .directory = options.directory,
						  .options = options.set };
	if (settings_load(&server.settings, &server.source, error) < 0)
		tool_fail(TOOL_USAGE, "%s", error);
	if (options.print)
		settings_print(server.settings, stdout);
	if (options.print || options.check)
		status = tool_finish_stdout(TOOL_OK);
	else
		status = start(&server, &options);
	settings_free(server.settings);
	return status;
}
