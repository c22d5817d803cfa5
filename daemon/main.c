// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgd: one process owns the links, many programs use them.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "activation.h"
#include "common/tool.h"
#include "confine.h"
#include "log.h"
#include "notify.h"
#include "options.h"
#include "server.h"
#include "signals.h"

/* Everything that needs privileges, and the end of them. */
static bool open_all(struct server *s, char error[ERROR_SIZE])
{
	if (server_init(s, error) < 0)
		return false;
	activation_finish();
	return confine(s, error) == 0;
}

static int start(struct server *s, const struct options *o)
{
	char error[ERROR_SIZE];
	int status = TOOL_ERROR;

	notify_init();
	activation_init();
	if (open_all(s, error)) {
		serve(s, o->banner);
		status = TOOL_OK;
	} else {
		log_error("%s", error);
	}
	server_deinit(s);
	return status;
}

/* For who starts it for the first time. */
static const char *what_to_write(const struct options *o)
{
	if (strcmp(o->config, OPTIONS_CONFIG) != 0 || access(o->config, F_OK) == 0)
		return "";
	return "; icbmsgd.conf(5) says what goes into it, and --config names another file";
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
		tool_fail(TOOL_USAGE, "%s%s", error, what_to_write(&options));
	if (options.print)
		settings_print(server.settings, stdout);
	if (options.print || options.check)
		status = tool_finish_stdout(TOOL_OK);
	else
		status = start(&server, &options);
	settings_free(server.settings);
	return status;
}
