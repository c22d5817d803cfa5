// SPDX-License-Identifier: Apache-2.0
/*
 * A devicetree's words turned into ours. Where the tree is the other side's, which is usual, its tx
 * is our rx. Each value remembers the property it comes from.
 */
#include "core/config_dt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>

#include "core/config_file.h"
#include "core/config_text.h"
#include "core/dt.h"
#include "core/dt_file.h"
#include "util/cleanup.h"

#define VALUE_SIZE 64u

/* What is needed while filling in only. */
struct filler {
	struct config_dt *dt;
	const struct dt_link *link;
	const char *file;
	bool peer;
	bool no_memory;
};

/* The last colon is in front of NODE, as a node has none in its name and a path may have. */
bool config_parse_geometry(void *out, const char *text)
{
	struct config_dt_source *source = out;
	const char *colon, *node;
	size_t length;

	if (!text_take_prefix(&text, "dt:"))
		return false;
	colon = strrchr(text, ':');
	length = colon ? (size_t)(colon - text) : strlen(text);
	node = colon ? colon + 1 : "";
	if (length == 0 || length >= sizeof(source->file) || strlen(node) >= sizeof(source->node))
		return false;
	memcpy(source->file, text, length);
	source->file[length] = '\0';
	strcpy(source->node, node);
	return true;
}

static void fill(struct filler *f, enum config_key_id id, const char *property, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

static void fill(struct filler *f, enum config_key_id id, const char *property, const char *format,
		 ...)
{
	struct config_entry *entry = &f->dt->entries[id];
	char value[VALUE_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	entry->text = strdup(value);
	if (asprintf(&entry->origin, "%s:%s%s%s", config_short_path(f->file), f->link->path,
		     *property ? ":" : "", property) < 0)
		entry->origin = NULL;
	f->no_memory |= !entry->text || !entry->origin;
}

/* The memory starts at the lower region and ends with the higher, so that one mapping has both. */
static void fill_regions(struct filler *f)
{
	const struct dt_region *tx = f->peer ? &f->link->rx : &f->link->tx;
	const struct dt_region *rx = f->peer ? &f->link->tx : &f->link->rx;
	/* An address and its offset have to be equal modulo 4. */
	uint64_t base = (tx->address < rx->address ? tx->address : rx->address) & ~UINT64_C(3);
	uint64_t end = tx->address > rx->address ? tx->address + tx->size : rx->address + rx->size;
	const char *tx_name = f->peer ? "rx-region" : "tx-region";
	const char *rx_name = f->peer ? "tx-region" : "rx-region";

	fill(f, KEY_MEMORY, "", "mem:0x%" PRIx64 "+0x%" PRIx64, base, end - base);
	fill(f, KEY_TX_REGION, tx_name, "0x%" PRIx64 " 0x%" PRIx64, tx->address - base, tx->size);
	fill(f, KEY_RX_REGION, rx_name, "0x%" PRIx64 " 0x%" PRIx64, rx->address - base, rx->size);
	fill(f, KEY_TX_ADDRESS, tx_name, "0x%" PRIx64, tx->address);
	fill(f, KEY_RX_ADDRESS, rx_name, "0x%" PRIx64, rx->address);
}

static void fill_all(struct filler *f)
{
	const struct dt_link *link = f->link;

	fill_regions(f);
	fill(f, KEY_TX_BLOCKS, f->peer ? "rx-blocks" : "tx-blocks", "%" PRIu32,
	     f->peer ? link->rx_blocks : link->tx_blocks);
	fill(f, KEY_RX_BLOCKS, f->peer ? "tx-blocks" : "rx-blocks", "%" PRIu32,
	     f->peer ? link->tx_blocks : link->rx_blocks);
	if (link->alignment)
		fill(f, KEY_DCACHE_ALIGNMENT, "dcache-alignment", "%" PRIu32, link->alignment);
	/* In a tree of this side /cpus is not about the firmware's CPU. */
	if (f->peer && link->word_size)
		fill(f, KEY_WORD_SIZE, "", "%" PRIu32, link->word_size);
}

static char *make_remarks(const struct filler *f)
{
	const struct dt_link *link = f->link;
	char *out;
	int n;

	n = asprintf(&out, "%s%s%s%s%s%s", *link->cpu ? "CPU of the tree: " : "", link->cpu,
		     *link->cpu ? "\n" : "", *link->mailboxes ? "Mailboxes of the node: " : "",
		     link->mailboxes, *link->mailboxes ? "\n" : "");
	return n < 0 ? NULL : out;
}

static int read_link(struct dt_link *out, const struct config_dt_source *source,
		     char error[CONFIG_ERROR_SIZE])
{
	_cleanup_(free_ptr) void *blob = NULL;
	size_t size = 0;
	int ret = dt_file_read(&blob, &size, source->file, error);

	if (ret < 0)
		return ret;
	return dt_parse(out, blob, size, *source->node ? source->node : NULL, source->file, error);
}

static int refuse(const struct config_entry *geometry, int ret, const char *why, char *error)
{
	const char *origin = geometry->origin;

	snprintf(error, CONFIG_ERROR_SIZE, "%.160s%sgeometry: %.340s", origin ? origin : "",
		 origin ? ": " : "", why);
	return ret;
}

/* @peer: the value of geometry-peer, or NULL. */
static int read_dt(struct config_dt *out, const struct config_entry *geometry, const char *peer,
		   char error[CONFIG_ERROR_SIZE])
{
	struct config_values values = { 0 }; /* of which one is parsed */
	char why[CONFIG_ERROR_SIZE];
	struct config_dt dt = { 0 };
	struct dt_link link = { 0 };
	struct filler f = { .dt = &dt, .link = &link, .file = values.geometry.file };
	int ret;

	ret = config_key_parse(&values, KEY_GEOMETRY, geometry->text, why);
	if (ret == 0)
		ret = read_link(&link, &values.geometry, why);
	if (ret < 0)
		return refuse(geometry, ret, why, error);
	f.peer = peer && strcmp(peer, "yes") == 0;
	fill_all(&f);
	dt.remarks = make_remarks(&f);
	if (f.no_memory || !dt.remarks) {
		config_dt_clear(&dt);
		return refuse(geometry, -ENOMEM, "out of memory", error);
	}
	*out = dt;
	return 0;
}

static const struct config_entry *choose(const struct config_entry *added,
					 const struct config_entry *entry)
{
	return added->text ? added : entry;
}

int config_dt_adopt(struct config_dt *dt, const struct config_entry entries[KEY_COUNT],
		    const struct config_entry added[KEY_COUNT], char error[CONFIG_ERROR_SIZE])
{
	const struct config_entry *geometry = choose(&added[KEY_GEOMETRY], &entries[KEY_GEOMETRY]);
	const struct config_entry *peer =
		choose(&added[KEY_GEOMETRY_PEER], &entries[KEY_GEOMETRY_PEER]);
	struct config_dt fresh = { 0 };
	int ret;

	if (!geometry->text || (!added[KEY_GEOMETRY].text && !added[KEY_GEOMETRY_PEER].text))
		return 0;
	ret = read_dt(&fresh, geometry, peer->text, error);
	if (ret < 0)
		return ret;
	config_dt_clear(dt);
	*dt = fresh;
	return 0;
}

void config_dt_clear(struct config_dt *dt)
{
	int i;

	for (i = 0; i < KEY_COUNT; i++)
		config_entry_clear(&dt->entries[i]);
	free(dt->remarks);
	dt->remarks = NULL;
}
