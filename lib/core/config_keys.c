// SPDX-License-Identifier: Apache-2.0
/*
 * One table says everything about each key: name, form, example, default and parser, so that the
 * messages about wrong values cannot drift away from what the parsers take.
 */
#include "core/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_doorbell.h"
#include "core/config_dt.h"
#include "core/config_text.h"
#include "proto/proto.h"
#include "util/cleanup.h"

#define ALIGNMENT_MAX (UINT64_C(1) << 20)
#define RESCUE_MIN (100 * NS_PER_US)
#define SPIN_MAX (10 * NS_PER_MS)
#define WORD_MAX 31u /* letters of a name that can be a misspelt one */

static bool parse_shm_name(struct memory_spec *out, const char *name)
{
	if (*name == '/')
		name++;
	if (*name == '\0' || strlen(name) > MEMORY_NAME_MAX - 1 || strchr(name, '/') ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	out->kind = MEMORY_SHM;
	out->name[0] = '/';
	strcpy(out->name + 1, name);
	return true;
}

/* ADDR[+SIZE] */
static bool parse_physical(struct memory_spec *out, const char *text)
{
	uint64_t address, limit = 0;

	if (!text_take_number(&address, &text) || address % 4)
		return false;
	if (text_take_prefix(&text, "+") && (!text_take_number(&limit, &text) || limit == 0))
		return false;
	if (*text != '\0' || address > INT64_MAX - limit)
		return false;
	out->kind = MEMORY_DEVMEM;
	out->address = address;
	out->limit = limit;
	return true;
}

/* DEVICE[/MAP] */
static bool parse_uio(struct memory_spec *out, const char *text)
{
	size_t name = strcspn(text, "/");
	const char *map = text[name] ? text + name + 1 : "";

	if (name == 0 || name > MEMORY_NAME_MAX || strlen(map) > MEMORY_MAP_MAX ||
	    (text[name] && *map == '\0'))
		return false;
	out->kind = MEMORY_UIO;
	memcpy(out->name, text, name);
	out->name[name] = '\0';
	strcpy(out->map, map);
	return true;
}

static bool parse_file(struct memory_spec *out, const char *path)
{
	if (*path != '/' || strlen(path) > MEMORY_NAME_MAX)
		return false;
	out->kind = MEMORY_FILE;
	strcpy(out->name, path);
	return true;
}

static bool parse_ivshmem(struct memory_spec *out, const char *path)
{
	if (*path == '\0' || strlen(path) > IVSHMEM_PATH_MAX)
		return false;
	out->kind = MEMORY_IVSHMEM;
	strcpy(out->name, path);
	return true;
}

/* "" or DOMAIN:BUS:DEVICE.FUNCTION, as lspci -D writes it. */
static bool parse_ivshmem_pci(struct memory_spec *out, const char *address)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t i;

	for (i = 0; address[i]; i++)
		if (i >= sizeof(form) - 1 ||
		    (form[i] == 'x' ? !isxdigit((unsigned char)address[i]) : address[i] != form[i]))
			return false;
	if (i != 0 && i != sizeof(form) - 1)
		return false;
	out->kind = MEMORY_IVSHMEM_PCI;
	strcpy(out->name, address);
	return true;
}

static bool parse_memory_fd(struct memory_spec *out, const char *text)
{
	int fd;

	if (!text_take_fd(&fd, &text) || *text != '\0')
		return false;
	out->kind = MEMORY_FD;
	out->fd = fd;
	return true;
}

static bool parse_memory(void *out, const char *text)
{
	static const struct {
		const char *prefix;
		bool (*parse)(struct memory_spec *out, const char *text);
	} sources[] = {
		{ "shm:", parse_shm_name },
		{ "fd:", parse_memory_fd },
		{ "file:", parse_file },
		{ "mem:", parse_physical },
		{ "uio:", parse_uio },
		{ "ivshmem:", parse_ivshmem },
		{ "ivshmem-pci:", parse_ivshmem_pci },
	};
	size_t i;

	for (i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (text_take_prefix(&text, sources[i].prefix))
			return sources[i].parse(out, text);
	return strcmp(text, "ivshmem-pci") == 0 && parse_ivshmem_pci(out, "");
}

static bool parse_yes_no(void *out, const char *text)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return false;
	*(bool *)out = yes;
	return true;
}

static bool parse_mode(void *out, const char *text)
{
	uint64_t mode;

	if (!text_take_digits(&mode, &text, 8) || *text != '\0' || mode > 0777)
		return false;
	*(mode_t *)out = (mode_t)mode;
	return true;
}

static bool parse_memory_type(void *out, const char *text)
{
	struct memory_spec *spec = out;
	bool device = strcmp(text, "device") == 0;

	if (!device && strcmp(text, "normal") != 0)
		return false;
	spec->type = device ? MEM_DEVICE : MEM_NORMAL;
	spec->type_given = true;
	return true;
}

static bool parse_region(void *out, const char *text)
{
	struct config_region *region = out;
	uint64_t offset, size;

	if (!text_take_number(&offset, &text) || (*text != ' ' && *text != '\t'))
		return false;
	text += strspn(text, " \t");
	if (!text_parse_number(&size, text, 1, UINT32_MAX))
		return false;
	region->offset = offset;
	region->size = size;
	return true;
}

static bool parse_address(void *out, const char *text)
{
	return text_parse_number(out, text, 0, UINT64_MAX);
}

static bool parse_blocks(void *out, const char *text)
{
	uint64_t v;

	if (!text_parse_number(&v, text, 1, LAYOUT_BLOCKS_MAX))
		return false;
	*(uint32_t *)out = (uint32_t)v;
	return true;
}

static bool parse_alignment(void *out, const char *text)
{
	uint64_t v;

	if (!text_parse_number(&v, text, 1, ALIGNMENT_MAX) || (v & (v - 1)))
		return false;
	*(uint32_t *)out = (uint32_t)v;
	return true;
}

static bool parse_word_size(void *out, const char *text)
{
	if (strcmp(text, "4") != 0 && strcmp(text, "8") != 0)
		return false;
	*(uint32_t *)out = *text == '4' ? 4 : 8;
	return true;
}

static bool parse_wire(void *out, const char *text)
{
	if (!proto_find(text))
		return false;
	strcpy(out, text);
	return true;
}

static bool parse_peer(void *out, const char *text)
{
	bool library = strcmp(text, "libicbmsg") == 0;

	if (!library && strcmp(text, "auto") != 0)
		return false;
	*(bool *)out = library;
	return true;
}

static bool parse_rescue(void *out, const char *text)
{
	if (strcmp(text, "never") != 0)
		return text_parse_duration(out, text, RESCUE_MIN);
	*(int64_t *)out = 0;
	return true;
}

static bool parse_spin(void *out, const char *text)
{
	if (strcmp(text, "no") != 0)
		return text_parse_duration(out, text, NS_PER_US) && *(int64_t *)out <= SPIN_MAX;
	*(int64_t *)out = 0;
	return true;
}

static bool parse_path(void *out, const char *text)
{
	if (*text == '\0' || strlen(text) >= CONFIG_PATH_SIZE)
		return false;
	strcpy(out, text);
	return true;
}

#define FIELD(name) offsetof(struct config_values, name)

const struct config_key config_keys[KEY_COUNT] = {
	[KEY_MEMORY] = { "memory", parse_memory, FIELD(memory),
			 "shm:NAME, fd:NUMBER, file:/PATH, mem:ADDRESS[+SIZE] (ADDRESS a multiple "
			 "of 4), uio:DEVICE[/MAP], ivshmem:SOCKET, or ivshmem-pci[:ADDRESS]",
			 "shm:icbmsg0", NULL },
	[KEY_MEMORY_CREATE] = { "memory-create", parse_yes_no, FIELD(memory.create), "yes or no",
				"no", "yes" },
	[KEY_MEMORY_MODE] = { "memory-mode", parse_mode, FIELD(memory.mode),
			      "an octal mode from 0 to 0777", "0660", "0600" },
	[KEY_MEMORY_TYPE] = { "memory-type", parse_memory_type, FIELD(memory), "normal or device",
			      "device", NULL },
	[KEY_MEMORY_SYNC] = { "memory-sync", parse_yes_no, FIELD(memory.sync), "yes or no", "no",
			      "yes" },
	[KEY_DOORBELL] = { "doorbell", config_parse_doorbell, FIELD(doorbell),
			   "eventfd:RX,TX (two different descriptors), socket:NUMBER, "
			   "ivshmem[:PEER[,VECTOR]], poll, poll:10us to poll:1m, poll:MIN..MAX, or "
			   "poll:busy",
			   "eventfd:5,6", NULL },
	[KEY_DOORBELL_IN] = { "doorbell-in", .field = FIELD(doorbell), .example = "uio:mailbox" },
	[KEY_DOORBELL_OUT] = { "doorbell-out", .field = FIELD(doorbell),
			       .example = "register:uio:mailbox+0x114 write32 0x1" },
	[KEY_DOORBELL_SETUP] = { "doorbell-setup", .field = FIELD(doorbell),
				 .example = "uio:mailbox+0x110 set32 0x1" },
	[KEY_DOORBELL_ACK] = { "doorbell-ack", .field = FIELD(doorbell),
			       .example = "uio:mailbox+0x118 w1c32 0x1" },
	[KEY_GEOMETRY] = { "geometry", config_parse_geometry, FIELD(geometry),
			   "dt:FILE or dt:FILE:NODE (a devicetree, and a node in it)",
			   "dt:zephyr.dts:ipc0", NULL },
	[KEY_GEOMETRY_PEER] = { "geometry-peer", parse_yes_no, FIELD(geometry_peer), "yes or no",
				"yes", "no" },
	[KEY_TX_REGION] = { "tx-region", parse_region, FIELD(tx),
			    "OFFSET SIZE (bytes, SIZE from 1 to below 4G)", "0 16k", NULL },
	[KEY_RX_REGION] = { "rx-region", parse_region, FIELD(rx),
			    "OFFSET SIZE (bytes, SIZE from 1 to below 4G)", "16k 16k", NULL },
	[KEY_TX_ADDRESS] = { "tx-address", parse_address, FIELD(tx.address), "an address",
			     "0x20070000", NULL },
	[KEY_RX_ADDRESS] = { "rx-address", parse_address, FIELD(rx.address), "an address",
			     "0x20078000", NULL },
	[KEY_TX_BLOCKS] = { "tx-blocks", parse_blocks, FIELD(tx_geometry.blocks),
			    "a number from 1 to 256", "16", NULL },
	[KEY_RX_BLOCKS] = { "rx-blocks", parse_blocks, FIELD(rx_geometry.blocks),
			    "a number from 1 to 256", "18", NULL },
	[KEY_DCACHE_ALIGNMENT] = { "dcache-alignment", parse_alignment,
				   FIELD(tx_geometry.alignment), "a power of two from 1 to 1M",
				   "32", NULL },
	[KEY_WORD_SIZE] = { "word-size", parse_word_size, FIELD(tx_geometry.word_size),
			    "4 or 8, the bytes of a word of the firmware's CPU", "8", "4" },
	[KEY_WIRE] = { "wire", parse_wire, FIELD(wire),
		       "a wire generation this version has: classic", "classic", "classic" },
	[KEY_PEER] = { "peer", parse_peer, FIELD(peer_is_library), "auto or libicbmsg", "libicbmsg",
		       "auto" },
	[KEY_RESCUE_INTERVAL] = { "rescue-interval", parse_rescue, FIELD(rescue_interval_ns),
				  "never, or a duration from 100us to 1m with its unit (us, ms, s, "
				  "m)",
				  "20ms", "50ms" },
	[KEY_SPIN] = { "spin", parse_spin, FIELD(spin_ns), "no, or a duration from 1us to 10ms",
		       "50us", "20us" },
	[KEY_STATE_FILE] = { "state-file", parse_path, FIELD(state_file),
			     "a path of 1 to 255 bytes", "/run/icbmsg/net.state", NULL },
};

/* Instead of parse() and form, for values of several parts: @why tells which is wrong. */
typedef bool (*part_parser)(void *out, const char *text, char why[CONFIG_WHY_SIZE]);

static const part_parser part_parsers[KEY_COUNT] = {
	[KEY_DOORBELL_IN] = config_parse_doorbell_in,
	[KEY_DOORBELL_OUT] = config_parse_doorbell_out,
	[KEY_DOORBELL_SETUP] = config_parse_doorbell_setup,
	[KEY_DOORBELL_ACK] = config_parse_doorbell_ack,
};

void config_entry_clear(struct config_entry *entry)
{
	free(entry->text);
	free(entry->origin);
	*entry = (struct config_entry){ 0 };
}

const char *config_quote(char out[CONFIG_QUOTE_SIZE], const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < CONFIG_QUOTE_SIZE - 1; i++)
		out[i] = isprint((unsigned char)text[i]) ? text[i] : '?';
	out[i] = '\0';
	if (text[i])
		memcpy(out + i - 3, "...", 3);
	return out;
}

/* Levenshtein's distance, row by row; both words have at most WORD_MAX letters. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], i, j, diagonal, above, best;

	for (j = 0; j <= strlen(b); j++)
		row[j] = j;
	for (i = 1; i <= strlen(a); i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= strlen(b); j++) {
			above = row[j];
			best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[strlen(b)];
}

const char *config_suggest(const char *word, const char *const *names, size_t count)
{
	size_t i, distance, least = 3; /* further away is another word, not a misspelt one */
	const char *found = NULL;

	if (strlen(word) > WORD_MAX)
		return NULL;
	for (i = 0; i < count; i++) {
		distance = edit_distance(word, names[i]);
		if (distance < least && distance < strlen(names[i]) / 2 + 1) {
			least = distance;
			found = names[i];
		}
	}
	return found;
}

int config_key_find(const char *name, char error[CONFIG_ERROR_SIZE])
{
	const char *names[KEY_COUNT], *suggestion;
	char quoted[CONFIG_QUOTE_SIZE];
	int i;

	for (i = 0; i < KEY_COUNT; i++) {
		names[i] = config_keys[i].name;
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	suggestion = config_suggest(name, names, KEY_COUNT);
	config_quote(quoted, name);
	if (suggestion)
		snprintf(error, CONFIG_ERROR_SIZE, "%s: no such key; did you mean %s?", quoted,
			 suggestion);
	else
		snprintf(error, CONFIG_ERROR_SIZE, "%s: no such key; icbmsg.conf(5) lists them",
			 quoted);
	return -ENOENT;
}

int config_key_parse(struct config_values *out, enum config_key_id id, const char *text,
		     char error[CONFIG_ERROR_SIZE])
{
	const struct config_key *key = &config_keys[id];
	char quoted[CONFIG_QUOTE_SIZE], why[CONFIG_WHY_SIZE];
	void *field = (char *)out + key->field;

	if (key->parse ? key->parse(field, text) : part_parsers[id](field, text, why))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%s: \"%s\" is not %s%s; write for example %s = %s",
		 key->name, config_quote(quoted, text),
		 key->parse ? "" : "right: ", key->parse ? key->form : why, key->name,
		 key->example);
	return -EINVAL;
}
