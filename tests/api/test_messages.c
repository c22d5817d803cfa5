// SPDX-License-Identifier: Apache-2.0
/*
 * Messages of every length, with copy and without, in every place of the rings.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;
static uint8_t pattern[1 << 17];

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	return 0;
}

/* Send one message from @from to @to and check that it arrives as it is. */
static void pass(struct ends *e, struct seen *from, struct seen *to, size_t size, bool copy)
{
	int before = to->received;

	fill_pattern(pattern, size, (unsigned int)size + 1);
	if (copy) {
		assert_int_equal(icbmsg_send(from->ept, pattern, size, SURELY), 0);
	} else {
		size_t got = size;
		void *buffer;

		assert_int_equal(icbmsg_get_tx_buffer(from->ept, &got, SURELY, &buffer), 0);
		assert_true(got >= size);
		memcpy(buffer, pattern, size);
		assert_int_equal(icbmsg_send_nocopy(from->ept, buffer, size), 0);
	}
	ends_until(e->a, e->b, &to->received, before + 1);
	assert_int_equal(to->size, size);
	assert_memory_equal(to->data, pattern, size);
}

static void assert_all_free(struct ends *e)
{
	ends_until_free(e, e->a);
	ends_until_free(e, e->b);
	assert_int_equal(ends_stats(e->a).rx_held, 0);
	assert_int_equal(ends_stats(e->b).rx_held, 0);
}

/*
 * All lengths where there are few, otherwise those around every multiple of a block. Through a daemon
 * each one takes two processes' turns, and its blocks for the client are of another size.
 */
static bool is_interesting(const struct icbmsg_layout *l, size_t max, size_t size)
{
	size_t rest = (size + l->word_size) % l->tx.block_size;

	if (rest <= 2 || rest >= l->tx.block_size - 2 || size == max)
		return true;
	return max <= 5000 && (ends_client == ENDS_NO_CLIENT || size % 7 == 0);
}

static void every_length(void **state)
{
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "lengths");
	for (int dir = 0; dir < 2; dir++) {
		struct seen *from = dir ? &b : &a, *to = dir ? &a : &b;
		struct icbmsg *link = dir ? e.b : e.a;
		bool zero_copy = ends_in_place(&e, link);
		size_t max = icbmsg_max_size(link);
		struct icbmsg_layout l;

		icbmsg_get_layout(link, &l, sizeof(l));
		/* A daemon's client can have more room than the link behind the daemon. */
		if (ends_client == ENDS_NO_CLIENT)
			assert_int_equal(max, l.tx.block_size * l.tx.block_count - l.word_size);
		for (size_t n = 0; n <= max; n++)
			if (is_interesting(&l, max, n))
				pass(&e, from, to, n, n % 2 || !zero_copy);
		assert_int_equal(icbmsg_send(from->ept, pattern, max + 1, 0), -EMSGSIZE);
	}
	assert_all_free(&e);
	ends_close(&e);
}

/*
 * Control packets at every offset of both rings: message after message, until both have lapped
 * often enough to have met every alignment of packet and end.
 */
static void rings_wrap_everywhere(void **state)
{
	struct icbmsg_layout l;
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "wrap");
	icbmsg_get_layout(e.a, &l, sizeof(l));
	for (uint32_t n = 0; n < l.tx.ring_len + l.rx.ring_len; n++)
		pass(&e, n % 3 ? &a : &b, n % 3 ? &b : &a, 1 + n % 3, true);
	assert_all_free(&e);
	ends_close(&e);
}

static void release_held(struct seen *s)
{
	while (s->held_count > 0)
		assert_int_equal(
			icbmsg_release_rx(icbmsg_ept_link(s->ept), s->held[--s->held_count]), 0);
}

static int fill_all(struct ends *e, struct seen *from, struct icbmsg *link)
{
	int n = ends_fill(e, from);

	assert_in_range(n, ends_blocks(link), ends_lends(e, link) ? ends_blocks(link) : INT_MAX);
	return n;
}

/* As many messages in flight as there are blocks, in both directions at once. */
static void all_blocks_in_flight(void **state)
{
	struct ends e;
	int na = 0, nb = 0;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "flight");
	a.hold = ends_in_place(&e, e.a);
	b.hold = ends_in_place(&e, e.b);
	for (int lap = 0; lap < 3; lap++) {
		na += fill_all(&e, &a, e.a);
		nb += fill_all(&e, &b, e.b);
		ends_settle(&e);
		if (b.hold && ends_lends(&e, e.a))
			assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), -ENOBUFS);
		if (a.hold && ends_lends(&e, e.b))
			assert_int_equal(icbmsg_send(b.ept, "x", 1, 0), -ENOBUFS);
		if (ends_client == ENDS_NO_CLIENT)
			assert_true(a.received == nb && b.received == na);
		/* With a daemon between them there may be more blocks than the link has. */
		while (a.received < nb || b.received < na) {
			release_held(&a);
			release_held(&b);
			ends_settle(&e);
		}
		assert_int_equal(a.received, nb);
		assert_int_equal(b.received, na);
		release_held(&a);
		release_held(&b);
		ends_settle(&e);
	}
	assert_all_free(&e);
	ends_close(&e);
}

static uint32_t expected;

static void check_order(struct seen *s, const void *data, size_t size)
{
	uint32_t n;

	(void)s;
	assert_true(size >= sizeof(n));
	memcpy(&n, data, sizeof(n));
	assert_int_equal(n, expected++);
}

static void messages_stay_in_order(void **state)
{
	int count = ends_client == ENDS_NO_CLIENT ? 2000 : 500;
	int sent = 0;
	struct ends e;

	(void)state;
	expected = 0;
	ends_open(&e);
	b.on_received = check_order;
	ends_bind(&e, &a, &b, "order");
	while (sent < count) {
		size_t size = 4 + (size_t)sent * 7 % (icbmsg_max_size(e.a) - 3);

		memset(pattern, 0, size);
		memcpy(pattern, &sent, sizeof(sent));
		if (icbmsg_send(a.ept, pattern, size, 0) == 0)
			sent++;
		else
			ends_settle(&e);
	}
	ends_until(e.a, e.b, &b.received, count);
	assert_int_equal(expected, count);
	assert_all_free(&e);
	ends_close(&e);
}

/* Messages of several endpoints in one batch go where they belong. */
static void endpoints_do_not_mix(void **state)
{
	static struct seen sa[4], sb[4];
	struct ends e;
	char name[8];

	(void)state;
	memset(sa, 0, sizeof(sa));
	memset(sb, 0, sizeof(sb));
	ends_open(&e);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		ends_bind(&e, &sa[i], &sb[i], name);
	}
	for (int n = 0; n < 200; n++) {
		int i = n * 7 % 4;

		snprintf(name, sizeof(name), "m%d", i);
		assert_int_equal(icbmsg_send(sa[i].ept, name, 3, SURELY), 0);
		ends_until(e.a, e.b, &sb[i].received, n / 4 + 1);
		assert_memory_equal(sb[i].data, name, 3);
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(sb[i].received, 50);
	assert_all_free(&e);
	ends_close(&e);
}

static void zero_copy_buffers(void **state)
{
	size_t max, size, got;
	void *one, *two;
	struct ends e;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "buffers");
	size = 1;
	if (!ends_in_place(&e, e.a)) {
		assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &one), -EOPNOTSUPP);
		ends_close(&e);
		return;
	}
	/* The longest run there is, then nothing is left; shrunk at sending. */
	max = icbmsg_max_size(e.a);
	size = 0;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &one), 0);
	assert_int_equal(size, max);
	got = 1;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &got, 0, &two), -ENOBUFS);
	assert_int_equal(icbmsg_send_nocopy(a.ept, one, max + 1), -EMSGSIZE);
	memcpy(one, "abc", 3);
	assert_int_equal(icbmsg_send_nocopy(a.ept, one, 3), 0);
	if (ends_lends(&e, e.a))
		assert_int_equal(ends_stats(e.a).tx_blocks_free, ends_blocks(e.a) - 1);
	assert_int_equal(icbmsg_send_nocopy(a.ept, one, 3), -EINVAL);
	ends_until(e.a, e.b, &b.received, 1);
	assert_memory_equal(b.data, "abc", 3);
	ends_until_free(&e, e.a);
	/* Whole blocks, whatever was asked for; dropping gives them back. */
	size = max / 2 + 1;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &one), 0);
	assert_true(size > max / 2);
	assert_int_equal(icbmsg_drop_tx_buffer(e.a, (uint8_t *)one + 4), -EINVAL);
	assert_int_equal(icbmsg_drop_tx_buffer(e.a, &size), -EINVAL);
	assert_int_equal(icbmsg_drop_tx_buffer(e.a, one), 0);
	assert_int_equal(icbmsg_drop_tx_buffer(e.a, one), -EINVAL);
	size = max + 1;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &one), -EMSGSIZE);
	size = max;
	assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, 0, &one), 0);
	assert_int_equal(icbmsg_send_nocopy(a.ept, one, size), 0);
	ends_until(e.a, e.b, &b.received, 2);
	assert_int_equal(b.size, max);
	assert_all_free(&e);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_length, clear),
		cmocka_unit_test_setup(rings_wrap_everywhere, clear),
		cmocka_unit_test_setup(all_blocks_in_flight, clear),
		cmocka_unit_test_setup(messages_stay_in_order, clear),
		cmocka_unit_test_setup(endpoints_do_not_mix, clear),
		cmocka_unit_test_setup(zero_copy_buffers, clear),
	};

	return ENDS_RUN_ALL(tests);
}
