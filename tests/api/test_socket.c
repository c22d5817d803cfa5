// SPDX-License-Identifier: Apache-2.0
/*
 * Doorbells over a socket that the program itself reads, as icbmsgd and its clients do. No doorbell
 * gets lost there, so nothing may need a timer: with rescue-interval = never none is armed, and
 * what moves the link is what arrives.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"
#include "support/set.h"

#define REGION 0x2000u

static unsigned int armed;

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *before);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *before);

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *when,
			   struct itimerspec *before)
{
	armed += when->it_value.tv_sec > 0 || when->it_value.tv_nsec > 0;
	return __real_timerfd_settime(fd, flags, when, before);
}

/* One end, its socket, and whether it is looked after. */
struct side {
	bool initiator;
	int socket;
	unsigned int rings;
	struct icbmsg *link;
	struct seen seen;
};

struct pair {
	int memory;
	struct side a, b;
};

static void open_side(const struct pair *p, struct side *s)
{
	struct icbmsg_config *cfg;

	assert_int_equal(icbmsg_config_new(&cfg), 0);
	set(cfg, "memory", "fd:%d", p->memory);
	set(cfg, "doorbell", "socket:%d", s->socket);
	set(cfg, "rescue-interval", "never");
	set(cfg, "word-size", "8");
	set(cfg, "dcache-alignment", "64");
	set(cfg, s->initiator ? "rx-region" : "tx-region", "0 %u", REGION);
	set(cfg, s->initiator ? "tx-region" : "rx-region", "%u %u", REGION, REGION);
	set(cfg, "tx-blocks", "8");
	set(cfg, "rx-blocks", "8");
	if (icbmsg_open(&s->link, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
	memset(&s->seen, 0, sizeof(s->seen));
	ends_register(s->link, &s->seen, "ep");
	/* What it is owed as long as it has not been asked for the descriptor is for nobody. */
	icbmsg_get_fd(s->link);
}

static void prepare(struct pair *p)
{
	int sockets[2];

	memset(p, 0, sizeof(*p));
	armed = 0;
	p->memory = memfd_create("pair", MFD_CLOEXEC);
	assert_int_equal(ftruncate(p->memory, (off_t)2 * REGION), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	p->a.initiator = true;
	p->a.socket = sockets[0];
	p->b.socket = sockets[1];
}

static void finish(struct pair *p)
{
	icbmsg_close(p->a.link);
	icbmsg_close(p->b.link);
	close(p->a.socket);
	close(p->b.socket);
	close(p->memory);
}

static bool take_rings(struct side *s)
{
	char packet[8];
	bool any = false;

	while (recv(s->socket, packet, sizeof(packet), MSG_DONTWAIT) == 1) {
		assert_int_equal(packet[0], 0);
		s->rings++;
		any = true;
	}
	return any;
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Look if there is a reason to; whether there was one. */
static bool attend(struct side *s)
{
	if (!s->link || (!take_rings(s) && !readable(icbmsg_get_fd(s->link))))
		return false;
	assert_true(icbmsg_dispatch(s->link, 0) >= 0);
	return true;
}

/* Until nobody has a reason to look any more. */
static void settle(struct pair *p)
{
	bool busy;

	do {
		busy = attend(&p->a);
		busy |= attend(&p->b);
	} while (busy);
}

static void assert_bound(struct pair *p)
{
	settle(p);
	assert_true(icbmsg_ept_is_bound(p->a.seen.ept));
	assert_true(icbmsg_ept_is_bound(p->b.seen.ept));
	assert_int_equal(armed, 0);
}

static void exchange(struct pair *p, unsigned int messages)
{
	int a = p->a.seen.received, b = p->b.seen.received;

	for (unsigned int n = 0; n < messages; n++) {
		assert_int_equal(icbmsg_send(p->a.seen.ept, &n, sizeof(n), 0), 0);
		assert_int_equal(icbmsg_send(p->b.seen.ept, &n, sizeof(n), 0), 0);
		settle(p);
	}
	assert_int_equal(p->a.seen.received - a, messages);
	assert_int_equal(p->b.seen.received - b, messages);
}

static void comes_up_whoever_is_first(void **state)
{
	struct pair p;

	(void)state;
	for (int first = 0; first < 2; first++) {
		prepare(&p);
		open_side(&p, first ? &p.b : &p.a);
		settle(&p);
		open_side(&p, first ? &p.a : &p.b);
		assert_bound(&p);
		exchange(&p, 100);
		finish(&p);
	}
}

/* Every order in which two ends can take their first steps. */
static void comes_up_in_any_order(void **state)
{
	struct pair p;

	(void)state;
	for (unsigned int order = 0; order < 256; order++) {
		prepare(&p);
		open_side(&p, &p.a);
		open_side(&p, &p.b);
		for (unsigned int step = 0; step < 8; step++)
			attend(order >> step & 1 ? &p.a : &p.b);
		assert_bound(&p);
		exchange(&p, 3);
		finish(&p);
	}
}

static void comes_back_after_a_restart(void **state)
{
	struct side *s;
	struct pair p;

	(void)state;
	prepare(&p);
	open_side(&p, &p.a);
	open_side(&p, &p.b);
	assert_bound(&p);
	for (unsigned int life = 0; life < 6; life++) {
		s = life % 2 ? &p.a : &p.b;
		exchange(&p, 10 + life);
		assert_int_equal(icbmsg_close(s->link), 0);
		s->link = NULL;
		/* With and without the other end's knowledge. */
		if (life % 4 < 2)
			settle(&p);
		open_side(&p, s);
		assert_bound(&p);
		exchange(&p, 10);
	}
	finish(&p);
}

/* Events that wait already do not keep a ring from being answered: it is not repeated. */
static void rung_while_events_wait(void **state)
{
	struct pair p;

	(void)state;
	prepare(&p);
	open_side(&p, &p.a);
	open_side(&p, &p.b);
	/* Reads, and leaves the events for later. */
	while (icbmsg_ept_wait_bound(p.b.seen.ept, 0) == -ETIMEDOUT)
		attend(&p.a);
	settle(&p);
	assert_int_equal(p.a.seen.bound, 1);
	p.b.seen.bound = 0;
	icbmsg_ept_deregister(p.b.seen.ept);
	ends_register(p.b.link, &p.b.seen, "ep");
	assert_int_equal(icbmsg_send(p.a.seen.ept, "x", 1, 0), 0);
	assert_true(take_rings(&p.b));
	assert_true(icbmsg_dispatch(p.b.link, 0) > 0);
	settle(&p);
	assert_int_equal(p.b.seen.bound, 1);
	assert_int_equal(p.b.seen.received, 1);
	finish(&p);
}

/* Both directions full, and every block comes back by doorbells alone. */
static void blocks_come_back(void **state)
{
	struct pair p;
	int sent = 0;

	(void)state;
	prepare(&p);
	open_side(&p, &p.a);
	open_side(&p, &p.b);
	assert_bound(&p);
	for (int round = 0; round < 20; round++) {
		while (icbmsg_send(p.a.seen.ept, "block", 5, 0) == 0)
			sent++;
		settle(&p);
		assert_int_equal(p.b.seen.received, sent);
		assert_int_equal(p.a.seen.writable, round + 1);
	}
	assert_int_equal(armed, 0);
	assert_int_equal(ends_counter(p.a.link, "rescues"), 0);
	finish(&p);
}

/* Who reads nothing costs no more than its socket's buffer, and misses nothing. */
static void a_full_socket_is_rung_enough(void **state)
{
	const char ring = 0;
	struct pair p;

	(void)state;
	prepare(&p);
	open_side(&p, &p.a);
	open_side(&p, &p.b);
	assert_bound(&p);
	while (send(p.a.socket, &ring, 1, MSG_DONTWAIT) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(icbmsg_send(p.a.seen.ept, "x", 1, 0), 0);
	settle(&p);
	assert_int_equal(p.b.seen.received, 1);
	exchange(&p, 5);
	finish(&p);
}

static void the_other_end_may_be_gone(void **state)
{
	struct pair p;

	(void)state;
	prepare(&p);
	open_side(&p, &p.a);
	open_side(&p, &p.b);
	assert_bound(&p);
	/* The end and its doorbell, but not its memory. */
	icbmsg_close(p.b.link);
	p.b.link = NULL;
	close(p.b.socket);
	p.b.socket = -1;
	attend(&p.a);
	assert_false(icbmsg_ept_is_bound(p.a.seen.ept));
	assert_int_equal(p.a.seen.unbound, 1);
	assert_false(readable(icbmsg_get_fd(p.a.link)));
	finish(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_up_whoever_is_first),
		cmocka_unit_test(comes_up_in_any_order),
		cmocka_unit_test(comes_back_after_a_restart),
		cmocka_unit_test(rung_while_events_wait),
		cmocka_unit_test(blocks_come_back),
		cmocka_unit_test(a_full_socket_is_rung_enough),
		cmocka_unit_test(the_other_end_may_be_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
