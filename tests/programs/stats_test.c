// SPDX-License-Identifier: Apache-2.0
/*
 * `icbmsgctl stats` and `icbmsgctl records` over state-files that were made by hand: each number must
 * come out where it belongs, and whatever bytes a file holds, what is printed is text.
 */
#include "programs/json.h"

#include <fcntl.h>
#include <stdbool.h>
#include <time.h>

#include "core/counters.h"
#include "proto/session.h"

#define NS_PER_S INT64_C(1000000000)

static struct run run;
static struct session s;
static char state_path[64], config_path[64];

static int make_file(char path[64], const char *pattern)
{
	snprintf(path, 64, "%s", pattern);
	return mkstemp(path);
}

static int setup(void **state)
{
	int fd = make_file(config_path, "/tmp/icbmsg-stats-conf.XXXXXX");

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	fd = make_file(state_path, "/tmp/icbmsg-stats.XXXXXX");
	if (fd < 0)
		return -1;
	close(fd);
	fd = open(config_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	/* Neither memory nor layout: the state-file is all that is needed. */
	dprintf(fd, "[instance made]\nstate-file = %s\n", state_path);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(config_path);
	unlink(state_path);
	return 0;
}

static void write_session(void)
{
	int fd = open(state_path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, &s, sizeof(s)), sizeof(s));
	close(fd);
}

static void run_ctl(const char *command, bool json)
{
	const char *argv[] = { "icbmsgctl", command, config_path, json ? "--json" : NULL, NULL };

	run_program(&run, argv);
	if (run.status != 0 || *run.err)
		fail_msg("status %d: %s", run.status, run.err);
}

static struct json_object *run_json(const char *command)
{
	struct json_object *o;

	run_ctl(command, true);
	o = json_tokener_parse(run.out);
	assert_non_null(o);
	return o;
}

static void assert_prints(const char *text)
{
	if (!strstr(run.out, text))
		fail_msg("no \"%s\" in:\n%s", text, run.out);
}

static void assert_text(struct json_object *o, const char *key, const char *expected)
{
	assert_string_equal(json_object_get_string(get(o, key)), expected);
}

/* An initiator with a bound endpoint, one that is announced, and one that is gone. */
static void make_session(void)
{
	memset(&s, 0, sizeof(s));
	session_init(&s, 16, true);
	s.phase = PHASE_UP;
	assert_int_equal(session_register(&s, "first"), 0);
	assert_int_equal(session_register(&s, "tab\tand \xc3\xa4"), 1);
	assert_int_equal(session_register(&s, "gone"), 2);
	session_bind(&s, 0, 0);
	s.ept[1].state = EPT_ANNOUNCED;
	s.ept[2].registered = false;
	s.ept[0].tx_messages = 11;
	s.ept[0].tx_bytes = 12;
	s.ept[0].rx_messages = 13;
	s.ept[0].rx_bytes = UINT64_C(5000000000);
	session_push_data(&s, 0, 3, 100);
	s.count.bad_blocks = 77;
}

static void numbers_are_where_they_belong(void **state)
{
	struct json_object *o, *link, *epts, *ept;

	(void)state;
	make_session();
	write_session();
	o = run_json("stats");
	link = get(o, "link");
	assert_text(link, "state", "up");
	assert_text(link, "role", "initiator");
	assert_false(json_object_get_boolean(get(link, "open")));
	assert_int_equal(number(link, "session"), 1);
	assert_null(get(link, "retry_ns"));
	epts = get(o, "endpoints");
	assert_int_equal(json_object_array_length(epts), 3);
	ept = json_object_array_get_idx(epts, 0);
	assert_text(ept, "name", "first");
	assert_text(ept, "state", "bound");
	assert_int_equal(number(ept, "queued"), 1);
	assert_int_equal(number(ept, "tx_messages"), 11);
	assert_int_equal(number(ept, "tx_bytes"), 12);
	assert_int_equal(number(ept, "rx_messages"), 13);
	assert_int_equal(number(ept, "rx_bytes"), INT64_C(5000000000));
	ept = json_object_array_get_idx(epts, 1);
	assert_text(ept, "name", "tab\\x09and \\xc3\\xa4");
	assert_text(ept, "state", "announced");
	assert_int_equal(number(ept, "endpoint"), 1);
	assert_text(json_object_array_get_idx(epts, 2), "state", "unused");
	assert_int_equal(json_object_object_length(get(o, "counters")), counters_count());
	assert_int_equal(number(get(o, "counters"), "bad_blocks"), 77);
	assert_int_equal(number(get(o, "counters"), "rx_pending"), 1);
	json_object_put(o);
	run_ctl("stats", false);
	assert_prints("this side: not open; when it was last, up, initiator, session 1\n");
	assert_prints(
		"    0  bound           1        11         12        13 5000000000  first\n");
	assert_prints("  tab\\x09and \\xc3\\xa4\n");
	assert_prints("  bad_blocks                     77  ");
}

static void set_retry(int64_t from_now)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	s.retry_at = ts.tv_sec * NS_PER_S + ts.tv_nsec + from_now;
	write_session();
}

static void backing_off_is_shown(void **state)
{
	struct json_object *o, *link;

	(void)state;
	make_session();
	s.phase = PHASE_LOST;
	s.storm = 14;
	set_retry(3600 * NS_PER_S);
	o = run_json("stats");
	link = get(o, "link");
	assert_text(link, "state", "backing off");
	assert_int_equal(number(link, "restarts_in_a_row"), 14);
	assert_int_equal(number(link, "retry_ns"), s.retry_at);
	json_object_put(o);
	run_ctl("stats", false);
	assert_prints(" backing off, ");
	/* An hour, less at most 99 s that this may take. */
	assert_prints("the other side restarted 14 times in a row; it is answered in 35");
	set_retry(-NS_PER_S);
	run_ctl("stats", false);
	assert_prints("; it was to be answered ");
	/* A number of before, and the link works: nothing is due. */
	s.phase = PHASE_UP;
	write_session();
	o = run_json("stats");
	assert_null(get(get(o, "link"), "retry_ns"));
	json_object_put(o);
}

static void records_are_printed(void **state)
{
	struct json_object *o, *r;

	(void)state;
	make_session();
	recorder_add(&s.recorder, RECORDER_TX,
		     &(struct recorder_entry){ .time_ns = 5 * NS_PER_S + 6000000,
					       .generation = 3,
					       .kind = RECORD_ANNOUNCED });
	recorder_add(&s.recorder, RECORDER_RX,
		     &(struct recorder_entry){ .generation = 3,
					       .offset = 40,
					       .kind = RECORD_PACKET,
					       .type = 2,
					       .ept = 7,
					       .block = 9,
					       .size = 3 });
	write_session();
	o = run_json("records");
	assert_int_equal(json_object_array_length(o), 2);
	assert_text(json_object_array_get_idx(o, 0), "event", "announced ourselves");
	r = json_object_array_get_idx(o, 1);
	assert_text(r, "type", "BOUND");
	assert_text(r, "direction", "rx");
	assert_int_equal(number(r, "offset"), 40);
	assert_int_equal(number(r, "endpoint"), 7);
	assert_int_equal(number(r, "block"), 9);
	json_object_put(o);
	run_ctl("records", false);
	assert_prints("       5.006           1    3  announced ourselves\n");
	assert_prints("  rx     40  BOUND endpoint 7 block 9\n");
}

static void assert_text_only(void)
{
	for (const char *c = run.out; *c; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c < 0x7f));
}

static void nonsense_is_printed_as_text(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(s); i++)
			((uint8_t *)&s)[i] = (uint8_t)next_random(&random);
		s.magic = SESSION_MAGIC;
		s.size = sizeof(s);
		if (round % 2)
			s.ept_count %= 255;
		write_session();
		json_object_put(run_json("stats"));
		json_object_put(run_json("records"));
		run_ctl("stats", false);
		assert_text_only();
		run_ctl("records", false);
		assert_text_only();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_where_they_belong),
		cmocka_unit_test(backing_off_is_shown),
		cmocka_unit_test(records_are_printed),
		cmocka_unit_test(nonsense_is_printed_as_text),
	};

	if (!getenv("ICBMSG_BIN_DIR"))
		return 77;
	return cmocka_run_group_tests(tests, setup, teardown);
}
