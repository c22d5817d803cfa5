// SPDX-License-Identifier: Apache-2.0
/*
 * icbmsgd's configuration: what is taken, from where, and what is refused with which words.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings.h"

#define GEOMETRY "tx-region = 0 4k\nrx-region = 4k 4k\ntx-blocks = 4\nrx-blocks = 8\n"
#define LINK                                                                     \
	"memory = shm:x\ndoorbell = poll\ntx-region = 0 4k\nrx-region = 4k 4k\n" \
	"tx-blocks = 4\nrx-blocks = 8\n"

static char folder[64], file[80], conf_d[80], drop_in[120], error[ERROR_SIZE];
static struct settings *s;
static struct settings_source source;

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/icbmsgd-settings-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/d.conf", folder);
	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", folder);
	snprintf(drop_in, sizeof(drop_in), "%s/50-more.conf", conf_d);
	source = (struct settings_source){ .path = file, .directory = conf_d };
	s = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	settings_free(s);
	unlink(drop_in);
	rmdir(conf_d);
	unlink(file);
	return rmdir(folder);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void load(const char *text)
{
	write_file(file, text);
	if (settings_load(&s, &source, error) < 0)
		fail_msg("%s", error);
}

/* Refused with the file's name in front of @expected. */
static void refused(const char *text, const char *expected)
{
	char whole[ERROR_SIZE];

	write_file(file, text);
	assert_true(settings_load(&s, &source, error) < 0);
	snprintf(whole, sizeof(whole), "%s%s", *expected == ':' ? file : "", expected);
	assert_string_equal(error, whole);
}

static void defaults(void **state)
{
	const struct endpoint_section *e;

	(void)state;
	load("[instance net]\n" LINK "[endpoint net/ep0]\n");
	assert_string_equal(s->daemon.rundir, ICBMSG_RUNDIR);
	assert_int_equal(s->daemon.drain_timeout, INT64_C(5000000000));
	assert_int_equal(s->daemon.control_group, (gid_t)-1);
	e = settings_find_endpoint(s, "net", "ep0");
	assert_non_null(e);
	assert_int_equal(e->values.mode, 0660);
	assert_int_equal(e->values.policy, POLICY_DROP_OLDEST);
	assert_int_equal(e->values.on_unbound, UNBOUND_CLOSE);
	assert_int_equal(e->values.hold_blocks, HOLD_AUTO);
	assert_int_equal(e->values.backlog, 256 << 10);
	assert_null(settings_find_endpoint(s, "net", "ep1"));
	assert_null(settings_find_endpoint(s, "other", "ep0"));
	assert_string_equal(icbmsg_config_get(settings_find_instance(s, "net")->cfg, "tx-blocks"),
			    "4");
}

static void values(void **state)
{
	const struct endpoint_settings *v;

	(void)state;
	load("[instance net]\n" LINK "[endpoint net/ep0]\nmode = 0600\nowner = root\ngroup = 77\n"
	     "policy = block\nexclusive = yes\non-unbound = keep\nhold-blocks = 3\n"
	     "hold-time = 1.5s\nbacklog = 2M\nsocket-buffer = 64k\nsocket = other\n");
	v = &settings_find_endpoint(s, "net", "ep0")->values;
	assert_int_equal(v->mode, 0600);
	assert_int_equal(v->owner, 0);
	assert_int_equal(v->group, 77);
	assert_int_equal(v->policy, POLICY_BLOCK);
	assert_int_equal(v->exclusive, 1);
	assert_int_equal(v->on_unbound, UNBOUND_KEEP);
	assert_int_equal(v->hold_blocks, 3);
	assert_int_equal(v->hold_time, 1500000000);
	assert_int_equal(v->backlog, 2 << 20);
	assert_int_equal(v->socket_buffer, 64 << 10);
	assert_string_equal(v->socket, "other");
}

static void doorbells_apart(void **state)
{
	(void)state;
	load("[instance net]\nmemory = shm:x\ndoorbell-in = uio:0\ndoorbell-out = none\n" GEOMETRY);
}

static void later_files_win(void **state)
{
	char *const options[] = { (char *)"max-clients=9", NULL };
	const struct instance_section *i;

	(void)state;
	assert_int_equal(mkdir(conf_d, 0700), 0);
	write_file(drop_in, "[endpoint net/ep0]\nbacklog = 1k\n[daemon]\nmax-clients = 8\n"
			    "max-bytes = 1M\n[instance net]\nrx-blocks = 16\n");
	source.options = options;
	load("[daemon]\nmax-clients = 7\nmax-held = 6\n[instance net]\n" LINK
	     "[endpoint net/ep0]\nbacklog = 5k\npolicy = block\n");
	source.options = NULL;
	assert_int_equal(s->daemon.max_clients, 9);
	assert_int_equal(s->daemon.max_held, 6);
	assert_int_equal(s->daemon.max_bytes, 1 << 20);
	assert_int_equal(settings_find_endpoint(s, "net", "ep0")->values.backlog, 1024);
	assert_int_equal(settings_find_endpoint(s, "net", "ep0")->values.policy, POLICY_BLOCK);
	i = settings_find_instance(s, "net");
	assert_string_equal(icbmsg_config_get(i->cfg, "rx-blocks"), "16");
	assert_non_null(strstr(icbmsg_config_origin(i->cfg, "rx-blocks"), "50-more.conf:7"));
	assert_non_null(strstr(icbmsg_config_origin(i->cfg, "tx-blocks"), "d.conf:"));
}

static void patterns_come_after_names(void **state)
{
	(void)state;
	load("[instance net]\n" LINK "[endpoint net/log*]\nbacklog = 1k\n"
	     "[endpoint net/log1]\nbacklog = 2k\n[endpoint net/l?]\nbacklog = 3k\n"
	     "[endpoint net/star%2A]\n");
	assert_true(settings_find_endpoint(s, "net", "logger")->pattern);
	assert_int_equal(settings_find_endpoint(s, "net", "logger")->values.backlog, 1024);
	assert_int_equal(settings_find_endpoint(s, "net", "log1")->values.backlog, 2048);
	assert_int_equal(settings_find_endpoint(s, "net", "lx")->values.backlog, 3072);
	assert_false(settings_find_endpoint(s, "net", "star*")->pattern);
	assert_null(settings_find_endpoint(s, "net", "lxx"));
}

/* However its name is written. */
static void an_endpoint_has_one_section(void **state)
{
	(void)state;
	load("[instance net]\n" LINK "[endpoint net/a/b]\nbacklog = 1k\n"
	     "[endpoint net/%61%2fb]\nmode = 0600\n[endpoint net/a%2a]\n[endpoint net/a*]\n");
	assert_int_equal(settings_find_endpoint(s, "net", "a/b")->values.backlog, 1024);
	assert_int_equal(settings_find_endpoint(s, "net", "a/b")->values.mode, 0600);
	assert_false(settings_find_endpoint(s, "net", "a*")->pattern);
	assert_true(settings_find_endpoint(s, "net", "a/c")->pattern);
}

static void mistakes_are_named(void **state)
{
	(void)state;
	refused("[instance net]\n" LINK "[endpoint net/ep0]\npolicy = drop\n",
		":9: policy: \"drop\" is not drop-oldest, drop-newest, disconnect or block");
	refused("[daemon]\nmax-client = 5\n",
		":2: max-client: no such key in [daemon]; there are: rundir, control-mode, "
		"control-owner, control-group, max-clients, max-clients-per-uid, max-bytes, "
		"max-bytes-per-uid, max-held, max-held-per-uid, drain-timeout, confine, io-uring, "
		"library-mode, library-owner, library-group, library-region, library-region-max, "
		"max-library-clients, max-library-clients-per-uid, max-library-bytes, "
		"max-library-bytes-per-uid");
	refused("[daemon]\nmax-clients = 5\nmax-clients = 6\n",
		":3: max-clients: set on line 2 already; remove one");
	refused("[instance net]\n" LINK "[endpoint other/ep0]\n",
		":8: [endpoint other/ep0]: there is no [instance other]; correct the name or write "
		"that section");
	refused("[endpoint ep0]\n", ":1: [endpoint ep0]: write [endpoint INSTANCE/NAME]");
	refused("[endpoint net/100%]\n",
		":1: [endpoint net/100%]: a % has to be followed by two hexadecimal digits, of a "
		"byte that is not 0; write %25 for % itself");
	refused("[instance control]\n" LINK,
		":1: [instance control]: the daemon has a file of this name in its rundir; choose "
		"another");
	refused("[instance net]\n" LINK "[endpoint net/ep0]\ngroup = no-such-group\n",
		":9: group: \"no-such-group\" is not a group this system knows; create it, or give "
		"its number");
	refused("[instance net]\nmemory = shm:x\ntx-region = 0 4k\nrx-region = 4k 4k\n"
		"tx-blocks = 4\nrx-blocks = 8\n",
		":1: doorbell: missing; write for example doorbell = eventfd:5,6");
	refused("[instance net]\nmemory = shm:x\ndoorbell-in = uio:0\n" GEOMETRY,
		":1: doorbell-out: missing; write for example doorbell-out = "
		"register:uio:mailbox+0x114 write32 0x1");
	refused("[instance net]\nmemory = shm:x\ndoorbell-out = none\n" GEOMETRY,
		":1: doorbell-in: missing; write for example doorbell-in = uio:mailbox");
	refused("[instance net]\ndoorbell = poll\n" GEOMETRY,
		":1: memory: missing; write for example memory = shm:icbmsg0");
	refused("[instance net]\nmemory = shm:x\ndoorbell = poll\ntx-region = 0 4k\n"
		"rx-region = 4k 4k\ntx-blocks = 4\n",
		":1: rx-blocks: missing; write for example rx-blocks = 18");
	/* What would be refused by icbmsg_open() only. */
	refused("[instance net]\nmemory = mem:0x1000+4k\ndoorbell = poll\n" GEOMETRY,
		":2: memory: 0x1000 bytes, but the regions need 0x2000; correct the regions, or the "
		"size behind the +");
	refused("[instance net]\ndoorbell-ack = uio:x write32 1\n" LINK,
		":2: doorbell-ack: there is no interrupt to acknowledge; set doorbell-in = "
		"uio:DEVICE, or remove it");
	refused("[instance net]\n" LINK "[daemon]\nmax-clients = 0\n",
		":9: max-clients: \"0\" is not a number from 1 to 1000000");
	refused("[instance net]\n" LINK
		"[daemon]\nrundir = /r\n[endpoint net/%2e12345678901234567890"
		"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"]\n",
		":10: [endpoint net/%2e123456789012345678901234567890123456789012345678901234567890"
		"123456789012345678901234567890123456789]: the path of its socket would be longer "
		"than 107 bytes; set socket = NAME in its section");
	refused("[instance net]\n" LINK "[endpoint net/a]\nsocket = b\n[endpoint net/b]\n",
		":10: [endpoint net/b]: its socket would be that of [endpoint net/a]; set another "
		"socket = NAME in either section");
	refused("[instance net]\n" LINK "[endpoint net/l*]\nsocket = b\n",
		":8: [endpoint net/l*]: a pattern stands for many endpoints, which cannot have one "
		"socket; remove socket, or write a section for the one endpoint");
	refused("[daemon]\n", ": no instance in it; write an [instance NAME] section, see "
			      "icbmsg.conf(5)");
	refused("nonsense\n",
		":1: \"nonsense\" is neither key = value nor [section]; correct it or "
		"make it a comment with #");
}

static void options_are_checked(void **state)
{
	static const struct {
		const char *option, *expected;
	} cases[] = {
		{ "max-clients", "--option max-clients: write KEY=VALUE" },
		{ "max-clients=x",
		  "--option max-clients: \"x\" is not a number from 1 to 1000000" },
	};

	(void)state;
	write_file(file, "[instance net]\n" LINK);
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++) {
		char *const options[] = { (char *)cases[n].option, NULL };

		source.options = options;
		assert_int_equal(settings_load(&s, &source, error), -EINVAL);
		assert_string_equal(error, cases[n].expected);
	}
	source.options = NULL;
}

/* What is printed is a configuration, and the same one. */
static void printed_and_read_again(void **state)
{
	char first[8192] = "", second[8192] = "";
	FILE *f;

	(void)state;
	load("[daemon]\nmax-held = 6\n[instance net]\n" LINK
	     "[endpoint net/a%2Fb]\nbacklog = 1k\n");
	f = fmemopen(first, sizeof(first), "w");
	settings_print(s, f);
	fclose(f);
	assert_non_null(strstr(first, "d.conf:2\n"));
	assert_non_null(strstr(first, " ; default\n"));
	assert_non_null(strstr(first, "[endpoint net/a%2Fb] ; "));
	settings_free(s);
	s = NULL;
	load(first);
	assert_int_equal(s->daemon.max_held, 6);
	assert_int_equal(settings_find_endpoint(s, "net", "a/b")->values.backlog, 1024);
	f = fmemopen(second, sizeof(second), "w");
	settings_print(s, f);
	fclose(f);
	assert_non_null(strstr(second, "max-held = 6"));
}

static void names_are_escaped_and_back(void **state)
{
	char escaped[NAME_ESCAPED_SIZE], name[NAME_SIZE], long_name[NAME_SIZE];

	(void)state;
	name_escape(escaped, "../a b%\n\x7f\xc3\xa4");
	assert_string_equal(escaped, "%2E.%2Fa b%25%0A%7F\xc3\xa4");
	assert_true(name_unescape(name, escaped));
	assert_string_equal(name, "../a b%\n\x7f\xc3\xa4");
	memset(long_name, '/', NAME_SIZE - 1);
	long_name[NAME_SIZE - 1] = '\0';
	name_escape(escaped, long_name);
	assert_int_equal(strlen(escaped), 3 * (NAME_SIZE - 1));
	assert_true(name_unescape(name, escaped));
	assert_string_equal(name, long_name);
	assert_false(name_unescape(name, ""));
	assert_false(name_unescape(name, "%"));
	assert_false(name_unescape(name, "%4"));
	assert_false(name_unescape(name, "%4g"));
	assert_false(name_unescape(name, "%00"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defaults),
		T(values),
		T(doorbells_apart),
		T(later_files_win),
		T(patterns_come_after_names),
		T(an_endpoint_has_one_section),
		T(mistakes_are_named),
		T(options_are_checked),
		T(printed_and_read_again),
		cmocka_unit_test(names_are_escaped_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
