// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim transfer`: its options, and its course from open files to verified ones.
 */
#include "transfer.h"

#include <inttypes.h>

#include "args.h"
#include "firmware.h"

static const char help[] =
	"Usage: " SIM_NAME " transfer --a-to-b FILE --b-to-a FILE --out DIR [OPTION]...\n"
	"Two cores in processes of their own send each other a file at the same time. Core A runs\n"
	"libicbmsg, core B a stand-in for Zephyr firmware.\n"
	"\n"
	"      --a-to-b FILE, --b-to-a FILE what to send\n"
	"      --out DIR                    where received files go: DIR/a-to-b-NAME, DIR/b-to-a-NAME\n"
	"      --endpoints N                spread each file over so many endpoints (8)\n"
	"      --both-lib                   core B runs libicbmsg as well\n"
	"      --json                       result as one object on standard output\n"
	"      --quiet                      say nothing but errors\n"
	"      --progress                   show progress where there is no terminal, too\n"
	"      --banner                     tell the process numbers of both cores on stderr\n"
	"  -h, --help                       this text\n"
	"\n"
	"Geometry:\n" GEOMETRY_HELP "\n"
	"Faults:\n" FAULT_HELP "\n"
	"While memory is corrupted (at most 10 s unless --duration says so) files may arrive damaged,\n"
	"which is counted; firmware that stands still is restarted.\n"
	"\n"
	"Exit status: 0 both files identical, with --corrupt: no core crashed or hung; 1 error, 2 usage,\n"
	"128 + n after signal n.\n";

enum {
	OPT_A_TO_B = FAULT_OPTION_END,
	OPT_B_TO_A,
	OPT_OUT,
	OPT_ENDPOINTS,
	OPT_BOTH_LIB,
	OPT_JSON,
	OPT_QUIET,
	OPT_PROGRESS,
	OPT_BANNER,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	FAULT_OPTIONS,
	{ "a-to-b", required_argument, NULL, OPT_A_TO_B },
	{ "b-to-a", required_argument, NULL, OPT_B_TO_A },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "endpoints", required_argument, NULL, OPT_ENDPOINTS },
	{ "both-lib", no_argument, NULL, OPT_BOTH_LIB },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "progress", no_argument, NULL, OPT_PROGRESS },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static bool take_flag(struct transfer_options *o, int c)
{
	/* In the order of their numbers. */
	bool *const flags[] = {
		&o->both_lib, &o->json, &o->quiet, &o->progress, &o->banner,
	};

	if (c < OPT_BOTH_LIB || c > OPT_BANNER)
		return false;
	*flags[c - OPT_BOTH_LIB] = true;
	return true;
}

static bool take_option(void *options, int c)
{
	struct transfer_options *o = options;

	switch (c) {
	case OPT_A_TO_B:
		o->a_to_b = optarg;
		return true;
	case OPT_B_TO_A:
		o->b_to_a = optarg;
		return true;
	case OPT_OUT:
		o->out = optarg;
		return true;
	case OPT_ENDPOINTS:
		o->endpoints =
			(unsigned int)arg_number("--endpoints", optarg, 1, FIRMWARE_ENDPOINTS_MAX);
		return true;
	default:
		return geometry_option(&o->geometry, c, optarg) ||
		       fault_option(&o->faults, c, optarg) || take_flag(o, c);
	}
}

static const struct args args = { help, "h", long_options, take_option };

static void check_options(struct transfer_options *o)
{
	struct layout_region tx, rx;
	char error[LAYOUT_ERROR_SIZE];

	if (!o->a_to_b || !o->b_to_a || !o->out)
		tool_usage("transfer: --a-to-b, --b-to-a and --out are required");
	if (geometry_layout(&o->geometry, SIDE_A, &tx, &rx, error) < 0)
		tool_usage("transfer: %s", error);
	if (o->both_lib && o->faults.corrupt > 0)
		tool_usage("--both-lib and --corrupt exclude each other");
	fault_check(&o->faults, "transfer");
}

/* The files were opened: how it went. */
static void report(const struct transfer *t, int status)
{
	if (t->options->json)
		transfer_json(t, status);
	else if (t->file[SIDE_B].received_digest[0] && !t->options->quiet)
		transfer_summary(t);
	if (status == SIM_ERROR && t->status)
		tool_say("--seed %" PRIu64 " repeats what was drawn", t->options->faults.seed);
}

int transfer_main(int argc, char **argv)
{
	struct transfer_options options = { .geometry = GEOMETRY_DEFAULT, .endpoints = 8 };
	struct transfer t = {
		.options = &options,
		.file = { { .label = "A->B", .in_fd = -1, .out_fd = -1 },
			  { .label = "B->A", .in_fd = -1, .out_fd = -1 } },
		.memory_fd = -1,
		.bell = { -1, -1 },
		.pid = { -1, -1 },
	};
	int status;

	args_no_operand("transfer", args_parse(&args, &options, argc, argv), argc, argv);
	check_options(&options);
	faults_init(&t.faults, &options.faults);
	t.file[SIDE_A].from = options.a_to_b;
	t.file[SIDE_B].from = options.b_to_a;
	status = transfer_open_files(&t);
	if (status == SIM_OK)
		status = transfer_run(&t);
	if (status == SIM_OK)
		status = transfer_verify(&t);
	transfer_close_files(&t);
	report(&t, status);
	if (status > SIM_SIGNAL)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
