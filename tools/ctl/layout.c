// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgctl layout: where everything lies in the two regions of a link. Nothing in a link
 * negotiates geometry, so this is what both sides are compared by before they meet.
 */
#include "ctl/ctl.h"
#include "ctl/json_add.h"

#include <getopt.h>
#include <icbmsg.h>
#include <inttypes.h>
#include <json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/direct.h"
#include "common/parse.h"
#include "common/tool.h"

static const char help_text[] =
	"Usage: icbmsgctl layout --tx BASE:SIZE --rx BASE:SIZE --tx-blocks N --rx-blocks N\n"
	"                        [--dcache-alignment A] [--word-size 4|8] [--json]\n"
	"       icbmsgctl layout --direct FILE[:INSTANCE] [--json]\n"
	"Print where everything lies in the regions of a link.\n"
	"\n"
	"      --tx BASE:SIZE          region this side writes: address as the firmware sees it, bytes\n"
	"      --rx BASE:SIZE          region the other side writes\n"
	"      --tx-blocks N           blocks in the tx region, 1 to 256\n"
	"      --rx-blocks N           blocks in the rx region\n"
	"      --dcache-alignment A    the devicetree's property; absent by default\n"
	"      --word-size 4|8         bytes of a word of the firmware's CPU; 4 by default\n"
	"  -d, --direct FILE[:INSTANCE]  take all that from a configuration file instead\n"
	"      --json                  one object, as in the project's recorded layouts\n"
	"  -h, --help\n";

/* What was configured, in numbers: the layout itself starts where alignment has already changed them. */
struct configured {
	uint64_t tx_base, tx_size;
	uint64_t rx_base, rx_size;
	int64_t alignment; /* -1: absent */
};

struct arguments {
	const char *tx, *rx;
	const char *direct;
	struct icbmsg_config *cfg;
	bool json;
};

enum {
	OPT_TX = 256,
	OPT_RX,
	OPT_KEY, /* an option that is a configuration key of the same name */
	OPT_JSON,
};

/* ------------------------------------------------------------------------------------------------
 * Configuration
 */

static void set(struct icbmsg_config *cfg, const char *key, const char *value)
{
	if (icbmsg_config_set(cfg, key, value) < 0)
		tool_usage("--%s", icbmsg_config_error(cfg));
}

/*
 * BASE:SIZE becomes an address and a region of a mapping that nobody makes: @offset keeps the
 * regions apart there.
 */
static void set_region(struct icbmsg_config *cfg, const char *direction, const char *text,
		       uint64_t offset)
{
	const char *colon = strchr(text, ':');
	char option[8], key[16], value[64], base_text[32];
	uint64_t base, size;

	snprintf(option, sizeof(option), "--%s", direction);
	if (!colon || colon - text >= (ptrdiff_t)sizeof(base_text))
		tool_usage("%s: '%s' is not of the form BASE:SIZE, for example 0x20070000:2k",
			   option, text);
	snprintf(base_text, sizeof(base_text), "%.*s", (int)(colon - text), text);
	base = arg_size(option, base_text, 0, UINT64_MAX);
	size = arg_size(option, colon + 1, 1, UINT32_MAX);
	snprintf(key, sizeof(key), "%s-address", direction);
	snprintf(value, sizeof(value), "0x%" PRIx64, base);
	set(cfg, key, value);
	snprintf(key, sizeof(key), "%s-region", direction);
	snprintf(value, sizeof(value), "%" PRIu64 " %" PRIu64, offset + base % 4, size);
	set(cfg, key, value);
}

static struct icbmsg_config *load_direct(const char *text)
{
	struct icbmsg_config *cfg;
	struct direct d;

	direct_init(&d, text);
	cfg = direct_load(&d);
	direct_deinit(&d);
	return cfg;
}

/* The number of @key, or @fallback where it is not set. Its form was checked by the library. */
static uint64_t get_number(const struct icbmsg_config *cfg, const char *key, uint64_t fallback)
{
	const char *text = icbmsg_config_get(cfg, key);
	uint64_t value;

	return text && parse_size(text, &value) == 0 ? value : fallback;
}

/* OFFSET SIZE */
static void get_region(const struct icbmsg_config *cfg, const char *key, uint64_t *offset,
		       uint64_t *size)
{
	char text[64];
	char *gap;

	snprintf(text, sizeof(text), "%s", icbmsg_config_get(cfg, key));
	gap = strpbrk(text, " \t");
	*gap++ = '\0';
	gap += strspn(gap, " \t");
	parse_size(text, offset);
	parse_size(gap, size);
}

/* After icbmsg_config_layout() has found everything in order. */
static struct configured get_configured(const struct icbmsg_config *cfg)
{
	struct configured c = { 0 };

	get_region(cfg, "tx-region", &c.tx_base, &c.tx_size);
	get_region(cfg, "rx-region", &c.rx_base, &c.rx_size);
	c.tx_base = get_number(cfg, "tx-address", c.tx_base);
	c.rx_base = get_number(cfg, "rx-address", c.rx_base);
	c.alignment = (int64_t)get_number(cfg, "dcache-alignment", UINT64_MAX);
	return c;
}

/* ------------------------------------------------------------------------------------------------
 * JSON
 */

static void add_region(struct json_object *o, const char *key, const struct icbmsg_region_layout *r)
{
	struct json_object *out = json_object_new_object();

	json_add_number(out, "region_off", r->begin);
	json_add_number(out, "region_size", r->total);
	json_add_number(out, "ctl_size", r->blocks_off);
	json_add_number(out, "blocks_off", r->blocks_off);
	json_add_number(out, "block_size", r->block_size);
	json_add_number(out, "block_count", r->block_count);
	json_add_number(out, "pbuf_data_len", r->ring_len);
	json_add_number(out, "queue_size", 0);
	json_add_number(out, "slots", 0);
	json_add_number(out, "max_buffer", r->max_payload);
	json_add(o, key, out);
}

static void add_configured(struct json_object *o, const struct configured *c,
			   const struct icbmsg_layout *l)
{
	struct json_object *in = json_object_new_object();

	json_add_number(in, "tx_off", c->tx_base);
	json_add_number(in, "tx_size", c->tx_size);
	json_add_number(in, "rx_off", c->rx_base);
	json_add_number(in, "rx_size", c->rx_size);
	json_add_number(in, "tx_blocks", l->tx.block_count);
	json_add_number(in, "rx_blocks", l->rx.block_count);
	json_add(o, "in", in);
}

/* The shape and the names of tests/conformance/layouts. */
static void print_json(const struct configured *c, const struct icbmsg_layout *l)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "gen", "classic");
	json_add_number(o, "word_bits", 8 * (uint64_t)l->word_size);
	json_add(o, "dcache_alignment", json_object_new_int64(c->alignment));
	json_add_number(o, "effective_alignment", l->alignment);
	json_add_text(o, "unbound", "disable");
	add_configured(o, c, l);
	add_region(o, "tx", &l->tx);
	add_region(o, "rx", &l->rx);
	json_add_number(o, "rd_idx_off", l->tx.rd_idx);
	json_add_number(o, "handshake_off", 0); /* no sessions in this generation */
	json_add_number(o, "wr_idx_off", l->tx.wr_idx);
	json_add_number(o, "pbuf_data_off", l->tx.ring_data);
	json_add_number(o, "block_header_size", l->word_size);
	json_add_number(o, "bytes_per_icmsg_message", l->packet_size);
	json_add_number(o, "is_initiator", l->initiator);
	ctl_print_json(o);
}

/* ------------------------------------------------------------------------------------------------
 * Table
 */

static void print_place(const struct icbmsg_layout *l, const char *name, uint32_t tx, uint32_t rx)
{
	printf("%-16s %#10" PRIx32 "  %#18" PRIx64 "  %#10" PRIx32 "  %#18" PRIx64 "\n", name, tx,
	       l->tx.begin + tx, rx, l->rx.begin + rx);
}

static void print_size(const char *name, uint32_t tx, uint32_t rx)
{
	printf("%-16s %30" PRIu32 "  %30" PRIu32 "\n", name, tx, rx);
}

static void print_note(const char *name, const struct icbmsg_region_layout *r, uint32_t header)
{
	if (r->block_size <= header)
		printf("\nNote: a %s block of %" PRIu32
		       " bytes holds no more than its header of %" PRIu32
		       " bytes. Firmware builds with\n"
		       "that, but icbmsg_open() refuses it: use fewer blocks or a larger region.\n",
		       name, r->block_size, header);
}

static void print_table(const struct configured *c, const struct icbmsg_layout *l)
{
	printf("Role: %s. Alignment: %" PRIu32 " bytes (dcache-alignment ",
	       l->initiator ? "initiator" : "follower", l->alignment);
	if (c->alignment < 0)
		printf("absent");
	else
		printf("%" PRId64, c->alignment);
	printf("). Word size: %" PRIu32 " bytes.\n\n", l->word_size);
	printf("%-16s %30s  %30s\n", "", "tx (this side writes)", "rx (the other side writes)");
	printf("%-16s %10s  %18s  %10s  %18s\n", "", "offset", "address", "offset", "address");
	print_place(l, "read index", l->tx.rd_idx, l->rx.rd_idx);
	print_place(l, "write index", l->tx.wr_idx, l->rx.wr_idx);
	print_place(l, "packet ring", l->tx.ring_data, l->rx.ring_data);
	print_place(l, "blocks", l->tx.blocks_off, l->rx.blocks_off);
	print_place(l, "end", l->tx.total, l->rx.total);
	printf("\n%-16s %30s  %30s\n", "bytes", "tx", "rx");
	print_size("usable", l->tx.total, l->rx.total);
	print_size("packet ring", l->tx.ring_len, l->rx.ring_len);
	print_size("block", l->tx.block_size, l->rx.block_size);
	print_size("number of blocks", l->tx.block_count, l->rx.block_count);
	print_size("largest message", l->tx.max_payload, l->rx.max_payload);
	print_note("tx", &l->tx, l->word_size);
	print_note("rx", &l->rx, l->word_size);
}

/* ------------------------------------------------------------------------------------------------
 * The command
 */

static const struct option options[] = {
	{ "tx", required_argument, NULL, OPT_TX },
	{ "rx", required_argument, NULL, OPT_RX },
	{ "tx-blocks", required_argument, NULL, OPT_KEY },
	{ "rx-blocks", required_argument, NULL, OPT_KEY },
	{ "dcache-alignment", required_argument, NULL, OPT_KEY },
	{ "word-size", required_argument, NULL, OPT_KEY },
	{ "direct", required_argument, NULL, 'd' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Returns false if help was asked for. */
static bool parse(const struct ctl_command *command, struct arguments *a, int argc, char **argv)
{
	bool keys = false;
	int c, i;

	while ((c = getopt_long(argc, argv, "d:h", options, &i)) != -1) {
		if (c == OPT_TX)
			a->tx = optarg;
		else if (c == OPT_RX)
			a->rx = optarg;
		else if (c == 'd')
			a->direct = optarg;
		else if (c == OPT_JSON)
			a->json = true;
		else if (c == 'h')
			return false;
		else if (c != OPT_KEY)
			tool_usage_said();
		else
			set(a->cfg, options[i].name, optarg);
		keys |= c == OPT_KEY || c == OPT_TX || c == OPT_RX;
	}
	ctl_no_arguments(command, argc, argv);
	if (a->direct && keys)
		tool_usage("layout: give either --direct or the numbers");
	return true;
}

static void require(const struct arguments *a)
{
	if (!a->tx || !a->rx)
		tool_usage("layout: --%s BASE:SIZE is missing", a->tx ? "rx" : "tx");
	if (!icbmsg_config_get(a->cfg, "tx-blocks"))
		tool_usage("layout: --tx-blocks N is missing");
	if (!icbmsg_config_get(a->cfg, "rx-blocks"))
		tool_usage("layout: --rx-blocks N is missing");
}

static void configure(struct arguments *a)
{
	if (a->direct) {
		icbmsg_config_free(a->cfg);
		a->cfg = load_direct(a->direct);
		return;
	}
	require(a);
	set_region(a->cfg, "tx", a->tx, 0);
	set_region(a->cfg, "rx", a->rx, UINT64_C(1) << 33);
}

static int run(const struct ctl_command *command, int argc, char **argv)
{
	struct arguments a = { 0 };
	struct icbmsg_layout layout;
	struct configured c;

	if (icbmsg_config_new(&a.cfg) < 0)
		tool_fail(TOOL_ERROR, "out of memory");
	if (!parse(command, &a, argc, argv)) {
		icbmsg_config_free(a.cfg);
		return ctl_help(command);
	}
	configure(&a);
	if (icbmsg_config_layout(a.cfg, &layout, sizeof(layout)) < 0)
		tool_fail(TOOL_ERROR, "%s", icbmsg_config_error(a.cfg));
	c = get_configured(a.cfg);
	icbmsg_config_free(a.cfg);
	if (a.json)
		print_json(&c, &layout);
	else
		print_table(&c, &layout);
	return tool_finish_stdout(TOOL_OK);
}

const struct ctl_command ctl_layout = {
	.name = "layout",
	.summary = "where everything lies in the regions of a link",
	.help = help_text,
	.run = run,
};
