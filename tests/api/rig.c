// SPDX-License-Identifier: Apache-2.0
/*
 * See rig.h.
 */
#include "rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool fw_received(struct firmware *fw, struct firmware_endpoint *ept, const void *data,
			uint32_t size, void *user)
{
	struct rig *r = user;

	(void)ept;
	(void)fw;
	assert_true(size >= 4);
	assert_memory_equal(data, "ping", 4);
	r->last_size = size;
	memcpy(r->last, data, size < sizeof(r->last) ? size : sizeof(r->last));
	r->received++;
	return false;
}

static void fw_bound(struct firmware *fw, struct firmware_endpoint *ept, void *user)
{
	(void)fw;
	(void)ept;
	((struct rig *)user)->bound++;
}

static void fw_ring(void *user)
{
	uint64_t one = 1;

	assert_int_equal(write(((struct rig *)user)->e.bell_to_a, &one, sizeof(one)), sizeof(one));
}

void rig_start(struct rig *r)
{
	struct firmware_config c = { .map = r->e.map,
				     .ring = fw_ring,
				     .bound = fw_bound,
				     .received = fw_received,
				     .user = r };

	ends_layout(r->initiator, &c.rx, &c.tx);
	r->received = r->bound = 0;
	assert_int_equal(firmware_init(&r->fw, &c), 0);
	assert_int_equal(firmware_open(&r->fw), 0);
	assert_int_equal(firmware_register(&r->fw, "ep0"), 0);
}

struct icbmsg *rig_lib(struct rig *r)
{
	return r->initiator ? r->e.a : r->e.b;
}

void rig_take_bells(struct rig *r)
{
	uint64_t n;

	if (read(r->initiator ? r->e.bell_to_b : r->e.bell_to_a, &n, sizeof(n)) > 0)
		r->pending += (unsigned int)n;
}

void rig_turn(struct rig *r)
{
	rig_take_bells(r);
	if (r->pending > 0) {
		r->pending = 0;
		firmware_pump(&r->fw);
	}
}

void rig_open(struct rig *r, bool initiator, uint8_t fill)
{
	memset(r, 0, sizeof(*r));
	/* libicbmsg's end is the one that can be a client. */
	r->initiator = ends_client == ENDS_NO_CLIENT ? initiator : ends_client == ENDS_CLIENT_A;
	ends_prepare(&r->e, fill);
	/*
	 * Firmware that gets no CPU for ten rescues is taken for dead where silence is doubted, and
	 * what it has just read is announced anew. In one thread that cannot happen by chance.
	 */
	ends_open_one(&r->e, r->initiator, ends_client == ENDS_NO_CLIENT ? "200us" : "10ms");
	ends_register(rig_lib(r), &r->seen, "ep0");
	rig_start(r);
}

void rig_close(struct rig *r)
{
	ends_close(&r->e);
}

static bool is_bound(const struct rig *r, int bound)
{
	return r->seen.bound >= bound && icbmsg_ept_is_bound(r->seen.ept) && r->bound > 0;
}

void rig_until_bound(struct rig *r, int bound)
{
	for (int turn = 0, sure = 0; sure < (r->e.daemon ? 2 : 1); turn++) {
		if (turn > RIG_TURNS)
			fail_msg("not bound again: %d of %d here, %d lost, %u there, restart %u",
				 r->seen.bound, bound, r->seen.unbound, r->bound, r->restarts);
		rig_turn(r);
		/* A daemon knows of the restart when the firmware is bound, its client later. */
		ends_turn(&r->e);
		assert_true(icbmsg_dispatch(rig_lib(r), r->pending || sure ? 0 : MS) >= 0);
		sure = is_bound(r, bound) ? sure + 1 : 0;
	}
}

void rig_work(struct rig *r, int turn)
{
	assert_true(turn < RIG_TURNS);
	rig_turn(r);
	assert_true(icbmsg_dispatch(rig_lib(r), r->pending ? 0 : MS) >= 0);
}

void rig_exchange(struct rig *r)
{
	uint32_t there = r->received;
	int here = r->seen.received;

	for (int i = 0; i < 5; i++) {
		while (icbmsg_send(r->seen.ept, "ping", 4, 0) == -ENOBUFS) {
			rig_turn(r);
			assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
		}
		while (firmware_send(&r->fw, "ep0", "pong", 4) < 0) {
			rig_turn(r);
			assert_true(icbmsg_dispatch(rig_lib(r), 0) >= 0);
		}
	}
	for (int turn = 0; r->received < there + 5 || r->seen.received < here + 5; turn++)
		rig_work(r, turn);
	assert_memory_equal(r->seen.data, "pong", 4);
}

void rig_until_free(struct rig *r)
{
	struct icbmsg *lib = rig_lib(r);

	for (int turn = 0; ends_stats(lib).tx_blocks_free < ends_blocks(lib); turn++)
		rig_work(r, turn);
}
