// SPDX-License-Identifier: Apache-2.0
/*
 * The command line of icbmsg-bench.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "common/parse.h"
#include "common/tool.h"

#define SIZES_MAX 64u

static const char help_text[] =
	"Usage: icbmsg-bench [OPTIONS]\n"
	"Measure round trips and streams between two processes, and what the machine gives at best.\n"
	"\n"
	"      --size N|largest       message size; repeatable; 1, 64, 512, 4k, 64k and the largest\n"
	"      --rounds N             repeat everything N times and take medians; 5\n"
	"      --duration DUR         of each measurement in each round; 100ms\n"
	"      --region-size BYTES    of each direction; 256k\n"
	"      --blocks N             of each direction; 16\n"
	"      --word-size 4|8        4\n"
	"      --dcache-alignment A   64\n"
	"      --no-pin               leave the processes to the scheduler\n"
	"      --json                 print one object\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Exit status: 0 done, 1 error (a damaged message is one), 2 usage. See icbmsg-bench(1).\n";

enum {
	OPT_SIZE = 256,
	OPT_ROUNDS,
	OPT_DURATION,
	OPT_REGION_SIZE,
	OPT_BLOCKS,
	OPT_WORD_SIZE,
	OPT_ALIGNMENT,
	OPT_NO_PIN,
	OPT_JSON,
};

static const struct option options[] = {
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "region-size", required_argument, NULL, OPT_REGION_SIZE },
	{ "blocks", required_argument, NULL, OPT_BLOCKS },
	{ "word-size", required_argument, NULL, OPT_WORD_SIZE },
	{ "dcache-alignment", required_argument, NULL, OPT_ALIGNMENT },
	{ "no-pin", no_argument, NULL, OPT_NO_PIN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* 0 stands for the largest until that is known. */
static void add_size(struct bench_settings *s, const char *text)
{
	uint64_t size = 0;

	if (s->size_count == SIZES_MAX)
		tool_usage("--size can be given %u times at most", SIZES_MAX);
	if (strcmp(text, "largest") != 0)
		size = arg_size("--size", text, 1, UINT32_MAX);
	s->sizes[s->size_count++] = (size_t)size;
}

static void set_option(struct bench_settings *s, int option)
{
	switch (option) {
	case OPT_SIZE:
		add_size(s, optarg);
		break;
	case OPT_ROUNDS:
		s->rounds = (unsigned int)arg_number("--rounds", optarg, 1, 1000);
		break;
	case OPT_DURATION:
		s->duration_ns = arg_duration("--duration", optarg);
		break;
	case OPT_REGION_SIZE:
		s->region_size = arg_size("--region-size", optarg, 1, UINT32_MAX);
		break;
	case OPT_BLOCKS:
		s->blocks = arg_number("--blocks", optarg, 1, 256);
		break;
	case OPT_WORD_SIZE:
		s->word_size = arg_number("--word-size", optarg, 0, UINT64_MAX);
		if (s->word_size != 4 && s->word_size != 8)
			tool_usage("--word-size: %s is neither 4 nor 8", optarg);
		break;
	case OPT_ALIGNMENT:
		s->alignment = arg_number("--dcache-alignment", optarg, 1, 1u << 20);
		break;
	case OPT_NO_PIN:
		s->pin = false;
		break;
	case OPT_JSON:
		s->json = true;
		break;
	case 'h':
		fputs(help_text, stdout);
		exit(tool_finish_stdout(TOOL_OK));
	case 'V':
		tool_print_version();
		exit(tool_finish_stdout(TOOL_OK));
	default:
		tool_usage_said();
	}
}

/* Sizes nobody asked for are left out where they do not fit; the largest is always last of those. */
static void default_sizes(struct bench_settings *s)
{
	static const size_t sizes[] = { 1, 64, 512, 4096, 65536 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (sizes[i] < s->max_size)
			s->sizes[s->size_count++] = sizes[i];
	s->sizes[s->size_count++] = s->max_size;
}

static void check_sizes(struct bench_settings *s)
{
	if (s->size_count == 0)
		default_sizes(s);
	for (size_t i = 0; i < s->size_count; i++) {
		if (s->sizes[i] == 0)
			s->sizes[i] = s->max_size;
		if (s->sizes[i] > s->max_size)
			tool_usage("--size %zu: the largest message of these regions is %zu bytes; "
				   "give a larger --region-size",
				   s->sizes[i], s->max_size);
	}
}

void bench_parse(struct bench_settings *s, int argc, char **argv)
{
	int c;

	*s = (struct bench_settings){
		.sizes = calloc(SIZES_MAX, sizeof(*s->sizes)),
		.rounds = 5,
		.duration_ns = INT64_C(100000000),
		.word_size = 4,
		.blocks = 16,
		.region_size = 256u << 10,
		.alignment = 64,
		.pin = true,
	};
	if (!s->sizes)
		tool_fail(TOOL_ERROR, "out of memory");
	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1)
		set_option(s, c);
	if (optind < argc)
		tool_usage("'%s' is one argument too many", argv[optind]);
	if (s->duration_ns <= 0)
		tool_usage("--duration: nothing can be measured in no time");
	s->max_size = bench_max_size(s);
	check_sizes(s);
}
