// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsg-sim: simulated cores, to try libicbmsg and everything above it without a board.
 */
#include <string.h>

#include "args.h"
#include "echo.h"
#include "restart.h"
#include "serve.h"
#include "transfer.h"

static const char help[] =
	"Usage: " SIM_NAME " COMMAND [OPTION]...\n"
	"Simulated cores that talk ICBMSG over shared memory.\n"
	"\n"
	"  transfer   two cores send each other files, which are verified\n"
	"  restart-loop\n"
	"             one of two cores is killed and started again, over and over\n"
	"  echo       a core for other tools to talk to; it sends back what it gets\n"
	"  serve      an ivshmem server: memory and doorbells for programs and QEMU's guests\n"
	"\n"
	"  -h, --help     this text; '" SIM_NAME " COMMAND --help' tells about a command\n"
	"  -V, --version  the version\n";

/* getopt_long(3) names argv[0] in what it says. */
static int run(int (*command)(int argc, char **argv), int argc, char **argv)
{
	static char name[] = SIM_NAME;

	tool_set_command(argv[1]);
	argv[1] = name;
	return tool_finish_stdout(command(argc - 1, argv + 1));
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	tool_init(SIM_NAME);
	if (strcmp(command, "transfer") == 0)
		return run(transfer_main, argc, argv);
	if (strcmp(command, "echo") == 0)
		return run(echo_main, argc, argv);
	if (strcmp(command, "restart-loop") == 0)
		return run(restart_main, argc, argv);
	if (strcmp(command, "serve") == 0)
		return run(serve_main, argc, argv);
	if (strcmp(command, "-h") == 0 || strcmp(command, "--help") == 0) {
		sim_help(help);
	}
	if (strcmp(command, "-V") == 0 || strcmp(command, "--version") == 0) {
		tool_print_version();
		return tool_finish_stdout(SIM_OK);
	}
	if (command[0])
		tool_usage("there is no command \"%s\"", command);
	tool_usage("a command is missing");
}
