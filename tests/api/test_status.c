// SPDX-License-Identifier: Apache-2.0
/*
 * What one side knows of a link, asked of the link itself and of its state-file: while it works,
 * after it was closed, after its owner was killed, and where the file holds nonsense.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/state.h"
#include "ends.h"
#include "unit/unit.h"

static struct seen a, b;
static struct ends e;
static char path[] = "/tmp/icbmsg-status-XXXXXX";

static int clear(void **state)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	close(fd);
	return fd < 0;
}

static struct icbmsg_config *config_a(void)
{
	struct icbmsg_config *cfg = ends_config_a(&e);

	assert_int_equal(icbmsg_config_set(cfg, "state-file", path), 0);
	return cfg;
}

static void open_a(void)
{
	struct icbmsg_config *cfg = config_a();

	if (icbmsg_open(&e.a, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	icbmsg_config_free(cfg);
}

static void open_both(void)
{
	ends_prepare(&e, 0);
	open_a();
	ends_open_b(&e);
}

/* A status from the link in this process, or from the file. */
static struct icbmsg_status *look(bool from_file)
{
	struct icbmsg_config *cfg = config_a();
	struct icbmsg_status *status;

	if (from_file && icbmsg_status_load(&status, cfg) < 0)
		fail_msg("%s", icbmsg_config_error(cfg));
	if (!from_file)
		assert_int_equal(icbmsg_status_new(&status, e.a), 0);
	icbmsg_config_free(cfg);
	return status;
}

static uint64_t count(const struct icbmsg_status *status, const char *name)
{
	uint64_t values[ENDS_COUNTERS_MAX];
	int n = icbmsg_status_get_counters(status, values, ENDS_COUNTERS_MAX);

	return ends_counter_in(values, n, name);
}

static struct icbmsg_link_status link_of(const struct icbmsg_status *status)
{
	struct icbmsg_link_status link;

	assert_int_equal(icbmsg_status_get_link(status, &link), 0);
	return link;
}

static struct icbmsg_ept_status ept_of(const struct icbmsg_status *status, size_t n)
{
	struct icbmsg_ept_status ept;

	assert_int_equal(icbmsg_status_get_ept(status, n, &ept), 0);
	return ept;
}

/* Two messages to A, three to B. */
static void talk(void)
{
	ends_bind(&e, &a, &b, "talk");
	for (int i = 0; i < 2; i++)
		assert_int_equal(icbmsg_send(b.ept, "to a", 4, 0), 0);
	ends_settle(&e);
	for (int i = 0; i < 3; i++)
		assert_int_equal(icbmsg_send(a.ept, "to b!", 5, 0), 0);
}

static void check_talk(const struct icbmsg_status *status)
{
	struct icbmsg_ept_status ept = ept_of(status, 0);
	struct icbmsg_link_status link = link_of(status);

	assert_int_equal(link.state, ICBMSG_LINK_UP);
	assert_true(link.open && link.initiator);
	assert_int_equal(link.session, 1);
	assert_int_equal(link.restarts_in_a_row, 0);
	assert_string_equal(ept.name, "talk");
	assert_int_equal(ept.state, ICBMSG_EPT_BOUND);
	assert_true(ept.registered && ept.has_address);
	assert_int_equal(ept.address, 0);
	assert_int_equal(ept.tx_messages, 3);
	assert_int_equal(ept.tx_bytes, 15);
	assert_int_equal(ept.rx_messages, 2);
	assert_int_equal(ept.rx_bytes, 8);
	assert_int_equal(count(status, "tx_messages"), 3);
	assert_int_equal(count(status, "rx_messages"), 2);
}

static void link_and_file_say_the_same(void **state)
{
	struct icbmsg_ept_status ept;
	struct icbmsg_status *status;

	(void)state;
	open_both();
	talk();
	for (int from_file = 0; from_file < 2; from_file++) {
		status = look(from_file);
		check_talk(status);
		assert_int_equal(icbmsg_status_get_ept(status, 1, &ept), -ENOENT);
		icbmsg_status_free(status);
	}
	ends_close(&e);
}

/* Names, states and addresses of an initiator's and a follower's endpoints. */
static void states_of_endpoints(void **state)
{
	struct seen more[3] = { { 0 } };
	struct icbmsg_status *status;

	(void)state;
	open_both();
	ends_register(e.a, &more[0], "early");
	status = look(true);
	assert_int_equal(link_of(status).state, ICBMSG_LINK_WAITING);
	assert_int_equal(ept_of(status, 0).state, ICBMSG_EPT_UNBOUND);
	icbmsg_status_free(status);
	ends_settle(&e);
	ends_bind(&e, &a, &b, "bound");
	ends_register(e.b, &more[1], "follower");
	ends_register(e.a, &more[2], "gone");
	icbmsg_ept_deregister(more[2].ept);
	ends_settle(&e);
	status = look(true);
	assert_int_equal(ept_of(status, 0).state, ICBMSG_EPT_ANNOUNCED);
	assert_int_equal(ept_of(status, 1).state, ICBMSG_EPT_BOUND);
	assert_string_equal(ept_of(status, 1).name, "bound");
	assert_int_equal(ept_of(status, 1).address, 1);
	assert_string_equal(ept_of(status, 2).name, "gone");
	assert_false(ept_of(status, 2).registered);
	icbmsg_status_free(status);
	assert_int_equal(icbmsg_status_new(&status, e.b), 0);
	assert_false(link_of(status).initiator);
	assert_int_equal(ept_of(status, 0).state, ICBMSG_EPT_BOUND);
	assert_int_equal(ept_of(status, 0).address, 1);
	assert_int_equal(ept_of(status, 1).state, ICBMSG_EPT_UNBOUND);
	assert_false(ept_of(status, 1).has_address);
	assert_int_equal(count(status, "parked"), 2); /* "early" and "gone" */
	icbmsg_status_free(status);
	ends_close(&e);
}

/* Messages that were read for an endpoint and wait for a dispatch. */
static void queued_messages(void **state)
{
	struct icbmsg_status *status;

	(void)state;
	open_both();
	ends_bind(&e, &a, &b, "queue");
	for (int i = 0; i < 3; i++)
		assert_int_equal(icbmsg_send(b.ept, "m", 1, 0), 0);
	/* To wait for blocks A has to read, and has nothing else to do. */
	for (uint32_t i = 0; i < ends_param->a_blocks; i++)
		assert_int_equal(icbmsg_send(a.ept, "m", 1, 0), 0);
	assert_int_equal(icbmsg_send(a.ept, "m", 1, 0), -ENOBUFS);
	for (int from_file = 0; from_file < 2; from_file++) {
		status = look(from_file);
		assert_int_equal(ept_of(status, 0).queued, 3);
		assert_int_equal(count(status, "rx_pending"), 3);
		assert_true(count(status, "events") >= 3);
		icbmsg_status_free(status);
	}
	ends_settle(&e);
	status = look(true);
	assert_int_equal(ept_of(status, 0).queued, 0);
	icbmsg_status_free(status);
	ends_close(&e);
}

static void a_closed_link_is_not_open(void **state)
{
	struct icbmsg_status *status;

	(void)state;
	open_both();
	talk();
	assert_int_equal(icbmsg_close(e.a), 0);
	status = look(true);
	assert_false(link_of(status).open);
	assert_int_equal(count(status, "tx_messages"), 3);
	icbmsg_status_free(status);
	/* The next owner counts on, and its endpoints are its own. */
	open_a();
	status = look(true);
	assert_true(link_of(status).open);
	assert_int_equal(count(status, "opens"), 2);
	assert_int_equal(count(status, "tx_messages"), 3);
	assert_int_equal(ends_stats(e.a).tx_messages, 3);
	icbmsg_status_free(status);
	ends_close(&e);
}

/*
 * What is held when the link is closed stays readable, and so does the old session in private
 * memory: the file is free for the next owner, which sees nothing of what the old one does.
 */
static void held_buffers_do_not_keep_the_file(void **state)
{
	struct icbmsg *old;
	struct icbmsg_status *status;

	(void)state;
	open_both();
	ends_bind(&e, &a, &b, "held");
	a.hold = true;
	assert_int_equal(icbmsg_send(b.ept, "keep", 4, 0), 0);
	ends_settle(&e);
	assert_int_equal(a.held_count, 1);
	old = e.a;
	assert_int_equal(icbmsg_close(old), 0);
	status = look(true);
	assert_false(link_of(status).open);
	icbmsg_status_free(status);
	open_a();
	assert_memory_equal(a.held_data[0], "keep", 4);
	assert_int_equal(icbmsg_release_rx(old, a.held[0]), 0);
	status = look(true);
	assert_true(link_of(status).open);
	assert_int_equal(count(status, "rx_held"), 0);
	assert_int_equal(count(status, "rx_hold_blocks"), 0);
	icbmsg_status_free(status);
	ends_close(&e);
}

static void run_victim(void)
{
	struct icbmsg_config *cfg = config_a();

	if (icbmsg_open(&e.a, cfg) < 0 ||
	    icbmsg_ept_register(e.a, &a.ept, "victim", NULL, NULL) < 0 ||
	    icbmsg_ept_wait_bound(a.ept, SURELY) < 0)
		_exit(1);
	while (icbmsg_send(a.ept, "12345", 5, ICBMSG_FOREVER) == 0)
		;
	_exit(1);
}

static void what_a_killed_owner_left(void **state)
{
	struct icbmsg_status *status;
	struct icbmsg_record record;
	pid_t child;

	(void)state;
	ends_prepare(&e, 0);
	ends_open_b(&e);
	ends_register(e.b, &b, "victim");
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_victim();
	ends_until(e.b, NULL, &b.received, 50);
	status = look(true);
	assert_true(link_of(status).open);
	icbmsg_status_free(status);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	status = look(true);
	assert_false(link_of(status).open);
	assert_int_equal(link_of(status).state, ICBMSG_LINK_UP);
	assert_string_equal(ept_of(status, 0).name, "victim");
	assert_int_equal(ept_of(status, 0).state, ICBMSG_EPT_BOUND);
	assert_true(ept_of(status, 0).tx_messages >= 50);
	/* Killed between two of these, it may have counted one and not the other. */
	assert_in_range(count(status, "tx_messages"), ept_of(status, 0).tx_messages,
			ept_of(status, 0).tx_messages + 1);
	assert_int_equal(icbmsg_status_get_records(status, &record, 1), 1);
	assert_true(record.number > 50);
	icbmsg_status_free(status);
	open_a();
	ends_close(&e);
}

/* Any bytes behind a true beginning: nothing is read outside, everything has an end. */
static void nonsense_in_the_file(void **state)
{
	static struct session s;
	struct icbmsg_status *status;
	uint64_t random = 1;

	(void)state;
	ends_prepare(&e, 0);
	ends_open_b(&e);
	for (int round = 0; round < 200; round++) {
		struct icbmsg_record records[ICBMSG_RECORDS_MAX];
		struct icbmsg_ept_status ept;
		int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		size_t n;

		for (size_t i = 0; i < sizeof(s); i++)
			((uint8_t *)&s)[i] = (uint8_t)next_random(&random);
		s.magic = SESSION_MAGIC;
		s.size = sizeof(s);
		assert_int_equal(write(fd, &s, sizeof(s)), sizeof(s));
		close(fd);
		status = look(true);
		link_of(status);
		for (n = 0; icbmsg_status_get_ept(status, n, &ept) == 0; n++)
			assert_true(strlen(ept.name) <= ICBMSG_EPT_NAME_MAX &&
				    ept.queued <= SESSION_EVENTS);
		assert_true(n <= ICBMSG_EPT_COUNT_MAX);
		count(status, "parked");
		assert_true(icbmsg_status_get_records(status, records, ICBMSG_RECORDS_MAX) <=
			    ICBMSG_RECORDS_MAX);
		icbmsg_status_free(status);
	}
	open_a(); /* whatever it holds, a new owner makes a session of it */
	ends_close(&e);
}

static void without_a_file(void **state)
{
	struct icbmsg_config *cfg;
	struct icbmsg_status *status = NULL;

	(void)state;
	ends_open(&e);
	cfg = ends_config_a(&e);
	assert_int_equal(icbmsg_status_load(&status, cfg), -ENOENT);
	assert_non_null(strstr(icbmsg_config_error(cfg), "state-file: missing"));
	assert_int_equal(icbmsg_config_set(cfg, "state-file", "/proc/self/exe"), 0);
	assert_int_equal(icbmsg_status_load(&status, cfg), -EBADMSG);
	assert_null(status);
	icbmsg_status_free(status);
	icbmsg_config_free(cfg);
	ends_close(&e);
}

int main(void)
{
	static const struct ends_param params[] = {
		{ "classic", 4, 4, 16, 16, 0x1000, 0x1000, NULL, NULL },
		{ "classic", 8, 64, 16, 16, 0x1000, 0x1000, NULL, NULL },
		{ 0 },
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(link_and_file_say_the_same, clear),
		cmocka_unit_test_setup(states_of_endpoints, clear),
		cmocka_unit_test_setup(queued_messages, clear),
		cmocka_unit_test_setup(a_closed_link_is_not_open, clear),
		cmocka_unit_test_setup(held_buffers_do_not_keep_the_file, clear),
		cmocka_unit_test_setup(what_a_killed_owner_left, clear),
		cmocka_unit_test_setup(nonsense_in_the_file, clear),
		cmocka_unit_test_setup(without_a_file, clear),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0) {
		perror("mkstemp");
		return 1;
	}
	close(fd);
	failed = ends_run_params(params, "", tests, sizeof(tests) / sizeof(tests[0]));
	unlink(path);
	return failed;
}
