// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim restart-loop`: its options.
 */
#include "restart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "chat.h"
#include "random.h"

#define COUNT_MAX 10000000u

static const char help[] =
	"Usage: " SIM_NAME " restart-loop [OPTION]...\n"
	"Two cores talk; one is killed at random moments and started again on the same memory. Core A\n"
	"runs libicbmsg, core B a stand-in for Zephyr firmware, which is the one that is killed.\n"
	"\n"
	"      --count N                    restarts (100)\n"
	"      --endpoints N                with traffic both ways on each (1)\n"
	"      --up-time MIN..MAX           from back to the next kill (2ms..50ms)\n"
	"      --cut P                      percent of starts killed within 5 ms, in addition (10)\n"
	"      --pending-doorbell yes|no    rings from before a start are pending, or forgotten (yes)\n"
	"      --timeout DUR                a link that is not back by then has failed (10s)\n"
	"      --both-lib                   core B runs libicbmsg as well; either or both are killed\n"
	"      --json                       result as one object on standard output\n"
	"      --quiet                      say nothing but errors\n"
	"  -h, --help                       this text\n"
	"\n"
	"Geometry:\n" GEOMETRY_HELP "\n"
	"Faults:\n" FAULT_HELP "\n"
	"While memory is corrupted (until --count restarts are done, or for --duration) what arrives\n"
	"is counted only; in the end the writing stops and the link has to come back.\n"
	"\n"
	"Exit status: 0 every restart came back and everything is accounted for, 1 error, 2 usage,\n"
	"128 + n after signal n.\n";

enum {
	OPT_COUNT = FAULT_OPTION_END,
	OPT_ENDPOINTS,
	OPT_UP_TIME,
	OPT_CUT,
	OPT_PENDING,
	OPT_TIMEOUT,
	OPT_BOTH_LIB,
	OPT_JSON,
	OPT_QUIET,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	FAULT_OPTIONS,
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "endpoints", required_argument, NULL, OPT_ENDPOINTS },
	{ "up-time", required_argument, NULL, OPT_UP_TIME },
	{ "cut", required_argument, NULL, OPT_CUT },
	{ "pending-doorbell", required_argument, NULL, OPT_PENDING },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "both-lib", no_argument, NULL, OPT_BOTH_LIB },
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
		tool_usage("--up-time: \"%s\" is not a range; write for example 2ms..50ms", text);
	snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
	o->up_min_ns = arg_short_duration("--up-time", first);
	o->up_max_ns = arg_short_duration("--up-time", dots + 2);
	if (o->up_min_ns > o->up_max_ns)
		tool_usage("--up-time: %s is more than %s", first, dots + 2);
}

static bool yes(const char *option, const char *text)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		tool_usage("%s: \"%s\" is neither yes nor no", option, text);
	return text[0] == 'y';
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

static bool take_option(void *options, int c)
{
	struct restart_options *o = options;

	switch (c) {
	case OPT_COUNT:
		o->count = arg_number("--count", optarg, 1, COUNT_MAX);
		return true;
	case OPT_ENDPOINTS:
		o->endpoints =
			(unsigned int)arg_number("--endpoints", optarg, 1, FIRMWARE_ENDPOINTS_MAX);
		return true;
	case OPT_UP_TIME:
		up_time(o, optarg);
		return true;
	case OPT_CUT:
		o->cut = arg_percent("--cut", optarg);
		return true;
	case OPT_PENDING:
		o->forget = !yes("--pending-doorbell", optarg);
		return true;
	case OPT_TIMEOUT:
		o->timeout_ns = arg_long_duration("--timeout", optarg);
		return true;
	default:
		return geometry_option(&o->geometry, c, optarg) ||
		       fault_option(&o->faults, c, optarg) || take_flag(o, c);
	}
}

static const struct args args = { help, "h", long_options, take_option };

static void check_options(struct restart_options *o)
{
	struct layout_region tx, rx;
	char error[LAYOUT_ERROR_SIZE];

	if (geometry_layout(&o->geometry, SIDE_A, &tx, &rx, error) < 0)
		tool_usage("restart-loop: %s", error);
	if (tx.max_payload < CHAT_HEADER || rx.max_payload < CHAT_HEADER)
		tool_usage(
			"restart-loop: its messages have at least %u bytes, and the regions can carry "
			"%u and %u; make them larger",
			CHAT_HEADER, tx.max_payload, rx.max_payload);
	if (o->both_lib && o->faults.corrupt > 0)
		tool_usage("--both-lib and --corrupt exclude each other");
	fault_check(&o->faults, "restart-loop");
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
	};
	int status;

	args_no_operand("restart-loop", args_parse(&args, &options, argc, argv), argc, argv);
	check_options(&options);
	faults_init(&r.faults, &options.faults);
	r.random = random_stream(options.faults.seed, FAULT_STREAM_COURSE);
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
