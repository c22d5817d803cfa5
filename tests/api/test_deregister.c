// SPDX-License-Identifier: Apache-2.0
/*
 * Deregistering an endpoint while its callback runs in another thread, which stays there until it
 * is told to leave.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/instance.h"
#include "crowd.h"

/* A callback that stays until it is told to leave. */
struct stay {
	atomic_bool inside, leave;
};

static void stay(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct stay *s = user;

	(void)ept;
	(void)data;
	(void)size;
	atomic_store(&s->inside, true);
	while (!atomic_load(&s->leave))
		sched_yield();
}

static void await(atomic_bool *flag)
{
	while (!atomic_load(flag))
		sched_yield();
}

struct deregistration {
	struct icbmsg_ept *ept;
	atomic_bool done;
};

static void *deregister(void *arg)
{
	struct deregistration *d = arg;

	icbmsg_ept_deregister(d->ept);
	atomic_store(&d->done, true);
	return NULL;
}

/* B dispatches in a thread, and stays in the callback of a message from A. */
struct scene {
	struct ends e;
	struct icbmsg_ept *a, *b;
	struct stay stay;
	atomic_bool stop;
	struct crowd_dispatcher dispatcher;
	struct deregistration deregistration;
	struct crowd crowd;
};

static void set_scene(struct scene *s)
{
	const struct icbmsg_ept_callbacks callbacks = { .received = stay };
	static struct seen from;

	memset(s, 0, sizeof(*s));
	ends_open(&s->e);
	crowd_dispatcher_init(&s->dispatcher, s->e.b, &s->stop);
	assert_int_equal(icbmsg_ept_register(s->e.a, &s->a, "stay", NULL, NULL), 0);
	assert_int_equal(icbmsg_ept_register(s->e.b, &s->b, "stay", &callbacks, &s->stay), 0);
	while (!icbmsg_ept_is_bound(s->a) || !icbmsg_ept_is_bound(s->b))
		ends_settle(&s->e);
	/* B finds all of them at its first look, or as many as a daemon can give it. */
	from.ept = s->a;
	ends_fill(&s->e, &from);
	crowd_start(&s->crowd, crowd_dispatch, &s->dispatcher);
	await(&s->stay.inside);
	s->deregistration.ept = s->b;
}

static void end_scene(struct scene *s)
{
	atomic_store(&s->stop, true);
	crowd_join(&s->crowd);
	ends_close(&s->e);
}

/*
 * Deregistering gives messages back and then waits for the callback. Who waits for their blocks on
 * the other side is told at once, not when the callback ends: here it ends after that.
 */
static void deregistering_rings_before_it_waits(void **state)
{
	struct scene s;

	(void)state;
	/* One is in its callback, so there must be others. */
	if (ends_param->a_blocks < 2)
		skip();
	set_scene(&s);
	crowd_start(&s.crowd, deregister, &s.deregistration);
	assert_int_equal(icbmsg_send(s.a, "y", 1, ICBMSG_FOREVER), 0);
	assert_false(atomic_load(&s.deregistration.done));
	atomic_store(&s.stay.leave, true);
	end_scene(&s);
}

/* It waits for the callback that runs, not for those of the next who registers the name. */
static void deregistering_waits_for_one_callback(void **state)
{
	struct icbmsg_ept_callbacks callbacks = { .received = stay };
	struct icbmsg_ept *again;
	struct stay next = { .inside = false };
	struct scene s;
	int ret;

	(void)state;
	set_scene(&s);
	crowd_start(&s.crowd, deregister, &s.deregistration);
	do
		ret = icbmsg_ept_register(s.e.b, &again, "stay", &callbacks, &next);
	while (ret == -EEXIST);
	assert_int_equal(ret, 0);
	if (ends_param->a_blocks > 1)
		assert_int_equal(icbmsg_send(s.a, "x", 1, ICBMSG_FOREVER), 0);
	atomic_store(&s.stay.leave, true);
	if (ends_param->a_blocks == 1)
		assert_int_equal(icbmsg_send(s.a, "x", 1, ICBMSG_FOREVER), 0);
	await(&next.inside);
	await(&s.deregistration.done);
	atomic_store(&next.leave, true);
	end_scene(&s);
}

static void *close_b(void *arg)
{
	struct scene *s = arg;

	crowd_check(icbmsg_close(s->e.b) == 0, "cannot close");
	return NULL;
}

static bool is_closing(struct icbmsg *link)
{
	bool closing;

	pthread_mutex_lock(&link->lock);
	closing = link->closing;
	pthread_mutex_unlock(&link->lock);
	return closing;
}

/* What the callback uses may go when deregistering is over, also while somebody closes. */
static void deregistering_waits_while_closing(void **state)
{
	struct scene s;

	(void)state;
	set_scene(&s);
	crowd_start(&s.crowd, close_b, &s);
	while (!is_closing(s.e.b))
		sched_yield();
	crowd_start(&s.crowd, deregister, &s.deregistration);
	/* The one in the callback, and this one. */
	ends_until_inside(s.e.b, 2);
	assert_false(atomic_load(&s.deregistration.done));
	/* No further call may come in. */
	atomic_store(&s.stop, true);
	atomic_store(&s.stay.leave, true);
	crowd_join(&s.crowd);
	s.e.b = NULL;
	ends_close(&s.e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(deregistering_rings_before_it_waits, crowd_calm),
		cmocka_unit_test_setup(deregistering_waits_for_one_callback, crowd_calm),
		cmocka_unit_test_setup(deregistering_waits_while_closing, crowd_calm),
	};

	return CROWD_RUN(tests);
}
