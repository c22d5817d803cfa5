// SPDX-License-Identifier: Apache-2.0
/*
 * See images.h.
 */
#include "images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"
#include "payload.h"
#include "support/set.h"
#include "util/cleanup.h"

#define HEX_SHOWN 256u /* bytes of a message that a recorded line shows */

/* ------------------------------------------------------------------------------------------------
 * What libicbmsg reports, in the words of the recording
 */

static void __attribute__((format(printf, 2, 3))) say(struct run *run, const char *format, ...)
{
	size_t used = strlen(run->lines);
	va_list ap;

	va_start(ap, format);
	vsnprintf(run->lines + used, sizeof(run->lines) - used, format, ap);
	va_end(ap);
	EXPECT(run, strlen(run->lines) < sizeof(run->lines) - 1);
}

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	struct endpoint *e = user;

	say(e->run, "{\"ev\":\"bound\",\"ept\":\"%s\",\"n\":%u}\n", icbmsg_ept_name(ept),
	    ++e->bound);
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct run *run = ((struct endpoint *)user)->run;
	size_t shown = size < HEX_SHOWN ? size : HEX_SHOWN;
	char hex[2 * HEX_SHOWN + 1] = "";
	int held = -1;

	if (run->hold) {
		held = (int)run->held_count;
		EXPECT(run, icbmsg_hold_rx(run->link, data, &run->held[run->held_count++]) == 0);
	}
	for (size_t i = 0; i < shown; i++)
		snprintf(hex + 2 * i, 3, "%02x", ((const uint8_t *)data)[i]);
	say(run,
	    "{\"ev\":\"rx\",\"ept\":\"%s\",\"len\":%zu,\"crc\":\"%08x\",\"hex\":\"%s\",\"held\":%d}\n",
	    icbmsg_ept_name(ept), size, payload_crc32(0, data, size), hex, held);
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	say(((struct endpoint *)user)->run, "unbound %s: %s\n", icbmsg_ept_name(ept),
	    icbmsg_unbound_reason_name(info->reason));
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	say(((struct endpoint *)user)->run, "error %s: %d, %s\n", icbmsg_ept_name(ept), error,
	    message);
}

static const struct icbmsg_ept_callbacks callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
	.error = on_error,
};

void images_recorded_events(const struct scenario_step *step, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < step->answers.count; i++) {
		const char *line = step->answers.line[i];
		const char *off = strstr(line, ",\"off\":");
		const char *rest = off ? strstr(off, ",\"held\"") : "";

		if (strncmp(line, "{\"ev\":", 6) != 0)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%.*s%s\n",
					 off ? (int)(off - line) : (int)strlen(line), line, rest);
		assert_true(used < size);
	}
}

/* ------------------------------------------------------------------------------------------------
 * Our part
 */

struct icbmsg_stats images_stats(const struct run *run)
{
	struct icbmsg_stats st;

	icbmsg_get_stats(run->link, &st, sizeof(st));
	return st;
}

static void do_open(struct run *run)
{
	const struct scenario *s = run->scenario;
	const struct scenario_region *own = run->side == 'F' ? &s->lo : &s->hi;
	const struct scenario_region *other = run->side == 'F' ? &s->hi : &s->lo;
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "memory", "fd:%d", run->memory_fd);
	set(cfg, "doorbell", "eventfd:%d,%d", run->bell_in, run->bell_out);
	set(cfg, "word-size", "%u", s->word_size);
	if (s->alignment)
		set(cfg, "dcache-alignment", "%u", s->alignment);
	set(cfg, "tx-region", "%u %u", own->offset, own->size);
	set(cfg, "rx-region", "%u %u", other->offset, other->size);
	set(cfg, "tx-blocks", "%u", own->blocks);
	set(cfg, "rx-blocks", "%u", other->blocks);
	if (icbmsg_open(&run->link, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
}

static struct endpoint *endpoint(struct run *run, const char *name)
{
	unsigned int n = (unsigned int)name[2] - '0';

	EXPECT(run, !strncmp(name, "ep", 2) && n < NAMES);
	return &run->endpoint[n];
}

static void do_register(struct run *run, const char *name)
{
	struct endpoint *e = endpoint(run, name);
	char expected[LINES_MAX];

	e->run = run;
	EXPECT(run, icbmsg_ept_register(run->link, &e->ept, name, &callbacks, e) == 0);
	/* Zephyr calls back at once, we when dispatching: which, with an event queued, reads nothing. */
	images_recorded_events(run->step, expected, sizeof(expected));
	if (*expected)
		EXPECT(run, icbmsg_dispatch(run->link, 0) == 1);
}

static void do_send(struct run *run, const char *name, const char *payload)
{
	_cleanup_(free_ptr) uint8_t *data = NULL;
	size_t size;

	assert_int_equal(payload_parse(payload, PAYLOAD_SEED_DEFAULT, &data, &size), 0);
	EXPECT(run, icbmsg_send(endpoint(run, name)->ept, data, size, 0) == 0);
}

/* The same blocks as recorded give the same capacity; which ones shows in the step that sends them. */
static void do_alloc(struct run *run, const char *name, size_t size)
{
	size_t want, offset;
	void *data;

	EXPECT(run, sscanf(run->step->answers.line[0], "{\"buf\":%*u,\"len\":%zu,\"off\":%zu}",
			   &want, &offset) == 2);
	EXPECT(run, icbmsg_get_tx_buffer(endpoint(run, name)->ept, &size, 0, &data) == 0);
	EXPECT(run, size == want);
	run->taken[run->taken_count++] = data;
	offset -= run->tx.begin + run->tx.blocks_off + run->tx.header_size;
	run->unsent_header[offset / run->tx.block_size] = true;
}

static void do_sendnc(struct run *run, size_t buffer, const char *payload)
{
	_cleanup_(free_ptr) uint8_t *data = NULL;
	size_t size;

	assert_int_equal(payload_parse(payload, PAYLOAD_SEED_DEFAULT, &data, &size), 0);
	memcpy(run->taken[buffer], data, size);
	EXPECT(run, icbmsg_send_nocopy(run->endpoint[0].ept, run->taken[buffer], size) == 0);
	memset(run->unsent_header, 0, sizeof(run->unsent_header));
}

static void do_rawctl(struct run *run, const char *hex)
{
	struct proto_link *l = &run->link->link;
	_cleanup_(free_ptr) uint8_t *data = NULL;
	_cleanup_(free_ptr) char *text = NULL;
	size_t size;

	assert_true(asprintf(&text, "hex:%s", hex) > 0);
	assert_int_equal(payload_parse(text, 0, &data, &size), 0);
	EXPECT(run, ring_put(&l->tx_ring, &l->s->tx_wr, data, (uint32_t)size) == 0);
	ring_publish(&l->tx_ring, l->s->tx_wr);
}

static void do_state(struct run *run)
{
	const char *used = strstr(run->step->answers.line[0], "\"tx_used\":");

	EXPECT(run, used);
	EXPECT(run, images_stats(run).tx_blocks_free ==
			    run->tx.block_count - strtoul(used + 10, NULL, 10));
}

bool images_link_is_up(const struct run *run)
{
	return images_stats(run).state == ICBMSG_LINK_UP;
}

/* The ping, which the recorded side would have read and ignored. Whether it was there. */
static bool other_reads_ping(struct run *run)
{
	uint32_t wr = ring_load_wr(&run->our_ring);

	if (images_link_is_up(run) || wr != IMAGES_PING_AT + IMAGES_PING_SIZE)
		return false;
	EXPECT(run, shm_load32(run->our_ring.rd_idx) == IMAGES_PING_AT);
	shm_store32(run->our_ring.rd_idx, wr);
	run->shift += IMAGES_PING_SIZE;
	return true;
}

void images_pump(struct run *run)
{
	do
		while (icbmsg_dispatch(run->link, 0) > 0)
			;
	while (other_reads_ping(run));
}

void images_command(struct run *run, const char *line)
{
	char copy[256], *save = NULL;
	const char *verb, *first, *second;

	snprintf(copy, sizeof(copy), "%s", line);
	verb = strtok_r(copy, " ", &save);
	first = strtok_r(NULL, " ", &save);
	second = strtok_r(NULL, " ", &save);
	if (!strcmp(verb, "open"))
		do_open(run);
	else if (!strcmp(verb, "pump"))
		images_pump(run);
	else if (!strcmp(verb, "register"))
		do_register(run, first);
	else if (!strcmp(verb, "deregister"))
		icbmsg_ept_deregister(endpoint(run, first)->ept);
	else if (!strcmp(verb, "send"))
		do_send(run, first, second);
	else if (!strcmp(verb, "hold"))
		run->hold = *first == '1';
	else if (!strcmp(verb, "release"))
		EXPECT(run, icbmsg_release_rx(run->link, run->held[atoi(first)]) == 0);
	else if (!strcmp(verb, "alloc"))
		do_alloc(run, first, strtoul(second, NULL, 10));
	else if (!strcmp(verb, "sendnc"))
		do_sendnc(run, strtoul(first, NULL, 10), second);
	else if (!strcmp(verb, "drop"))
		EXPECT(run, icbmsg_drop_tx_buffer(run->link, run->taken[atoi(first)]) == 0);
	else if (!strcmp(verb, "rawctl"))
		do_rawctl(run, first);
	else if (!strcmp(verb, "state"))
		do_state(run);
	else
		fail_msg("%s: a command this test does not know: %s", run->scenario->name, line);
}
