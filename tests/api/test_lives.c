// SPDX-License-Identifier: Apache-2.0
/*
 * Endpoints come and go in some threads while others send, wait and dispatch: nothing is delivered
 * to one that is gone, nothing twice or out of order, and what was sent was delivered or counted.
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crowd.h"
#include "through_daemon.h"

#define NAMES 2
#define SENDERS 2 /* per name and side: the thread whose endpoint it is, and a companion */
#define DISPATCHERS 2

/* Set by the environment for runs of many rounds. */
static uint32_t lives = 60;

struct side;

/* One registration of a name; messages that come are its own until it is gone. */
struct life {
	struct owner *owner;
	atomic_bool leaving; /* who takes this back deregisters */
	atomic_bool gone;
};

/* A name on one side: a thread that registers and deregisters it, and a companion that uses it. */
struct owner {
	struct side *side;
	char name[4];
	struct icbmsg_ept *ept;
	uint32_t number[SENDERS]; /* of the next message; the thread's own */
	uint32_t next[SENDERS];   /* not before this one comes; dispatching thread only */
	uint32_t random[SENDERS];
	sem_t call, returned; /* of the companion */
	struct life *life;    /* all of them, so that none is mistaken for another */
};

struct side {
	struct icbmsg *link;
	struct owner owner[NAMES];
	struct crowd_dispatcher dispatcher;
	atomic_bool stop;
	atomic_uint sent, received;
};

static void leave(struct life *l, struct icbmsg_ept *ept)
{
	icbmsg_ept_deregister(ept);
	atomic_store(&l->gone, true);
}

static void received(struct icbmsg_ept *ept, const void *data, size_t size, void *user)
{
	struct crowd_message m = crowd_read(data, size);
	struct life *l = user;
	struct owner *o = l->owner;

	crowd_check(!atomic_load(&l->gone), "a message for an endpoint that is gone");
	crowd_check(m.sender < SENDERS && m.number >= o->next[m.sender],
		    "a message repeated or out of order");
	o->next[m.sender] = m.number + 1;
	atomic_fetch_add(&o->side->received, 1);
	if (atomic_exchange(&l->leaving, false))
		leave(l, ept);
}

static void other_event(struct icbmsg_ept *ept, void *user)
{
	struct life *l = user;

	(void)ept;
	crowd_check(!atomic_load(&l->gone), "an event for an endpoint that is gone");
}

/* What a send may come to while the endpoint may go at any moment. */
static bool may_return(int ret)
{
	return ret == 0 || ret == -ENOBUFS || ret == -ETIMEDOUT || ret == -ENOTCONN ||
	       ret == -ECANCELED;
}

static void send_one(struct owner *o, uint32_t sender, int64_t timeout)
{
	uint8_t message[512];
	size_t size = crowd_size(o->side->link, &o->random[sender]);
	int ret;

	crowd_write(message, sender, o->number[sender], size);
	ret = icbmsg_send(o->ept, message, size, timeout);
	crowd_check(may_return(ret), "a send failed");
	if (ret == 0) {
		o->number[sender]++;
		atomic_fetch_add(&o->side->sent, 1);
	}
}

/* Takes a buffer, and sends it or gives it back. */
static void send_in_place(struct owner *o, uint32_t sender)
{
	struct icbmsg *link = o->side->link;
	size_t size = crowd_size(link, &o->random[sender]);
	void *buffer;
	int ret;

	ret = icbmsg_get_tx_buffer(o->ept, &size, crowd_timeout(&o->random[sender]), &buffer);
	crowd_check(may_return(ret) || ret == -EOPNOTSUPP, "cannot take a buffer");
	if (ret < 0)
		return;
	crowd_write(buffer, sender, o->number[sender], size);
	if (crowd_random(&o->random[sender], 2) && icbmsg_send_nocopy(o->ept, buffer, size) == 0) {
		o->number[sender]++;
		atomic_fetch_add(&o->side->sent, 1);
	} else {
		crowd_check(icbmsg_drop_tx_buffer(link, buffer) == 0, "cannot drop a buffer");
	}
}

/* A semaphore, whatever signals come in between. */
static void await(sem_t *sem)
{
	while (sem_wait(sem) < 0)
		;
}

/* One call for each life, for ever if need be: the endpoint's end gets it out. */
static void *accompany(void *owner)
{
	struct owner *o = owner;

	for (uint32_t n = 0; n < lives; n++) {
		await(&o->call);
		if (crowd_random(&o->random[1], 2))
			send_one(o, 1, ICBMSG_FOREVER);
		else
			crowd_check(may_return(icbmsg_ept_wait_bound(o->ept, ICBMSG_FOREVER)),
				    "waiting for bound failed");
		sem_post(&o->returned);
	}
	return NULL;
}

/* From here or from the callback, whoever comes first. */
static void end_life(struct life *l)
{
	struct owner *o = l->owner;

	if (crowd_random(&o->random[0], 2)) {
		leave(l, o->ept);
	} else {
		atomic_store(&l->leaving, true);
		for (uint32_t n = crowd_random(&o->random[0], 50); n > 0; n--)
			sched_yield();
		if (atomic_exchange(&l->leaving, false))
			leave(l, o->ept);
	}
	while (!atomic_load(&l->gone))
		sched_yield();
}

static void live(struct life *l)
{
	const struct icbmsg_ept_callbacks callbacks = {
		.received = received,
		.bound = other_event,
		.writable = other_event,
	};
	struct owner *o = l->owner;
	int ret;

	crowd_check(icbmsg_ept_register(o->side->link, &o->ept, o->name, &callbacks, l) == 0,
		    "cannot register");
	sem_post(&o->call);
	ret = icbmsg_ept_wait_bound(o->ept, crowd_random(&o->random[0], 2) * MS);
	crowd_check(ret == 0 || ret == -ETIMEDOUT, "waiting for bound failed");
	for (uint32_t n = crowd_random(&o->random[0], 8); n > 0; n--)
		if (crowd_random(&o->random[0], 3))
			send_one(o, 0, crowd_timeout(&o->random[0]));
		else
			send_in_place(o, 0);
}

/*
 * The last life does not end: an announcement that found nobody would keep its block for good, and
 * another one's sender may wait for that.
 */
static void *live_often(void *owner)
{
	struct owner *o = owner;

	for (uint32_t n = 0; n < lives; n++) {
		live(&o->life[n]);
		if (n + 1 < lives)
			end_life(&o->life[n]);
		await(&o->returned);
	}
	return NULL;
}

/*
 * Each name gets its place in the instance, so that a companion who comes late, when a life is over
 * already, meets the same name and not another.
 */
static void reserve_names(struct side *s)
{
	for (int n = 0; n < NAMES; n++)
		assert_int_equal(icbmsg_ept_register(s->link, &s->owner[n].ept, s->owner[n].name,
						     NULL, NULL),
				 0);
	for (int n = 0; n < NAMES; n++)
		icbmsg_ept_deregister(s->owner[n].ept);
}

static void open_side(struct side *s, struct icbmsg *link)
{
	memset(s, 0, sizeof(*s));
	s->link = link;
	crowd_dispatcher_init(&s->dispatcher, link, &s->stop);
	for (uint32_t n = 0; n < NAMES; n++) {
		struct owner *o = &s->owner[n];

		o->side = s;
		sem_init(&o->call, 0, 0);
		sem_init(&o->returned, 0, 0);
		snprintf(o->name, sizeof(o->name), "n%u", (unsigned int)n % NAMES);
		o->random[0] = 100 * n + 1;
		o->random[1] = 100 * n + 2;
		o->life = calloc(lives, sizeof(*o->life));
		assert_non_null(o->life);
		for (uint32_t k = 0; k < lives; k++)
			o->life[k].owner = o;
	}
	reserve_names(s);
}

static void free_side(struct side *s)
{
	for (int n = 0; n < NAMES; n++)
		free(s->owner[n].life);
}

static void settle_names(struct ends *e, const struct side *side)
{
	for (int n = 0; n < NAMES; n++)
		while (!icbmsg_ept_is_bound(side[0].owner[n].ept) ||
		       !icbmsg_ept_is_bound(side[1].owner[n].ept))
			ends_settle(e);
	ends_settle(e);
}

/*
 * Messages of the core's that came while no client had the endpoint, or that waited for one when it
 * gave it back. The other way a daemon drops nothing.
 */
static unsigned int dropped_by_daemon(const struct ends *e, const struct side *from)
{
	return ends_lends(e, from->link) ? 0 : through_dropped(e->daemon);
}

/* All that was sent was delivered or counted as dropped. */
static void assert_accounts(struct ends *e, const struct side *from, const struct side *to)
{
	struct icbmsg_stats st = ends_stats(to->link);

	assert_int_equal(from->sent, to->received + st.rx_dropped + dropped_by_daemon(e, from));
	assert_int_equal(st.rx_held, 0);
	assert_int_equal(st.restarts, 0);
	assert_int_equal(st.rescues, 0);
	assert_int_equal(st.bad_packets + st.bad_blocks + st.bad_endpoints + st.bad_releases, 0);
	assert_int_equal(ends_stats(from->link).tx_blocks_free, ends_blocks(from->link));
}

static void endpoints_come_and_go(void **state)
{
	struct crowd dispatchers = { .count = 0 }, owners = { .count = 0 };
	static struct side side[2];
	struct ends e;

	(void)state;
	ends_open(&e);
	open_side(&side[0], e.a);
	open_side(&side[1], e.b);
	for (int k = 0; k < 2; k++) {
		for (int n = 0; n < DISPATCHERS; n++)
			crowd_start(&dispatchers, crowd_dispatch, &side[k].dispatcher);
		for (int n = 0; n < NAMES; n++) {
			crowd_start(&owners, accompany, &side[k].owner[n]);
			crowd_start(&owners, live_often, &side[k].owner[n]);
		}
	}
	crowd_join(&owners);
	atomic_store(&side[0].stop, true);
	atomic_store(&side[1].stop, true);
	crowd_join(&dispatchers);
	settle_names(&e, side);
	ends_until_free(&e, e.a);
	ends_until_free(&e, e.b);
	assert_accounts(&e, &side[0], &side[1]);
	assert_accounts(&e, &side[1], &side[0]);
	ends_close(&e);
	free_side(&side[0]);
	free_side(&side[1]);
}

int main(void)
{
	const char *more = getenv("ICBMSG_THREADS_LIVES");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(endpoints_come_and_go, crowd_calm),
	};

	if (more)
		lives = (uint32_t)strtoul(more, NULL, 10);
	return CROWD_RUN(tests);
}
