// SPDX-License-Identifier: Apache-2.0
/*
 * Reading the command line.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tool.h"

static const char help[] =
	"Usage: icbmsgd [OPTION]...\n"
	"Own ICBMSG links and share their endpoints: each exported endpoint is a SEQPACKET socket\n"
	"RUNDIR/INSTANCE/ENDPOINT, one packet one message. Runs in the foreground.\n"
	"\n"
	"  -c, --config FILE        instead of " OPTIONS_CONFIG "; conf.d/*.conf\n"
	"                           beside it are read after it\n"
	"  -o, --option KEY=VALUE   set a key of [daemon]; may be given several times\n"
	"      --check-config       say whether the configuration is right, and exit\n"
	"      --print-config       print the configuration, each value with its origin, and exit\n"
	"      --banner             print one line on standard output when ready\n"
	"  -v, --verbose            log clients that come and go\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n"
	"\n"
	"SIGHUP reads the configuration again, SIGTERM stops after delivering what is on its way.\n"
	"Exit status: 0 stopped or checked, 1 error, 2 wrong usage or configuration.\n"
	"See icbmsgd(8), icbmsgd.conf(5).\n";

enum {
	OPT_CHECK = 256,
	OPT_PRINT,
	OPT_BANNER,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "option", required_argument, NULL, 'o' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "banner", no_argument, NULL, OPT_BANNER },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

static void add_option(struct options *o, char *text)
{
	size_t n = 0;

	while (o->set[n])
		n++;
	if (n == OPTIONS_MAX)
		tool_usage("--option: more than %u", OPTIONS_MAX);
	o->set[n] = text;
}

static void take(struct options *o, int c)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		break;
	case 'o':
		add_option(o, optarg);
		break;
	case OPT_CHECK:
		o->check = true;
		break;
	case OPT_PRINT:
		o->print = true;
		break;
	case OPT_BANNER:
		o->banner = true;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'h':
		fputs(help, stdout);
		exit(tool_finish_stdout(TOOL_OK));
	case 'V':
		tool_print_version();
		exit(tool_finish_stdout(TOOL_OK));
	default:
		tool_usage_said();
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	const char *slash;
	int c;

	*o = (struct options){ .config = OPTIONS_CONFIG };
	while ((c = getopt_long(argc, argv, "c:o:vhV", long_options, NULL)) != -1)
		take(o, c);
	if (optind < argc)
		tool_usage("'%s' is one argument too many", argv[optind]);
	slash = strrchr(o->config, '/');
	snprintf(o->directory, sizeof(o->directory), "%.*sconf.d",
		 slash ? (int)(slash + 1 - o->config) : 0, o->config);
}
