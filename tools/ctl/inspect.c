// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl inspect: what the shared memory of a link holds, while it is in use or after its users
 * died. Users of other implementations name the missing view inside first when a link does not come
 * up.
 */
#include "ctl/inspect.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/direct.h"
#include "common/parse.h"
#include "common/tool.h"
#include "ctl/ctl.h"

#define DUMP_DEFAULT 64u

static const char help_text[] =
	"Usage: icbmsgctl inspect [OPTIONS] FILE[:INSTANCE]\n"
	"Decode the shared memory of a link. Nothing is written; the link's users do not notice.\n"
	"\n"
	"      --dump[=BYTES]   print the beginning of each buffer, 64 bytes of it by default\n"
	"      --pending        leave out packets that have been consumed already\n"
	"      --json           print one object\n"
	"  -h, --help\n";

enum {
	OPT_DUMP = 256,
	OPT_PENDING,
	OPT_JSON,
};

struct arguments {
	struct inspect_options options;
	bool json;
	const char *direct;
};

/* Returns false if help was asked for. */
static bool parse(const struct ctl_command *command, struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dump", optional_argument, NULL, OPT_DUMP },
		{ "pending", no_argument, NULL, OPT_PENDING },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == OPT_DUMP)
			a->options.dump =
				optarg ? (uint32_t)arg_size("--dump", optarg, 1, UINT32_MAX) :
					 DUMP_DEFAULT;
		else if (c == OPT_PENDING)
			a->options.pending = true;
		else if (c == OPT_JSON)
			a->json = true;
		else if (c == 'h')
			return false;
		else
			tool_usage_said();
	}
	if (optind == argc)
		tool_usage("inspect: FILE[:INSTANCE] is missing");
	a->direct = argv[optind++];
	ctl_no_arguments(command, argc, argv);
	return true;
}

/* Without a state-file there is no status, which is no mistake. */
static void load_status(struct view *v, struct icbmsg_config *cfg)
{
	if (icbmsg_config_get(cfg, "state-file") && icbmsg_status_load(&v->status, cfg) < 0)
		v->no_status = icbmsg_config_error(cfg);
}

static void look(const struct arguments *a, struct icbmsg_config *cfg)
{
	struct icbmsg_snapshot *snapshot;
	struct icbmsg_layout layout;
	struct view *view = malloc(sizeof(*view));

	if (icbmsg_snapshot_new(&snapshot, cfg) < 0 ||
	    icbmsg_config_layout(cfg, &layout, sizeof(layout)) < 0)
		tool_fail(TOOL_ERROR, "%s", icbmsg_config_error(cfg));
	if (!view || view_init(view, snapshot, &layout) < 0)
		tool_fail(TOOL_ERROR, "out of memory");
	load_status(view, cfg);
	if (a->json)
		inspect_print_json(view, &a->options);
	else
		inspect_print_text(view, &a->options);
	icbmsg_status_free(view->status);
	view_deinit(view);
	free(view);
	icbmsg_snapshot_free(snapshot);
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct arguments a = { 0 };
	struct icbmsg_config *cfg;
	struct direct d;

	if (!parse(command, &a, argc, argv))
		return ctl_help(command);
	direct_init(&d, a.direct);
	cfg = direct_load(&d);
	direct_deinit(&d);
	look(&a, cfg);
	icbmsg_config_free(cfg);
	return tool_finish_stdout(TOOL_OK);
}

const struct ctl_command ctl_inspect = {
	.name = "inspect",
	.summary = "decode the shared memory of a link without writing to it",
	.help = help_text,
	.run = run,
};
