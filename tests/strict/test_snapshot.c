// SPDX-License-Identifier: Apache-2.0
/*
 * Looking into a link from outside, on device memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;

/* Is a message of @size bytes with @data in one of the buffers that B has sent? */
static bool is_in_memory(const struct icbmsg_snapshot *s, const void *data, size_t size)
{
	struct icbmsg_snapshot_buffer buffer;
	uint32_t block;

	for (block = 0; icbmsg_snapshot_get_buffer(s, ICBMSG_RX, block, &buffer) == 0; block++)
		if (buffer.valid && buffer.size == size && memcmp(buffer.data, data, size) == 0)
			return true;
	return false;
}

static void a_live_link_is_looked_into(void **state)
{
	struct icbmsg_snapshot_ring ring;
	struct icbmsg_snapshot *s;
	struct icbmsg_config *cfg;
	char text[64];
	struct ends e;
	size_t n;

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	ends_open(&e);
	ends_bind(&e, &a, &b, "look");
	cfg = ends_config_a(&e);
	for (n = 1; n < 40; n++) {
		memset(text, (int)('0' + n), n);
		assert_int_equal(icbmsg_send(b.ept, text, n, SURELY), 0);
		if (icbmsg_snapshot_new(&s, cfg) < 0)
			fail_msg("%s", icbmsg_config_error(cfg));
		assert_int_equal(icbmsg_snapshot_get_ring(s, ICBMSG_RX, &ring), 0);
		assert_true(ring.valid && !ring.damaged && ring.used > 0);
		assert_true(is_in_memory(s, text, n));
		icbmsg_snapshot_free(s);
		ends_until(e.a, e.b, &a.received, (int)n);
	}
	icbmsg_config_free(cfg);
	ends_close(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_link_is_looked_into),
	};

	return ENDS_RUN_ALL(tests);
}
