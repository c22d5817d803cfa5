// SPDX-License-Identifier: Apache-2.0
/*
 * Binding of endpoints (protocol.md section 5): both roles, names early and late, many of them,
 * deregistration.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"
#include "through_daemon.h"

static struct seen a[ICBMSG_EPT_COUNT_MAX], b[ICBMSG_EPT_COUNT_MAX];

/* Those that were registered; all of them are 70 MB. */
static void forget(struct seen *all)
{
	for (size_t n = 0; n < ICBMSG_EPT_COUNT_MAX; n++)
		if (all[n].ept)
			memset(&all[n], 0, sizeof(all[n]));
}

static int clear(void **state)
{
	(void)state;
	forget(a);
	forget(b);
	return 0;
}

static void roles_follow_the_addresses(void **state)
{
	struct icbmsg_layout la, lb;
	struct ends e;

	(void)state;
	ends_direct_only("the layout is that of the link to the daemon");
	ends_open(&e);
	icbmsg_get_layout(e.a, &la, sizeof(la));
	icbmsg_get_layout(e.b, &lb, sizeof(lb));
	assert_true(la.initiator);
	assert_false(lb.initiator);
	assert_memory_equal(&la.tx, &lb.rx, sizeof(la.tx));
	assert_memory_equal(&la.rx, &lb.tx, sizeof(la.rx));
	ends_close(&e);
}

static void sizes_agree(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	assert_int_equal(icbmsg_max_size(e.a), icbmsg_max_rx_size(e.b));
	assert_int_equal(icbmsg_max_size(e.b), icbmsg_max_rx_size(e.a));
	ends_close(&e);
}

static void binds_when_the_initiator_is_first(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_register(e.a, &a[0], "ep0");
	ends_settle(&e);
	assert_false(icbmsg_ept_is_bound(a[0].ept));
	ends_register(e.b, &b[0], "ep0");
	ends_until(e.a, e.b, &a[0].bound, 1);
	ends_until(e.a, e.b, &b[0].bound, 1);
	assert_true(icbmsg_ept_is_bound(a[0].ept));
	ends_close(&e);
}

static void binds_when_the_follower_is_first(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_register(e.b, &b[0], "ep0");
	ends_settle(&e);
	ends_register(e.a, &a[0], "ep0");
	ends_until(e.a, e.b, &a[0].bound, 1);
	ends_until(e.a, e.b, &b[0].bound, 1);
	ends_close(&e);
}

static void binds_when_an_end_opens_late(void **state)
{
	struct ends e;

	(void)state;
	for (int first = 0; first < 2; first++) {
		clear(NULL);
		ends_prepare(&e, first ? 0 : 0xff);
		if (first == 0) {
			ends_open_a(&e);
			ends_register(e.a, &a[0], "late");
			assert_int_equal(icbmsg_dispatch(e.a, 0), 0);
			ends_open_b(&e);
			ends_register(e.b, &b[0], "late");
		} else {
			ends_open_b(&e);
			ends_register(e.b, &b[0], "late");
			assert_int_equal(icbmsg_dispatch(e.b, 0), 0);
			ends_open_a(&e);
			ends_register(e.a, &a[0], "late");
		}
		ends_until(e.a, e.b, &a[0].bound, 1);
		ends_until(e.a, e.b, &b[0].bound, 1);
		ends_close(&e);
	}
}

/* Announcements with no endpoint here wait, and are matched in whatever order names come. */
static void announcements_park(void **state)
{
	int count = ends_param->a_blocks < 8 ? (int)ends_param->a_blocks : 8;
	char name[16];
	struct ends e;

	(void)state;
	ends_open(&e);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "ept%d", i);
		ends_register(e.a, &a[i], name);
	}
	ends_settle(&e);
	assert_int_equal(ends_stats(e.b).state, ICBMSG_LINK_UP);
	for (int i = count - 1; i >= 0; i--) {
		snprintf(name, sizeof(name), "ept%d", i);
		ends_register(e.b, &b[i], name);
		ends_until(e.a, e.b, &a[i].bound, 1);
		ends_until(e.a, e.b, &b[i].bound, 1);
	}
	ends_until_free(&e, e.a);
	ends_close(&e);
}

/* All 254, on however few blocks: names go out as blocks come back. */
static void all_addresses_bind(void **state)
{
	char name[16];
	struct ends e;

	(void)state;
	ends_open(&e);
	for (int i = 0; i < ICBMSG_EPT_COUNT_MAX; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		ends_register(e.b, &b[i], name);
		ends_register(e.a, &a[i], name);
	}
	for (int i = 0; i < ICBMSG_EPT_COUNT_MAX; i++) {
		ends_until(e.a, e.b, &a[i].bound, 1);
		ends_until(e.a, e.b, &b[i].bound, 1);
	}
	assert_int_equal(icbmsg_ept_register(e.a, &a[0].ept, "one too many", NULL, NULL), -ENOSPC);
	assert_int_equal(icbmsg_send(a[253].ept, "last", 4, 0), 0);
	ends_until(e.a, e.b, &b[253].received, 1);
	assert_memory_equal(b[253].data, "last", 4);
	ends_close(&e);
}

static void bad_names_are_refused(void **state)
{
	char longest[ICBMSG_EPT_NAME_MAX + 2];
	struct icbmsg_ept *ept = NULL;
	struct ends e;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ends_open(&e);
	assert_int_equal(icbmsg_ept_register(e.a, &ept, "", NULL, NULL), -EINVAL);
	assert_int_equal(icbmsg_ept_register(e.a, &ept, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(icbmsg_ept_register(e.a, &ept, longest, NULL, NULL), -ENAMETOOLONG);
	assert_null(ept);
	ends_register(e.a, &a[0], "twice");
	assert_int_equal(icbmsg_ept_register(e.a, &ept, "twice", NULL, NULL), -EEXIST);
	ends_close(&e);
}

static void longest_name_binds(void **state)
{
	char name[ICBMSG_EPT_NAME_MAX + 1], section[ICBMSG_EPT_NAME_MAX + 64];
	const char *endpoints = through_endpoints;
	struct ends e;

	(void)state;
	memset(name, 'n', sizeof(name));
	/* A daemon's socket for it needs another name, and a line of its configuration is short. */
	name[ends_client == ENDS_NO_CLIENT ? sizeof(name) - 1 : 180] = '\0';
	snprintf(section, sizeof(section), "[endpoint ends/%s]\nsocket = longest\n", name);
	through_endpoints = section;
	ends_open(&e);
	through_endpoints = endpoints;
	if (icbmsg_max_size(e.a) < sizeof(name) || icbmsg_max_size(e.b) < sizeof(name)) {
		ends_close(&e);
		skip();
	}
	ends_bind(&e, &a[0], &b[0], name);
	ends_close(&e);
}

/* One side's blocks are small: it binds by a name that is too long for them, unless it sends it. */
static void names_go_in_the_blocks_of_the_initiator(void **state)
{
	bool a_is_small = ends_param->a_size < ends_param->b_size;
	char name[ICBMSG_EPT_NAME_MAX + 1] = "";
	struct icbmsg_ept *ept;
	struct ends e;

	(void)state;
	ends_direct_only("the blocks are those of the link to the daemon");
	ends_open(&e);
	memset(name, 'n', icbmsg_max_size(a_is_small ? e.a : e.b));
	if (a_is_small) {
		assert_int_equal(icbmsg_ept_register(e.a, &ept, name, NULL, NULL), -ENAMETOOLONG);
		assert_int_equal(icbmsg_ept_register(e.b, &ept, name, NULL, NULL), -ENAMETOOLONG);
		name[strlen(name) - 1] = '\0';
	}
	ends_bind(&e, &a[0], &b[0], name);
	assert_int_equal(icbmsg_send(b[0].ept, "hello", 5, 0), 0);
	ends_until(e.a, e.b, &a[0].received, 1);
	ends_close(&e);
}

static void deregistered_endpoint_binds_again_at_once(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a[0], &b[0], "again");
	icbmsg_ept_deregister(b[0].ept);
	/* It is not told: what it sends is released here and dropped. */
	assert_int_equal(icbmsg_send(a[0].ept, "gone", 4, 0), 0);
	ends_settle(&e);
	assert_int_equal(b[0].received, 0);
	/* A daemon may have dropped it for its client. */
	if (ends_lends(&e, e.a))
		assert_int_equal(ends_stats(e.b).rx_dropped, 1);
	assert_int_equal(ends_stats(e.a).tx_blocks_free, ends_blocks(e.a));
	ends_register(e.b, &b[0], "again");
	ends_until(e.b, NULL, &b[0].bound, 2);
	assert_int_equal(icbmsg_send(a[0].ept, "back", 4, 0), 0);
	ends_until(e.a, e.b, &b[0].received, 1);
	assert_memory_equal(b[0].data, "back", 4);
	ends_close(&e);
}

static void queued_messages_of_a_deregistered_endpoint_are_released(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a[0], &b[0], "queue");
	assert_int_equal(icbmsg_send(a[0].ept, "x", 1, 0), 0);
	ends_turn(&e);
	/* Pumped by a waiting call, not delivered. */
	assert_int_equal(icbmsg_ept_wait_bound(b[0].ept, 0), 0);
	icbmsg_ept_deregister(b[0].ept);
	ends_settle(&e);
	assert_int_equal(b[0].received, 0);
	assert_int_equal(ends_stats(e.a).tx_blocks_free, ends_blocks(e.a));
	assert_int_equal(ends_stats(e.b).rx_held, 0);
	ends_close(&e);
}

/* An initiator's endpoint that goes before it was announced leaves nothing behind. */
static void deregister_before_the_link_is_up(void **state)
{
	struct ends e;

	(void)state;
	ends_prepare(&e, 0);
	ends_open_a(&e);
	ends_register(e.a, &a[0], "early");
	icbmsg_ept_deregister(a[0].ept);
	ends_open_b(&e);
	ends_register(e.b, &b[0], "early");
	ends_settle(&e);
	/* A daemon may keep an endpoint that a client has asked for. */
	if (ends_client != ENDS_CLIENT_A)
		assert_false(icbmsg_ept_is_bound(b[0].ept));
	ends_register(e.a, &a[0], "early");
	ends_until(e.a, e.b, &a[0].bound, 1);
	ends_until(e.a, e.b, &b[0].bound, 1);
	ends_close(&e);
}

static void deregister_and_register_in_bound(struct seen *s)
{
	struct icbmsg *link = icbmsg_ept_link(s->ept);

	if (s->bound > 1)
		return;
	icbmsg_ept_deregister(s->ept);
	ends_register(link, s, "self");
}

static void a_callback_may_deregister_itself(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	a[0].on_bound = deregister_and_register_in_bound;
	ends_bind(&e, &a[0], &b[0], "self");
	ends_until(e.a, e.b, &a[0].bound, 2);
	assert_int_equal(icbmsg_send(b[0].ept, "hi", 2, 0), 0);
	ends_until(e.a, e.b, &a[0].received, 1);
	ends_close(&e);
}

static void waiting_for_bound_times_out(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_register(e.a, &a[0], "nobody");
	assert_int_equal(icbmsg_ept_wait_bound(a[0].ept, 0), -ETIMEDOUT);
	assert_int_equal(icbmsg_ept_wait_bound(a[0].ept, 5 * MS), -ETIMEDOUT);
	assert_int_equal(icbmsg_send(a[0].ept, "x", 1, SURELY), -ENOTCONN);
	ends_close(&e);
}

int main(void)
{
	static const struct ends_param small[] = {
		{ "classic", 4, 4, 16, 1, 0x1000, 0x100, NULL, NULL },
		{ "classic", 8, 32, 1, 16, 0x200, 0x1000, NULL, NULL },
		{ 0 },
	};
	const struct CMUnitTest few[] = {
		cmocka_unit_test_setup(names_go_in_the_blocks_of_the_initiator, clear),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(roles_follow_the_addresses, clear),
		cmocka_unit_test_setup(sizes_agree, clear),
		cmocka_unit_test_setup(binds_when_the_initiator_is_first, clear),
		cmocka_unit_test_setup(binds_when_the_follower_is_first, clear),
		cmocka_unit_test_setup(binds_when_an_end_opens_late, clear),
		cmocka_unit_test_setup(announcements_park, clear),
		cmocka_unit_test_setup(all_addresses_bind, clear),
		cmocka_unit_test_setup(bad_names_are_refused, clear),
		cmocka_unit_test_setup(longest_name_binds, clear),
		cmocka_unit_test_setup(deregistered_endpoint_binds_again_at_once, clear),
		cmocka_unit_test_setup(queued_messages_of_a_deregistered_endpoint_are_released,
				       clear),
		cmocka_unit_test_setup(deregister_before_the_link_is_up, clear),
		cmocka_unit_test_setup(a_callback_may_deregister_itself, clear),
		cmocka_unit_test_setup(waiting_for_bound_times_out, clear),
	};

	return ENDS_RUN_ALL(tests) + ends_run_params(small, "", few, sizeof(few) / sizeof(few[0]));
}
