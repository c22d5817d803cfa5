// SPDX-License-Identifier: Apache-2.0
/*
 * Commands to a firmware stand-in: see commander.h.
 */
#include "support/commander.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "payload.h"
#include "util/cleanup.h"

#define HEX_SHOWN 256u /* bytes of a message that a report shows */

static void __attribute__((format(printf, 2, 3))) say(struct commander *c, const char *format, ...)
{
	_cleanup_(free_ptr) char *line = NULL;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&line, format, args);
	va_end(args);
	if (n < 0)
		abort();
	c->say(line, c->user);
}

/* Returns the number the entry goes by. */
static size_t keep(struct commander_list *list, const char *name, const void *data)
{
	struct commander_buffer *b;

	list->items = reallocarray(list->items, list->count + 1, sizeof(*list->items));
	if (!list->items)
		abort();
	b = &list->items[list->count];
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->data = (uint8_t *)data;
	return list->count++;
}

static size_t offset_of(const struct commander *c, const void *data)
{
	return (size_t)((const uint8_t *)data - (const uint8_t *)c->fw.config.map);
}

static void on_ring(void *user)
{
	struct commander *c = user;

	if (c->ring)
		c->ring(c->user);
	else if (c->peer_pending)
		++*c->peer_pending;
}

static void on_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	say(user, "{\"ev\":\"bound\",\"ept\":\"%s\",\"n\":%u}", ept->name, ept->bound_count);
}

static bool on_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct commander *c = user;
	uint32_t shown = size < HEX_SHOWN ? size : HEX_SHOWN, i;
	char hex[2 * HEX_SHOWN + 1] = "";
	int number = -1;

	(void)fw;
	if (c->hold)
		number = (int)keep(&c->held, ept->name, data);
	for (i = 0; i < shown; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", ((const uint8_t *)data)[i]);
	say(c,
	    "{\"ev\":\"rx\",\"ept\":\"%s\",\"len\":%u,\"crc\":\"%08x\",\"hex\":\"%s\","
	    "\"off\":%zu,\"held\":%d}",
	    ept->name, size, payload_crc32(0, data, size), hex, offset_of(c, data), number);
	return c->hold;
}

int commander_init(struct commander *c, void *map, const struct layout_region *tx,
		   const struct layout_region *rx, unsigned int num_ep)
{
	struct firmware_config config = {
		.map = map,
		.tx = *tx,
		.rx = *rx,
		.num_ep = num_ep,
		.ring = on_ring,
		.bound = on_bound,
		.received = on_received,
		.user = c,
	};

	return firmware_init(&c->fw, &config);
}

void commander_deinit(struct commander *c)
{
	free(c->held.items);
	free(c->taken.items);
	c->held = c->taken = (struct commander_list){ 0 };
}

static bool take(struct commander *c)
{
	bool any = c->pending > 0;

	if (c->take)
		return c->take(c->user);
	c->pending = 0;
	return any;
}

static int do_pump(struct commander *c)
{
	unsigned int pumped = 0;

	while (c->fw.link != FIRMWARE_LINK_OFF && take(c)) {
		pumped++;
		firmware_pump(&c->fw);
	}
	say(c, "{\"pumped\":%u}", pumped);
	return 0;
}

static int do_alloc(struct commander *c, const char *name, const char *size)
{
	uint32_t got;
	void *data;
	int ret = firmware_alloc(&c->fw, (uint32_t)strtoul(size, NULL, 0), &data, &got);

	if (ret < 0)
		return ret;
	say(c, "{\"buf\":%zu,\"len\":%u,\"off\":%zu}", keep(&c->taken, name, data), got,
	    offset_of(c, data));
	return 0;
}

static const struct commander_buffer *buffer(const struct commander_list *list, const char *number)
{
	unsigned long n = strtoul(number, NULL, 0);

	return n < list->count ? &list->items[n] : NULL;
}

static int do_sendnc(struct commander *c, const char *number, const uint8_t *data, size_t size)
{
	const struct commander_buffer *b = buffer(&c->taken, number);
	const struct layout_region *tx = &c->fw.config.tx;
	struct firmware_endpoint *ept = b ? firmware_find(&c->fw, b->name) : NULL;

	if (!b)
		return -EINVAL;
	if (!ept || ept->state != FIRMWARE_EPT_READY || ept->deregistered)
		return -ENOENT;
	if (size > tx->begin + tx->total - offset_of(c, b->data))
		return -EINVAL;
	memcpy(b->data, data, size);
	return firmware_send_nocopy(&c->fw, b->name, b->data, (uint32_t)size);
}

/* Commands that end in a payload; @word is the command's words. */
static int do_payload(struct commander *c, const char *const word[4])
{
	_cleanup_(free_ptr) uint8_t *data = NULL;
	const char *text = strcmp(word[0], "rawctl") ? word[2] : word[1];
	_cleanup_(free_ptr) char *hex = NULL;
	size_t size = 0;
	int ret;

	if (strcmp(word[0], "rawctl") == 0 && asprintf(&hex, "hex:%s", word[1]) < 0)
		return -ENOMEM;
	ret = payload_parse(hex ? hex : *text ? text : "text:", PAYLOAD_SEED_DEFAULT, &data, &size);
	if (ret < 0)
		return ret;
	if (strcmp(word[0], "send") == 0)
		return firmware_send(&c->fw, word[1], data, (uint32_t)size);
	if (strcmp(word[0], "sendnc") == 0)
		return do_sendnc(c, word[1], data, size);
	if (strcmp(word[0], "rawctl") == 0)
		return firmware_raw_control(&c->fw, data, (uint32_t)size);
	return firmware_raw_data(&c->fw, (uint8_t)strtoul(word[1], NULL, 0), data, (uint32_t)size,
				 (uint32_t)strtoul(word[3], NULL, 0));
}

static int do_buffer(struct commander *c, const char *const word[4])
{
	bool drop = strcmp(word[0], "drop") == 0;
	const struct commander_buffer *b = buffer(drop ? &c->taken : &c->held, word[1]);

	if (!b)
		return -EINVAL;
	return drop ? firmware_drop(&c->fw, b->data) : firmware_release(&c->fw, b->data);
}

static int do_state(struct commander *c)
{
	char text[128 + 64 * FIRMWARE_ENDPOINTS_MAX];
	int ret = firmware_report(&c->fw, text, sizeof(text));

	if (ret < 0)
		return ret;
	say(c, "%s", text);
	return 0;
}

static int dispatch(struct commander *c, const char *const word[4])
{
	const char *verb = word[0];

	if (strcmp(verb, "open") == 0)
		return firmware_open(&c->fw);
	if (strcmp(verb, "register") == 0)
		return firmware_register(&c->fw, word[1]);
	if (strcmp(verb, "deregister") == 0)
		return firmware_deregister(&c->fw, word[1]);
	if (strcmp(verb, "send") == 0 || strcmp(verb, "sendnc") == 0 ||
	    strcmp(verb, "rawctl") == 0 || strcmp(verb, "rawdata") == 0)
		return do_payload(c, word);
	if (strcmp(verb, "alloc") == 0)
		return do_alloc(c, word[1], word[2]);
	if (strcmp(verb, "drop") == 0 || strcmp(verb, "release") == 0)
		return do_buffer(c, word);
	if (strcmp(verb, "pump") == 0)
		return do_pump(c);
	if (strcmp(verb, "state") == 0)
		return do_state(c);
	if (strcmp(verb, "bufsize") == 0)
		return (int)c->fw.config.tx.max_payload;
	if (strcmp(verb, "hold") == 0)
		c->hold = *word[1] == '1';
	else if (strcmp(verb, "ring") == 0)
		firmware_ring(&c->fw);
	else if (strcmp(verb, "work") == 0)
		firmware_pump(&c->fw);
	else
		return strcmp(verb, "quit") ? -EINVAL : 0;
	return 0;
}

bool commander_do(struct commander *c, const char *line)
{
	_cleanup_(free_ptr) char *copy = strdup(line);
	const char *word[4] = { "", "", "", "" };
	char *save = NULL, *token;
	int n = 0, ret;

	if (!copy)
		abort();
	for (token = strtok_r(copy, " \n", &save); token && n < 4;
	     token = strtok_r(NULL, " \n", &save))
		word[n++] = token;
	if (n == 0)
		return true;
	ret = dispatch(c, word);
	say(c, "%s %d", ret < 0 ? "err" : "ok", ret);
	return strcmp(word[0], "quit") != 0;
}
