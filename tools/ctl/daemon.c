// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl list, stats, clients, reload, export: one request, one answer, or the same every second.
 */
#include <ctype.h>
#include <getopt.h>
#include <json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/control.h"
#include "common/parse.h"
#include "common/tool.h"
#include "ctl/ctl.h"
#include "ctl/service.h"

#define NS_PER_S INT64_C(1000000000)
#define WATCH_MIN (NS_PER_S / 100)

#define COMMON_HELP                                                                             \
	"  -s, --socket PATH    the daemon's run folder, or its control socket (" ICBMSG_RUNDIR \
	")\n"                                                                                   \
	"      --json           print the daemon's answer, one object on one line\n"
#define WATCH_HELP "      --watch[=DUR]    again every second, or every DUR, until interrupted\n"
#define HELP_HELP "  -h, --help\n"

struct arguments {
	const char *socket;
	bool json;
	int64_t watch; /* ns; 0: once */
};

enum {
	OPT_JSON = 256,
	OPT_WATCH,
};

static int64_t interval(const char *text)
{
	int64_t ns = text ? arg_duration("--watch", text) : NS_PER_S;

	if (ns < WATCH_MIN)
		tool_usage("--watch: %s is too short; at least 10ms", text);
	return ns;
}

/* The value of --watch, if it has one: no command that watches takes an argument. */
static const char *watch_value(int argc, char **argv)
{
	if (!optarg && optind < argc && isdigit((unsigned char)argv[optind][0]))
		return argv[optind++];
	return optarg;
}

/* Returns false if help was asked for. */
static bool parse(const struct ctl_command *command, struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ "watch", optional_argument, NULL, OPT_WATCH },
		{ 0 },
	};
	bool watchable = strstr(command->help, "--watch") != NULL;
	int c;

	*a = (struct arguments){ .socket = ICBMSG_RUNDIR };
	while ((c = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		if (c == 's')
			a->socket = optarg;
		else if (c == OPT_JSON)
			a->json = true;
		else if (c == OPT_WATCH && watchable)
			a->watch = interval(watch_value(argc, argv));
		else if (c == 'h')
			return false;
		else if (c == OPT_WATCH)
			tool_usage("%s: is done once; there is no --watch", command->name);
		else
			tool_usage_said();
	}
	return true;
}

static void pause_for(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

	nanosleep(&ts, NULL);
}

/* The control socket of a run folder, as icbmsg-cat takes it; any other path is the socket's own. */
static void find_control(char path[PATH_MAX], const char *given)
{
	struct stat st;
	bool folder = stat(given, &st) == 0 ? S_ISDIR(st.st_mode) : !strcmp(given, ICBMSG_RUNDIR);

	snprintf(path, PATH_MAX, "%s%s", given, folder ? "/" CONTROL_SOCKET : "");
}

/* Returns the exit status that the answer means. */
static int print(const struct arguments *a, struct json_object *answer,
		 void (*print_text)(struct json_object *answer))
{
	int status = service_has_failed(answer) ? TOOL_ERROR : TOOL_OK;

	if (a->json) {
		ctl_print_json(answer);
		return status;
	}
	/* A person looks at one place; a file gets one after the other. */
	if (a->watch > 0 && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	print_text(answer);
	json_object_put(answer);
	return status;
}

static int ask(const struct arguments *a, struct json_object *request,
	       void (*print_text)(struct json_object *answer))
{
	char path[PATH_MAX];
	struct service s;
	int status;

	find_control(path, a->socket);
	service_open(&s, path);
	for (;;) {
		status = print(a, service_ask(&s, json_object_get(request)), print_text);
		if (a->watch == 0 || fflush(stdout) != 0)
			break;
		pause_for(a->watch);
	}
	json_object_put(request);
	service_close(&s);
	return tool_finish_stdout(status);
}

static int run_simple(const struct ctl_command *command, int argc, char **argv,
		      void (*print_text)(struct json_object *answer))
{
	struct arguments a;

	if (!parse(command, &a, argc, argv))
		return ctl_help(command);
	ctl_no_arguments(command, argc, argv);
	return ask(&a, service_request(command->name), print_text);
}

static int run_list(const struct ctl_command *command, int argc, char **argv)
{
	return run_simple(command, argc, argv, service_print_list);
}

static int run_stats(const struct ctl_command *command, int argc, char **argv)
{
	return run_simple(command, argc, argv, service_print_stats);
}

static int run_clients(const struct ctl_command *command, int argc, char **argv)
{
	return run_simple(command, argc, argv, service_print_clients);
}

static int run_reload(const struct ctl_command *command, int argc, char **argv)
{
	return run_simple(command, argc, argv, service_print_changes);
}

static int run_export(const struct ctl_command *command, int argc, char **argv)
{
	struct json_object *request;
	struct arguments a;
	const char *name;
	char *slash;

	if (!parse(command, &a, argc, argv))
		return ctl_help(command);
	slash = optind < argc ? strchr(argv[optind], '/') : NULL;
	if (!slash || !slash[1])
		tool_usage("export: name the endpoint as INSTANCE/ENDPOINT");
	name = argv[optind++];
	ctl_no_arguments(command, argc, argv);
	*slash = '\0';
	request = service_request(command->name);
	json_object_object_add(request, "instance", json_object_new_string(name));
	json_object_object_add(request, "endpoint", json_object_new_string(slash + 1));
	return ask(&a, request, service_print_socket);
}

const struct ctl_command ctl_list = {
	.name = "list",
	.summary = "the daemon's links and endpoints, their state and clients",
	.help = "Usage: icbmsgctl list [OPTIONS]\n"
		"Print the instances that icbmsgd has open, and their exported endpoints.\n"
		"\n" COMMON_HELP WATCH_HELP HELP_HELP,
	.run = run_list,
};

const struct ctl_command ctl_stats = {
	.name = "stats",
	.summary = "the daemon's counters",
	.help = "Usage: icbmsgctl stats [OPTIONS]\n"
		"Print what icbmsgd has counted, of links, endpoints and limits. icbmsgctl(1)\n"
		"explains the counters.\n"
		"\n" COMMON_HELP WATCH_HELP HELP_HELP,
	.run = run_stats,
};

const struct ctl_command ctl_clients = {
	.name = "clients",
	.summary = "the daemon's clients: who, where, how far behind",
	.help = "Usage: icbmsgctl clients [OPTIONS]\n"
		"Print the programs that are connected to exported endpoints.\n"
		"\n" COMMON_HELP WATCH_HELP HELP_HELP,
	.run = run_clients,
};

const struct ctl_command ctl_reload = {
	.name = "reload",
	.summary = "have the daemon read its configuration again",
	.help = "Usage: icbmsgctl reload [OPTIONS]\n"
		"Have icbmsgd read its configuration again; print what has changed, and what cannot\n"
		"without a restart. Exit status 1 if something failed.\n"
		"\n" COMMON_HELP HELP_HELP,
	.run = run_reload,
};

const struct ctl_command ctl_export = {
	.name = "export",
	.summary = "have the daemon export an endpoint on demand",
	.help = "Usage: icbmsgctl export [OPTIONS] INSTANCE/ENDPOINT\n"
		"Have icbmsgd export an endpoint that a pattern of its configuration allows, and\n"
		"print the path of its socket.\n"
		"\n" COMMON_HELP HELP_HELP,
	.run = run_export,
};
