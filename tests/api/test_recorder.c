// SPDX-License-Identifier: Apache-2.0
/*
 * The flight recorder: what it notes, in which order, and that it outlasts its owner in a
 * state-file.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ends.h"

static struct seen a, b;
static char path[] = "/tmp/icbmsg-recorder-XXXXXX";

static int clear(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	return 0;
}

static struct icbmsg_config *config_with_file(const struct ends *e)
{
	struct icbmsg_config *cfg = ends_config_a(e);

	assert_int_equal(icbmsg_config_set(cfg, "state-file", path), 0);
	return cfg;
}

/* The packets of one direction and type, in order; how many. */
static int count(const struct icbmsg_record *r, int n, enum icbmsg_direction dir, uint8_t type)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += r[i].kind == ICBMSG_RECORD_PACKET && r[i].direction == dir &&
			 r[i].type == type;
	return found;
}

static void packets_and_the_link_are_noted(void **state)
{
	struct icbmsg_record r[ICBMSG_RECORDS_MAX];
	struct ends e;
	int n;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "recorded");
	assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
	ends_settle(&e);
	n = icbmsg_get_records(e.a, r, ICBMSG_RECORDS_MAX);
	assert_true(n >= 7);
	for (int i = 0; i < n; i++) {
		assert_int_equal(r[i].number, i + 1);
		assert_int_equal(r[i].session, 1);
		assert_true(r[i].time_ns > 0 && (i == 0 || r[i].time_ns >= r[i - 1].time_ns));
	}
	assert_int_equal(r[0].kind, ICBMSG_RECORD_ANNOUNCED);
	assert_int_equal(count(r, n, ICBMSG_TX, 2), 1); /* BOUND */
	assert_int_equal(count(r, n, ICBMSG_RX, 3), 1); /* RELEASE_BOUND */
	assert_int_equal(count(r, n, ICBMSG_TX, 0), 1); /* DATA */
	assert_int_equal(count(r, n, ICBMSG_RX, 1), 1); /* RELEASE_DATA */
	assert_int_equal(r[n - 1].type, 1);
	/* The newest, if there is no room for all. */
	assert_int_equal(icbmsg_get_records(e.a, r, 1), 1);
	assert_int_equal(r[0].number, n);
	ends_close(&e);
}

/* A flood of one direction does not wash the other away. */
static void each_direction_keeps_its_last(void **state)
{
	struct icbmsg_record r[ICBMSG_RECORDS_MAX];
	struct ends e;
	int n;

	(void)state;
	ends_open(&e);
	ends_bind(&e, &a, &b, "flood");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(icbmsg_send(a.ept, "x", 1, 0), 0);
		ends_settle(&e);
	}
	n = icbmsg_get_records(e.a, r, ICBMSG_RECORDS_MAX);
	assert_int_equal(n, ICBMSG_RECORDS_MAX);
	assert_int_equal(count(r, n, ICBMSG_TX, 0), 256);
	assert_int_equal(count(r, n, ICBMSG_RX, 1), 256);
	for (int i = 1; i < n; i++)
		assert_int_equal(r[i].number, r[i - 1].number + 1);
	ends_close(&e);
}

static void a_state_file_serves_one_at_a_time(void **state)
{
	struct icbmsg_config *cfg;
	struct icbmsg *second = NULL;
	struct ends e;

	(void)state;
	ends_prepare(&e, 0);
	cfg = config_with_file(&e);
	assert_int_equal(icbmsg_open(&e.a, cfg), 0);
	assert_int_equal(icbmsg_open(&second, cfg), -EBUSY);
	assert_non_null(strstr(icbmsg_config_error(cfg), path));
	assert_null(second);
	icbmsg_close(e.a);
	assert_int_equal(icbmsg_open(&e.a, cfg), 0);
	icbmsg_config_free(cfg);
	ends_close(&e);
}

/* The child is killed in mid-flight; what it noted is there. */
static void records_outlast_their_owner(void **state)
{
	struct icbmsg_record r[ICBMSG_RECORDS_MAX];
	struct icbmsg_config *cfg;
	struct ends e;
	pid_t child;
	int n, status;

	(void)state;
	ends_prepare(&e, 0);
	ends_open_b(&e);
	ends_register(e.b, &b, "victim");
	cfg = config_with_file(&e);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (icbmsg_open(&e.a, cfg) < 0 ||
		    icbmsg_ept_register(e.a, &a.ept, "victim", NULL, NULL) < 0 ||
		    icbmsg_ept_wait_bound(a.ept, SURELY) < 0)
			_exit(1);
		for (;;)
			if (icbmsg_send(a.ept, "x", 1, ICBMSG_FOREVER) < 0)
				_exit(1);
	}
	ends_until(e.b, NULL, &b.received, 50);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	n = icbmsg_load_records(cfg, r, ICBMSG_RECORDS_MAX);
	assert_true(n > 50);
	assert_true(count(r, n, ICBMSG_TX, 0) >= 50);
	/* A new owner begins anew, and keeps what is there. */
	assert_int_equal(icbmsg_open(&e.a, cfg), 0);
	assert_true(icbmsg_get_records(e.a, r, ICBMSG_RECORDS_MAX) > 50);
	icbmsg_config_free(cfg);
	ends_close(&e);
}

static void what_is_no_state_file_is_refused(void **state)
{
	struct icbmsg_record r[ICBMSG_RECORDS_MAX];
	struct icbmsg_config *cfg;
	struct ends e;

	(void)state;
	ends_prepare(&e, 0);
	ends_open_b(&e);
	cfg = ends_config_a(&e);
	assert_int_equal(icbmsg_load_records(cfg, r, ICBMSG_RECORDS_MAX), -ENOENT);
	assert_int_equal(icbmsg_config_set(cfg, "state-file", "/nowhere/at all"), 0);
	assert_int_equal(icbmsg_load_records(cfg, r, ICBMSG_RECORDS_MAX), -ENOENT);
	assert_int_equal(icbmsg_open(&e.a, cfg), -ENOENT);
	assert_non_null(strstr(icbmsg_config_error(cfg), "/nowhere/at all"));
	assert_int_equal(icbmsg_config_set(cfg, "state-file", "/proc/self/exe"), 0);
	assert_int_equal(icbmsg_load_records(cfg, r, ICBMSG_RECORDS_MAX), -EBADMSG);
	icbmsg_config_free(cfg);
	ends_close(&e);
}

/* A file of @size bytes of something else. */
static void is_left_as_it_is(size_t size)
{
	static uint8_t before[1 << 20], after[sizeof(before) + 1];
	char precious[] = "/tmp/icbmsg-precious-XXXXXX";
	int fd = mkstemp(precious);
	struct icbmsg_config *cfg;
	struct ends e;

	assert_true(fd >= 0 && size <= sizeof(before));
	fill_pattern(before, size, (unsigned int)size);
	assert_int_equal(write(fd, before, size), size);
	ends_prepare(&e, 0);
	ends_open_b(&e);
	cfg = ends_config_a(&e);
	assert_int_equal(icbmsg_config_set(cfg, "state-file", precious), 0);
	assert_int_equal(icbmsg_open(&e.a, cfg), -EBADMSG);
	assert_non_null(strstr(icbmsg_config_error(cfg), precious));
	assert_int_equal(pread(fd, after, sizeof(after), 0), size);
	assert_memory_equal(before, after, size);
	icbmsg_config_free(cfg);
	ends_close(&e);
	close(fd);
	unlink(precious);
}

static void a_file_with_other_content_is_left_as_it_is(void **state)
{
	(void)state;
	is_left_as_it_is(1);
	is_left_as_it_is(1000);
	is_left_as_it_is(1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packets_and_the_link_are_noted, clear),
		cmocka_unit_test_setup(each_direction_keeps_its_last, clear),
		cmocka_unit_test_setup(a_state_file_serves_one_at_a_time, clear),
		cmocka_unit_test_setup(records_outlast_their_owner, clear),
		cmocka_unit_test_setup(what_is_no_state_file_is_refused, clear),
		cmocka_unit_test_setup(a_file_with_other_content_is_left_as_it_is, clear),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0) {
		perror("mkstemp");
		return 1;
	}
	close(fd);
	failed = ENDS_RUN_ALL(tests);
	unlink(path);
	return failed;
}
