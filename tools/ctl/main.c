// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl COMMAND: finds the command and hands over.
 */
#include "ctl/ctl.h"

#include <getopt.h>
#include <json.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/tool.h"
#include "common/utf8.h"

static const struct ctl_command *const commands[] = {
	&ctl_list,   &ctl_stats,   &ctl_clients,  &ctl_reload,  &ctl_export, &ctl_config,
	&ctl_layout, &ctl_inspect, &ctl_counters, &ctl_records, NULL,
};

static int help(void)
{
	printf("Usage: icbmsgctl COMMAND [OPTIONS]\n"
	       "Look at ICBMSG links, and at the daemon that shares them.\n"
	       "\n"
	       "Commands:\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n"
	       "  -h, --help       this text; icbmsgctl COMMAND --help tells more\n"
	       "  -V, --version    the version\n"
	       "\n"
	       "Exit status: 0 done, 1 error, 2 usage. See icbmsgctl(1).\n");
	return tool_finish_stdout(TOOL_OK);
}

int ctl_help(const struct ctl_command *command)
{
	fputs(command->help, stdout);
	return tool_finish_stdout(TOOL_OK);
}

void ctl_no_arguments(const struct ctl_command *command, int argc, char **argv)
{
	if (optind < argc)
		tool_usage("%s: '%s' is one argument too many", command->name, argv[optind]);
}

void ctl_print_json(struct json_object *o)
{
	const char *line = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	size_t size = strlen(line), n;

	/* The name of an endpoint may be any bytes, and json-c lets them through. */
	for (size_t i = 0; i < size; i += n ? n : 1) {
		n = utf8_sequence((const uint8_t *)line + i, size - i);
		if (n > 0)
			fwrite(line + i, 1, n, stdout);
		else
			printf("\\\\x%02x", (uint8_t)line[i]);
	}
	putchar('\n');
	json_object_put(o);
}

static const struct ctl_command *find(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i];
	tool_usage("there is no command '%s'", name);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const struct ctl_command *command;
	int c, start;

	tool_init("icbmsgctl");
	/* Options behind the command are the command's. */
	while ((c = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		if (c == 'h')
			return help();
		if (c != 'V')
			tool_usage("what to do? Name a command");
		tool_print_version();
		return tool_finish_stdout(TOOL_OK);
	}
	if (optind == argc)
		tool_usage("no command given");
	command = find(argv[optind]);
	tool_set_command(command->name);
	start = optind;
	argv[start] = argv[0]; /* getopt's messages begin with it */
	optind = 0;            /* getopt starts anew */
	return command->run(command, argc - start, argv + start);
}
