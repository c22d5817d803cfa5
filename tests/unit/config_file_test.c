// SPDX-License-Identifier: Apache-2.0
/*
 * Configuration files: which section counts, how files and single keys add up, and what is wrong
 * where. Messages are compared whole: they are what users see.
 */
#include "unit/config_rig.h"

#include <sys/stat.h>

/* Loading fails with -EINVAL and "PATH:" + @expected, and changes nothing. */
static void assert_bad_bytes(const char *data, size_t size, const char *expected)
{
	char whole[CONFIG_ERROR_SIZE];

	set("tx-blocks", "77");
	assert_int_equal(load_bytes(data, size, "a"), -EINVAL);
	snprintf(whole, sizeof(whole), "%s:%s", path, expected);
	assert_error(whole);
	assert_string_equal(config_get(cfg, "tx-blocks"), "77");
}

static void assert_bad(const char *text, const char *expected)
{
	assert_bad_bytes(text, strlen(text), expected);
}

static const char two[] = "# two links\n"
			  "[instance a]\n"
			  "memory = shm:a\n"
			  "tx-blocks = 4\n"
			  "\n"
			  "[instance b.2_x-y]\n"
			  "memory: shm:b   ; a comment\n"
			  "  rx-blocks=5\n"
			  "\ttx-blocks = 6\n"
			  "[endpoint a/ep0]\n"
			  "backlog = 3\n"
			  "[daemon]\n"
			  "group = icbmsg\n";

static void sections_are_chosen(void **state)
{
	char expected[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(load(two, "a"), 0);
	assert_string_equal(config_get(cfg, "memory"), "shm:a");
	assert_string_equal(config_get(cfg, "tx-blocks"), "4");
	assert_null(config_get(cfg, "rx-blocks"));
	assert_int_equal(config_load(cfg, path, "b.2_x-y"), 0);
	assert_string_equal(config_get(cfg, "memory"), "shm:b");
	assert_string_equal(config_get(cfg, "rx-blocks"), "5");
	assert_string_equal(config_get(cfg, "tx-blocks"), "6");
	assert_int_equal(config_load(cfg, path, NULL), -ENOTUNIQ);
	snprintf(expected, sizeof(expected), "%s: several instances; say which of them: a, b.2_x-y",
		 path);
	assert_error(expected);
	assert_int_equal(config_load(cfg, path, "c"), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: no [instance c] in it; it has: a, b.2_x-y", path);
	assert_error(expected);
	assert_string_equal(config_get(cfg, "memory"), "shm:b");
}

static void files_without_instance(void **state)
{
	char expected[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(load("[daemon]\n", NULL), -ENOENT);
	snprintf(expected, sizeof(expected),
		 "%s: no instance in it; write an [instance NAME] section", path);
	assert_error(expected);
	assert_int_equal(load("", NULL), -ENOENT);
	assert_int_equal(load("[instance empty]", NULL), 0);
}

static void later_values_win(void **state)
{
	struct config_values v;

	(void)state;
	set_all();
	set("word-size", "8");
	assert_int_equal(load("[instance a]\ntx-blocks = 4\n", NULL), 0);
	v = resolve();
	assert_int_equal(v.tx_layout.block_count, 4);
	assert_int_equal(v.rx_layout.block_count, 18);
	assert_int_equal(v.tx_layout.header_size, 8);
	assert_string_equal(v.name, "a");
	set("tx-blocks", "5");
	assert_int_equal(resolve().tx_layout.block_count, 5);
}

static void resolving_names_the_place(void **state)
{
	char expected[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(load("\n[instance a]\ntx-region = 0 4k\nrx-region = 0 4k\n"
			      "rx-blocks = 1\n",
			      NULL),
			 0);
	snprintf(expected, sizeof(expected),
		 "%s:2: tx-blocks: missing; write for example tx-blocks = 16", path);
	assert_unresolved(true, expected);
	set("tx-blocks", "1");
	snprintf(
		expected, sizeof(expected),
		"%s:4: rx-region: 0x0 + 0x1000 overlaps tx-region 0x0 + 0x1000; move or shrink one",
		path);
	assert_unresolved(true, expected);
	set("rx-region", "1k 4k"); /* from the program now: no line to name */
	assert_unresolved(true,
			  "rx-region: 0x400 + 0x1000 overlaps tx-region 0x0 + 0x1000; move or "
			  "shrink one");
}

static void odd_but_valid_files(void **state)
{
	char text[3000] = "#";

	(void)state;
	assert_int_equal(load("\xEF\xBB\xBF[instance a]\r\ntx-blocks = 9\r\nrx-blocks = 8", NULL),
			 0);
	assert_string_equal(config_get(cfg, "tx-blocks"), "9");
	assert_string_equal(config_get(cfg, "rx-blocks"), "8");

	memset(text + 1, 'c', 2000); /* a comment longer than any buffer */
	strcpy(text + 2001, "\n[ instance  a ] ; b\nwire = classic\n[daemon] # c\nx = 1\n");
	assert_int_equal(load(text, NULL), 0);
	assert_string_equal(config_get(cfg, "wire"), "classic");
}

static void bad_keys_in_files(void **state)
{
	(void)state;
	assert_bad("[instance a]\n\ntx-blocks = 300\n",
		   "3: tx-blocks: \"300\" is not a number from 1 to 256; write for example "
		   "tx-blocks = 16");
	assert_bad("[instance a]\r\nwire =\r\n",
		   "2: wire: \"\" is not a wire generation this version has: classic; write for "
		   "example wire = classic");
	assert_bad("[instance a]\nmemry = shm:x", "2: memry: no such key; did you mean memory?");
	assert_bad("[instance a]\n  wire = classic\n  wire = classic\n",
		   "3: wire: set on line 2 already; remove one");
	assert_bad("tx-blocks = 1\n[instance a]\n",
		   "1: tx-blocks: outside of any section; write [instance NAME] above it");
	assert_bad("[instance a]\ntx-blocks\n[instance a]\n",
		   "2: \"tx-blocks\" is neither key = value nor [section]; correct it or make it a "
		   "comment with #");
	assert_bad(
		"[instance a]\ntx-blocks ; = 5",
		"2: \"tx-blocks ; = 5\" is neither key = value nor [section]; correct it or make "
		"it a comment with #");
	assert_bad("[instance b]\nwire = no\n[instance a]\n", /* of another instance */
		   "2: wire: \"no\" is not a wire generation this version has: classic; write for "
		   "example wire = classic");
}

static void bad_headings(void **state)
{
	(void)state;
	assert_bad("[instance]\n", "1: [instance]: the name is missing; write [instance NAME]");
	assert_bad("[instance a\nwire = classic\n",
		   "1: the section's heading has no end; write ] after it");
	assert_bad("[instance a] wire = classic\n",
		   "1: text behind the section's heading; put it on a line of its own");
	assert_bad("[instance a]\n[instance b]\n[instance a]\n",
		   "3: [instance a]: there is one on line 1 already; rename or remove one");
	assert_bad("[instance a/b]\n",
		   "1: [instance a/b]: not a name; use at most 63 letters, digits and _ - . (the "
		   "last two not in front)");
	assert_bad("\n[instnace a]\n", "2: [instnace]: no such section; did you mean instance?");
	assert_bad("[link a]\n", "1: [link]: no such section; there are [instance NAME], [endpoint "
				 "INSTANCE/NAME] and [daemon]");
	assert_bad("[endpoint]\n", "1: [endpoint]: the name is missing; write [endpoint "
				   "INSTANCE/NAME]");
	assert_bad("[daemon x]\n", "1: [daemon]: takes no name; write [daemon]");
}

/* inih would cut long lines and headings in silence. */
static void long_lines(void **state)
{
	char text[600] = "[instance a]\nmemory = shm:";
	size_t head = strlen(text);

	(void)state;
	memset(text + head, 'x', 198 - 13); /* "memory = shm:" + 185 = 198 */
	assert_int_equal(load(text, NULL), 0);
	assert_int_equal(strlen(config_get(cfg, "memory")), 4 + 185);
	text[head + 185] = 'x';
	assert_bad(text, "2: a line of more than 198 bytes; shorten it");

	strcpy(text, "[instance ");
	memset(text + 10, 'n', 63);
	strcpy(text + 73, "]\n");
	assert_int_equal(load(text, NULL), 0);
	strcpy(text + 73, "n]\n");
	assert_int_equal(load(text, NULL), -EINVAL);
	assert_non_null(strstr(config_error(cfg), "not a name; use at most 63"));
}

static void not_text(void **state)
{
	static const char nul[] = "[instance a]\nmemory = shm:x\0y\n";
	static const char trailing[] = "[instance a]\n\0";

	(void)state;
	assert_bad_bytes(nul, sizeof(nul) - 1, "2: a NUL byte; is this a text file?");
	assert_bad_bytes(trailing, sizeof(trailing) - 1, "2: a NUL byte; is this a text file?");
}

static int check_unreadable(void *arg)
{
	char expected[CONFIG_ERROR_SIZE];

	(void)arg;
	snprintf(expected, sizeof(expected),
		 "%s: permission denied; make it readable for this user", path);
	if (config_load(cfg, path, NULL) != -EACCES)
		return 1;
	return strcmp(config_error(cfg), expected) == 0 ? 0 : 2;
}

static void files_that_do_not_open(void **state)
{
	(void)state;
	assert_int_equal(config_load(cfg, "/tmp", NULL), -EISDIR);
	assert_error("/tmp: is a directory; name a file in it");
	assert_int_equal(config_load(cfg, "/nonexistent/x.conf", NULL), -ENOENT);
	assert_error("/nonexistent/x.conf: does not exist; check the path");
	assert_int_equal(load("[instance a]\n", NULL), 0);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(as_nobody(check_unreadable, NULL), 0);
}

/* However long names and paths are, the text stays within its buffer and keeps what matters. */
static void errors_stay_short(void **state)
{
	char text[9000] = "", directory[300] = "/tmp/", *p = text;
	int i;

	(void)state;
	for (i = 0; i < 130; i++)
		p += sprintf(p, "[instance instance-with-a-rather-long-name-%d]\n", i);
	assert_int_equal(load(text, NULL), -ENOTUNIQ);
	assert_true(strlen(config_error(cfg)) < CONFIG_ERROR_SIZE);
	assert_non_null(strstr(config_error(cfg), "-name-0, "));
	assert_non_null(strstr(config_error(cfg), ", ..."));
	memset(directory + 5, 'd', 250);
	strcpy(directory + 255, "/end.conf");
	assert_int_equal(config_load(cfg, directory, NULL), -ENOENT);
	assert_non_null(strstr(config_error(cfg), "/end.conf: does not exist; check the path"));
	config_fail(cfg, -EIO, "%s%s%s", text, text, text);
	assert_int_equal(strlen(config_error(cfg)), CONFIG_ERROR_SIZE - 1);
	assert_int_equal(config_fail(cfg, -EIO, "at open: %s", config_error(cfg)), -EIO);
	assert_memory_equal(config_error(cfg), "at open: [instance", 18);
}

struct seen_items {
	char text[512];
	int refuse_after; /* items */
};

static int see_item(void *user, const struct icbmsg_config_item *item)
{
	struct seen_items *seen = user;
	size_t n = strlen(seen->text);

	if (seen->refuse_after-- == 0)
		return -ECANCELED;
	assert_string_equal(item->path, path);
	snprintf(seen->text + n, sizeof(seen->text) - n, "%u %s(%s) %s=%s\n", item->line,
		 item->section, item->name, item->key ? item->key : "",
		 item->value ? item->value : "");
	return 0;
}

static void all_sections_are_shown(void **state)
{
	struct seen_items seen = { .refuse_after = -1 }, short_sight = { .refuse_after = 2 };
	char expected[CONFIG_ERROR_SIZE];

	(void)state;
	assert_int_equal(load("[endpoint a/x y]\nAny = 1\n[instance a]\ntx-blocks = 4\n"
			      "[daemon]\nb = ; c\n",
			      "a"),
			 0);
	assert_int_equal(config_scan(cfg, path, see_item, &seen), 0);
	assert_string_equal(seen.text, "1 endpoint(a/x y) =\n2 endpoint(a/x y) Any=1\n"
				       "3 instance(a) =\n4 instance(a) tx-blocks=4\n"
				       "5 daemon() =\n6 daemon() b=\n");
	snprintf(expected, sizeof(expected), "%s:4", path);
	assert_string_equal(config_origin(cfg, "tx-blocks"), expected);
	assert_null(config_origin(cfg, "memory"));
	assert_null(config_origin(cfg, "no-such-key"));
	assert_int_equal(config_scan(cfg, path, see_item, &short_sight), -ECANCELED);
	assert_string_equal(short_sight.text, "1 endpoint(a/x y) =\n2 endpoint(a/x y) Any=1\n");
}

static void the_example_is_valid(void **state)
{
	const char *source = getenv("ICBMSG_SOURCE_DIR");
	char example[4096];
	struct config_values v;

	(void)state;
	if (!source)
		skip();
	snprintf(example, sizeof(example), "%s/conf/example.conf", source);
	if (config_load(cfg, example, "net") != 0)
		fail_msg("%s", config_error(cfg));
	v = resolve();
	assert_string_equal(v.name, "net");
	assert_int_equal(v.memory.mode, 0660);
	assert_int_equal(v.memory.size, 4096);
	assert_true(layout_is_initiator(&v.tx_layout, &v.rx_layout));
	config_free(cfg);
	assert_int_equal(config_new(&cfg), 0);
	if (config_load(cfg, example, "child") != 0)
		fail_msg("%s", config_error(cfg));
	assert_int_equal(resolve().doorbell.out.fd, 5);
}

/* All say the same geometry, and each source is in one of them. */
static void the_device_examples_are_valid(void **state)
{
	static const struct {
		const char *name;
		enum memory_kind kind;
		uint64_t tx_address;
	} all[] = {
		{ "physical", MEMORY_DEVMEM, 0x20078000 },
		{ "coherent", MEMORY_DEVMEM, 0x20078000 },
		{ "uio", MEMORY_UIO, 0x20078000 },
		{ "bar", MEMORY_FILE, 0 },
	};
	const char *source = getenv("ICBMSG_SOURCE_DIR");
	struct config_values v;
	char example[4096];
	size_t i;

	(void)state;
	if (!source)
		skip();
	snprintf(example, sizeof(example), "%s/conf/devices.conf", source);
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		config_free(cfg);
		assert_int_equal(config_new(&cfg), 0);
		if (config_load(cfg, example, all[i].name) != 0)
			fail_msg("%s", config_error(cfg));
		v = resolve();
		assert_int_equal(v.memory.kind, all[i].kind);
		assert_int_equal(v.tx.address, all[i].tx_address);
		assert_int_equal(v.memory.type_given, i == 1);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sections_are_chosen),
		T(files_without_instance),
		T(later_values_win),
		T(resolving_names_the_place),
		T(odd_but_valid_files),
		T(bad_keys_in_files),
		T(bad_headings),
		T(long_lines),
		T(not_text),
		T(files_that_do_not_open),
		T(errors_stay_short),
		T(all_sections_are_shown),
		T(the_example_is_valid),
		T(the_device_examples_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
