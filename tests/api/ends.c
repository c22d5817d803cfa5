// SPDX-License-Identifier: Apache-2.0
/*
 * See ends.h: memory, opening and closing, running tests with all parameters.
 */
#include "ends.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/set.h"
#include "through_daemon.h"

const struct ends_param ends_params[] = {
	{ "classic", 4, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 8, 4, 16, 16, 0x2000, 0x2000, NULL, NULL },
	{ "classic", 4, 32, 5, 9, 0x1000, 0x1800, NULL, NULL },
	{ "classic", 8, 64, 7, 3, 0x1400, 0x1000, NULL, NULL },
	{ "classic", 8, 128, 256, 200, 0x10000, 0x8000, NULL, NULL },
	{ "classic", 4, 8, 2, 2, 0x400, 0x400, "poll:200us", NULL },
	{ "classic", 4, 4, 1, 1, 0x200, 0x200, NULL, NULL },
	{ "classic", 8, 4, 16, 12, 0x1000, 0x1000, NULL, "device" },
	{ 0 },
};

const struct ends_param *ends_param = ends_params;
const char *ends_rescue_interval;
const char *ends_spin;
enum ends_client ends_client, ends_only_client;

void ends_prepare(struct ends *e, uint8_t fill)
{
	memset(e, 0, sizeof(*e));
	e->size = ends_param->a_size + ends_param->b_size;
	e->memory_fd = memfd_create("ends", MFD_CLOEXEC);
	assert_true(e->memory_fd >= 0);
	assert_int_equal(ftruncate(e->memory_fd, (off_t)e->size), 0);
	e->map = mmap(NULL, e->size, PROT_READ | PROT_WRITE, MAP_SHARED, e->memory_fd, 0);
	assert_true(e->map != MAP_FAILED);
	memset(e->map, fill, e->size);
	e->bell_to_a = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->bell_to_b = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(e->bell_to_a >= 0 && e->bell_to_b >= 0);
}

static void layout_one(struct layout_region *out, bool is_a)
{
	const struct ends_param *p = ends_param;
	struct layout_geometry g = {
		.base = is_a ? p->b_size : 0,
		.size = is_a ? p->a_size : p->b_size,
		.blocks = is_a ? p->a_blocks : p->b_blocks,
		.peer_blocks = is_a ? p->b_blocks : p->a_blocks,
		.alignment = p->alignment,
		.word_size = p->word_size,
	};
	char error[LAYOUT_ERROR_SIZE];

	if (layout_classic(out, &g, error) < 0)
		fail_msg("%s", error);
}

void ends_layout(bool is_a, struct layout_region *tx, struct layout_region *rx)
{
	layout_one(tx, is_a);
	layout_one(rx, !is_a);
}

bool ends_silence_is_doubted(void)
{
	struct layout_region tx, rx;

	ends_layout(true, &tx, &rx);
	return ends_param->memory_type || tx.ring_len <= 40 || rx.ring_len <= 40;
}

static struct icbmsg_config *make_config(const struct ends *e, bool is_a)
{
	const struct ends_param *p = ends_param;
	struct icbmsg_config *cfg;
	/* B transmits in the lower region. */
	unsigned int low = p->b_size, high = p->a_size;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "memory", "fd:%d", e->memory_fd);
	set(cfg, "wire", "%s", p->wire);
	set(cfg, "word-size", "%u", p->word_size);
	set(cfg, "dcache-alignment", "%u", p->alignment);
	if (p->memory_type)
		set(cfg, "memory-type", "%s", p->memory_type);
	if (ends_rescue_interval)
		set(cfg, "rescue-interval", "%s", ends_rescue_interval);
	else if (ends_silence_is_doubted())
		set(cfg, "rescue-interval", "2s");
	if (ends_spin)
		set(cfg, "spin", "%s", ends_spin);
	set(cfg, is_a ? "rx-region" : "tx-region", "0 %u", low);
	set(cfg, is_a ? "tx-region" : "rx-region", "%u %u", low, high);
	set(cfg, "tx-blocks", "%u", is_a ? p->a_blocks : p->b_blocks);
	set(cfg, "rx-blocks", "%u", is_a ? p->b_blocks : p->a_blocks);
	if (p->doorbell)
		set(cfg, "doorbell", "%s", p->doorbell);
	else
		set(cfg, "doorbell", "eventfd:%d,%d", is_a ? e->bell_to_a : e->bell_to_b,
		    is_a ? e->bell_to_b : e->bell_to_a);
	return cfg;
}

struct icbmsg_config *ends_config_a(const struct ends *e)
{
	return make_config(e, true);
}

static struct icbmsg *connect_with(struct ends *e, struct icbmsg_config *cfg)
{
	const int fds[] = { e->memory_fd, e->bell_to_a, e->bell_to_b };

	if (!e->daemon)
		e->daemon = through_start(cfg, fds, sizeof(fds) / sizeof(fds[0]));
	return through_connect(e->daemon);
}

static struct icbmsg *open_with(struct ends *e, bool is_a, struct icbmsg_config *cfg)
{
	struct icbmsg *link = NULL;

	if (ends_client == (is_a ? ENDS_CLIENT_A : ENDS_CLIENT_B))
		link = connect_with(e, cfg);
	else if (icbmsg_open(&link, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return *(is_a ? &e->a : &e->b) = link;
}

struct icbmsg *ends_open_a(struct ends *e)
{
	return open_with(e, true, make_config(e, true));
}

struct icbmsg *ends_open_b(struct ends *e)
{
	return open_with(e, false, make_config(e, false));
}

struct icbmsg *ends_open_one(struct ends *e, bool is_a, const char *rescue_interval)
{
	struct icbmsg_config *cfg = make_config(e, is_a);

	set(cfg, "rescue-interval", "%s", rescue_interval);
	return open_with(e, is_a, cfg);
}

void ends_open(struct ends *e)
{
	ends_prepare(e, 0xa5);
	ends_open_a(e);
	ends_open_b(e);
}

/* What they have sent before they closed is still sent on. */
static void await_end_of_clients(struct ends *e, struct icbmsg *other)
{
	int64_t end = ends_now() + SURELY;

	while (through_fds(e->daemon) > 0) {
		if (ends_now() >= end)
			fail_msg("icbmsgd has %u descriptors more than before its clients",
				 through_fds(e->daemon));
		assert_true(icbmsg_dispatch(other, 0) >= 0);
		through_turn(e->daemon);
	}
}

void ends_close(struct ends *e)
{
	bool a_is_client = ends_client == ENDS_CLIENT_A;
	struct icbmsg *client = a_is_client ? e->a : e->b, *other = a_is_client ? e->b : e->a;

	assert_int_equal(icbmsg_close(client), 0);
	if (e->daemon && other)
		await_end_of_clients(e, other);
	assert_int_equal(icbmsg_close(other), 0);
	if (e->daemon)
		through_stop(e->daemon);
	munmap(e->map, e->size);
	close(e->memory_fd);
	close(e->bell_to_a);
	close(e->bell_to_b);
}

void ends_direct_only(const char *why)
{
	if (ends_client == ENDS_NO_CLIENT)
		return;
	print_message("not through a daemon: %s\n", why);
	skip();
}

static const char *const client_names[] = {
	[ENDS_NO_CLIENT] = "",
	[ENDS_CLIENT_A] = ", A through a daemon",
	[ENDS_CLIENT_B] = ", B through a daemon",
};

static int run_params(const struct ends_param *params, const char *more,
		      const struct CMUnitTest *tests, size_t count)
{
	char name[200];
	int failed = 0;

	for (ends_param = params; ends_param->wire; ends_param++) {
		const struct ends_param *p = ends_param;

		snprintf(name, sizeof(name), "%s, word %u, alignment %u, %u/%u blocks, %s, %s%s%s",
			 p->wire, p->word_size, p->alignment, p->a_blocks, p->b_blocks,
			 p->doorbell ? p->doorbell : "eventfd",
			 p->memory_type ? p->memory_type : "normal", more,
			 client_names[ends_client]);
		failed += _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	}
	return failed;
}

int ends_run_params(const struct ends_param *params, const char *more,
		    const struct CMUnitTest *tests, size_t count)
{
	const char *how = getenv("ICBMSG_ENDS");
	int failed = 0;

	if (!how || strcmp(how, "daemon") != 0)
		return run_params(params, more, tests, count);
	for (ends_client = ENDS_CLIENT_A; ends_client <= ENDS_CLIENT_B; ends_client++)
		if (!ends_only_client || ends_client == ends_only_client)
			failed += run_params(params, more, tests, count);
	return failed;
}

int ends_run_all(const struct CMUnitTest *tests, size_t count)
{
	return ends_run_params(ends_params, "", tests, count);
}
