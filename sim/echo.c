// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsg-sim echo`: its options, and its course.
 */
#include "echo.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "args.h"
#include "firmware.h"
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
	"      --db-rx-fd N, --db-tx-fd N   inherited eventfds: rung for this core, rung by it\n"
	"      --poll DURATION              look at the memory that often; no doorbells\n" GEOMETRY_HELP
	"      --instance NAME              in the configuration (echo)\n"
	"      --print-config FILE          write the configuration for the other side; - is stdout\n"
	"      --banner                     print one line when ready (stderr with COMMAND)\n"
	"  -h, --help                       this text\n";

enum {
	OPT_ENDPOINT = GEOMETRY_OPTION_END,
	OPT_MODE,
	OPT_SIZE,
	OPT_SHM,
	OPT_MEMORY_FD,
	OPT_RX_FD,
	OPT_TX_FD,
	OPT_POLL,
	OPT_INSTANCE,
	OPT_PRINT_CONFIG,
	OPT_BANNER,
};

static const struct option long_options[] = {
	GEOMETRY_OPTIONS,
	{ "endpoint", required_argument, NULL, OPT_ENDPOINT },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "shm", required_argument, NULL, OPT_SHM },
	{ "memory-fd", required_argument, NULL, OPT_MEMORY_FD },
	{ "db-rx-fd", required_argument, NULL, OPT_RX_FD },
	{ "db-tx-fd", required_argument, NULL, OPT_TX_FD },
	{ "poll", required_argument, NULL, OPT_POLL },
	{ "instance", required_argument, NULL, OPT_INSTANCE },
	{ "print-config", required_argument, NULL, OPT_PRINT_CONFIG },
	{ "banner", no_argument, NULL, OPT_BANNER },
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
	sim_usage("--mode: \"%s\" is none of echo, sink and source", text);
}

static void add_endpoint(struct echo_options *o, const char *name)
{
	unsigned int i;

	if (name[0] == '\0' || strlen(name) >= FIRMWARE_NAME_SIZE)
		sim_usage("--endpoint: \"%s\" does not have 1 to %u bytes", name,
			  FIRMWARE_NAME_SIZE - 1);
	for (i = 0; i < o->endpoints; i++)
		if (strcmp(o->endpoint[i], name) == 0)
			sim_usage("--endpoint: \"%s\" is there twice", name);
	if (o->endpoints == FIRMWARE_ENDPOINTS_MAX)
		sim_usage("--endpoint: more than %u", FIRMWARE_ENDPOINTS_MAX);
	o->endpoint[o->endpoints++] = name;
}

static int descriptor(const char *option, const char *text)
{
	return (int)arg_number(option, text, 0, FD_MAX);
}

static void take_option(struct echo_options *o, int c)
{
	switch (c) {
	case OPT_ENDPOINT:
		add_endpoint(o, optarg);
		break;
	case OPT_MODE:
		o->mode = mode(optarg);
		break;
	case OPT_SIZE:
		o->size = (uint32_t)arg_size("--size", optarg, 1, UINT32_MAX);
		break;
	case OPT_SHM:
		o->shm = optarg;
		break;
	case OPT_MEMORY_FD:
		o->memory_fd = descriptor("--memory-fd", optarg);
		break;
	case OPT_RX_FD:
		o->bell_rx = descriptor("--db-rx-fd", optarg);
		break;
	case OPT_TX_FD:
		o->bell_tx = descriptor("--db-tx-fd", optarg);
		break;
	case OPT_POLL:
		o->poll = optarg;
		break;
	case OPT_INSTANCE:
		o->instance = optarg;
		break;
	case OPT_PRINT_CONFIG:
		o->print_config = optarg;
		break;
	case OPT_BANNER:
		o->banner = true;
		break;
	default: /* getopt has said what is wrong */
		sim_usage_said();
	}
}

/* Memory and doorbells that the other side can get at. */
static void check_transport(struct echo_options *o)
{
	if (o->shm && o->memory_fd >= 0)
		sim_usage("echo: --shm and --memory-fd exclude each other");
	if (!o->shm && o->memory_fd < 0 && !o->command)
		sim_usage("echo: nobody could get at its memory; say --shm NAME, --memory-fd N or "
			  "-- COMMAND");
	if ((o->bell_rx >= 0) != (o->bell_tx >= 0))
		sim_usage("echo: --db-rx-fd and --db-tx-fd belong together");
	if (o->poll && o->bell_rx >= 0)
		sim_usage("echo: --poll and --db-rx-fd exclude each other");
	if (!o->poll && o->bell_rx < 0 && !o->command)
		o->poll = "1ms";
	if (o->poll)
		o->poll_ns = arg_duration("--poll", o->poll);
}

static void check_options(struct echo_options *o)
{
	char error[LAYOUT_ERROR_SIZE];
	struct layout_region tx, rx;

	if (o->endpoints == 0)
		add_endpoint(o, "ep0");
	check_transport(o);
	if (geometry_layout(&o->geometry, SIDE_B, &tx, &rx, error) < 0)
		sim_usage("echo: %s", error);
	if (o->mode == ECHO_SOURCE && o->size > tx.max_payload)
		sim_usage("--size: the largest message is %u bytes", tx.max_payload);
	if (o->geometry.b_initiates && o->endpoints > tx.block_count)
		sim_usage("echo: announcing %u endpoints takes at least as many --rx-blocks",
			  o->endpoints);
}

static void parse(struct echo_options *o, int argc, char **argv)
{
	int c;

	/* +: what follows the first operand is the command's. */
	while ((c = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
		if (c == 'h')
			sim_help(help);
		if (!geometry_option(&o->geometry, c, optarg))
			take_option(o, c);
	}
	if (optind < argc)
		o->command = argv + optind;
	check_options(o);
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
	sim_say("--print-config %s: %s", path, strerror(errno));
	return SIM_ERROR;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(const struct echo_link *l)
{
	_cleanup_(close_fd) int signal_fd = open_signals();
	int status = print_config(l);

	if (status != SIM_OK)
		return status;
	if (signal_fd < 0) {
		sim_say("signals: %s", strerror(errno));
		return SIM_ERROR;
	}
	return echo_core_run(l, signal_fd);
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
	int status;

	parse(&options, argc, argv);
	status = echo_link_open(&link, &options);
	if (status == SIM_OK)
		status = run(&link);
	echo_link_close(&link);
	if (status > SIM_SIGNAL && !options.command)
		sim_die_of(status - SIM_SIGNAL);
	return status;
}
