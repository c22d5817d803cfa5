// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the command line. What contradicts itself is options_check.c's.
 */
#include "cat/options_check.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/tool.h"

#define NS_PER_S INT64_C(1000000000)

/* Options without a letter. */
enum {
	OPT_JSON = 256,
	OPT_UTC,
	OPT_LOCALTIME,
	OPT_SIZE,
	OPT_FILE,
	OPT_RATE,
	OPT_INTERVAL,
	OPT_BURST,
	OPT_SEND_TIMEOUT,
	OPT_NO_BLOCK,
	OPT_QUIET,
	OPT_BANNER,
	OPT_SEND,
	OPT_RECV,
	OPT_BYTES,
	OPT_OFFSET,
	OPT_NO_IO_URING,
};

static const char short_options[] = ":d:s:w:kf:xrF:t:i:m:uUn:T:q:pvhV";

static const struct option long_options[] = {
	{ "direct", required_argument, NULL, 'd' },
	{ "socket", required_argument, NULL, 's' },
	{ "wait", required_argument, NULL, 'w' },
	{ "keep", no_argument, NULL, 'k' },
	{ "format", required_argument, NULL, 'f' },
	{ "dump", no_argument, NULL, 'x' },
	{ "raw", no_argument, NULL, 'r' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "output-format", required_argument, NULL, 'F' },
	{ "timestamp", required_argument, NULL, 't' },
	{ "utc", no_argument, NULL, OPT_UTC },
	{ "localtime", no_argument, NULL, OPT_LOCALTIME },
	{ "input", required_argument, NULL, 'i' },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "message", required_argument, NULL, 'm' },
	{ "file", required_argument, NULL, OPT_FILE },
	{ "send", required_argument, NULL, OPT_SEND },
	{ "recv", required_argument, NULL, OPT_RECV },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "offset", required_argument, NULL, OPT_OFFSET },
	{ "no-io-uring", no_argument, NULL, OPT_NO_IO_URING },
	{ "receive-only", no_argument, NULL, 'u' },
	{ "send-only", no_argument, NULL, 'U' },
	{ "count", required_argument, NULL, 'n' },
	{ "idle-timeout", required_argument, NULL, 'T' },
	{ "quit-after", required_argument, NULL, 'q' },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "interval", required_argument, NULL, OPT_INTERVAL },
	{ "burst", required_argument, NULL, OPT_BURST },
	{ "send-timeout", required_argument, NULL, OPT_SEND_TIMEOUT },
	{ "no-block", no_argument, NULL, OPT_NO_BLOCK },
	{ "progress", no_argument, NULL, 'p' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static void set_format(struct reading *r, enum format_kind kind)
{
	if (r->format_given && r->o->format.kind != kind)
		tool_usage("choose one output format: two different ones are given");
	r->format_given = true;
	r->o->format.kind = kind;
}

static void parse_format(struct reading *r, const char *name)
{
	enum format_kind kind;

	if (!format_find(name, &kind))
		tool_usage("--format: '%s' is not one of text, line, quoted, hex, dump, raw, json, "
			   "none",
			   name);
	set_format(r, kind);
}

static void parse_template(struct reading *r, const char *pattern)
{
	const char *wrong = format_check_template(pattern);

	if (wrong)
		tool_usage("--output-format: '%s': %s", pattern, wrong);
	set_format(r, FORMAT_TEMPLATE);
	r->o->format.pattern = pattern;
}

static void parse_stamp(struct options *o, const char *text)
{
	static const char letters[] = "adzA";
	const char *found = *text ? strchr(letters, *text) : NULL;

	if (!found || text[1])
		tool_usage("--timestamp: '%s' is not one of a (absolute), d (delta), z (from "
			   "zero), A (date)",
			   text);
	o->format.stamp = STAMP_ABSOLUTE + (enum stamp_kind)(found - letters);
}

static void parse_cut(struct options *o, const char *name)
{
	if (strcmp(name, "raw") == 0)
		o->cut = CUT_RAW;
	else if (strcmp(name, "line") == 0)
		o->cut = CUT_LINE;
	else if (strcmp(name, "hex") == 0)
		o->cut = CUT_HEX;
	else if (strcmp(name, "len32") == 0)
		o->cut = CUT_LEN32;
	else
		tool_usage("--input: '%s' is not one of line, raw, hex, len32", name);
}

/* N, N/s or N/m to the time between two messages. */
static int64_t parse_rate(const char *text)
{
	int64_t unit = NS_PER_S;
	char number[24];
	size_t length = strcspn(text, "/");
	uint64_t n;

	if (strcmp(text + length, "/m") == 0)
		unit *= 60;
	else if (text[length] && strcmp(text + length, "/s") != 0)
		length = 0;
	if (length == 0 || length >= sizeof(number))
		tool_usage("--rate: '%s' is not a rate; write for example --rate 100/s", text);
	memcpy(number, text, length);
	number[length] = '\0';
	n = arg_number("--rate", number, 1, (uint64_t)NS_PER_S);
	return unit / (int64_t)n;
}

/* As much time before each burst as its messages take at that rate. */
static void set_rate(struct options *o, const char *rate)
{
	o->interval = parse_rate(rate);
	if (o->burst > (uint64_t)(INT64_MAX / o->interval))
		tool_usage("--burst: %llu messages at --rate %s would take centuries",
			   (unsigned long long)o->burst, rate);
	o->interval *= (int64_t)o->burst;
}

static bool parse_link_option(struct reading *r, int c)
{
	struct options *o = r->o;

	switch (c) {
	case 'd':
		r->direct = optarg;
		return true;
	case 's':
		r->socket = optarg;
		return true;
	case 'w':
		o->wait = arg_duration("--wait", optarg);
		return true;
	case 'k':
		o->keep = true;
		return true;
	case 'n':
		o->count = arg_number("--count", optarg, 1, UINT64_MAX);
		return true;
	case 'T':
		o->idle_timeout = arg_duration("--idle-timeout", optarg);
		return true;
	case 'q':
		o->quit_after = arg_duration("--quit-after", optarg);
		return true;
	default:
		return false;
	}
}

static bool parse_output_option(struct reading *r, int c)
{
	struct options *o = r->o;

	switch (c) {
	case 'f':
		parse_format(r, optarg);
		return true;
	case 'x':
		set_format(r, FORMAT_DUMP);
		return true;
	case 'r':
		set_format(r, FORMAT_RAW);
		return true;
	case OPT_JSON:
		set_format(r, FORMAT_JSON);
		return true;
	case 'F':
		parse_template(r, optarg);
		return true;
	case 't':
		parse_stamp(o, optarg);
		return true;
	case OPT_UTC:
	case OPT_LOCALTIME:
		if (r->zone_given && o->format.utc != (c == OPT_UTC))
			tool_usage("choose one of --utc and --localtime");
		r->zone_given = true;
		o->format.utc = c == OPT_UTC;
		return true;
	case 'u':
		o->receive_only = true;
		return true;
	case 'U':
		o->send_only = true;
		return true;
	default:
		return false;
	}
}

static bool parse_input_option(struct reading *r, int c)
{
	struct options *o = r->o;

	switch (c) {
	case 'i':
		parse_cut(o, optarg);
		r->input_given = true;
		return true;
	case OPT_SIZE:
		o->size = arg_size("--size", optarg, 1, UINT32_MAX);
		return true;
	case 'm':
		o->messages[o->message_count++] = optarg;
		return true;
	case OPT_FILE:
		o->file = optarg;
		return true;
	case OPT_RATE:
		r->rate = optarg;
		return true;
	case OPT_INTERVAL:
		o->interval = arg_duration("--interval", optarg);
		return true;
	case OPT_BURST:
		o->burst = arg_number("--burst", optarg, 1, UINT32_MAX);
		r->burst_given = true;
		return true;
	case OPT_SEND_TIMEOUT:
		o->send_timeout = arg_duration("--send-timeout", optarg);
		r->timeout_given = true;
		return true;
	case OPT_NO_BLOCK:
		o->no_block = true;
		return true;
	default:
		return false;
	}
}

static bool parse_file_option(struct reading *r, int c)
{
	struct options *o = r->o;

	switch (c) {
	case OPT_SEND:
		o->send_file = optarg;
		return true;
	case OPT_RECV:
		o->recv_file = optarg;
		return true;
	case OPT_BYTES:
		o->bytes = arg_size("--bytes", optarg, 1, INT64_MAX);
		return true;
	case OPT_OFFSET:
		o->offset = arg_size("--offset", optarg, 0, INT64_MAX);
		r->offset_given = true;
		return true;
	case OPT_NO_IO_URING:
		o->no_io_uring = true;
		return true;
	default:
		return false;
	}
}

static void parse_other_option(struct reading *r, int c, char **argv)
{
	struct options *o = r->o;

	switch (c) {
	case 'p':
		o->progress = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case OPT_QUIET:
		o->quiet = true;
		break;
	case OPT_BANNER:
		o->banner = true;
		break;
	case 'h':
		fputs(options_help, stdout);
		exit(tool_finish_stdout(TOOL_OK));
	case 'V':
		tool_print_version();
		exit(tool_finish_stdout(TOOL_OK));
	case ':':
		tool_usage("%s needs a value", argv[optind - 1]);
	default:
		if (optopt && optopt < 256)
			tool_usage("there is no option -%c", optopt);
		tool_usage("'%s' is not an option or takes no value", argv[optind - 1]);
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct reading r = { .o = o };
	int c;

	*o = (struct options){
		.wait = -1, .idle_timeout = -1, .quit_after = -1, .send_timeout = -1, .burst = 1
	};
	o->messages = calloc((size_t)argc, sizeof(*o->messages));
	if (!o->messages)
		tool_fail(TOOL_ERROR, "out of memory");
	opterr = 0;
	while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
		if (!parse_link_option(&r, c) && !parse_output_option(&r, c) &&
		    !parse_input_option(&r, c) && !parse_file_option(&r, c))
			parse_other_option(&r, c, argv);
	options_check(&r, argc - optind, argv + optind);
	if (r.rate)
		set_rate(o, r.rate);
}

void options_deinit(struct options *o)
{
	direct_deinit(&o->direct);
	free(o->instance);
	free(o->messages);
}
