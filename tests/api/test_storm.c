// SPDX-License-Identifier: Apache-2.0
/*
 * A peer that restarts all the time, and never gets as far as a message: it is answered with growing
 * delays, visibly, without a busy loop, and is welcome when it has come to rest.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

#include "hostile.h"

static const struct ends_param params[] = {
	{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ "classic", 8, 32, 16, 16, 0x1000, 0x1000, NULL, NULL },
	{ 0 },
};

/* Restarts in a row that are answered at once: core/instance.c's, and one more for the first. */
#define FREE 9

/* The first delay; each is twice the one before, up to a second. */
#define DELAY (10 * MS)

static struct hostile h;
static struct seen seen;

static uint64_t count(const char *name)
{
	return ends_counter(h.link, name);
}

static struct icbmsg_link_status status(void)
{
	struct icbmsg_link_status link;
	struct icbmsg_status *s;

	assert_int_equal(icbmsg_status_new(&s, h.link), 0);
	assert_int_equal(icbmsg_status_get_link(s, &link), 0);
	icbmsg_status_free(s);
	return link;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* The peer starts, announces itself, reads all that is ours, and dies before anything else. */
static void peer_lives_briefly(void)
{
	h.rd = h.wr = 0;
	shm_store32(h.out.rd_idx, 0);
	shm_store32(h.out.wr_idx, 0);
	hostile_put(&h, control_magic, CONTROL_MAGIC_SIZE);
	shm_store32_release(h.in.rd_idx, ring_load_wr(&h.in));
	assert_true(icbmsg_dispatch(h.link, 0) >= 0);
}

/* So often that the answers are delayed. */
static void storm(void)
{
	for (int i = 0; status().state != ICBMSG_LINK_BACKING_OFF; i++) {
		assert_true(i < 100);
		peer_lives_briefly();
	}
}

static void a_storm_is_visible(void **state)
{
	struct icbmsg_link_status link;
	uint64_t announcements;
	unsigned int warnings;

	(void)state;
	hostile_start(&h, &seen, true);
	assert_int_equal(status().state, ICBMSG_LINK_UP);
	assert_int_equal(status().retry_ns, 0);
	assert_int_equal(count("storms"), 0);
	storm();
	link = status();
	/* More if this program had to wait so long that a delay was over. */
	assert_true(link.restarts_in_a_row >= FREE);
	assert_int_equal(count("restarts_in_a_row"), link.restarts_in_a_row);
	assert_true(link.retry_ns > 0 && (int64_t)link.retry_ns <= now() + SECOND);
	assert_int_equal(ends_stats(h.link).state, ICBMSG_LINK_BACKING_OFF);
	assert_int_equal(count("storms"), 1);
	assert_true(count("backoffs") >= 1);
	announcements = count("announcements");
	assert_int_equal(announcements, 1 + link.restarts_in_a_row);
	/* Whatever the peer does before that time, nothing is written for it. */
	warnings = h.warnings;
	for (int i = 0; i < 1000 && now() < (int64_t)link.retry_ns; i++) {
		peer_lives_briefly();
		assert_true(count("announcements") == announcements ||
			    now() >= (int64_t)link.retry_ns);
	}
	assert_int_equal(h.warnings, warnings);
	hostile_end(&h);
}

/* Delays grow up to the largest. Each is sat out, and not a moment less. */
static void delays_grow(void **state)
{
	int64_t answered; /* not before it */

	(void)state;
	hostile_start(&h, &seen, false);
	answered = now();
	for (unsigned int round = 0; round < 4; round++) {
		struct icbmsg_link_status link;
		uint64_t announcements;
		int64_t delay = DELAY;

		storm();
		link = status();
		assert_true(link.restarts_in_a_row >= FREE + round);
		for (uint32_t n = FREE; n < link.restarts_in_a_row && delay < SECOND; n++)
			delay *= 2;
		if (delay > SECOND)
			delay = SECOND;
		assert_in_range(link.retry_ns, answered + delay, now() + delay);
		announcements = count("announcements");
		while (count("announcements") == announcements) {
			answered = now();
			assert_true(icbmsg_dispatch(h.link, MS) >= 0);
		}
		assert_true(now() >= (int64_t)link.retry_ns);
	}
	assert_int_equal(count("storms"), 1);
	assert_true(count("backoffs") >= 4);
	hostile_end(&h);
}

/* Whose restarts come after the first delay, but faster than later ones, is told of, too. */
static void a_slow_storm_is_visible(void **state)
{
	int64_t begin;
	unsigned int warnings;

	(void)state;
	hostile_start(&h, &seen, true);
	while (status().restarts_in_a_row < FREE)
		peer_lives_briefly();
	begin = now();
	while (now() < begin + 10 * MS)
		;
	peer_lives_briefly();
	warnings = h.warnings;
	storm();
	assert_int_equal(count("storms"), 1);
	assert_int_equal(h.warnings, warnings + 1);
	hostile_end(&h);
}

/*
 * While it backs off, it sleeps: it looks when a doorbell or the timer says so, and those are
 * counted. A program that is woken by the pollable descriptor is not woken for nothing either.
 */
static bool sleeps_while_backing_off(void)
{
	int64_t begin = now();
	uint64_t pumps = count("pumps"), wakes;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(eventfd_write(h.e.bell_to_a, 1), 0);
		assert_true(icbmsg_dispatch(h.link, 10 * MS) >= 0);
	}
	/* Five doorbells, five deadlines, ticks every 50 ms and when the delay is over. */
	wakes = 10 + (uint64_t)((now() - begin) / (50 * MS)) + 2;
	/* Once the delay is over, glances at 50 us, 100 us and so on, and anew with each doorbell. */
	if (status().state != ICBMSG_LINK_BACKING_OFF)
		wakes += UINT64_C(6) * 11;
	/* A look as each call begins, and two after having slept. */
	return count("pumps") - pumps <= 5 + 2 * wakes;
}

static void backing_off_is_no_busy_loop(void **state)
{
	bool sleeps = false, all_the_time = false;

	(void)state;
	hostile_start(&h, &seen, true);
	/* Delays grow up to a second, so one is long enough; what comes after it is another story. */
	while (!all_the_time) {
		storm();
		sleeps = sleeps_while_backing_off();
		all_the_time = status().state == ICBMSG_LINK_BACKING_OFF;
		while (status().state == ICBMSG_LINK_BACKING_OFF)
			assert_true(icbmsg_dispatch(h.link, MS) >= 0);
	}
	assert_true(sleeps);
	hostile_end(&h);
}

/* The next announcement is due when it was said to be, however seldom the timer ticks otherwise. */
static void the_timer_knows_when_to_answer(void **state)
{
	struct pollfd fd = { .events = POLLIN };
	struct icbmsg_link_status link;

	(void)state;
	hostile_rescue_interval = "1m";
	hostile_start(&h, &seen, true);
	hostile_rescue_interval = "50ms";
	fd.fd = icbmsg_get_fd(h.link);
	storm();
	link = status();
	assert_true(link.retry_ns > 0);
	/* What is left of the peer's life has not rung. */
	while (status().state == ICBMSG_LINK_BACKING_OFF) {
		assert_int_equal(poll(&fd, 1, (int)(SURELY / MS)), 1);
		assert_true(icbmsg_dispatch(h.link, 0) >= 0);
	}
	assert_true(now() >= (int64_t)link.retry_ns);
	hostile_end(&h);
}

static void all_is_well_after_a_storm(void **state)
{
	(void)state;
	for (int initiator = 0; initiator < 2; initiator++) {
		hostile_start(&h, &seen, initiator);
		storm();
		/* The timer brings it back, without a doorbell. */
		while (status().state == ICBMSG_LINK_BACKING_OFF)
			assert_true(icbmsg_dispatch(h.link, MS) >= 0);
		hostile_restart(&h, &seen);
		assert_int_equal(status().restarts_in_a_row, 0);
		assert_int_equal(count("restarts_in_a_row"), 0);
		/* A restart is answered at once again. */
		shm_store32(h.out.rd_idx, 0);
		hostile_settle(&h);
		assert_int_not_equal(status().state, ICBMSG_LINK_BACKING_OFF);
		assert_true(count("backoffs") >= 1);
		hostile_restart(&h, &seen);
		hostile_end(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_storm_is_visible),
		cmocka_unit_test(delays_grow),
		cmocka_unit_test(a_slow_storm_is_visible),
		cmocka_unit_test(backing_off_is_no_busy_loop),
		cmocka_unit_test(the_timer_knows_when_to_answer),
		cmocka_unit_test(all_is_well_after_a_storm),
	};

	return ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
}
