// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl config: from a devicetree to a configuration file that can be used as it is, or be
 * edited: every value says which property it comes from.
 */
#include "ctl/ctl.h"

#include <ctype.h>
#include <getopt.h>
#include <icbmsg.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/tool.h"

#define PLACE 40                 /* column of the comments */
#define NAME_MAX_LENGTH 63       /* of an instance, icbmsg.conf(5) */
#define WIDE UINT64_C(0x1000000) /* a mapping that most likely has others' memory in it */

static const char help_text[] =
	"Usage: icbmsgctl config --from-dt FILE [OPTIONS] [NODE]\n"
	"Print a configuration file for the link that a devicetree describes.\n"
	"\n"
	"  NODE: label, alias, path or name of a node compatible with \"zephyr,ipc-icbmsg\";\n"
	"  not needed where FILE has only one.\n"
	"\n"
	"      --from-dt FILE       zephyr.dts from the build of the firmware, a .dtb, or a folder\n"
	"                           such as /proc/device-tree\n"
	"      --peer               FILE describes the other side: swap the directions\n"
	"      --word-size 4|8      bytes of a word of the firmware's CPU, where FILE does not tell\n"
	"      --name NAME          of the instance; the node's name by default\n"
	"      --memory MEMORY      instead of physical memory at the addresses in FILE\n"
	"      --doorbell DOORBELL  instead of poll\n"
	"  -h, --help\n";

enum {
	OPT_FROM_DT = 256,
	OPT_PEER,
	OPT_NAME,
	OPT_KEY, /* an option that is a configuration key of the same name */
};

struct arguments {
	const char *file, *node, *name;
	bool peer;
	struct icbmsg_config *cfg;
};

static const struct option options[] = {
	{ "from-dt", required_argument, NULL, OPT_FROM_DT },
	{ "peer", no_argument, NULL, OPT_PEER },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "word-size", required_argument, NULL, OPT_KEY },
	{ "memory", required_argument, NULL, OPT_KEY },
	{ "doorbell", required_argument, NULL, OPT_KEY },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void set(const struct arguments *a, const char *key, const char *value)
{
	if (icbmsg_config_set(a->cfg, key, value) < 0)
		tool_usage("--%s", icbmsg_config_error(a->cfg));
}

/* Returns false if help was asked for. */
static bool parse(struct arguments *a, int argc, char **argv)
{
	int c, i;

	while ((c = getopt_long(argc, argv, "h", options, &i)) != -1) {
		if (c == OPT_FROM_DT)
			a->file = optarg;
		else if (c == OPT_PEER)
			a->peer = true;
		else if (c == OPT_NAME)
			a->name = optarg;
		else if (c == 'h')
			return false;
		else if (c != OPT_KEY)
			tool_usage_said();
		else
			set(a, options[i].name, optarg);
	}
	if (optind < argc)
		a->node = argv[optind++];
	if (optind < argc)
		tool_usage("config: '%s' is one argument too many", argv[optind]);
	if (!a->file)
		tool_usage("config: --from-dt FILE is missing");
	return true;
}

/* An error of the key that the user does not know of. */
static const char *without_key(const char *error)
{
	static const char key[] = "geometry: ";

	return strncmp(error, key, sizeof(key) - 1) == 0 ? error + sizeof(key) - 1 : error;
}

static void read_tree(const struct arguments *a)
{
	char source[600];
	int n;

	/* A colon at the end keeps one in FILE from being taken for the one in front of NODE. */
	n = snprintf(source, sizeof(source), "dt:%s:%s", a->file, a->node ? a->node : "");
	if (n >= (int)sizeof(source))
		tool_usage("config: the name of the file or the node is too long");
	if (icbmsg_config_set(a->cfg, "geometry-peer", a->peer ? "yes" : "no") < 0 ||
	    icbmsg_config_set(a->cfg, "geometry", source) < 0)
		tool_fail(TOOL_ERROR, "%s", without_key(icbmsg_config_error(a->cfg)));
	if (!icbmsg_config_get(a->cfg, "word-size"))
		tool_fail(
			TOOL_ERROR,
			"%s does not tell the word size of the firmware's CPU; give --word-size 4, or "
			"8 for firmware of 64 bits",
			a->file);
	if (!icbmsg_config_get(a->cfg, "doorbell"))
		set(a, "doorbell", "poll");
}

/* ------------------------------------------------------------------------------------------------
 * Output
 */

/* Text from a file in a comment: one line. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar(isprint((unsigned char)*text) ? *text : '?');
}

static void print_key(const struct arguments *a, const char *key)
{
	const char *value = icbmsg_config_get(a->cfg, key);
	const char *origin = icbmsg_config_origin(a->cfg, key);
	const char *property = origin ? strrchr(origin, ':') + 1 : "";
	int n;

	if (!value)
		return;
	n = printf("%s = %s", key, value);
	if (*property && *property != '/' && strcmp(property, key) != 0)
		printf("%*s ; %s there", n < PLACE ? PLACE - n : 0, "", property);
	putchar('\n');
}

/* "# REMARK" for each line of @remarks. */
static void print_remarks(const char *remarks)
{
	while (*remarks) {
		int length = (int)strcspn(remarks, "\n");

		printf("# %.*s.\n", length, remarks);
		remarks += length + 1;
	}
}

/* The path out of a value's origin, FILE:PATH:PROPERTY; the blocks always come from the node. */
static void get_path(const struct arguments *a, char *out, size_t size)
{
	const char *origin = icbmsg_config_origin(a->cfg, "tx-blocks");
	const char *end = strrchr(origin, ':'), *start = end;

	while (start > origin && start[-1] != ':')
		start--;
	snprintf(out, size, "%.*s", (int)(end - start), start);
}

static bool fits_name(char c, bool first)
{
	return isalnum((unsigned char)c) || c == '_' || (!first && (c == '-' || c == '.'));
}

static const char *given_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!fits_name(name[i], i == 0))
			n = 0;
	if (n == 0 || n > NAME_MAX_LENGTH)
		tool_usage("--name: '%s' is not a name: at most %d letters, digits and _ - .", name,
			   NAME_MAX_LENGTH);
	return name;
}

/* The node's name without its unit address, with _ for what an instance's name cannot have. */
static const char *instance_name(const struct arguments *a, const char *path,
				 char out[NAME_MAX_LENGTH + 1])
{
	const char *name = strrchr(path, '/') + 1;
	size_t i;

	if (a->name)
		return given_name(a->name);
	for (i = 0; name[i] && name[i] != '@' && i < NAME_MAX_LENGTH; i++)
		out[i] = fits_name(name[i], i == 0) ? name[i] : '_';
	out[i] = '\0';
	return out;
}

static void print_head(const struct arguments *a, const char *path)
{
	printf("# Node ");
	print_text(path);
	printf(" of ");
	print_text(a->file);
	printf(", by icbmsgctl config%s.\n# All keys are explained in icbmsg.conf(5).\n",
	       a->peer ? " --peer" : "");
	if (a->peer)
		printf("# That file is the other side's: what is tx there is rx here.\n");
	print_remarks(icbmsg_config_remarks(a->cfg));
}

static void print_memory(const struct arguments *a, const struct icbmsg_layout *l)
{
	uint64_t low = l->tx.begin < l->rx.begin ? l->tx.begin : l->rx.begin;
	uint64_t high = l->tx.begin > l->rx.begin ? l->tx.begin : l->rx.begin;
	bool physical = strncmp(icbmsg_config_get(a->cfg, "memory"), "mem:", 4) == 0;

	if (physical)
		printf("# Physical memory, through /dev/mem, with both regions, if Linux sees it where the\n"
		       "# firmware does; else correct the address here and leave those below. Linux must not\n"
		       "# use it otherwise: reserve it in its devicetree (reserved-memory, no-map).\n");
	if (physical && high - low > WIDE)
		printf("# NOTE: the regions are 0x%" PRIx64
		       " apart. Does nothing else lie between them?\n",
		       high - low);
	print_key(a, "memory");
}

static void print_doorbell(const struct arguments *a)
{
	if (strcmp(icbmsg_config_get(a->cfg, "doorbell"), "poll") == 0)
		printf("# No interrupts. A UIO device for the mailbox: doorbell-in, doorbell-out.\n");
	print_key(a, "doorbell");
}

static void print_rest(const struct arguments *a, const struct icbmsg_layout *l)
{
	static const char *const keys[] = { "tx-region",        "rx-region", "tx-address",
					    "rx-address",       "tx-blocks", "rx-blocks",
					    "dcache-alignment", "word-size" };

	printf("# Offsets in the memory, and addresses as the firmware has them: this side is the\n"
	       "# %s.\n",
	       l->initiator ? "initiator" : "follower");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		print_key(a, keys[i]);
	printf("# Longest message: %" PRIu32 " bytes to the other side, %" PRIu32 " from there.\n",
	       l->tx.max_payload, l->rx.max_payload);
}

static int print_config(const struct arguments *a)
{
	char path[300], buffer[NAME_MAX_LENGTH + 1];
	struct icbmsg_layout layout;
	const char *name;

	if (icbmsg_config_layout(a->cfg, &layout, sizeof(layout)) < 0)
		tool_fail(TOOL_ERROR, "%s", icbmsg_config_error(a->cfg));
	get_path(a, path, sizeof(path));
	name = instance_name(a, path, buffer);
	print_head(a, path);
	printf("\n[instance %s]\n", name);
	print_memory(a, &layout);
	print_doorbell(a);
	print_rest(a, &layout);
	return tool_finish_stdout(TOOL_OK);
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct arguments a = { 0 };
	int status;

	if (icbmsg_config_new(&a.cfg) < 0)
		tool_fail(TOOL_ERROR, "out of memory");
	if (parse(&a, argc, argv)) {
		read_tree(&a);
		status = print_config(&a);
	} else {
		status = ctl_help(command);
	}
	icbmsg_config_free(a.cfg);
	return status;
}

const struct ctl_command ctl_config = {
	.name = "config",
	.summary = "make a configuration file from a devicetree",
	.help = help_text,
	.run = run,
};
