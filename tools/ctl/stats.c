// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl stats: what one side knows and has counted. The shared memory need not exist any more.
 */
#include <stdbool.h>
#include <string.h>

#include "common/tool.h"
#include "ctl/ctl.h"
#include "ctl/json_add.h"
#include "ctl/service.h"
#include "ctl/state.h"

static const char help_text[] =
	"Usage: icbmsgctl stats [--json] FILE[:INSTANCE]\n"
	"       icbmsgctl stats --list [--json]\n"
	"       icbmsgctl stats [--socket PATH] [--json] [--watch[=DUR]]\n"
	"Print state, endpoints and counters of the side that has a state-file, live or dead; without\n"
	"FILE what icbmsgd has counted of links, endpoints and limits. icbmsgctl(1) explains that.\n"
	"\n"
	"      --list           print what is counted of a side: name, kind, unit, meaning\n"
	"      --json           print one object, or with --list an array\n"
	"  -s, --socket PATH    the daemon's control socket (" SERVICE_SOCKET
	")\n" SERVICE_WATCH_HELP "  -h, --help\n";

/* Is the daemon asked? Not about a file, nor about what is counted of every side. */
static bool asks_daemon(int argc, char **argv)
{
	for (int n = 1; n < argc; n++) {
		if (strcmp(argv[n], "-s") == 0 || strcmp(argv[n], "--socket") == 0)
			n++;
		else if (argv[n][0] != '-' || strcmp(argv[n], "--list") == 0)
			return false;
	}
	return true;
}

static void list(bool json)
{
	if (json)
		ctl_print_json(state_list_array());
	else
		state_print_list();
}

static void show(const struct state_arguments *a)
{
	struct icbmsg_status *status = state_load(a->direct);

	if (a->json)
		ctl_print_json(state_object(status));
	else
		state_print(status, true);
	icbmsg_status_free(status);
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct state_arguments a;

	if (asks_daemon(argc, argv))
		return service_run_stats(command, argc, argv);
	if (!state_parse(command, &a, argc, argv))
		return ctl_help(command);
	if (a.list && a.direct)
		tool_usage("stats: --list takes no FILE: it is the same for all links");
	if (a.list)
		list(a.json);
	else
		show(&a);
	return tool_finish_stdout(TOOL_OK);
}

const struct ctl_command ctl_stats = {
	.name = "stats",
	.summary = "state and counters of one side, live or dead, or of the daemon",
	.help = help_text,
	.run = run,
};
