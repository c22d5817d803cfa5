// SPDX-License-Identifier: Apache-2.0
/*
 * Who waits on the pollable descriptor hears what a look that another thread took has left.
 */
#include "unit/config_rig.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "core/instance.h"
#include "core/receive.h"
#include "core/wait.h"

static struct icbmsg *instance;

/* Doorbells that nobody rings, and no timer that would make up for that. */
static int open_link(void **state)
{
	int memory, bells[2];
	char text[64];

	setup(state);
	memory = memfd_create("wait", MFD_CLOEXEC);
	assert_int_equal(ftruncate(memory, 8192), 0);
	for (int n = 0; n < 2; n++)
		bells[n] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_all_but_doorbells();
	snprintf(text, sizeof(text), "fd:%d", memory);
	set("memory", text);
	snprintf(text, sizeof(text), "eventfd:%d,%d", bells[0], bells[1]);
	set("doorbell", text);
	set("rescue-interval", "never");
	if (instance_open(&instance, cfg) < 0)
		fail_msg("%s", config_error(cfg));
	close(memory);
	close(bells[0]);
	close(bells[1]);
	return 0;
}

static int close_link(void **state)
{
	assert_int_equal(instance_close(instance), 0);
	return teardown(state);
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void finds_nothing(struct proto_link *l)
{
	(void)l;
}

static void leaves_some(struct proto_link *l)
{
	l->changed |= PROTO_MORE;
}

static void pump_with(void (*pump)(struct proto_link *l))
{
	static struct proto_ops ops;

	ops = *instance->link.ops;
	ops.pump = pump;
	instance->link.ops = &ops;
}

static void what_another_look_leaves_is_told(void **state)
{
	int fd = wait_get_fd(instance);

	(void)state;
	pump_with(finds_nothing);
	receive_dispatch(instance, 0);
	assert_false(is_readable(fd));

	pump_with(leaves_some);
	assert_int_equal(instance_enter(instance), 0); /* as who sends and waits */
	instance_pump(instance);
	instance_leave(instance);
	assert_true(is_readable(fd));

	pump_with(finds_nothing);
	receive_dispatch(instance, 0);
	assert_false(is_readable(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_another_look_leaves_is_told, open_link,
						close_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
