// SPDX-License-Identifier: Apache-2.0
/*
 * Messages whose fate somebody wants to know: released, outstanding or lost, and an event for those
 * who wait.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;
static int released;

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	released = 0;
	return 0;
}

static void on_released(struct icbmsg_ept *ept, void *user)
{
	assert_ptr_equal(ept, ((struct seen *)user)->ept);
	released++;
}

/* As ends_bind(), with an eye on what is released to A. */
static void bind(struct ends *e)
{
	struct icbmsg_ept_callbacks callbacks = seen_callbacks;

	callbacks.released = on_released;
	ends_open(e);
	ends_register(e->b, &b, "tracked");
	assert_int_equal(icbmsg_ept_register(e->a, &a.ept, "tracked", &callbacks, &a), 0);
	ends_until(e->a, e->b, &a.bound, 1);
	ends_until(e->a, e->b, &b.bound, 1);
}

static struct icbmsg_tx send_one(void)
{
	struct icbmsg_tx tx;

	assert_int_equal(icbmsg_send_tracked(a.ept, "message", 7, SURELY, &tx), 0);
	return tx;
}

static void released_when_the_other_side_is_done(void **state)
{
	bool hold = !ends_param->memory_type;
	struct icbmsg_tx tx;
	struct ends e;

	(void)state;
	bind(&e);
	b.hold = hold;
	tx = send_one();
	assert_int_equal(icbmsg_tx_state(e.a, tx), -EINPROGRESS);
	ends_until(e.b, NULL, &b.received, 1);
	if (hold) {
		ends_settle(&e);
		assert_int_equal(icbmsg_tx_state(e.a, tx), -EINPROGRESS);
		assert_int_equal(released, 0);
		assert_int_equal(icbmsg_release_rx(e.b, b.held[0]), 0);
	}
	ends_until(e.a, e.b, &released, 1);
	assert_int_equal(icbmsg_tx_state(e.a, tx), 0);
	/* And stays so, whatever is sent from the same blocks. */
	for (int i = 0; i < 50; i++) {
		b.held_count = 0;
		b.hold = false;
		assert_int_equal(icbmsg_send(a.ept, "other", 5, SURELY), 0);
		ends_settle(&e);
		assert_int_equal(icbmsg_tx_state(e.a, tx), 0);
	}
	assert_int_equal(released, 1);
	ends_close(&e);
}

static void in_place_and_in_any_order(void **state)
{
	struct icbmsg_tx tx[2];
	struct ends e;
	void *data;
	size_t size;

	(void)state;
	if (ends_param->memory_type || ends_param->a_blocks < 2)
		skip();
	bind(&e);
	b.hold = true;
	for (int i = 0; i < 2; i++) {
		size = 1;
		assert_int_equal(icbmsg_get_tx_buffer(a.ept, &size, SURELY, &data), 0);
		memset(data, i, size);
		assert_int_equal(icbmsg_send_nocopy_tracked(a.ept, data, 1, &tx[i]), 0);
	}
	ends_until(e.a, e.b, &b.received, 2);
	assert_int_equal(icbmsg_release_rx(e.b, b.held[1]), 0);
	ends_until(e.a, e.b, &released, 1);
	assert_int_equal(icbmsg_tx_state(e.a, tx[0]), -EINPROGRESS);
	assert_int_equal(icbmsg_tx_state(e.a, tx[1]), 0);
	assert_int_equal(icbmsg_release_rx(e.b, b.held[0]), 0);
	ends_until(e.a, e.b, &released, 2);
	assert_int_equal(icbmsg_tx_state(e.a, tx[0]), 0);
	ends_close(&e);
}

/* Nothing is written where nothing was sent. */
static void refused_messages_have_no_handle(void **state)
{
	struct icbmsg_tx tx = { .id = 42 };
	struct ends e;

	(void)state;
	bind(&e);
	assert_int_equal(icbmsg_send_tracked(a.ept, "", icbmsg_max_size(e.a) + 1, 0, &tx),
			 -EMSGSIZE);
	while (icbmsg_send(a.ept, "full", 4, 0) == 0)
		;
	assert_int_equal(icbmsg_send_tracked(a.ept, "", 0, 0, &tx), -ENOBUFS);
	assert_int_equal(icbmsg_send_tracked(a.ept, "", 0, 0, NULL), -EINVAL);
	assert_int_equal(tx.id, 42);
	assert_int_equal(icbmsg_tx_state(e.a, tx), -ENOENT);
	tx.id = 0;
	assert_int_equal(icbmsg_tx_state(e.a, tx), -ENOENT);
	ends_close(&e);
}

static void lost_with_the_session(void **state)
{
	struct icbmsg_tx tx;
	struct ends e;

	(void)state;
	/* Between two libicbmsg ends without session words nothing shows that one has ended. */
	if (ends_param->alignment < 8)
		skip();
	bind(&e);
	tx = send_one();
	assert_int_equal(icbmsg_close(e.b), 0);
	ends_until(e.a, NULL, &a.unbound, 1);
	assert_int_equal(icbmsg_tx_state(e.a, tx), -ESTALE);
	assert_int_equal(released, 0);
	clear(NULL);
	ends_open_b(&e);
	ends_register(e.b, &b, "tracked");
	ends_until(e.b, e.a, &b.bound, 1);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(released_when_the_other_side_is_done, clear),
		cmocka_unit_test_setup(in_place_and_in_any_order, clear),
		cmocka_unit_test_setup(refused_messages_have_no_handle, clear),
		cmocka_unit_test_setup(lost_with_the_session, clear),
	};

	return ENDS_RUN_ALL(tests);
}
