// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of library clients: whatever the link behind carries, two of its largest messages fit
 * each way, and the layout is one that libicbmsg takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "link.h"

static void set(struct icbmsg_config *cfg, const char *key, uint64_t a, uint64_t b)
{
	char text[64];

	if (b > 0)
		snprintf(text, sizeof(text), "%ju %ju", (uintmax_t)a, (uintmax_t)b);
	else
		snprintf(text, sizeof(text), "%ju", (uintmax_t)a);
	assert_int_equal(icbmsg_config_set(cfg, key, text), 0);
}

/* Of both directions, seen from the daemon. */
static struct icbmsg_layout layout_of(const struct link_shape *s)
{
	struct icbmsg_layout layout;
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "rx-region", 0, s->to_daemon);
	set(cfg, "tx-region", s->to_daemon, s->to_client);
	set(cfg, "rx-blocks", s->to_daemon_blocks, 0);
	set(cfg, "tx-blocks", s->to_client_blocks, 0);
	set(cfg, "word-size", CLIENT_WORD_SIZE, 0);
	set(cfg, "dcache-alignment", CLIENT_ALIGNMENT, 0);
	if (icbmsg_config_layout(cfg, &layout, sizeof(layout)) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	return layout;
}

static void two_fit(const struct icbmsg_region_layout *r, uint64_t largest)
{
	uint64_t blocks = (largest + CLIENT_WORD_SIZE + r->block_size - 1) / r->block_size;

	assert_true(largest <= r->max_payload);
	assert_true(2 * blocks <= r->block_count);
}

static void check(uint64_t to_core, uint64_t from_core, uint64_t wished)
{
	struct icbmsg_layout layout;
	struct link_shape s;

	link_shape_region(to_core, wished, &s.to_daemon, &s.to_daemon_blocks);
	link_shape_region(from_core, 0, &s.to_client, &s.to_client_blocks);
	assert_true(s.to_daemon >= wished && s.to_daemon % 4096 == 0 && s.to_client % 4096 == 0);
	layout = layout_of(&s);
	assert_true(layout.initiator);
	two_fit(&layout.rx, to_core);
	two_fit(&layout.tx, from_core);
}

static void two_of_the_largest_fit(void **state)
{
	(void)state;
	for (uint64_t a = 1; a < 3000; a += 7)
		check(a, 3000 - a, 0);
	for (uint64_t a = 1; a < UINT64_C(500000000); a += 1 + a / 5)
		for (uint64_t b = 1; b < UINT64_C(500000000); b += 1 + b / 3)
			check(a, b, 0);
}

static void wishes_are_met(void **state)
{
	(void)state;
	for (uint64_t wished = 4096; wished <= UINT64_C(1) << 29; wished += wished / 3) {
		check(8, 100000, wished);
		check(60000, 8, wished);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_of_the_largest_fit),
		cmocka_unit_test(wishes_are_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
