// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim transfer`: its options, and its course from open files to verified ones.
 */
#include "transfer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "firmware.h"

/* With lost doorbells: what one costs at most. */
#define RESCUE_WITH_DROPS_NS 1000000

static const char help[] =
	"Usage: " SIM_NAME " transfer --a-to-b FILE --b-to-a FILE --out DIR [OPTION]...\n"
	"Two cores in processes of their own send each other a file at the same time. Core A runs\n"
	"libicbmsg, core B a stand-in for Zephyr firmware.\n"
	"\n"
	"      --a-to-b FILE, --b-to-a FILE what to send\n"
	"      --out DIR                    where received files go: DIR/a-to-b-NAME, DIR/b-to-a-NAME\n"
	"      --endpoints N                spread each file over so many endpoints (8)\n" GEOMETRY_HELP
	"      --drop-doorbells P           lose P percent of both sides' doorbells (0)\n"
	"      --rescue-interval DUR        of libicbmsg (1ms if doorbells are dropped, else 50ms)\n"
	"      --seed S                     of sizes, ways and losses (1)\n"
	"      --both-lib                   core B runs libicbmsg as well\n"
	"      --json                       result as one object on standard output\n"
	"      --quiet                      say nothing but errors\n"
	"      --progress                   show progress where there is no terminal, too\n"
	"      --banner                     tell the process numbers of both cores on stderr\n"
	"  -h, --help                       this text\n"
	"\n"
	"Exit status: 0 both files identical, 1 error, 2 usage, 128 + n after signal n.\n";

enum {
	OPT_A_TO_B = GEOMETRY_OPTION_END,
	OPT_B_TO_A,
	OPT_OUT,
	OPT_ENDPOINTS,
	OPT_DROP,
	OPT_RESCUE,
	OPT_SEED,
	OPT_BOTH_LIB,
	OPT_JSON,
	OPT_QUIET,
	OPT_PROGRESS,
	OPT_BANNER,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	{ "a-to-b", required_argument, NULL, OPT_A_TO_B },
	{ "b-to-a", required_argument, NULL, OPT_B_TO_A },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "endpoints", required_argument, NULL, OPT_ENDPOINTS },
	{ "drop-doorbells", required_argument, NULL, OPT_DROP },
	{ "rescue-interval", required_argument, NULL, OPT_RESCUE },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "both-lib", no_argument, NULL, OPT_BOTH_LIB },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void take_option(struct transfer_options *o, int c)
{
	switch (c) {
	case OPT_A_TO_B:
		o->a_to_b = optarg;
		break;
	case OPT_B_TO_A:
		o->b_to_a = optarg;
		break;
	case OPT_OUT:
		o->out = optarg;
		break;
	case OPT_ENDPOINTS:
		o->endpoints =
			(unsigned int)arg_number("--endpoints", optarg, 1, FIRMWARE_ENDPOINTS_MAX);
		break;
	case OPT_DROP:
		o->drop = arg_percent("--drop-doorbells", optarg);
		break;
	case OPT_RESCUE:
		o->rescue_ns = arg_duration("--rescue-interval", optarg);
		break;
	case OPT_SEED:
		o->seed = arg_number("--seed", optarg, 0, INT64_MAX);
		break;
	case OPT_BOTH_LIB:
		o->both_lib = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_PROGRESS:
		o->progress = true;
		break;
	case OPT_BANNER:
		o->banner = true;
		break;
	default: /* getopt has said what is wrong */
		sim_usage_said();
	}
}

static void check_options(struct transfer_options *o)
{
	struct layout_region tx, rx;
	char error[LAYOUT_ERROR_SIZE];

	if (!o->a_to_b || !o->b_to_a || !o->out)
		sim_usage("transfer: --a-to-b, --b-to-a and --out are required");
	if (geometry_layout(&o->geometry, SIDE_A, &tx, &rx, error) < 0)
		sim_usage("transfer: %s", error);
	if (o->drop > 0 && o->rescue_ns == 0)
		o->rescue_ns = RESCUE_WITH_DROPS_NS;
}

static void parse(struct transfer_options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (c == 'h')
			sim_help(help);
		if (!geometry_option(&o->geometry, c, optarg))
			take_option(o, c);
	}
	if (optind < argc)
		sim_usage("transfer: \"%s\" is one argument too many", argv[optind]);
	check_options(o);
}

int transfer_main(int argc, char **argv)
{
	struct transfer_options options = {
		.geometry = GEOMETRY_DEFAULT,
		.endpoints = 8,
		.seed = 1,
	};
	struct transfer t = {
		.options = &options,
		.file = { { .label = "A->B", .in_fd = -1, .out_fd = -1 },
			  { .label = "B->A", .in_fd = -1, .out_fd = -1 } },
		.memory_fd = -1,
		.bell = { { -1, -1 }, { -1, -1 } },
		.pid = { -1, -1 },
	};
	int status;

	parse(&options, argc, argv);
	t.file[SIDE_A].from = options.a_to_b;
	t.file[SIDE_B].from = options.b_to_a;
	status = transfer_open_files(&t);
	if (status == SIM_OK)
		status = transfer_run(&t);
	if (status == SIM_OK)
		status = transfer_verify(&t);
	transfer_close_files(&t);
	if (options.json)
		transfer_json(&t, status);
	else if (t.file[SIDE_B].received_digest[0] && !options.quiet)
		transfer_summary(&t);
	if (status > SIM_SIGNAL)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
