// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim echo`: its options, and its course.
 */
#include "echo.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "args.h"
#include "firmware.h"
#include "parent.h"
#include "util/cleanup.h"

#define FD_MAX 1048576 /* of Linux's default nr_open */

static const char help[] =
	"Usage: " SIM_NAME " echo [OPTION]... [-- COMMAND [ARGUMENT]...]\n"
	"A core that runs a stand-in for Zephyr firmware and sends back what it gets. It is core B of\n"
	"the options below; whoever talks to it is core A.\n"
	"\n"
	"COMMAND inherits memory and doorbells. Its configuration file is in $ICBMSG_CONFIG and replaces\n"
	"@CONFIG@ in its arguments. Its exit status is passed on.\n"
	"SIGUSR1 restarts the core as a reboot does.\n"
	"\n"
	"      --endpoint NAME              may be given several times (ep0)\n"
	"      --mode echo|sink|source      send back, take only, or send without end (echo)\n"
	"      --size BYTES                 of a source's messages (64)\n"
	"      --shm NAME                   share memory by this name; then polls, by default every 1ms\n"
	"      --memory-fd N                share this inherited memory\n"
	"      --ivshmem SOCKET             share memory and doorbells of the ivshmem server there\n"
	"      --db-rx-fd N, --db-tx-fd N   inherited eventfds: rung for this core, rung by it\n"
	"      --poll DURATION              look at the memory that often; no doorbells\n"
	"      --instance NAME              in the configuration (echo)\n"
	"      --print-config FILE          write the configuration for the other side; - is stdout\n"
	"      --record FILE                write a line for each message that comes: restarts of this\n"
	"                                   core before it, bytes, the first 32 in hex, endpoint\n"
	"      --banner                     print one line when ready (stderr with COMMAND)\n"
	"      --json                       tell in the end what was counted, as one object, likewise\n"
	"  -h, --help                       this text\n"
	"\n"
	"Geometry:\n" GEOMETRY_HELP "\n"
	"Faults, told on stderr in the end:\n" FAULT_HELP "\n"
	"Only this core is stopped by --stall. --rescue-interval goes into the configuration. A link that\n"
	"was corrupted may need SIGUSR1 to come back.\n"
	"\n"
	"Exit status: COMMAND's; without, 1 error, 128 + n after signal n; 2 usage.\n";

enum {
	OPT_ENDPOINT = FAULT_OPTION_END,
	OPT_MODE,
	OPT_SIZE,
	OPT_SHM,
	OPT_MEMORY_FD,
	OPT_IVSHMEM,
	OPT_RX_FD,
	OPT_TX_FD,
	OPT_POLL,
	OPT_INSTANCE,
	OPT_PRINT_CONFIG,
	OPT_RECORD,
	OPT_BANNER,
	OPT_JSON,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	FAULT_OPTIONS,
	{ "endpoint", required_argument, NULL, OPT_ENDPOINT },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "shm", required_argument, NULL, OPT_SHM },
	{ "memory-fd", required_argument, NULL, OPT_MEMORY_FD },
	{ "ivshmem", required_argument, NULL, OPT_IVSHMEM },
	{ "db-rx-fd", required_argument, NULL, OPT_RX_FD },
	{ "db-tx-fd", required_argument, NULL, OPT_TX_FD },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "instance", required_argument, NULL, OPT_INSTANCE },
	{ "print-config", required_argument, NULL, OPT_PRINT_CONFIG },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static enum echo_mode mode(const char *text)
{
	static const char *const names[] = { "echo", "sink", "source" };
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (strcmp(text, names[i]) == 0)
			return (enum echo_mode)i;
	tool_usage("--mode: \"%s\" is none of echo, sink and source", text);
}

static void add_endpoint(struct echo_options *o, const char *name)
{
	unsigned int i;

	if (name[0] == '\0' || strlen(name) >= FIRMWARE_NAME_SIZE)
		tool_usage("--endpoint: \"%s\" does not have 1 to %u bytes", name,
			   FIRMWARE_NAME_SIZE - 1);
	for (i = 0; i < o->endpoints; i++)
		if (strcmp(o->endpoint[i], name) == 0)
			tool_usage("--endpoint: \"%s\" is there twice", name);
	if (o->endpoints == FIRMWARE_ENDPOINTS_MAX)
		tool_usage("--endpoint: more than %u", FIRMWARE_ENDPOINTS_MAX);
	o->endpoint[o->endpoints++] = name;
}

static int descriptor(const char *option, const char *text)
{
	return (int)arg_number(option, text, 0, FD_MAX);
}

/* How the two sides get at each other. */
static bool take_transport(struct echo_options *o, int c)
{
	switch (c) {
	case OPT_SHM:
		o->shm = optarg;
		return true;
	case OPT_MEMORY_FD:
		o->memory_fd = descriptor("--memory-fd", optarg);
		return true;
	case OPT_IVSHMEM:
		o->ivshmem = optarg;
		return true;
	case OPT_RX_FD:
		o->bell_rx = descriptor("--db-rx-fd", optarg);
		return true;
	case OPT_TX_FD:
		o->bell_tx = descriptor("--db-tx-fd", optarg);
		return true;
	case OPT_POLL:
		o->poll = optarg;
		return true;
	default:
		return false;
	}
}

static bool take_option(void *options, int c)
{
	struct echo_options *o = options;

	switch (c) {
	case OPT_ENDPOINT:
		add_endpoint(o, optarg);
		return true;
	case OPT_MODE:
		o->mode = mode(optarg);
		return true;
	case OPT_SIZE:
		o->size = (uint32_t)arg_size("--size", optarg, 1, UINT32_MAX);
		return true;
	case OPT_INSTANCE:
		o->instance = optarg;
		return true;
	case OPT_PRINT_CONFIG:
		o->print_config = optarg;
		return true;
	case OPT_RECORD:
		o->record = optarg;
		return true;
	case OPT_BANNER:
		o->banner = true;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	default:
		return geometry_option(&o->geometry, c, optarg) ||
		       fault_option(&o->faults, c, optarg) || take_transport(o, c);
	}
}

/* +: what follows the first operand is the command's. */
static const struct args args = { help, "+h", long_options, take_option };

/* Memory and doorbells that the other side can get at. */
static void check_transport(struct echo_options *o)
{
	if ((o->shm != NULL) + (o->memory_fd >= 0) + (o->ivshmem != NULL) > 1)
		tool_usage("echo: --shm, --memory-fd and --ivshmem exclude each other");
	if (!o->shm && o->memory_fd < 0 && !o->ivshmem && !o->command)
		tool_usage("echo: nobody could get at its memory; say --shm NAME, --memory-fd N, "
			   "--ivshmem SOCKET or -- COMMAND");
	if (o->ivshmem && o->bell_rx >= 0)
		tool_usage("echo: --ivshmem and --db-rx-fd exclude each other");
	if ((o->bell_rx >= 0) != (o->bell_tx >= 0))
		tool_usage("echo: --db-rx-fd and --db-tx-fd belong together");
	if (o->poll && o->bell_rx >= 0)
		tool_usage("echo: --poll and --db-rx-fd exclude each other");
	if (!o->poll && o->bell_rx < 0 && !o->ivshmem && !o->command)
		o->poll = "1ms";
	if (o->poll && fault_doorbells(&o->faults))
		tool_usage("echo: with --poll there are no doorbells to drop, delay or merge; say "
			   "--db-rx-fd N --db-tx-fd N, or -- COMMAND without --poll");
	if (o->poll)
		o->poll_ns = arg_short_duration("--poll", o->poll);
}

static void check_options(struct echo_options *o)
{
	char error[LAYOUT_ERROR_SIZE];
	struct layout_region tx, rx;

	if (o->endpoints == 0)
		add_endpoint(o, "ep0");
	check_transport(o);
	fault_check(&o->faults, "echo");
	if (geometry_layout(&o->geometry, SIDE_B, &tx, &rx, error) < 0)
		tool_usage("echo: %s", error);
	if (o->mode == ECHO_SOURCE && o->size > tx.max_payload)
		tool_usage("--size: the largest message is %u bytes", tx.max_payload);
	if (o->geometry.b_initiates && o->endpoints > tx.block_count)
		tool_usage("echo: announcing %u endpoints takes at least as many --rx-blocks",
			   o->endpoints);
}

static int print_config(const struct echo_link *l)
{
	const char *path = l->options->print_config;
	bool to_stdout = path && strcmp(path, "-") == 0;
	FILE *f;

	if (!path)
		return SIM_OK;
	f = to_stdout ? stdout : fopen(path, "we");
	if (f) {
		echo_link_print(l, f);
		if ((to_stdout ? fflush(f) : fclose(f)) == 0)
			return SIM_OK;
	}
	tool_say("--print-config %s: %s", path, strerror(errno));
	return SIM_ERROR;
}

static int run(struct echo_link *l)
{
	_cleanup_(close_fd) int signal_fd = parent_signals(SIGUSR1, NULL);
	int status = print_config(l);

	if (status != SIM_OK)
		return status;
	if (signal_fd < 0)
		return SIM_ERROR;
	return echo_run(l, signal_fd);
}

int echo_main(int argc, char **argv)
{
	const char *endpoint[FIRMWARE_ENDPOINTS_MAX];
	struct echo_options options = {
		.geometry = GEOMETRY_DEFAULT,
		.endpoint = endpoint,
		.size = 64,
		.memory_fd = -1,
		.bell_rx = -1,
		.bell_tx = -1,
		.instance = "echo",
	};
	struct echo_link link;
	int operand, status;

	operand = args_parse(&args, &options, argc, argv);
	if (operand < argc)
		options.command = argv + operand;
	check_options(&options);
	status = echo_link_open(&link, &options);
	if (status == SIM_OK)
		status = run(&link);
	echo_link_close(&link);
	if (status > SIM_SIGNAL && !options.command)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
