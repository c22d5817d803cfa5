// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl counters: what one side knows and has counted. The shared memory need not exist any more.
 */
#include "common/tool.h"
#include "ctl/ctl.h"
#include "ctl/json_add.h"
#include "ctl/state.h"

static const char help_text[] =
	"Usage: icbmsgctl counters [--json] FILE[:INSTANCE]\n"
	"       icbmsgctl counters --list [--json]\n"
	"Print state, endpoints and counters of the side that has a state-file, live or dead.\n"
	"\n"
	"      --list    print what is counted: name, kind, unit, meaning\n"
	"      --json    print one object, or with --list an array\n"
	"  -h, --help\n";

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

	if (!state_parse(command, &a, argc, argv))
		return ctl_help(command);
	if (a.list && a.direct)
		tool_usage("counters: --list takes no FILE: it is the same for all links");
	if (a.list)
		list(a.json);
	else
		show(&a);
	return tool_finish_stdout(TOOL_OK);
}

const struct ctl_command ctl_counters = {
	.name = "counters",
	.summary = "state, endpoints and counters of one side, live or dead",
	.help = help_text,
	.run = run,
};
