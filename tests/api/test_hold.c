// SPDX-License-Identifier: Apache-2.0
/*
 * Holding received buffers, the event iterator, and the life of an instance.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	return 0;
}

/* Shuffle with a fixed seed. */
static void shuffle(uint32_t *order, uint32_t n)
{
	uint32_t x = 12345;

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = (x = x * 1664525u + 1013904223u) % i, t = order[i - 1];

		order[i - 1] = order[k];
		order[k] = t;
	}
}

/* Where B's user can hold what comes; other tests are skipped. */
static void open_in_place(struct ends *e)
{
	ends_open(e);
	if (ends_in_place(e, e->b))
		return;
	ends_close(e);
	skip();
}

/* From A to B; with a daemon between them there are two links on which there has to be room. */
static uint32_t most_under_way(const struct ends *e)
{
	uint32_t n = ends_param->a_blocks;
	struct icbmsg_layout l;

	icbmsg_get_layout(e->a, &l, sizeof(l));
	n = l.tx.block_count < n ? l.tx.block_count : n;
	icbmsg_get_layout(e->b, &l, sizeof(l));
	return l.rx.block_count < n ? l.rx.block_count : n;
}

static void held_buffers_keep_their_bytes_and_go_in_any_order(void **state)
{
	uint32_t order[256], n, rest;
	struct ends e;

	(void)state;
	open_in_place(&e);
	n = most_under_way(&e);
	rest = ends_blocks(e.a) - n;
	b.hold = true;
	ends_bind(&e, &a, &b, "hold");
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(icbmsg_send(a.ept, &i, sizeof(i), 0), 0);
	ends_until(e.a, e.b, &b.received, (int)n);
	ends_settle(&e);
	assert_int_equal(ends_stats(e.b).rx_held, n);
	shuffle(order, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t value;

		memcpy(&value, b.held_data[order[i]], sizeof(value));
		assert_int_equal(value, order[i]);
		assert_int_equal(icbmsg_release_rx(e.b, b.held[order[i]]), 0);
		assert_int_equal(icbmsg_release_rx(e.b, b.held[order[i]]), -ENOENT);
		ends_settle(&e);
		if (ends_lends(&e, e.a))
			assert_int_equal(ends_stats(e.a).tx_blocks_free, rest + i + 1);
	}
	ends_close(&e);
}

static void holds_are_counted(void **state)
{
	struct icbmsg_rx first, second;
	struct icbmsg_event ev;
	struct ends e;

	(void)state;
	open_in_place(&e);
	/* Nothing was delivered yet. */
	assert_int_equal(icbmsg_hold_rx(e.b, &ev, &first), -ENOENT);
	ends_bind(&e, &a, &b, "count");
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	assert_int_equal(ev.type, ICBMSG_EVENT_RECEIVED);
	assert_int_equal(icbmsg_hold_rx(e.b, (const uint8_t *)ev.data + 4, &first), -ENOENT);
	assert_int_equal(icbmsg_hold_rx(e.b, ev.data, &first), 0);
	assert_int_equal(icbmsg_hold_rx(e.b, ev.data, &second), 0);
	assert_true(icbmsg_rx_is_current(e.b, first));
	/* Released while its event is still out: not given back before that is over. */
	assert_int_equal(icbmsg_release_rx(e.b, first), 0);
	assert_int_equal(icbmsg_release_rx(e.b, second), 0);
	assert_int_equal(icbmsg_release_rx(e.b, second), -ENOENT);
	assert_false(icbmsg_rx_is_current(e.b, second));
	assert_int_equal(ends_stats(e.b).rx_held, 1);
	assert_int_equal(icbmsg_next_event(e.b, &ev, 0), 0);
	assert_int_equal(icbmsg_hold_rx(e.b, &ev, &first), -ENOENT);
	assert_int_equal(ends_stats(e.b).rx_held, 0);
	ends_until_free(&e, e.a);
	ends_close(&e);
}

static void device_memory_is_not_held(void **state)
{
	struct icbmsg_event ev;
	struct icbmsg_rx rx;
	struct ends e;

	(void)state;
	ends_open(&e);
	if (ends_in_place(&e, e.b)) {
		ends_close(&e);
		skip();
	}
	ends_bind(&e, &a, &b, "device");
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	assert_int_equal(icbmsg_hold_rx(e.b, ev.data, &rx), -EOPNOTSUPP);
	ends_close(&e);
}

/* The mapping outlives the instance for as long as a buffer in it is held. */
static void held_buffers_outlive_the_instance(void **state)
{
	unsigned int before = count_fds();
	struct icbmsg_rx rx[2];
	const char *text;
	struct ends e;

	(void)state;
	open_in_place(&e);
	b.hold = true;
	ends_bind(&e, &a, &b, "outlive");
	assert_int_equal(icbmsg_send(a.ept, "still here", 11, 0), 0);
	ends_until(e.a, e.b, &b.received, 1);
	text = b.held_data[0];
	rx[0] = b.held[0];
	rx[1].id = rx[0].id + 1;
	assert_int_equal(icbmsg_close(e.b), 0);
	assert_string_equal(text, "still here");
	assert_int_equal(icbmsg_release_rx(e.b, rx[1]), -ENOENT);
	assert_string_equal(text, "still here");
	assert_int_equal(icbmsg_release_rx(e.b, rx[0]), 0);
	e.b = NULL;
	ends_close(&e);
	assert_int_equal(count_fds(), before);
}

static void events_come_one_by_one(void **state)
{
	struct icbmsg_ept *ea, *eb;
	struct icbmsg_event ev;
	struct ends e;

	(void)state;
	ends_open(&e);
	assert_int_equal(icbmsg_ept_register(e.a, &ea, "events", NULL, &a), 0);
	assert_int_equal(icbmsg_ept_register(e.b, &eb, "events", NULL, &b), 0);
	assert_ptr_equal(icbmsg_ept_user(eb), &b);
	assert_ptr_equal(icbmsg_ept_link(eb), e.b);
	for (int i = 0; !icbmsg_ept_is_bound(ea); i++) {
		assert_true(i < 100000);
		assert_int_equal(icbmsg_ept_wait_bound(eb, MS) % ETIMEDOUT, 0);
		assert_int_equal(icbmsg_ept_wait_bound(ea, MS) % ETIMEDOUT, 0);
	}
	assert_int_equal(icbmsg_send(ea, "one", 3, SURELY), 0);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	assert_int_equal(ev.type, ICBMSG_EVENT_BOUND);
	assert_ptr_equal(ev.ept, eb);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	assert_int_equal(ev.type, ICBMSG_EVENT_RECEIVED);
	assert_int_equal(ev.size, 3);
	assert_memory_equal(ev.data, "one", 3);
	assert_int_equal(icbmsg_next_event(e.b, &ev, 0), 0);
	/* Finished with, without another one. */
	assert_int_equal(icbmsg_send(ea, "six", 3, SURELY), 0);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	assert_int_equal(ends_stats(e.b).rx_held, 1);
	assert_int_equal(icbmsg_event_done(e.b), 0);
	assert_int_equal(ends_stats(e.b).rx_held, 0);
	assert_int_equal(icbmsg_event_done(e.b), 0);
	/* An event that is not finished with does not keep the instance open. */
	assert_int_equal(icbmsg_send(ea, "two", 3, SURELY), 0);
	assert_int_equal(icbmsg_next_event(e.b, &ev, SURELY), 1);
	ends_close(&e);
}

struct waiting {
	struct icbmsg *link;
	struct icbmsg_ept *ept;
	int result;
};

static void *dispatch_forever(void *arg)
{
	struct waiting *w = arg;

	do
		w->result = icbmsg_dispatch(w->link, ICBMSG_FOREVER);
	while (w->result >= 0);
	return NULL;
}

static void *wait_bound(void *arg)
{
	struct waiting *w = arg;

	w->result = icbmsg_ept_wait_bound(w->ept, ICBMSG_FOREVER);
	return NULL;
}

static void close_wakes_everybody(void **state)
{
	struct waiting w[2] = { 0 };
	pthread_t thread[2];
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_register(e.a, &a, "nobody");
	w[0].link = w[1].link = e.a;
	w[0].ept = w[1].ept = a.ept;
	assert_int_equal(pthread_create(&thread[0], NULL, dispatch_forever, &w[0]), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, wait_bound, &w[1]), 0);
	ends_until_inside(e.a, 2);
	assert_int_equal(icbmsg_close(e.a), 0);
	e.a = NULL;
	for (int i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(w[i].result, -ESHUTDOWN);
	}
	ends_close(&e);
}

static void nothing_leaks(void **state)
{
	unsigned int before = count_fds();
	struct ends e;

	(void)state;
	/* Daemons take a while to start. */
	for (int i = ends_client == ENDS_NO_CLIENT ? 0 : 16; i < 20; i++) {
		clear(NULL);
		ends_open(&e);
		ends_bind(&e, &a, &b, "leak");
		assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
		ends_close(&e);
	}
	assert_int_equal(count_fds(), before);
}

static void null_is_refused(void **state)
{
	struct icbmsg *link = NULL;
	struct icbmsg_config *cfg;
	struct icbmsg_ept *ept;
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_register(e.a, &a, "null");
	cfg = ends_config_a(&e);
	assert_int_equal(icbmsg_open(NULL, cfg), -EINVAL);
	assert_int_equal(icbmsg_open(&link, NULL), -EINVAL);
	icbmsg_config_free(cfg);
	assert_int_equal(icbmsg_close(NULL), 0);
	assert_int_equal(icbmsg_dispatch(NULL, 0), -EINVAL);
	assert_int_equal(icbmsg_ept_register(NULL, &ept, "x", NULL, NULL), -EINVAL);
	assert_int_equal(icbmsg_send(NULL, "x", 1, 0), -EINVAL);
	assert_int_equal(icbmsg_send(a.ept, NULL, 1, 0), -EINVAL);
	assert_int_equal(icbmsg_next_event(e.a, NULL, 0), -EINVAL);
	icbmsg_ept_deregister(NULL);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(held_buffers_keep_their_bytes_and_go_in_any_order, clear),
		cmocka_unit_test_setup(holds_are_counted, clear),
		cmocka_unit_test_setup(device_memory_is_not_held, clear),
		cmocka_unit_test_setup(held_buffers_outlive_the_instance, clear),
		cmocka_unit_test_setup(events_come_one_by_one, clear),
		cmocka_unit_test_setup(close_wakes_everybody, clear),
		cmocka_unit_test_setup(nothing_leaks, clear),
		cmocka_unit_test_setup(null_is_refused, clear),
	};

	return ENDS_RUN_ALL(tests);
}
