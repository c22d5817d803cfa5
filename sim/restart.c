// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim restart-loop`: its options.
 */
#include "restart.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "chat.h"

/* With lost doorbells: what one costs at most. */
#define RESCUE_WITH_DROPS_NS 1000000

#define COUNT_MAX 10000000u

static const char help[] =
	"Usage: " SIM_NAME " restart-loop [OPTION]...\n"
	"Two cores talk; one is killed at random moments and started again on the same memory. Core A\n"
	"runs libicbmsg, core B a stand-in for Zephyr firmware, which is the one that is killed.\n"
	"\n"
	"      --count N                    restarts (100)\n"
	"      --endpoints N                with traffic both ways on each (1)\n" GEOMETRY_HELP
	"      --up-time MIN..MAX           from back to the next kill (2ms..50ms)\n"
	"      --cut P                      percent of starts killed within 5 ms, in addition (10)\n"
	"      --drop-doorbells P           lose P percent of both sides' doorbells (0)\n"
	"      --pending-doorbell yes|no    rings from before a start are pending, or forgotten (yes)\n"
	"      --rescue-interval DUR        of libicbmsg (1ms if doorbells are dropped, else 50ms)\n"
	"      --timeout DUR                a link that is not back by then has failed (10s)\n"
	"      --seed S                     of times, sizes and losses (1)\n"
	"      --both-lib                   core B runs libicbmsg as well; either or both are killed\n" CORRUPT_HELP
	"      --duration DUR               of the corruption (until --count restarts are done)\n"
	"      --json                       result as one object on standard output\n"
	"      --quiet                      say nothing but errors\n"
	"  -h, --help                       this text\n"
	"\n"
	"Exit status: 0 every restart came back and everything is accounted for, 1 error, 2 usage,\n"
	"128 + n after signal n.\n";

enum {
	OPT_COUNT = GEOMETRY_OPTION_END,
	OPT_ENDPOINTS,
	OPT_UP_TIME,
	OPT_CUT,
	OPT_DROP,
	OPT_PENDING,
	OPT_RESCUE,
	OPT_TIMEOUT,
	OPT_SEED,
	OPT_BOTH_LIB,
	OPT_CORRUPT,
	OPT_CORRUPT_WHAT,
	OPT_DURATION,
	OPT_JSON,
	OPT_QUIET,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "endpoints", required_argument, NULL, OPT_ENDPOINTS },
	{ "up-time", required_argument, NULL, OPT_UP_TIME },
	{ "cut", required_argument, NULL, OPT_CUT },
	{ "drop-doorbells", required_argument, NULL, OPT_DROP },
	{ "pending-doorbell", required_argument, NULL, OPT_PENDING },
	{ "rescue-interval", required_argument, NULL, OPT_RESCUE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "both-lib", no_argument, NULL, OPT_BOTH_LIB },
	{ "corrupt", optional_argument, NULL, OPT_CORRUPT },
	{ "corrupt-what", required_argument, NULL, OPT_CORRUPT_WHAT },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void up_time(struct restart_options *o, const char *text)
{
	const char *dots = strstr(text, "..");
	char first[32];

	if (!dots || (size_t)(dots - text) >= sizeof(first))
		sim_usage("--up-time: \"%s\" is not a range; write for example 2ms..50ms", text);
	snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
	o->up_min_ns = arg_duration("--up-time", first);
	o->up_max_ns = arg_duration("--up-time", dots + 2);
	if (o->up_min_ns > o->up_max_ns)
		sim_usage("--up-time: %s is more than %s", first, dots + 2);
}

static bool yes(const char *option, const char *text)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		sim_usage("%s: \"%s\" is neither yes nor no", option, text);
	return text[0] == 'y';
}

static uint64_t corrupt_rate(const char *text)
{
	return text ? arg_number("--corrupt", text, 1, CORRUPT_RATE_MAX) : CORRUPT_RATE_DEFAULT;
}

static bool take_flag(struct restart_options *o, int c)
{
	switch (c) {
	case OPT_BOTH_LIB:
		o->both_lib = true;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_QUIET:
		o->quiet = true;
		return true;
	default:
		return false;
	}
}

static void take_option(struct restart_options *o, int c)
{
	switch (c) {
	case OPT_COUNT:
		o->count = arg_number("--count", optarg, 1, COUNT_MAX);
		break;
	case OPT_ENDPOINTS:
		o->endpoints =
			(unsigned int)arg_number("--endpoints", optarg, 1, FIRMWARE_ENDPOINTS_MAX);
		break;
	case OPT_UP_TIME:
		up_time(o, optarg);
		break;
	case OPT_CUT:
		o->cut = arg_percent("--cut", optarg);
		break;
	case OPT_DROP:
		o->drop = arg_percent("--drop-doorbells", optarg);
		break;
	case OPT_PENDING:
		o->forget = !yes("--pending-doorbell", optarg);
		break;
	case OPT_RESCUE:
		o->rescue_ns = arg_duration("--rescue-interval", optarg);
		break;
	case OPT_TIMEOUT:
		o->timeout_ns = arg_duration("--timeout", optarg);
		break;
	case OPT_SEED:
		o->seed = arg_number("--seed", optarg, 0, INT64_MAX);
		break;
	case OPT_CORRUPT:
		o->corrupt = corrupt_rate(optarg);
		break;
	case OPT_CORRUPT_WHAT:
		o->corrupt_what = corrupt_parse(optarg);
		break;
	case OPT_DURATION:
		o->duration_ns = arg_duration("--duration", optarg);
		break;
	default: /* getopt has said what is wrong */
		sim_usage_said();
	}
}

static void check_both_lib(const struct restart_options *o)
{
	if (o->both_lib && o->corrupt > 0)
		sim_usage("--both-lib and --corrupt exclude each other");
}

static void check_options(struct restart_options *o)
{
	struct layout_region tx, rx;
	char error[LAYOUT_ERROR_SIZE];

	if (geometry_layout(&o->geometry, SIDE_A, &tx, &rx, error) < 0)
		sim_usage("restart-loop: %s", error);
	if (tx.max_payload < CHAT_HEADER || rx.max_payload < CHAT_HEADER)
		sim_usage(
			"restart-loop: its messages have at least %u bytes, and the regions can carry "
			"%u and %u; make them larger",
			CHAT_HEADER, tx.max_payload, rx.max_payload);
	if (o->corrupt == 0 && (o->corrupt_what || o->duration_ns > 0))
		sim_usage("restart-loop: --corrupt-what and --duration belong to --corrupt");
	check_both_lib(o);
	if (!o->corrupt_what)
		o->corrupt_what = CORRUPT_ALL;
	if (o->drop > 0 && o->rescue_ns == 0)
		o->rescue_ns = RESCUE_WITH_DROPS_NS;
}

static void parse(struct restart_options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (c == 'h')
			sim_help(help);
		if (!geometry_option(&o->geometry, c, optarg) && !take_flag(o, c))
			take_option(o, c);
	}
	if (optind < argc)
		sim_usage("restart-loop: \"%s\" is one argument too many", argv[optind]);
	check_options(o);
}

int restart_main(int argc, char **argv)
{
	struct restart_options options = {
		.geometry = GEOMETRY_DEFAULT,
		.endpoints = 1,
		.count = 100,
		.up_min_ns = 2000000,
		.up_max_ns = 50000000,
		.cut = 0.1,
		.seed = 1,
		.timeout_ns = INT64_C(10000000000),
	};
	struct restart_run r = {
		.options = &options,
		.pid = { -1, -1 },
		.memory_fd = -1,
		.signal_fd = -1,
		.stop = { -1, -1 },
		.done_fd = -1,
		.bell = { -1, -1 },
		.relay = { -1, -1 },
	};
	int status;

	parse(&options, argc, argv);
	r.random = options.seed;
	r.corrupt.random = ~options.seed;
	r.corrupt.what = options.corrupt_what;
	status = restart_loop(&r);
	if (options.json)
		restart_json(&r);
	else if (r.shared && !options.quiet)
		restart_summary(&r);
	free(r.result.times);
	if (status > SIM_SIGNAL)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
