// SPDX-License-Identifier: Apache-2.0
/*
 * See board.h.
 */
#include "board.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#define RESCUE "200us"

const char *const board_names[BOARD_EPTS] = { "zero", "one", "a longer name" };

static uint8_t scratch[BOARD_LARGEST];

uint32_t board_random(struct board *b, uint32_t below)
{
	b->random = b->random * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(b->random >> 8) * below >> 24);
}

/* ------------------------------------------------------------------------------------------------
 * The account
 */

static struct board_message *place(struct board_queue *q, unsigned int n)
{
	return &q->message[n % (sizeof(q->message) / sizeof(q->message[0]))];
}

static struct board_message note(struct board *b, struct board_end *to, unsigned int ept,
				 uint32_t size)
{
	struct board_message m = { .ept = ept, .size = size, .seed = ++b->seed };
	struct board_queue *q = &to->expected;

	assert_true(q->tail - q->head < sizeof(q->message) / sizeof(q->message[0]));
	*place(q, q->tail++) = m;
	return m;
}

static void assert_bytes(const struct board_message *m, const void *data)
{
	fill_pattern(scratch, m->size, m->seed);
	assert_memory_equal(data, scratch, m->size);
}

/* The oldest message for @name; the oldest of all, unless a daemon may let one overtake another. */
static struct board_message take_expected(struct board_queue *q, const char *name)
{
	struct board_message m;
	unsigned int n = q->head;

	assert_true(q->head != q->tail);
	while (ends_client != ENDS_NO_CLIENT && strcmp(name, board_names[place(q, n)->ept]) != 0)
		assert_true(++n != q->tail);
	m = *place(q, n);
	for (; n != q->head; n--)
		*place(q, n) = *place(q, n - 1);
	q->head++;
	return m;
}

/* What has arrived at @to; where it is to be noted if it is kept. */
static struct board_held *arrived(struct board_end *to, const char *name, const void *data,
				  size_t size)
{
	struct board_message m = take_expected(&to->expected, name);
	struct board_held *h;

	assert_string_equal(name, board_names[m.ept]);
	assert_int_equal(size, m.size);
	assert_bytes(&m, data);
	to->received++;
	if (!to->hold)
		return NULL;
	assert_true(to->held_count < sizeof(to->held) / sizeof(to->held[0]));
	h = &to->held[to->held_count++];
	*h = (struct board_held){ .message = m, .data = data };
	return h;
}

static struct board_held take_held(struct board_end *end, unsigned int n)
{
	struct board_held h = end->held[n];

	assert_true(n < end->held_count);
	assert_bytes(&h.message, h.data);
	end->held[n] = end->held[--end->held_count];
	return h;
}

static unsigned int number_of(const char *name)
{
	unsigned int n = 0;

	while (strcmp(board_names[n], name) != 0)
		assert_true(++n < BOARD_EPTS);
	return n;
}

/* ------------------------------------------------------------------------------------------------
 * libicbmsg
 */

static void on_bound(struct icbmsg_ept *ept, void *user)
{
	((struct board *)user)->lib.bound[number_of(icbmsg_ept_name(ept))]++;
}

static void on_unbound(struct icbmsg_ept *ept, const struct icbmsg_unbound *info, void *user)
{
	(void)user;
	fail_msg("%s unbound: %s", icbmsg_ept_name(ept), icbmsg_unbound_reason_name(info->reason));
}

static void on_received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct board *b = user;
	struct board_held *h = arrived(&b->lib, icbmsg_ept_name(ept), data, size);

	if (h)
		assert_int_equal(icbmsg_hold_rx(b->link, data, &h->rx), 0);
}

static void on_error(struct icbmsg_ept *ept, int error, const char *message, void *user)
{
	(void)user;
	fail_msg("%s: error %d, %s", icbmsg_ept_name(ept), error, message);
}

static const struct icbmsg_ept_callbacks callbacks = {
	.bound = on_bound,
	.unbound = on_unbound,
	.received = on_received,
	.error = on_error,
};

void board_register(struct board *b, unsigned int ept)
{
	assert_int_equal(
		icbmsg_ept_register(b->link, &b->ept[ept], board_names[ept], &callbacks, b), 0);
}

bool board_lib_send(struct board *b, unsigned int ept, uint32_t size, bool copy)
{
	size_t got = size ? size : 1;
	void *data;
	int ret;

	if (copy) {
		fill_pattern(scratch, size, b->seed + 1);
		ret = icbmsg_send(b->ept[ept], scratch, size, 0);
	} else {
		ret = icbmsg_get_tx_buffer(b->ept[ept], &got, 0, &data);
		if (ret == 0) {
			assert_true(got >= size);
			fill_pattern(data, size, b->seed + 1);
			ret = icbmsg_send_nocopy(b->ept[ept], data, size);
		}
	}
	if (ret == -ENOBUFS)
		return false;
	assert_int_equal(ret, 0);
	note(b, &b->far, ept, size);
	return true;
}

void board_lib_release(struct board *b, unsigned int n)
{
	assert_int_equal(icbmsg_release_rx(b->link, take_held(&b->lib, n).rx), 0);
}

/* ------------------------------------------------------------------------------------------------
 * The firmware
 */

static int bell_to_lib(const struct board *b)
{
	return b->initiator ? b->e.bell_to_a : b->e.bell_to_b;
}

static int bell_to_far(const struct board *b)
{
	return b->initiator ? b->e.bell_to_b : b->e.bell_to_a;
}

static bool lost(struct board *b)
{
	return board_random(b, 100) < b->lost_percent;
}

static void far_rings(void *user)
{
	struct board *b = user;

	if (!lost(b))
		assert_int_equal(eventfd_write(bell_to_lib(b), 1), 0);
}

static void far_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	((struct board *)user)->far.bound[number_of(ept->name)]++;
}

static bool far_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			 uint32_t size, void *user)
{
	(void)fw;
	return arrived(&((struct board *)user)->far, ept->name, data, size);
}

void board_far_pump(struct board *b)
{
	eventfd_t rings;

	if (eventfd_read(bell_to_far(b), &rings) < 0)
		return;
	/* Each of them can get lost; one that is heard is enough. */
	while (rings > 0 && lost(b))
		rings--;
	if (rings > 0)
		firmware_pump(&b->fw);
}

bool board_far_send(struct board *b, unsigned int ept, uint32_t size, bool copy)
{
	const char *name = board_names[ept];
	uint32_t got = 0;
	void *data;
	int ret;

	if (copy) {
		fill_pattern(scratch, size, b->seed + 1);
		ret = firmware_send(&b->fw, name, scratch, size);
	} else {
		ret = firmware_alloc(&b->fw, size, &data, &got);
		if (ret == 0) {
			fill_pattern(data, size, b->seed + 1);
			ret = firmware_send_nocopy(&b->fw, name, data, size);
		}
	}
	if (ret == -ENOMEM)
		return false;
	assert_int_equal(ret, copy ? (int)size : 3);
	note(b, &b->lib, ept, size);
	return true;
}

void board_far_release(struct board *b, unsigned int n)
{
	assert_int_equal(firmware_release(&b->fw, take_held(&b->far, n).data), 0);
}

/* ------------------------------------------------------------------------------------------------
 * Both
 */

void board_start(struct board *b, bool initiator)
{
	struct firmware_config config = {
		.num_ep = BOARD_EPTS,
		.ring = far_rings,
		.bound = far_bound,
		.received = far_received,
		.user = b,
	};

	memset(b, 0, sizeof(*b));
	b->initiator = initiator;
	b->random = 2463534242u;
	ends_prepare(&b->e, 0xa5);
	ends_layout(initiator, &b->tx, &b->rx);
	config.map = b->e.map;
	config.tx = b->rx;
	config.rx = b->tx;
	assert_int_equal(firmware_init(&b->fw, &config), 0);
	b->link = ends_open_one(&b->e, initiator, RESCUE);
}

void board_end(struct board *b)
{
	ends_close(&b->e);
}

void board_start_bound(struct board *b, bool initiator, unsigned int epts)
{
	board_start(b, initiator);
	assert_int_equal(firmware_open(&b->fw), 0);
	for (unsigned int i = 0; i < epts; i++) {
		board_register(b, i);
		assert_int_equal(firmware_register(&b->fw, board_names[i]), 0);
		board_settle(b);
		assert_int_equal(b->lib.bound[i], 1);
		assert_int_equal(b->far.bound[i], 1);
	}
}

void board_settle(struct board *b)
{
	int idle = 0;

	/* Coming up takes as many turns in which nothing shows. */
	while (idle < (b->e.daemon ? 8 : 5)) {
		unsigned int pending = b->far.expected.head + b->lib.expected.head;
		int ret = icbmsg_dispatch(b->link, 0);

		assert_true(ret >= 0);
		board_far_pump(b);
		ends_turn(&b->e);
		pending -= b->far.expected.head + b->lib.expected.head;
		idle = ret > 0 || pending ? 0 : idle + 1;
	}
}

static bool under_way(const struct board *b)
{
	struct icbmsg_stats st = ends_stats(b->link);

	return b->far.expected.head != b->far.expected.tail ||
	       b->lib.expected.head != b->lib.expected.tail ||
	       st.tx_blocks_free != ends_blocks(b->link) || firmware_used_blocks(&b->fw) > 0;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

void board_settle_lossy(struct board *b)
{
	int64_t end = now() + SURELY;

	while (under_way(b)) {
		assert_true(now() < end);
		assert_true(icbmsg_dispatch(b->link, BOARD_WAIT) >= 0);
		board_far_pump(b);
	}
}

void board_assert_idle(struct board *b)
{
	struct icbmsg_stats st = ends_stats(b->link);

	assert_false(under_way(b));
	assert_int_equal(st.rx_held, 0);
	assert_int_equal(st.bad_packets + st.bad_blocks + st.bad_endpoints + st.bad_releases, 0);
	assert_int_equal(st.restarts, 0);
	assert_int_equal(st.rx_messages, b->lib.received);
	assert_int_equal(b->fw.counters.received, b->far.received);
	/*
	 * A daemon gets the CPU as it comes, and may announce itself anew while firmware reads: a
	 * packet that firmware does not know, once a start. In one thread that cannot happen.
	 */
	assert_in_range(b->fw.counters.errors, 0, ends_client == ENDS_NO_CLIENT ? 0 : 1);
}
